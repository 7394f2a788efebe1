/** What the server says: the page "protocol" of the manual. */
export type Language = "en" | "fr";
export type Text = Partial<Record<Language, string>>;

export interface ConsentItem {
  id: string;
  required: boolean;
  text: Text;
}

export interface Item {
  id: string;
  text: Text;
  max_s: number;
  min_s: number;
  takes: number;
}

export interface Question {
  id: string;
  kind: "number" | "choice" | "text";
  text: Text;
  min?: number;
  max?: number;
  choices?: { id: string; text: Text }[];
}

export interface Study {
  title: Text;
  languages: Language[];
  contact: Text;
  consent: { version: number; sha256: Text; text: Text; items: ConsentItem[] };
  checks: { min_light: number; max_light: number; min_level_db: number; count_to: number };
  neutral: Item | null;
  prompts: Item[];
  metadata: Question[];
  recording: {
    chunk_ms: number;
    video: { width: number; height: number; frame_rate: number };
    mime: string[];
  };
  debriefing: Text;
  payment: Text;
  test: boolean;
}

export interface ItemState {
  id: string;
  state: "none" | "uploading" | "complete" | "interrupted" | "again";
  takes_left: number;
}

export interface ConsentState {
  /** The text that was answered is the text of today. */
  current: boolean;
  may_record: boolean;
  /** Of the text that was answered; null: none was. */
  version: number | null;
  answers: Record<string, boolean>;
}

export interface Me {
  /** Stable for this person, and says nothing else. */
  person?: string;
  language: Language;
  consent: ConsentState;
  checked: boolean;
  items: ItemState[];
  recordings: { id: string; item: string; state: string; bytes: number; at: string }[];
  withdrawing: string | null;
  finished: boolean;
}

export interface Consented {
  at: string;
  may_record: boolean;
  copy: string;
}

export interface Finish {
  redirect: string | null;
  code: string | null;
}
