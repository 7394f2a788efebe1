"""Small synthetic people for the fusion tests: features with a signal planted in a modality, or in
a conflict of two.

No faces, no sounds: rows as ``describe`` would give them. What they show is that the machinery can
learn and be wrong; nothing about people.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from twomind.features.face.measures import NAMES as FACE
from twomind.features.voice.track import NAMES as VOICE
from twomind.features.words.lexicon import lexicon
from twomind.models.fusion.input import Recipe, default_recipe
from twomind.training.fusion_data import Item, item_of, middles
from twomind.types import AMBIVALENCE, Features, Fold, Progress, Recording, Track

PLANTS = ("face", "voice", "words", "conflict", "within")
RECIPE = default_recipe()


@dataclass(frozen=True)
class Take:
    """One recording with its truth: marked spans in seconds."""

    x: Features
    spans: tuple[tuple[float, float], ...]

    @property
    def y(self) -> int:
        return int(bool(self.spans))

    def frame_labels(self, times_s: np.ndarray) -> np.ndarray:
        inside = np.zeros(len(times_s), int)
        for a, b in self.spans:
            inside |= (times_s >= a) & (times_s < b)
        return inside

    def at(self, start_s: float, end_s: float) -> int:
        """Label of a window: whether at least half of it is marked."""
        return int(
            sum(max(0.0, min(b, end_s) - max(a, start_s)) for a, b in self.spans)
            >= 0.5 * (end_s - start_s)
        )

    def item(self, recipe: Recipe = RECIPE) -> Item:
        times_s = middles(self.x, recipe)
        return item_of(self.x, recipe, self.y, self.frame_labels(times_s), len(AMBIVALENCE.classes))


def _levels(
    rng: np.random.Generator, n: int, plant: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per span of 3 s: smile − frown, tone of the words, arousal of the voice; and whether it is
    marked ``(n,)``.
    """
    face, words = rng.choice([-1, 0, 1], n), rng.choice([-1, 0, 1], n)
    voice = rng.choice([0, 1], n)
    return face, words, voice


def take(
    person: str,
    number: int,
    plant: str,
    seconds: float = 24.0,
    noise: float = 0.6,
    drawn: bool = True,
    knob: float = 1.0,
) -> Take:
    """One recording of one person. Only ``plant`` decides what is marked; everything else varies
    all the same.

    ``knob``, for the plant "conflict": the share of marked spans that show a conflict. The others
    show a raised voice over a face and words that agree, as no unmarked span does.
    """
    rng = np.random.default_rng([zlib.crc32(f"{person}|{number}|{plant}".encode())])
    own = np.random.default_rng([zlib.crc32(person.encode())])
    n = int(seconds / 3)
    face, words, voice = _levels(rng, n, plant)
    both = rng.random(n) < 0.35  # smile and frown at once
    if rng.random() < 0.4:  # a recording without a marked span
        face, words, voice, both = _unmarked(face, words, voice, both, plant)
    marked = {
        "face": face > 0,
        "voice": voice > 0,
        "words": words > 0,
        "conflict": face * words < 0,
        "within": both,
    }[plant]
    if plant == "conflict" and knob < 1:
        plainly = marked & (rng.random(n) >= knob)
        words, voice = (
            np.where(plainly, face, words),
            np.where(plainly, 1, np.where(marked, voice, 0)),
        )
    spans = tuple((3.0 * i, 3.0 * (i + 1)) for i in np.flatnonzero(marked))

    times = np.arange(0, seconds, 0.1) + 0.05
    at = np.minimum((times / 3).astype(int), n - 1)
    rows = noise * rng.normal(size=(len(times), len(FACE))) + 0.3 * own.normal(size=len(FACE))
    smile, frown = (face > 0) | both, (face < 0) | both
    if plant != "within":
        smile, frown = face > 0, face < 0
    rows[:, FACE.index("AU12")] += 1.5 * smile[at]
    rows[:, FACE.index("AU04")] += 1.5 * frown[at]
    valid = np.ones(len(times), bool)
    valid[rng.integers(0, len(times) - 8) :][:8] = False
    tracks = {"face_relative": _track(rows, times, valid, FACE)}

    vt = np.arange(0, seconds, 0.05) + 0.025
    av = np.minimum((vt / 3).astype(int), n - 1)
    pitch = 150 * 2 ** (
        0.2 * own.normal() + 0.3 * voice[av] + 0.1 * noise * rng.normal(size=len(vt))
    )
    energy = -30 + 3 * own.normal() + 4 * voice[av] + 3 * noise * rng.normal(size=len(vt))
    speech = (rng.random(len(vt)) < 0.8).astype(float)
    columns = {
        "speech": speech,
        "pitch": np.where(speech > 0, pitch, np.nan),
        "energy": energy,
        "syllable": speech,
    }
    tracks["voice"] = _track(
        np.stack([columns[c] for c in VOICE], axis=1), vt, np.ones(len(vt), bool), VOICE
    )

    names = lexicon().names
    wt = np.sort(rng.uniform(0, seconds, int(seconds * 4)))
    aw = np.minimum((wt / 3).astype(int), n - 1)
    bag = (rng.random((len(wt), len(names))) < 0.03).astype(float)
    tone = rng.random(len(wt)) < 0.6
    bag[:, names.index("positive")] = tone & (words[aw] > 0)
    bag[:, names.index("negative")] = tone & (words[aw] < 0)
    tracks["words"] = _track(bag, wt, np.ones(len(wt), bool), names)
    question = str(1 + number % 7)
    x = Features(
        f"{person}-{number}-{plant}", person, tracks, (0.0, seconds), question, drawn=drawn
    )
    return Take(x, spans)


