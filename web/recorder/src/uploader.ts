import { type Backoff, DEFAULT_BACKOFF, Sleeper, waitFor } from "./backoff.js";
import type { Answer, Transport } from "./protocol.js";
import type { ChunkStore, RecordingRow } from "./store.js";

export type UploadState = "idle" | "sending" | "waiting" | "session" | "refused";

export interface Progress {
  state: UploadState;
  /** Recordings that are not complete on the server. */
  recordings: number;
  bytes: number;
  sentBytes: number;
  /** Why it waits or was refused; empty while all is well. */
  reason: string;
}

export interface UploaderOptions {
  backoff?: Backoff;
  /** How often another tab's recordings are looked for, in milliseconds. */
  lookMs?: number;
  random?: () => number;
  onProgress?: (progress: Progress) => void;
}

/** The lock that a page holds for as long as it records; without it a recording is an orphan. */
export function recordingLock(id: string): string {
  return `twomind-recording-${id}`;
}

const UPLOAD_LOCK = "twomind-upload";

/**
 * Sends what the store holds, while it is being recorded and after a reload, one request at a time.
 *
 * It tries without limit. A recording that the server refuses is kept and does not stop the others.
 */
export class Uploader {
  /** The recordings of this page that are still going on. */
  readonly live = new Set<string>();
  private readonly sleeper = new Sleeper();
  private readonly closing = new AbortController();
  private running: Promise<void> | undefined;
  private failures = 0;
  private state: UploadState = "idle";
  private reason = "";

  constructor(
    private readonly store: ChunkStore,
    private readonly transport: Transport,
    private readonly options: UploaderOptions = {},
  ) {}

  /** Begins to send; of several tabs one sends at a time. */
  start(): void {
    this.running ??= this.holdingTheLock();
  }

  /** There is something new, or the network or the session is back: does not wait any longer. */
  wake(): void {
    this.sleeper.wake();
  }

  async close(): Promise<void> {
    this.closing.abort();
    this.wake();
    await this.running;
  }

  async progress(): Promise<Progress> {
    const rows = await this.store.recordings();
    const total = (pick: (row: RecordingRow) => number): number =>
      rows.reduce((sum, row) => sum + pick(row), 0);
    return {
      state: this.state,
      recordings: rows.length,
      bytes: total((row) => row.bytes),
      sentBytes: total((row) => row.sentBytes),
      reason: this.reason,
    };
  }

