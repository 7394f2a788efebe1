import type { Consented, Finish, Me, Study } from "./types.js";

/** An answer that is no success; `code` is for this program, the sentence for people. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly body: Record<string, unknown>,
  ) {
    super(message);
  }
}

/** What a link is exchanged for; a server that tells less is asked for the rest. */
interface Joined {
  csrf: string;
  personal_token?: string;
  study?: Study;
  me?: Me;
}

const TRIES = 4;
const FIRST_WAIT_MS = 400;

/** The server, for one person; each request may be said twice, so that a bad line is tried again. */
export class Api {
  private csrf = "";
  /** What the server told with the session, used once: it saves a round trip. */
  private told: Partial<Joined> = {};

  headers(): Record<string, string> {
    return { "X-CSRF-Token": this.csrf };
  }

  async join(token: string, externalId: string | null): Promise<string> {
    const body = externalId === null ? { token } : { token, external_id: externalId };
    const said = await this.send<Joined>("POST", "/api/session", body);
    this.csrf = said.csrf;
    this.told = said;
    return said.personal_token ?? "";
  }

  async resume(): Promise<void> {
    this.csrf = (await this.send<{ csrf: string }>("GET", "/api/session")).csrf;
  }

  public(): Promise<{ external_id_parameter?: string }> {
    return this.send("GET", "/api/public");
  }

  study(): Promise<Study> {
    return this.onceTold("study") ?? this.send("GET", "/api/study");
  }

  me(): Promise<Me> {
    return this.onceTold("me") ?? this.send("GET", "/api/me");
  }

  private onceTold<Name extends "study" | "me">(name: Name): Promise<Required<Joined>[Name]> | null {
    const { [name]: told, ...others } = this.told;
    this.told = others as Partial<Joined>;
    return told === undefined ? null : Promise.resolve(told as Required<Joined>[Name]);
  }

  consent(said: object): Promise<Consented> {
    return this.send("POST", "/api/consent", said);
  }

  checked(values: Record<string, number | boolean | null>): Promise<void> {
    return this.send("PUT", "/api/me/check", { passed: true, values });
  }

  metadata(answers: Record<string, string | number | null>): Promise<void> {
    return this.send("PUT", "/api/me/metadata", { answers });
  }

  finish(): Promise<Finish> {
    return this.send("POST", "/api/finish", {});
  }

  withdraw(what: { all: true } | { items: string[] }): Promise<{ erased: boolean; at: string | null }> {
    return this.send("POST", "/api/withdraw", what);
  }

  keepAfterAll(): Promise<void> {
    return this.send("POST", "/api/withdraw/cancel", {});
  }

  private async send<T>(method: string, path: string, body?: object): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.once<T>(method, path, body);
      } catch (error) {
        const passes = !(error instanceof ApiError) || error.status >= 500;
        if (!passes || attempt === TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, FIRST_WAIT_MS * 2 ** attempt));
      }
    }
  }

  private async once<T>(method: string, path: string, body?: object): Promise<T> {
    const json = { "Content-Type": "application/json" };
    const response = await fetch(path, {
      method,
      headers: { ...this.headers(), ...(body === undefined ? {} : json) },
      body: body === undefined ? null : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
    });
    if (response.status === 204) return undefined as T;
    const said = (await response.json().catch(() => ({}))) as Record<string, unknown>;
    if (response.ok) return said as T;
    const code = String(said.error ?? response.status);
    throw new ApiError(response.status, code, String(said.message ?? response.statusText), said);
  }
}
