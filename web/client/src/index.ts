import type { LiveEvent, Ready, Received, Word } from "./events.js";

export type * from "./events.js";

export interface LiveOptions {
  /** Address of the WebSocket, "wss://host/api/live/ws". */
  url: string;
  token: string;
  /** What it is for: a kind that the server allows, and a sentence. */
  purpose: { kind: string; text: string };
  model?: string;
  adapt?: string;
  using?: ("face" | "voice" | "words")[];
  question?: string;
  /** The person is a synthetic one. */
  synthetic?: boolean;
  /** Id of a state on this server, to go on from. */
  state?: string;
  onEvent: (event: LiveEvent) => void;
  /** The line broke (false) or is there again (true). */
  onLine?: (isOpen: boolean) => void;
}

type Sent = string | Blob | ArrayBuffer;

const PICTURE = 1;
const PCM32 = 3;
const CHUNK = 4;
/** Waiting bytes from which on no new picture is sent: sound goes before pictures. */
const MOST_WAITING = 1 << 20;
const OVER = ["finished", "exported", "refused"];

/** A binary message: kind, time in seconds, samples per second (of sound), then the bytes. */
export function packed(kind: number, timeS: number, rateHz: number, content: BlobPart): Blob {
  const head = new DataView(new ArrayBuffer(13));
  head.setUint8(0, kind);
  head.setFloat64(1, timeS, true);
  head.setUint32(9, rateHz, true);
  return new Blob([head.buffer, content]);
}

/** One live session. What was sent and not received is sent again after a lost line. */
export class LiveClient {
  /** Pictures that were not sent because too much was waiting. */
  notSent = 0;
  private socket: WebSocket | undefined;
  private session: string | undefined;
  private resumeUntil = 0;
  private resumeS = 0;
  private seq = 0;
  private isOver = false;
  private isReady = false;
  /** Messages that the server has not said to have received; `first` is the number of the oldest. */
  private kept: Sent[] = [];
  private first = 0;

  constructor(private readonly options: LiveOptions) {
    this.open();
  }

  /** The next chunk of a MediaRecorder. */
  sendChunk(chunk: Blob): void {
    this.send(packed(CHUNK, 0, 0, chunk));
  }

  /** A picture as JPEG; false where it was left out, because too much waits. */
  sendPicture(timeS: number, jpeg: Blob): boolean {
    if ((this.socket?.bufferedAmount ?? 0) > MOST_WAITING) {
      this.notSent += 1;
      return false;
    }
    this.send(packed(PICTURE, timeS, 0, jpeg));
    return true;
  }

  /** A block of sound, mono in [-1, 1]. */
  sendSound(timeS: number, samples: Float32Array<ArrayBuffer>, rateHz: number): void {
    this.send(packed(PCM32, timeS, rateHz, samples));
  }

  /** Words that were recognised; up to `untilS` all are known. */
  sendWords(words: Word[], untilS?: number): void {
    this.send(JSON.stringify({ type: "words", words, until_s: untilS ?? null }));
  }

  /** Records a stream and sends it while it is recorded; gives what stops it. */
  record(stream: MediaStream, everyMs = 250): () => void {
    const recorder = new MediaRecorder(stream, { videoBitsPerSecond: 1_500_000 });
    recorder.ondataavailable = (event) => event.data.size && this.sendChunk(event.data);
    recorder.onstop = () => this.finish();
    recorder.start(everyMs);
    return () => recorder.stop();
  }

  /** Nothing more comes; the last events follow. */
  finish(): void {
    this.send(JSON.stringify({ type: "finish" }));
  }

  /** Keep the session's state on the server, and end. */
  export(): void {
    this.send(JSON.stringify({ type: "export" }));
  }

  /** Hang up; the session ends when nobody goes on with it. */
  close(): void {
    this.isOver = true;
    this.socket?.close();
  }

  private send(message: Sent): void {
    if (this.isOver) return;
    this.kept.push(message);
    if (this.isReady) this.socket?.send(message);
  }

  private open(): void {
    const { url, token, purpose, model, adapt, using, question, synthetic, state } = this.options;
    const asked = this.session
      ? { resume: this.session, after: this.seq }
      : { purpose, model, adapt, using, question, synthetic, state };
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: "begin", token, ...asked }));
    socket.onmessage = (message: MessageEvent<string>) => this.take(JSON.parse(message.data));
    socket.onclose = () => this.lost();
  }

  private take(event: LiveEvent | Ready | Received): void {
    if (event.event === "ready") {
      this.session = event.session;
      this.resumeS = event.resume_s;
      this.resumeUntil = 0;
      this.forget(event.received);
      this.isReady = true;
      for (const message of this.kept) this.socket?.send(message);
      this.options.onLine?.(true);
      return;
    }
    if (event.event === "received") return this.forget(event.n);
    if ("seq" in event) this.seq = event.seq;
    if (OVER.includes(event.event)) this.isOver = true;
    this.options.onEvent(event);
  }

  /** The server has the first `n` messages. */
  private forget(n: number): void {
    this.kept.splice(0, n - this.first);
    this.first = Math.max(this.first, n);
  }

  private lost(): void {
    const wasReady = this.isReady;
    this.isReady = false;
    if (this.isOver) return;
    if (wasReady) this.options.onLine?.(false);
    const now = performance.now();
    this.resumeUntil ||= now + 1000 * (this.resumeS || 5);
    if (now < this.resumeUntil) {
      setTimeout(() => this.open(), 500);
      return;
    }
    this.isOver = true;
    const message = "The line was lost for too long.";
    this.options.onEvent({ event: "refused", status: 0, error: "lost", message });
  }
}
