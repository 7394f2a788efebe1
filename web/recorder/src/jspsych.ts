import { type JsPsych, type JsPsychPlugin, ParameterType, type TrialType } from "jspsych";
import type { Finished, Trouble } from "./recorder.js";
import type { RecordingSession } from "./session.js";

const info = {
  name: "twomind-record",
  version: "0.2.0",
  parameters: {
    /** The prompt, as HTML. */
    stimulus: { type: ParameterType.HTML_STRING, default: undefined },
    /** What is answered: the prompt's id on the server. */
    item: { type: ParameterType.STRING, default: undefined },
    /** A `RecordingSession`. */
    session: { type: ParameterType.OBJECT, default: undefined },
    /** A function that returns the `MediaStream`. */
    stream: { type: ParameterType.FUNCTION, default: undefined },
    /** Stops by itself after so many milliseconds; null: never. */
    max_ms: { type: ParameterType.INT, default: null },
    start_label: { type: ParameterType.STRING, default: "Start" },
    stop_label: { type: ParameterType.STRING, default: "Done" },
  },
  data: {
    recording: { type: ParameterType.STRING },
    item: { type: ParameterType.STRING },
    chunks: { type: ParameterType.INT },
    bytes: { type: ParameterType.INT },
    duration_ms: { type: ParameterType.FLOAT },
    stop_reason: { type: ParameterType.STRING },
    events: { type: ParameterType.COMPLEX, array: true },
    troubles: { type: ParameterType.STRING, array: true },
  },
} as const;

type Info = typeof info;

interface RecordData {
  recording: string;
  item: string;
  chunks: number;
  bytes: number;
  duration_ms: number;
  stop_reason: string;
  events: Finished["events"];
  troubles: Trouble[];
}

/** A jsPsych 8 trial: shows a prompt, records the answer, and goes on without waiting for the network. */
export default class RecordPlugin implements JsPsychPlugin<Info> {
  static info = info;

  constructor(_jsPsych: JsPsych) {}

  async trial(display: HTMLElement, trial: TrialType<Info>, onLoad: () => void): Promise<RecordData> {
    const session = trial.session as unknown as RecordingSession;
    const stream = (await trial.stream?.()) as MediaStream;
    const prompt = document.createElement("div");
    prompt.innerHTML = String(trial.stimulus);
    const button = document.createElement("button");
    button.className = "jspsych-btn";
    button.textContent = String(trial.start_label);
    display.replaceChildren(prompt, button);
    onLoad();
    await clicked(button);
    const troubles: Trouble[] = [];
    const recorder = session.recorder(stream, {
      item: String(trial.item),
      onTrouble: (trouble) => troubles.push(trouble),
      ...(trial.max_ms === null ? {} : { maxMs: Number(trial.max_ms) }),
    });
    await recorder.start();
    recorder.mark("prompt_shown");
    button.textContent = String(trial.stop_label);
    void clicked(button).then(() => recorder.stop("button"));
    const finished = await recorder.finished;
    display.replaceChildren();
    return dataOf(String(trial.item), finished, troubles);
  }
}

function dataOf(item: string, finished: Finished, troubles: Trouble[]): RecordData {
  return {
    recording: finished.id,
    item,
    chunks: finished.chunks,
    bytes: finished.bytes,
    duration_ms: finished.durationMs,
    stop_reason: finished.stopReason,
    events: finished.events,
    troubles,
  };
}

function clicked(button: HTMLButtonElement): Promise<void> {
  return new Promise((resolve) => {
    button.addEventListener("click", () => resolve(), { once: true });
  });
}
