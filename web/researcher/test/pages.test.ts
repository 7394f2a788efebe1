import { describe, expect, it, vi } from "vitest";
import { absentTexts, faultText, valueTexts } from "../src/faults.js";
import messages from "../src/messages.json" with { type: "json" };
import type { Findings } from "../src/types.js";
import { firstLanguage, said, setLanguage, t } from "../src/words.js";

const FINDINGS: Findings = {
  values: { length_s: 12.34, face_share: 0.25, speech_s: null, level_dbfs: -51.2, n_words: 0 },
  faults: [],
  not_measured: [{ what: "face", reason: "needs twomind[face]" }],
  remarks: [],
  proposal: "again",
};

function language(name: "en" | "fr"): void {
  vi.stubGlobal("document", { documentElement: { lang: "" } });
  setLanguage(name);
}

describe("words", () => {
  const placeholders = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();

  it.each(Object.entries(messages))("%s stands in both languages with the same gaps", (_, text) => {
    expect(text.en).not.toBe("");
    expect(text.fr).not.toBe("");
    expect(placeholders(text.fr)).toEqual(placeholders(text.en));
  });

  it("keeps a code that has no message", () => {
    language("en");
    expect(said("fault", "of_tomorrow")).toBe("of_tomorrow");
    expect(t("done_of", { n: 2, all: 8 })).toBe("2 of 8");
  });

  it("begins in the language of the address, else of the browser", () => {
    expect(firstLanguage("/fr/researcher", ["en"])).toBe("fr");
    expect(firstLanguage("/researcher", ["de", "fr-CA", "en"])).toBe("fr");
    expect(firstLanguage("/researcher", ["de"])).toBe("en");
  });
});

describe("what the quality control found", () => {
  it.each([
    [{ code: "face_seldom", value: 0.25, limit: 0.5 }, "25%"],
    [{ code: "face_because", value: "too dark", limit: null }, "too dark"],
    [{ code: "ended_by_itself", value: "tab_closed", limit: null }, "the tab was closed"],
    [{ code: "incomplete", value: 13.24, limit: 19.2 }, "13.2 s"],
    [{ code: "too_quiet", value: -61, limit: -50 }, "-61 dB"],
    [{ code: "black", value: 0.5, limit: 0.2 }, "50%"],
    [{ code: "other_language", value: "fr", limit: null }, "French"],
  ])("%o", (fault, part) => {
    language("en");
    expect(faultText(fault)).toContain(part);
    expect(faultText(fault)).not.toMatch(/[{}]/);
  });

  it("tells what was measured and what was not, in French too", () => {
    language("fr");
    expect(valueTexts(FINDINGS)).toHaveLength(4);
    expect(absentTexts(FINDINGS)).toEqual(["non mesuré\u00a0: visage\u00a0: needs twomind[face]"]);
  });
});
