import type { App } from "../app.js";
import { ApiError } from "../api.js";
import { button, el, paragraphs, show } from "../dom.js";
import type { ConsentItem, ConsentState } from "../types.js";
import { currentLanguage, of, t } from "../words.js";

/** The text, and each item with a yes and a no of which neither is chosen beforehand. */
export function consent(app: App, changed = isOld(app.me.consent)): void {
  const { study } = app;
  let sent = false;
  const fields = study.consent.items.map(question);
  const form = el(
    "form",
    { novalidate: true },
    el("p", {}, t("consent_ask")),
    ...fields,
    el("button", { class: "main" }, t("consent_send")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const answers = answersOf(form, study.consent.items);
    if (answers === undefined || sent) return;
    sent = true;
    void send(app, answers);
  });
  const note = changed ? el("p", { role: "status", class: "warning" }, t("consent_changed")) : null;
  const text = el("section", { class: "card" }, ...paragraphs(of(study.consent.text)));
  show(t("consent_title"), note, text, form);
}

/** An earlier text was answered: this person sees that it is another by now. */
function isOld(given: ConsentState): boolean {
  return given.version !== null && !given.current;
}

function question(item: ConsentItem): HTMLFieldSetElement {
  const answer = (value: string, label: string): HTMLElement =>
    el("label", {}, el("input", { type: "radio", name: item.id, value }), label);
  return el(
    "fieldset",
    { id: `item-${item.id}` },
    el("legend", {}, of(item.text)),
    el("p", { class: "small" }, item.required ? t("required") : t("optional")),
    el("div", { class: "choices" }, answer("yes", t("yes")), answer("no", t("no"))),
  );
}

/** The answers, or undefined with the first open line marked and in the keyboard's focus. */
function answersOf(form: HTMLFormElement, items: ConsentItem[]): Record<string, boolean> | undefined {
  for (const old of form.querySelectorAll(".missing")) old.remove();
  const given = new FormData(form);
  const missing = items.filter((item) => !given.has(item.id));
  for (const item of missing) {
    const field = form.querySelector(`#item-${CSS.escape(item.id)}`);
    field?.append(el("p", { class: "missing", role: "alert" }, t("answer_each")));
  }
  const [first] = missing;
  if (first === undefined) {
    return Object.fromEntries(items.map((item) => [item.id, given.get(item.id) === "yes"]));
  }
  form.querySelector<HTMLInputElement>(`[name="${CSS.escape(first.id)}"]`)?.focus();
  return undefined;
}

async function send(app: App, answers: Record<string, boolean>): Promise<void> {
  const language = currentLanguage();
  const { version, sha256 } = app.study.consent;
  try {
    await app.api.consent({ version, sha256: of(sha256), language, answers });
    app.me = await app.api.me();
    app.session.uploader.wake();
    await app.go();
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "consent_changed") throw error;
    Object.assign(app.study, await app.api.study());
    consent(app, true);
  }
}

/** Nothing can be recorded after a no to a required item. */
export function declined(app: App): void {
  show(
    t("declined_title"),
    el("p", {}, t("declined")),
    button(t("change_answers"), () => consent(app), "plain"),
  );
}
