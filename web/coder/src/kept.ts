import type { Mark } from "./types.js";

/** Where somebody was on a recording, for when they come back to it in this tab. */
export interface Kept {
  frame: number;
  speed: number;
  /** How much closer than the whole film the line of time was. */
  zoom: number;
  chosen: Mark | null;
  /** A mark that has begun and not ended: its tier, and its first picture. */
  begun: { tier: string; frame: number } | null;
}

const PREFIX = "twomind-desk ";
type Store = Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">;

/** Keeps a place; a browser without a store forgets it. */
export function keep(store: Store, desk: string, kept: Kept): void {
  try {
    store.setItem(PREFIX + desk, JSON.stringify(kept));
  } catch {
    // Full or forbidden: only the place is lost.
  }
}

/** The place that was kept for a desk; null where there is none, or none that can be used. */
export function kept(store: Store, desk: string): Kept | null {
  try {
    const found = JSON.parse(store.getItem(PREFIX + desk) ?? "null") as Kept | null;
    return found !== null && Number.isInteger(found.frame) && found.speed > 0 && found.zoom >= 1 ? found : null;
  } catch {
    return null;
  }
}

/** Forgets all places: another coder must see nothing of this one. */
export function forget(store: Store): void {
  const names = Array.from({ length: store.length }, (_, k) => store.key(k) ?? "");
  for (const name of names) if (name.startsWith(PREFIX)) store.removeItem(name);
}
