import { el, show } from "../../../participant/src/dom.js";
import { mediaOf } from "../api.js";
import type { App } from "../app.js";
import { valueTexts } from "../faults.js";
import { badge, findingsOf, itemName, list, table } from "../parts.js";
import type { Coder, Detail, Verdict } from "../types.js";
import { of, said, t, when } from "../words.js";
import { result } from "./result.js";
import { problemText } from "./signin.js";
import { transcript } from "./transcript.js";

/** One recording: look, decide, correct. */
export async function recording(app: App, id: string): Promise<void> {
  const [found, versions, coders] = await Promise.all([
    app.api.recording(id),
    app.api.versions(id),
    app.api.coders(),
  ]);
  const who = found.external_id || found.person;
  show(
    t("recording_of", { item: itemName(app.study, found.item), who }),
    found.test ? el("p", { class: "banner" }, t("test_banner")) : null,
    el("p", {}, el("a", { href: `#person/${found.person}` }, t("person_title", { name: who }))),
    el("p", { class: "prompt" }, of(found.prompt)),
    film(found),
    quality(app, found),
    decision(app, found),
    history(found),
    transcript(app, found, versions),
    result(app, found),
    assignment(app, found, coders),
  );
}

function film(found: Detail): HTMLElement {
  if (found.state === "open") return el("p", { class: "warning" }, t("open_text"));
  const label = t("film");
  return el("video", { src: mediaOf(found.id), controls: true, playsinline: true, preload: "metadata", "aria-label": label });
}

function quality(app: App, found: Detail): HTMLElement {
  const parts: (Node | null)[] = [el("h2", {}, t("quality_title"))];
  if (found.findings !== null) {
    parts.push(el("p", {}, `${t("proposal")} `, badge("proposal", found.proposal)));
  }
  if (found.findings !== null && found.measured === null) {
    parts.push(el("p", { class: "warning" }, t("measured_anew")));
  }
  parts.push(findingsOf(found.findings, app.study.measuring.enabled));
  if (found.findings !== null) {
    parts.push(list([...valueTexts(found.findings), ...found.findings.remarks], "small"));
  }
  const { stop_reason: stop } = found.manifest;
  parts.push(el("p", { class: "small" }, t("ended_how", { how: said("stop", stop) })));
  if (found.state === "complete" && found.measured !== null) parts.push(measureAgain(app, found));
  return el("section", {}, ...parts.filter((part) => part !== null));
}

function measureAgain(app: App, found: Detail): HTMLElement {
  const again = el("button", { type: "button", class: "plain" }, t("measure_again"));
  again.addEventListener("click", () => {
    void app.api.measure(found.id).then(() => app.again());
  });
  return again;
}

const VERDICTS: Verdict[] = ["usable", "again", "exclude"];

function decision(app: App, found: Detail): HTMLElement | null {
  if (found.state === "open") return null;
  const choices = VERDICTS.filter((verdict) => verdict !== "again" || found.may_ask_again);
  const radios = choices.map((verdict) => {
    const input = el("input", { type: "radio", name: "verdict", value: verdict, required: true });
    input.checked = found.quality === verdict;
    return el("label", {}, input, said("quality", verdict));
  });
  const reason = el("textarea", { id: "reason", rows: 2, maxlength: 2000 });
  const alert = el("p", { role: "alert", class: "missing" });
  const form = el(
    "form",
    {},
    el("fieldset", {}, el("legend", {}, t("decide")), el("div", { class: "choices" }, ...radios)),
    el("div", { class: "field" }, el("label", { for: "reason" }, t("reason")), reason),
    el("p", { class: "small" }, t("again_means")),
    alert,
    el("button", { class: "main" }, t("save_decision")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const verdict = String(new FormData(form).get("verdict")) as Verdict;
    if (verdict !== "usable" && reason.value.trim() === "") {
      alert.textContent = t("reason_needed");
      reason.focus();
      return;
    }
    app.api.decide(found.id, verdict, reason.value).then(
      () => app.again(),
      (error: unknown) => {
        alert.textContent = problemText(error);
      },
    );
  });
  return el("section", {}, el("h2", {}, t("decision_title")), form);
}

function history(found: Detail): HTMLElement | null {
  const decisions = [...found.decisions].reverse();
  const lines = decisions.map((one) => [when(one.at), one.by, badge("quality", one.verdict), one.reason || "–"]);
  const columns = [t("column_when"), t("column_by"), t("column_decided"), t("reason")];
  const parts: Node[] = [];
  if (lines.length > 0) parts.push(table(t("history"), columns, lines));
  if (found.takes.length > 1) parts.push(takes(found));
  return parts.length === 0 ? null : el("section", {}, ...parts);
}

function takes(found: Detail): HTMLElement {
  const rows = found.takes.map((one, k) => {
    const name = t("take", { n: k + 1 });
    const here = one.id === found.id;
    const link = here ? el("strong", {}, name) : el("a", { href: `#recording/${one.id}` }, name);
    return [link, when(one.at), badge("take", one.state), badge("quality", one.quality)];
  });
  const columns = [t("takes"), t("column_when"), t("column_whole"), t("column_decided")];
  return table(t("takes"), columns, rows);
}

function assignment(app: App, found: Detail, coders: Coder[]): HTMLElement | null {
  if (found.test || found.state === "open" || coders.length === 0) return null;
  const choices = coders.map((coder) => el("option", { value: coder.id }, coder.name));
  const select = el("select", { id: "coder" }, ...choices);
  const state = el("span", { role: "status" });
  const give = el("button", { type: "button", class: "plain" }, t("assign"));
  give.addEventListener("click", () => {
    void app.api.assign(select.value, found.id).then(() => {
      state.textContent = t("assigned");
    });
  });
  return el(
    "section",
    {},
    el("h2", {}, t("coders_title")),
    el("div", { class: "field" }, el("label", { for: "coder" }, t("coder")), select),
    el("div", { class: "buttons" }, give, state),
  );
}
