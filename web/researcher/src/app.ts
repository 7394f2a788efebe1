import type { Api } from "./api.js";
import type { Study } from "./types.js";

/** What the pages share. */
export interface App {
  readonly api: Api;
  readonly study: Study;
  /** Shows the page of the address once more. */
  again(): Promise<void>;
}
