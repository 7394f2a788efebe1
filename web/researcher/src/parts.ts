import { button, el } from "../../participant/src/dom.js";
import type { Findings, Study } from "./types.js";
import { absentTexts, faultText } from "./faults.js";
import { of, said, t } from "./words.js";

type Cell = Node | string;

/** A table whose rows become cards on a narrow page: each cell knows its column. `titled`: a heading
 * above it says already what it is. */
export function table(caption: string, columns: string[], rows: Cell[][], kind = ""): HTMLElement {
  const heads = columns.map((column) => el("th", { scope: "col" }, column));
  const lines = rows.map((row) =>
    el("tr", {}, ...row.map((cell, k) => el("td", { "data-column": columns[k] ?? "" }, cell))),
  );
  return el(
    "table",
    { class: kind },
    el("caption", {}, caption),
    el("thead", {}, el("tr", {}, ...heads)),
    el("tbody", {}, ...lines),
  );
}

/** A word in a frame; its text says it, the colour only repeats it. */
export function badge(group: string, code: string): HTMLElement {
  const name = code === "" ? "none" : code;
  return el("span", { class: `badge ${name}` }, said(group, name));
}

export function list(lines: (string | Node)[], kind = ""): HTMLElement | null {
  if (lines.length === 0) return null;
  return el("ul", { class: kind }, ...lines.map((line) => el("li", {}, line)));
}

/** A link with a field to copy it from. */
export function linkField(label: string, link: string): HTMLElement {
  const id = `link-${Math.random().toString(36).slice(2)}`;
  const field = el("input", { id, readonly: true, value: link });
  const state = el("span", { role: "status" });
  const copy = el("button", { type: "button", class: "plain" }, t("copy"));
  copy.addEventListener("click", () => {
    field.select();
    void navigator.clipboard?.writeText(link).then(() => {
      state.textContent = t("copied");
    });
  });
  const row = el("div", { class: "buttons" }, copy, state);
  return el("div", { class: "field" }, el("label", { for: id }, label), field, row);
}

/** What to know of this study before the first invitation. */
export function warnings(study: Study): HTMLElement | null {
  const lines = study.warnings.map(({ code, about }) => said("warning", code, { about }));
  return list(lines, "warning");
}

/** What the quality control says, for the queue and for the page of a recording. */
export function findingsOf(findings: Findings | null, measuring: boolean): HTMLElement {
  if (findings === null) {
    return el("p", { class: "small" }, t(measuring ? "not_measured_yet" : "measuring_is_off"));
  }
  const faults = list(findings.faults.map(faultText), "faults");
  const absent = list(absentTexts(findings), "absent");
  const all = findings.not_measured.length === 0 ? "no_fault" : "no_fault_measured";
  const none = findings.faults.length === 0 ? el("p", {}, t(all)) : null;
  return el("div", {}, ...[none, faults, absent].filter((part) => part !== null));
}

/** How an item is called: its kind of answer and its name. */
export function itemName(study: Study, id: string): string {
  const item = study.items.find((one) => one.id === id);
  if (item === undefined) return id;
  return item.response === "other" ? id : `${id} (${said("response", item.response)})`;
}

export function promptOf(study: Study, id: string): string {
  return of(study.items.find((one) => one.id === id)?.text);
}

/** Asks once more before something that cannot be undone; the way back has the focus. */
export function sure(question: string, yes: string, act: () => void): HTMLElement {
  const dialog = el("dialog", { "aria-label": question });
  const close = (): void => {
    dialog.close();
    dialog.remove();
  };
  const no = button(t("no_back"), close);
  const done = button(
    yes,
    () => {
      close();
      act();
    },
    "danger",
  );
  dialog.append(el("p", {}, question), el("div", { class: "buttons" }, no, done));
  document.body.append(dialog);
  dialog.showModal();
  no.focus();
  return dialog;
}
