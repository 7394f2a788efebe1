// Rows of the timeline other than curves. A row: label, height, paint(group, view), lines(timeS) for the tooltip.

import { clock, draw, make, say, short, textWidth } from "./dom.js";

const at = (spans, timeS) => spans.find((s) => s.start_s <= timeS && timeS < s.end_s);
const span = (s) => (s.end_s - s.start_s < 0.05 ? clock(s.start_s) : say("to", { start: clock(s.start_s), end: clock(s.end_s) }));
// The least a finger or an eye finds: a cue's button is never smaller.
const LEAST_PX = 24;

function bar(view, startS, endS, y, height, attributes) {
  const x = view.x(startS);
  return draw("rect", { x, y, height, width: Math.max(view.x(endS) - x, 2.5), ...attributes });
}

export function ruler() {
  return {
    label: "", height: 24, name: "ruler",
    paint(group, view) {
      const steps = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
      const step = steps.find((s) => view.x(s) - view.x(0) >= 62) || 7200;
      let free = -Infinity;
      for (let i = 0; i * step <= view.endS + 1e-6; i += 1) {
        const x = view.x(i * step);
        group.append(draw("line", { class: "axis", x1: x, x2: x, y1: 18, y2: 24 }));
        const anchor = i === 0 ? "start" : x > view.width - 22 ? "end" : "middle";
        // A time without room keeps its line.
        const text = clock(i * step, step < 1);
        const room = textWidth(text);
        const left = x - { start: 0, middle: room / 2, end: room }[anchor];
        if (left < free) continue;
        free = left + room + 6;
        group.append(draw("text", { class: "tick", x, y: 13, "text-anchor": anchor }, text));
      }
    },
  };
}

export function heading(label) {
  return { label, height: 26, heading: true, paint() {} };
}

// When: segments where the model locates. Where it does not, a note above the timeline says so.
export function whenRows(located) {
  const rows = [];
  if (located.located) {
    rows.push({
      label: say("located"), height: 24, name: "segments",
      paint(group, view) {
        for (const s of located.segments) group.append(bar(view, s.start_s, s.end_s, 4, 16, { class: "segment", rx: 2 }));
      },
      lines(timeS) {
        const s = at(located.segments, timeS);
        return s && [s.label, span(s), say("by", { source: s.source }), ...(s.score === null ? [] : [say("score", { value: short(s.score) })])];
      },
    });
  }
  if (located.coded.length) {
    rows.push({
      label: say("coded"), height: 24, name: "coded",
      paint(group, view) {
        for (const s of located.coded) group.append(bar(view, s.start_s, s.end_s, 4, 16, { class: "coded", rx: 2 }));
      },
      lines(timeS) {
        const s = at(located.coded, timeS);
        return s && [s.label, span(s), say("coded_by", { source: s.source })];
      },
    });
  }
  return rows;
}

export function wordRow(words) {
  return {
    label: `${words.spread ? "≈ " : ""}${say("spoken")}`, height: 42, name: "words",
    note: words.spread ? say("spread") : "",
    paint(group, view) {
      const free = [-Infinity, -Infinity];
      for (const w of words.items) {
        const x = view.x(w.start_s);
        const width = Math.max(view.x(w.end_s) - x - 1, 1.5);
        group.append(draw("rect", { class: w.spread ? "word spread" : "word", x, y: 33, width, height: 4 }));
        // Two lines of labels; a word with room on neither still has its mark and the tooltip.
        const room = textWidth(w.text);
        const line = free.findIndex((end) => x >= end);
        if (line < 0 || x + room > view.width) continue;
        group.append(draw("text", { class: w.spread ? "wordtext spread" : "wordtext", x, y: 27 - 14 * line }, w.text));
        free[line] = x + room + 5;
      }
    },
    lines(timeS) {
      const w = at(words.items, timeS);
      if (!w) return null;
      const lines = [`“${w.text}”`, `${w.spread ? "≈ " : ""}${span(w)}`];
      if (w.spread) lines.push(say("spread"));
      if (w.confidence !== null) lines.push(say("confidence", { value: w.confidence }));
      if (w.share) lines.push(say(w.share > 0 ? "raises" : "lowers", { value: Math.abs(w.share).toFixed(2) }));
      return lines;
    },
  };
}

