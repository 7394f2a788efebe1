import { sha256 } from "./hash.js";
import type { Fault } from "./judge.js";
import { chooseMime } from "./mime.js";
import type { Begin, MediaEvent, StopReason } from "./protocol.js";
import type { ChunkStore } from "./store.js";
import { checkStream } from "./stream.js";
import { recordingLock, type Uploader } from "./uploader.js";
import { type Levels, StreamWatch } from "./watch.js";

export type Trouble = Fault | "storage";

export interface RecorderOptions {
  /** What is answered: a prompt's id. */
  item: string;
  /** Milliseconds between chunks; at most 2000, so that a dead stream shows within 3 s. */
  chunkMs?: number;
  /** Stops by itself after so many milliseconds. */
  maxMs?: number;
  /** Formats in the order of preference; without it the recorder chooses. */
  mime?: string[];
  videoBitsPerSecond?: number;
  audioBitsPerSecond?: number;
  onLevels?: (levels: Levels) => void;
  /** Called once when a trouble begins. */
  onTrouble?: (trouble: Trouble) => void;
  /** Sees each chunk before it is stored; for tests and copies. */
  onChunk?: (n: number, bytes: ArrayBuffer, hash: string) => void;
}

export interface Finished {
  id: string;
  chunks: number;
  bytes: number;
  durationMs: number;
  stopReason: StopReason;
  events: MediaEvent[];
}

const DEFAULT_CHUNK_MS = 1000;
const LONGEST_CHUNK_MS = 2000;
/** A chunk that is so late is missing. */
const LATE_MS = 900;
const STORAGE_RETRY_MS = 1000;

/** 32 hexadecimal digits, random: the recording's name. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** One recording, from `start` to `stop`. A second recording is a second object. */
export class Recorder {
  readonly id = newId();
  /** Resolves when the recording has stopped and all of it is stored in the browser. */
  readonly finished: Promise<Finished>;
  private readonly chunkMs: number;
  private readonly events: MediaEvent[] = [];
  private readonly troubles = new Set<Trouble>();
  private finish!: (finished: Finished) => void;
  private media: MediaRecorder | undefined;
  private watch: StreamWatch | undefined;
  private chain: Promise<void> = Promise.resolve();
  private release: () => void = () => undefined;
  private limit: ReturnType<typeof setTimeout> | undefined;
  private stopReason: StopReason = "track_ended";
  private startedAt = 0;
  private lastDataAt = 0;
  private durationMs = 0;
  private chunks = 0;
  private bytes = 0;

  constructor(
    private readonly stream: MediaStream,
    private readonly store: ChunkStore,
    private readonly uploader: Uploader,
    private readonly options: RecorderOptions,
  ) {
    this.chunkMs = Math.min(options.chunkMs ?? DEFAULT_CHUNK_MS, LONGEST_CHUNK_MS);
    this.finished = new Promise((resolve) => {
      this.finish = resolve;
    });
  }

  /** Milliseconds on the recording's own clock; 0 before it starts. */
  get mediaMs(): number {
    return this.startedAt === 0 ? 0 : Math.max(0, performance.now() - this.startedAt);
  }

  /**
   * Checks permission and devices again, and records from the moment this resolves.
   *
   * @throws StreamError when the permission is gone or a device has ended
   */
  async start(): Promise<void> {
    await checkStream(this.stream);
    const mime = this.mime();
    this.media = new MediaRecorder(this.stream, {
      ...(mime === "" ? {} : { mimeType: mime }),
      videoBitsPerSecond: this.options.videoBitsPerSecond ?? 2_000_000,
      audioBitsPerSecond: this.options.audioBitsPerSecond ?? 128_000,
    });
    const begin: Begin = {
      id: this.id,
      item: this.options.item,
      mime: this.media.mimeType || mime || "video/webm",
      started_at: new Date().toISOString(),
    };
    this.uploader.live.add(this.id);
    this.release = await hold(recordingLock(this.id));
    await this.store.add(begin);
    this.uploader.wake();
    await this.begin(this.media);
  }

  /** Notes that something happened now, on the recording's own clock. */
  mark(name: string, detail?: MediaEvent["detail"]): void {
    const event: MediaEvent = {
      seq: this.events.length,
      name,
      media_ms: this.mediaMs,
      at: new Date().toISOString(),
    };
    this.events.push(detail === undefined ? event : { ...event, detail });
    const events = [...this.events];
    this.chain = this.chain.then(() => this.store.update(this.id, { events }));
  }

  /** Stops, and resolves when the last chunk is stored in the browser (not yet on the server). */
  stop(reason: StopReason = "button"): Promise<Finished> {
    if (this.media !== undefined && this.media.state !== "inactive") {
      this.stopReason = reason;
      this.media.stop();
    }
    return this.finished;
  }

