import { describe, expect, it, vi } from "vitest";
import messages from "../src/messages.json" with { type: "json" };
import { judge, measure } from "../src/pages/check.js";
import { deniedHere } from "../src/pages/problem.js";
import { type Here, open, step } from "../src/plan.js";
import type { Item, ItemState, Me, Study } from "../src/types.js";
import { firstLanguage, of, setLanguage, t } from "../src/words.js";

const item = (id: string): Item => ({ id, text: {}, max_s: 60, min_s: 1, takes: 1 });

const STUDY = {
  neutral: item("neutral"),
  prompts: ["q3", "q1", "q2"].map(item),
} as unknown as Study;

function me(change: Partial<Me> = {}, items: ItemState[] = []): Me {
  const consent = { current: true, may_record: true, version: 1, answers: {} };
  return { consent, items, finished: false, ...change } as unknown as Me;
}

function here(checked: boolean, ...stored: string[]): Here {
  return { checked, stored: new Set(stored), interrupted: new Set() };
}

const state = (id: string, is: ItemState["state"], takes_left = 1): ItemState => ({
  id,
  state: is,
  takes_left,
});

describe("where a person is", () => {
  const none = { current: false, may_record: false, version: null, answers: {} };

  it("asks for consent before anything else, and again when the text has changed", () => {
    expect(step(STUDY, me({ consent: none }), here(true))).toBe("consent");
    const old = { current: false, may_record: true, version: 1, answers: {} };
    expect(step(STUDY, me({ consent: old }), here(true))).toBe("consent");
  });

  it("records nothing of somebody who said no to what is required", () => {
    const no = { current: true, may_record: false, version: 1, answers: {} };
    expect(step(STUDY, me({ consent: no }), here(true))).toBe("declined");
  });

  it("checks the devices on each new page, then records, then ends", () => {
    expect(step(STUDY, me({ checked: true }), here(false))).toBe("check");
    expect(step(STUDY, me(), here(true))).toBe("record");
    const all = ["neutral", "q1", "q2", "q3"].map((id) => state(id, "complete"));
    expect(step(STUDY, me({}, all), here(false))).toBe("end");
  });

  it("keeps this person's order, the neutral clip first, and asks nothing twice", () => {
    const ids = (...items: ItemState[]): string[] =>
      open(STUDY, me({}, items), here(true, "q1")).map((one) => one.id);
    expect(ids()).toEqual(["neutral", "q3", "q2"]);
    expect(ids(state("neutral", "complete"), state("q3", "again"))).toEqual(["q3", "q2"]);
  });

  it("asks again for what another device began and never ended, if a take is left", () => {
    const half = (left: number): string[] =>
      open(STUDY, me({}, [state("q3", "uploading", left)]), here(true)).map((one) => one.id);
    expect(half(1)).toContain("q3");
    expect(half(0)).not.toContain("q3");
  });

  it("asks somebody who has finished for what the study wants once more, and for nothing else", () => {
    const items = [
      state("neutral", "complete"),
      state("q3", "again"),
      state("q1", "interrupted"),
      state("q2", "complete"),
    ];
    const done = me({ finished: true }, items);
    expect(open(STUDY, done, here(true)).map((one) => one.id)).toEqual(["q3"]);
    expect(step(STUDY, done, here(false))).toBe("check");
    expect(step(STUDY, done, here(true, "q3"))).toBe("end");
    const whole = me({ finished: true }, [state("q3", "complete")]);
    expect(step(STUDY, whole, here(true))).toBe("end");
  });

  it("offers once more what was interrupted, unless the person left it", () => {
    const items = [state("q3", "interrupted", 0), state("q1", "complete")];
    const ids = (where: Here): string[] => open(STUDY, me({}, items), where).map((one) => one.id);
    expect(ids(here(true, "neutral", "q2"))).toEqual(["q3"]);
    expect(ids(here(true, "neutral", "q2", "q3"))).toEqual([]);
    const closedTab = { ...here(true, "neutral", "q2", "q3"), interrupted: new Set(["q1"]) };
    expect(ids(closedTab)).toEqual(["q1"]);
  });
});

describe("device check", () => {
  const limits = { min_light: 40, max_light: 225, min_level_db: -45 };

  it.each([
    [{ light: 20, level_db: -20 }, "too_dark"],
    [{ light: 250, level_db: -20 }, "too_bright"],
    [{ light: 120, level_db: -60 }, "too_quiet"],
    [{ light: 120, level_db: -20 }, undefined],
  ])("%o: %s", (measured, wrong) => {
    expect(judge(measured, limits)).toBe(wrong);
  });

  it("refuses what could not be measured", () => {
    const nothing = measure([{ light: Number.NaN, levelDb: Number.NEGATIVE_INFINITY }]);
    expect(judge(nothing, limits)).toBe("too_dark");
    expect(measure([])).toEqual({ light: 0, level_db: -120 });
    expect(judge(measure([{ light: 100, levelDb: Number.NEGATIVE_INFINITY }]), limits)).toBe("too_quiet");
    expect(measure([{ light: 100, levelDb: -30 }, { light: 101, levelDb: -12.34 }])).toEqual({
      light: 100.5,
      level_db: -12.3,
    });
  });

  it("leaves the sound to the person where the browser measures none", () => {
    const unheard = measure([{ light: 100, levelDb: Number.NaN }]);
    expect(unheard).toEqual({ light: 100, level_db: null });
    expect(judge(unheard, limits)).toBeUndefined();
  });

  it.each([
    ["Mozilla/5.0 (X11) Gecko/20100101 Firefox/140.0", "denied_firefox"],
    ["Mozilla/5.0 AppleWebKit/537.36 Chrome/140.0 Safari/537.36", "denied_chrome"],
    ["Mozilla/5.0 (iPhone) AppleWebKit/605 Version/18.4 Safari/605", "denied_safari"],
  ])("%s gets its own help", (userAgent, help) => {
    expect(deniedHere(userAgent)).toBe(help);
  });
});

describe("words", () => {
  const placeholders = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();

  it.each(Object.entries(messages))("%s stands in both languages with the same gaps", (_, text) => {
    expect(text.en).not.toBe("");
    expect(text.fr).not.toBe("");
    expect(placeholders(text.fr)).toEqual(placeholders(text.en));
  });

  it("fills the gaps, and falls back to the language there is", () => {
    vi.stubGlobal("document", { documentElement: { lang: "" } });
    setLanguage("fr");
    expect(t("prompt_title", { n: 2, total: 7 })).toBe("Question 2 sur 7");
    expect(of({ en: "only English" })).toBe("only English");
    expect(of(undefined)).toBe("");
  });

  it("begins in the language of the address, else of the browser, else of the study", () => {
    expect(firstLanguage("/fr/join", ["en-CA"], ["en", "fr"])).toBe("fr");
    expect(firstLanguage("/join", ["fr-CA", "en"], ["en", "fr"])).toBe("fr");
    expect(firstLanguage("/join", ["de", "en-GB"], ["fr", "en"])).toBe("en");
    expect(firstLanguage("/join", ["de"], ["fr"])).toBe("fr");
  });
});
