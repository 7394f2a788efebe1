import { describe, expect, it } from "vitest";
import messages from "../src/messages.json" with { type: "json" };
import { Film } from "../src/film.js";
import { frameAt, frameEnd, loudness, nearestFrame, nextSpeed, nudged, rows, span, withEdge } from "../src/marks.js";
import { Saver } from "../src/saver.js";
import type { Clip, Desk, Mark, State } from "../src/types.js";
import { clock } from "../src/words.js";

// A recording of a browser: pictures come when they come.
const TIMES = [0, 33, 67, 180, 200, 233];
const LENGTH = 260;

function mark(start_ms: number, end_ms: number): Mark {
  return { tier: "ah", start_ms, end_ms, label: "", certainty: "" };
}

describe("pictures", () => {
  it("are found by the time at which they are shown", () => {
    expect([0, 32, 33, 100, 179.9, 180, 999].map((at) => frameAt(TIMES, at))).toEqual([0, 0, 1, 2, 2, 3, 5]);
    expect([32.9, 33.1, 120, 130].map((at) => nearestFrame(TIMES, at))).toEqual([1, 1, 2, 3]);
    expect(frameAt([], 5)).toBe(0);
  });

  it("end where the next one begins, the last one with the film", () => {
    expect([0, 2, 5].map((frame) => frameEnd(TIMES, frame, LENGTH))).toEqual([33, 180, 266]);
    expect(frameEnd(TIMES, 5, 300)).toBe(300);
  });

  it("make a span that holds both, whichever came first", () => {
    expect(span(TIMES, 1, 3, LENGTH)).toEqual([33, 200]);
    expect(span(TIMES, 3, 1, LENGTH)).toEqual([33, 200]);
    expect(span(TIMES, 2, 2, LENGTH)).toEqual([67, 180]);
  });
});

describe("edges", () => {
  it("move by one picture and never past each other", () => {
    const one = mark(33, 200);
    expect(nudged(TIMES, one, "start", 1, LENGTH).start_ms).toBe(67);
    expect(nudged(TIMES, one, "start", -1, LENGTH).start_ms).toBe(0);
    expect(nudged(TIMES, one, "end", 1, LENGTH).end_ms).toBe(233);
    expect(nudged(TIMES, one, "end", -1, LENGTH).end_ms).toBe(180);
    expect(nudged(TIMES, mark(33, 67), "end", -1, LENGTH)).toEqual(mark(33, 67));
    expect(nudged(TIMES, mark(33, 67), "start", 1, LENGTH)).toEqual(mark(33, 67));
    expect(withEdge(one, "start", 500)).toEqual(one);
  });
});

describe("speed", () => {
  it("goes from a quarter to four times", () => {
    let speed = 1;
    for (let k = 0; k < 9; k += 1) speed = nextSpeed(speed, 1);
    expect(speed).toBe(4);
    for (let k = 0; k < 20; k += 1) speed = nextSpeed(speed, -1);
    expect(speed).toBe(0.25);
  });
});

describe("times", () => {
  it("are written with thousandths", () => {
    expect([0, 61_005, 59_999.6].map(clock)).toEqual(["0:00.000", "1:01.005", "1:00.000"]);
  });
});

describe("messages", () => {
  it.each(Object.entries(messages))("%s stands in both languages with the same gaps", (_, text) => {
    const gaps = (words: string): string[] => (words.match(/\{\w+\}/g) ?? []).sort();
    expect(text.en).not.toBe("");
    expect(gaps(text.fr)).toEqual(gaps(text.en));
  });
});

class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
  ) {
    super(code);
  }
}

/** A server that may fail before or after it has kept something. */
class Fake implements Desk {
  media = "";
  eaf = "";
  kept: State = { revision: 0, marks: [], may_undo: false, may_redo: false, done: null };
  log: Mark[][] = [];
  fails: ("before" | "after")[] = [];

  async load(): Promise<Clip> {
    return { coding: this.kept } as Clip;
  }

  async save(after: number, marks: Mark[]): Promise<State> {
    const fails = this.fails.shift();
    if (fails === "before") throw new TypeError("connection");
    if (after !== this.kept.revision) throw new Refusal(409, "differs");
    this.log.push(marks);
    this.kept = { ...this.kept, revision: after + 1, marks };
    if (fails === "after") throw new TypeError("connection");
    return this.kept;
  }

  async move(): Promise<State> {
    return this.kept;
  }

  async done(): Promise<State> {
    return this.kept;
  }
}

