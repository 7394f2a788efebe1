// The time axis: rows under one ruler, a playhead, a tooltip, zoom, and a choice of curves.

import { clamp, clock, draw, make, short, tip } from "./dom.js";
import { cueRows, heading, qualityRow, ruler, speechRow, whenRows, wordRow } from "./lanes.js";
import { curveRow, scoreRow, valueAt } from "./curves.js";

// Room left and right of the axis, so that marks and the playhead at its ends are whole.
const PAD = 6;
const ZOOMS = [1, 2, 4, 8, 16, 32];

function rowsOf(data, shown) {
  const rows = [ruler(), ...whenRows(data.located)];
  if (data.located.curve) rows.push(scoreRow(data.located.curve));
  for (const [modality, label] of Object.entries(data.modalities)) {
    const own = [];
    if (modality === "words" && data.words.items.length) own.push(wordRow(data.words));
    if (modality === "voice" && data.speech) own.push(speechRow(data.speech));
    own.push(...cueRows(data.cues, modality));
    const curves = data.curves.filter((c) => c.modality === modality && shown.has(c.name));
    own.push(...curves.map((c) => curveRow(c)));
    if (own.length) rows.push(heading(label), ...own);
  }
  rows.push(heading("Quality"), ...data.quality.map(qualityRow));
  return rows;
}

function labelOf(row) {
  const label = make("div", { class: row.heading ? "label head" : row.height > 40 ? "label tall" : "label", "data-row": row.name || "" });
  const name = make("span", { class: "name" }, row.label);
  label.append(name);
  if (row.code) name.append(make("span", { class: "code" }, row.code));
  if (row.note) name.append(make("span", { class: row.height < 28 ? "note inline" : "note" }, row.note));
  if (row.count) label.append(make("span", { class: "count" }, `${row.count}`));
  if (row.curve) {
    row.output = make("span", { class: "value" }, "–");
    label.append(make("span", { class: "live" }, row.output, make("span", { class: "unit" }, row.unit)));
  }
  label.style.height = `${row.height}px`;
  return label;
}

