import type { Progress } from "@twomind/recorder";
import { type App, closeStream } from "../app.js";
import { ApiError } from "../api.js";
import { button, el, paragraphs, show } from "../dom.js";
import type { Finish, Question } from "../types.js";
import { of, t } from "../words.js";

const LOOK_MS = 300;

/** About you → all is sent → thank you. A way on is only shown after the last acknowledgement. */
export async function end(app: App): Promise<void> {
  closeStream(app);
  if (!app.me.finished) await aboutYou(app);
  if (!(await sent(app))) return;
  app.me = await app.api.me();
  try {
    thanks(app, await app.api.finish());
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "open") throw error;
    // An answer is wanted once more, or is still on another device.
    app.here.stored.clear();
    await app.go();
  }
}

function aboutYou(app: App): Promise<void> {
  const { metadata } = app.study;
  if (metadata.length === 0) return Promise.resolve();
  const form = el(
    "form",
    {},
    el("p", {}, t("about_you_intro")),
    ...metadata.map(field),
    el("button", { class: "main" }, t("send")),
  );
  show(t("about_you"), form);
  return new Promise((resolve, reject) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const given = new FormData(form);
      const answers = metadata.map((question) => [question.id, valueOf(question, given)]);
      app.api.metadata(Object.fromEntries(answers)).then(resolve, reject);
    });
  });
}

function field(question: Question): HTMLElement {
  const id = `about-${question.id}`;
  const label = el("label", { for: id }, of(question.text));
  return el("div", { class: "field" }, label, input(question, id));
}

function input(question: Question, id: string): HTMLElement {
  const name = question.id;
  if (question.kind === "text") return el("input", { id, name, maxlength: 200 });
  if (question.kind === "number") {
    const { min = "", max = "" } = question;
    return el("input", { id, name, type: "number", min, max, inputmode: "numeric" });
  }
  const choices = (question.choices ?? []).map((choice) =>
    el("option", { value: choice.id }, of(choice.text)),
  );
  return el("select", { id, name }, el("option", { value: "" }, t("no_answer")), ...choices);
}

function valueOf(question: Question, given: FormData): string | number | null {
  const text = String(given.get(question.id) ?? "").trim();
  if (text === "") return null;
  return question.kind === "number" ? Number(text) : text;
}

/** True when nothing of this person is in the browser any more; false when they left this page. */
async function sent(app: App): Promise<boolean> {
  const { uploader } = app.session;
  if ((await uploader.progress()).recordings === 0) return true;
  const bar = el("progress", { max: 1, "aria-label": t("sending_title") });
  const part = el("p", {});
  const state = el("p", { role: "status" });
  show(t("sending_title"), el("p", {}, t("sending")), bar, part, state);
  uploader.wake();
  while (bar.isConnected) {
    const progress = await uploader.progress();
    if (progress.recordings === 0) return true;
    const { bytes, sentBytes } = progress;
    bar.value = bytes === 0 ? 0 : sentBytes / bytes;
    part.textContent = t("sent_part", { sent: megabytes(sentBytes), total: megabytes(bytes) });
    say(state, await trouble(app, progress));
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return false;
}

function say(status: HTMLElement, text: string): void {
  if (status.textContent !== text) status.textContent = text;
}

async function trouble(app: App, progress: Progress): Promise<string> {
  const rows = await app.session.store.recordings();
  if (rows.some((row) => row.state === "refused")) return t("sending_refused");
  if (progress.state === "session") return t("no_session");
  return progress.state === "waiting" ? t("waiting") : "";
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

function thanks(app: App, finish: Finish): void {
  const { redirect, code } = finish;
  show(
    t("thanks"),
    el("p", { role: "status" }, t("all_sent")),
    ...paragraphs(of(app.study.debriefing)),
    ...paragraphs(of(app.study.payment)),
    code === null ? null : el("p", {}, `${t("code")} `, el("strong", {}, code)),
    redirect === null ? null : el("p", {}, el("a", { class: "main", href: redirect }, t("redirect"))),
    button(t("your_data"), () => void app.yourData(), "plain"),
  );
}
