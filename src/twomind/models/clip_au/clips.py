"""Which frames make a clip: by time, in order, several per recording; and the released rule, for
comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twomind.types import Track


@dataclass(frozen=True)
class ClipSettings:
    """A clip is up to ``n_frames`` valid rows, ``hop_s`` seconds apart, in order, without wrapping
    around.

    0.08 s is every second frame at 25 frames/s, the released stride.
    """

    n_frames: int = 20
    hop_s: float = 0.08
    #: Per window at most, evenly spread; their logits are averaged.
    n_clips: int = 5

    @property
    def length_s(self) -> float:
        return (self.n_frames - 1) * self.hop_s


def rows_from(times_s: np.ndarray, start_s: float, settings: ClipSettings) -> np.ndarray:
    """Indices of the rows nearest to the clip's times; a time without a row within half a hop is
    left out.

    Args:
        times_s: Times of the rows ``(T,)``.
        start_s: The clip starts at the row nearest to it: halfway between two rows, every second
            time would be a tie.
        settings: What makes a clip.
    """
    from_start = np.abs(times_s - start_s)
    first = int(np.argmin(from_start))
    steps = np.arange(settings.n_frames)
    after_s = settings.hop_s * steps
    wanted = times_s[first] + after_s
    last = len(times_s) - 1
    right = np.searchsorted(times_s, wanted)
    right = np.clip(right, 0, last)
    left = np.maximum(right - 1, 0)
    from_left = np.abs(times_s[left] - wanted)
    from_right = np.abs(times_s[right] - wanted)
    nearest = np.where(from_left <= from_right, left, right)
    distance = np.abs(times_s[nearest] - wanted)
    near = distance <= settings.hop_s / 2 + 1e-6
    return np.unique(nearest[near])


def _length_s(times_s: np.ndarray) -> float:
    """From the first row to the last."""
    return float(times_s[-1] - times_s[0])


def clip_starts(times_s: np.ndarray, settings: ClipSettings) -> np.ndarray:
    """Start times of the clips of one window: evenly spread, at most twice overlapping; one when it
    is short.
    """
    first_s = float(times_s[0])
    spare_s = _length_s(times_s) - settings.length_s
    if spare_s <= 0 or settings.n_clips <= 1:
        return times_s[:1] + max(spare_s, 0.0) / 2
    step_s = max(settings.length_s, settings.hop_s) / 2
    n_steps = int(np.ceil(spare_s / step_s))
    n = min(settings.n_clips, 1 + n_steps)
    return first_s + np.linspace(0.0, spare_s, n)


def clips_of(
    track: Track, settings: ClipSettings, rng: np.random.Generator | None = None
) -> list[np.ndarray]:
    """Row indices of each clip.

    Args:
        track: The track that the clips are cut from.
        settings: What makes a clip.
        rng: For training: one clip at a start that it draws.
    """
    valid = np.flatnonzero(track.valid)
    if not len(valid):
        return []
    times_s = track.times_s[valid]
    if rng is None:
        starts = clip_starts(times_s, settings)
    else:
        spare_s = _length_s(times_s) - settings.length_s
        spare_s = max(0.0, spare_s)
        starts = times_s[:1] + rng.uniform(0, spare_s)
    clips = []
    for start_s in starts:
        rows = rows_from(times_s, float(start_s), settings)
        clips.append(valid[rows])
    return clips


def released_rows(n_frames: int, stride: int, seq_len: int, start: int) -> list[int]:
    """The released rule: every ``stride``-th frame, wrapped around, the last one repeated.

    Args:
        n_frames: Frames of the recording.
        stride: Every how many-th frame is kept.
        seq_len: Frames of a clip.
        start: Index into the kept frames; the released code draws it at random in training,
            evaluation and adaptation.
    """
    kept = list(range(0, n_frames, stride))
    end = start + seq_len
    taken = kept[start:end]
    if end >= len(kept):
        n_missing = seq_len - len(taken)
        taken += kept[:n_missing]
    n_missing = seq_len - len(taken)
    last = taken[-1]
    return taken + [last] * n_missing


def padded(clips: Sequence[np.ndarray], dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Clips ``(t_i, D)`` as one array ``(B, T, D)`` float32 padded with zeros, and their lengths
    ``(B,)``.
    """
    lengths = np.array([len(c) for c in clips], np.int64)
    longest = int(lengths.max())
    shape = (len(clips), longest, dim)
    out = np.zeros(shape, np.float32)
    for k, clip in enumerate(clips):
        out[k, : len(clip)] = clip
    return out, lengths
