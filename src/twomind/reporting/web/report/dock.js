// A small picture while its place is scrolled away and the film plays: the timeline is read with the face in view.
// The page gives it a margin of its own, so it lies over nothing; a button moves it to the other side.

export function dock(article) {
  const screen = article.querySelector(".player.video .screen");
  const close = screen && screen.querySelector(".undock");
  if (!close) return;
  const move = screen.querySelector(".movedock");
  const media = screen.querySelector(".media");
  let wanted = true;
  let away = false;
  let side = "right";

  function set() {
    const on = wanted && away && !article.hidden && !media.hidden && !media.paused;
    if (on === screen.classList.contains("docked")) return;
    const holder = screen.parentElement;
    holder.style.minHeight = on ? `${holder.offsetHeight}px` : "";
    screen.classList.toggle("docked", on);
    close.hidden = move.hidden = !on;
    media.controls = !on;
    if (on) document.body.dataset.dock = side;
    else delete document.body.dataset.dock;
  }

  close.addEventListener("click", () => {
    wanted = false;
    set();
  });
  move.addEventListener("click", () => {
    side = side === "right" ? "left" : "right";
    document.body.dataset.dock = side;
  });
  // Whoever plays again after closing it has it back.
  media.addEventListener("play", set);
  media.addEventListener("pause", () => {
    wanted = true;
    set();
  });
  new IntersectionObserver(([seen]) => {
    away = !seen.isIntersecting && seen.boundingClientRect.bottom < 120;
    set();
  }, { rootMargin: "-60px 0px 0px 0px", threshold: 0.15 }).observe(screen.parentElement);
}
