export type Language = "en" | "fr";
export type Text = Record<string, string>;

export interface Choice {
  id: string;
  key: string;
  text: Text;
}

export interface Tier {
  id: string;
  kind: "answer" | "ah" | "cue" | "inconsistency" | "other";
  modality: string;
  key: string;
  text: Text;
  labels: Choice[];
  free: boolean;
  certainty: boolean;
}

export interface Codebook {
  id: string;
  title: Text;
  tiers: Tier[];
  certainty: Choice[];
}

export interface Mark {
  tier: string;
  start_ms: number;
  end_ms: number;
  label: string;
  certainty: string;
}

/** What the server has of one coding. */
export interface State {
  revision: number;
  marks: Mark[];
  may_undo: boolean;
  may_redo: boolean;
  done: string | null;
}

export interface Word {
  text: string;
  start_s: number;
  end_s: number;
}

export interface Clip {
  id: string;
  item: string;
  prompt: Text;
  length_ms: number;
  times_ms: number[];
  peaks: number[];
  peaks_per_s: number;
  words: Word[];
  coding: State;
  /** Whether the film may be taken along. */
  film?: boolean;
  /** What others marked: for the team alone, which agrees on one coding. */
  others?: { coder: string; marks: Mark[] }[];
  gold?: boolean;
}

/** Where a coding is kept. */
export interface Desk {
  readonly media: string;
  readonly eaf: string;
  load(): Promise<Clip>;
  save(after: number, marks: Mark[]): Promise<State>;
  move(what: "undo" | "redo", after: number): Promise<State>;
  done(after: number): Promise<State>;
  takeEaf?(after: number, file: Blob): Promise<State>;
}

export interface Study {
  title: Text;
  languages: string[];
  codebook: Codebook;
}

export interface Listed {
  id: string;
  item: string;
  prompt: Text;
  state: "new" | "begun" | "done";
}

export interface Admission {
  admitted: boolean;
  clips?: number;
  done?: number;
  needed?: number;
  kappa?: number | null;
}
