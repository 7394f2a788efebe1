import { sha256 } from "../src/hash.js";

/** A server in memory that speaks the protocol; `fault` may answer, or break, before or after it. */
export class FakeServer {
  readonly begun = new Map<string, object>();
  readonly chunks = new Map<string, Map<number, Uint8Array>>();
  readonly manifests = new Map<string, { chunks: string[]; stop_reason: string }>();
  requests: string[] = [];
  fault: (path: string, count: number) => Response | "lost answer" | "cut" | undefined = () =>
    undefined;

  readonly fetch = async (input: unknown, init?: RequestInit): Promise<Response> => {
    const path = String(input).replace("/api/recordings", "");
    this.requests.push(path);
    const fault = this.fault(path, this.requests.length);
    if (fault === "cut") throw new TypeError("network");
    if (fault instanceof Response) return fault;
    const body = new Uint8Array(init?.body as ArrayBuffer);
    const answer = await this.serve(path, body, new Headers(init?.headers));
    if (fault === "lost answer") throw new TypeError("network, after the server had it");
    return answer;
  };

  media(id: string): number[] {
    const chunks = this.chunks.get(id) ?? new Map<number, Uint8Array>();
    const order = [...chunks.keys()].sort((a, b) => a - b);
    return order.flatMap((n) => [...(chunks.get(n) ?? [])]);
  }

  private async serve(path: string, body: Uint8Array, headers: Headers): Promise<Response> {
    const [, id = "", part, n] = path.split("/");
    if (part === "chunks") return this.put(id, Number(n), body, headers);
    const said = JSON.parse(new TextDecoder().decode(body));
    if (part === undefined) {
      this.begun.set(said.id, said);
      this.chunks.set(said.id, this.chunks.get(said.id) ?? new Map());
      return Response.json({}, { status: 201 });
    }
    this.manifests.set(id, said);
    return Response.json({ state: "complete" });
  }

  private async put(id: string, n: number, body: Uint8Array, headers: Headers): Promise<Response> {
    const chunks = this.chunks.get(id);
    if (chunks === undefined) return Response.json({ error: "not_found" }, { status: 404 });
    const copy = new Uint8Array(body);
    if ((await sha256(copy.buffer)) !== headers.get("X-Chunk-SHA256")) {
      return Response.json({ error: "bad_hash" }, { status: 422 });
    }
    const status = chunks.has(n) ? 200 : 201;
    chunks.set(n, copy);
    return Response.json({}, { status });
  }
}

/** The MediaRecorder of a browser, played by hand. */
export class FakeMediaRecorder {
  static supported = (mime: string): boolean => mime.startsWith("video/webm");
  static isTypeSupported(mime: string): boolean {
    return FakeMediaRecorder.supported(mime);
  }
  static last: FakeMediaRecorder;
  state = "inactive";
  mimeType: string;
  asked = 0;
  onstart: () => void = () => undefined;
  onstop: () => void = () => undefined;
  onerror: () => void = () => undefined;
  ondataavailable: (event: { data: Blob }) => void = () => undefined;

  constructor(
    readonly stream: unknown,
    readonly options: { mimeType?: string },
  ) {
    this.mimeType = options.mimeType ?? "";
    FakeMediaRecorder.last = this;
  }

  start(): void {
    this.state = "recording";
    queueMicrotask(() => this.onstart());
  }

  requestData(): void {
    this.asked += 1;
  }

  give(bytes: number[]): void {
    this.ondataavailable({ data: new Blob([new Uint8Array(bytes)]) });
  }

  /** As browsers do: the last data and the stop come one after the other, without a pause. */
  last: number[] = [];
  stop(): void {
    this.state = "inactive";
    this.give(this.last);
    this.onstop();
  }
}
