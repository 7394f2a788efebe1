import { el, show } from "../../../participant/src/dom.js";
import type { App } from "../app.js";
import { badge, linkField, sure, table, warnings } from "../parts.js";
import type { Panel } from "../types.js";
import { t, when } from "../words.js";
import { problemText } from "./signin.js";

/** Links: for people of a list, for a panel, and to try the study. */
export async function invite(app: App): Promise<void> {
  const panels = await app.api.panels();
  show(
    t("invite_title"),
    warnings(app.study),
    byList(app),
    byPanel(app, panels),
    byTest(app),
  );
}

function byList(app: App): HTMLElement {
  const names = el("textarea", { id: "names", rows: 5, required: true });
  const place = el("div", { role: "status" });
  const form = el(
    "form",
    {},
    el("div", { class: "field" }, el("label", { for: "names" }, t("names_label")), names),
    el("p", { class: "small" }, t("names_intro")),
    el("button", { class: "main" }, t("make_links")),
    place,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const lines = names.value.split("\n").map((line) => line.trim());
    const wanted = [...new Set(lines.filter((line) => line !== ""))];
    app.api.invite(wanted).then(
      (links) => {
        const all = links.map((one) => `${one.name}\t${one.link}`).join("\n");
        const text = el("textarea", { id: "links", rows: Math.min(links.length + 1, 12), readonly: true });
        text.value = all;
        const label = el("label", { for: "links" }, t("links_made", { n: links.length }));
        place.replaceChildren(el("div", { class: "field" }, label, text));
      },
      (error: unknown) => place.replaceChildren(el("p", { class: "missing" }, problemText(error))),
    );
  });
  return el("section", {}, el("h2", {}, t("list_title")), form);
}

function byPanel(app: App, panels: Panel[]): HTMLElement {
  const label = el("input", { id: "label", required: true, maxlength: 100 });
  const form = el(
    "form",
    {},
    el("div", { class: "field" }, el("label", { for: "label" }, t("panel_label")), label),
    el("p", { class: "small" }, t("panel_intro")),
    el("button", { class: "main" }, t("make_link")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void app.api.panel(label.value.trim()).then(() => app.again());
  });
  const known = panels.map((panel) => onePanel(app, panel));
  return el("section", {}, el("h2", {}, t("panel_title")), form, ...known);
}

function onePanel(app: App, panel: Panel): HTMLElement {
  if (panel.revoked) {
    return table(panel.label, [t("column_when"), t("column_state")], [[when(panel.created), badge("panel", "revoked")]]);
  }
  const end = el("button", { type: "button", class: "danger" }, t("revoke"));
  end.addEventListener("click", () => {
    sure(t("revoke_sure"), t("revoke"), () => void app.api.revokePanel(panel.id).then(() => app.again()));
  });
  return el("div", { class: "card" }, linkField(panel.label, panel.link), end);
}

function byTest(app: App): HTMLElement {
  const place = el("div", { role: "status" });
  const make = el("button", { type: "button", class: "main" }, t("make_test"));
  make.addEventListener("click", () => {
    void app.api.testParticipant().then(({ link }) => {
      const open = el("a", { href: link, target: "_blank", rel: "noreferrer" }, t("open_test"));
      place.replaceChildren(linkField(t("test_link"), link), el("p", {}, open));
    });
  });
  return el(
    "section",
    {},
    el("h2", {}, t("test_title")),
    el("p", {}, t("tests_intro")),
    make,
    place,
  );
}
