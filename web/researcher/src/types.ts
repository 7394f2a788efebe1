import type { Codebook } from "../../coder/src/types.js";

/** What the server says to a researcher (docs/study/protocol.md). */

export type Language = "en" | "fr";
export type Text = Partial<Record<Language, string>>;
export type Verdict = "usable" | "again" | "exclude";
export type Shown = Verdict | "waiting" | "open" | "all";

export interface StudyItem {
  id: string;
  response: string;
  text: Text;
}

export interface Study {
  id: string;
  title: Text;
  languages: Language[];
  items: StudyItem[];
  warnings: { code: string; about: string }[];
  measuring: { enabled: boolean; model: string; speech_model: string };
}

export interface Quota {
  counted: number;
  quota: number | null;
}

export interface Person {
  id: string;
  kind: "participant" | "test";
  state: string;
  external_id: string;
  language: string;
  consent: Record<string, boolean>;
  consent_current: boolean;
  items: Record<string, string>;
  done: number;
  days: string[];
  created: string;
  seen: string;
  finished: string | null;
  withdrawing: string | null;
}

export interface OwnRecording {
  id: string;
  item: string;
  state: string;
  quality: string;
  proposal: string;
  bytes: number;
  at: string;
}

export interface OnePerson extends Person {
  recordings: OwnRecording[];
}

export interface People extends Quota {
  languages: Record<string, Quota>;
  people: Person[];
  tests: Person[];
}

export interface Fault {
  code: string;
  value: number | string | null;
  limit: number | null;
}

export interface NotMeasured {
  what: string;
  reason: string;
}

export interface Findings {
  values: Record<string, number | string | boolean | null>;
  faults: Fault[];
  not_measured: NotMeasured[];
  remarks: string[];
  proposal: "" | Verdict;
}

export interface Queued {
  id: string;
  person: string;
  external_id: string;
  test: boolean;
  item: string;
  state: string;
  bytes: number;
  at: string;
  quality: string;
  proposal: "" | Verdict;
  measured: string | null;
  findings: Findings | null;
}

export interface Queue {
  recordings: Queued[];
  more: boolean;
  counts: Record<Exclude<Shown, "all">, number>;
  measuring: number;
}

export interface Decision {
  at: string;
  by: string;
  verdict: Verdict;
  reason: string;
}

export interface Detail extends Queued {
  manifest: { duration_ms: number | null; stop_reason: string; mime: string };
  decisions: Decision[];
  takes: { id: string; state: string; quality: string; stop_reason: string; at: string }[];
  may_ask_again: boolean;
  revisions: number;
  prompt: Text;
  response: string;
}

export interface Version {
  revision: number;
  by: string;
  at: string;
  text: string;
  source: string;
  remarks: string[];
}

export interface Result {
  measured: string | null;
  model: { name: string; variant: string };
  limits: { population: string; not_for: string[]; when: string };
  prediction: {
    status: string | null;
    reason: string | null;
    probability: number | null;
    band_95: [number, number] | null;
    band_95_reason: string | null;
    meaning: string | null;
  };
  cues: Record<string, number>;
  not_measured: NotMeasured[];
}

export interface Link {
  name?: string;
  label?: string;
  person?: string;
  link: string;
}

export interface Panel {
  id: string;
  label: string;
  created: string;
  revoked: boolean;
  link: string;
}

export interface Coder {
  id: string;
  name: string;
  created: string;
  recordings: number;
}

export interface Log {
  whole: boolean;
  broken_at: number | null;
  lines: { id: number; at: string; who: string; what: string; about: string }[];
}

export interface CodingOverview {
  codebook: Codebook;
  /** How many gold clips there are, and how many coders are tested on; null where nobody is tested. */
  admission: { gold: number; needed: number | null };
  coders: {
    id: string;
    name: string;
    pseudonym: string;
    outside: boolean;
    admitted: boolean;
    gold: { recording: string; at: string; kappa: number | null }[];
  }[];
  recordings: {
    id: string;
    item: string;
    at: string;
    coders: { id: string; pseudonym: string; state: "assigned" | "begun" | "done" }[];
    agreed: boolean;
    gold: boolean;
  }[];
}

export interface Pair {
  a: string;
  b: string;
  kappa?: number | null;
  kappa_interval?: [number, number] | null;
  alpha?: number | null;
  event_f1?: number | null;
  n_answers: number;
  answers_same: number;
}

export interface Agreement {
  not_yet?: string;
  tier: string;
  pairs?: Pair[];
  together?: Record<string, { alpha?: number | null; raters: string[] }>;
}
