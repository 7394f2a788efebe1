import { describe, expect, it } from "vitest";
import messages from "../src/messages.json" with { type: "json" };
import { Film } from "../src/film.js";
import { forgetLanguage, keepLanguage, keptLanguage } from "../../language.js";
import { forget, keep, type Kept, kept } from "../src/kept.js";
import {
  appeared,
  frameAt,
  frameEnd,
  goesWith,
  loudness,
  markBeside,
  nearestFrame,
  nearestMark,
  nextSpeed,
  nudged,
  once,
  rows,
  shortClock,
  span,
  stepFor,
  ticks,
  twice,
  withEdge,
} from "../src/marks.js";
import { refusalAndAdvice, refusalText } from "../src/refusals.js";
import { Saver } from "../src/saver.js";
import type { Clip, Codebook, Desk, Mark, State, Tier } from "../src/types.js";
import { clock, useLanguage } from "../src/words.js";

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

  it("says why the server keeps nothing more, whatever the reason is", async () => {
    const fake = new Fake();
    fake.save = () => Promise.reject(new Refusal(409, "withdrawing"));
    const saver = new Saver(fake, fake.kept, () => undefined, quick);
    saver.act(steps[0] as Mark[]);
    await saver.settled();
    expect([saver.saving, saver.refusal?.code]).toEqual(["refused", "withdrawing"]);
  });

  it("stops where another window has changed it", async () => {
    const fake = new Fake();
    const saver = new Saver(fake, fake.kept, () => undefined, quick);
    fake.kept = { ...fake.kept, revision: 4 };
    saver.act(steps[0] as Mark[]);
    await saver.settled();
    expect([saver.saving, saver.refusal?.code]).toEqual(["refused", "differs"]);
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

function tier(id: string, kind: Tier["kind"]): Tier {
  return { id, kind, modality: "", key: id[0] ?? "", text: { en: id, fr: `${id} (fr)` }, labels: [], free: false, certainty: false };
}

const BOOK: Codebook = {
  id: "x",
  title: {},
  certainty: [],
  tiers: [tier("answer", "answer"), tier("ah", "ah"), tier("cue", "cue"), tier("odd", "inconsistency"), tier("laugh", "other")],
};

function made(name: string, start_ms: number, end_ms: number, label = ""): Mark {
  return { tier: name, start_ms, end_ms, label, certainty: "" };
}

describe("a deleted segment", () => {
  const [one, other, laugh] = [made("ah", 0, 100), made("ah", 80, 200), made("laugh", 300, 400)];
  const cues = {
    itsOwn: made("cue", 0, 100),
    within: made("odd", 20, 60),
    ofBoth: made("cue", 80, 100),
    over: made("cue", 50, 120),
    apart: made("cue", 250, 260),
    ofLaugh: made("cue", 300, 400),
  };
  const all = [made("answer", 0, 500), one, other, laugh, ...Object.values(cues)];

  it("takes the cues along that stand in it and in no other", () => {
    expect(goesWith(BOOK, all, one)).toEqual([cues.itsOwn, cues.within]);
    expect(goesWith(BOOK, all, other)).toEqual([]);
    expect(goesWith(BOOK, all, laugh)).toEqual([cues.ofLaugh]);
  });

  it("takes nothing along where it is none", () => {
    for (const mark of [all[0] as Mark, cues.itsOwn]) expect(goesWith(BOOK, all, mark)).toEqual([]);
  });

  it("takes a cue along that stands in two only with the second", () => {
    const left = all.filter((mark) => mark !== one);
    expect(goesWith(BOOK, left, other)).toEqual([cues.ofBoth]);
  });
});

describe("the mark that is gone to", () => {
  const [first, cue, last] = [made("ah", 100, 200), made("cue", 150, 160), made("ah", 500, 600)];
  const all = [made("answer", 0, 900), last, cue, first];

  it("is the nearest to a time, and a segment before its cues", () => {
    const near = (at_ms: number): Mark | null => nearestMark(BOOK, all, at_ms);
    expect([0, 155, 340, 360, 899].map(near)).toEqual([first, first, first, last, last]);
    expect(nearestMark(BOOK, [all[0] as Mark], 5)).toBe(null);
  });

  it("is beside the chosen one, or with none chosen beside the film's place", () => {
    const beside = (chosen: Mark | null, at_ms: number, by: 1 | -1): Mark | null => markBeside(BOOK, all, chosen, at_ms, by);
    expect([beside(first, 900, 1), beside(first, 900, -1), beside(last, 0, 1)]).toEqual([cue, last, first]);
    expect([0, 120, 150.4, 300, 700].map((at) => beside(null, at, 1))).toEqual([first, cue, cue, last, first]);
    expect([0, 120, 300, 700].map((at) => beside(null, at, -1))).toEqual([last, first, cue, last]);
    expect(markBeside(BOOK, [], null, 0, 1)).toBe(null);
  });
});

describe("the very same mark", () => {
  const [gaze, smile] = [made("cue", 0, 50, "gaze"), made("cue", 0, 50, "smile")];

  it("is not made twice, by whatever action", () => {
    expect(twice([gaze], [gaze, { ...gaze, certainty: "sure" }])?.label).toBe("gaze");
    expect(twice([gaze, smile], [gaze, { ...smile, label: "gaze" }])?.label).toBe("gaze");
    const moved = { ...gaze, start_ms: 10 };
    expect(twice([gaze, moved], [gaze, gaze])).toEqual(gaze);
    expect(twice([gaze], [gaze, smile, moved, { ...gaze, tier: "odd" }])).toBe(null);
  });

  it("that stands twice already stops nothing", () => {
    expect(twice([gaze, gaze], [gaze, gaze, smile])).toBe(null);
    expect(twice([gaze, gaze], [gaze, gaze, gaze])).toEqual(gaze);
    expect(once([gaze, smile, { ...gaze }])).toEqual([gaze, smile]);
  });
});

describe("an undone action", () => {
  it("brings marks back that were not there", () => {
    const [one, other] = [made("ah", 0, 50), made("cue", 0, 50, "gaze")];
    expect(appeared([one], [{ ...one }, other])).toEqual([other]);
    expect(appeared([one], [{ ...one, certainty: "sure" }])).toHaveLength(1);
    expect(appeared([one, other], [one])).toEqual([]);
  });
});

describe("the line of time", () => {
  it("has times at round steps with room for each", () => {
    expect([800, 100, 20, 3, 0.3].map((px_per_s) => stepFor(px_per_s, 64))).toEqual([100, 1000, 5000, 30_000, 300_000]);
    expect(ticks(900, 3100, 500)).toEqual([1000, 1500, 2000, 2500, 3000]);
    expect(ticks(0, 4999, 5000)).toEqual([0]);
  });

  it("has no more decimals than the step needs", () => {
    expect([shortClock(65_000, 5000), shortClock(65_200, 200), shortClock(650, 10)]).toEqual(["1:05", "1:05.2", "0:00.65"]);
  });
});

class Memory {
  private readonly all = new Map<string, string>();
  getItem = (name: string): string | null => this.all.get(name) ?? null;
  setItem = (name: string, text: string): void => void this.all.set(name, text);
  removeItem = (name: string): void => void this.all.delete(name);
  key = (k: number): string | null => [...this.all.keys()][k] ?? null;
  get length(): number {
    return this.all.size;
  }
}

describe("the language that was chosen", () => {
  it("is kept until it is forgotten", () => {
    const tab = new Memory();
    const store = (): Memory => tab;
    expect(keptLanguage(store)).toBe(null);
    keepLanguage(store, "fr");
    expect(keptLanguage(store)).toBe("fr");
    forgetLanguage(store);
    expect([keptLanguage(store), tab.length]).toEqual([null, 0]);
  });

  it("is none where something else is kept, or nothing may be", () => {
    const tab = new Memory();
    keepLanguage(() => tab, "fr");
    tab.setItem(tab.key(0) ?? "", "de");
    expect(keptLanguage(() => tab)).toBe(null);
    const forbidden = (): Memory => {
      throw new Error("SecurityError");
    };
    keepLanguage(forbidden, "fr");
    forgetLanguage(forbidden);
    expect(keptLanguage(forbidden)).toBe(null);
  });
});

describe("a place on a recording", () => {
  const here: Kept = { frame: 7, speed: 2, zoom: 1.5, chosen: mark(0, 9), begun: { tier: "ah", frame: 4 } };

  it("is kept for each desk, and forgotten for another coder", () => {
    const store = new Memory();
    store.setItem("another's", "x");
    keep(store, "a", here);
    keep(store, "b", { ...here, begun: null });
    expect([kept(store, "a"), kept(store, "b")?.begun, kept(store, "c")]).toEqual([here, null, null]);
    forget(store);
    expect([kept(store, "a"), kept(store, "b"), store.length]).toEqual([null, null, 1]);
  });

  it("that cannot be used is none", () => {
    const store = new Memory();
    for (const text of ["{", "{}", "null", '{"frame":1,"speed":0,"zoom":1}']) {
      store.setItem("twomind-desk a", text);
      expect(kept(store, "a")).toBe(null);
    }
  });
});

describe("a refusal", () => {
  const refused = { code: "incomplete", message: "cue: the mark at 1.500 s has no label.", said: { why: "no_label", tier: "cue", at_ms: 1500 } };

  it("says what to do where nothing more can be saved", () => {
    const advice = "load the page again";
    expect(refusalAndAdvice(refused, false, BOOK)).not.toContain(advice);
    expect(refusalAndAdvice(refused, true, BOOK)).toContain(advice);
    expect(refusalAndAdvice({ code: "differs", message: "" }, false)).toContain(advice);
  });

  it("is told in the language of the page", () => {
    expect(refusalText(refused, BOOK)).toBe("cue: the mark at 0:01.500 has no label.");
    useLanguage("fr");
    const french = refusalText(refused, BOOK);
    const unknown = refusalText({ code: "strange", message: "Strange." });
    useLanguage("en");
    expect(french).toBe("cue (fr)\u00a0: la marque à 0:01.500 n'a pas d'étiquette.");
    expect(unknown).toBe("Le serveur a refusé (en anglais)\u00a0: Strange.");
    expect(refusalText({ code: "strange", message: "Strange." })).toBe("Strange.");
  });
});
