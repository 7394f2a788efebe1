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

/** Whether a tier has segments, in which cues stand. */
export function isSegment(tier: Tier | undefined): boolean {
  return tier?.kind === "ah" || tier?.kind === "other";
}

export function tierOf(codebook: Codebook, mark: Mark): Tier | undefined {
  return codebook.tiers.find((one) => one.id === mark.tier);
}

/** The segments that a mark stands in. */
export function segmentsAround(codebook: Codebook, marks: readonly Mark[], inner: Mark): Mark[] {
  return marks.filter((one) => isSegment(tierOf(codebook, one)) && one.start_ms <= inner.start_ms && one.end_ms >= inner.end_ms);
}

/** The cues that go with a deleted segment: those in it that stand in no other. */
export function goesWith(codebook: Codebook, marks: readonly Mark[], gone: Mark): Mark[] {
  if (!isSegment(tierOf(codebook, gone))) return [];
  return marks.filter((one) => {
    const tier = tierOf(codebook, one);
    if (tier === undefined || !belongsToSegments(tier)) return false;
    const around = segmentsAround(codebook, marks, one);
    return around.length === 1 && around[0] === gone;
  });
}

/** Marks that keys go through, in their order: all but the answer for the whole recording. */
export function inTurn(codebook: Codebook, marks: readonly Mark[]): Mark[] {
  return inTime(codebook, marks).filter((one) => tierOf(codebook, one)?.kind !== "answer");
}

/** The mark that is nearest to a time; of several that stand there, the first in turn. */
export function nearestMark(codebook: Codebook, marks: readonly Mark[], at_ms: number): Mark | null {
  const away = (one: Mark): number => Math.max(one.start_ms - at_ms, at_ms - one.end_ms, 0);
  let best: Mark | null = null;
  for (const one of inTurn(codebook, marks)) if (best === null || away(one) < away(best)) best = one;
  return best;
}

/** The mark before or after the chosen one; with nothing chosen, before or after a time. Behind the last comes the first. */
export function markBeside(codebook: Codebook, marks: readonly Mark[], chosen: Mark | null, at_ms: number, by: 1 | -1): Mark | null {
  const all = inTurn(codebook, marks);
  const at = chosen === null ? -1 : all.indexOf(chosen);
  if (at >= 0) return all[(at + by + all.length) % all.length] ?? null;
  // The start of a mark is rounded to a millisecond: it may be a little before its picture.
  if (by > 0) return all.find((one) => one.start_ms >= at_ms - 1) ?? all[0] ?? null;
  return all.filter((one) => one.start_ms <= at_ms + 1).pop() ?? all[all.length - 1] ?? null;
}

/** What makes two marks the very same; how sure somebody is does not. */
function what(mark: Mark): string {
  return JSON.stringify([mark.tier, mark.start_ms, mark.end_ms, mark.label]);
}

function counts(marks: readonly Mark[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const mark of marks) found.set(what(mark), (found.get(what(mark)) ?? 0) + 1);
  return found;
}

/** A mark that an action would put where the very same one stands; what stood twice before is no fault of the action. */
export function twice(before: readonly Mark[], after: readonly Mark[]): Mark | null {
  const [earlier, now] = [counts(before), counts(after)];
  return after.find((one) => (now.get(what(one)) ?? 0) > Math.max(1, earlier.get(what(one)) ?? 0)) ?? null;
}

/** The same marks, none of them twice. */
export function once(marks: readonly Mark[]): Mark[] {
  return marks.filter((mark, k) => marks.findIndex((one) => what(one) === what(mark)) === k);
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

/** Steps that somebody reads easily, in ms. */
const STEPS_MS = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000];

/** The smallest round step at which written times have room beside each other. */
export function stepFor(px_per_s: number, room_px: number): number {
  return STEPS_MS.find((step) => (step / 1000) * px_per_s >= room_px) ?? 3_600_000;
}

/** The multiples of a step in a stretch of time. */
export function ticks(from_ms: number, to_ms: number, step_ms: number): number[] {
  const found: number[] = [];
  for (let at = Math.ceil(from_ms / step_ms) * step_ms; at <= to_ms; at += step_ms) found.push(at);
  return found;
}

/** The least step, in ms, of times that are written with no decimal, with one, with two. */
const DECIMALS = [1000, 100, 10];

/** A time with as many decimals as its step needs. */
export function shortClock(ms: number, step_ms: number): string {
  const decimals = DECIMALS.findIndex((least) => step_ms >= least);
  const minutes = Math.floor(ms / 60_000);
  const seconds = ((ms - minutes * 60_000) / 1000).toFixed(decimals);
  return `${minutes}:${seconds.padStart(decimals === 0 ? 2 : decimals + 3, "0")}`;
}

/** The marks that are there after, and were not before. */
export function appeared(before: readonly Mark[], after: readonly Mark[]): Mark[] {
  return after.filter((mark) => !before.some((one) => same(one, mark)));
}
