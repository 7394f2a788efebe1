import { el, show } from "../../../participant/src/dom.js";
import type { App } from "../app.js";
import { badge, findingsOf, itemName } from "../parts.js";
import type { Queue, Queued, Shown } from "../types.js";
import { said, t, when } from "../words.js";

const LISTS: Shown[] = ["waiting", "open", "usable", "again", "exclude", "all"];

export function isShown(name: string): name is Shown {
  return (LISTS as string[]).includes(name);
}

/** Recordings to decide on. */
export async function queue(app: App, shown: Shown): Promise<void> {
  const found = await app.api.queue(shown);
  const cards = el("div", { class: "cards" }, ...found.recordings.map((one) => card(app, one)));
  const empty = found.recordings.length === 0 ? el("p", {}, t("queue_empty")) : null;
  const more = el("button", { type: "button", class: "plain" }, t("more"));
  more.hidden = !found.more;
  more.addEventListener("click", () => void add(app, shown, cards, more));
  show(
    t("queue_title"),
    el("p", { class: "small" }, t("queue_intro")),
    lists(found, shown),
    empty,
    cards,
    more,
  );
}

async function add(
  app: App,
  shown: Shown,
  cards: HTMLElement,
  more: HTMLButtonElement,
): Promise<void> {
  const next = await app.api.queue(shown, cards.childElementCount);
  cards.append(...next.recordings.map((one) => card(app, one)));
  more.hidden = !next.more;
}

function lists(found: Queue, shown: Shown): HTMLElement {
  const links = LISTS.map((name) => {
    const count = name === "all" ? "" : ` (${found.counts[name]})`;
    const link = el("a", { href: `#queue/${name}` }, said("list", name) + count);
    if (name === shown) link.setAttribute("aria-current", "page");
    return el("li", {}, link);
  });
  return el("nav", { "aria-label": t("queue_title") }, el("ul", { class: "tabs" }, ...links));
}

function card(app: App, one: Queued): HTMLElement {
  const name = t("recording_of", { item: itemName(app.study, one.item), who: one.external_id || one.person });
  const link = el("a", { href: `#recording/${one.id}` }, name);
  const marks = el("p", { class: "marks" }, when(one.at));
  if (one.test) marks.append(" ", badge("kind", "test"));
  if (one.state === "open") marks.append(" ", badge("take", "open"));
  if (one.quality !== "waiting") marks.append(" ", badge("quality", one.quality));
  const proposed = el("p", {}, `${t("proposal")} `, badge("proposal", one.proposal));
  const open = one.state === "open";
  const said = open ? el("p", {}, t("open_text")) : findingsOf(one.findings, app.study.measuring.enabled);
  const parts = open || one.findings === null ? [said] : [proposed, said];
  return el("article", { class: "card" }, el("h2", {}, link), marks, ...parts);
}
