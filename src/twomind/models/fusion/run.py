"""Run a fusion network over a recording, in chunks of any length, with the same numbers as in one
piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch

from twomind.core.errors import BadInput
from twomind.core.numbers import softmax as softmax
from twomind.models.fusion.input import Grid, Memory, Recipe, grid_rows, hop_at, hop_of
from twomind.models.fusion.net import FusionNet, collate
from twomind.types import Features, Track

#: Rows that the network sees at once: memory does not grow with the recording.
CHUNK = 256


@dataclass(frozen=True)
class Rows:
    """Rows of an answer: ``times_s (T,)`` of their starts, ``logits (T, C)`` calibrated, ``valid
    (T,)``.

    A row is valid where some modality was measured within the model's hold time. ``z (T, D)`` and
    ``log_weight (T,)`` are what the video score is pooled from.
    """

    times_s: np.ndarray
    logits: np.ndarray
    valid: np.ndarray
    z: np.ndarray
    log_weight: np.ndarray

    @property
    def probs(self) -> np.ndarray:
        """``(T, C)``, nan where not valid."""
        valid = self.valid[:, None]
        return np.where(valid, softmax(self.logits), np.nan)


def _no_rows(net: FusionNet) -> Rows:
    no_logits = np.empty((0, net.n_classes))
    no_z = np.empty((0, net.head.width))
    return Rows(np.empty(0), no_logits, np.empty(0, bool), no_z, np.empty(0))


def _joined(parts: Sequence[Rows]) -> Rows:
    """Rows of consecutive chunks as one answer."""
    joined = {}
    for field in fields(Rows):
        arrays = [getattr(part, field.name) for part in parts]
        joined[field.name] = np.concatenate(arrays)
    return Rows(**joined)


class Runner:
    """The network's state along one recording. ``advance`` takes the next rows; ``logits`` is the
    answer so far.
    """

    def __init__(self, net: FusionNet, question: int) -> None:
        self.net = net
        self.question = question
        self._state: Any = None
        # Of the log weights; the sums below are relative to it.
        self._peak = -np.inf
        self._weight = 0.0
        self._sum = np.zeros(int(net.head.width))

    def advance(self, grid: Grid) -> Rows:
        """Rows of the next part of the recording."""
        n = len(grid)
        if not n:
            return _no_rows(self.net)
        step = CHUNK if self.net.config.streams else n
        parts = []
        for start in range(0, n, step):
            chunk = grid.rows(start, start + step)
            rows = self._chunk(chunk)
            self._pool(rows)
            parts.append(rows)
        return _joined(parts)

    def _chunk(self, grid: Grid) -> Rows:
        """The network's answer on the next chunk."""
        asked = replace(grid, question=self.question)
        with torch.no_grad():
            batch = collate([asked])
            out = self.net(batch, self._state)
            logits = self.net.frame_logits(out.frame, batch.question)
        self._state = out.state
        valid = out.present[0].any(dim=-1)
        return Rows(
            grid.times_s,
            logits[0].double().numpy(),
            valid.numpy(),
            out.z[0].double().numpy(),
            out.log_weight[0].double().numpy(),
        )

    def _pool(self, rows: Rows) -> None:
        """Add rows to the weighted sum of ``z``."""
        highest = float(rows.log_weight.max())
        peak = max(self._peak, highest)
        keep = np.exp(self._peak - peak)
        weight = np.exp(rows.log_weight - peak)
        self._weight = self._weight * keep + float(weight.sum())
        self._sum = self._sum * keep + weight @ rows.z
        self._peak = peak

    @property
    def pooled(self) -> np.ndarray:
        """Weighted mean of ``z`` so far ``(D,)``."""
        if not self._weight:
            return self._sum
        return self._sum / self._weight

    def logits(self) -> np.ndarray:
        """Of the recording so far ``(C,)``."""
        with torch.no_grad():
            pooled = torch.from_numpy(self.pooled).float()
            question = torch.tensor([self.question])
            e = self.net.embedding(pooled[None], question).double()
            weight, bias = self.net.linear()
            logits = e @ weight.double().T + bias.double()
        return logits[0].numpy()


class Chunks:
    """Features that come in pieces → rows of the grid, each as soon as it is complete."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._next: int | None = None
        self._memory: Memory | None = None
        self._held: Features | None = None
        self._end_s = 0.0

    def push(self, x: Features) -> Grid:
        """Take the next piece; pieces must follow one another.

        The words of a piece are best given as a ``words`` track cut from the whole
        (``Features.between``): a phrase that is cut in two is not found again.

        Raises:
            BadInput: the piece does not begin where the last one ended.
        """
        start_s, end_s = x.span_s
        if self._next is None:
            self._next = hop_at(start_s, self.recipe.hop_s)
        elif abs(start_s - self._end_s) > 1e-6:
            raise BadInput(
                f"{x.recording}: expected a piece from {self._end_s:.3f} s on, got one from "
                f"{start_s:.3f} s"
            )
        self._held = _follow(self._held, x)
        self._end_s = end_s
        return self._take(hop_at(end_s, self.recipe.hop_s))

    def finish(self) -> Grid | None:
        """The last row, if the recording ends inside one."""
        if self._held is None:
            return None
        n_hops = self._end_s / self.recipe.hop_s
        return self._take(int(np.ceil(n_hops - 1e-6)))

    def _take(self, end: int) -> Grid:
        assert self._next is not None
        assert self._held is not None
        n = max(end - self._next, 0)
        grid, self._memory = grid_rows(self._held, self.recipe, self._next, n, self._memory)
        self._next += n
        self._held = _after(self._held, self._next, self.recipe.hop_s)
        return grid


def _follow(a: Features | None, b: Features) -> Features:
    """The held rows of ``a`` before those of ``b``."""
    if a is None:
        return b
    tracks = dict(b.tracks)
    for name, held in a.tracks.items():
        new = tracks.get(name)
        if new is None:
            tracks[name] = held
        elif len(held):
            tracks[name] = _appended(held, new)
    words = b.words
    if words is not None:
        words = (*(a.words or ()), *words)
    span_s = (a.span_s[0], b.span_s[1])
    return replace(b, tracks=tracks, words=words, span_s=span_s)


def _appended(a: Track, b: Track) -> Track:
    """Rows of ``a``, then those of ``b``. Reasons may differ from piece to piece, and the model does
    not read them.
    """
    values = np.concatenate([a.values, b.values])
    times_s = np.concatenate([a.times_s, b.times_s])
    valid = np.concatenate([a.valid, b.valid])
    return Track(values, times_s, valid, b.names)


def _after(x: Features, hop: int, hop_s: float) -> Features:
    """What belongs to hops from ``hop`` on."""
    tracks = {}
    for name, track in x.tracks.items():
        later = hop_of(track.times_s, hop_s) >= hop
        tracks[name] = track.rows(later)
    words = x.words
    if words is not None:
        words = tuple(w for w in words if hop_at(w.start_s, hop_s) >= hop)
    return replace(x, tracks=tracks, words=words)


def rows_of(net: FusionNet, grid: Grid, question: int | None = None) -> tuple[Rows, Runner]:
    """All rows of a grid, and the runner at its end.

    Args:
        net: The network.
        grid: Rows of one recording.
        question: Index of the question; None: the grid's own.
    """
    asked = grid.question if question is None else question
    runner = Runner(net, asked)
    return runner.advance(grid), runner
