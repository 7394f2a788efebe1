"""Embeddings of people: what is measured of each picture, clip or answer, whose it is, and what it
shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twomind.core.store import Store
from twomind.evaluation import voices
from twomind.features.describe import describe
from twomind.features.face.landmarker import LandmarkerFinder
from twomind.features.profile import words_neutral
from twomind.media.recording import open_recording
from twomind.media.stream import Frame, stream
from twomind.types import Timing, Track, Word

from .expression_net import ExpressionNet, face_of, read_weights

TASK_FILE = "face_landmarker.task"
#: Pictures of a Yale face that show no expression.
_CALM = ("glasses", "noglasses", "leftlight", "rightlight")
#: A copy of the neutral picture.
_COPIES = ("04_sad",)
_QUALITY = ("face_size", "blur", "light")


@dataclass(frozen=True, eq=False)
class PeopleSet:
    """What one encoder says of one data set; rows of a person in the order in which they came.

    ``values (N, D)`` may hold nan. ``neutral (P, D)`` is the person's neutral, which is no row;
    nan where there is none. ``shortcut (N, S)`` is what should not tell the class.
    """

    name: str
    encoder: str
    values: np.ndarray
    y: np.ndarray
    person: np.ndarray
    neutral: np.ndarray
    shortcut: np.ndarray
    classes: tuple[str, ...]
    #: ``uar``: mean recall of the classes that a person shows; ``accuracy``.
    metric: str = "uar"
    #: The order of rows means something, and is not drawn.
    ordered: bool = False


@dataclass(frozen=True, eq=False)
class _Posed:
    """Whose picture each is, what it shows, and which ones are the neutral of their person."""

    people: tuple[str, ...]
    classes: tuple[str, ...]
    person: np.ndarray
    is_neutral: np.ndarray
    #: Pictures that are rows, and their classes.
    rows: np.ndarray
    y: np.ndarray


def yale(folder: Path, weights: Path, store: Store) -> Iterator[PeopleSet]:
    """Posed faces by three encoders: blendshapes, our action units, the expression net."""
    paths = [path for path in sorted(folder.glob("*.png")) if path.stem not in _COPIES]
    geometry = [_face_track(path, store) for path in paths]
    posed = _posed(paths)
    quality = np.stack([_row(track, _QUALITY) for track in geometry])
    for encoder, values in _encoded(paths, geometry, weights).items():
        own = [values[posed.is_neutral & (posed.person == p)][0] for p in range(len(posed.people))]
        yield PeopleSet(
            "Yale",
            encoder,
            values[posed.rows],
            posed.y,
            posed.person[posed.rows],
            np.stack(own),
            quality[posed.rows],
            posed.classes,
        )


def _posed(paths: Sequence[Path]) -> _Posed:
    """What files named ``PERSON_EXPRESSION`` show."""
    shown = [path.stem.split("_") for path in paths]
    people = sorted({person for person, _ in shown})
    expressions = ["neutral" if expression in _CALM else expression for _, expression in shown]
    is_neutral = np.array([expression == "normal" for expression in expressions])
    rows = np.flatnonzero(~is_neutral)
    classes = sorted({expressions[row] for row in rows})
    return _Posed(
        tuple(people),
        tuple(classes),
        np.array([people.index(person) for person, _ in shown]),
        is_neutral,
        rows,
        np.array([classes.index(expressions[row]) for row in rows]),
    )


def _encoded(
    paths: Sequence[Path], geometry: Sequence[Track], weights: Path
) -> dict[str, np.ndarray]:
    """Rows ``(N, D)`` of the pictures by each encoder."""
    units = tuple(n for n in geometry[0].names if n.startswith("AU") and "_" not in n)
    finder = LandmarkerFinder(weights / TASK_FILE, 1)
    found = [_found(finder, path) for path in paths]
    finder.close()
    net = ExpressionNet(read_weights(weights))
    return {
        "blendshapes": np.stack([shapes for _, shapes in found]),
        "action units": np.stack([_row(track, units) for track in geometry]),
        "expression net": net.embed(np.stack([face for face, _ in found])),
    }


def _face_track(path: Path, store: Store) -> Track:
    made = describe(open_recording(path), ("face",), store=store)
    return made.features.tracks["face"]


def _row(track: Track, names: tuple[str, ...]) -> np.ndarray:
    return np.array([float(track.values[0, track.names.index(name)]) for name in names])


def _found(finder: LandmarkerFinder, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The face ``(112, 112, 3)`` of a still picture, and its blendshapes ``(52,)``."""
    [picture] = [item for item in stream(path, audio=False) if isinstance(item, Frame)]
    landmarks = finder.one(picture.rgb)
    assert landmarks is not None, path
    shapes = finder.blendshapes(landmarks)
    assert shapes is not None
    return face_of(picture.rgb, landmarks), shapes


