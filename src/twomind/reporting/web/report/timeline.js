// The time axis: rows under one ruler, a playhead, a tooltip, zoom, and a choice of curves.

import { clamp, clock, draw, make, say, short, tip } from "./dom.js";
import { cueLines, cueRows, heading, qualityRow, ruler, speechRow, whenRows, wordRow } from "./lanes.js";
import { curveRow, scoreRow, valueAt } from "./curves.js";

// Room left and right of the axis, so that marks and the playhead at its ends are whole.
const PAD = 6;
const ZOOMS = [1, 2, 4, 8, 16, 32];

function rowsOf(data, shown, hidden) {
  const rows = [ruler(), ...whenRows(data.located)];
  if (data.located.curve) rows.push(scoreRow(data.located.curve));
  for (const [modality, label] of Object.entries(data.modalities)) {
    const own = [];
    if (modality === "words" && data.words.items.length) own.push(wordRow(data.words));
    if (modality === "voice" && data.speech) own.push(speechRow(data.speech));
    if (!hidden.has(modality)) own.push(...cueRows(data.cues, modality));
    const curves = data.curves.filter((c) => c.modality === modality && shown.has(c.name));
    own.push(...curves.map((c) => curveRow(c)));
    if (own.length) rows.push(heading(label), ...own);
  }
  rows.push(heading(say("quality")), ...data.quality.map(qualityRow));
  return rows;
}

function labelOf(row) {
  const label = make("div", { class: row.heading ? "label head" : row.height > 40 ? "label tall" : "label", "data-row": row.name || "" });
  const name = make("span", { class: "name" }, row.label);
  label.append(name);
  const about = [row.code, row.unit].filter(Boolean).join(" · ");
  if (about) name.append(make("span", { class: "code" }, about));
  if (row.note) name.append(make("span", { class: row.height < 28 ? "note inline" : "note" }, row.note));
  if (row.count) label.append(make("span", { class: "count" }, `${row.count}`));
  if (row.curve) {
    row.output = make("span", { class: "value" }, "–");
    label.append(make("span", { class: "live" }, row.output));
    label.append(make("span", { class: "ends" }, make("span", {}, row.scale.high), make("span", {}, row.scale.low)));
    if (row.scale.neutral !== null) {
      const zero = make("span", { class: "zeroname" }, say("neutral"));
      zero.style.top = `${row.scale.neutral - 7}px`;
      label.append(zero);
    }
  }
  label.style.height = `${row.height}px`;
  return label;
}