def _unmarked(
    face: np.ndarray, words: np.ndarray, voice: np.ndarray, both: np.ndarray, plant: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    if plant == "face":
        face = np.minimum(face, 0)
    elif plant == "words":
        words = np.minimum(words, 0)
    elif plant == "voice":
        voice = np.zeros_like(voice)
    elif plant == "conflict":
        words = np.where(face * words < 0, face, words)
    else:
        both = np.zeros_like(both)
    return face, words, voice, both


def _track(
    values: np.ndarray, times_s: np.ndarray, valid: np.ndarray, names: tuple[str, ...]
) -> Track:
    return Track(values.astype(np.float32), times_s, valid, tuple(names))


def takes(people: range, plant: str, n_each: int = 4, **options: float) -> list[Take]:
    return [take(f"p{p}", k, plant, **options) for p in people for k in range(n_each)]  # type: ignore[arg-type]


def without(x: Features, *modalities: str) -> Features:
    """The recording as if modalities had not been recorded."""
    from dataclasses import replace

    gone = {"face": "face_relative"}
    drop = {gone.get(m, m) for m in modalities}
    notes = dict.fromkeys(modalities, "not recorded")
    return replace(x, tracks={k: v for k, v in x.tracks.items() if k not in drop}, notes=notes)


def train_small(
    folder: Path, progress: Progress | None = None, model: str = "conflict", short: bool = False
) -> Path:
    """Train a little model into ``folder/model`` with a checkpoint after every step: what a test
    kills and resumes.
    """
    import torch

    from twomind.models.fusion import recogniser as fusion
    from twomind.models.fusion.net import FusionConfig
    from twomind.training.fusion import fit, settings_for

    torch.set_num_threads(1)
    items = [t.item() for t in takes(range(6), "face", 2 if short else 3)]
    train, val = [i for i in items if i.subject > "p1"], [i for i in items if i.subject <= "p1"]
    name, _, released = model.partition("-")
    config = FusionConfig(name, released=bool(released))
    settings = settings_for(config, epochs=2 if short else 3, checkpoint_every_s=0.0)
    checkpoint = folder / "checkpoint"
    found = fit(train, val, AMBIVALENCE, RECIPE, config, settings, None, checkpoint, progress)
    return fusion.save(found, folder / "model")


class FakeSet:
    """A data set in memory, behind the contract of ``twomind.datasets``."""

    name = "planted"
    tasks = (AMBIVALENCE,)

    def __init__(self, plant: str, n_people: int, n_each: int = 3) -> None:
        self.takes = {t.x.recording: t for t in takes(range(n_people), plant, n_each)}

    def recordings(self):
        return tuple(
            Recording(t.x.recording, t.x.subject, Path("none.mp4"), t.x.question, drawn=True)
            for t in self.takes.values()
        )

    def label(self, task_name: str, recording_id: str) -> int | None:
        return self.takes[recording_id].y

    def frame_labels(self, task_name: str, recording_id: str, times_s: np.ndarray) -> np.ndarray:
        return self.takes[recording_id].frame_labels(times_s)

    def folds(self, protocol: str, seed: int = 0) -> tuple[Fold, ...]:
        people = sorted({t.x.subject for t in self.takes.values()}, key=lambda p: int(p[1:]))
        n = len(people)
        parts = {
            p: "test" if i < n // 3 else "val" if i < n // 2 else "train"
            for i, p in enumerate(people)
        }
        ids = {
            k: tuple(i for i, t in self.takes.items() if parts[t.x.subject] == k)
            for k in ("train", "val", "test")
        }
        return (Fold("one", protocol, ids["train"], ids["test"], ids["val"]),)

    def describe(self, recording: Recording) -> Features:
        return self.takes[recording.id].x


def paired_across_people(found: Sequence[Take], piece_s: float = 3.0) -> list[Take]:
    """The same takes with face and voice of other people's pieces of the same label. Words and
    marks stay.

    Face and voice come from two different draws, so that no two modalities of a moment belong
    together.
    """
    from twomind_synth.studies.features import shuffle_modalities

    pieces, labels, owner = [], [], []
    for n, take_ in enumerate(found):
        start_s, end_s = take_.x.span_s
        for a in np.arange(start_s, end_s, piece_s).tolist():
            b = min(a + piece_s, end_s)
            pieces.append(take_.x.between(a, b))
            labels.append(take_.at(a, b))
            owner.append(n)
    mixed = shuffle_modalities(pieces, labels, ("face", "face_relative"), 0)
    mixed = shuffle_modalities(mixed, labels, ("voice",), 1)
    out = []
    for n, take_ in enumerate(found):
        own = [piece for k, piece in zip(owner, mixed, strict=True) if k == n]
        tracks = {
            k: t if k == "words" else _joined([p.tracks[k] for p in own])
            for k, t in take_.x.tracks.items()
        }
        out.append(replace(take_, x=replace(take_.x, tracks=tracks)))
    return out


def _joined(pieces: Sequence[Track]) -> Track:
    pieces = [p for p in pieces if len(p)]
    return Track(
        np.concatenate([p.values for p in pieces]),
        np.concatenate([p.times_s for p in pieces]),
        np.concatenate([p.valid for p in pieces]),
        pieces[0].names,
    )
