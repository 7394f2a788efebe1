import { el } from "../../participant/src/dom.js";
import { Film } from "./film.js";
import { KEYS } from "./keys.js";
import type { Kept } from "./kept.js";
import {
  appeared,
  belongsToSegments,
  type Edge,
  frameAt,
  goesWith,
  inTime,
  inTurn,
  isSegment,
  markBeside,
  nearestMark,
  nextSpeed,
  nudged,
  once,
  same,
  sameMarks,
  segmentsAround,
  span,
  tierOf,
  twice,
  withEdge,
} from "./marks.js";
import { refusalAndAdvice } from "./refusals.js";
import { isRefusal, Saver } from "./saver.js";
import { Timeline } from "./timeline.js";
import type { Choice, Clip, Codebook, Desk, Mark, State, Tier } from "./types.js";
import { clock, of, t } from "./words.js";

/** What is being asked: a label, or how sure somebody is. */
interface Question {
  text: string;
  choices: Choice[];
  free: boolean;
  /** False: it cannot be this one, and is asked again. */
  answer(id: string): boolean;
}

/** A mark that has begun and not ended. */
interface Begun {
  tier: Tier;
  frame: number;
}

/** One recording on the desk: film, waveform, words, marks; everything by keyboard. */
export class Editor {
  readonly element = el("div", { class: "desk" });
  private readonly video: HTMLVideoElement;
  private readonly film: Film;
  private readonly timeline: Timeline;
  private readonly saver: Saver;
  private marks: Mark[];
  private chosen: Mark | null = null;
  private begun: Begun | null = null;
  private question: Question | null = null;
  private speed = 1;
  private told = "";
  private moving = false;
  private readonly pending: (() => void)[] = [];
  private dragged: { from: Mark; now: Mark } | null = null;
  private readonly area: HTMLElement;
  private readonly place = el("p", { class: "place" });
  private readonly status = el("p", { class: "saving", role: "status" });
  private readonly asked = el("div", { class: "asked", role: "group", "aria-live": "polite" });
  private readonly alert = el("p", { class: "missing", role: "alert" });
  private readonly list = el("div", { class: "list" });
  // It can be scrolled by keyboard.
  private readonly said = el("div", { class: "said", tabindex: 0, role: "group", "aria-label": t("words") });

  constructor(
    private readonly desk: Desk,
    private readonly codebook: Codebook,
    private readonly clip: Clip,
    private readonly finished: () => void,
    private readonly before: Kept | null = null,
  ) {
    this.marks = [...clip.coding.marks];
    this.saver = new Saver(desk, clip.coding, () => this.saved());
    this.video = el("video", { src: desk.media, preload: "auto", playsinline: true, "aria-label": t("film") });
    this.video.addEventListener("dblclick", () => this.resize());
    this.film = new Film(
      this.video,
      clip.times_ms,
      clip.length_ms,
      () => this.moved(),
      () => this.say(t("inexact")),
    );
    this.timeline = new Timeline(clip, codebook, {
      seek: (at) => this.film.jump(at - this.film.at_ms),
      choose: (mark) => this.choose(mark),
      drag: (mark, edge, at, done) => this.drag(mark, edge, at, done),
      borrow: (mark) => this.borrow(mark),
    });
    this.area = this.built();
    this.area.addEventListener("keydown", (event) => this.key(event));
    this.element.append(this.area);
    this.video.addEventListener("loadeddata", () => void this.begin(), { once: true });
    if (before !== null) this.goOn(before);
    this.words();
    this.render();
  }

  /** The first picture, the one where somebody was before, or one that was asked for meanwhile. */
  private async begin(): Promise<void> {
    this.video.playbackRate = this.speed;
    await this.film.show(this.film.meant || (this.before?.frame ?? 0));
    this.area.dataset.ready = "yes";
  }

  private goOn({ speed, zoom, chosen, begun }: Kept): void {
    this.speed = speed;
    this.timeline.closer = zoom;
    if (chosen !== null) this.chosen = this.marks.find((one) => same(one, chosen)) ?? null;
    const tier = this.codebook.tiers.find((one) => one.id === begun?.tier);
    if (begun !== null && tier !== undefined && !this.readOnly) this.begun = { tier, frame: begun.frame };
  }