describe("saving", () => {
  const steps = [[mark(0, 1)], [mark(0, 1), mark(1, 2)], [mark(0, 2)]];
  const quick = async (): Promise<void> => undefined;

  it.each([[[]], [["before", "before"]], [["after"]], [["before", "after", "before", "after"]]] as ("before" | "after")[][][])(
    "keeps every action once and in order, whatever breaks: %j",
    async (fails) => {
      const fake = new Fake();
      fake.fails = [...fails];
      const saver = new Saver(fake, fake.kept, () => undefined, quick);
      for (const marks of steps) saver.act(marks);
      await saver.settled();
      expect(fake.log).toEqual(steps);
      expect(saver.state.revision).toBe(3);
      expect(saver.saving).toBe("saved");
    },
  );

  it("stops where another window has changed it", async () => {
    const fake = new Fake();
    const saver = new Saver(fake, fake.kept, () => undefined, quick);
    fake.kept = { ...fake.kept, revision: 4 };
    saver.act(steps[0] as Mark[]);
    await saver.settled();
    expect(saver.saving).toBe("differs");
    expect(fake.log).toEqual([]);
  });
});

describe("a line of marks", () => {
  it("has rows for marks that overlap, and one where they only touch", () => {
    expect(rows([])).toEqual([]);
    expect(rows([mark(0, 50), mark(50, 90)])).toEqual([0, 0]);
    expect(rows([mark(20, 60), mark(0, 50), mark(0, 50), mark(55, 90)])).toEqual([2, 0, 1, 0]);
  });

  it("keeps its rows in whatever order the server tells the marks", () => {
    const [gaze, smile] = ["gaze", "smile"].map((label) => ({ ...mark(0, 50), label })) as [Mark, Mark];
    expect(rows([smile, gaze])).toEqual([1, 0]);
    expect(rows([gaze, smile])).toEqual([0, 1]);
  });
});

describe("the waveform", () => {
  it("is filled by what is nearly the loudest, however soft", () => {
    const soft = Array.from({ length: 1000 }, (_, k) => k % 40);
    expect(loudness([...soft, 255])).toBe(39);
    expect(loudness([0, 1, 2])).toBe(8);
    expect(loudness([])).toBe(8);
  });
});

describe("a film", () => {
  /** A browser that says which picture it shows only where that is another one. */
  class Still extends EventTarget {
    paused = true;
    ended = false;
    private at_s = -1;
    private shown = -1;
    private calls: ((now: number, told: { mediaTime: number }) => void)[] = [];

    constructor(private readonly shows: (frame: number) => number) {
      super();
    }

    pause(): void {}

    requestVideoFrameCallback(call: (now: number, told: { mediaTime: number }) => void): void {
      this.calls.push(call);
    }

    get currentTime(): number {
      return Math.max(this.at_s, 0);
    }

    set currentTime(at_s: number) {
      this.at_s = at_s;
      setTimeout(() => {
        this.dispatchEvent(new Event("seeked"));
        const frame = this.shows(frameAt(TIMES, at_s * 1000));
        if (frame === this.shown) return;
        this.shown = frame;
        for (const call of this.calls.splice(0)) call(0, { mediaTime: (TIMES[frame] ?? 0) / 1000 });
      });
    }
  }

  function still(shows: (frame: number) => number = (frame) => frame): { film: Film; said: string[] } {
    const said: string[] = [];
    const video = new Still(shows) as unknown as HTMLVideoElement;
    return { film: new Film(video, TIMES, LENGTH, () => undefined, () => said.push("inexact")), said };
  }

  it("that shows a picture already is there at once", async () => {
    const { film, said } = still();
    await film.show(2);
    await film.show(2);
    await film.show(0);
    expect([film.frame, said]).toEqual([0, []]);
  });

  it("means the picture that was asked for while it is on its way", async () => {
    const { film, said } = still();
    const shown = film.show(1);
    film.step(1);
    film.step(1);
    expect([film.frame, film.meant, film.at_ms]).toEqual([0, 3, 180]);
    film.jump(-100);
    expect(film.meant).toBe(2);
    await shown;
    expect([film.frame, said]).toEqual([2, []]);
  });

  it("warns of a wrong picture only where it stays", async () => {
    const { film, said } = still((frame) => (frame === 1 ? 2 : frame));
    const passed = film.show(1);
    await new Promise((resolve) => setTimeout(resolve, 1));
    film.step(2);
    await passed;
    expect([film.frame, said]).toEqual([3, []]);
    await film.show(1);
    expect([film.frame, said]).toEqual([1, ["inexact"]]);
  });
});
