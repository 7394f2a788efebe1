"""A tiny folder in the layout of a BAH release, path quirks included, for tests. What it says was
made up here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.store import write_text
from twomind.datasets.fakes import mark_drawn, tiny_crop, tiny_film

LAYOUTS = ("v2", "v1", "abaw8", "public")
N_FRAMES, FPS = 12, 24
_PEOPLE = {
    "train": ("90001", "90002", "90003", "90004"),
    "val": ("90011", "90012"),
    "test": ("90021", "90022"),
}
#: What coders mark beside a segment, by modality.
_CUES = {
    "audio": ("pause",),
    "body": (),
    "facial": ("gaze",),
    "language": ("filler sound",),
    "inconsistency": (),
}
_QUESTIONS = {"train": (1, 4), "val": (1, 7), "test": (1, 2, 3, 4, 5, 6, 7)}


def fake(
    root: Path, seed: int = 0, layout: str = "v2", people: Mapping[str, Sequence[str]] | None = None
) -> Path:
    """Write the folder and return its root. ``layout``: v2, v1, abaw8 ("Visite 1", fewer
    annotations), public.

    One of the people refuses publication. Person 90001's first answer has a blank in its split
    line; 90002's computer is named in the file's name.

    Args:
        root: folder to write into.
        seed: seed of the labels, the segments and the noise in the pictures.
        layout: one of :data:`LAYOUTS`.
        people: split → its people, in place of the eight.

    Raises:
        ValueError: there is no such layout.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout: expected one of {', '.join(LAYOUTS)}, got {layout!r}")
    root = Path(root)
    base = root if layout == "public" else root / "data"
    draw = np.random.default_rng(seed)
    entries: dict[str, Any] = {}
    chosen = people or _PEOPLE
    for split, own in chosen.items():
        if layout == "public" and split == "test":
            continue
        answers = []
        for pid in own:
            for question in _QUESTIONS[split]:
                answer = _draw_answer(draw, pid, question, layout)
                answers.append(answer)
                entries[answer.path] = _entry(answer, layout)
                if layout != "public":
                    _write_media(base, answer, int(pid) * 10 + question + seed)
        _write_lists(base, split, answers, layout)
    if layout != "public":
        _write_tables(base, entries, layout, list(chain.from_iterable(chosen.values())))
    mark_drawn(root, "bah", seed)
    return root


@dataclass(frozen=True)
class _Answer:
    """One answer: where it lies, what is said in it, and which of its frames are A/H."""

    pid: str
    question: int
    path: str
    said: str
    label: int
    positive: range

    @property
    def frames(self) -> list[tuple[str, int]]:
        """Path and label of each frame."""
        found = []
        for i in range(N_FRAMES):
            label = int(i in self.positive)
            found.append((f"{self.path}/frame-{i}.jpg", label))
        return found

    @property
    def listed(self) -> str:
        """The path as the split file writes it: person 90001's with a blank."""
        if self.pid != "90001":
            return self.path
        time = f"10-0{self.question}-00"
        return self.path.replace(f"_{time}", f" {time}")


def _draw_answer(draw: np.random.Generator, pid: str, question: int, layout: str) -> _Answer:
    if question in (1, 4, 7):  # the same for everybody
        label = int(question != 1)
    else:
        label = int(draw.random() < 0.5)
    first = int(draw.integers(2, 5))
    visit = "Visite 1" if layout == "abaw8" else "Visite_1"
    name = f"{pid}_Question_{question}_2025-02-0{question}_10-0{question}-00_Video"
    computer = "-DESKTOP-1AB2C" if pid == "90002" else ""
    return _Answer(
        pid=pid,
        question=question,
        path=f"Videos/{pid}/{visit}/{name}{computer}.mp4",
        # No more than can be said in a film as short.
        said=f"well, this is answer {question}, {pid}",
        label=label,
        positive=range(first, first + 5) if label else range(0),
    )


def _write_lists(base: Path, split: str, answers: Sequence[_Answer], layout: str) -> None:
    """The split file, and the labels of its frames in the form of the layout."""
    lines = [f"{answer.listed},{answer.label},{answer.said}" for answer in answers]
    folder = base if layout == "public" else base / "split"
    write_text(folder / f"{split}.txt", "\n".join(lines) + "\n")
    if layout == "public":
        rows = ["video,segment_id,label,num_frames,start_frame,end_frame"]
        for answer in answers:
            rows += _segment_rows(answer.path, answer.positive)
        write_text(base / f"segments_{split}.csv", "\n".join(rows) + "\n")
    elif layout == "v2":
        frames = []
        for answer in answers:
            frames += [f"{path},{label}" for path, label in answer.frames]
        write_text(base / "split-frames" / f"{split}.txt", "\n".join(frames) + "\n")


def _segment_rows(path: str, positive: range) -> list[str]:
    edges = [0, N_FRAMES]
    if positive:
        edges = [0, positive.start, positive.stop, N_FRAMES]
    rows = []
    for i, (a, b) in enumerate(pairwise(edges)):
        rows.append(f"{path},{i},{i % 2},{b - a},{a},{b - 1}")
    return rows


def _entry(answer: _Answer, layout: str) -> dict[str, Any]:
    """The entry of an answer in the annotation file."""
    positive = answer.positive
    times, frames = [], []
    if positive:
        times.append([_stamp(positive.start), _stamp(positive.stop)])
        frames.append([positive.start, positive.stop - 1])
    entry: dict[str, Any] = {
        "global_ah": answer.label,
        "time_detailed_ah": times,
        "fr_detailed_ah": frames,
        "frame_annotation": answer.frames,
    }
    if layout != "abaw8":
        cues = {modality: list(names) for modality, names in _CUES.items()}
        entry["certainty_ah"] = [3] if positive else []
        entry["all_cues"] = [cues] if positive else []
        entry["transcript"] = answer.said
    return entry


def _stamp(frame: int) -> str:
    return f"00:00:{frame / FPS:06.3f}"


def _write_media(base: Path, answer: _Answer, seed: int) -> None:
    """Film, crops and transcript of an answer."""
    path = answer.path
    film = tiny_film(base / path, N_FRAMES, FPS, seed)
    for i in range(N_FRAMES):
        tiny_crop(base / "cropped-aligned-faces" / path / f"frame-{i}.jpg", (seed, i))
    said = json.dumps(answer.said)
    text = (
        f"text: {said}\nchunks:\n- language: english\n  text: {said}\n"
        f"  timestamp: !!python/tuple\n  - 0.0\n  - {N_FRAMES / FPS}\n"
    )
    write_text(base / "transcription" / path / f"{film.stem}.yml", text)


def _write_tables(
    base: Path, entries: dict[str, Any], layout: str, everybody: Sequence[str]
) -> None:
    import yaml

    name = "annotation.yml" if layout == "abaw8" else "video_annotation_transcript.yaml"
    # The plain dumper writes Python's tuples under their own tag, as in the release.
    write_text(base / name, yaml.dump(entries, sort_keys=False))
    if layout == "abaw8":
        return
    people = {}
    for i, pid in enumerate(everybody):
        people[pid] = {
            "age": 20 + i,
            "sex": "Female" if i % 2 else "Male",
            "ethnicity": "made up, in detail",
            "simplified ethnicity": "made up",
            "consent for publication": "No" if pid == "90022" else "Yes",
        }
    write_text(base / "meta_data.yml", yaml.safe_dump(people))
    rows = [f"{path},{entry['global_ah']}\n" for path, entry in entries.items()]
    write_text(base / "bah-video.csv", "video,label\n" + "".join(rows))
