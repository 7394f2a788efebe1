import type { Message } from "./words.js";

/** The keys of the desk, as the help shows them. Those of tiers and labels come from the codebook. */
export const KEYS: readonly [string, Message][] = [
  ["Space", "key_space"],
  ["← →", "key_arrows"],
  ["J L", "key_jl"],
  ["[ ]", "key_speed"],
  ["S F W V B I A …", "key_tier"],
  ["Shift + F …", "key_shift_tier"],
  ["A–Z 0–9", "key_label"],
  [", .", "key_choose"],
  ["Enter", "key_enter"],
  ["Shift + ← →, Ctrl + ← →", "key_edges"],
  ["Shift + ↓, Ctrl + ↓", "key_edge_here"],
  ["E, C", "key_e"],
  ["Delete, Shift + Delete", "key_delete"],
  ["Z, Shift + Z", "key_undo"],
  ["+ −", "key_zoom"],
  ["0", "key_large"],
  ["Escape", "key_escape"],
  ["1 2 …", "key_take"],
  ["Ctrl + Enter", "key_done"],
];
