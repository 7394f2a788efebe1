import "fake-indexeddb/auto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sha256 } from "../src/hash.js";
import { newId } from "../src/recorder.js";
import { Transport } from "../src/protocol.js";
import { ChunkStore } from "../src/store.js";
import { type Progress, Uploader } from "../src/uploader.js";
import { FakeServer } from "./fakes.js";

const QUICK = { firstMs: 1, longestMs: 4 };

let name = 0;
let store: ChunkStore;
let server: FakeServer;
let uploader: Uploader;
let seen: Progress[];

function newUploader(): Uploader {
  const transport = new Transport({ base: "/api/recordings", fetch: server.fetch });
  return new Uploader(store, transport, {
    backoff: QUICK,
    lookMs: 5,
    onProgress: (progress) => seen.push(progress),
  });
}

beforeEach(async () => {
  name += 1;
  seen = [];
  store = await ChunkStore.open(`test-${name}`);
  server = new FakeServer();
  uploader = newUploader();
});

afterEach(() => uploader.close());

async function begin(): Promise<string> {
  const id = newId();
  uploader.live.add(id);
  await store.add({ id, item: "q1", mime: "video/webm", started_at: new Date().toISOString() });
  return id;
}

async function keep(id: string, n: number, bytes: number[]): Promise<void> {
  const buffer = new Uint8Array(bytes).buffer;
  await store.keep(id, { n, sha256: await sha256(buffer), bytes: buffer }, n * 1000);
  uploader.wake();
}

async function stop(id: string): Promise<void> {
  await store.update(id, { state: "stopped", stopReason: "button" });
  uploader.live.delete(id);
  uploader.wake();
}

async function record(count = 3): Promise<string> {
  const id = await begin();
  for (let n = 0; n < count; n += 1) await keep(id, n, [n, 255 - n, 7]);
  await stop(id);
  return id;
}

const expected = (count = 3): number[] =>
  Array.from({ length: count }, (_, n) => [n, 255 - n, 7]).flat();

