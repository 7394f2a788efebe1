import type { Admission, Clip, Desk, Listed, Mark, State, Study } from "./types.js";

/** An answer that is no success; `code` is for this program, the sentence for people. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** Everything that the answer says. */
    readonly said: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

const BASE = "/api/coder";

/** The server, for one coder. */
export class Api {
  private csrf = "";

  async enter(token: string): Promise<void> {
    this.csrf = (await this.send<{ csrf: string }>("POST", "/session", { token })).csrf;
  }

  /** The session of this browser. */
  async resume(): Promise<void> {
    this.csrf = (await this.send<{ csrf: string }>("GET", "/session")).csrf;
  }

  leave(): Promise<void> {
    return this.send("DELETE", "/session");
  }

  study(): Promise<Study> {
    return this.send("GET", "/study");
  }

  recordings(): Promise<{ recordings: Listed[]; admission: Admission }> {
    return this.send("GET", "/recordings");
  }

  desk(recording: string): Desk {
    const path = `/recordings/${recording}`;
    return {
      media: `${BASE}${path}/media`,
      eaf: `${BASE}${path}/eaf`,
      load: () => this.send<Clip>("GET", path),
      save: (after: number, marks: Mark[]) => this.send<State>("PUT", `${path}/marks`, { after, marks }),
      move: (what, after) => this.send<State>("POST", `${path}/${what}`, { after }),
      done: (after) => this.send<State>("POST", `${path}/done`, { after }),
      takeEaf: (after, file) => this.send<State>("PUT", `${path}/eaf?after=${after}`, file),
    };
  }

  private async send<T>(method: string, path: string, body?: object | Blob): Promise<T> {
    const headers: Record<string, string> = { "X-CSRF-Token": this.csrf };
    const plain = body instanceof Blob;
    if (body !== undefined && !plain) headers["Content-Type"] = "application/json";
    const response = await fetch(BASE + path, {
      method,
      headers,
      body: body === undefined ? null : plain ? body : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
    });
    if (response.ok) {
      const text = await response.text();
      return (text === "" ? undefined : JSON.parse(text)) as T;
    }
    const said = (await response.json().catch(() => ({}))) as Record<string, unknown>;
    const code = String(said.error ?? response.status);
    throw new ApiError(response.status, code, String(said.message ?? response.statusText), said);
  }
}