  private mime(): string {
    const wanted = this.options.mime?.find((mime) => MediaRecorder.isTypeSupported(mime));
    const chosen = chooseMime((mime) => MediaRecorder.isTypeSupported(mime), navigator.userAgent);
    // Safari's MP4 goes before the study's wishes.
    return chosen.startsWith("video/mp4") ? chosen : (wanted ?? chosen);
  }

  private begin(media: MediaRecorder): Promise<void> {
    media.ondataavailable = (event) => this.take(event.data);
    media.onstop = () => void this.end();
    media.onerror = () => void this.stop("error");
    document.addEventListener("visibilitychange", this.onVisibility);
    for (const track of this.stream.getTracks()) track.addEventListener("ended", this.onEnded);
    return new Promise((resolve) => {
      media.onstart = () => {
        this.lastDataAt = performance.now();
        this.watch = new StreamWatch(this.stream, (levels) => this.judge(levels));
        if (this.options.maxMs !== undefined) {
          this.limit = setTimeout(() => void this.stop("time_limit"), this.options.maxMs);
        }
        this.mark("start", { late_ms: Math.round(this.mediaMs) });
        resolve();
      };
      // The recording's first moment is this call; `onstart` comes up to 150 ms later.
      this.startedAt = performance.now();
      media.start(this.chunkMs);
    });
  }

  /** Handlers are chained: the hash of one chunk is not overtaken by the next chunk. */
  private take(data: Blob): void {
    if (data.size === 0) return;
    const mediaMs = this.mediaMs;
    this.lastDataAt = performance.now();
    this.chain = this.chain.then(() => this.keep(data, mediaMs));
  }

  private async keep(data: Blob, mediaMs: number): Promise<void> {
    const bytes = await data.arrayBuffer();
    const hash = await sha256(bytes);
    const n = this.chunks;
    this.chunks += 1;
    this.bytes += bytes.byteLength;
    this.options.onChunk?.(n, bytes, hash);
    await this.untilItFits(() => this.store.keep(this.id, { n, sha256: hash, bytes }, mediaMs));
    this.uploader.wake();
  }

  /** A full disk becomes free when chunks are acknowledged; until then the chunk is in memory. */
  private async untilItFits(write: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await write();
      } catch {
        this.trouble("storage");
        this.uploader.wake();
        await new Promise((resolve) => setTimeout(resolve, STORAGE_RETRY_MS));
      }
    }
  }

  private async end(): Promise<void> {
    clearTimeout(this.limit);
    this.durationMs = this.mediaMs;
    this.mark("stop", { reason: this.stopReason });
    this.watch?.stop();
    document.removeEventListener("visibilitychange", this.onVisibility);
    for (const track of this.stream.getTracks()) track.removeEventListener("ended", this.onEnded);
    await this.chain;
    const { durationMs, stopReason, events } = this;
    const row = { state: "stopped", durationMs, stopReason, events } as const;
    await this.untilItFits(() => this.store.update(this.id, row));
    this.uploader.live.delete(this.id);
    this.release();
    this.uploader.wake();
    const { id, chunks, bytes } = this;
    this.finish({ id, chunks, bytes, durationMs, stopReason, events });
  }

  private judge(levels: Levels): void {
    const faults = new Set<Fault>(levels.faults);
    const silence = performance.now() - this.lastDataAt;
    if (silence > this.chunkMs + LATE_MS) faults.add("no_data");
    this.options.onLevels?.({ ...levels, faults });
    for (const fault of faults) this.trouble(fault);
    for (const old of this.troubles) {
      if (old !== "storage" && !faults.has(old)) this.troubles.delete(old);
    }
  }

  private trouble(trouble: Trouble): void {
    if (this.troubles.has(trouble)) return;
    this.troubles.add(trouble);
    const inProtocol = trouble === "no_data" || trouble === "storage" ? `x_${trouble}` : trouble;
    this.mark(inProtocol);
    this.options.onTrouble?.(trouble);
  }

  private readonly onVisibility = (): void => {
    this.mark("visibility", { hidden: document.hidden });
    // The tab may be about to close: what was recorded so far goes to the disk now.
    if (document.hidden && this.media?.state === "recording") this.media.requestData();
  };

  private readonly onEnded = (event: Event): void => {
    const { kind } = event.target as MediaStreamTrack;
    this.mark("track_ended", { kind });
    void this.stop("track_ended");
  };
}

/** Holds a lock of this name until the function that comes back is called, or the tab is gone. */
function hold(name: string): Promise<() => void> {
  const locks = navigator.locks as LockManager | undefined;
  if (locks === undefined) return Promise.resolve(() => undefined);
  return new Promise((held) => {
    void locks.request(name, () => new Promise<void>((release) => held(release)));
  });
}
