import { describe, expect, it } from "vitest";
import { Left, Turn } from "../src/turn.js";

class Server {
  private readonly name = "server";
  n = 0;

  ask(what: string, ready: Promise<void>): Promise<string> {
    this.n += 1;
    return ready.then(() => `${this.name}: ${what}`);
  }
}

describe("a page that loads slowly", () => {
  it("is given up once another was asked for", async () => {
    let release = (): void => undefined;
    const slow = new Promise<void>((done) => (release = done));
    const server = new Server();
    const shown: string[] = [];
    const page = async (what: string, ready: Promise<void>): Promise<void> => {
      shown.push(await new Turn().watched(server).ask(what, ready));
    };
    const first = page("first", slow);
    await page("second", Promise.resolve());
    release();
    await expect(first).rejects.toBeInstanceOf(Left);
    expect(shown).toEqual(["server: second"]);
    expect(server.n).toBe(2);
  });

  it("is given up when it fails as well", async () => {
    const turn = new Turn();
    const failed = turn.still(Promise.resolve().then(() => Promise.reject(new Error("offline"))));
    expect(new Turn().isNow).toBe(true);
    expect(turn.isNow).toBe(false);
    await expect(failed).rejects.toBeInstanceOf(Left);
  });

  it("tells what failed while it is there", async () => {
    await expect(new Turn().still(Promise.reject(new Error("offline")))).rejects.toThrow("offline");
  });
});
