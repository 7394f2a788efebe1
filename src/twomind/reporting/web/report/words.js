// The transcript and the list of cues: colour by contribution, follow the time, click to move.

import { clock, say, tip } from "./dom.js";

export function makeWords(article, data, player, goTo) {
  const spans = [...article.querySelectorAll(".text .w")];
  const widest = Math.max(...data.words.items.map((w) => Math.abs(w.share || 0)), 1e-9);
  const told = [];
  spans.forEach((span, i) => {
    const word = data.words.items[i];
    // Every plain word carries a little of the average; colouring all of them would hide those that matter.
    if (Math.abs(word.share || 0) > 0.2 * widest) {
      const step = Math.min(3, Math.max(1, Math.ceil((3 * Math.abs(word.share)) / widest)));
      span.classList.add(word.share > 0 ? "up" : "down", `s${step}`);
    }
    span.tabIndex = i ? -1 : 0;
    span.setAttribute("role", "button");
    const said = word.share ? say(word.share > 0 ? "raises" : "lowers", { value: Math.abs(word.share).toFixed(2) }) : "";
    if (said) span.setAttribute("aria-description", said);
    const place = `${word.spread ? "≈ " : ""}${clock(word.start_s)}${word.spread ? `, ${say("spread")}` : ""}`;
    told.push([word.text, place, ...(said ? [said] : [])]);
  });

  // One listener each for all words: an answer may have thousands.
  const text = article.querySelector(".text");
  const numberOf = (event) => {
    const span = event.target.closest(".w");
    return span ? Number(span.dataset.i) : -1;
  };
  if (text) {
    text.addEventListener("pointermove", (event) => tip(event, told[numberOf(event)]));
    text.addEventListener("pointerleave", (event) => tip(event, null));
    text.addEventListener("click", (event) => {
      const i = numberOf(event);
      if (i >= 0) player.seek(data.words.items[i].start_s);
    });
    text.addEventListener("keydown", (event) => {
      const i = numberOf(event);
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const to = step && spans[i + step];
      if (i < 0 || (event.key !== "Enter" && !to)) return;
      event.preventDefault();
      event.stopPropagation();
      if (to) {
        spans[i].tabIndex = -1;
        to.tabIndex = 0;
        to.focus();
      }
      player.seek(data.words.items[to ? i + step : i].start_s);
    });
  }

  const rows = [...article.querySelectorAll("[data-cue]")].filter((r) => r.tagName === "TR");
  rows.forEach((row) => {
    const cue = data.cues[Number(row.dataset.cue)];
    row.addEventListener("click", () => goTo(data.cues.indexOf(cue)));
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
