import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LiveClient, type LiveEvent, packed } from "../src/index.js";

class FakeSocket {
  static all: FakeSocket[] = [];
  sent: unknown[] = [];
  bufferedAmount = 0;
  onopen?: () => void;
  onclose?: () => void;
  onmessage?: (message: { data: string }) => void;

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }
  send(message: unknown): void {
    this.sent.push(message);
  }
  close(): void {
    this.onclose?.();
  }
  tell(event: object): void {
    this.onmessage?.({ data: JSON.stringify(event) });
  }
}

const last = (): FakeSocket => FakeSocket.all.at(-1) as FakeSocket;
const ready = (received: number) => ({ event: "ready", session: "s", resume_s: 30, received });
const told: LiveEvent[] = [];
const lines: boolean[] = [];
const purpose = { kind: "research", text: "We try it on ourselves." };

function begun(): LiveClient {
  const client = new LiveClient({
    url: "ws://here/api/live/ws",
    token: "t",
    purpose,
    onEvent: (event) => told.push(event),
    onLine: (isOpen) => lines.push(isOpen),
  });
  last().onopen?.();
  return client;
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", FakeSocket);
  FakeSocket.all = [];
  told.length = lines.length = 0;
});
afterEach(() => vi.unstubAllGlobals());

describe("a live session", () => {
  it("packs kind, time and rate before the bytes", async () => {
    const bytes = await packed(3, 1.5, 16000, new Uint8Array([7, 8])).arrayBuffer();
    const view = new DataView(bytes);
    expect([view.getUint8(0), view.getFloat64(1, true), view.getUint32(9, true)]).toEqual([
      3, 1.5, 16000,
    ]);
    expect([view.getUint8(13), bytes.byteLength]).toEqual([7, 15]);
  });

  it("sends nothing before the server is ready, then all in order", () => {
    const client = begun();
    client.sendWords([{ text: "maybe", start_s: 0, end_s: 1 }], 2);
    client.finish();
    expect(last().sent).toHaveLength(1);
    expect(JSON.parse(last().sent[0] as string)).toMatchObject({ type: "begin", purpose });
    last().tell(ready(0));
    expect(last().sent.slice(1).map((text) => JSON.parse(text as string).type)).toEqual([
      "words",
      "finish",
    ]);
  });

  it("goes on after a lost line with what was not received", () => {
    const client = begun();
    last().tell(ready(0));
    for (let n = 0; n < 5; n += 1) client.sendWords([], n);
    last().tell({ event: "received", n: 2 });
    last().tell({ event: "measured", seq: 9, at_s: 1, modality: "face" });
    last().close();
    expect(lines).toEqual([true, false]);
    client.sendWords([], 5);
    vi.advanceTimersByTime(600);
    last().onopen?.();
    expect(JSON.parse(last().sent[0] as string)).toMatchObject({ resume: "s", after: 9 });
    last().tell(ready(3));
    const untils = last().sent.slice(1).map((text) => JSON.parse(text as string).until_s);
    expect(untils).toEqual([3, 4, 5]);
  });

  it("leaves a picture out where too much waits, and never sound", () => {
    const client = begun();
    last().tell(ready(0));
    last().bufferedAmount = 2 << 20;
    expect(client.sendPicture(0, new Blob(["jpeg"]))).toBe(false);
    client.sendSound(0, new Float32Array(4), 16000);
    expect([client.notSent, last().sent.length]).toEqual([1, 2]);
  });

  it("is over when it is told so, and when the line stays lost", () => {
    begun();
    last().tell({ event: "refused", status: 403, error: "purpose", message: "no" });
    last().close();
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.all).toHaveLength(1);
    begun();
    for (let n = 0; n < 40; n += 1) {
      last().close();
      vi.advanceTimersByTime(1000);
    }
    expect(told.at(-1)).toMatchObject({ event: "refused", error: "lost" });
  });
});
