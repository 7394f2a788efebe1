"""A tiny folder in the layout of a BAH release, path quirks included, for tests. What it says was
made up here.
"""

from __future__ import annotations

import json
from itertools import pairwise
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
_QUESTIONS = {"train": (1, 4), "val": (1, 7), "test": (1, 2, 3, 4, 5, 6, 7)}


def fake(root: Path, seed: int = 0, layout: str = "v2") -> Path:
    """Write the folder and return its root. ``layout``: v2, v1, abaw8 ("Visite 1", fewer
    annotations), public.

    One of the people refuses publication. Person 90001's first answer has a blank in its split
    line; 90002's computer is named in the file's name.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout: expected one of {', '.join(LAYOUTS)}, got {layout!r}")
    root = Path(root)
    base = root if layout == "public" else root / "data"
    draw = np.random.default_rng(seed)
    entries: dict[str, Any] = {}
    visit = "Visite 1" if layout == "abaw8" else "Visite_1"
    for split, people in _PEOPLE.items():
        if layout == "public" and split == "test":
            continue
        lines, frame_lines, segment_rows = (
            [],
            [],
            ["video,segment_id,label,num_frames,start_frame,end_frame"],
        )
        for pid in people:
            for question in _QUESTIONS[split]:
                label = int(question in (4, 7) or (question != 1 and draw.random() < 0.5))
                name = f"{pid}_Question_{question}_2025-02-0{question}_10-0{question}-00_Video"
                name += "-DESKTOP-1AB2C.mp4" if pid == "90002" else ".mp4"
                path = f"Videos/{pid}/{visit}/{name}"
                said = (
                    f"well, this is answer {question} of a made-up person, number {pid}, you know"
                )
                listed = (
                    path.replace(f"_10-0{question}-00", f" 10-0{question}-00")
                    if pid == "90001"
                    else path
                )
                lines.append(f"{listed},{label},{said}")
                first = int(draw.integers(2, 5))
                positive = range(first, first + 5) if label else range(0)
                frames = [(f"{path}/frame-{i}.jpg", int(i in positive)) for i in range(N_FRAMES)]
                frame_lines += [f"{p},{y}" for p, y in frames]
                segment_rows += _segment_rows(path, positive)
                entries[path] = _entry(positive, label, frames, said, layout)
                if layout != "public":
                    _write_media(base, path, said, int(pid) * 10 + question + seed)
        folder = base if layout == "public" else base / "split"
        write_text(folder / f"{split}.txt", "\n".join(lines) + "\n")
        if layout == "public":
            write_text(base / f"segments_{split}.csv", "\n".join(segment_rows) + "\n")
        elif layout == "v2":
            write_text(base / "split-frames" / f"{split}.txt", "\n".join(frame_lines) + "\n")
    if layout != "public":
        _write_tables(base, entries, layout)
    mark_drawn(root, "bah", seed)
    return root


def _segment_rows(path: str, positive: range) -> list[str]:
    edges = [0, positive.start, positive.stop, N_FRAMES] if positive else [0, N_FRAMES]
    rows = []
    for i, (a, b) in enumerate(pairwise(edges)):
        rows.append(f"{path},{i},{i % 2},{b - a},{a},{b - 1}")
    return rows


def _entry(
    positive: range, label: int, frames: list[tuple[str, int]], said: str, layout: str
) -> dict[str, Any]:
    def stamp(n: int) -> str:
        return f"00:00:{n / FPS:06.3f}"

    entry: dict[str, Any] = {
        "global_ah": label,
        "time_detailed_ah": [[stamp(positive.start), stamp(positive.stop)]] if positive else [],
        "fr_detailed_ah": [[positive.start, positive.stop - 1]] if positive else [],
        "frame_annotation": frames,
    }
    if layout != "abaw8":
        cues = {
            "audio": ["pause"],
            "body": [],
            "facial": ["gaze"],
            "language": ["filler sound"],
            "inconsistency": [],
        }
        entry |= {
            "certainty_ah": [3] if positive else [],
            "all_cues": [cues] if positive else [],
            "transcript": said,
        }
    return entry


def _write_media(base: Path, path: str, said: str, seed: int) -> None:
    film = tiny_film(base / path, N_FRAMES, FPS, seed)
    for i in range(N_FRAMES):
        tiny_crop(base / "cropped-aligned-faces" / path / f"frame-{i}.jpg", seed * 100 + i)
    text = (
        f"text: {json.dumps(said)}\nchunks:\n- language: english\n  text: {json.dumps(said)}\n"
        "  timestamp: !!python/tuple\n  - 0.0\n  - 0.4\n"
    )
    write_text(base / "transcription" / path / f"{film.stem}.yml", text)


def _write_tables(base: Path, entries: dict[str, Any], layout: str) -> None:
    import yaml

    name = "annotation.yml" if layout == "abaw8" else "video_annotation_transcript.yaml"
    # The plain dumper writes Python's tuples under their own tag, as in the release.
    write_text(base / name, yaml.dump(entries, sort_keys=False))
    if layout == "abaw8":
        return
    people = {
        pid: {
            "age": 20 + i,
            "sex": "Female" if i % 2 else "Male",
            "ethnicity": "made up, in detail",
            "simplified ethnicity": "made up",
            "consent for publication": "No" if pid == "90022" else "Yes",
        }
        for i, pid in enumerate(p for group in _PEOPLE.values() for p in group)
    }
    write_text(base / "meta_data.yml", yaml.safe_dump(people))
    write_text(
        base / "bah-video.csv",
        "video,label\n" + "".join(f"{p},{e['global_ah']}\n" for p, e in entries.items()),
    )
