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

export function isMessage(name: string): name is Message {
  return name in messages;
}

/** A message; `{name}` is replaced. */
export function t(message: Message, values: Record<string, string | number> = {}): string {
  const text = typeset(messages[message][language], language);
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

/** The message of a code that the server says, or the code itself where there is none. */
export function said(prefix: string, code: string, values: Record<string, string> = {}): string {
  const name = `${prefix}_${code}`;
  return isMessage(name) ? t(name, values) : code;
}

/** A text of the study. */
export function of(text: Text | undefined): string {
  return inLanguage(text, language);
}

/** The language to begin with: the address, then the browser's wish. */
export function firstLanguage(path: string, wishes: readonly string[]): Language {
  if (path.startsWith("/fr/")) return "fr";
  const wish = wishes.map((one) => one.slice(0, 2)).find((one) => one === "fr" || one === "en");
  return wish === "fr" ? "fr" : "en";
}

export function when(stamp: string): string {
  const format = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  return format.format(new Date(stamp));
}

export function percent(share: number): string {
  return new Intl.NumberFormat(language, { style: "percent" }).format(share);
}

export function number(value: number, digits = 1): string {
  return new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
}

/** What a language is called; its code where the browser does not know it. */
export function languageName(code: string): string {
  try {
    return new Intl.DisplayNames([language], { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}