export function makeTimeline(host, data, player, review) {
  const endS = data.duration_s || 1;
  const shown = new Set(data.curves.filter((c) => c.shown).map((c) => c.name));
  const hidden = new Set();
  const visible = () => data.cues.map((c, i) => ({ ...c, i })).filter((c) => !hidden.has(c.modality));
  let rows = [];
  let zoom = 1;
  let view = null;
  let playing = false;

  // --- controls
  const play = make("button", { type: "button", class: "play", "aria-label": say("play") }, "▶");
  const back = make("button", { type: "button", "aria-label": say("previous_cue"), title: `${say("previous_cue")} (p)` }, say("cue_back"));
  const next = make("button", { type: "button", "aria-label": say("next_cue"), title: `${say("next_cue")} (n)` }, say("cue_on"));
  const wider = make("button", { type: "button", "aria-label": say("zoom_in"), title: `${say("zoom_in")} (+)` }, "+");
  const tighter = make("button", { type: "button", "aria-label": say("zoom_out"), title: `${say("zoom_out")} (-)` }, "−");
  const time = make("output", { class: "clock", "aria-label": say("time"), "aria-live": "off" });
  const now = make("span", { class: "now", "aria-live": "off" });
  const bar = make("div", { class: "transport" }, play, back, next, time, now, make("span", { class: "zoom" }, tighter, wider));

  // --- the axis
  const labels = make("div", { class: "labels", "aria-hidden": "true" });
  const canvas = draw("svg", { class: "canvas", "aria-hidden": "true" });
  const head = make("div", { class: "playhead" });
  const buttons = make("div", { class: "cuebuttons" });
  const lane = make("div", {
    class: "lanes", tabindex: "0", role: "slider", "aria-label": say("time_in"),
    "aria-valuemin": "0", "aria-valuemax": endS.toFixed(1),
  }, canvas, head);
  const strip = make("div", { class: "strip" }, lane, buttons);
  const scroller = make("div", { class: "scroller" }, strip);
  const axis = make("div", { class: "axisbox" }, labels, scroller);
  const hint = make("p", { class: "sub keys" }, say("keys"));
  bar.querySelector(".clock").after(families());
  host.replaceChildren(bar, review.panel, axis, chooser(), hint);

  // Families of cues that can be hidden.
  function families() {
    const there = Object.entries(data.modalities).filter(([name]) => data.cues.some((c) => c.modality === name));
    if (there.length < 2) return "";
    const box = make("div", { class: "families", role: "group", "aria-label": say("families") }, make("span", { class: "sub" }, say("families")));
    for (const [name, label] of there) {
      const n = data.cues.filter((c) => c.modality === name).length;
      const button = make("button", { type: "button", class: "family", "aria-pressed": "true", "data-family": name, title: say("hide", { family: label }) }, `${label} ${n}`);
      button.addEventListener("click", () => {
        const off = !hidden.has(name);
        if (off) hidden.add(name);
        else hidden.delete(name);
        button.setAttribute("aria-pressed", String(!off));
        for (const row of host.closest("article").querySelectorAll(`tr[data-family="${name}"]`)) row.hidden = off;
        rebuild();
      });
      box.append(button);
    }
    return box;
  }

  function chooser() {
    const box = make("details", { class: "pick" }, make("summary", {}, say("choose_curves", { n: data.curves.length })));
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
      say("curves_note", { s: short(Math.max(0, ...bins)) }) + (against ? ` ${say("curves_against", { what: against.against })}` : ""));
    box.append(list, note);
    return data.curves.length ? box : "";
  }

  function rebuild() {
    rows = rowsOf(data, shown, hidden);
    labels.replaceChildren(...rows.map(labelOf));
    back.disabled = next.disabled = !visible().length;
    paint();
  }

  function paint(printWidth = 0) {
    const room = printWidth || scroller.clientWidth;
    if (!room) return;
    const width = Math.max(120, Math.floor(room * (printWidth ? 1 : zoom)));
    view = { width, endS, x: (t) => PAD + clamp(t / endS, 0, 1) * (width - 2 * PAD) };
    canvas.replaceChildren();
    const focused = document.activeElement && document.activeElement.closest(".cuebuttons") ? document.activeElement.dataset.cue : null;
    const made = [];
    let top = 0;
    for (const row of rows) {
      const group = draw("g", { transform: `translate(0 ${top})`, "data-row": row.name || "" });
      if (row.heading) group.append(draw("line", { class: "rule", x1: 0, x2: width, y1: 7, y2: 7 }));
      row.top = top;
      row.paint(group, view);
      canvas.append(group);
      if (row.buttons) {
        const own = row.buttons(view);
        for (const button of own) button.style.top = `${top}px`;
        made.push(make("div", { class: "cuerow", role: "group", "aria-label": row.label }, ...own));
      }
      top += row.height;
    }
    canvas.setAttribute("width", width);
    canvas.setAttribute("height", top);
    lane.style.width = `${width}px`;
    buttons.replaceChildren(...made);
    if (focused !== null) buttonOf(focused)?.focus({ preventScroll: true });
    review.repaint();
    moved();
  }

  // --- time
  function moved() {
    const t = clamp(player.timeS, 0, endS);
    play.textContent = playing ? "❚❚" : "▶";
    play.setAttribute("aria-label", say(playing ? "pause" : "play"));
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
    const cues = visible();
    const found = direction > 0 ? cues.find((c) => c.start_s > t + 0.02) : cues.findLast((c) => c.start_s < t - 0.25);
    if (found) goTo(found.i);
  }

  // --- cues
  function goTo(i) {
    const startS = data.cues[i].start_s;
    review.choose(i);
    player.seek(startS);
    if (view && zoom > 1) follow(view.x(startS));
  }

  function buttonOf(i) {
    return buttons.querySelector(`[data-cue="${i}"]`);
  }

  buttons.addEventListener("click", (event) => {
    const button = event.target.closest("[data-cue]");
    if (button) goTo(Number(button.dataset.cue));
  });
  buttons.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const button = event.target.closest("[data-cue]");
    if (!step || !button) return;
    event.preventDefault();
    event.stopPropagation();
    const own = [...button.parentElement.children];
    const to = own[own.indexOf(button) + step];
    if (!to) return;
    button.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  });
  buttons.addEventListener("pointermove", (event) => {
    const button = event.target.closest("[data-cue]");
    tip(event, button && cueLines(data.cues[Number(button.dataset.cue)]));
  });
  buttons.addEventListener("pointerout", (event) => tip(event, null));

  // --- pointer
  function place(event) {
    const box = lane.getBoundingClientRect();
    const timeS = clamp((event.clientX - box.left - PAD) / (view.width - 2 * PAD), 0, 1) * endS;
    const y = event.clientY - box.top;
    return { timeS, row: rows.find((r) => r.top <= y && y < r.top + r.height) };
  }

  lane.addEventListener("pointerdown", (event) => {
    if (event.button || !view) return;
    player.seek(place(event).timeS);
    if (event.pointerType === "mouse") lane.setPointerCapture(event.pointerId);
  });
  lane.addEventListener("pointermove", (event) => {
    if (!view) return;
    const { timeS, row } = place(event);
    if (event.buttons & 1 && event.pointerType === "mouse" && lane.hasPointerCapture(event.pointerId)) player.seek(timeS);
    const slackS = (3 / view.width) * endS;
    const lines = row && row.lines ? row.lines(timeS, slackS) : null;
    tip(event, lines && [...lines, say("at", { time: clock(timeS) })]);
  });
  lane.addEventListener("pointerleave", (event) => tip(event, null));

  play.addEventListener("click", () => player.toggle());
  back.addEventListener("click", () => stepCue(-1));
  next.addEventListener("click", () => stepCue(1));
  wider.addEventListener("click", () => setZoom(1));
  tighter.addEventListener("click", () => setZoom(-1));
  tighter.disabled = true;

  new ResizeObserver(() => paint()).observe(scroller);
  rebuild();
  return {
    update(isPlaying) { playing = isPlaying; moved(); },
    stepCue, setZoom, goTo,
    print(on) { paint(on ? 720 : 0); },
  };
}
