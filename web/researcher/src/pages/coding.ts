import { el, show } from "../../../participant/src/dom.js";
import { CODED_TABLE } from "../api.js";
import type { App } from "../app.js";
import { itemName, table } from "../parts.js";
import type { Agreement, CodingOverview, Pair } from "../types.js";
import { number, said, t, when } from "../words.js";
import { problemText } from "./signin.js";

/** Who codes what, how far coders agree, and what is to be agreed on. */
export async function coding(app: App): Promise<void> {
  const [found, agreement] = await Promise.all([app.api.coding(), app.api.agreement()]);
  show(
    t("coding_title"),
    el("p", {}, t("coding_intro")),
    share(app),
    agreed(agreement),
    people(app, found),
    recordings(app, found),
    el("p", {}, el("a", { href: CODED_TABLE, download: "coded.csv" }, t("table_out"))),
  );
}

function share(app: App): HTMLElement {
  const coders = el("input", { id: "share-coders", type: "number", min: 1, max: 20, value: 2, required: true });
  const part = el("input", { id: "share-part", type: "number", min: 0, max: 100, value: 100, required: true });
  const state = el("p", { role: "status" });
  const form = el(
    "form",
    {},
    el("div", { class: "field" }, el("label", { for: "share-coders" }, t("share_coders")), coders),
    el("div", { class: "field" }, el("label", { for: "share-part" }, t("share_share")), part),
    el("button", { class: "main" }, t("share_act")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    app.api.shareOut(Number(coders.value), Number(part.value) / 100).then(
      async ({ assigned, too_few: few }) => {
        await app.again();
        const told = [t("share_done", { n: assigned })];
        if (few.length > 0) told.push(t("share_few", { n: few.length }));
        const place = document.querySelector("#main details p[role=status]");
        if (place !== null) place.textContent = told.join(" ");
        (place?.closest("details") as HTMLDetailsElement | null)?.setAttribute("open", "");
      },
      (error: unknown) => {
        state.textContent = problemText(error);
      },
    );
  });
  return el("details", {}, el("summary", {}, t("share_title")), form, state);
}

function shown(value: number | null | undefined): string {
  return value === null || value === undefined ? t("not_defined") : number(value, 3);
}

function kappa(pair: Pair): string {
  const interval = pair.kappa_interval;
  const text = shown(pair.kappa);
  if (pair.kappa === null || pair.kappa === undefined) return text;
  return interval ? `${text} [${number(interval[0], 2)}, ${number(interval[1], 2)}]` : `${text} (${t("no_interval")})`;
}

function agreed(found: Agreement): HTMLElement {
  const parts: Node[] = [el("h2", {}, t("agreement_title"))];
  if (found.pairs === undefined) {
    parts.push(el("p", {}, t("agreement_none", { why: found.not_yet ?? "" })));
    return el("section", {}, ...parts);
  }
  parts.push(el("p", { class: "small" }, t("agreement_text")));
  const rows = found.pairs.map((pair) => [
    `${pair.a} – ${pair.b}`,
    kappa(pair),
    shown(pair.alpha),
    shown(pair.event_f1),
    `${pair.answers_same} / ${pair.n_answers}`,
  ]);
  const columns = [t("column_pair"), t("column_kappa"), t("column_alpha"), t("column_events"), t("column_answers")];
  parts.push(table(t("agreement_title"), columns, rows, "titled"));
  return el("section", {}, ...parts);
}

function people(app: App, found: CodingOverview): HTMLElement | null {
  if (found.coders.length === 0) return null;
  // With too few gold clips there is nothing to go back to.
  const { gold: n, needed } = found.admission;
  const isTested = needed !== null && n >= needed;
  const rows = found.coders.map((coder) => {
    const act = el("button", { type: "button", class: "plain" }, t(coder.admitted ? "admit_not" : "admit"));
    act.addEventListener("click", () => void app.api.admit(coder.id, !coder.admitted).then(() => app.again()));
    const name = coder.outside ? `${coder.name} (${t("outside")})` : coder.name;
    const gold = coder.gold.map((one) => shown(one.kappa)).join(" · ") || "–";
    return [`${coder.pseudonym}: ${name}`, t(coder.admitted ? "yes" : "no"), gold, coder.admitted && !isTested ? "–" : act];
  });
  const columns = [t("coder"), t("column_admitted"), t("column_gold"), t("actions")];
  const why = needed === null ? t("nobody_tested") : t("too_few_gold", { n, needed });
  const note = isTested ? null : el("p", { class: "small" }, why);
  const parts = [el("h2", {}, t("coders_title")), table(t("coders_title"), columns, rows, "titled"), note];
  return el("section", {}, ...parts);
}

function recordings(app: App, found: CodingOverview): HTMLElement {
  const parts: Node[] = [el("h2", {}, t("recordings"))];
  if (found.recordings.length === 0) parts.push(el("p", {}, t("no_codable")));
  const rows = found.recordings.map((one) => {
    const coders = one.coders.map((coder) => el("li", {}, `${coder.pseudonym}: ${said("progress", coder.state)}`, again(app, one.id, coder)));
    const state = one.agreed ? t("yes") : t("no");
    const link = el("a", { href: `#adjudicate/${one.id}` }, t("side_by_side"));
    return [
      el("span", {}, itemName(app.study, one.item), el("br"), el("span", { class: "small" }, when(one.at))),
      coders.length === 0 ? "–" : el("ul", {}, ...coders),
      one.gold ? `${state} · ${t("gold")}` : state,
      link,
    ];
  });
  const columns = [t("column_item"), t("column_coders"), t("column_agreed"), t("actions")];
  if (rows.length > 0) parts.push(table(t("recordings"), columns, rows, "titled"));
  return el("section", {}, ...parts);
}

function again(app: App, recording: string, coder: { id: string; pseudonym: string; state: string }): HTMLElement | string {
  if (coder.state !== "done") return "";
  const one = el("button", { type: "button", class: "link" }, t("reopen", { coder: coder.pseudonym }));
  one.addEventListener("click", () => void app.api.reopen(recording, coder.id).then(() => app.again()));
  return el("span", {}, " ", one);
}
