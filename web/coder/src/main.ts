import { button, el, show } from "../../participant/src/dom.js";
import { Left, Turn } from "../../participant/src/turn.js";
import { forgetLanguage, keepLanguage, keptLanguage } from "../../language.js";
import { Api, ApiError } from "./api.js";
import { bench, forgetDesks } from "./bench.js";
import { refusalText } from "./refusals.js";
import type { Admission, Language, Listed, Study } from "./types.js";
import { currentLanguage, firstLanguage, of, setLanguage, t } from "./words.js";

const NAMES: Record<Language, string> = { en: "English", fr: "Français" };

interface App {
  readonly api: Api;
  readonly study: Study;
}

function frame(app: App | null): void {
  const top = document.getElementById("top") as HTMLElement;
  const other: Language = currentLanguage() === "en" ? "fr" : "en";
  const change = button(
    NAMES[other],
    () => {
      setLanguage(other);
      keepLanguage(() => sessionStorage, other);
      if (app === null) void main();
      else void page(app);
    },
    "link",
  );
  change.lang = other;
  const title = el("p", { class: "title" }, app === null ? t("study") : of(app.study.title));
  top.replaceChildren(title, el("nav", { "aria-label": "Language · Langue" }, change));
  const bottom = document.getElementById("bottom") as HTMLElement;
  if (app === null) return bottom.replaceChildren();
  bottom.replaceChildren(button(t("leave"), () => leave(app), "link"));
}

function leave(app: App): void {
  forgetDesks();
  void app.api.leave().finally(() => location.reload());
}

async function page(app: App): Promise<void> {
  frame(app);
  const id = location.hash.slice(1);
  const turn = new Turn();
  const here = { ...app, api: turn.watched(app.api) };
  try {
    if (/^[0-9a-f]{32}$/.test(id)) await recording(here, turn, id);
    else await list(here);
  } catch (error) {
    if (error instanceof Left) return;
    if (error instanceof ApiError && error.status === 401) return closed();
    show(t("problem"), el("p", {}, problem(error)), button(t("retry"), () => void page(app)));
  }
}

function problem(error: unknown): string {
  return error instanceof ApiError ? refusalText(error) : t("offline");
}

function closed(): void {
  frame(null);
  show(t("study"), el("p", {}, t("no_session")));
}

async function list(app: App): Promise<void> {
  const { recordings, admission } = await app.api.recordings();
  const rows = recordings.map((one, k) => row(one, k));
  const none = recordings.length === 0 ? el("p", {}, t("nothing")) : null;
  show(t("list_title"), el("p", {}, t("list_intro")), ended(recordings, admission), practice(admission), none, el("ul", { class: "recordings to-code" }, ...rows));
  // Enter begins with what is next.
  document.querySelector<HTMLElement>("li:not([data-state=done]) a.open")?.focus();
}

/** What was finished just now, and whether anything is left. */
function ended(recordings: readonly Listed[], admission: Admission): HTMLElement | null {
  const before = justDone;
  justDone = null;
  const left = recordings.some((one) => one.state !== "done");
  const parts: string[] = [];
  if (before !== null && before.practice && admission.admitted) parts.push(t("let_in"));
  else if (before !== null && left) parts.push(t("one_done", { before: before.n }));
  if (recordings.length > 0 && !left && admission.admitted) parts.push(t("all_done", { all: recordings.length }));
  return parts.length === 0 ? null : el("p", { role: "status" }, el("strong", {}, parts.join(" ")));
}

/** With the decimal sign of the language. */
function decimal(value: number): string {
  return new Intl.NumberFormat(currentLanguage(), { maximumFractionDigits: 2 }).format(value);
}

function practice(admission: Admission): HTMLElement | null {
  if (admission.admitted) return null;
  const { clips = 0, done = 0, kappa } = admission;
  const needed = decimal(admission.needed ?? 0);
  const text = el("p", { class: "warning" }, t("practice", { clips, done, needed }));
  const all = done === clips && clips > 0;
  if (!all) return text;
  const reached = kappa === null || kappa === undefined ? "–" : decimal(kappa);
  return el("div", {}, text, el("p", { class: "warning" }, t("not_reached", { kappa: reached, needed })));
}

function row(one: Listed, k: number): HTMLElement {
  const link = el("a", { href: `#${one.id}`, class: "open" }, t(one.state === "done" ? "look" : "open"));
  const name = el("span", {}, t("number", { n: k + 1 }));
  link.setAttribute("aria-label", `${link.textContent ?? ""}: ${name.textContent ?? ""}`);
  return el("li", { "data-state": one.state }, name, el("span", { class: "small" }, of(one.prompt)), el("span", { class: "small" }, t(`state_${one.state}`)), link);
}

async function recording(app: App, turn: Turn, id: string): Promise<void> {
  const desk = app.api.desk(id);
  const [clip, { recordings, admission }] = await turn.still(Promise.all([desk.load(), app.api.recordings()]));
  const n = recordings.findIndex((one) => one.id === id) + 1;
  const next = recordings.find((one) => one.id !== id && one.state !== "done");
  const after = (): void => {
    if (!turn.isNow) return;
    justDone = { n, practice: !admission.admitted };
    location.hash = next === undefined ? "" : next.id;
  };
  const { editor, element } = bench(desk, app.study.codebook, clip, after);
  show(t("number", { n }), el("p", { class: "way-back" }, el("a", { href: "#" }, t("back"))), element);
  editor.focus();
  editor.element.scrollIntoView({ block: "nearest" });
  if (justDone !== null) editor.tell(t("was_done", { before: justDone.n, n, all: recordings.length }));
  justDone = null;
}

/** Whether the address holds what opens the door. */
function isLink(): boolean {
  return location.hash.includes(".");
}

async function main(): Promise<void> {
  const api = new Api();
  const token = isLink() ? location.hash.slice(1) : "";
  try {
    if (token === "") await api.resume();
    else {
      // Who comes by a link may be somebody else.
      forgetDesks();
      forgetLanguage(() => sessionStorage);
      await api.enter(token);
      // What opens the door is not left in the address.
      if (isLink()) history.replaceState(null, "", location.pathname);
    }
    const app = { api, study: await api.study() };
    running = app;
    await page(app);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return closed();
    frame(null);
    show(t("problem"), el("p", {}, problem(error)), button(t("retry"), () => void main()));
  }
}

let running: App | null = null;
/** The number of the recording that was finished just now: its end is told at the next one. */
let justDone: { n: number; practice: boolean } | null = null;
window.addEventListener("hashchange", () => {
  // A link that is opened in this tab is no recording: it lets somebody in.
  if (isLink()) {
    running = null;
    show(t("study"));
    void main();
  } else if (running !== null) void page(running);
});
setLanguage(keptLanguage(() => sessionStorage) ?? firstLanguage(location.pathname, navigator.languages));
void main();
