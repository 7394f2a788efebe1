import { sameMarks } from "./marks.js";
import type { Refusal } from "./refusals.js";
import type { Desk, Mark, State } from "./types.js";

/** `refused`: the server will not keep the last action, see `refusal`. */
export type Saving = "saved" | "saving" | "unsaved" | "refused";

const FIRST_WAIT_MS = 500;
const MOST_WAIT_MS = 8000;

/** An answer of the server that it will give again. */
export function isRefusal(error: unknown): error is Error & Refusal & { status: number } {
  const status = (error as { status?: unknown }).status;
  return typeof status === "number" && status >= 400 && status < 500 && status !== 429;
}

/** Sends every action, one after the other, until the server has it. */
export class Saver {
  saving: Saving = "saved";
  /** Why the server keeps nothing more of this page. */
  refusal: Refusal | null = null;
  private waiting: Mark[][] = [];
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly desk: Desk,
    public state: State,
    private readonly changed: () => void,
    private readonly wait: (ms: number) => Promise<void> = (ms) => new Promise((done) => setTimeout(done, ms)),
  ) {}

  /** One action: all marks after it. */
  act(marks: Mark[]): void {
    this.waiting.push(marks);
    if (this.waiting.length === 1) this.running = this.run();
  }

  /** Resolves when everything is on the server. */
  async settled(): Promise<void> {
    await this.running;
  }

  private async run(): Promise<void> {
    let wait_ms = FIRST_WAIT_MS;
    while (this.waiting[0] !== undefined && this.saving !== "refused") {
      if (this.saving === "saved") this.tell("saving");
      try {
        await this.send(this.waiting[0]);
        this.waiting.shift();
        wait_ms = FIRST_WAIT_MS;
        if (this.saving === "unsaved") this.tell("saving");
      } catch (error) {
        if (isRefusal(error)) return this.refused(error);
        this.tell("unsaved");
        await this.wait(wait_ms);
        wait_ms = Math.min(2 * wait_ms, MOST_WAIT_MS);
      }
    }
    if (this.waiting.length === 0) this.tell("saved");
  }

  private async send(marks: Mark[]): Promise<void> {
    try {
      this.state = await this.desk.save(this.state.revision, marks);
    } catch (error) {
      if (!isRefusal(error) || error.code !== "differs") throw error;
      // The server may have kept it and died before it said so.
      const { coding } = await this.desk.load();
      if (coding.revision !== this.state.revision + 1 || !sameMarks(coding.marks, marks)) throw error;
      this.state = coding;
    }
  }

  private refused(why: Refusal): void {
    this.waiting = [];
    this.refusal = why;
    this.tell("refused");
  }

  private tell(saving: Saving): void {
    this.saving = saving;
    this.changed();
  }
}
