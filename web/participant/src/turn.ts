/** A page was left while it was loading. */
export class Left extends Error {}

let latest = 0;

/**
 * One page on its way to be shown, or shown. Once another was asked for, what it waits for is given up,
 * so that a page that loads slowly is never shown over the one after it.
 */
export class Turn {
  private readonly number = (latest += 1);

  /** Whether no other page was asked for since. */
  get isNow(): boolean {
    return this.number === latest;
  }

  /** What a page waits for; rejects with `Left` when the page was left meanwhile. */
  async still<T>(asked: Promise<T>): Promise<T> {
    try {
      return await asked;
    } finally {
      if (!this.isNow) throw new Left();
    }
  }

  /** The same server, whose answers a page gets only while it is not left. */
  watched<T extends object>(server: T): T {
    return new Proxy(server, {
      get: (from, name) => {
        const value: unknown = Reflect.get(from, name, from);
        if (typeof value !== "function") return value;
        return (...given: unknown[]): unknown => {
          const answer: unknown = value.apply(from, given);
          return answer instanceof Promise ? this.still(answer) : answer;
        };
      },
    });
  }
}
