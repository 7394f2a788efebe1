import { Transport, type TransportOptions } from "./protocol.js";
import { Recorder, type RecorderOptions } from "./recorder.js";
import { ChunkStore } from "./store.js";
import { Uploader, type UploaderOptions } from "./uploader.js";

export interface SessionOptions extends TransportOptions, UploaderOptions {
  /** The name of the browser's database; one for each server that is sent to. */
  database?: string;
}

/** Store and uploader together: what a page opens once, before its first recording. */
export class RecordingSession {
  private constructor(
    readonly store: ChunkStore,
    readonly uploader: Uploader,
  ) {}

  /** Opens the store and goes on with what an earlier page left in it. */
  static async open(options: SessionOptions): Promise<RecordingSession> {
    const store = await ChunkStore.open(options.database);
    const uploader = new Uploader(store, new Transport(options), options);
    // Asks the browser not to clear the store when its disk is short. Firefox asks the person, who
    // may never answer: nothing waits for it.
    void navigator.storage?.persist?.().catch(() => false);
    globalThis.addEventListener?.("online", () => uploader.wake());
    uploader.start();
    return new RecordingSession(store, uploader);
  }

  recorder(stream: MediaStream, options: RecorderOptions): Recorder {
    return new Recorder(stream, this.store, this.uploader, options);
  }

  async close(): Promise<void> {
    await this.uploader.close();
    this.store.close();
  }
}
