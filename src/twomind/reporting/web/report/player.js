// One clock for an answer: the recording's where it plays, an own one where it does not.

const BLOCK = 1 << 20;

// The embedded recording as a blob: every browser can seek in it, and only an opened answer costs memory.
function blobOf(id) {
  const text = document.getElementById(id).textContent;
  const comma = text.indexOf(",");
  const type = text.slice(5, text.indexOf(";"));
  const parts = [];
  for (let i = comma + 1; i < text.length; i += BLOCK) {
    const letters = atob(text.slice(i, Math.min(i + BLOCK, text.length)));
    const bytes = new Uint8Array(letters.length);
    for (let k = 0; k < letters.length; k += 1) bytes[k] = letters.charCodeAt(k);
    parts.push(bytes);
  }
  return URL.createObjectURL(new Blob(parts, { type }));
}

// A recording straight from a browser declares no duration; going far past its end makes the browser find it.
function findEnd(media) {
  if (media.duration !== Infinity) return;
  media.addEventListener("timeupdate", () => { media.currentTime = 0; }, { once: true });
  media.currentTime = 1e7;
}

export function makePlayer(article, durationS, onTime) {
  const media = article.querySelector(".media");
  const player = { timeS: 0, playing: false, usable: Boolean(media) };
  let wanted = null;
  let last = 0;

  function tell() {
    onTime(player.timeS, player.playing);
  }

  function fail() {
    if (!player.usable) return;
    player.usable = false;
    media.hidden = true;
    article.querySelector(".unplayable").hidden = false;
  }

  function tick(now) {
    if (player.usable) {
      if (wanted === null) player.timeS = media.currentTime;
    } else if (player.playing) {
      player.timeS = Math.min(player.timeS + (now - last) / 1000, durationS);
      if (player.timeS >= durationS) player.playing = false;
    }
    last = now;
    tell();
    if (player.playing) requestAnimationFrame(tick);
  }

  function run() {
    last = performance.now();
    requestAnimationFrame(tick);
  }

  player.seek = (timeS) => {
    player.timeS = Math.min(Math.max(timeS, 0), durationS);
    if (player.usable) {
      if (media.readyState >= 1) media.currentTime = player.timeS;
      else wanted = player.timeS;
    }
    tell();
  };

  player.toggle = () => {
    if (player.usable) {
      if (media.paused) media.play().catch(() => { if (media.error) fail(); });
      else media.pause();
      return;
    }
    if (!player.playing && player.timeS >= durationS) player.timeS = 0;
    player.playing = !player.playing;
    if (player.playing) run();
    tell();
  };

  player.stop = () => {
    if (player.playing) player.toggle();
  };

  if (media) {
    media.addEventListener("loadedmetadata", () => {
      if (media.tagName === "VIDEO" && !media.videoWidth) return fail();
      findEnd(media);
      if (wanted !== null) media.currentTime = wanted;
      wanted = null;
    });
    media.addEventListener("error", fail);
    media.addEventListener("play", () => { player.playing = true; run(); });
    media.addEventListener("pause", () => { player.playing = false; tell(); });
    media.addEventListener("seeked", () => { player.timeS = media.currentTime; tell(); });
    // The page is drawn first: a large recording stands at the end of the file and takes a moment.
    const { block } = media.dataset;
    const load = () => setTimeout(() => { media.src = blobOf(block); }, 30);
    if (block && document.readyState === "loading") document.addEventListener("DOMContentLoaded", load, { once: true });
    else if (block) load();
    // An error before this script ran; what is not tried yet has no source either.
    else if (media.error) fail();
  }
  return player;
}
