/** The language that somebody chose, for when a page is loaded again in this tab. */

const NAME = "twomind-language";

/** Asked for when it is needed: a browser may forbid even to look at it. */
type Store = () => Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** Keeps a choice; a browser without a store forgets it. */
export function keepLanguage(store: Store, language: "en" | "fr"): void {
  try {
    store().setItem(NAME, language);
  } catch {
    // Full or forbidden: the address and the browser say the language once more.
  }
}

/** What was chosen in this tab; null where nobody chose. */
export function keptLanguage(store: Store): "en" | "fr" | null {
  try {
    const found = store().getItem(NAME);
    return found === "en" || found === "fr" ? found : null;
  } catch {
    return null;
  }
}

/** Forgets it: whoever comes next may want another. */
export function forgetLanguage(store: Store): void {
  try {
    store().removeItem(NAME);
  } catch {
    // Nothing was kept.
  }
}
