import messages from "./messages.json" with { type: "json" };
import type { Codebook } from "./types.js";
import { clock, currentLanguage, type Message, of, t } from "./words.js";

/** A refusal of the server: `code` and the fields of its answer are for this program, the sentence is English. */
export interface Refusal {
  code: string;
  message: string;
  said?: Record<string, unknown>;
}

/** Why the server refused something, in the language of the page. */
export function refusalText(refusal: Refusal, codebook?: Codebook): string {
  const { code, message, said = {} } = refusal;
  const known = [`refused_${String(said.why ?? "")}`, `refused_${code}`].find((name) => name in messages);
  if (known !== undefined) return t(known as Message, values(said, codebook));
  return currentLanguage() === "en" ? message : t("refused_other", { message });
}

/** The same, and what to do where this page can save nothing more. */
export function refusalAndAdvice(refusal: Refusal, isOver: boolean, codebook?: Codebook): string {
  const why = refusalText(refusal, codebook);
  return isOver || refusal.code === "differs" ? `${why} ${t("load_again")}` : why;
}

/** What the gaps of a sentence are filled with. */
function values(said: Record<string, unknown>, codebook: Codebook | undefined): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(said)) found[name] = String(value);
  const tier = codebook?.tiers.find((one) => one.id === said.tier);
  const label = tier?.labels.find((one) => one.id === said.label);
  if (tier !== undefined) found.tier = of(tier.text, tier.id);
  if (label !== undefined) found.label = of(label.text, label.id);
  if (typeof said.at_ms === "number") found.at = clock(said.at_ms);
  return found;
}
