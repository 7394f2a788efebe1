import { bench } from "../../../coder/src/bench.js";
import { useLanguage } from "../../../coder/src/words.js";
import "../../../coder/src/style.css";
import { el, show } from "../../../participant/src/dom.js";
import type { App } from "../app.js";
import { itemName } from "../parts.js";
import { currentLanguage, t } from "../words.js";

/** What each coder marked, above the coding that the team agrees on. */
export async function adjudicate(app: App, id: string): Promise<void> {
  useLanguage(currentLanguage());
  const desk = app.api.desk(id);
  const [clip, { codebook }] = await Promise.all([desk.load(), app.api.coding()]);
  const { editor, element } = bench(desk, codebook, clip, () => void app.again());
  const done = clip.coding.done !== null;
  show(
    t("adjudicate_title", { item: itemName(app.study, clip.item) }),
    el("p", {}, t("adjudicate_intro")),
    element,
    done ? after(app, id, clip.gold === true) : null,
  );
  editor.focus();
}

function after(app: App, id: string, gold: boolean): HTMLElement {
  const on = el("button", { type: "button", class: "plain" }, t("go_on"));
  on.addEventListener("click", () => void app.api.goOn(id).then(() => app.again()));
  const measure = el("button", { type: "button", class: "plain" }, t(gold ? "gold_drop" : "gold_make"));
  measure.addEventListener("click", () => void app.api.gold(id, !gold).then(() => app.again()));
  return el("div", { class: "buttons" }, on, measure);
}
