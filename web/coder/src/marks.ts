import type { Codebook, Mark, Tier } from "./types.js";

/** The number of the picture that is shown at a time: the last one that has begun. */
export function frameAt(times_ms: readonly number[], at_ms: number): number {
  let low = 0;
  let high = times_ms.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((times_ms[middle] as number) <= at_ms) low = middle;
    else high = middle - 1;
  }
  return Math.max(low, 0);
}

/** The picture whose time is nearest; for what a browser says that it shows. */
export function nearestFrame(times_ms: readonly number[], at_ms: number): number {
  const before = frameAt(times_ms, at_ms);
  const next = times_ms[before + 1];
  if (next === undefined) return before;
  return next - at_ms < at_ms - (times_ms[before] ?? 0) ? before + 1 : before;
}

/** When a picture ends: where the next one begins, or the film ends. */
export function frameEnd(times_ms: readonly number[], frame: number, length_ms: number): number {
  const next = times_ms[frame + 1];
  if (next !== undefined) return next;
  const last = times_ms[times_ms.length - 1] ?? 0;
  const step = times_ms.length > 1 ? last - (times_ms[times_ms.length - 2] ?? 0) : 40;
  return Math.max(length_ms, last + step);
}

/** A span from the beginning of one picture to the end of another, in whole milliseconds. */
export function span(
  times_ms: readonly number[],
  one: number,
  other: number,
  length_ms: number,
): [number, number] {
  const first = Math.min(one, other);
  const last = Math.max(one, other);
  const start = Math.round(times_ms[first] ?? 0);
  const end = Math.round(frameEnd(times_ms, last, length_ms));
  return [start, Math.max(end, start + 1)];
}

export type Edge = "start" | "end";

/** A mark with one edge moved by pictures; it stays at least one picture long. */
export function nudged(times_ms: readonly number[], mark: Mark, edge: Edge, by: number, length_ms: number): Mark {
  if (edge === "start") {
    const frame = clamp(nearestFrame(times_ms, mark.start_ms) + by, 0, times_ms.length - 1);
    return withEdge(mark, edge, times_ms[frame] ?? 0);
  }
  // The last picture of the mark is the one before its end.
  const shown = frameAt(times_ms, mark.end_ms - 1);
  const last = clamp(shown + by, 0, times_ms.length - 1);
  return withEdge(mark, edge, frameEnd(times_ms, last, length_ms));
}

/** A mark with one edge at a time; it stays where that would leave nothing of it. */
export function withEdge(mark: Mark, edge: Edge, at_ms: number): Mark {
  const at = Math.round(at_ms);
  if (edge === "start") return at < mark.end_ms ? { ...mark, start_ms: Math.max(at, 0) } : mark;
  return at > mark.start_ms ? { ...mark, end_ms: at } : mark;
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

export function same(one: Mark, other: Mark): boolean {
  return (
    one.tier === other.tier &&
    one.start_ms === other.start_ms &&
    one.end_ms === other.end_ms &&
    one.label === other.label &&
    one.certainty === other.certainty
  );
}

export function sameMarks(one: readonly Mark[], other: readonly Mark[]): boolean {
  const key = (mark: Mark): string => JSON.stringify([mark.tier, mark.start_ms, mark.end_ms, mark.label, mark.certainty]);
  const [first, second] = [one.map(key).sort(), other.map(key).sort()];
  return first.length === second.length && first.every((text, k) => text === second[k]);
}

/** By time, then as the codebook has the tiers: the order in which keys go through them. */
export function inTime(codebook: Codebook, marks: readonly Mark[]): Mark[] {
  const place = (mark: Mark): number => codebook.tiers.findIndex((tier) => tier.id === mark.tier);
  return [...marks].sort((a, b) => a.start_ms - b.start_ms || place(a) - place(b) || a.end_ms - b.end_ms);
}

/** Whether a tier marks something within segments. */
export function belongsToSegments(tier: Tier): boolean {
  return tier.kind === "cue" || tier.kind === "inconsistency";
}

export const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4];

export function nextSpeed(now: number, by: 1 | -1): number {
  const at = SPEEDS.indexOf(now);
  return SPEEDS[clamp((at < 0 ? SPEEDS.indexOf(1) : at) + by, 0, SPEEDS.length - 1)] ?? 1;
}

function inLine(one: Mark, other: Mark): number {
  const byTime = one.start_ms - other.start_ms || one.end_ms - other.end_ms;
  return byTime || Number(one.label > other.label) - Number(one.label < other.label);
}

/** The row of each mark in a line, so that marks which overlap do not cover each other. */
export function rows(marks: readonly Mark[]): number[] {
  // The server keeps marks in an order of its own: that of what they are does not change with undo.
  const order = [...marks.keys()].sort((a, b) => inLine(marks[a] as Mark, marks[b] as Mark) || a - b);
  const ends: number[] = [];
  const found = marks.map(() => 0);
  for (const k of order) {
    const { start_ms, end_ms } = marks[k] as Mark;
    const free = ends.findIndex((end) => end <= start_ms);
    const row = free < 0 ? ends.length : free;
    ends[row] = end_ms;
    found[k] = row;
  }
  return found;
}

/** So loud nothing but silence is, of 255. */
const QUIETEST = 8;

/** What fills the waveform's height: nearly the loudest, so that a soft voice is seen and one bang does not hide it. */
export function loudness(peaks: readonly number[]): number {
  const sorted = [...peaks].sort((a, b) => a - b);
  return Math.max(sorted[Math.floor(0.995 * (sorted.length - 1))] ?? 0, QUIETEST);
}
