import { button, el, show } from "../../participant/src/dom.js";
import { Left, Turn } from "../../participant/src/turn.js";
import { keepLanguage, keptLanguage } from "../../language.js";
import { Api, ApiError } from "./api.js";
import type { App } from "./app.js";
import { adjudicate } from "./pages/adjudicate.js";
import { coding } from "./pages/coding.js";
import { invite } from "./pages/invite.js";
import { people, person } from "./pages/people.js";
import { isShown, queue } from "./pages/queue.js";
import { recording } from "./pages/recording.js";
import { problemText, signIn } from "./pages/signin.js";
import { coders, log } from "./pages/team.js";
import type { Language, Study } from "./types.js";
import { currentLanguage, firstLanguage, type Message, of, setLanguage, t } from "./words.js";

const NAMES: Record<Language, string> = { en: "English", fr: "Français" };
const PAGES: [string, Message][] = [
  ["people", "people_title"],
  ["queue", "queue_title"],
  ["invite", "invite_title"],
  ["coders", "coders_title"],
  ["coding", "coding_title"],
  ["log", "log_title"],
];

/** The page of an address like `#recording/…`. */
async function page(app: App): Promise<void> {
  const [name = "", id = ""] = location.hash.slice(1).split("/");
  switch (name) {
    case "person":
      return person(app, id);
    case "queue":
      return queue(app, isShown(id) ? id : "waiting");
    case "recording":
      return recording(app, id);
    case "invite":
      return invite(app);
    case "coders":
      return coders(app);
    case "coding":
      return coding(app);
    case "adjudicate":
      return adjudicate(app, id);
    case "log":
      return log(app);
    default:
      return people(app);
  }
}

/** The page of the address, in a turn of its own. */
async function guarded(api: Api, study: Study): Promise<void> {
  const turn = new Turn();
  const again = (): Promise<void> => (turn.isNow ? guarded(api, study) : Promise.resolve());
  const app: App = { api: turn.watched(api), study, turn, again };
  frame(api, app);
  try {
    await page(app);
  } catch (error) {
    if (error instanceof Left) return;
    if (error instanceof ApiError && error.status === 401) return main();
    show(t("problem"), el("p", {}, problemText(error)), button(t("retry"), () => void app.again()));
  }
}

function frame(api: Api, app: App | null): void {
  const top = document.getElementById("top") as HTMLElement;
  const title = el("p", { class: "title" }, app === null ? t("study") : of(app.study.title));
  top.replaceChildren(title, languages(api, app), app === null ? "" : pages());
  const bottom = document.getElementById("bottom") as HTMLElement;
  if (app === null) return bottom.replaceChildren();
  const leave = button(t("sign_out"), () => void api.signOut().finally(() => void main()), "link");
  bottom.replaceChildren(el("p", {}, t("signed_in", { name: api.name })), leave);
}

function pages(): HTMLElement {
  const here = location.hash.slice(1).split("/")[0] || "people";
  const links = PAGES.map(([name, title]) => {
    const link = el("a", { href: `#${name}` }, t(title));
    if (name === here) link.setAttribute("aria-current", "page");
    return el("li", {}, link);
  });
  return el("nav", { "aria-label": t("pages"), class: "pages" }, el("ul", { class: "tabs" }, ...links));
}

function languages(api: Api, app: App | null): HTMLElement {
  const other: Language = currentLanguage() === "en" ? "fr" : "en";
  const change = button(
    NAMES[other],
    () => {
      setLanguage(other);
      keepLanguage(() => sessionStorage, other);
      if (app === null) ask(api);
      else void app.again();
    },
    "link",
  );
  change.lang = other;
  return el("nav", { "aria-label": "Language · Langue" }, change);
}

function ask(api: Api): void {
  frame(api, null);
  signIn(api, () => void start(api));
}

/** Shows the page of the address; null: nobody is signed in. */
let running: (() => Promise<void>) | null = null;

async function start(api: Api): Promise<void> {
  const study = await api.study();
  running = () => guarded(api, study);
  await running();
}

async function main(): Promise<void> {
  const api = new Api();
  running = null;
  try {
    await api.resume();
    await start(api);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return ask(api);
    show(t("problem"), el("p", {}, problemText(error)), button(t("retry"), () => void main()));
  }
}

window.addEventListener("hashchange", () => void running?.());
window.addEventListener("unhandledrejection", (event) => {
  if (event.reason instanceof Left) return event.preventDefault();
  const retry = button(t("retry"), () => location.reload());
  show(t("problem"), el("p", {}, problemText(event.reason)), retry);
});
setLanguage(keptLanguage(() => sessionStorage) ?? firstLanguage(location.pathname, navigator.languages));
void main();
