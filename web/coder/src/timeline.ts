import { el } from "../../participant/src/dom.js";
import { clamp, type Edge, loudness, rows, shortClock, stepFor, ticks } from "./marks.js";
import type { Clip, Codebook, Mark, Tier } from "./types.js";
import { clock, of, t } from "./words.js";

/** A line of marks under the waveform. */
interface Lane {
  name: string;
  tier: Tier;
  marks: readonly Mark[];
  /** Whether they can be chosen and dragged. */
  own: boolean;
}

export interface Hands {
  seek(at_ms: number): void;
  choose(mark: Mark): void;
  drag(mark: Mark, edge: Edge, at_ms: number, done: boolean): void;
  /** Of what another coder marked. */
  borrow(mark: Mark): void;
}

const HEIGHT = 56;
/** Below 1: speech is seen beside a cough. */
const SOFT = 0.6;
const MOST_PX_PER_S = 800;
/** The room that a written time takes, with what stands between two of them. */
const TIME_PX = 64;

/** The waveform with the marks under it, and the names of the lines beside it, where no mark covers them.
 * Everything here can also be done by keyboard. */
export class Timeline {
  readonly element: HTMLElement;
  private readonly view: HTMLElement;
  private readonly names = el("div", { class: "names", "aria-hidden": "true" });
  private readonly loud: number;
  private readonly canvas = el("canvas", { height: HEIGHT, "aria-hidden": "true" });
  private readonly times = el("div", { class: "times", "aria-hidden": "true" });
  private readonly inner = el("div", { class: "inner" });
  private readonly lanes = el("div", { class: "lanes" });
  private readonly head = el("div", { class: "head" });
  private readonly begun = el("div", { class: "begun", hidden: true });
  private px_per_s = 0;
  /** How much closer than the whole film it is shown. */
  closer = 1;

  constructor(
    private readonly clip: Clip,
    private readonly codebook: Codebook,
    private readonly hands: Hands,
  ) {
    this.loud = loudness(clip.peaks);
    this.inner.append(this.times, this.canvas, this.lanes, this.begun, this.head);
    this.view = el("div", { class: "timeline", role: "img", "aria-label": t("timeline") }, this.inner);
    this.element = el("div", { class: "tracks" }, this.names, this.view);
    this.view.addEventListener("scroll", () => this.draw());
    this.inner.addEventListener("pointerdown", (event) => this.pressed(event));
    new ResizeObserver(() => this.fit()).observe(this.view);
  }

  private get width(): number {
    return (this.clip.length_ms / 1000) * this.px_per_s;
  }

  /** Pixels per second with all of it in sight. */
  private get whole(): number {
    return (this.view.clientWidth * 1000) / Math.max(this.clip.length_ms, 1);
  }

  /** As close as before, also where the window has another width. */
  private fit(): void {
    this.px_per_s = this.whole * this.closer;
    this.resize();
  }

  zoom(by: number, at_ms: number): void {
    const most = Math.max(MOST_PX_PER_S / this.whole, 1);
    this.closer = clamp(this.closer * by, 1, most);
    this.fit();
    this.view.scrollLeft = this.x(at_ms) - this.view.clientWidth / 2;
  }

  private resize(): void {
    this.inner.style.width = `${this.width}px`;
    this.draw();
  }

  private x(at_ms: number): number {
    return (at_ms / 1000) * this.px_per_s;
  }

  private ms(event: PointerEvent): number {
    const left = this.inner.getBoundingClientRect().left;
    return clamp(((event.clientX - left) / this.px_per_s) * 1000, 0, this.clip.length_ms);
  }

  private share(at_ms: number): string {
    return `${(100 * at_ms) / Math.max(this.clip.length_ms, 1)}%`;
  }

  /** Where the film is; the view follows while it plays. */
  moveTo(at_ms: number, begun_ms: number | null): void {
    this.head.style.left = this.share(at_ms);
    const { scrollLeft, clientWidth } = this.view;
    const x = this.x(at_ms);
    if (x < scrollLeft || x > scrollLeft + clientWidth) this.view.scrollLeft = x - clientWidth / 4;
    this.begun.hidden = begun_ms === null;
    if (begun_ms === null) return;
    this.begun.style.left = this.share(Math.min(begun_ms, at_ms));
    this.begun.style.width = this.share(Math.abs(at_ms - begun_ms));
  }

  show(marks: readonly Mark[], chosen: Mark | null): void {
    const lanes: Lane[] = [];
    for (const tier of this.codebook.tiers) {
      const name = of(tier.text, tier.id);
      for (const other of this.clip.others ?? []) {
        const theirs = other.marks.filter((mark) => mark.tier === tier.id);
        const both = t("of_coder", { tier: name, coder: other.coder });
        if (theirs.length > 0) lanes.push({ name: both, tier, marks: theirs, own: false });
      }
      const own = marks.filter((mark) => mark.tier === tier.id);
      lanes.push({ name, tier, marks: own, own: true });
    }
    const drawn = lanes.map((lane) => this.lane(lane, chosen));
    this.names.replaceChildren(...drawn.map(({ name }) => name));
    this.lanes.replaceChildren(...drawn.map(({ line }) => line));
  }

