import type { Fault, Findings } from "./types.js";
import { languageName, number, percent, said, t } from "./words.js";

/** How the number of a fault is written. */
const SHARES = new Set(["face_seldom", "clipped", "black", "several_faces"]);
const REASONS: Record<string, string> = { ended_by_itself: "stop", face_because: "face" };

function shown(fault: Fault, value: number | string | null): string {
  if (value === null) return "";
  if (fault.code === "other_language") return languageName(String(value));
  if (typeof value === "string") return said(REASONS[fault.code] ?? "", value.replaceAll(" ", "_"));
  return SHARES.has(fault.code) ? percent(value) : number(value);
}

/** A fault as a sentence. */
export function faultText(fault: Fault): string {
  const value = shown(fault, fault.value);
  return said("fault", fault.code, { value, limit: shown(fault, fault.limit) });
}

/** What could not be measured, and why, as sentences. */
export function absentTexts(findings: Findings): string[] {
  return findings.not_measured.map((one) =>
    t("not_measured", { what: said("what", one.what), reason: one.reason }),
  );
}

/** What was measured, as short lines; what was not is left out. */
export function valueTexts(findings: Findings): string[] {
  const lines: string[] = [];
  const { length_s, face_share, speech_s, level_dbfs, n_words } = findings.values;
  if (typeof length_s === "number") lines.push(t("value_length", { value: number(length_s) }));
  if (typeof face_share === "number") lines.push(t("value_face", { value: percent(face_share) }));
  if (typeof speech_s === "number") lines.push(t("value_speech", { value: number(speech_s) }));
  if (typeof level_dbfs === "number") lines.push(t("value_level", { value: number(level_dbfs) }));
  if (typeof n_words === "number") lines.push(t("value_words", { value: n_words }));
  return lines;
}
