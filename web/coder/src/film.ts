import { clamp, frameAt, frameEnd, nearestFrame } from "./marks.js";

/** Where in a picture to seek to. A browser that is asked for the very time of a picture often shows the
 * one before it; the middle is right but for rounding, and then another place is. */
const PLACES = [0.5, 0.75, 0.25, 0.9];
/** So long a browser may take to show a picture, in ms. */
const PATIENCE_MS = 2000;
/** So long after it has arrived a browser may take to say which picture it shows; it says nothing where that is still the same. */
const SETTLED_MS = 250;

/** A film whose pictures have numbers, by the times at which they are shown. */
export class Film {
  /** The picture that is shown. */
  frame = 0;
  private wanted: number | null = null;
  private seeking = false;
  private until_ms: number | null = null;
  private waiters: (() => void)[] = [];
  /** The picture that is shown for certain, while the film stands still. */
  private certain: number | null = null;

  constructor(
    readonly video: HTMLVideoElement,
    readonly times_ms: readonly number[],
    readonly length_ms: number,
    private readonly changed: () => void,
    private readonly inexact: () => void,
  ) {
    this.watch();
    video.addEventListener("play", () => {
      this.certain = null;
      changed();
    });
    video.addEventListener("pause", () => this.settle());
    video.addEventListener("ended", changed);
  }

  get playing(): boolean {
    return !this.video.paused && !this.video.ended;
  }

  /** The picture that somebody means now: the one that was asked for, while the film is on its way to it. */
  get meant(): number {
    return this.wanted ?? this.frame;
  }

  get at_ms(): number {
    return this.playing ? this.video.currentTime * 1000 : (this.times_ms[this.meant] ?? 0);
  }

  /** Follows the pictures that a playing film shows. */
  private watch(): void {
    this.video.requestVideoFrameCallback((_now, { mediaTime }) => {
      if (this.playing && !this.seeking) {
        this.frame = nearestFrame(this.times_ms, mediaTime * 1000);
        this.stopAtEnd();
        this.changed();
      }
      this.watch();
    });
  }

  private stopAtEnd(): void {
    if (this.until_ms === null || this.video.currentTime * 1000 < this.until_ms) return;
    const end = this.until_ms;
    this.until_ms = null;
    this.video.pause();
    void this.show(frameAt(this.times_ms, end - 1));
  }

  /** After playing: the picture that is shown is the one that is counted. */
  private settle(): void {
    this.until_ms = null;
    if (!this.seeking) void this.show(frameAt(this.times_ms, this.video.currentTime * 1000));
    this.changed();
  }

  toggle(): void {
    this.until_ms = null;
    if (this.playing) this.video.pause();
    else void this.video.play();
  }

  async playSpan(start_ms: number, end_ms: number): Promise<void> {
    this.video.pause();
    await this.showAt(start_ms);
    this.until_ms = end_ms;
    await this.video.play();
  }

  step(by: number): void {
    if (this.playing) this.video.pause();
    void this.show(this.meant + by);
  }

  jump(by_ms: number): void {
    const at = clamp(this.at_ms + by_ms, 0, this.length_ms);
    if (this.playing) this.video.currentTime = at / 1000;
    else void this.show(frameAt(this.times_ms, at));
  }

  /** Shows the picture that begins at a time, which may be rounded to a millisecond. */
  showAt(at_ms: number): Promise<void> {
    return this.show(nearestFrame(this.times_ms, at_ms));
  }

  /** Shows a picture; of several that are asked for at once, the last. */
  show(frame: number): Promise<void> {
    this.wanted = clamp(frame, 0, this.times_ms.length - 1);
    const shown = new Promise<void>((resolve) => this.waiters.push(resolve));
    if (!this.seeking) void this.seek();
    return shown;
  }

  private async seek(): Promise<void> {
    this.seeking = true;
    while (this.wanted !== null) {
      const frame = this.wanted;
      const right = frame === this.certain || (await this.reached(frame));
      this.certain = right && !this.playing ? frame : null;
      if (this.wanted === frame) this.wanted = null;
      this.frame = frame;
      // Of a picture that is only passed on the way to another nothing is marked.
      if (!right && this.wanted === null) this.inexact();
      this.changed();
    }
    this.seeking = false;
    for (const done of this.waiters.splice(0)) done();
  }

  private async reached(frame: number): Promise<boolean> {
    const start = this.times_ms[frame] ?? 0;
    const end = frameEnd(this.times_ms, frame, this.length_ms);
    for (const place of PLACES) {
      const shown = await this.shownAt((start + place * (end - start)) / 1000);
      if (shown === "nothing") return false;
      if (shown !== "the same" && nearestFrame(this.times_ms, shown * 1000) === frame) return true;
    }
    return false;
  }

  /** The media time of the picture that a browser shows after it was sent to a time. */
  private shownAt(at_s: number): Promise<number | "the same" | "nothing"> {
    return new Promise((resolve) => {
      const arrived = (): void => {
        clearTimeout(give_up);
        give_up = setTimeout(() => resolve("the same"), SETTLED_MS);
      };
      let give_up = setTimeout(() => resolve("nothing"), PATIENCE_MS);
      this.video.addEventListener("seeked", arrived, { once: true });
      this.video.requestVideoFrameCallback((_now, { mediaTime }) => {
        clearTimeout(give_up);
        this.video.removeEventListener("seeked", arrived);
        resolve(mediaTime);
      });
      this.video.currentTime = at_s;
    });
  }
}