  /** Where somebody is, so that they can go on from there. */
  get kept(): Kept {
    const begun = this.begun === null ? null : { tier: this.begun.tier.id, frame: this.begun.frame };
    const ready = this.area.dataset.ready === "yes";
    const frame = ready ? this.film.meant : this.film.meant || (this.before?.frame ?? 0);
    return { frame, speed: this.speed, zoom: this.timeline.closer, chosen: this.chosen, begun };
  }

  /** Whether something is lost when the tab is closed now. */
  get isUnfinished(): boolean {
    return this.begun !== null || this.saver.saving === "saving" || this.saver.saving === "unsaved";
  }

  focus(): void {
    this.area.focus();
  }

  /** A sentence that stands on the desk until the first action. */
  tell(text: string): void {
    this.told = text;
    this.saved();
  }

  get readOnly(): boolean {
    return this.saver.state.done !== null || this.saver.saving === "refused";
  }

  // --- what is seen

  private built(): HTMLElement {
    const left = el("div", { class: "left-side" }, this.video, this.place, this.controls());
    // What is asked, and what went wrong, stands where it is seen without scrolling.
    const right = el("div", { class: "right-side" }, el("h2", {}, t("words")), this.said, this.status, this.alert, this.asked);
    const top = el("div", { class: "top-row" }, left, right);
    const area = el(
      "div",
      // Keys of one letter work only in here, so that nothing else loses them.
      { class: "area", tabindex: 0, role: "application", "aria-label": t("desk") },
      top,
      this.timeline.element,
    );
    const marks = el("section", {}, el("h2", {}, t("marks")), this.list);
    area.append(marks);
    return area;
  }

  private controls(): HTMLElement {
    const press = (name: string, label: string, act: () => void): HTMLElement => {
      const one = el("button", { type: "button", class: "plain", "data-act": name }, label);
      one.addEventListener("click", () => {
        act();
        this.focus();
      });
      return one;
    };
    return el(
      "div",
      { class: "buttons controls" },
      press("play", `${t("play")} / ${t("pause")}`, () => this.film.toggle()),
      press("back", t("frame_back"), () => this.film.step(-1)),
      press("on", t("frame_on"), () => this.film.step(1)),
      press("slower", `${t("speed")} −`, () => this.setSpeed(-1)),
      press("faster", `${t("speed")} +`, () => this.setSpeed(1)),
      press("undo", t("undo"), () => void this.move("undo")),
      press("redo", t("redo"), () => void this.move("redo")),
    );
  }

  private words(): void {
    if (this.clip.words.length === 0) {
      this.said.append(el("p", { class: "small" }, t("no_words")));
      return;
    }
    for (const word of this.clip.words) {
      const one = el("span", { class: "word" }, word.text);
      one.addEventListener("click", () => {
        this.film.jump(word.start_s * 1000 - this.film.at_ms);
        this.focus();
      });
      this.said.append(one, " ");
    }
  }

  private moved(): void {
    const frame = this.film.frame;
    const at_ms = this.clip.times_ms[frame] ?? 0;
    const all = this.clip.times_ms.length;
    this.place.textContent = `${clock(at_ms)} · ${t("picture", { n: frame + 1, all })} · ${this.speed}×`;
    this.area.dataset.frame = String(frame);
    this.area.dataset.speed = String(this.speed);
    const begun = this.begun === null ? null : (this.clip.times_ms[this.begun.frame] ?? 0);
    this.timeline.moveTo(at_ms, begun);
    const spans = this.said.querySelectorAll(".word");
    this.clip.words.forEach((word, k) => {
      const now = word.start_s * 1000 <= at_ms && at_ms < word.end_s * 1000;
      const shown = spans[k] as HTMLElement;
      if (now && !shown.classList.contains("now")) follow(this.said, shown);
      shown.classList.toggle("now", now);
    });
  }

  private render(): void {
    const shown = this.dragged === null ? this.marks : this.marks.map((one) => (one === this.dragged?.from ? this.dragged.now : one));
    const chosen = this.dragged?.now ?? this.chosen;
    this.timeline.show(shown, chosen);
    this.list.replaceChildren(this.table(shown, chosen));
    this.ask();
    this.saved();
    this.moved();
  }