export function makeTimeline(host, data, player) {
  const endS = data.duration_s || 1;
  const shown = new Set(data.curves.filter((c) => c.shown).map((c) => c.name));
  const starts = [...new Set(data.cues.map((c) => c.start_s))];
  let rows = [];
  let zoom = 1;
  let view = null;
  let playing = false;

  // --- controls
  const play = make("button", { type: "button", class: "play", "aria-label": "Play" }, "▶");
  const back = make("button", { type: "button", "aria-label": "Previous cue", title: "Previous cue (p)" }, "‹ cue");
  const next = make("button", { type: "button", "aria-label": "Next cue", title: "Next cue (n)" }, "cue ›");
  const wider = make("button", { type: "button", "aria-label": "Zoom in", title: "Zoom in (+)" }, "+");
  const tighter = make("button", { type: "button", "aria-label": "Zoom out", title: "Zoom out (-)" }, "−");
  const time = make("output", { class: "clock", "aria-label": "Time" });
  const now = make("span", { class: "now", "aria-live": "off" });
  const bar = make("div", { class: "transport" }, play, back, next, time, now, make("span", { class: "zoom" }, tighter, wider));

  // --- the axis
  const labels = make("div", { class: "labels", "aria-hidden": "true" });
  const canvas = draw("svg", { class: "canvas", "aria-hidden": "true" });
  const head = make("div", { class: "playhead" });
  const sentences = make("div", { class: "sentences" });
  const lane = make("div", {
    class: "lanes", tabindex: "0", role: "slider", "aria-label": "Time in the recording",
    "aria-valuemin": "0", "aria-valuemax": endS.toFixed(1),
  }, canvas, head);
  const scroller = make("div", { class: "scroller" }, lane);
  const axis = make("div", { class: "axisbox" }, labels, scroller, sentences);
  const hint = make("p", { class: "sub keys" }, "Click or drag to move. Space plays; ← → one second, with Shift a tenth; n and p next and previous cue; + and − zoom.");
  host.replaceChildren(bar, axis, chooser(), hint);

  function chooser() {
    const box = make("details", { class: "pick" }, make("summary", {}, `Choose curves (${data.curves.length} measured)`));
    const list = make("div", { class: "picklist" });
    for (const curve of data.curves) {
      const input = make("input", { type: "checkbox", checked: shown.has(curve.name) });
      input.addEventListener("change", () => {
        if (input.checked) shown.add(curve.name);
        else shown.delete(curve.name);
        rebuild();
      });
      const code = /^AU\d/.test(curve.name) ? `${curve.name} ` : "";
      list.append(make("label", {}, input, ` ${code}${curve.label}`));
    }
    const bins = data.curves.map((c) => c.bin_s);
    const against = data.curves.find((c) => c.against);
    const note = make("p", { class: "sub" },
      `Curves are means over ${short(Math.max(0, ...bins))} s; the tables hold every frame.` +
      (against ? ` Action units are relative to ${against.against}.` : ""));
    box.append(list, note);
    return data.curves.length ? box : "";
  }

  function rebuild() {
    rows = rowsOf(data, shown);
    labels.replaceChildren(...rows.map(labelOf));
    const lines = rows.filter((r) => r.sentence);
    sentences.replaceChildren(...lines.map((r) => make("p", { class: "notlocated", title: r.sentence }, r.sentence)));
    paint();
  }

  function paint(printWidth = 0) {
    const room = printWidth || scroller.clientWidth;
    if (!room) return;
    const width = Math.max(120, Math.floor(room * (printWidth ? 1 : zoom)));
    view = { width, endS, x: (t) => PAD + clamp(t / endS, 0, 1) * (width - 2 * PAD) };
    canvas.replaceChildren();
    let top = 0;
    let noted = 0;
    for (const row of rows) {
      const group = draw("g", { transform: `translate(0 ${top})`, "data-row": row.name || "" });
      if (row.heading) group.append(draw("line", { class: "rule", x1: 0, x2: width, y1: 7, y2: 7 }));
      row.top = top;
      row.paint(group, view);
      canvas.append(group);
      if (row.sentence) sentences.children[noted++].style.top = `${top + 4}px`;
      top += row.height;
    }
    canvas.setAttribute("width", width);
    canvas.setAttribute("height", top);
    lane.style.width = `${width}px`;
    moved();
  }

  // --- time
  function moved() {
    const t = clamp(player.timeS, 0, endS);
    play.textContent = playing ? "❚❚" : "▶";
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
    time.textContent = `${clock(t)} / ${clock(endS)}`;
    const word = data.words.items.find((w) => w.start_s <= t && t < w.end_s);
    const cues = data.cues.filter((c) => c.start_s <= t && t < Math.max(c.end_s, c.start_s + 0.15));
    now.textContent = [word && !word.spread ? `“${word.text}”` : "", ...cues.map((c) => c.label)].filter(Boolean).join(" · ");
    lane.setAttribute("aria-valuenow", t.toFixed(1));
    lane.setAttribute("aria-valuetext", `${clock(t)}${now.textContent ? `, ${now.textContent}` : ""}`);
    for (const row of rows) if (row.output) row.output.textContent = short(valueAt(row.curve, t));
    if (!view) return;
    head.style.transform = `translateX(${view.x(t).toFixed(1)}px)`;
    if (zoom > 1 && playing) follow(view.x(t));
  }

  function follow(x) {
    const left = scroller.scrollLeft;
    if (x < left || x > left + scroller.clientWidth * 0.9) scroller.scrollLeft = x - scroller.clientWidth * 0.2;
  }

  function setZoom(step) {
    const i = clamp(ZOOMS.indexOf(zoom) + step, 0, ZOOMS.length - 1);
    if (ZOOMS[i] === zoom) return;
    zoom = ZOOMS[i];
    paint();
    if (view) scroller.scrollLeft = view.x(player.timeS) - scroller.clientWidth / 2;
    tighter.disabled = i === 0;
    wider.disabled = i === ZOOMS.length - 1;
  }

  function stepCue(direction) {
    const t = player.timeS;
    const found = direction > 0 ? starts.find((s) => s > t + 0.02) : starts.findLast((s) => s < t - 0.25);
    if (found !== undefined) {
      player.seek(found);
      if (view && zoom > 1) follow(view.x(found));
    }
  }

  // --- pointer
  function place(event) {
    const box = lane.getBoundingClientRect();
    const timeS = clamp((event.clientX - box.left - PAD) / (view.width - 2 * PAD), 0, 1) * endS;
    const y = event.clientY - box.top;
    return { timeS, row: rows.find((r) => r.top <= y && y < r.top + r.height) };
  }

  lane.addEventListener("pointerdown", (event) => {
    if (event.button || !view) return;
    const cue = event.target.closest("[data-cue]");
    player.seek(cue ? data.cues[Number(cue.dataset.cue)].start_s : place(event).timeS);
    if (event.pointerType === "mouse") lane.setPointerCapture(event.pointerId);
  });
  lane.addEventListener("pointermove", (event) => {
    if (!view) return;
    const { timeS, row } = place(event);
    if (event.buttons & 1 && event.pointerType === "mouse" && lane.hasPointerCapture(event.pointerId)) player.seek(timeS);
    const slackS = (3 / view.width) * endS;
    const lines = row && row.lines ? row.lines(timeS, slackS) : null;
    tip(event, lines && [...lines, `at ${clock(timeS)}`]);
  });
  lane.addEventListener("pointerleave", (event) => tip(event, null));

  play.addEventListener("click", () => player.toggle());
  back.addEventListener("click", () => stepCue(-1));
  next.addEventListener("click", () => stepCue(1));
  wider.addEventListener("click", () => setZoom(1));
  tighter.addEventListener("click", () => setZoom(-1));
  back.disabled = next.disabled = !starts.length;
  tighter.disabled = true;

  new ResizeObserver(() => paint()).observe(scroller);
  rebuild();
  return {
    update(isPlaying) { playing = isPlaying; moved(); },
    stepCue, setZoom,
    print(on) { paint(on ? 500 : 0); },
  };
}
