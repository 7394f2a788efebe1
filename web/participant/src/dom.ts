type Child = Node | string | null;
type Attributes = Record<string, string | number | boolean | ((event: Event) => void)>;

/** An element; `on…` attributes are listeners, `true` and `false` are presence and absence. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Paragraphs of a text that has empty lines between them. */
export function paragraphs(text: string): HTMLElement[] {
  const parts = text.split(/\n\s*\n/).filter((part) => part.trim() !== "");
  return parts.map((part) => el("p", {}, part.trim()));
}

/** Shows a page: the heading gets the focus, so that keyboard and screen reader begin there. */
export function show(title: string, ...children: Child[]): HTMLElement {
  const heading = el("h1", { tabindex: -1 }, title);
  const main = document.getElementById("main") as HTMLElement;
  main.replaceChildren(heading, ...children.filter((child) => child !== null));
  document.title = title;
  window.scrollTo(0, 0);
  heading.focus();
  return main;
}

/** A button that works once, so that a double press does nothing twice; the next page has its own. */
export function button(label: string, press: () => void, kind = "main"): HTMLButtonElement {
  const one = el("button", { type: "button", class: kind }, label);
  one.addEventListener("click", press, { once: true });
  return one;
}

/** A button's press, awaited. */
export function pressed(...buttons: HTMLButtonElement[]): Promise<HTMLButtonElement> {
  return new Promise((resolve) => {
    for (const one of buttons) one.addEventListener("click", () => resolve(one), { once: true });
  });
}
