/** The protocol between page and server: docs/study/recorder.md describes it for both sides. */

/** Something that happened during a recording, at a time on the recording's own clock. */
export interface MediaEvent {
  seq: number;
  name: string;
  media_ms: number;
  at: string;
  detail?: Record<string, string | number | boolean>;
}

/** What is said once, before the first chunk. */
export interface Begin {
  id: string;
  item: string;
  mime: string;
  started_at: string;
}

export type StopReason = "button" | "time_limit" | "track_ended" | "tab_closed" | "error";

/** The manifest: only this makes a recording complete. */
export interface Manifest {
  chunks: string[];
  bytes: number;
  duration_ms: number;
  stop_reason: StopReason;
  events: MediaEvent[];
}

/**
 * What an answer of the server means for the page.
 *
 * - `kept`: the server has it on its disk
 * - `again`: wait, then send the same once more
 * - `session`: as `again`, but the page has to bring a new session or a consent first
 * - `hole`: the server lacks these chunks
 * - `withdrawn`: the person has withdrawn; what the browser holds has to go
 * - `refused`: sending this again would not help; the browser keeps its bytes
 */
export type Answer =
  | { kind: "kept" }
  | { kind: "again"; reason: string; afterMs: number }
  | { kind: "session"; reason: string }
  | { kind: "hole"; missing: number[] }
  | { kind: "withdrawn" }
  | { kind: "refused"; code: string; message: string };

interface ErrorBody {
  error?: string;
  message?: string;
  missing?: number[];
}

const TROUBLE_THAT_PASSES = new Set([408, 425, 429]);

/** Reads a status, the headers and the body of an answer; never throws. */
export async function readAnswer(response: Response): Promise<Answer> {
  const { status } = response;
  if (status === 200 || status === 201 || status === 204) return { kind: "kept" };
  const body = await readError(response);
  const code = body.error ?? String(status);
  if (status >= 500 || TROUBLE_THAT_PASSES.has(status)) {
    return { kind: "again", reason: code, afterMs: retryAfter(response) };
  }
  if (status === 422 && code === "bad_hash") return { kind: "again", reason: code, afterMs: 0 };
  if (status === 401 || status === 403) return { kind: "session", reason: code };
  if (status === 409 && code === "hole") return { kind: "hole", missing: body.missing ?? [] };
  if (status === 410) return { kind: "withdrawn" };
  return { kind: "refused", code, message: body.message ?? response.statusText };
}

async function readError(response: Response): Promise<ErrorBody> {
  try {
    const body: unknown = await response.json();
    return typeof body === "object" && body !== null ? body : {};
  } catch {
    return {};
  }
}

function retryAfter(response: Response): number {
  const seconds = Number(response.headers.get("Retry-After") ?? "0");
  return Number.isFinite(seconds) ? Math.max(0, seconds) * 1000 : 0;
}

export interface TransportOptions {
  /** Where the recordings are, for example "/api/recordings". */
  base: string;
  /** Asked before each request: a session's headers change after a reload. */
  headers?: () => Record<string, string>;
  fetch?: typeof fetch;
}

/** The slowest line that is waited for, in bytes a second. */
const SLOWEST_LINE = 4_000;
const SHORTEST_TIMEOUT_MS = 20_000;

/** Says the four requests of the protocol. A broken line is the answer `again`. */
export class Transport {
  constructor(private readonly options: TransportOptions) {}

  begin(begin: Begin): Promise<Answer> {
    return this.sendJson("POST", "", begin);
  }

  chunk(recording: string, n: number, sha256: string, bytes: ArrayBuffer): Promise<Answer> {
    const headers = {
      "Content-Type": "application/octet-stream",
      "X-Chunk-SHA256": sha256,
    };
    return this.send("PUT", `/${recording}/chunks/${n}`, headers, bytes);
  }

  done(recording: string, manifest: Manifest): Promise<Answer> {
    return this.sendJson("POST", `/${recording}/done`, manifest);
  }

  private sendJson(method: string, path: string, body: object): Promise<Answer> {
    const headers = { "Content-Type": "application/json" };
    const bytes = new TextEncoder().encode(JSON.stringify(body));
    return this.send(method, path, headers, bytes.buffer);
  }

  private async send(
    method: string,
    path: string,
    headers: Record<string, string>,
    body: ArrayBuffer,
  ): Promise<Answer> {
    const send = this.options.fetch ?? fetch;
    const timeout = SHORTEST_TIMEOUT_MS + Math.ceil(body.byteLength / SLOWEST_LINE) * 1000;
    try {
      const response = await send(this.options.base + path, {
        method,
        headers: { ...this.options.headers?.(), ...headers },
        body,
        credentials: "same-origin",
        cache: "no-store",
        redirect: "error",
        signal: AbortSignal.timeout(timeout),
      });
      return await readAnswer(response);
    } catch (error) {
      return { kind: "again", reason: String(error), afterMs: 0 };
    }
  }
}
