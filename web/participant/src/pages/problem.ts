import { StreamError } from "@twomind/recorder";
import { ApiError } from "../api.js";
import { button, el, show } from "../dom.js";
import { type Message, t } from "../words.js";

const SAID: Record<string, Message> = {
  bad_link: "bad_link",
  no_session: "no_session",
  already_begun: "already_begun",
  closed: "closed",
  withdrawn: "withdrawn",
  external_id_needed: "external_id_needed",
};

/** A page that says what is wrong, and what to do. */
export function problem(error: unknown, again: () => void): void {
  const known = error instanceof ApiError ? SAID[error.code] : undefined;
  if (known !== undefined) {
    show(t("problem"), el("p", {}, t(known)));
    return;
  }
  const text = error instanceof ApiError ? error.message : t("offline");
  show(t("problem"), el("p", {}, text), button(t("retry"), again));
}

/** Why there is no picture, with help for this browser. */
export function deviceHelp(error: unknown): HTMLElement {
  const reason = error instanceof StreamError ? error.problem : "unknown";
  const lines = [el("p", {}, t(reason))];
  if (reason === "denied") lines.push(el("p", {}, t(deniedHere(navigator.userAgent))));
  return el("div", { role: "alert", class: "warning" }, ...lines);
}

export function deniedHere(userAgent: string): Message {
  if (/Firefox|FxiOS/.test(userAgent)) return "denied_firefox";
  return /Chrom(e|ium)/.test(userAgent) ? "denied_chrome" : "denied_safari";
}
