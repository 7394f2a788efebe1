import type { RecordingSession } from "@twomind/recorder";
import type { Api } from "./api.js";
import type { Here } from "./plan.js";
import type { Me, Study } from "./types.js";

/** What the pages share while this page is open. */
export interface App {
  readonly api: Api;
  readonly study: Study;
  readonly session: RecordingSession;
  readonly here: Here;
  me: Me;
  /** The link with which this person goes on elsewhere; empty after a reload. */
  ownLink: string;
  stream: MediaStream | null;
  devices: { camera: string; microphone: string };
  /** Shows the step where this person is. */
  go(): Promise<void>;
  /** Shows a page of the footer; `go` comes back from it. */
  yourData(): Promise<void>;
}

/** Camera and microphone off: their lamps go out. */
export function closeStream(app: App): void {
  for (const track of app.stream?.getTracks() ?? []) track.stop();
  app.stream = null;
}
