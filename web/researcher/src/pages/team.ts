import { el, show } from "../../../participant/src/dom.js";
import type { App } from "../app.js";
import { linkField, sure, table } from "../parts.js";
import type { Coder } from "../types.js";
import { t, when } from "../words.js";
import { problemText } from "./signin.js";

/** Who codes. */
export async function coders(app: App): Promise<void> {
  const found = await app.api.coders();
  const place = el("div", { role: "status" });
  const columns = [t("coder"), t("column_when"), t("recordings"), t("actions")];
  const rows = found.map((coder) => [
    coder.name,
    when(coder.created),
    String(coder.recordings),
    actions(app, coder, place),
  ]);
  const known = rows.length === 0 ? el("p", {}, t("no_coders")) : table(t("coders_title"), columns, rows, "titled");
  show(t("coders_title"), el("p", {}, t("coders_intro")), known, form(app, place), place);
}

function form(app: App, place: HTMLElement): HTMLElement {
  const name = el("input", { id: "coder-name", required: true, maxlength: 60 });
  const outside = el("input", { type: "checkbox", id: "coder-outside" });
  const made = el(
    "form",
    {},
    el("div", { class: "field" }, el("label", { for: "coder-name" }, t("coder_name")), name),
    el("label", { class: "check" }, outside, t("outside_label")),
    el("button", { class: "main" }, t("make_coder")),
  );
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    app.api.makeCoder(name.value.trim(), outside.checked).then(
      async ({ link }) => {
        await app.again();
        document.getElementById("main")?.append(linkField(t("coder_link"), link));
      },
      (error: unknown) => place.replaceChildren(el("p", { class: "missing" }, problemText(error))),
    );
  });
  return made;
}

function actions(app: App, coder: Coder, place: HTMLElement): HTMLElement {
  const again = el("button", { type: "button", class: "plain" }, t("link_again"));
  again.addEventListener("click", () => {
    void app.api.coderLink(coder.id).then(({ link }) => {
      place.replaceChildren(linkField(`${t("coder_link")}: ${coder.name}`, link));
    });
  });
  const end = el("button", { type: "button", class: "danger" }, t("revoke"));
  end.addEventListener("click", () => {
    sure(t("coder_sure"), t("revoke"), () => void app.api.revokeCoder(coder.id).then(() => app.again()));
  });
  return el("div", { class: "buttons" }, again, end);
}

/** Who did what. */
export async function log(app: App): Promise<void> {
  const found = await app.api.log();
  const state = found.whole
    ? el("p", {}, t("log_whole"))
    : el("p", { role: "alert", class: "warning" }, t("log_broken", { n: found.broken_at ?? 0 }));
  const columns = [t("column_when"), t("column_by"), t("column_what"), t("column_about")];
  const rows = found.lines.map((line) => [when(line.at), line.who, line.what, line.about || "–"]);
  show(t("log_title"), state, el("p", { class: "small" }, t("log_intro")), table(t("log_title"), columns, rows, "titled"));
}
