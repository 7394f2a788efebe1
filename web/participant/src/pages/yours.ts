import { type App, closeStream } from "../app.js";
import { button, el, pressed, show } from "../dom.js";
import type { Me } from "../types.js";
import { currentLanguage, type Message, of, t } from "../words.js";
import { titleOf } from "./titles.js";

/** What is theirs: their link, their recordings, the download, and the way out. */
export async function yours(app: App): Promise<void> {
  closeStream(app);
  app.here.checked = false;
  app.me = await app.api.me();
  show(
    t("your_data"),
    app.ownLink === "" ? null : ownLink(app.ownLink),
    recordings(app),
    downloads(app.me),
    app.me.withdrawing === null ? withdraw(app) : later(app, app.me.withdrawing),
    button(t("back"), () => void app.go(), "plain"),
  );
}

function ownLink(link: string): HTMLElement {
  const field = el("input", { readonly: true, value: link, "aria-label": t("your_link") });
  const copied = el("span", { role: "status" });
  const copy = async (): Promise<void> => {
    field.select();
    await navigator.clipboard.writeText(link);
    copied.textContent = t("copied");
  };
  const onclick = (): void => void copy().catch(() => undefined);
  const press = el("button", { type: "button", class: "plain", onclick }, t("copy_link"));
  const intro = el("p", {}, t("your_link_intro"));
  return el("section", {}, el("h2", {}, t("your_link")), intro, field, press, copied);
}

const STATES: Record<string, Message> = {
  complete: "state_complete",
  replaced: "state_replaced",
  open: "state_open",
};

function recordings(app: App): HTMLElement {
  const when = new Intl.DateTimeFormat(currentLanguage(), { dateStyle: "medium", timeStyle: "short" });
  const lines = app.me.recordings.map((one) => {
    const name = titleOf(app.study, one.item);
    const state = t(STATES[one.state] ?? "state_open");
    const text = t("recording_line", { name, when: when.format(new Date(one.at)), state });
    const line = el("li", {}, el("span", {}, text));
    if (one.state === "complete") line.append(watchButton(line, one.id, name));
    return line;
  });
  const none = el("p", {}, t("no_recordings"));
  const list = lines.length === 0 ? none : el("ul", { class: "recordings" }, ...lines);
  return el("section", {}, el("h2", {}, t("recordings")), list);
}

function watchButton(line: HTMLElement, id: string, item: string): HTMLElement {
  const label = t("watch_item", { item });
  const watch = button(t("watch"), () => {
    const src = `/api/recordings/${id}/media`;
    const video = el("video", { src, controls: true, playsinline: true, "aria-label": label });
    watch.remove();
    line.append(video);
    video.focus();
  }, "plain");
  watch.setAttribute("aria-label", label);
  return watch;
}

function downloads(me: Me): HTMLElement {
  const all = el("a", { href: "/api/me/download", download: true }, t("download_all"));
  const copy = el("a", { href: "/api/consent/copy", download: true }, t("consent_copy"));
  const lines = me.consent.version === null ? [] : [el("li", {}, copy), el("li", {}, all)];
  return el("ul", {}, ...lines);
}

function withdraw(app: App): HTMLElement {
  const given = app.study.consent.items.filter(
    (item) => !item.required && app.me.consent.answers[item.id] === true,
  );
  const some = given.map((item) =>
    button(t("withdraw_item", { text: of(item.text) }), () => void takeBack(app, item.id), "plain"),
  );
  const all = button(t("withdraw_all"), () => void sure(app), "danger");
  const intro = el("p", {}, t("withdraw_intro"));
  const buttons = el("div", { class: "stack" }, ...some, all);
  return el("section", {}, el("h2", {}, t("withdraw_title")), intro, buttons);
}

async function takeBack(app: App, item: string): Promise<void> {
  await app.api.withdraw({ items: [item] });
  await yours(app);
}

/** Everything: asked once more, and the way back has the focus. */
async function sure(app: App): Promise<void> {
  const no = button(t("withdraw_no"), () => undefined);
  const yes = button(t("withdraw_yes"), () => undefined, "danger");
  const question = el("p", {}, t("withdraw_sure"));
  show(t("withdraw_title"), question, el("div", { class: "buttons" }, no, yes));
  if ((await pressed(no, yes)) === no) return yours(app);
  const said = await app.api.withdraw({ all: true });
  // What was not sent yet is theirs too.
  for (const row of await app.session.store.recordings()) await app.session.store.remove(row.id);
  if (said.erased) show(t("withdraw_title"), el("p", { role: "status" }, t("withdrawn")));
  else await yours(app);
}

function later(app: App, at: string): HTMLElement {
  const when = new Intl.DateTimeFormat(currentLanguage(), { dateStyle: "full", timeStyle: "short" });
  const keep = async (): Promise<void> => {
    await app.api.keepAfterAll();
    await yours(app);
  };
  const text = el("p", { role: "status" }, t("withdraw_later", { at: when.format(new Date(at)) }));
  const press = button(t("keep_after_all"), () => void keep());
  return el("section", {}, el("h2", {}, t("withdraw_title")), text, press);
}
