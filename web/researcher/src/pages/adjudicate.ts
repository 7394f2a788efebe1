import { bench } from "../../../coder/src/bench.js";
import { useLanguage } from "../../../coder/src/words.js";
import "../../../coder/src/style.css";
import { el, show } from "../../../participant/src/dom.js";
import type { App } from "../app.js";
import { itemName } from "../parts.js";
import type { CodingOverview } from "../types.js";
import { currentLanguage, t } from "../words.js";

/** What each coder marked, above the coding that the team agrees on. */
export async function adjudicate(app: App, id: string): Promise<void> {
  useLanguage(currentLanguage());
  const desk = app.api.desk(id);
  const [clip, { codebook, recordings }] = await app.turn.still(Promise.all([desk.load(), app.api.coding()]));
  const { editor, element } = bench(desk, codebook, clip, () => void app.again());
  const done = clip.coding.done !== null;
  show(
    t("adjudicate_title", { item: itemName(app.study, clip.item) }),
    el("p", {}, t("adjudicate_intro")),
    element,
    done ? after(app, id, clip.gold === true, next(recordings, id)) : null,
  );
  const on = document.querySelector<HTMLElement>("a.next-to-agree");
  // Agreed: Enter goes on.
  if (on === null) editor.focus();
  else on.focus();
}

/** The next recording to agree on: after this one in the list, then from its beginning. */
function next(recordings: CodingOverview["recordings"], id: string): string | null {
  const at = recordings.findIndex((one) => one.id === id);
  const inTurn = [...recordings.slice(at + 1), ...recordings.slice(0, Math.max(at, 0))];
  const waits = inTurn.find((one) => !one.agreed && one.coders.some((coder) => coder.state === "done"));
  return waits?.id ?? null;
}

function after(app: App, id: string, gold: boolean, following: string | null): HTMLElement {
  const on = el("button", { type: "button", class: "plain" }, t("go_on"));
  on.addEventListener("click", () => void app.api.goOn(id).then(() => app.again()));
  const measure = el("button", { type: "button", class: "plain" }, t(gold ? "gold_drop" : "gold_make"));
  measure.addEventListener("click", () => void app.api.gold(id, !gold).then(() => app.again()));
  const link =
    following === null
      ? el("span", { role: "status" }, t("agree_none_left"))
      : el("a", { href: `#adjudicate/${following}`, class: "next-to-agree" }, t("agree_next"));
  return el("div", { class: "buttons" }, link, el("a", { href: "#coding" }, t("agree_all")), on, measure);
}
