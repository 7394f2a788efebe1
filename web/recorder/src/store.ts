import type { Begin, Manifest, MediaEvent, StopReason } from "./protocol.js";

/** One recording as the browser keeps it, until the server has all of it. */
export interface RecordingRow {
  id: string;
  begin: Begin;
  /** The server has answered to `begin`. */
  begun: boolean;
  state: "recording" | "stopped" | "refused";
  chunks: number;
  bytes: number;
  sentChunks: number;
  sentBytes: number;
  durationMs: number;
  stopReason: StopReason;
  events: MediaEvent[];
  problem: string;
}

export interface StoredChunk {
  n: number;
  sha256: string;
  bytes: ArrayBuffer;
}

interface HashRow {
  recording: string;
  n: number;
  sha256: string;
}

interface BytesRow extends HashRow {
  bytes: ArrayBuffer;
}

const STORES = ["recordings", "hashes", "bytes"];

/** What waits in this browser: bytes until they are acknowledged, hashes until the end is. */
export class ChunkStore {
  private constructor(private readonly database: IDBDatabase) {}

  static open(name = "twomind-recorder"): Promise<ChunkStore> {
    return new Promise((resolve, reject) => {
      const request = indexedDB.open(name, 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore("recordings", { keyPath: "id" });
        request.result.createObjectStore("hashes", { keyPath: ["recording", "n"] });
        request.result.createObjectStore("bytes", { keyPath: ["recording", "n"] });
      };
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        const database = request.result;
        database.onversionchange = () => database.close();
        resolve(new ChunkStore(database));
      };
    });
  }

  close(): void {
    this.database.close();
  }

  /** The recordings that are here, the oldest first. */
  async recordings(): Promise<RecordingRow[]> {
    const rows = await this.read<RecordingRow[]>("recordings", (store) => store.getAll());
    const age = (row: RecordingRow): string => row.begin.started_at;
    return rows.sort((a, b) => (age(a) < age(b) ? -1 : 1));
  }

  recording(id: string): Promise<RecordingRow | undefined> {
    return this.read("recordings", (store) => store.get(id));
  }

  add(begin: Begin): Promise<void> {
    const row: RecordingRow = {
      id: begin.id,
      begin,
      begun: false,
      state: "recording",
      chunks: 0,
      bytes: 0,
      sentChunks: 0,
      sentBytes: 0,
      durationMs: 0,
      stopReason: "tab_closed",
      events: [],
      problem: "",
    };
    return this.write((stores) => stores.objectStore("recordings").add(row));
  }

  /** Keeps a chunk; when this resolves, it is on this computer's disk. */
  keep(id: string, chunk: StoredChunk, mediaMs: number): Promise<void> {
    const { n, sha256, bytes } = chunk;
    return this.change(id, (row, stores) => {
      stores.objectStore("hashes").add({ recording: id, n, sha256 });
      stores.objectStore("bytes").add({ recording: id, n, sha256, bytes });
      row.chunks += 1;
      row.bytes += bytes.byteLength;
      row.durationMs = mediaMs;
    });
  }

  /** The first chunk that is not acknowledged yet. */
  async nextChunk(id: string): Promise<StoredChunk | undefined> {
    return this.read<BytesRow | undefined>("bytes", (store) => store.get(allOf(id)));
  }

  /** Deletes a chunk's bytes: the server has them. */
  acknowledge(id: string, n: number): Promise<void> {
    return this.change(id, (row, stores) => {
      const bytes = stores.objectStore("bytes");
      const request: IDBRequest<BytesRow | undefined> = bytes.get([id, n]);
      request.onsuccess = () => {
        if (request.result === undefined) return;
        bytes.delete([id, n]);
        row.sentChunks += 1;
        row.sentBytes += request.result.bytes.byteLength;
        stores.objectStore("recordings").put(row);
      };
    });
  }

  update(id: string, change: Partial<RecordingRow>): Promise<void> {
    return this.change(id, (row) => Object.assign(row, change));
  }

  async manifest(row: RecordingRow): Promise<Manifest> {
    const hashes = await this.read<HashRow[]>("hashes", (store) => store.getAll(allOf(row.id)));
    return {
      chunks: hashes.map((hash) => hash.sha256),
      bytes: row.bytes,
      duration_ms: row.durationMs,
      stop_reason: row.stopReason,
      events: row.events,
    };
  }

  /** Forgets a recording: the server has all of it, or the person has withdrawn. */
  remove(id: string): Promise<void> {
    return this.write((stores) => {
      stores.objectStore("recordings").delete(id);
      stores.objectStore("hashes").delete(allOf(id));
      stores.objectStore("bytes").delete(allOf(id));
    });
  }

  /** Reads a row, changes it and writes it back in one transaction. */
  private change(
    id: string,
    change: (row: RecordingRow, stores: IDBTransaction) => void,
  ): Promise<void> {
    return this.write((stores) => {
      const recordings = stores.objectStore("recordings");
      const request: IDBRequest<RecordingRow | undefined> = recordings.get(id);
      request.onsuccess = () => {
        const row = request.result;
        if (row === undefined) return;
        change(row, stores);
        recordings.put(row);
      };
    });
  }

  private write(work: (stores: IDBTransaction) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      // Strict: the transaction ends when the disk has it, not when the system's memory does.
      const stores = this.database.transaction(STORES, "readwrite", { durability: "strict" });
      stores.oncomplete = () => resolve();
      stores.onabort = () => reject(stores.error ?? new Error("the browser's store is full"));
      work(stores);
    });
  }

  private read<T>(name: string, ask: (store: IDBObjectStore) => IDBRequest): Promise<T> {
    return new Promise((resolve, reject) => {
      const request = ask(this.database.transaction(name, "readonly").objectStore(name));
      request.onsuccess = () => resolve(request.result as T);
      request.onerror = () => reject(request.error);
    });
  }
}

function allOf(id: string): IDBKeyRange {
  return IDBKeyRange.bound([id, 0], [id, Infinity]);
}
