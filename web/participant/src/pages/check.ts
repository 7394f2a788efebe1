import { chooseMime, type Levels, openStream, StreamWatch } from "@twomind/recorder";
import { type App, closeStream } from "../app.js";
import { button, el, pressed, show } from "../dom.js";
import { type Message, t } from "../words.js";
import { deviceHelp } from "./problem.js";

/**
 * The largest level and the mean light of a test, as they are judged and sent. Null: this browser
 * measures no sound (Firefox without loudspeakers); the person hears for themselves.
 */
export interface Measured {
  light: number;
  level_db: number | null;
}

interface Limits {
  min_light: number;
  max_light: number;
  min_level_db: number;
}

/** What is wrong with a test, if anything. */
export function judge(measured: Measured, limits: Limits): Message | undefined {
  if (measured.light < limits.min_light) return "too_dark";
  if (measured.light > limits.max_light) return "too_bright";
  if (measured.level_db === null) return undefined;
  return measured.level_db < limits.min_level_db ? "too_quiet" : undefined;
}

/** Camera and microphone: chosen, measured, tried by counting aloud, and seen again. */
export function check(app: App): void {
  const start = button(t("open_devices"), () => void open(app));
  const copy = el("a", { href: "/api/consent/copy", download: true }, t("consent_copy"));
  show(t("check_title"), el("p", {}, t("check_intro")), start, el("p", { class: "small" }, copy));
}

async function open(app: App): Promise<void> {
  closeStream(app);
  try {
    app.stream = await openStream({ ...app.devices, ...videoOf(app) });
  } catch (error) {
    const again = button(t("retry"), () => void open(app));
    show(t("check_title"), deviceHelp(error), again);
    return;
  }
  await tryOut(app, app.stream);
}

export function videoOf(app: App): { width: number; height: number; frameRate: number } {
  const { width, height, frame_rate: frameRate } = app.study.recording.video;
  return { width, height, frameRate };
}

async function tryOut(app: App, stream: MediaStream): Promise<void> {
  const level = el("meter", { min: -60, max: 0, low: app.study.checks.min_level_db, id: "level" });
  const { min_light: low, max_light: high } = app.study.checks;
  const light = el("meter", { min: 0, max: 255, low, high, optimum: 128, id: "light" });
  const starter = button(t("count_start"), () => undefined);
  const stopper = button(t("count_stop"), () => undefined);
  stopper.hidden = true;
  const count = app.study.checks.count_to;
  show(
    t("check_title"),
    mirror(stream),
    el("div", { class: "row" }, el("label", { for: "level" }, t("level")), level),
    el("div", { class: "row" }, el("label", { for: "light" }, t("light")), light),
    ...(await choosers(app, stream)),
    el("p", {}, t("count", { count })),
    el("div", { class: "buttons" }, starter, stopper),
  );
  const looks: Levels[] = [];
  let counting = false;
  const watch = new StreamWatch(stream, (levels) => {
    level.value = Math.max(-60, levels.levelDb || -60);
    light.value = levels.light || 0;
    if (counting) looks.push(levels);
    if (!level.isConnected) watch.stop();
  });
  await pressed(starter);
  starter.hidden = true;
  stopper.hidden = false;
  stopper.focus();
  counting = true;
  const film = await recordUntil(stream, pressed(stopper));
  watch.stop();
  result(app, measure(looks), film);
}

/** One's own picture as in a mirror, with an oval for the face. */
function mirror(stream: MediaStream): HTMLElement {
  const video = el("video", { muted: true, playsinline: true, "aria-label": t("your_picture") });
  video.muted = true;
  video.srcObject = stream;
  void video.play().catch(() => undefined);
  return el("div", { class: "mirror" }, video, el("div", { class: "oval", "aria-hidden": "true" }));
}

async function choosers(app: App, stream: MediaStream): Promise<HTMLElement[]> {
  const devices = await navigator.mediaDevices.enumerateDevices();
  const used = stream.getTracks().map((track) => track.getSettings().deviceId);
  const chooser = (kind: string, name: "camera" | "microphone"): HTMLElement => {
    const select = el("select", { id: name });
    const found = devices.filter((device) => device.kind === kind);
    for (const [n, device] of found.entries()) {
      const label = device.label || `${t(name)} ${n + 1}`;
      const selected = used.includes(device.deviceId);
      select.append(el("option", { value: device.deviceId, selected }, label));
    }
    select.addEventListener("change", () => {
      app.devices[name] = select.value;
      void open(app);
    });
    return el("div", { class: "row" }, el("label", { for: name }, t(name)), select);
  };
  return [chooser("videoinput", "camera"), chooser("audioinput", "microphone")];
}

/** A short film that never leaves this page. */
async function recordUntil(stream: MediaStream, end: Promise<unknown>): Promise<Blob> {
  const mime = chooseMime((type) => MediaRecorder.isTypeSupported(type), navigator.userAgent);
  const media = new MediaRecorder(stream, mime === "" ? {} : { mimeType: mime });
  const parts: Blob[] = [];
  media.ondataavailable = (event) => parts.push(event.data);
  media.start(500);
  await end;
  await new Promise((resolve) => {
    media.onstop = resolve;
    media.stop();
  });
  return new Blob(parts, { type: media.mimeType });
}

export function measure(looks: Pick<Levels, "light" | "levelDb">[]): Measured {
  const lights = looks.map((look) => look.light).filter((light) => !Number.isNaN(light));
  const unmeasured = looks.length > 0 && looks.every((look) => Number.isNaN(look.levelDb));
  const levels = looks.map((look) => look.levelDb).filter((level) => Number.isFinite(level));
  const light = lights.reduce((sum, one) => sum + one, 0) / Math.max(1, lights.length);
  return { light: round(light), level_db: unmeasured ? null : round(Math.max(-120, ...levels)) };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function result(app: App, measured: Measured, film: Blob): void {
  const wrong = judge(measured, app.study.checks);
  if (wrong !== undefined) {
    const light = Math.round(measured.light);
    const warning = el("p", { role: "alert", class: "warning" }, t(wrong, { light }));
    show(t("check_title"), warning, button(t("retry"), () => void open(app)));
    return;
  }
  const video = el("video", { controls: true, playsinline: true, "aria-label": t("test_recording") });
  video.src = URL.createObjectURL(film);
  const leave = (then: () => void) => () => {
    URL.revokeObjectURL(video.src);
    then();
  };
  show(
    t("check_title"),
    video,
    el("p", {}, t("playback")),
    el(
      "div",
      { class: "buttons" },
      button(t("good"), leave(() => void passed(app, measured))),
      button(t("not_good"), leave(() => void open(app)), "plain"),
    ),
  );
}

/** The person has said that face and sound are well. */
async function passed(app: App, measured: Measured): Promise<void> {
  await app.api.checked({ ...measured, face: true });
  app.here.checked = true;
  await app.go();
}
