import type { Clip, Desk, State } from "../../coder/src/types.js";
import type {
  Agreement,
  Coder,
  CodingOverview,
  Detail,
  Link,
  Log,
  OnePerson,
  Panel,
  People,
  Queue,
  Result,
  Shown,
  Study,
  Verdict,
  Version,
} from "./types.js";

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

const BASE = "/api/researcher";

/** The server, for one researcher. */
export class Api {
  private csrf = "";
  name = "";

  async signIn(name: string, password: string): Promise<void> {
    const said = await this.send<{ csrf: string }>("POST", "/session", { name, password });
    this.csrf = said.csrf;
    this.name = name;
  }

  /** What the accounts are called with which one may sign in besides; null: there are none. */
  async provider(): Promise<string | null> {
    return (await this.send<{ name: string | null }>("GET", "/oidc")).name;
  }

  /** The session of this browser. */
  async resume(): Promise<void> {
    const said = await this.send<{ csrf: string; name: string }>("GET", "/session");
    this.csrf = said.csrf;
    this.name = said.name;
  }

  signOut(): Promise<void> {
    return this.send("DELETE", "/session");
  }

  study(): Promise<Study> {
    return this.send("GET", "/study");
  }

  people(): Promise<People> {
    return this.send("GET", "/people");
  }

  person(id: string): Promise<OnePerson> {
    return this.send("GET", `/people/${id}`);
  }

  linkAgain(id: string): Promise<Link> {
    return this.send("POST", `/people/${id}/link`);
  }

  erase(id: string): Promise<void> {
    return this.send("DELETE", `/people/${id}`);
  }

  queue(show: Shown, start = 0): Promise<Queue> {
    return this.send("GET", `/queue?show=${show}&start=${start}`);
  }

  recording(id: string): Promise<Detail> {
    return this.send("GET", `/recordings/${id}`);
  }

  decide(id: string, verdict: Verdict, reason: string): Promise<Detail> {
    return this.send("POST", `/recordings/${id}/decisions`, { verdict, reason });
  }

  measure(id: string): Promise<void> {
    return this.send("POST", `/recordings/${id}/measure`);
  }

  async versions(id: string): Promise<Version[]> {
    const said = await this.send<{ versions: Version[] }>("GET", `/recordings/${id}/transcript`);
    return said.versions;
  }

  correct(id: string, after: number, text: string): Promise<Version> {
    return this.send("POST", `/recordings/${id}/transcript`, { after, text });
  }

  result(id: string): Promise<Result> {
    return this.send("GET", `/recordings/${id}/result`);
  }

  async invite(names: string[]): Promise<Link[]> {
    const said = await this.send<{ links: Link[] }>("POST", "/invitations/people", { names });
    return said.links;
  }

  panel(label: string): Promise<Link> {
    return this.send("POST", "/invitations/panels", { label });
  }

  async panels(): Promise<Panel[]> {
    return (await this.send<{ panels: Panel[] }>("GET", "/invitations/panels")).panels;
  }

  revokePanel(id: string): Promise<void> {
    return this.send("DELETE", `/invitations/panels/${id}`);
  }

  testParticipant(): Promise<Link> {
    return this.send("POST", "/test-participants");
  }

  async coders(): Promise<Coder[]> {
    return (await this.send<{ coders: Coder[] }>("GET", "/coders")).coders;
  }

  makeCoder(name: string, outside: boolean): Promise<Link> {
    return this.send("POST", "/coders", { name, outside });
  }

  coding(): Promise<CodingOverview> {
    return this.send("GET", "/coding");
  }

  agreement(): Promise<Agreement> {
    return this.send("GET", "/coding/agreement");
  }

  shareOut(coders: number, share: number): Promise<{ assigned: number; too_few: string[] }> {
    return this.send("POST", "/coding/assignments", { coders, share });
  }

  admit(coder: string, yes: boolean): Promise<void> {
    return this.send(yes ? "PUT" : "DELETE", `/coding/admission/${coder}`);
  }

  gold(recording: string, yes: boolean): Promise<void> {
    return this.send(yes ? "PUT" : "DELETE", `/coding/gold/${recording}`);
  }

  reopen(recording: string, coder: string): Promise<void> {
    return this.send("DELETE", `/coding/recordings/${recording}/done/${coder}`);
  }

  goOn(recording: string): Promise<void> {
    return this.send("DELETE", `/coding/recordings/${recording}/done`);
  }

  /** Where the team agrees on one coding. */
  desk(recording: string): Desk {
    const path = `/coding/recordings/${recording}`;
    return {
      media: `${BASE}${path}/media`,
      eaf: `${BASE}${path}/eaf`,
      load: () => this.send<Clip>("GET", path),
      save: (after, marks) => this.send<State>("PUT", `${path}/marks`, { after, marks }),
      move: (what, after) => this.send<State>("POST", `${path}/${what}`, { after }),
      done: (after) => this.send<State>("POST", `${path}/done`, { after }),
    };
  }

  coderLink(id: string): Promise<Link> {
    return this.send("POST", `/coders/${id}/link`);
  }

  revokeCoder(id: string): Promise<void> {
    return this.send("DELETE", `/coders/${id}`);
  }

  assign(coder: string, recording: string): Promise<void> {
    return this.send("PUT", `/coders/${coder}/recordings/${recording}`);
  }

  log(): Promise<Log> {
    return this.send("GET", "/audit");
  }

  private async send<T>(method: string, path: string, body?: object): Promise<T> {
    const json = { "Content-Type": "application/json" };
    const response = await fetch(BASE + path, {
      method,
      headers: { "X-CSRF-Token": this.csrf, ...(body === undefined ? {} : json) },
      body: body === undefined ? null : JSON.stringify(body),
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

/** Everything that was coded, as a table. */
export const CODED_TABLE = `${BASE}/coding/table.csv`;

/** Where a browser plays a recording. */
export function mediaOf(recording: string): string {
  return `${BASE}/recordings/${recording}/media`;
}
