import { describe, expect, it } from "vitest";
import type { SideTold } from "../src/events.js";
import { Sides } from "../src/sides.js";

const clause = (index: number, said: SideTold["said"], more: Partial<SideTold> = {}): SideTold => ({
  event: "side_told",
  seq: index,
  at_s: index + 1,
  index,
  said,
  quote: `clause ${index}`,
  start_s: index,
  end_s: index + 1,
  timed: true,
  p_change: 0.5,
  p_sustain: 0.3,
  p_neutral: 0.2,
  sureness: 0.5,
  settled: false,
  ...more,
});

describe("the two sides", () => {
  it("puts each clause under its side, and what speaks for none under neither", () => {
    const sides = new Sides();
    sides.tell(clause(0, "change"));
    sides.tell(clause(1, "sustain", { timed: false }));
    sides.tell(clause(2, "neutral"));
    sides.tell(clause(3, "cannot tell"));
    expect(sides.column("change")).toEqual(["0.0 s · clause 0"]);
    expect(sides.column("sustain")).toEqual(["≈1.0 s · clause 1"]);
  });

  it("moves a clause that is told otherwise to its place in the other column", () => {
    const sides = new Sides();
    for (const n of [0, 1, 2]) sides.tell(clause(n, n === 1 ? "sustain" : "change"));
    sides.tell(clause(1, "change", { settled: true }));
    expect(sides.column("change").map((line) => line.slice(-1))).toEqual(["0", "1", "2"]);
    expect(sides.column("sustain")).toEqual([]);
    sides.clear();
    expect(sides.column("change")).toEqual([]);
  });
});
