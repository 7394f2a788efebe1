"""One row of numbers per window: the mean of every column that ``describe`` measures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twomind.types import Features, Track

#: Columns that say how well a face could be measured, not what it does.
_QUALITY = ("blur", "light", "occlusion", "quality", "face_size")
#: A standardised mean is cut here: one wild window must not decide.
_FARTHEST = 8


@dataclass(frozen=True)
class WindowMeans:
    """Features → ``(D,)``: the mean of every column, less the mean of the training windows, over
    their deviation.

    What was not measured in a window is 0, the training average. ``names`` are ``track.column``, in
    order; ``mean`` and ``sd`` belong to them.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    face: str = "face"

    @property
    def tracks(self) -> tuple[str, ...]:
        """The tracks that are read."""
        return tuple(dict.fromkeys(name.split(".")[0] for name in self.names))

    def __call__(self, x: Features) -> np.ndarray | None:
        raw = window_means(x, self.face)
        if not any(np.isfinite(v) for v in raw.values()):
            return None
        row = np.array([raw.get(name, np.nan) for name in self.names])
        row = (row - np.array(self.mean)) / np.array(self.sd)
        kept = np.clip(row, -_FARTHEST, _FARTHEST)
        return np.where(np.isfinite(row), kept, 0.0).astype(np.float32)


def window_means(x: Features, face: str = "face") -> dict[str, float]:
    """``track.column`` → mean over the window's valid rows (nan when there is none); words per
    second.
    """
    found: dict[str, float] = {}
    for name in (face, "voice"):
        track = x.tracks.get(name)
        if track is not None:
            found |= _column_means(name, track)
    words = x.tracks.get("words")
    length_s = x.span_s[1] - x.span_s[0]
    if words is not None and length_s > 0:
        found["words.n"] = len(words) / length_s
        for k, column in enumerate(words.names):
            found[f"words.{column}"] = float(words.values[:, k].sum()) / length_s
    return found


def _column_means(name: str, track: Track) -> dict[str, float]:
    found: dict[str, float] = {}
    for column in track.names:
        if column in _QUALITY:
            continue
        values = track.column(column)
        if column == "pitch":
            values = 12 * np.log2(np.maximum(values, 1.0))
        known = values[np.isfinite(values)]
        found[f"{name}.{column}"] = float(known.mean()) if len(known) else float("nan")
    return found
