// The chosen cue and what a coder says of it: agree, wrong, a note. Kept in this browser, exported as EAF and CSV.

import { clock, csv, make, save, say } from "./dom.js";

const VERDICTS = ["agree", "wrong"];

function xml(text) {
  const names = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  // XML has no place for most control characters.
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "").replace(/[&<>"]/g, (c) => names[c]);
}

// ELAN 3.0: one tier per modality; a mark says what was found and what the coder says of it.
function eafOf(marks, media) {
  const tiers = new Map();
  for (const mark of marks) {
    if (!tiers.has(mark.modality)) tiers.set(mark.modality, []);
    tiers.get(mark.modality).push(mark);
  }
  const slots = [];
  let id = 0;
  const slot = (timeS) => {
    slots.push(`<TIME_SLOT TIME_SLOT_ID="ts${slots.length + 1}" TIME_VALUE="${Math.round(timeS * 1000)}"/>`);
    return `ts${slots.length}`;
  };
  const body = [...tiers].map(([modality, own]) => {
    const rows = own.map((mark) => {
      id += 1;
      const refs = `TIME_SLOT_REF1="${slot(mark.start_s)}" TIME_SLOT_REF2="${slot(mark.end_s)}"`;
      return `<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a${id}" ${refs}><ANNOTATION_VALUE>${xml(mark.label)}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>`;
    });
    return `<TIER TIER_ID="review of ${xml(modality)} cues" LINGUISTIC_TYPE_REF="review">\n${rows.join("\n")}\n</TIER>`;
  });
  const date = new Date().toISOString().replace("Z", "+00:00");
  return `<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="${date}" FORMAT="3.0" VERSION="3.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"><MEDIA_DESCRIPTOR MEDIA_URL="${xml(encodeURI(media))}" MIME_TYPE="unknown"/></HEADER>
<TIME_ORDER>
${slots.join("\n")}
</TIME_ORDER>
${body.join("\n")}
<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="review" TIME_ALIGNABLE="true" GRAPHIC_REFERENCES="false"/>
</ANNOTATION_DOCUMENT>
`;
}

export function makeReview(article, data, player) {
  const { person, media } = article.dataset;
  const cueKey = (cue) => `${cue.kind}|${cue.start_s}|${cue.end_s}`;
  const store = `twomind-review|${data.id}|${data.duration_s}|${data.cues.length}`;
  let said = {};
  let keeps = true;
  let exported = true;
  let chosen = null;
  try {
    said = JSON.parse(localStorage.getItem(store) || "{}");
    localStorage.setItem(store, JSON.stringify(said));
  } catch {
    keeps = false;
  }

  const what = make("p", { class: "whatcue" });
  const halves = make("p", { class: "halfbuttons" });
  const verdicts = VERDICTS.map((name) => make("button", { type: "button", "data-verdict": name, "aria-pressed": "false" }, say(name)));
  const note = make("input", { type: "text", class: "note", maxlength: 500 });
  const noted = make("label", { class: "notelabel" }, `${say("note")} `, note);
  const panel = make("div", { class: "chosen", role: "group", "aria-label": say("chosen"), hidden: true }, what, halves, make("span", { class: "verdicts" }, ...verdicts), noted);
  const count = make("output", {});
  const eaf = make("button", { type: "button", class: "export-eaf" }, say("export_eaf"));
  const table = make("button", { type: "button", class: "export-csv" }, say("export_csv"));
  const place = article.querySelector(".export");
  if (place) place.append(count, eaf, table, make("span", { class: "sub" }, say(keeps ? "kept" : "not_kept")));

  function marks() {
    const found = [];
    for (const cue of data.cues) {
      const own = said[cueKey(cue)];
      if (!own || (!own.verdict && !own.note)) continue;
      const name = cue.kind.replaceAll("_", " ");
      found.push({ ...cue, verdict: own.verdict, note: own.note, label: [`${name}: ${own.verdict || "note"}`, own.note].filter(Boolean).join(" – ") });
    }
    return found;
  }

  function rowOf(i) {
    return article.querySelector(`tr[data-cue="${i}"]`);
  }

  function told(i) {
    const own = said[cueKey(data.cues[i])] || {};
    const cell = rowOf(i) && rowOf(i).querySelector(".said");
    const verdict = own.verdict ? say(own.verdict) : "";
    if (cell) cell.textContent = [verdict, own.note].filter(Boolean).join(": ");
    for (const button of article.querySelectorAll(`button.cue[data-cue="${i}"]`)) button.dataset.verdict = own.verdict || "";
  }

  function counted() {
    const n = marks().length;
    count.textContent = say("export", { n });
    eaf.disabled = table.disabled = !n;
  }

  function keep(change) {
    const key = cueKey(data.cues[chosen]);
    said[key] = { verdict: "", note: "", ...said[key], ...change };
    exported = false;
    try {
      localStorage.setItem(store, JSON.stringify(said));
    } catch {
      keeps = false;
    }
    show();
    told(chosen);
    counted();
  }

  function show() {
    const cue = data.cues[chosen];
    const own = said[cueKey(cue)] || {};
    what.replaceChildren(make("b", {}, cue.label), ` ${clock(cue.start_s)}–${clock(cue.end_s)}`, cue.meaning ? make("span", { class: "sub", lang: "en" }, ` ${cue.meaning}`) : "");
    halves.replaceChildren(...cue.halves.map((half, k) => {
      const button = make("button", { type: "button", class: "half" }, `${say(k ? "half_other" : "half_one")}: ${half.what}, ${clock(half.start_s)}`);
      button.addEventListener("click", () => player.seek(half.start_s));
      return button;
    }));
    halves.hidden = !cue.halves.length;
    for (const button of verdicts) button.setAttribute("aria-pressed", String(own.verdict === button.dataset.verdict));
    if (note.value !== (own.note || "")) note.value = own.note || "";
    panel.hidden = false;
  }

  function judge(verdict) {
    if (chosen === null) return;
    const own = said[cueKey(data.cues[chosen])] || {};
    keep({ verdict: own.verdict === verdict ? "" : verdict });
  }

  for (const button of verdicts) button.addEventListener("click", () => judge(button.dataset.verdict));
  note.addEventListener("input", () => keep({ note: note.value.trim() ? note.value : "" }));
  eaf.addEventListener("click", () => {
    save(`${data.id}_review.eaf`, "application/xml", eafOf(marks(), media));
    exported = true;
  });
  table.addEventListener("click", () => {
    const head = ["recording", "subject", "tier", "modality", "label", "start_s", "end_s", "certainty", "coder", "kind", "verdict", "note"];
    const rows = marks().map((m) => [data.id, person, `other:review of ${m.modality} cues`, "", m.label, m.start_s.toFixed(3), m.end_s.toFixed(3), "", "", m.kind, m.verdict, m.note]);
    save(`${data.id}_review.csv`, "text/csv", csv([head, ...rows]));
    exported = true;
  });
  window.addEventListener("beforeunload", (event) => {
    if (!keeps && !exported) event.preventDefault();
  });
  // Only what was judged before has something to tell.
  data.cues.forEach((cue, i) => { if (said[cueKey(cue)]) told(i); });
  counted();
  return {
    panel, judge,
    repaint() { data.cues.forEach((cue, i) => { if (said[cueKey(cue)]) told(i); }); },
    choose(i) {
      chosen = i;
      for (const one of article.querySelectorAll(".is-chosen")) one.classList.remove("is-chosen");
      for (const one of article.querySelectorAll(`[data-cue="${i}"]`)) one.classList.add("is-chosen");
      show();
    },
  };
}
