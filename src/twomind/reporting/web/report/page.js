// The page: one answer open at a time, keys, printing.

import { dock } from "./dock.js";
import { makeOverview } from "./overview.js";
import { makePlayer } from "./player.js";
import { makeReview } from "./review.js";
import { makeTimeline } from "./timeline.js";
import { makeWords } from "./words.js";

const articles = [...document.querySelectorAll(".answer")];
const overview = document.getElementById("overview");
const choose = document.getElementById("choose");
const open = new Map();
let shown = null;

function start(article) {
  const data = JSON.parse(document.getElementById(`data-${article.dataset.n}`).textContent);
  const parts = {};
  parts.player = makePlayer(article, data.duration_s || 0, (timeS, playing) => {
    if (parts.timeline) parts.timeline.update(playing);
    if (parts.words) parts.words.update(timeS);
  });
  parts.review = makeReview(article, data, parts.player);
  parts.words = makeWords(article, data, parts.player, (i) => parts.timeline.goTo(i));
  parts.timeline = makeTimeline(article.querySelector(".timeline"), data, parts.player, parts.review);
  dock(article);
  return parts;
}

function show(id) {
  const article = articles.find((a) => a.id === id) || null;
  if (!article && !overview) return show(articles[0].id);
  if (shown && shown !== article && open.get(shown)) open.get(shown).player.stop();
  shown = article;
  for (const a of articles) a.hidden = a !== article;
  if (overview) overview.hidden = Boolean(article);
  if (choose) choose.value = article ? article.id : "overview";
  if (article && !open.has(article)) open.set(article, start(article));
}

function go(step) {
  const i = articles.indexOf(shown) + step;
  if (articles[i]) location.hash = articles[i].id;
  else if (i < 0) location.hash = "overview";
}

function fromAddress() {
  show(location.hash.slice(1));
  window.scrollTo(0, 0);
}

// The browser itself would scroll to the answer named in the address, and hide what stands above it.
window.addEventListener("load", () => window.scrollTo(0, 0));

function key(event) {
  if (!shown || event.ctrlKey || event.metaKey || event.altKey) return;
  const on = event.target;
  if (on.closest("input, select, textarea, audio, video, summary")) return;
  const { player, timeline, review } = open.get(shown);
  const step = event.shiftKey ? 0.1 : 1;
  const actions = {
    " ": () => player.toggle(),
    ArrowLeft: () => player.seek(player.timeS - step),
    ArrowRight: () => player.seek(player.timeS + step),
    n: () => timeline.stepCue(1),
    p: () => timeline.stepCue(-1),
    "+": () => timeline.setZoom(1),
    "-": () => timeline.setZoom(-1),
    a: () => review.judge("agree"),
    w: () => review.judge("wrong"),
  };
  if (event.key === "Home" || event.key === "End") {
    if (!on.closest(".lanes")) return;
    actions[event.key] = () => player.seek(event.key === "Home" ? 0 : Infinity);
  }
  const action = actions[event.key];
  if (!action || (event.key === " " && on.closest("button, a, [role=button]"))) return;
  event.preventDefault();
  action();
}

if (choose) {
  choose.addEventListener("change", () => { location.hash = choose.value; });
  for (const button of document.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => go(Number(button.dataset.step)));
  }
}
if (overview) makeOverview(overview);
document.addEventListener("keydown", key);
window.addEventListener("hashchange", fromAddress);
window.addEventListener("beforeprint", () => {
  if (shown) open.get(shown).timeline.print(true);
});
window.addEventListener("afterprint", () => { if (shown) open.get(shown).timeline.print(false); });
if (articles.length) fromAddress();