  private table(marks: readonly Mark[], chosen: Mark | null): HTMLElement {
    if (marks.length === 0) return el("p", { class: "small" }, t("no_marks"));
    const rows = inTime(this.codebook, marks).map((mark) => {
      const tier = this.tier(mark.tier);
      const whole = tier?.kind === "answer";
      const when = whole ? t("whole") : t("to", { start: clock(mark.start_ms), end: clock(mark.end_ms) });
      const cells = [of(tier?.text, mark.tier), when, this.label(tier, mark.label), this.label(null, mark.certainty)];
      const row = el("tr", {}, ...cells.map((cell) => el("td", {}, cell)));
      if (mark === chosen) row.setAttribute("aria-current", "true");
      row.addEventListener("click", () => this.choose(mark));
      return row;
    });
    const heads = (["column_tier", "column_when", "column_label", "column_certainty"] as const).map((one) => el("th", { scope: "col" }, t(one)));
    return el("table", {}, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...rows));
  }

  private label(tier: Tier | null | undefined, id: string): string {
    const choices = tier === null ? this.codebook.certainty : (tier?.labels ?? []);
    return of(choices.find((one) => one.id === id)?.text, id);
  }

  private ask(): void {
    this.area.dataset.asks = this.question === null ? "" : "yes";
    if (this.begun !== null) {
      const { tier, frame } = this.begun;
      const at = clock(this.clip.times_ms[frame] ?? 0);
      const text = t("marking", { tier: of(tier.text, tier.id), at, key: tier.key.toUpperCase() });
      return this.asked.replaceChildren(el("p", { class: "warning" }, text));
    }
    if (this.question === null) return this.asked.replaceChildren(...this.tierButtons());
    const { choices, text, free } = this.question;
    const buttons = choices.map((one) => this.pick(one.key, of(one.text, one.id), () => this.answer(one.id)));
    buttons.push(this.pick("Esc", t("skip"), () => this.answer(null)));
    const parts: HTMLElement[] = [el("p", {}, text), el("div", { class: "buttons" }, ...buttons)];
    if (free) parts.push(this.free());
    this.asked.replaceChildren(...parts);
  }

  private tierButtons(): HTMLElement[] {
    if (this.readOnly) return [];
    const tiers = this.codebook.tiers.map((tier) => this.pick(tier.key, of(tier.text, tier.id), () => this.tierKey(tier, false)));
    const takes = (this.clip.others ?? []).map(({ coder, marks }, k) => this.pick(String(k + 1), t("take", { coder }), () => this.offer(coder, marks)));
    const rows = [tiers, takes].filter((row) => row.length > 0);
    return rows.map((row) => el("div", { class: "buttons" }, ...row));
  }

  private pick(key: string, text: string, act: () => void): HTMLElement {
    const one = el("button", { type: "button", class: "plain pick" }, el("kbd", {}, key), ` ${text}`);
    one.addEventListener("click", () => {
      act();
      this.focus();
    });
    return one;
  }

  private free(): HTMLElement {
    const field = el("input", { maxlength: 80, "aria-label": t("other_label") });
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") this.focus();
      if (event.key !== "Enter" || field.value.trim() === "") return;
      this.answer(field.value.trim());
      this.focus();
    });
    return field;
  }

  private say(text: string): void {
    this.alert.textContent = text;
    if (text !== "") this.alert.scrollIntoView?.({ block: "nearest" });
  }

  private saved(): void {
    const { saving, state, refusal } = this.saver;
    this.area.dataset.recording = this.clip.id;
    this.area.dataset.done = state.done === null ? "" : "yes";
    this.area.dataset.saving = saving;
    this.area.dataset.revision = String(state.revision);
    const done = this.clip.others === undefined ? t("is_done") : t("team_done");
    let told = saving === "refused" ? "" : t(saving);
    if (refusal !== null) told = refusalAndAdvice(refusal, true, this.codebook);
    else if (this.told !== "" && saving === "saved") told = this.told;
    this.status.textContent = state.done === null ? told : done;
    this.status.className = saving === "unsaved" || saving === "refused" ? "saving warning" : "saving";
  }

  // --- keys

  private key(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    const presses = target instanceof HTMLButtonElement && (event.key === "Enter" || event.key === " ");
    if (presses || target instanceof HTMLInputElement || event.altKey || event.metaKey) return;
    if (this.moving) {
      event.preventDefault();
      this.pending.push(() => this.pressed(event));
    } else if (this.pressed(event)) event.preventDefault();
  }

  /** Whether a key meant something here. */
  private pressed(event: KeyboardEvent): boolean {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (this.question !== null && !event.ctrlKey && this.answered(key)) return true;
    const name = `${event.ctrlKey ? "Ctrl+" : ""}${event.shiftKey ? "Shift+" : ""}${key}`;
    const act = this.actions()[name];
    if (act !== undefined) {
      act();
      return true;
    }
    if (event.ctrlKey || this.readOnly) return false;
    const tier = this.codebook.tiers.find((one) => one.key === key);
    if (tier === undefined) return this.tookOf(Number(key));
    if (this.question !== null) {
      // It would leave what is asked without an answer, and begin something else.
      this.say(t("no_answer", { key: key.toUpperCase() }));
      return true;
    }
    this.tierKey(tier, event.shiftKey);
    return true;
  }

  /** Whether a number named a coder whose marks are taken over. */
  private tookOf(number: number): boolean {
    const other = this.clip.others?.[number - 1];
    if (other !== undefined) this.offer(other.coder, other.marks);
    return other !== undefined;
  }

  private answered(key: string): boolean {
    if (key === "Escape") {
      this.answer(null);
      return true;
    }
    const found = this.question?.choices.find((one) => one.key !== "" && one.key === key);
    if (found !== undefined) this.answer(found.id);
    return found !== undefined;
  }

  private actions(): Record<string, (() => void) | undefined> {
    const looking: Record<string, () => void> = {
      " ": () => this.film.toggle(),
      k: () => this.film.toggle(),
      j: () => this.film.jump(-2000),
      l: () => this.film.jump(2000),
      ArrowLeft: () => this.film.step(-1),
      ArrowRight: () => this.film.step(1),
      Home: () => void this.film.show(0),
      End: () => void this.film.show(this.clip.times_ms.length - 1),
      "[": () => this.setSpeed(-1),
      "]": () => this.setSpeed(1),
      "+": () => this.timeline.zoom(1.5, this.film.at_ms),
      "Shift++": () => this.timeline.zoom(1.5, this.film.at_ms),
      "-": () => this.timeline.zoom(1 / 1.5, this.film.at_ms),
      ",": () => this.chooseNext(-1),
      ".": () => this.chooseNext(1),
      Enter: () => this.playChosen(),
      "0": () => this.resize(),
      "?": () => this.showKeys(),
      "Shift+?": () => this.showKeys(),
    };
    if (this.readOnly) return looking;
    return {
      ...looking,
      "Shift+ArrowLeft": () => this.nudge("start", -1),
      "Shift+ArrowRight": () => this.nudge("start", 1),
      "Ctrl+ArrowLeft": () => this.nudge("end", -1),
      "Ctrl+ArrowRight": () => this.nudge("end", 1),
      "Shift+ArrowDown": () => this.edgeHere("start"),
      "Ctrl+ArrowDown": () => this.edgeHere("end"),
      Delete: () => this.remove(true),
      Backspace: () => this.remove(true),
      "Shift+Delete": () => this.remove(false),
      "Shift+Backspace": () => this.remove(false),
      Escape: () => this.drop(),
      z: () => void this.move("undo"),
      "Ctrl+z": () => void this.move("undo"),
      "Shift+z": () => void this.move("redo"),
      "Ctrl+Shift+z": () => void this.move("redo"),
      "Ctrl+y": () => void this.move("redo"),
      e: () => this.labelAgain(),
      c: () => this.certaintyAgain(),
      "Ctrl+Enter": () => void this.done(),
    };
  }

  private showKeys(): void {
    const rows = KEYS.map(([keys, message]) => el("tr", {}, el("td", {}, el("kbd", {}, keys)), el("td", {}, t(message))));
    const dialog = el("dialog", { class: "keys", tabindex: 0, "aria-label": t("keys") }, el("h2", {}, t("keys")), el("table", {}, el("tbody", {}, ...rows)));
    dialog.addEventListener("keydown", (event) => {
      event.stopPropagation();
      // Where not all keys are in sight, these show the others.
      if (!["ArrowUp", "ArrowDown", "PageUp", "PageDown", "Shift", "Control"].includes(event.key)) dialog.close();
    });
    dialog.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      this.focus();
    });
    document.body.append(dialog);
    dialog.showModal();
  }

  /** A film that fills the window, and back. */
  private resize(): void {
    this.area.classList.toggle("large");
  }

  private setSpeed(by: 1 | -1): void {
    this.speed = nextSpeed(this.speed, by);
    this.video.playbackRate = this.speed;
    this.moved();
  }

  // --- marks

  private tier(id: string): Tier | undefined {
    return this.codebook.tiers.find((one) => one.id === id);
  }

  private get segment(): Mark | null {
    if (this.chosen === null) return null;
    const tier = tierOf(this.codebook, this.chosen);
    if (isSegment(tier)) return this.chosen;
    // With a cue chosen, the segment that it stands in.
    return tier?.kind === "answer" ? null : (segmentsAround(this.codebook, this.marks, this.chosen)[0] ?? null);
  }

  private tierKey(tier: Tier, own: boolean): void {
    this.say("");
    if (this.begun !== null) return this.begun.tier === tier ? this.end() : undefined;
    this.question = null;
    if (tier.kind === "answer") return this.askAnswer(tier);
    const segment = this.segment;
    if (belongsToSegments(tier) && !own && segment !== null) {
      return this.askLabel(tier, (label) => {
        return this.add({ tier: tier.id, start_ms: segment.start_ms, end_ms: segment.end_ms, label, certainty: "" });
      });
    }
    this.begun = { tier, frame: this.film.meant };
    this.render();
  }

  private end(): void {
    if (this.begun === null) return;
    const { tier, frame } = this.begun;
    this.begun = null;
    const [start_ms, end_ms] = span(this.clip.times_ms, frame, this.film.meant, this.clip.length_ms);
    if (this.add({ tier: tier.id, start_ms, end_ms, label: "", certainty: "" })) this.labelAgain(true);
    else this.render();
  }

  private drop(): void {
    if (this.begun !== null) this.told = t("dropped", { tier: of(this.begun.tier.text, this.begun.tier.id) });
    this.begun = null;
    this.question = null;
    this.render();
  }

  private askAnswer(tier: Tier): void {
    const before = this.marks.find((one) => one.tier === tier.id);
    const end_ms = Math.max(Math.round(this.clip.length_ms), 1);
    this.askLabel(tier, (label) => {
      if (label === "") return true;
      const mark = { tier: tier.id, start_ms: 0, end_ms, label, certainty: before?.certainty ?? "" };
      if (before === undefined) this.add(mark);
      else this.change(before, mark);
      this.chosen = mark;
      if (tier.certainty) this.certaintyAgain();
      return true;
    });
  }

  private askLabel(tier: Tier, then: (label: string) => boolean): void {
    if (tier.labels.length === 0 && !tier.free) {
      then("");
      return;
    }
    const text = t("choose", { tier: of(tier.text, tier.id) });
    this.question = { text, choices: tier.labels, free: tier.free, answer: then };
    this.render();
  }

  /** The label of the chosen mark, and then how sure somebody is where the codebook wants it. */
  private labelAgain(isNew = false): void {
    const mark = this.chosen;
    const tier = mark === null ? undefined : this.tier(mark.tier);
    if (mark === null || tier === undefined) return;
    if (tier.kind === "answer") return this.askAnswer(tier);
    this.askLabel(tier, (label) => {
      const labelled = { ...mark, label };
      if (label !== mark.label && !this.change(mark, labelled)) return false;
      if (isNew && tier.certainty) this.certaintyAgain();
      return true;
    });
  }

  private certaintyAgain(): void {
    const mark = this.chosen;
    if (mark === null || this.tier(mark.tier)?.certainty !== true) return;
    const answer = (certainty: string): boolean => this.change(mark, { ...mark, certainty });
    this.question = { text: t("how_sure"), choices: this.codebook.certainty, free: false, answer };
    this.render();
  }

  private answer(id: string | null): void {
    const asked = this.question;
    this.question = null;
    this.say("");
    if (id !== null && asked?.answer(id) === false) this.question = asked;
    this.render();
  }

  private add(mark: Mark): boolean {
    return this.act([...this.marks, mark], mark);
  }

  private change(mark: Mark, to: Mark): boolean {
    const marks = this.marks.map((one) => (one === mark ? to : one));
    return this.act(marks, this.chosen === mark ? to : this.chosen);
  }

  /** A segment with other times; what took its times goes with it. */
  private reshape(mark: Mark, to: Mark): void {
    const [segment, { start_ms, end_ms }] = [this.tier(mark.tier), to];
    const follows = (one: Mark): boolean => {
      const tier = this.tier(one.tier);
      if (segment === undefined || tier === undefined || belongsToSegments(segment)) return false;
      return belongsToSegments(tier) && one.start_ms === mark.start_ms && one.end_ms === mark.end_ms;
    };
    const moved = (one: Mark): Mark => (follows(one) ? { ...one, start_ms, end_ms } : one);
    const marks = this.marks.map((one) => (one === mark ? to : moved(one)));
    this.act(marks, this.chosen === mark ? to : this.chosen);
  }

  /** Deletes the chosen mark, and with a segment its cues, as one action; what is nearest is chosen then. */
  private remove(withCues: boolean): void {
    const gone = this.chosen;
    if (gone === null) return this.say(t("nothing_chosen"));
    const cues = withCues ? goesWith(this.codebook, this.marks, gone) : [];
    const left = this.marks.filter((one) => one !== gone && !cues.includes(one));
    if (!this.act(left, nearestMark(this.codebook, left, this.film.at_ms))) return;
    const mark = this.nameOf(gone);
    this.tell(cues.length > 0 ? t("deleted_with", { mark, n: cues.length }) : t("deleted", { mark }));
  }

  /** One action: it is shown at once and sent at once. False: it would mark the very same twice. */
  private act(marks: Mark[], chosen: Mark | null): boolean {
    if (this.readOnly) return false;
    const again = twice(this.marks, marks);
    if (again !== null) {
      this.say(t("twice", { mark: this.nameOf(again), start: clock(again.start_ms), end: clock(again.end_ms) }));
      return false;
    }
    this.say("");
    this.told = "";
    this.question = null;
    this.marks = marks;
    this.chosen = chosen;
    this.saver.act(marks);
    this.render();
    return true;
  }

  /** Its tier and its label. */
  private nameOf(mark: Mark): string {
    const tier = this.tier(mark.tier);
    return [of(tier?.text, mark.tier), this.label(tier, mark.label)].filter((one) => one !== "").join(", ");
  }

  private choose(mark: Mark): void {
    this.say("");
    this.chosen = mark;
    this.question = null;
    this.render();
    this.focus();
  }

  private chooseNext(by: 1 | -1): void {
    const next = markBeside(this.codebook, this.marks, this.chosen, this.film.at_ms, by);
    this.say("");
    if (next === null) return;
    this.chosen = next;
    this.render();
    void this.film.showAt(next.start_ms);
  }

  private playChosen(): void {
    if (this.chosen !== null) void this.film.playSpan(this.chosen.start_ms, this.chosen.end_ms);
  }

  private nudge(edge: Edge, by: number): void {
    const mark = this.chosen;
    if (mark === null || this.tier(mark.tier)?.kind === "answer") return;
    const moved = nudged(this.clip.times_ms, mark, edge, by, this.clip.length_ms);
    if (!same(moved, mark)) this.reshape(mark, moved);
    this.look(moved, edge);
  }

  /** An edge to the picture that is shown, however far: what was begun or ended too early or too late. */
  private edgeHere(edge: Edge): void {
    const mark = this.chosen;
    if (mark === null || this.tier(mark.tier)?.kind === "answer") return this.say(t("nothing_chosen"));
    const { meant } = this.film;
    const [start_ms, end_ms] = span(this.clip.times_ms, meant, meant, this.clip.length_ms);
    const moved = withEdge(mark, edge, edge === "start" ? start_ms : end_ms);
    if (same(moved, mark) && (edge === "start" ? start_ms !== mark.start_ms : end_ms !== mark.end_ms)) return this.say(t("beyond_edge"));
    if (!same(moved, mark)) this.reshape(mark, moved);
  }

  /** The picture at an edge that is moved: the first of a mark, or its last. */
  private look(mark: Mark, edge: Edge): void {
    if (this.film.playing) this.film.toggle();
    void this.film.show(frameAt(this.clip.times_ms, edge === "start" ? mark.start_ms + 0.5 : mark.end_ms - 1));
  }

  private drag(mark: Mark, edge: Edge, at_ms: number, done: boolean): void {
    if (this.readOnly) return;
    // To the nearest beginning of a picture.
    const frame = span(this.clip.times_ms, ...nearest(this.clip, at_ms), this.clip.length_ms);
    const now = withEdge(mark, edge, edge === "start" ? frame[0] : frame[1]);
    this.chosen = mark;
    this.dragged = done ? null : { from: mark, now };
    if (done && !same(mark, now)) this.reshape(mark, now);
    else this.render();
    this.look(now, edge);
  }

  // --- the server

  /** One step back or on. What is asked for meanwhile waits, and is done in the order it was asked. */
  private async move(what: "undo" | "redo"): Promise<void> {
    if (this.moving) {
      this.pending.push(() => void this.move(what));
      return;
    }
    // A mark that is begun is the last thing that was done, and no action on the server yet.
    if (what === "undo" && this.begun !== null) return this.drop();
    this.moving = true;
    this.question = null;
    await this.saver.settled();
    const before = this.marks;
    this.told = "";
    await this.server(() => this.desk.move(what, this.saver.state.revision));
    // What came back is what somebody goes on with.
    const [back] = inTurn(this.codebook, appeared(before, this.marks));
    if (back !== undefined) {
      this.chosen = back;
      this.render();
    }
    this.moving = false;
    while (!this.moving) {
      const next = this.pending.shift();
      if (next === undefined) return;
      next();
    }
  }

  private async done(): Promise<void> {
    if (this.begun !== null) return this.say(t("begun_first", { key: this.begun.tier.key.toUpperCase() }));
    await this.saver.settled();
    if (await this.server(() => this.desk.done(this.saver.state.revision))) this.finished();
  }

  /** Takes a coder's marks over; where the team's own would go, it is asked first. */
  private offer(coder: string, marks: readonly Mark[]): void {
    const isOwn = !(this.clip.others ?? []).some((other) => sameMarks(once(other.marks), this.marks));
    if (this.marks.length === 0 || !isOwn) return void this.take(coder, marks);
    const answer = (): boolean => {
      void this.take(coder, marks);
      return true;
    };
    const yes = { id: "yes", key: "y", text: { en: t("take_yes") } };
    this.question = { text: t("take_sure", { coder, n: this.marks.length }), choices: [yes], free: false, answer };
    this.render();
  }

  /** Marks of a coder in place of one's own, when the team agrees on one coding. */
  private async take(coder: string, marks: readonly Mark[]): Promise<void> {
    await this.saver.settled();
    const taken = once(marks).map((one) => ({ ...one }));
    if (this.act(taken, null)) this.tell(t("taken", { coder, n: taken.length }));
  }

  /** One mark of a coder, besides one's own. */
  private borrow(mark: Mark): void {
    const again = this.marks.some((one) => same(one, mark));
    const answer = this.tier(mark.tier)?.kind === "answer";
    const before = answer ? this.marks.find((one) => one.tier === mark.tier) : undefined;
    if (again || this.readOnly) return;
    if (before === undefined) this.add({ ...mark });
    else this.change(before, { ...mark });
    this.focus();
  }

  async takeEaf(file: Blob): Promise<void> {
    await this.saver.settled();
    const { takeEaf } = this.desk;
    if (takeEaf === undefined || !(await this.server(() => takeEaf(this.saver.state.revision, file)))) return;
    this.tell(t("eaf_taken", { n: this.marks.length }));
  }

  finish(): void {
    void this.done();
  }

  private async server(ask: () => Promise<State>): Promise<boolean> {
    this.say("");
    try {
      this.saver.state = await ask();
    } catch (error) {
      this.say(isRefusal(error) ? refusalAndAdvice(error, false, this.codebook) : t("offline"));
      return false;
    }
    const before = this.chosen;
    this.marks = [...this.saver.state.marks];
    this.chosen = before === null ? null : (this.marks.find((one) => one.tier === before.tier && one.start_ms === before.start_ms) ?? null);
    this.render();
    return true;
  }
}

function nearest(clip: Clip, at_ms: number): [number, number] {
  const { times_ms } = clip;
  let best = 0;
  times_ms.forEach((time, k) => {
    if (Math.abs(time - at_ms) < Math.abs((times_ms[best] ?? 0) - at_ms)) best = k;
  });
  return [best, best];
}

/** Scrolls a word into its box, and nothing else: whole lines are seen, the one before it among them. */
function follow(box: HTMLElement, word: HTMLElement): void {
  const line = Number.parseFloat(getComputedStyle(box).lineHeight);
  const top = word.getBoundingClientRect().top - box.getBoundingClientRect().top + box.scrollTop;
  if (top < box.scrollTop || top > box.scrollTop + box.clientHeight - 1.5 * line) box.scrollTop = (Math.floor(top / line) - 1) * line;
}
