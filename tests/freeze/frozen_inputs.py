"""What both sides are given: films, clips and a data set of people who were drawn by the frozen
wheel.

This file runs inside the frozen wheel (``.freeze/env/bin/python tests/freeze/frozen_inputs.py
FOLDER``), so its imports name modules as they were there. A script that moves modules must leave it
alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from twomind.capture.annotations import Annotations, Mark, Tier, write_eaf
from twomind.capture.drawn.enrol import draw_clip
from twomind.capture.drawn.face import Camera, FaceState, Person, draw
from twomind.capture.drawn.film import FilmSettings, encode
from twomind.capture.drawn.people import draw_people

SIZE = (320, 240)
#: What the synthetic people of the data set are said to have said, by label; made up here.
SAID = {
    0: ("I get up, have breakfast and walk to work.", "I like my garden and I water it every day."),
    1: (
        "I want to stop, but um I am not sure that I can.",
        "Maybe I should, I guess, but then again I do not know.",
    ),
}


def film(path: Path, seed: int, seconds: float) -> Path:
    """A synthetic face that moves at random, at 12 frames/s, without sound."""
    rng = np.random.default_rng(seed)
    person, camera = Person(), Camera(*SIZE, noise=0.0)
    strength = np.abs(np.cumsum(rng.normal(0, 0.25, (int(seconds * 12), 3)), axis=0)) % 1.0
    states = (FaceState(aus={"AU01": a, "AU12": b, "AU26": c}) for a, b, c in strength.tolist())
    settings = FilmSettings(*SIZE, 12, "builtin", crf=23, preset="ultrafast")
    encode(path, (draw(person, state, camera, i) for i, state in enumerate(states)), None, settings)
    return path


def study(root: Path, n_people: int = 6) -> None:
    """A data set in the layout ``own``: every person once calm, once talking, with a transcript and
    a label.
    """
    rows = ["path,subject,question,label,transcript"]
    for p in range(n_people):
        for label, kind in enumerate(("neutral", "talking")):
            name = f"p{p}/p{p}-{kind}.mp4"
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            draw_clip(root / name, kind, 5, p, seconds=3.0, fps=10)
            rows.append(f'{name},p{p},{1 + 6 * label},{label},"{SAID[label][p % 2]}"')
    (root / "recordings.csv").write_text("\n".join(rows) + "\n")


def words_table(path: Path) -> None:
    """Labelled answers in words alone, for the words recogniser: twelve people, two
    answers each.
    """
    rows = ["subject,question,label,transcript"]
    for p in range(12):
        for label in (0, 1):
            text = f"{SAID[label][p % 2]} {SAID[label][(p + 1) % 2] if p % 3 else ''}".strip()
            rows.append(f'w{p},{(1, 4, 7)[(p + label) % 3]},{label},"{text}"')
    path.write_text("\n".join(rows) + "\n")


def coders(folder: Path) -> None:
    """Two coders who agree in part about one recording, and a score over time."""
    folder.mkdir(exist_ok=True)
    for who, late in (("a", 0.0), ("b", 0.31)):
        marks = (Mark(0.4 + late, 1.2 + late, "A/H"), Mark(2.0, 2.5 + late, "A/H"))[
            : 2 if who == "a" else 1
        ]
        cues = (Mark(0.5, 0.9 + late, "gaze"), Mark(1.5 + late, 1.9 + late, "smile"))
        tiers = (Tier("ah", marks, coder=who), Tier("cue", cues, "facial", who))
        write_eaf(Annotations("clip-talking", tiers, "ana", "", 3.52), folder / f"{who}.eaf")
    rows = "".join(f"{i / 25:.2f},{0.5 + 0.4 * np.sin(i / 7):.4f}\n" for i in range(88))
    (folder / "score.csv").write_text("time_s,score\n" + rows)


def main(out: Path) -> None:
    (out / "films").mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(("a1", "a2", "b1")):
        film(out / "films" / f"{name}.mp4", seed, 4.5)
    for kind in ("neutral", "smile", "talking"):
        draw_clip(out / f"clip-{kind}.mp4", kind, 11, 0, seconds=3.5, fps=10)
    draw_people(
        out / "answer", n_people=1, seed=3, questions=(7,), size=SIZE, voice="builtin", workers=1
    )
    study(out / "study")
    words_table(out / "words.csv")
    coders(out / "coders")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
