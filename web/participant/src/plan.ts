import type { Item, ItemState, Me, Study } from "./types.js";

export type Step = "consent" | "declined" | "check" | "record" | "end";

/** What is known here and not yet on the server. */
export interface Here {
  /** Devices were checked since this page was opened: a permission does not outlive a page. */
  checked: boolean;
  /** Items whose answer is in this browser's store. */
  stored: Set<string>;
  /** Items whose recording ended by itself: offered again, and may be left as they are. */
  interrupted: Set<string>;
}

/** The items that still want an answer, in this person's order, the neutral clip first. */
export function open(study: Study, me: Me, here: Here): Item[] {
  const items = study.neutral === null ? study.prompts : [study.neutral, ...study.prompts];
  if (me.finished) return items.filter((item) => askedAgain(item, me, here));
  return items.filter((item) => wanted(item, me, here));
}

/** Of somebody who has finished, only what the study asks for once more. */
function askedAgain(item: Item, me: Me, here: Here): boolean {
  return stateOf(item, me)?.state === "again" && !here.stored.has(item.id);
}

/** Whether the last recording of an item ended by itself: a closed tab, a camera unplugged. */
export function isInterrupted(item: Item, me: Me, here: Here): boolean {
  return here.interrupted.has(item.id) || stateOf(item, me)?.state === "interrupted";
}

function stateOf(item: Item, me: Me): ItemState | undefined {
  return me.items.find((state) => state.id === item.id);
}

function wanted(item: Item, me: Me, here: Here): boolean {
  if (here.stored.has(item.id)) return false;
  if (isInterrupted(item, me, here)) return true;
  const state = stateOf(item, me);
  if (state === undefined) return true;
  // Part of an answer came from another device, and its end did not.
  if (state.state === "uploading") return state.takes_left > 0;
  return state.state !== "complete";
}

/** Where the person is: consent before anything that opens a camera. */
export function step(study: Study, me: Me, here: Here): Step {
  if (!me.consent.current) return "consent";
  if (!me.consent.may_record) return "declined";
  if (open(study, me, here).length === 0) return "end";
  return here.checked ? "record" : "check";
}
