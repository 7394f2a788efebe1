import "fake-indexeddb/auto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RecordingSession } from "../src/session.js";
import { openStream } from "../src/stream.js";
import { FakeMediaRecorder, FakeServer } from "./fakes.js";

vi.mock("../src/watch.js", () => ({
  StreamWatch: class {
    stop(): void {}
  },
}));

class FakeTrack extends EventTarget {
  readyState = "live";
  constructor(readonly kind: string) {
    super();
  }
}

/** What a browser of this name has: stubs, for those that are not here. */
const BROWSERS: Record<string, { agent: string; more: object; container: string }> = {
  "Firefox: asks the person whether the store may stay, and may never be answered": {
    agent: "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0",
    more: {
      storage: { persist: () => new Promise(() => undefined) },
      permissions: {
        query: async () => {
          throw new TypeError("'camera' (value of 'name') is not a valid value");
        },
      },
    },
    container: "video/webm",
  },
  "Safari: says that it records WebM; does not know the permission's name": {
    agent:
      "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
    more: {
      storage: { persist: () => Promise.reject(new Error("not allowed")) },
      permissions: { query: () => Promise.reject(new TypeError("camera")) },
    },
    container: "video/mp4",
  },
  "Chrome on iOS: is Safari inside": {
    agent:
      "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1",
    more: {},
    container: "video/mp4",
  },
  "an old browser: no locks, no storage, no permissions": {
    agent: "Mozilla/5.0 (X11) Gecko/20100101 Firefox/90.0",
    more: {},
    container: "video/webm",
  },
};

let name = 0;
let server: FakeServer;

beforeEach(() => {
  name += 1;
  server = new FakeServer();
  vi.stubGlobal("MediaRecorder", FakeMediaRecorder);
  vi.stubGlobal("document", Object.assign(new EventTarget(), { hidden: false }));
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe.each(Object.entries(BROWSERS))("%s", (_name, { agent, more, container }) => {
  it("records and sends all the same, in a format that holds there", async () => {
    vi.stubGlobal("navigator", { userAgent: agent, ...more });
    vi.spyOn(FakeMediaRecorder, "isTypeSupported").mockReturnValue(true);
    const session = await RecordingSession.open({
      base: "/api/recordings",
      database: `browser-${name}`,
      fetch: server.fetch,
      lookMs: 5,
    });
    const tracks = [new FakeTrack("video"), new FakeTrack("audio")];
    const stream = { getTracks: () => tracks } as unknown as MediaStream;
    const wish = ["video/webm;codecs=vp9,opus"];
    const recorder = session.recorder(stream, { item: "q1", mime: wish });
    await recorder.start();
    const [begun] = await session.store.recordings();
    expect(begun?.begin.mime.split(";")[0]).toBe(container);
    await recorder.stop();
    await session.uploader.complete(recorder.id);
    await session.close();
  });
});

describe("devices", () => {
  const refusals = [
    ["NotAllowedError", "denied"],
    ["SecurityError", "denied"],
    ["NotFoundError", "missing"],
    ["OverconstrainedError", "missing"],
    ["NotReadableError", "busy"],
    ["AbortError", "busy"],
    ["SomethingOfTomorrow", "unknown"],
  ];
  it.each(refusals)("%s is told as %s", async (error, problem) => {
    const getUserMedia = () => Promise.reject(new DOMException("no", error));
    vi.stubGlobal("navigator", { mediaDevices: { getUserMedia } });
    await expect(openStream()).rejects.toMatchObject({ problem });
  });

  it("are not there on a page that is not https", async () => {
    vi.stubGlobal("navigator", {});
    await expect(openStream()).rejects.toMatchObject({ problem: "insecure" });
  });
});
