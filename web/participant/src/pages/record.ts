import { openStream, type Recorder, type Trouble } from "@twomind/recorder";
import type { App } from "../app.js";
import { button, el, paragraphs, pressed, show } from "../dom.js";
import { isInterrupted, open } from "../plan.js";
import type { Item } from "../types.js";
import { of, t } from "../words.js";
import { videoOf } from "./check.js";
import { deviceHelp } from "./problem.js";
import { titleOf } from "./titles.js";

/** One prompt after the other; the next never waits for the network. */
export async function record(app: App): Promise<void> {
  const [item] = open(app.study, app.me, app.here);
  if (item === undefined) return app.go();
  const skip = isInterrupted(item, app.me, app.here) ? keepButton() : null;
  if ((await pressed(...invite(app, item, skip))) === skip) return kept(app, item);
  await answer(app, item);
}

function keepButton(): HTMLButtonElement {
  return button(t("keep_interrupted"), () => undefined, "plain");
}

/** In the neutral clip people look into the camera: they are not asked to speak. */
function isNeutral(app: App, item: Item): boolean {
  return app.study.prompts.every((prompt) => prompt.id !== item.id);
}

function kept(app: App, item: Item): Promise<void> {
  app.here.stored.add(item.id);
  return app.go();
}

function invite(app: App, item: Item, skip: HTMLButtonElement | null): HTMLButtonElement[] {
  const begin = button(t("begin"), () => undefined);
  show(
    titleOf(app.study, item.id),
    skip === null ? null : el("p", { class: "warning" }, t("was_interrupted")),
    el("p", {}, t(isNeutral(app, item) ? "ready_neutral" : "ready", { seconds: item.max_s })),
    el("div", { class: "buttons" }, begin, skip),
    el("p", { class: "small" }, t("pause_hint")),
  );
  return skip === null ? [begin] : [begin, skip];
}

async function answer(app: App, item: Item): Promise<void> {
  const alert = el("p", { role: "alert", class: "warning", hidden: true });
  const tell = (trouble: Trouble): void => {
    alert.textContent = t(trouble);
    alert.hidden = false;
  };
  let recorder: Recorder;
  try {
    recorder = await begun(app, item, tell);
  } catch (error) {
    const again = button(t("retry"), () => void answer(app, item));
    show(titleOf(app.study, item.id), deviceHelp(error), again);
    return;
  }
  const stop = button(t("done"), () => void recorder.stop("button"));
  const left = el("span", { class: "left" });
  const lamp = el("p", { class: "lamp" }, el("span", { class: "dot" }), t("recording"), left);
  show(titleOf(app.study, item.id), el("div", { class: "prompt" }, ...paragraphs(of(item.text))), lamp, alert, stop);
  recorder.mark("prompt_shown", { item: item.id });
  // Nobody leaves a recording by a link in the footer.
  document.body.classList.add("busy");
  const clock = setInterval(() => tick(recorder, item, left, stop), 200);
  tick(recorder, item, left, stop);
  const { stopReason } = await recorder.finished;
  clearInterval(clock);
  document.body.classList.remove("busy");
  if (stopReason === "button" || stopReason === "time_limit") return after(app, item);
  app.here.interrupted.add(item.id);
  return record(app);
}

/** The devices are opened again when they ended, and the permission is checked at each start. */
async function begun(app: App, item: Item, tell: (trouble: Trouble) => void): Promise<Recorder> {
  const alive = app.stream?.getTracks().every((track) => track.readyState === "live");
  if (app.stream === null || !alive) {
    app.stream = await openStream({ ...app.devices, ...videoOf(app) });
  }
  const { chunk_ms: chunkMs, mime } = app.study.recording;
  const recorder = app.session.recorder(app.stream, {
    item: item.id,
    chunkMs,
    mime,
    maxMs: item.max_s * 1000,
    onTrouble: tell,
  });
  await recorder.start();
  return recorder;
}

function tick(recorder: Recorder, item: Item, left: HTMLElement, stop: HTMLButtonElement): void {
  const passed = recorder.mediaMs / 1000;
  const seconds = Math.max(0, Math.ceil(item.max_s - passed));
  left.textContent = t("left", { seconds });
  stop.disabled = passed < item.min_s;
}

async function after(app: App, item: Item): Promise<void> {
  const left = takesLeft(app, item);
  if (left === 0) return kept(app, item);
  const keep = button(t("keep_take"), () => undefined);
  const again = button(t("another_take", { left }), () => undefined, "plain");
  const choice = el("div", { class: "buttons" }, keep, again);
  show(titleOf(app.study, item.id), el("p", { role: "status" }, t("recorded")), choice);
  if ((await pressed(keep, again)) === again) return answer(app, item);
  return kept(app, item);
}

/** Counts this take off here: the server may not know of it yet. */
function takesLeft(app: App, item: Item): number {
  const state = app.me.items.find((other) => other.id === item.id);
  if (state === undefined) return 0;
  state.takes_left = Math.max(0, state.takes_left - 1);
  return state.takes_left;
}
