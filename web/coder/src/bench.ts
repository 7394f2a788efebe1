import { el } from "../../participant/src/dom.js";
import { Editor } from "./editor.js";
import { forget, keep, kept } from "./kept.js";
import type { Clip, Codebook, Desk } from "./types.js";
import { of, t } from "./words.js";

/** The desk that is open, and where its place is kept. */
let open: { editor: Editor; name: string } | null = null;

function leaveDesk(): void {
  if (open !== null) keep(sessionStorage, open.name, open.editor.kept);
}

/** Forgets where somebody was on every recording. */
export function forgetDesks(): void {
  open = null;
  forget(sessionStorage);
}

addEventListener("pagehide", leaveDesk);
// What is begun is kept for a page that is loaded again, but a closed tab loses it.
addEventListener("beforeunload", (event) => {
  if (open?.editor.isUnfinished === true) event.preventDefault();
});

/** The desk with what stands around it: what was asked, files, the end. */
export function bench(desk: Desk, codebook: Codebook, clip: Clip, finished: () => void): { editor: Editor; element: HTMLElement } {
  leaveDesk();
  const editor = new Editor(desk, codebook, clip, finished, kept(sessionStorage, desk.media));
  open = { editor, name: desk.media };
  const finish = el("button", { type: "button", class: "main" }, t("finish"));
  finish.addEventListener("click", () => editor.finish());
  const element = el(
    "div",
    {},
    el("p", { class: "prompt" }, of(clip.prompt)),
    editor.element,
    el("div", { class: "buttons" }, editor.readOnly ? null : finish, ...files(desk, clip, editor)),
  );
  return { editor, element };
}

function files(desk: Desk, clip: Clip, editor: Editor): HTMLElement[] {
  const parts: HTMLElement[] = [el("a", { href: desk.eaf, download: `${clip.id}.eaf` }, t("eaf_out"))];
  if (clip.film === true) parts.push(el("a", { href: desk.media, download: clip.id }, t("film_out")));
  if (desk.takeEaf === undefined || editor.readOnly) return parts;
  const field = el("input", { type: "file", accept: ".eaf", id: "eaf", hidden: true });
  field.addEventListener("change", () => {
    const file = field.files?.[0];
    // The same file, mended, can be chosen again.
    field.value = "";
    if (file !== undefined) void editor.takeEaf(file).then(() => editor.focus());
  });
  const take = el("button", { type: "button", class: "plain" }, t("eaf_in"));
  take.addEventListener("click", () => field.click());
  return [...parts, take, field];
}

