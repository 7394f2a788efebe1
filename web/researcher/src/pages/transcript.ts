import { el } from "../../../participant/src/dom.js";
import type { App } from "../app.js";
import { list } from "../parts.js";
import type { Detail, Version } from "../types.js";
import { t, when } from "../words.js";
import { problemText } from "./signin.js";

/** What was said, to correct; every version is kept. */
export function transcript(app: App, found: Detail, versions: Version[]): HTMLElement | null {
  if (found.state === "open") return null;
  const [last] = versions;
  const text = el("textarea", { id: "words", rows: 6 });
  text.value = last?.text ?? "";
  const alert = el("p", { role: "alert", class: "missing" });
  const form = el(
    "form",
    {},
    el("div", { class: "field" }, el("label", { for: "words" }, t("words_label")), text),
    el("p", { class: "small" }, t("words_intro")),
    alert,
    el("button", { class: "main" }, t("save_words")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    app.api.correct(found.id, last?.revision ?? 0, text.value).then(
      () => app.again(),
      (error: unknown) => {
        alert.textContent = problemText(error);
      },
    );
  });
  const none = last === undefined ? el("p", {}, t("no_words")) : null;
  const remarks = list(last?.remarks ?? [], "small");
  const past = versions.length === 0 ? null : history(versions);
  const parts = [el("h2", {}, t("transcript_title")), none, form, remarks, past];
  return el("section", {}, ...parts.filter((part) => part !== null));
}

function history(versions: Version[]): HTMLElement {
  const lines = versions.map((one) => {
    const by = one.by === "speech recognition" ? t("by_machine") : one.by;
    const head = t("version", { n: one.revision, by, at: when(one.at) });
    return el("li", {}, el("p", { class: "small" }, head), el("blockquote", {}, one.text || "–"));
  });
  const summary = el("summary", {}, t("versions", { n: versions.length }));
  return el("details", {}, summary, el("ol", { class: "versions" }, ...lines));
}
