// What a live session says. The JSON Schema of the same is at /api/live/events.schema.json.

/** `at_s` is the time of the media at which it was told, in seconds. */
interface Told {
  seq: number;
  at_s: number;
}

export interface CueBegan extends Told {
  event: "cue_began";
  id: number;
  kind: string;
  modality: string;
  start_s: number;
}

export interface CueEnded extends Told {
  event: "cue_ended";
  id: number;
  kind: string;
  modality: string;
  start_s: number;
  end_s: number;
  value: number | null;
  unit: string;
  detail: string;
}

/** A cue that had begun did not hold when more was known. */
export interface CueDropped extends Told {
  event: "cue_dropped";
  id: number;
  kind: string;
}

/**
 * Which side of a change a clause speaks for, with its quote. While somebody speaks it is judged by what
 * was said before; when all is said every clause is told again under its `index`, `settled`.
 */
export interface SideTold extends Told {
  event: "side_told";
  index: number;
  said: "change" | "sustain" | "neutral" | "cannot tell";
  quote: string;
  start_s: number;
  end_s: number;
  timed: boolean;
  p_change: number;
  p_sustain: number;
  p_neutral: number;
  sureness: number;
  settled: boolean;
}

/** `probs` are null where nothing was measured; `reason` says why. */
export interface WindowScored extends Told {
  event: "window_scored";
  index: number;
  start_s: number;
  end_s: number;
  classes: string[];
  status: string;
  reason: string;
  probs: number[] | null;
  unadapted: number[] | null;
}

export interface Adapted extends Told {
  event: "adapted";
  index: number;
  method: string;
  n_windows: number;
}

export interface NotMeasured extends Told {
  event: "not_measured";
  modality: string;
  reason: string;
}

export interface Measured extends Told {
  event: "measured";
  modality: string;
}

/** Pictures that came faster than the server could look. Sound is never left out. */
export interface PicturesDropped extends Told {
  event: "pictures_dropped";
  n: number;
  n_in_all: number;
}

export interface Finished extends Told {
  event: "finished";
  n_pictures: number;
  sound_s: number;
  n_words: number;
  n_windows: number;
  status: string;
  reason: string;
  probs: number[] | null;
}

/** The session's state is kept on the server under this id, and the session is over. */
export interface Exported {
  event: "exported";
  seq: number;
  state: string;
  sha256: string;
}

/** Something that was sent could not be used; the session goes on. */
export interface Trouble {
  event: "trouble";
  seq: number;
  code: string;
  message: string;
}

/** The server does not begin the session, or not this one. */
export interface Refused {
  event: "refused";
  status: number;
  error: string;
  message: string;
}

export type LiveEvent =
  | CueBegan
  | CueEnded
  | CueDropped
  | SideTold
  | WindowScored
  | Adapted
  | NotMeasured
  | Measured
  | PicturesDropped
  | Finished
  | Exported
  | Trouble
  | Refused;

/** What the line itself says, which is no event of the session. */
export interface Ready {
  event: "ready";
  session: string;
  resume_s: number;
  received: number;
}

export interface Received {
  event: "received";
  n: number;
}

export interface Word {
  text: string;
  start_s: number;
  end_s: number;
  confidence?: number;
}
