import messages from "./messages.json" with { type: "json" };
import { inLanguage, typeset } from "../../typography.js";
import type { Language, Text } from "./types.js";

export type Message = keyof typeof messages;

let language: Language = "en";

export function setLanguage(next: Language): void {
  language = next;
  document.documentElement.lang = next;
}

/** The same where another page has set the document's language already. */
export function useLanguage(next: Language): void {
  language = next;
}

export function currentLanguage(): Language {
  return language;
}

/** A message; `{name}` is replaced. */
export function t(message: Message, values: Record<string, string | number> = {}): string {
  const text = typeset(messages[message][language], language);
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

/** A text of the study or of the codebook. */
export function of(text: Text | undefined, otherwise = ""): string {
  return inLanguage(text, language, otherwise);
}

/** The language to begin with: the address, then the browser's wish. */
export function firstLanguage(path: string, wishes: readonly string[]): Language {
  if (path.startsWith("/fr/")) return "fr";
  const wish = wishes.map((one) => one.slice(0, 2)).find((one) => one === "fr" || one === "en");
  return wish === "fr" ? "fr" : "en";
}

/** Milliseconds as minutes, seconds and thousandths. */
export function clock(ms: number): string {
  const whole = Math.max(0, Math.round(ms));
  const seconds = Math.floor(whole / 1000);
  const rest = String(whole % 1000).padStart(3, "0");
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}.${rest}`;
}