def emodb(folder: Path, store: Store) -> PeopleSet:
    """Acted speech: whole-clip measures of the voice. The first neutral clip is the neutral."""
    clips, _ = voices._measured(voices._files(folder), store, None)
    values = np.stack([clip.values for clip in clips])
    names = sorted({clip.speaker for clip in clips})
    classes = tuple(sorted({clip.emotion for clip in clips}))
    person = np.array([names.index(clip.speaker) for clip in clips])
    y = np.array([classes.index(clip.emotion) for clip in clips])
    calm = y == classes.index("neutral")
    first = np.array([np.flatnonzero(calm & (person == p))[0] for p in range(len(names))])
    rows = np.setdiff1d(np.arange(len(clips)), first)
    loud = [voices.MEASURES.index(name) for name in ("energy_median", "speech_s")]
    return PeopleSet(
        "EmoDB",
        "voice measures",
        values[rows],
        y[rows],
        person[rows],
        values[first],
        values[rows][:, loud],
        classes,
    )


def bah(folder: Path) -> PeopleSet:
    """Answers of BAH v1 (train and val): measures of words. The answer to question 1 is the
    neutral.
    """
    answers = sorted(_answers(folder), key=lambda a: (a["person"], a["question"]))
    measured = [_word_values(str(answer["text"])) for answer in answers]
    columns = sorted({name for row in measured for name in row})
    values = np.array([[row.get(name, np.nan) for name in columns] for row in measured])
    question = np.array([int(answer["question"]) for answer in answers])
    who = [str(answer["person"]) for answer in answers]
    rows = np.flatnonzero(question != 1)
    names = sorted({who[row] for row in rows})
    neutral = np.full((len(names), len(columns)), np.nan)
    for row in np.flatnonzero(question == 1):
        if who[row] in names:
            neutral[names.index(who[row])] = values[row]
    length = np.log([len(str(answer["text"]).split()) for answer in answers])
    asked = np.eye(8)[question][:, 2:]
    return PeopleSet(
        "BAH v1",
        "word measures",
        values[rows],
        np.array([int(answers[row]["label"]) for row in rows]),
        np.array([names.index(who[row]) for row in rows]),
        neutral,
        np.column_stack([asked, length])[rows],
        ("no A/H", "A/H"),
        "accuracy",
        ordered=True,
    )


def _answers(folder: Path) -> Iterator[Mapping[str, str | int]]:
    for name in ("train", "val"):
        for line in (folder / f"{name}.txt").read_text(encoding="utf-8").splitlines():
            path, label, text = line.split(",", 2)
            question = int(path.split("_Question_")[1][0])
            person = path.split("/")[1]
            yield {"person": person, "question": question, "label": int(label), "text": text}


def _word_values(text: str) -> dict[str, float]:
    texts = text.split()
    words = tuple(
        Word(one, float(k), k + 0.5, timing=Timing.SPREAD_ALL) for k, one in enumerate(texts)
    )
    return {name: one.centre for name, one in words_neutral(words).items()}
