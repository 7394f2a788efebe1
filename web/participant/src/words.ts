import messages from "./messages.json" with { type: "json" };
import { inLanguage, typeset } from "../../typography.js";
import type { Language, Text } from "./types.js";

export type Message = keyof typeof messages;

let language: Language = "en";

export function setLanguage(next: Language): void {
  language = next;
  document.documentElement.lang = next;
}

export function currentLanguage(): Language {
  return language;
}

/** A message in the person's language; `{name}` is replaced. */
export function t(message: Message, values: Record<string, string | number> = {}): string {
  const text = typeset(messages[message][language], language);
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

/** A text of the study, in the person's language or in the one there is. */
export function of(text: Text | undefined): string {
  return inLanguage(text, language);
}

/** The language to begin with: the address, then the browser's wish; one that the study has. */
export function firstLanguage(path: string, wishes: readonly string[], has: Language[]): Language {
  const asked = path.startsWith("/fr/") ? ["fr"] : wishes.map((wish) => wish.slice(0, 2));
  const found = asked.find((wish): wish is Language => (has as string[]).includes(wish));
  return found ?? has[0] ?? "en";
}
