/** Spaces at which a line may not break, as each language sets them. The same rule as twomind.core.typography. */

const NO_BREAK = "\u00a0";
const NARROW = "\u202f";
/** What follows a mark that ends a piece of text; in an address or in code a letter follows. */
const ENDS = "(?![\\w/=-])";
// Without looking behind: Safari before 16.4 cannot.
const RULES: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`(^|\\S) (?=[;!?]+${ENDS})`, "gu"), `$1${NARROW}`],
  [new RegExp(`(^|\\S) (?=:${ENDS}|»)`, "gu"), `$1${NO_BREAK}`],
  [/([\d}]) (?=%)/gu, `$1${NO_BREAK}`],
  [/« /gu, `«${NO_BREAK}`],
];

/** A text with the no-break spaces of its language: in French before `: ; ! ? % »` and after `«`. */
export function typeset(text: string, language: string): string {
  if (language !== "fr") return text;
  return RULES.reduce((said, [place, set]) => said.replace(place, set), text);
}

/** A text of a study in a language, or in the one there is. */
export function inLanguage(
  text: Partial<Record<string, string>> | undefined,
  language: string,
  otherwise = "",
): string {
  const own = text?.[language];
  if (own !== undefined) return typeset(own, language);
  const [code, other] = Object.entries(text ?? {})[0] ?? ["", otherwise];
  return typeset(other ?? otherwise, code);
}
