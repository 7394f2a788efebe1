/** How long to wait before the next attempt: doubled each time, with a random part, never given up. */
export interface Backoff {
  readonly firstMs: number;
  readonly longestMs: number;
}

export const DEFAULT_BACKOFF: Backoff = { firstMs: 500, longestMs: 30_000 };

/**
 * @param failures how many attempts in a row have failed (1 or more)
 * @param random a number in [0, 1)
 * @returns milliseconds; between half and the whole of the doubled time
 */
export function waitFor(backoff: Backoff, failures: number, random: number): number {
  const doublings = Math.min(failures - 1, 20);
  const whole = Math.min(backoff.firstMs * 2 ** doublings, backoff.longestMs);
  return whole / 2 + (whole / 2) * random;
}

/** Waits, but no longer than until `wake` is called. */
export class Sleeper {
  private end: (() => void) | undefined;

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.end?.(), ms);
      this.end = () => {
        clearTimeout(timer);
        this.end = undefined;
        resolve();
      };
    });
  }

  wake(): void {
    this.end?.();
  }
}
