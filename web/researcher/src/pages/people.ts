import { el, show } from "../../../participant/src/dom.js";
import type { App } from "../app.js";
import { badge, itemName, linkField, list, sure, table, warnings } from "../parts.js";
import type { OnePerson, People, Person, Quota } from "../types.js";
import { t, when } from "../words.js";

/** Who is where, and how many count. */
export async function people(app: App): Promise<void> {
  const [found, queue] = await Promise.all([app.api.people(), app.api.queue("waiting")]);
  const waiting = t("queue_waits", { n: queue.counts.waiting });
  show(
    t("people_title"),
    warnings(app.study),
    quotas(found),
    el("p", {}, el("a", { href: "#queue" }, waiting), " · ", measuring(app, queue.measuring)),
    el("h2", {}, t("people")),
    section(app, t("people"), found.people, t("nobody")),
    el("h2", {}, t("tests_title")),
    el("p", { class: "small" }, t("tests_intro")),
    section(app, t("tests_title"), found.tests, t("no_tests")),
  );
}

function measuring(app: App, left: number): string {
  if (!app.study.measuring.enabled) return t("measuring_is_off");
  return left === 0 ? t("all_measured") : t("measuring_left", { n: left });
}

function quotas(found: People): HTMLElement {
  const lines = [quota(t("everybody"), found)];
  for (const [language, one] of Object.entries(found.languages)) lines.push(quota(language, one));
  return el("dl", { class: "facts" }, ...lines.flat());
}

function quota(name: string, { counted, quota: most }: Quota): HTMLElement[] {
  const text = most === null ? t("counted", { n: counted }) : t("counted_of", { n: counted, most });
  const parts: (Node | string)[] = [text];
  if (most !== null) {
    parts.push(" ", el("meter", { min: 0, max: Math.max(most, 1), value: counted, "aria-label": text }));
  }
  return [el("dt", {}, name), el("dd", {}, ...parts)];
}

function section(app: App, caption: string, some: Person[], none: string): HTMLElement {
  if (some.length === 0) return el("p", {}, none);
  const columns = [
    t("column_person"),
    t("column_state"),
    t("column_consent"),
    t("column_done"),
    t("column_days"),
    t("column_seen"),
  ];
  return table(caption, columns, some.map((person) => row(app, person)), "titled");
}

function row(app: App, person: Person): (Node | string)[] {
  const link = el("a", { href: `#person/${person.id}` }, person.external_id || person.id);
  const done = t("done_of", { n: person.done, all: app.study.items.length });
  const { days } = person;
  return [link, badge("state", person.state), consentText(person), done, String(days.length), when(person.seen)];
}

function consentText(person: Person): string {
  if (Object.keys(person.consent).length === 0) return t("consent_none");
  return t(person.consent_current ? "consent_given" : "consent_old");
}

// --- one person

export async function person(app: App, id: string): Promise<void> {
  const found = await app.api.person(id);
  const name = found.external_id || found.id;
  show(
    t("person_title", { name }),
    found.kind === "test" ? el("p", { class: "banner" }, t("test_banner")) : null,
    facts(found),
    el("h2", {}, t("recordings")),
    recordings(app, found),
    el("h2", {}, t("consent")),
    consents(found),
    el("h2", {}, t("actions")),
    actions(app, found),
  );
}

function facts(found: OnePerson): HTMLElement {
  const rows: [string, Node | string][] = [
    [t("column_state"), badge("state", found.state)],
    [t("language"), found.language],
    [t("column_days"), found.days.join(", ") || "–"],
    [t("begun"), when(found.created)],
    [t("column_seen"), when(found.seen)],
  ];
  if (found.finished !== null) rows.push([t("finished"), when(found.finished)]);
  if (found.withdrawing !== null) rows.push([t("withdrawing"), when(found.withdrawing)]);
  const parts = rows.map(([what, value]) => [el("dt", {}, what), el("dd", {}, value)]);
  return el("dl", { class: "facts" }, ...parts.flat());
}

function recordings(app: App, found: OnePerson): HTMLElement {
  if (found.recordings.length === 0) return el("p", {}, t("no_recordings"));
  const columns = [t("column_item"), t("column_when"), t("column_whole"), t("column_decided")];
  const rows = found.recordings.map((one) => [
    el("a", { href: `#recording/${one.id}` }, itemName(app.study, one.item)),
    when(one.at),
    badge("take", one.state),
    badge("quality", one.quality),
  ]);
  return table(t("recordings"), columns, rows, "titled");
}

function consents(found: OnePerson): HTMLElement {
  const lines = Object.entries(found.consent).map(([item, yes]) => `${item}: ${t(yes ? "yes" : "no")}`);
  const none = el("p", {}, t("consent_none"));
  if (lines.length === 0) return none;
  const old = found.consent_current ? null : el("p", { class: "warning" }, t("consent_old"));
  return el("div", {}, ...[old, list(lines)].filter((part) => part !== null));
}

function actions(app: App, found: OnePerson): HTMLElement {
  const place = el("div", {});
  const again = el("button", { type: "button", class: "plain" }, t("link_again"));
  again.addEventListener("click", () => {
    void app.api.linkAgain(found.id).then(({ link }) => {
      place.replaceChildren(linkField(t("own_link"), link));
    });
  });
  const erase = el("button", { type: "button", class: "danger" }, t("erase"));
  erase.addEventListener("click", () => {
    sure(t("erase_sure"), t("erase_yes"), () => {
      void app.api.erase(found.id).then(() => {
        location.hash = "#people";
      });
    });
  });
  return el("div", {}, el("div", { class: "buttons" }, again, erase), place);
}
