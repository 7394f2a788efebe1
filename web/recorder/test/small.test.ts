import { describe, expect, it } from "vitest";
import { Sleeper, waitFor } from "../src/backoff.js";
import { Judge, type Look, meanLuma, peakDb, samePixels } from "../src/judge.js";
import { chooseMime } from "../src/mime.js";
import { readAnswer } from "../src/protocol.js";

const CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36";
const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const SAFARI =
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.4 Safari/605.1.15";
const CHROME_ON_IPHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 CriOS/140.0 Mobile/15E148 Safari/604.1";

describe("format", () => {
  const all = (): boolean => true;

  it.each([
    [CHROME, "video/webm"],
    [FIREFOX, "video/webm"],
    [SAFARI, "video/mp4"],
    [CHROME_ON_IPHONE, "video/mp4"],
  ])("%s, which claims everything, records %s", (userAgent, container) => {
    expect(chooseMime(all, userAgent).split(";")[0]).toBe(container);
  });

  it("takes what there is, and leaves it to the browser where nothing is", () => {
    const onlyMp4 = (mime: string): boolean => mime === "video/mp4";
    expect(chooseMime(onlyMp4, CHROME)).toBe("video/mp4");
    expect(chooseMime(() => false, CHROME)).toBe("");
  });
});

describe("backoff", () => {
  const backoff = { firstMs: 100, longestMs: 1000 };

  it("doubles up to the longest, and never ends", () => {
    const waits = [1, 2, 3, 4, 5, 5000].map((failures) => waitFor(backoff, failures, 0.999999));
    expect(waits.map(Math.round)).toEqual([100, 200, 400, 800, 1000, 1000]);
    expect(waitFor(backoff, 1, 0)).toBe(50);
  });

  it("is woken", async () => {
    const sleeper = new Sleeper();
    const slept = sleeper.sleep(60_000);
    sleeper.wake();
    await slept;
  });
});

describe("answers of the server", () => {
  const answer = (status: number, body?: object, headers?: Record<string, string>) => {
    const text = body === undefined ? null : JSON.stringify(body);
    return readAnswer(new Response(text, { status, ...(headers ? { headers } : {}) }));
  };

  it.each([
    [200, {}, "kept"],
    [201, {}, "kept"],
    [204, undefined, "kept"],
    [401, { error: "no_session" }, "session"],
    [403, { error: "no_consent" }, "session"],
    [404, { error: "not_found" }, "refused"],
    [409, { error: "differs" }, "refused"],
    [409, { error: "ended" }, "refused"],
    [409, { error: "hole", missing: [3] }, "hole"],
    [410, { error: "withdrawn" }, "withdrawn"],
    [413, { error: "too_large" }, "refused"],
    [422, { error: "bad_hash" }, "again"],
    [422, { error: "invalid" }, "refused"],
    [429, {}, "again"],
    [500, {}, "again"],
    [502, undefined, "again"],
    [503, {}, "again"],
    [504, {}, "again"],
  ])("%i %o is '%s'", async (status, body, kind) => {
    expect((await answer(status, body)).kind).toBe(kind);
  });

  it("waits for as long as the server asks, and stands a page of HTML", async () => {
    const busy = await answer(429, {}, { "Retry-After": "7" });
    expect(busy).toMatchObject({ kind: "again", afterMs: 7000 });
    const page = await readAnswer(new Response("<html>gateway</html>", { status: 502 }));
    expect(page).toMatchObject({ kind: "again", reason: "502", afterMs: 0 });
    const hole = await answer(409, { error: "hole", missing: [1, 4] });
    expect(hole).toEqual({ kind: "hole", missing: [1, 4] });
  });
});

describe("faults of a stream", () => {
  const WELL: Look = { at: 0, light: 100, same: false, levelDb: -50 };
  const watched = (change: Partial<Look>, lookMs = 250): [string, number] | undefined => {
    const judge = new Judge();
    for (let at = 0; at < 10_000; at += lookMs) {
      const [fault] = judge.look({ ...WELL, ...change, at });
      if (fault !== undefined) return [fault, at];
    }
    return undefined;
  };

  it.each([
    ["black", { light: 2, same: true }],
    ["frozen", { same: true }],
    ["silent", { levelDb: Number.NEGATIVE_INFINITY }],
  ])("%s is told within 3 s, even when looks come late", (fault, change) => {
    for (const lookMs of [250, 450]) {
      const [told, at] = watched(change, lookMs) ?? ["nothing", Infinity];
      expect(told).toBe(fault);
      expect(at + lookMs).toBeLessThan(3000);
    }
  });

  it("says nothing of a dark room, a quiet room, and what it could not measure", () => {
    expect(watched({ light: 20, levelDb: -65 })).toBeUndefined();
    expect(watched({ light: Number.NaN, levelDb: Number.NaN })).toBeUndefined();
  });

  it("starts again after one good look", () => {
    const judge = new Judge();
    for (let at = 0; at <= 9000; at += 250) {
      const blink = at % 2000 === 0;
      const faults = judge.look({ ...WELL, at, same: !blink });
      expect(faults.size).toBe(0);
    }
  });

  it("measures level, light and sameness", () => {
    expect(peakDb(new Float32Array([0.1, -1, 0.3]))).toBe(0);
    expect(peakDb(new Float32Array([0]))).toBe(Number.NEGATIVE_INFINITY);
    expect(meanLuma(new Uint8ClampedArray([255, 255, 255, 255, 0, 0, 0, 255]))).toBeCloseTo(127.5);
    const pixels = new Uint8ClampedArray([1, 2, 3, 4]);
    expect(samePixels(pixels, undefined)).toBe(false);
    expect(samePixels(pixels, new Uint8ClampedArray(pixels))).toBe(true);
    expect(samePixels(pixels, new Uint8ClampedArray([1, 2, 3, 5]))).toBe(false);
  });
});
