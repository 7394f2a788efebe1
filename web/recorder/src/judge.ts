/** What is wrong with what the camera and the microphone deliver. */
export type Fault = "no_data" | "frozen" | "black" | "silent";

/** One look at the stream. */
export interface Look {
  /** Milliseconds, on any clock that only grows. */
  at: number;
  /** Mean luma of the picture, 0 to 255; NaN without a picture. */
  light: number;
  /** The picture is equal to the one before, to the last bit. */
  same: boolean;
  /** The largest sample since the look before, in dB of full scale. */
  levelDb: number;
}

export interface JudgeSettings {
  /** How long something must last before it is a fault. Stays under 3 s with one look more. */
  readonly holdMs: number;
  readonly blackBelow: number;
  readonly silentBelowDb: number;
}

/** A real camera's noise changes each picture; a real microphone's is above -75 dB. */
export const DEFAULT_JUDGE: JudgeSettings = { holdMs: 2200, blackBelow: 8, silentBelowDb: -75 };

/** Says which faults have lasted long enough; knows nothing of browsers. */
export class Judge {
  private readonly since = new Map<Fault, number>();

  constructor(private readonly settings: JudgeSettings = DEFAULT_JUDGE) {}

  /** @returns the faults that stand at this look */
  look(look: Look): Set<Fault> {
    const { blackBelow, silentBelowDb } = this.settings;
    const black = look.light < blackBelow;
    this.note("black", black, look.at);
    this.note("frozen", look.same && !black, look.at);
    this.note("silent", look.levelDb < silentBelowDb, look.at);
    const standing = [...this.since].filter(([, since]) => this.lasted(since, look.at));
    return new Set(standing.map(([fault]) => fault));
  }

  private note(fault: Fault, seen: boolean, at: number): void {
    if (!seen) this.since.delete(fault);
    else if (!this.since.has(fault)) this.since.set(fault, at);
  }

  private lasted(since: number, at: number): boolean {
    return at - since >= this.settings.holdMs;
  }
}

/** The largest absolute sample in dB of full scale; -Infinity for digital silence. */
export function peakDb(samples: Float32Array): number {
  let peak = 0;
  for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  return 20 * Math.log10(peak);
}

/** Mean luma (BT.601) of RGBA pixels, 0 to 255. */
export function meanLuma(pixels: Uint8ClampedArray): number {
  let sum = 0;
  for (let i = 0; i + 2 < pixels.length; i += 4) {
    const [red, green, blue] = [pixels[i] ?? 0, pixels[i + 1] ?? 0, pixels[i + 2] ?? 0];
    sum += 0.299 * red + 0.587 * green + 0.114 * blue;
  }
  return sum / (pixels.length / 4);
}

export function samePixels(a: Uint8ClampedArray, b: Uint8ClampedArray | undefined): boolean {
  if (b === undefined || a.length !== b.length) return false;
  return a.every((value, i) => value === b[i]);
}