export function cueLines(cue) {
  const lines = [cue.label, span(cue)];
  if (cue.value !== null) lines.push(say("strength", { value: cue.value, unit: cue.unit }).trim());
  if (cue.halves.length) lines.push(...cue.halves.map((half) => `${half.what}, ${span(half)}`));
  else if (cue.detail) lines.push(cue.detail);
  if (cue.meaning) lines.push(cue.meaning);
  return lines;
}

// One row per kind of cue, as coders know them from tiers. Each cue is a button; arrows walk along a row.
export function cueRows(cues, modality) {
  const kinds = new Map();
  cues.forEach((cue, i) => {
    if (cue.modality !== modality) return;
    if (!kinds.has(cue.kind)) kinds.set(cue.kind, []);
    kinds.get(cue.kind).push({ ...cue, i });
  });
  const order = [...kinds.values()].sort((a, b) => b.length - a.length);
  return order.map((own) => ({
    label: own[0].label, count: own.length, height: LEAST_PX, name: `cue-${own[0].kind}`,
    paint(group, view) {
      for (const cue of own) group.append(bar(view, cue.start_s, cue.end_s, 6, 12, { class: `cue ${modality}`, rx: 2 }));
    },
    buttons(view) {
      return own.map((cue, k) => {
        const left = view.x(cue.start_s);
        const width = Math.max(view.x(cue.end_s) - left, LEAST_PX);
        const button = make("button", {
          type: "button", class: `cue ${modality}`, "data-cue": cue.i, tabindex: k ? -1 : 0, "aria-label": `${cue.label}, ${span(cue)}`,
        });
        button.style.left = `${Math.min(left, view.width - width)}px`;
        button.style.width = `${width}px`;
        return button;
      });
    },
    lines(timeS, slackS) {
      const near = own.find((c) => c.start_s - slackS <= timeS && timeS <= c.end_s + slackS);
      return near && cueLines(near);
    },
  }));
}

export function speechRow(speech) {
  return {
    label: say("speech"), note: say(speech.by === "words" ? "pauses_by_words" : "pauses_hatched"), height: 22, name: "speech",
    paint(group, view) {
      for (const [a, b] of speech.speech) group.append(bar(view, a, b, 5, 12, { class: "speech" }));
      for (const [a, b] of speech.pauses) {
        group.append(bar(view, a, b, 5, 12, { class: "pause", fill: "url(#hatch)" }));
        const text = `${(b - a).toFixed(1)} s`;
        if (view.x(b) - view.x(a) > textWidth(text) + 8) {
          group.append(draw("text", { class: "pausetext", x: (view.x(a) + view.x(b)) / 2, y: 15, "text-anchor": "middle" }, text));
        }
      }
    },
    lines(timeS) {
      const inside = ([a, b]) => a <= timeS && timeS < b;
      const pause = speech.pauses.find(inside);
      if (pause) return [say("a_pause"), `${(pause[1] - pause[0]).toFixed(1)} s`, say("from", { time: clock(pause[0]) })];
      return speech.speech.some(inside) ? [say("speech")] : [say("no_speech")];
    },
  };
}

export function qualityRow(quality) {
  return {
    label: quality.label, height: 20, name: `quality-${quality.name}`,
    paint(group, view) {
      for (const [a, b, reason] of quality.runs) {
        const attributes = reason ? { class: "bad", fill: "url(#hatch-bad)" } : { class: "good" };
        group.append(bar(view, a, b, reason ? 3 : 8, reason ? 14 : 4, attributes));
        const room = reason ? textWidth(reason) : 0;
        if (reason && view.x(b) - view.x(a) > room + 16) {
          const x = view.x(a) + 6;
          group.append(draw("rect", { class: "badlabel", x: x - 3, y: 4, width: room + 6, height: 12, rx: 2 }));
          group.append(draw("text", { class: "badtext", x, y: 13.5 }, reason));
        }
      }
    },
    lines(timeS) {
      const run = quality.runs.find(([a, b]) => a <= timeS && timeS < b);
      return run && (run[2] ? [say("not_measurable"), run[2], say("to", { start: clock(run[0]), end: clock(run[1]) })] : [say("is_measurable")]);
    },
  };
}
