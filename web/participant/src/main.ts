import { type RecordingRow, RecordingSession } from "@twomind/recorder";
import { Api } from "./api.js";
import type { App } from "./app.js";
import { button, el, show } from "./dom.js";
import { check } from "./pages/check.js";
import { consent, declined } from "./pages/consent.js";
import { end } from "./pages/end.js";
import { problem } from "./pages/problem.js";
import { record } from "./pages/record.js";
import { yours } from "./pages/yours.js";
import { step } from "./plan.js";
import type { Language } from "./types.js";
import { currentLanguage, firstLanguage, of, setLanguage, t } from "./words.js";

const NAMES: Record<Language, string> = { en: "English", fr: "Français" };

/** Exchanges what follows `#` for a session, or goes on with the session of this browser. */
async function join(api: Api): Promise<string> {
  const token = location.hash.slice(1);
  if (token === "") {
    await api.resume();
    return "";
  }
  const own = await api.join(token, await externalId(api));
  history.replaceState(null, "", location.pathname);
  return own === "" ? "" : `${location.origin}/join#${own}`;
}

/** A panel's id of the person, which stands in the address; one's own link has none, and nothing is asked. */
async function externalId(api: Api): Promise<string | null> {
  if (location.search === "") return null;
  const { external_id_parameter: parameter } = await api.public();
  return new URLSearchParams(location.search).get(parameter ?? "");
}

async function open(api: Api): Promise<App> {
  const ownLink = await join(api);
  const [study, me] = await Promise.all([api.study(), api.me()]);
  // Until a text was answered, the server knows no better than the browser.
  const known = me.consent.version === null ? [] : [me.language];
  const wishes = [...known, ...navigator.languages, me.language];
  setLanguage(firstLanguage(location.pathname, wishes, study.languages));
  const session = await RecordingSession.open({
    base: "/api/recordings",
    headers: () => api.headers(),
    // On a shared computer nobody's unsent answer is sent in another person's name.
    database: `twomind-${me.person ?? "one"}`,
  });
  const rows = await session.store.recordings();
  const whole = rows.filter((row) => row.state !== "recording" && row.stopReason !== "tab_closed");
  const cut = rows.filter((row) => !whole.includes(row));
  const app: App = {
    api,
    study,
    me,
    session,
    ownLink,
    here: { checked: false, stored: itemsOf(whole), interrupted: itemsOf(cut) },
    stream: null,
    devices: { camera: "", microphone: "" },
    go: () => guarded(app, () => go(app)),
    yourData: () => guarded(app, () => yours(app)),
  };
  return app;
}

function itemsOf(rows: RecordingRow[]): Set<string> {
  return new Set(rows.map((row) => row.begin.item));
}

async function guarded(app: App, page: () => void | Promise<void>): Promise<void> {
  frame(app);
  try {
    await page();
  } catch (error) {
    problem(error, () => void guarded(app, page));
  }
}

function go(app: App): void | Promise<void> {
  switch (step(app.study, app.me, app.here)) {
    case "consent":
      return consent(app);
    case "declined":
      return declined(app);
    case "check":
      return check(app);
    case "record":
      return record(app);
    case "end":
      return end(app);
  }
}

/** Header and footer: the study's name, the other language, one's own data, whom to ask. */
function frame(app: App): void {
  const top = document.getElementById("top") as HTMLElement;
  const bottom = document.getElementById("bottom") as HTMLElement;
  const banner = app.study.test ? el("p", { class: "banner" }, t("test_banner")) : null;
  top.replaceChildren(el("p", { class: "title" }, of(app.study.title)), languages(app), banner ?? "");
  const data = button(t("your_data"), () => void app.yourData(), "link");
  bottom.replaceChildren(data, el("p", {}, t("contact", { who: of(app.study.contact) })));
}

/** Another language shows the page anew; while a recording goes on, the choice is not shown. */
function languages(app: App): HTMLElement {
  const others = app.study.languages.filter((language) => language !== currentLanguage());
  const buttons = others.map((language) => {
    const change = button(NAMES[language], () => {
      setLanguage(language);
      void app.go();
    }, "link");
    change.lang = language;
    return change;
  });
  return el("nav", { "aria-label": "Language · Langue" }, ...buttons);
}

async function main(): Promise<void> {
  setLanguage(firstLanguage(location.pathname, navigator.languages, ["en", "fr"]));
  show(t("loading"));
  try {
    const app = await open(new Api());
    await app.go();
  } catch (error) {
    problem(error, () => void main());
  }
}

// A personal link pasted into an open page is another person's beginning.
window.addEventListener("hashchange", () => {
  if (location.hash.length > 1) location.reload();
});
window.addEventListener("unhandledrejection", (event) => {
  problem(event.reason, () => location.reload());
});
void main();
