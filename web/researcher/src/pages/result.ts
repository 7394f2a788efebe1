import { el } from "../../../participant/src/dom.js";
import type { App } from "../app.js";
import { list, table } from "../parts.js";
import type { Detail, Result } from "../types.js";
import { percent, said, t } from "../words.js";

/** What a model said, read only when it is asked for; its limits come first. */
export function result(app: App, found: Detail): HTMLElement | null {
  if (found.state === "open" || found.measured === null) return null;
  const place = el("div", {});
  const details = el("details", {}, el("summary", {}, t("result_open")), place);
  details.addEventListener("toggle", () => {
    if (!details.open || place.hasChildNodes()) return;
    void app.api.result(found.id).then((said) => place.replaceChildren(...parts(said)));
  });
  const intro = el("p", { class: "warning" }, t("result_intro"));
  return el("section", {}, el("h2", {}, t("result_title")), intro, details);
}

function parts(found: Result): Node[] {
  const { limits, prediction } = found;
  const made: (Node | null)[] = [el("h3", {}, t("limits"))];
  if (limits.population !== "") made.push(el("p", {}, t("population", { who: limits.population })));
  if (limits.not_for.length > 0) {
    made.push(el("p", {}, t("not_for")), list(limits.not_for));
  }
  if (limits.when !== "") made.push(el("p", {}, t("not_when", { why: limits.when })));
  made.push(el("h3", {}, t("estimate")), el("p", {}, estimate(prediction)));
  if (prediction.meaning !== null) made.push(el("p", { class: "small" }, prediction.meaning));
  made.push(cues(found.cues));
  const absent = found.not_measured.map((one) => `${said("what", one.what)}: ${one.reason}`);
  if (absent.length > 0) {
    const summary = el("summary", {}, t("absent_n", { n: absent.length }));
    made.push(el("details", {}, summary, list(absent, "small") ?? ""));
  }
  return made.filter((part) => part !== null);
}

function estimate(prediction: Result["prediction"]): string {
  const { probability, band_95: band } = prediction;
  if (probability === null) return t("no_estimate", { reason: prediction.reason ?? "" });
  const value = percent(probability);
  if (band === null) return t("estimate_alone", { value, why: prediction.band_95_reason ?? "" });
  return t("estimate_band", { value, low: percent(band[0]), high: percent(band[1]) });
}

function cues(found: Record<string, number>): HTMLElement | null {
  const rows = Object.entries(found).map(([kind, n]) => [kind.replaceAll("_", " "), String(n)]);
  return rows.length === 0 ? null : table(t("cues"), [t("cue"), t("how_often")], rows);
}