  /** Resolves when the server has acknowledged the end of this recording. */
  async complete(id: string): Promise<void> {
    for (;;) {
      const row = await this.store.recording(id);
      if (row === undefined) return;
      if (row.state === "refused") throw new Error(row.problem);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  private async holdingTheLock(): Promise<void> {
    // Only https and localhost have locks. Without them two tabs may send the same twice: harmless.
    const locks = globalThis.navigator?.locks;
    if (locks === undefined) return this.loop();
    try {
      await locks.request(UPLOAD_LOCK, { signal: this.closing.signal }, () => this.loop());
    } catch (error) {
      if (!this.closing.signal.aborted) throw error;
    }
  }

  private async loop(): Promise<void> {
    while (!this.closing.signal.aborted) {
      const answer = await this.roundThatNeverThrows();
      await this.report(answer);
      const pause = this.pauseAfter(answer);
      if (pause > 0) await this.sleeper.sleep(pause);
    }
  }

  private async roundThatNeverThrows(): Promise<Answer | undefined> {
    try {
      return await this.round();
    } catch (error) {
      return { kind: "again", reason: String(error), afterMs: 0 };
    }
  }

  /** Sends the next thing there is; undefined when there is nothing to send. */
  private async round(): Promise<Answer | undefined> {
    await this.endOrphans();
    for (const row of await this.store.recordings()) {
      if (row.state === "refused") continue;
      const answer = await this.step(row);
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  private async step(row: RecordingRow): Promise<Answer | undefined> {
    if (!row.begun) {
      const answer = await this.transport.begin(row.begin);
      if (answer.kind === "kept") await this.store.update(row.id, { begun: true });
      return this.settle(row, answer);
    }
    const chunk = await this.store.nextChunk(row.id);
    if (chunk !== undefined) {
      const { n, sha256, bytes } = chunk;
      const answer = await this.transport.chunk(row.id, n, sha256, bytes);
      if (answer.kind === "kept") await this.store.acknowledge(row.id, n);
      return this.settle(row, answer);
    }
    if (row.state !== "stopped") return undefined;
    return this.end(row);
  }

  private async end(row: RecordingRow): Promise<Answer> {
    // A tab that was closed before its first chunk: there is nothing to complete.
    if (row.chunks === 0) {
      await this.store.remove(row.id);
      return { kind: "kept" };
    }
    const answer = await this.transport.done(row.id, await this.store.manifest(row));
    if (answer.kind === "kept") await this.store.remove(row.id);
    return this.settle(row, answer);
  }

  /** What an answer means for the whole recording. */
  private async settle(row: RecordingRow, answer: Answer): Promise<Answer> {
    if (answer.kind === "withdrawn") await this.store.remove(row.id);
    if (answer.kind === "refused") {
      const problem = `${answer.code}: ${answer.message}`;
      await this.store.update(row.id, { state: "refused", problem });
    }
    if (answer.kind === "hole") {
      // Each chunk was acknowledged before the end was sent: the server has lost what it had.
      const problem = `hole: the server lost chunks ${answer.missing.join(", ")}`;
      await this.store.update(row.id, { state: "refused", problem });
    }
    return answer;
  }

  /** A recording whose tab is gone ends with what was stored. */
  private async endOrphans(): Promise<void> {
    const rows = await this.store.recordings();
    const open = rows.filter((row) => row.state === "recording" && !this.live.has(row.id));
    if (open.length === 0) return;
    const held = await heldLocks();
    for (const row of open) {
      if (held.has(recordingLock(row.id))) continue;
      // It may have been stopped, or begun in this page, since the rows were read.
      const now = await this.store.recording(row.id);
      if (now?.state !== "recording" || this.live.has(row.id)) continue;
      await this.store.update(row.id, { state: "stopped", stopReason: "tab_closed" });
    }
  }

  private pauseAfter(answer: Answer | undefined): number {
    if (answer === undefined) return this.options.lookMs ?? 1000;
    if (answer.kind !== "again" && answer.kind !== "session") {
      this.failures = 0;
      return 0;
    }
    this.failures += 1;
    const random = (this.options.random ?? Math.random)();
    const pause = waitFor(this.options.backoff ?? DEFAULT_BACKOFF, this.failures, random);
    return answer.kind === "again" ? Math.max(pause, answer.afterMs) : pause;
  }

  private async report(answer: Answer | undefined): Promise<void> {
    this.state = stateAfter(answer);
    this.reason = reasonOf(answer);
    if (this.options.onProgress === undefined) return;
    this.options.onProgress(await this.progress());
  }
}

function stateAfter(answer: Answer | undefined): UploadState {
  if (answer === undefined) return "idle";
  switch (answer.kind) {
    case "kept":
    case "withdrawn":
      return "sending";
    case "again":
      return "waiting";
    case "session":
      return "session";
    default:
      return "refused";
  }
}

function reasonOf(answer: Answer | undefined): string {
  if (answer === undefined) return "";
  if (answer.kind === "again" || answer.kind === "session") return answer.reason;
  return answer.kind === "refused" ? `${answer.code}: ${answer.message}` : "";
}

async function heldLocks(): Promise<Set<string>> {
  const locks = globalThis.navigator?.locks;
  if (locks === undefined) return new Set();
  const { held } = await locks.query();
  const names = (held ?? []).map((lock) => lock.name ?? "");
  return new Set(names);
}
