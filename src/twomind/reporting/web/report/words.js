// The transcript and the list of cues: colour by contribution, follow the time, click to move.

import { clock, tip } from "./dom.js";

export function makeWords(article, data, player) {
  const spans = [...article.querySelectorAll(".text .w")];
  const widest = Math.max(...data.words.items.map((w) => Math.abs(w.share || 0)), 1e-9);
  spans.forEach((span, i) => {
    const word = data.words.items[i];
    // Every plain word carries a little of the average; colouring all of them would hide those that matter.
    if (Math.abs(word.share || 0) > 0.2 * widest) {
      const step = Math.min(3, Math.max(1, Math.ceil((3 * Math.abs(word.share)) / widest)));
      span.classList.add(word.share > 0 ? "up" : "down", `s${step}`);
    }
    span.tabIndex = i ? -1 : 0;
    span.setAttribute("role", "button");
    const said = word.share ? `${word.share > 0 ? "raises" : "lowers"} the score by ${Math.abs(word.share).toFixed(2)} log-odds` : "";
    if (said) span.setAttribute("aria-description", said);
    const place = `${word.spread ? "≈ " : ""}${clock(word.start_s)}${word.spread ? ", spread evenly, not heard" : ""}`;
    span.addEventListener("pointermove", (event) => tip(event, [word.text, place, ...(said ? [said] : [])]));
    span.addEventListener("pointerleave", (event) => tip(event, null));
    span.addEventListener("click", () => player.seek(word.start_s));
    span.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const to = step && spans[i + step];
      if (event.key === "Enter" || to) {
        event.preventDefault();
        event.stopPropagation();
        if (to) {
          span.tabIndex = -1;
          to.tabIndex = 0;
          to.focus();
        }
        player.seek(data.words.items[to ? i + step : i].start_s);
      }
    });
  });

  const rows = [...article.querySelectorAll("[data-cue]")].filter((r) => r.tagName === "TR");
  rows.forEach((row) => {
    const cue = data.cues[Number(row.dataset.cue)];
    row.addEventListener("click", () => player.seek(cue.start_s));
  });

  let before = null;
  return {
    update(timeS) {
      const at = data.words.items.findIndex((w) => w.start_s <= timeS && timeS < w.end_s);
      if (at !== before) {
        if (spans[before]) spans[before].classList.remove("current");
        if (spans[at]) spans[at].classList.add("current");
        before = at;
      }
      for (const row of rows) {
        const cue = data.cues[Number(row.dataset.cue)];
        row.classList.toggle("current", cue.start_s <= timeS && timeS < Math.max(cue.end_s, cue.start_s + 0.15));
      }
    },
  };
}
