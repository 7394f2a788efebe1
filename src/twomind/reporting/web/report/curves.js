// Rows with a curve. Each has its own scale: the smallest and largest value of this answer.

import { draw, say, short } from "./dom.js";

// A flat signal must not be blown up into mountains.
const LEAST_SPAN = { deg: 10, iod: 0.1, Hz: 40, dBFS: 12, probability: 1 };

export function valueAt(curve, timeS) {
  const i = Math.floor(timeS / curve.bin_s);
  return i >= 0 && i < curve.values.length ? curve.values[i] : null;
}

function range(curve, fixed) {
  if (fixed) return fixed;
  // Relative values are seen against their neutral, which is 0.
  let low = curve.against ? 0 : Infinity;
  let high = curve.against ? 0 : -Infinity;
  for (const v of curve.values) {
    if (v === null) continue;
    if (v < low) low = v;
    if (v > high) high = v;
  }
  const missing = (LEAST_SPAN[curve.unit] || 0.02) - (high - low);
  return missing > 0 ? [low - missing / 2, high + missing / 2] : [low, high];
}

function pathOf(curve, view, y) {
  let text = "";
  let open = false;
  curve.values.forEach((v, i) => {
    if (v === null) {
      open = false;
      return;
    }
    const point = `${view.x((i + 0.5) * curve.bin_s).toFixed(1)} ${y(v).toFixed(1)}`;
    // A lone value between gaps would be an invisible line: a short dash shows it.
    text += open ? `L${point}` : `M${point}h0.8`;
    open = true;
  });
  return text;
}

export function curveRow(curve, fixed = null, height = 44) {
  const [low, high] = range(curve, fixed);
  const y = (v) => height - 5 - ((v - low) / (high - low || 1)) * (height - 10);
  return {
    label: curve.label, code: /^AU\d/.test(curve.name) ? curve.name : "", unit: curve.unit_text, height, curve,
    name: `curve-${curve.name}`, scale: { high: short(high), low: short(low), neutral: curve.against && y(0) > 16 && y(0) < height - 16 ? y(0) : null },
    paint(group, view) {
      // The neutral of relative values, or zero where the values pass it.
      if (low <= 0 && high >= 0) {
        group.append(draw("line", { class: curve.against ? "zero neutral" : "zero", x1: 0, x2: view.width, y1: y(0), y2: y(0) }));
      }
      group.append(draw("path", { class: `curve ${curve.modality}`, d: pathOf(curve, view, y) }));
    },
    lines(timeS) {
      const value = valueAt(curve, timeS);
      const name = curve.name === curve.label ? curve.label : `${curve.label} (${curve.name})`;
      const lines = [name, value === null ? say("no_value") : `${short(value)} ${curve.unit_text}`];
      if (curve.against) lines.push(say("relative", { what: curve.against }));
      lines.push(say("in_answer", { low: short(low), high: short(high) }));
      return lines;
    },
  };
}

export function scoreRow(curve) {
  return curveRow({ ...curve, name: "frame score", label: say("frame_score"), unit: "probability", unit_text: "", modality: "located", against: "" }, [0, 1]);
}
