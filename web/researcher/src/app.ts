import type { Turn } from "../../participant/src/turn.js";
import type { Api } from "./api.js";
import type { Study } from "./types.js";

/** What the pages share. */
export interface App {
  readonly api: Api;
  readonly study: Study;
  /** This page's; what it waits for from elsewhere than `api` goes through it. */
  readonly turn: Turn;
  /** Shows the page of the address once more, unless this one was left. */
  again(): Promise<void>;
}