  /** A line and its name. Marks that overlap stand one under the other. */
  private lane(lane: Lane, chosen: Mark | null): { name: HTMLElement; line: HTMLElement } {
    const places = rows(lane.marks);
    const marks = lane.marks.map((mark, k) => {
      const shown = this.mark(lane, mark, mark === chosen);
      shown.style.setProperty("--row", String(places[k] ?? 0));
      return shown;
    });
    // Of a word that is no kind of tier: a codebook's own tiers are of the kind "other".
    const whose = lane.own ? "own" : "theirs";
    const line = el("div", { class: `lane ${lane.tier.kind} ${whose}` }, ...marks);
    const name = el("div", { class: `name ${whose}`, title: lane.name }, lane.name);
    for (const one of [line, name]) one.style.setProperty("--rows", String(Math.max(0, ...places) + 1));
    return { name, line };
  }

  private mark(lane: Lane, mark: Mark, chosen: boolean): HTMLElement {
    const label = of(lane.tier.labels.find((one) => one.id === mark.label)?.text, mark.label);
    const certainty = of(this.codebook.certainty.find((one) => one.id === mark.certainty)?.text, mark.certainty);
    const text = certainty === "" ? label : `${label} (${certainty})`;
    const title = `${lane.name}: ${text} ${clock(mark.start_ms)} – ${clock(mark.end_ms)}`;
    const shown = el("div", { class: chosen ? "mark chosen" : "mark", title }, el("span", {}, text || (lane.tier.labels.length > 0 ? "?" : lane.name)));
    shown.style.left = this.share(mark.start_ms);
    shown.style.width = this.share(mark.end_ms - mark.start_ms);
    shown.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      if (lane.own) this.hands.choose(mark);
      else this.hands.borrow(mark);
    });
    if (!lane.own || lane.tier.kind === "answer") return shown;
    for (const edge of ["start", "end"] as const) shown.append(this.handle(mark, edge));
    return shown;
  }

  private handle(mark: Mark, edge: Edge): HTMLElement {
    const handle = el("span", { class: `handle ${edge}` });
    handle.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      event.preventDefault();
      const move = (moved: PointerEvent): void => this.hands.drag(mark, edge, this.ms(moved), false);
      const drop = (last: PointerEvent): void => {
        window.removeEventListener("pointermove", move);
        window.removeEventListener("pointerup", drop);
        this.hands.drag(mark, edge, this.ms(last), true);
      };
      window.addEventListener("pointermove", move);
      window.addEventListener("pointerup", drop);
    });
    return handle;
  }

  private pressed(event: PointerEvent): void {
    this.hands.seek(this.ms(event));
  }

  /** Only what is seen is drawn: an hour of sound has no canvas of its own. */
  private draw(): void {
    const { clientWidth, scrollLeft } = this.view;
    if (clientWidth === 0 || this.px_per_s === 0) return;
    const sharp = window.devicePixelRatio || 1;
    this.ruler(scrollLeft, clientWidth);
    this.canvas.width = Math.round(clientWidth * sharp);
    this.canvas.height = Math.round(HEIGHT * sharp);
    this.canvas.style.width = `${clientWidth}px`;
    this.canvas.style.height = `${HEIGHT}px`;
    this.canvas.style.marginLeft = `${scrollLeft}px`;
    const context = this.canvas.getContext("2d");
    if (context === null) return;
    context.scale(sharp, sharp);
    context.fillStyle = getComputedStyle(this.view).getPropertyValue("--wave") || "#446";
    for (let x = 0; x < clientWidth; x += 1) {
      const loud = this.loudest((scrollLeft + x) / this.px_per_s, (scrollLeft + x + 1) / this.px_per_s);
      const height = Math.max(1, Math.min(1, loud / this.loud) ** SOFT * (HEIGHT - 4));
      context.fillRect(x, (HEIGHT - height) / 2, 1, height);
    }
  }

  /** Times at round steps, in what is seen. */
  private ruler(left_px: number, width_px: number): void {
    const step = stepFor(this.px_per_s, TIME_PX);
    const ms = (x: number): number => (x / this.px_per_s) * 1000;
    // A time begins at its place; one that would not end within the film is left out.
    const last = Math.min(left_px + width_px, this.width - TIME_PX / 2);
    const written = ticks(ms(left_px - TIME_PX), ms(last), step).filter((at) => at >= 0);
    const drawn = written.map((at) => {
      const time = el("span", {}, shortClock(at, step));
      time.style.left = `${this.x(at)}px`;
      return time;
    });
    this.times.replaceChildren(...drawn);
  }

  private loudest(from_s: number, to_s: number): number {
    const { peaks, peaks_per_s } = this.clip;
    const first = Math.floor(from_s * peaks_per_s);
    const last = Math.max(first + 1, Math.ceil(to_s * peaks_per_s));
    let most = 0;
    for (const peak of peaks.slice(first, last)) most = Math.max(most, peak);
    return most;
  }
}
