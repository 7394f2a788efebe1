import { describe, expect, it, vi } from "vitest";
import coder from "../../coder/src/messages.json" with { type: "json" };
import { inLanguage, typeset } from "../../typography.js";
import participant from "../src/messages.json" with { type: "json" };
import researcher from "../../researcher/src/messages.json" with { type: "json" };
import { of, setLanguage, t } from "../src/words.js";

/** An ordinary space in French at which a line must not break. */
const BREAKS = /\S [;:!?»](?![\w/=-])|« |\d %/u;

describe("where a line may not break", () => {
  it.each([
    ["Oui ; non !", "Oui\u202f; non\u202f!"],
    ["Oui ?!", "Oui\u202f?!"],
    ["{p} : {n} %", "{p}\u00a0: {n}\u00a0%"],
    ["« a »", "«\u00a0a\u00a0»"],
    [" ; perdu", "\u202f; perdu"],
    ["a :b, x ?= 1, | :-- |", "a :b, x ?= 1, | :-- |"],
    ["https://a.org/?q : 12:30", "https://a.org/?q\u00a0: 12:30"],
  ])("%s", (written, set) => {
    expect(typeset(written, "fr")).toBe(set);
    expect(typeset(set, "fr")).toBe(set);
    expect(typeset(written, "en")).toBe(written);
  });

  it.each([["participant", participant], ["researcher", researcher], ["coder", coder]])("messages of the %s", (_, texts) => {
    for (const text of Object.values(texts)) expect(typeset(text.fr, "fr")).not.toMatch(BREAKS);
  });

  it("is in what the pages say, and in the texts of a study", () => {
    vi.stubGlobal("document", { documentElement: { lang: "" } });
    setLanguage("fr");
    expect(t("contact", { who: "Ana" })).toBe("Contact\u00a0: Ana");
    expect(of({ en: "Why?", fr: "Pourquoi ?" })).toBe("Pourquoi\u202f?");
    setLanguage("en");
    expect(of({ fr: "Pourquoi ?" })).toBe("Pourquoi\u202f?");
    expect(inLanguage(undefined, "fr", "q1")).toBe("q1");
  });
});
