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
    n_clips: int = 5  # per window at most, evenly spread; their logits are averaged

    @property
    def length_s(self) -> float:
        return (self.n_frames - 1) * self.hop_s


def rows_from(times_s: np.ndarray, start_s: float, settings: ClipSettings) -> np.ndarray:
    """Indices of the rows nearest to the clip's times; a time without a row within half a hop is
    left out.

    The clip starts at the row nearest to ``start_s``: halfway between two rows, every second time
    would be a tie.
    """
    first = int(np.argmin(np.abs(times_s - start_s)))
    wanted = times_s[first] + settings.hop_s * np.arange(settings.n_frames)
    right = np.clip(np.searchsorted(times_s, wanted), 0, len(times_s) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(
        np.abs(times_s[left] - wanted) <= np.abs(times_s[right] - wanted), left, right
    )
    near = np.abs(times_s[nearest] - wanted) <= settings.hop_s / 2 + 1e-6
    return np.unique(nearest[near])


def clip_starts(times_s: np.ndarray, settings: ClipSettings) -> np.ndarray:
    """Start times of the clips of one window: evenly spread, at most twice overlapping; one when it
    is short.
    """
    spare_s = float(times_s[-1] - times_s[0]) - settings.length_s
    if spare_s <= 0 or settings.n_clips <= 1:
        return times_s[:1] + max(spare_s, 0.0) / 2
    step_s = max(settings.length_s, settings.hop_s) / 2
    n = min(settings.n_clips, 1 + int(np.ceil(spare_s / step_s)))
    return float(times_s[0]) + np.linspace(0.0, spare_s, n)


def clips_of(
    track: Track, settings: ClipSettings, rng: np.random.Generator | None = None
) -> list[np.ndarray]:
    """Row indices of each clip. With ``rng``: one clip at a random start, for training."""
    valid = np.flatnonzero(track.valid)
    if not len(valid):
        return []
    times_s = track.times_s[valid]
    if rng is None:
        starts = clip_starts(times_s, settings)
    else:
        spare_s = max(0.0, float(times_s[-1] - times_s[0]) - settings.length_s)
        starts = times_s[:1] + rng.uniform(0, spare_s)
    return [valid[rows_from(times_s, float(start), settings)] for start in starts]


def released_rows(n_frames: int, stride: int, seq_len: int, start: int) -> list[int]:
    """The released rule: every ``stride``-th frame, ``seq_len`` of them from ``start``, wrapped
    around, last repeated.

    ``start`` indexes the thinned list; the released code draws it at random in training, evaluation
    and adaptation.
    """
    kept = list(range(0, n_frames, stride))
    taken = kept[start : start + seq_len]
    if start + seq_len >= len(kept):
        taken += kept[: seq_len - len(taken)]
    return taken + [taken[-1]] * (seq_len - len(taken))


def released_chunks(
    n_frames: int, start_frame: int, window: int = 100, seq_len: int = 20
) -> list[list[int]]:
    """Frame ids of each sample that the released code makes of one BAH segment.

    Consecutive chunks of ``window``; a last one shorter than ``seq_len`` borrows the frames just
    before it.
    """
    frames = list(range(start_frame, start_frame + n_frames))
    if n_frames <= window:
        return [frames]
    chunks = [frames[at : at + window] for at in range(0, n_frames, window)]
    if len(chunks[-1]) < seq_len:
        chunks[-1] = frames[-seq_len:]
    return chunks


def padded(clips: Sequence[np.ndarray], dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Clips ``(t_i, D)`` as one array ``(B, T, D)`` float32 padded with zeros, and their lengths
    ``(B,)``.
    """
    lengths = np.array([len(c) for c in clips], np.int64)
    out = np.zeros((len(clips), int(lengths.max()), dim), np.float32)
    for k, clip in enumerate(clips):
        out[k, : len(clip)] = clip
    return out, lengths