describe("uploading", () => {
  it("sends begin, chunks and end, and then keeps nothing", async () => {
    const id = await record();
    uploader.start();
    await uploader.complete(id);
    const paths = ["", "/chunks/0", "/chunks/1", "/chunks/2", "/done"];
    expect(server.requests).toEqual(paths.map((path) => (path === "" ? "" : `/${id}${path}`)));
    expect(server.media(id)).toEqual(expected());
    expect(server.manifests.get(id)?.chunks).toHaveLength(3);
    expect(await store.recordings()).toEqual([]);
    expect(await store.nextChunk(id)).toBeUndefined();
  });

  it("sends while it is recorded, and deletes what is acknowledged", async () => {
    const id = await begin();
    uploader.start();
    await keep(id, 0, [1, 2]);
    await expect.poll(() => server.media(id)).toEqual([1, 2]);
    await expect.poll(() => store.nextChunk(id)).toBeUndefined();
    expect(await store.recording(id)).toMatchObject({ sentChunks: 1, sentBytes: 2, bytes: 2 });
    expect(server.manifests.size).toBe(0);
    await keep(id, 1, [3]);
    await stop(id);
    await uploader.complete(id);
    expect(server.media(id)).toEqual([1, 2, 3]);
  });

  it("sends chunks from the tenth on in the order of numbers", async () => {
    const id = await record(12);
    uploader.start();
    await uploader.complete(id);
    expect(server.requests.slice(1, -1)).toEqual(
      Array.from({ length: 12 }, (_, n) => `/${id}/chunks/${n}`),
    );
  });

  it.each([1, 2, 3, 4, 5])("comes through when half of all requests fail (seed %i)", async (seed) => {
    let state = seed;
    const random = (): number => {
      state = (state * 48_271) % 2_147_483_647;
      return state / 2_147_483_647;
    };
    server.fault = () => {
      const draw = random();
      if (draw < 0.15) return "cut";
      if (draw < 0.3) return "lost answer";
      if (draw < 0.4) return new Response(null, { status: 503 });
      return draw < 0.5 ? Response.json({ error: "bad_hash" }, { status: 422 }) : undefined;
    };
    uploader.start();
    const ids = [await record(6), await record(4)];
    await Promise.all(ids.map((id) => uploader.complete(id)));
    expect(ids.map((id) => server.media(id))).toEqual([expected(6), expected(4)]);
    expect(server.manifests.size).toBe(2);
  });

  it("waits for a new session or a consent, and goes on", async () => {
    let signedIn = false;
    server.fault = () => (signedIn ? undefined : Response.json({ error: "csrf" }, { status: 403 }));
    const id = await record();
    uploader.start();
    await expect.poll(() => seen.at(-1)?.state).toBe("session");
    expect(seen.at(-1)?.reason).toBe("csrf");
    signedIn = true;
    uploader.wake();
    await uploader.complete(id);
  });

  it("keeps the bytes of a refused recording and sends the others", async () => {
    const bad = await record();
    const good = await record();
    server.fault = (path) =>
      path === `/${bad}/chunks/1` ? Response.json({ error: "differs" }, { status: 409 }) : undefined;
    uploader.start();
    await uploader.complete(good);
    await expect(uploader.complete(bad)).rejects.toThrow("differs");
    expect(server.media(good)).toEqual(expected());
    expect((await store.nextChunk(bad))?.n).toBe(1);
    expect(server.requests.filter((path) => path === `/${bad}/chunks/1`)).toHaveLength(1);
  });

  it("says which chunks a server has lost", async () => {
    const id = await record();
    server.fault = (path) =>
      path.endsWith("/done")
        ? Response.json({ error: "hole", missing: [1, 2] }, { status: 409 })
        : undefined;
    uploader.start();
    await expect(uploader.complete(id)).rejects.toThrow("lost chunks 1, 2");
  });

  it("deletes what the browser holds of somebody who has withdrawn", async () => {
    server.fault = () => Response.json({ error: "withdrawn" }, { status: 410 });
    const id = await record();
    uploader.start();
    await uploader.complete(id);
    expect(await store.nextChunk(id)).toBeUndefined();
    expect(server.media(id)).toEqual([]);
  });
});

describe("after a reload", () => {
  it("ends a recording whose tab is gone with what was stored", async () => {
    const id = await begin();
    await keep(id, 0, [1, 2, 3]);
    await keep(id, 1, [4]);
    uploader = newUploader();
    uploader.start();
    await uploader.complete(id);
    expect(server.media(id)).toEqual([1, 2, 3, 4]);
    expect(server.manifests.get(id)?.stop_reason).toBe("tab_closed");
  });

  it("goes on in the middle of a recording, and repeats nothing that was acknowledged", async () => {
    const id = await record(5);
    server.fault = (_, count) => (count > 3 ? "cut" : undefined);
    uploader.start();
    await expect.poll(() => seen.at(-1)?.state).toBe("waiting");
    await uploader.close();
    server.fault = () => undefined;
    server.requests = [];
    uploader = newUploader();
    uploader.start();
    await uploader.complete(id);
    expect(server.requests[0]).toBe(`/${id}/chunks/2`);
    expect(server.media(id)).toEqual(expected(5));
  });

  it("leaves the recording of a tab that is still open", async () => {
    const id = await begin();
    await keep(id, 0, [1]);
    const other = newUploader();
    other.live.add(id);
    other.start();
    await expect.poll(() => server.media(id)).toEqual([1]);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect((await store.recording(id))?.state).toBe("recording");
    await other.close();
  });

  it("forgets a recording without a chunk", async () => {
    const id = await begin();
    uploader = newUploader();
    uploader.start();
    await uploader.complete(id);
    expect(server.manifests.size).toBe(0);
  });
});
