"""DSFDA on the folds of a data set: face crops that are there, or cut from films, to a source model.

Pictures of people are read anew each time and never kept in the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.encoders.frame_rows import without_rows
from twomind.models.dsfda import net
from twomind.models.dsfda.crops import TRACK, evenly, pictures_of
from twomind.models.dsfda.recogniser import HOP_S, Dsfda, as_pictures
from twomind.training import clip_au_folds
from twomind.training.dsfda import Pictures, TrainSettings, train
from twomind.training.readable import OF_ONE_FILE
from twomind.types import Example, Features, Progress, Task


@dataclass(frozen=True)
class Cropped:
    """recording id → its face crops as one track; picklable, for worker processes."""

    root: Path
    name: str | None
    px: int
    hop_s: float = HOP_S
    faces: str = "auto"

    def __call__(self, recording: str) -> Features:
        return clip_au_folds.remembered(self, recording, self._read)

    def _read(self, recording: str) -> Features:
        dataset, known = clip_au_folds.opened(self.root, self.name)
        one = known.get(recording)
        if one is None:
            raise BadInput(f"{self.root}: no recording {recording!r}")
        try:
            folder = dataset.frame_folder(recording)
            track = pictures_of(one.media, folder, self.px, self.hop_s, self.faces)
        except OF_ONE_FILE as error:
            return without_rows(one, TRACK, (self.px, self.px, 3), str(error))
        start_s = float(track.times_s[0])
        end_s = float(track.times_s[-1]) + self.hop_s
        return Features(
            recording=one.id,
            subject=one.subject,
            tracks={TRACK: track},
            span_s=(start_s, end_s),
            question=one.question,
            drawn=one.drawn,
        )


@dataclass(frozen=True)
class DsfdaRecipe:
    """How a fold's DSFDA is trained."""

    size: str = "full"  # full, small, tiny
    settings: TrainSettings = field(default_factory=TrainSettings)
    #: pictures of a recording that are trained on, at most, evenly spaced
    per_recording: int = 75
    neutral: int = 0

    @property
    def module(self) -> str:
        return __name__

    def mark(self) -> dict[str, Any]:
        return asdict(self)

    def train(
        self,
        task: Task,
        source: Sequence[Example],
        held: Sequence[Example],
        folder: Path,
        progress: Progress | None,
    ) -> Dsfda:
        """A source model. Validation people are trained on too: nothing is chosen by them."""
        size = net.SIZES[self.size]
        data = pictures_from([*source, *held], size.px, self.per_recording, self.neutral)
        keep = folder / "unfinished.safetensors"
        model = train(task, data, size, self.settings, keep=keep, progress=progress)
        keep.unlink(missing_ok=True)
        return model

    def load(self, folder: Path) -> Dsfda:
        return Dsfda.load(folder)


def pictures_from(
    examples: Sequence[Example], px: int, per_recording: int, neutral: int = 0
) -> Pictures:
    """Labelled pictures of windows.

    Args:
        examples: windows with the track of face crops.
        px: side of a picture.
        per_recording: so many of a window at most, evenly spaced.
        neutral: the class without an expression.

    Raises:
        BadInput: no window shows a face.
    """
    import torch

    pictures = []
    y: list[int] = []
    people: list[str] = []
    for example in examples:
        track = example.x.tracks[TRACK]
        rows = evenly(np.flatnonzero(track.valid), per_recording)
        if not len(rows):
            continue
        pictures.append(as_pictures(track.values[rows], px))
        y += [example.y] * len(rows)
        people += [example.x.subject] * len(rows)
    if not pictures:
        raise BadInput(
            f"DSFDA: expected labelled recordings with a face, got {len(examples)} windows of "
            "which none shows one"
        )
    drawn = all(example.x.drawn for example in examples)
    return Pictures(torch.cat(pictures), np.array(y), np.array(people), drawn, neutral)


__all__ = ["Cropped", "DsfdaRecipe", "pictures_from"]
