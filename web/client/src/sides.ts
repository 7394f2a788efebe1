import type { SideTold } from "./events.js";

/** The two sides of what is said: each clause under the side that it was last told for. */
export class Sides {
  private readonly clauses = new Map<number, SideTold>();

  /** A clause, or the same clause told otherwise. */
  tell(event: SideTold): void {
    this.clauses.set(event.index, event);
  }

  /** Nothing holds of what was told. */
  clear(): void {
    this.clauses.clear();
  }

  /** The lines of one column, in the order in which they were said. */
  column(side: SideTold["said"]): string[] {
    const own = [...this.clauses.values()].filter((clause) => clause.said === side);
    own.sort((one, other) => one.index - other.index);
    return own.map(({ timed, start_s, quote }) => `${timed ? "" : "≈"}${start_s.toFixed(1)} s · ${quote}`);
  }
}
