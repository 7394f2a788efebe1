import type { Study } from "../types.js";
import { t } from "../words.js";

/** What an item is called on every page: its place in this person's order. */
export function titleOf(study: Study, item: string): string {
  const n = study.prompts.findIndex((prompt) => prompt.id === item) + 1;
  if (n === 0) return t("neutral_title");
  return t("prompt_title", { n, total: study.prompts.length });
}
