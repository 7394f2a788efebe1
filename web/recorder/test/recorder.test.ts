import "fake-indexeddb/auto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Transport } from "../src/protocol.js";
import { Recorder, type RecorderOptions, type Trouble } from "../src/recorder.js";
import { ChunkStore } from "../src/store.js";
import { Uploader } from "../src/uploader.js";
import { FakeMediaRecorder, FakeServer } from "./fakes.js";

let onLook: (levels: { light: number; levelDb: number; faults: Set<string> }) => void;
vi.mock("../src/watch.js", () => ({
  StreamWatch: class {
    constructor(_stream: unknown, look: typeof onLook) {
      onLook = look;
    }
    stop(): void {}
  },
}));

class FakeTrack extends EventTarget {
  readyState = "live";
  constructor(readonly kind: string) {
    super();
  }
  end(): void {
    this.readyState = "ended";
    this.dispatchEvent(new Event("ended"));
  }
}

let name = 0;
let store: ChunkStore;
let server: FakeServer;
let uploader: Uploader;
let tracks: FakeTrack[];
let permission: string;
const page = Object.assign(new EventTarget(), { hidden: false });

beforeEach(async () => {
  name += 1;
  permission = "granted";
  tracks = [new FakeTrack("video"), new FakeTrack("audio")];
  page.hidden = false;
  vi.stubGlobal("MediaRecorder", FakeMediaRecorder);
  vi.stubGlobal("document", page);
  vi.stubGlobal("navigator", {
    userAgent: "Chrome/140.0",
    permissions: { query: async () => ({ state: permission }) },
  });
  store = await ChunkStore.open(`recorder-${name}`);
  server = new FakeServer();
  const transport = new Transport({ base: "/api/recordings", fetch: server.fetch });
  uploader = new Uploader(store, transport, { lookMs: 5 });
});

afterEach(async () => {
  await uploader.close();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

function newRecorder(options: Partial<RecorderOptions> = {}): Recorder {
  const stream = { getTracks: () => tracks } as unknown as MediaStream;
  return new Recorder(stream, store, uploader, { item: "q1", ...options });
}

async function started(options: Partial<RecorderOptions> = {}): Promise<Recorder> {
  const recorder = newRecorder(options);
  await recorder.start();
  return recorder;
}

const bytesOf = async (id: string): Promise<number[]> => {
  uploader.start();
  await uploader.complete(id);
  return server.media(id);
};

describe("recording", () => {
  it("keeps the order of chunks when the first takes longer to read than the last", async () => {
    const recorder = await started();
    const slow = new Blob([new Uint8Array([1, 2])]);
    const read = slow.arrayBuffer.bind(slow);
    slow.arrayBuffer = async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      return read();
    };
    FakeMediaRecorder.last.ondataavailable({ data: slow });
    FakeMediaRecorder.last.give([3]);
    FakeMediaRecorder.last.last = [4, 5];
    const finished = await recorder.stop();
    expect(finished).toMatchObject({ chunks: 3, bytes: 5, stopReason: "button" });
    expect(await bytesOf(recorder.id)).toEqual([1, 2, 3, 4, 5]);
  });

  it("leaves out empty chunks", async () => {
    const recorder = await started();
    FakeMediaRecorder.last.give([]);
    FakeMediaRecorder.last.last = [9];
    expect((await recorder.stop()).chunks).toBe(1);
  });

  it("asks for the permission each time, and for tracks that live", async () => {
    await started();
    permission = "denied";
    await expect(started()).rejects.toMatchObject({ problem: "denied" });
    permission = "granted";
    tracks[1]?.end();
    await expect(started()).rejects.toMatchObject({ problem: "ended" });
    expect(await store.recordings()).toHaveLength(1);
  });

  it("writes events in order, with growing times, into the manifest", async () => {
    const recorder = await started();
    recorder.mark("prompt_shown", { order: 2 });
    FakeMediaRecorder.last.last = [1];
    const { events, durationMs } = await recorder.stop();
    expect(events.map((event) => event.name)).toEqual(["start", "prompt_shown", "stop"]);
    expect(events.map((event) => event.seq)).toEqual([0, 1, 2]);
    const times = events.map((event) => event.media_ms);
    expect([...times].sort((a, b) => a - b)).toEqual(times);
    expect(durationMs).toBeLessThanOrEqual(times.at(-1) ?? 0);
    await bytesOf(recorder.id);
    expect(server.manifests.get(recorder.id)).toMatchObject({ events });
  });

  it("stops at the time limit, when a device is unplugged, and at an error", async () => {
    const timed = await started({ maxMs: 20 });
    expect((await timed.finished).stopReason).toBe("time_limit");
    const unplugged = await started();
    tracks[0]?.end();
    const finished = await unplugged.finished;
    expect(finished.stopReason).toBe("track_ended");
    expect(finished.events.some((event) => event.name === "track_ended")).toBe(true);
    tracks = [new FakeTrack("video"), new FakeTrack("audio")];
    const broken = await started();
    FakeMediaRecorder.last.onerror();
    expect((await broken.finished).stopReason).toBe("error");
  });

  it("writes what it has to the disk when the tab goes to the background", async () => {
    const recorder = await started();
    page.hidden = true;
    page.dispatchEvent(new Event("visibilitychange"));
    expect(FakeMediaRecorder.last.asked).toBe(1);
    await recorder.stop();
    page.dispatchEvent(new Event("visibilitychange"));
    expect(FakeMediaRecorder.last.asked).toBe(1);
  });

  it("waits for a full disk, and loses nothing", async () => {
    vi.spyOn(globalThis, "setTimeout").mockImplementation(((done: () => void) => {
      queueMicrotask(done);
      return 0;
    }) as typeof setTimeout);
    const troubles: Trouble[] = [];
    const recorder = await started({ onTrouble: (trouble) => troubles.push(trouble) });
    const keep = vi.spyOn(store, "keep").mockRejectedValueOnce(new Error("QuotaExceededError"));
    FakeMediaRecorder.last.give([1]);
    FakeMediaRecorder.last.last = [2];
    const finished = await recorder.stop();
    vi.restoreAllMocks();
    expect(keep).toBeDefined();
    expect(troubles).toEqual(["storage"]);
    expect(finished.chunks).toBe(2);
    expect(await bytesOf(recorder.id)).toEqual([1, 2]);
  });

  it("tells a trouble once, again after it was gone, and that no data come", async () => {
    const troubles: Trouble[] = [];
    const recorder = await started({ onTrouble: (trouble) => troubles.push(trouble) });
    const look = (...faults: string[]): void =>
      onLook({ light: 1, levelDb: 1, faults: new Set(faults) });
    look("frozen");
    look("frozen");
    look();
    look("frozen");
    expect(troubles).toEqual(["frozen", "frozen"]);
    const now = performance.now();
    vi.spyOn(performance, "now").mockReturnValue(now + 2000);
    look();
    expect(troubles.at(-1)).toBe("no_data");
    vi.restoreAllMocks();
    const { events } = await recorder.stop();
    expect(events.map((event) => event.name)).toContain("x_no_data");
  });

  it("takes a study's wish for a format, but not on Safari", async () => {
    FakeMediaRecorder.supported = () => true;
    const mime = ["video/webm;codecs=vp9,opus"];
    await started({ mime });
    expect(FakeMediaRecorder.last.mimeType).toBe(mime[0]);
    vi.stubGlobal("navigator", {
      userAgent: "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Safari/605.1.15",
      permissions: { query: async () => ({ state: "granted" }) },
    });
    await started({ mime });
    expect(FakeMediaRecorder.last.mimeType).toMatch(/^video\/mp4/);
  });
});
