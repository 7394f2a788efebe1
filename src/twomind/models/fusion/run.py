"""Run a fusion network over a recording, in chunks of any length, with the same numbers as in one
piece.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from twomind.core.errors import BadInput
from twomind.core.numbers import softmax as softmax
from twomind.models.fusion.input import Grid, Memory, Recipe, grid_rows, hop_of
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
        return np.where(self.valid[:, None], softmax(self.logits), np.nan)


def _joined(parts: list[Rows], n_classes: int, width: int) -> Rows:
    if not parts:
        return Rows(
            np.empty(0),
            np.empty((0, n_classes)),
            np.empty(0, bool),
            np.empty((0, width)),
            np.empty(0),
        )
    return Rows(
        np.concatenate([p.times_s for p in parts]),
        np.concatenate([p.logits for p in parts]),
        np.concatenate([p.valid for p in parts]),
        np.concatenate([p.z for p in parts]),
        np.concatenate([p.log_weight for p in parts]),
    )


class Runner:
    """The network's state along one recording. ``advance`` takes the next rows; ``logits`` is the
    answer so far.
    """

    def __init__(self, net: FusionNet, question: int) -> None:
        self.net, self.question = net, question
        self._state: Any = None
        self._peak = -np.inf  # of the log weights; the sums below are relative to it
        self._weight = 0.0
        self._sum = np.zeros(int(net.head.width))

    def advance(self, grid: Grid) -> Rows:
        """Rows of the next part of the recording."""
        step = CHUNK if self.net.config.streams else max(len(grid), 1)
        parts = [self._chunk(grid.rows(a, a + step)) for a in range(0, len(grid), step)]
        return _joined(parts, self.net.n_classes, len(self._sum))

    def _chunk(self, grid: Grid) -> Rows:
        with torch.no_grad():
            batch = collate([replace(grid, question=self.question)])
            out = self.net(batch, self._state)
            logits = self.net.frame_logits(out.frame, batch.question)
        self._state = out.state
        rows = Rows(
            grid.times_s,
            logits[0].double().numpy(),
            out.present[0].any(dim=-1).numpy(),
            out.z[0].double().numpy(),
            out.log_weight[0].double().numpy(),
        )
        peak = max(self._peak, float(rows.log_weight.max()))
        keep = np.exp(self._peak - peak)
        weight = np.exp(rows.log_weight - peak)
        self._weight = self._weight * keep + float(weight.sum())
        self._sum = self._sum * keep + weight @ rows.z
        self._peak = peak
        return rows

    @property
    def pooled(self) -> np.ndarray:
        """Weighted mean of ``z`` so far ``(D,)``."""
        return self._sum / self._weight if self._weight else self._sum

    def logits(self) -> np.ndarray:
        """Of the recording so far ``(C,)``."""
        with torch.no_grad():
            pooled = torch.from_numpy(self.pooled).float()[None]
            e = self.net.embedding(pooled, torch.tensor([self.question])).double()
            weight, bias = self.net.linear()
            return np.asarray((e @ weight.double().T + bias.double())[0])


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
        if self._next is None:
            self._next = int(hop_of(np.array([x.span_s[0]]), self.recipe.hop_s)[0])
        elif abs(x.span_s[0] - self._end_s) > 1e-6:
            raise BadInput(
                f"{x.recording}: expected a piece from {self._end_s:.3f} s on, got one from "
                f"{x.span_s[0]:.3f} s"
            )
        self._held, self._end_s = _follow(self._held, x), x.span_s[1]
        return self._take(int(hop_of(np.array([x.span_s[1]]), self.recipe.hop_s)[0]))

    def finish(self) -> Grid | None:
        """The last row, if the recording ends inside one."""
        if self._held is None:
            return None
        return self._take(int(np.ceil(self._end_s / self.recipe.hop_s - 1e-6)))

    def _take(self, end: int) -> Grid:
        assert self._next is not None
        assert self._held is not None
        n = max(end - self._next, 0)
        grid, self._memory = grid_rows(self._held, self.recipe, self._next, n, self._memory)
        self._next += n
        self._held = _after(self._held, self._next, self.recipe.hop_s)
        return grid


def _rows_of(track: Track, keep: np.ndarray) -> Track:
    assert track.reason_code is not None
    return replace(
        track,
        values=track.values[keep],
        times_s=track.times_s[keep],
        valid=track.valid[keep],
        reason_code=track.reason_code[keep],
    )


def _follow(a: Features | None, b: Features) -> Features:
    """The held rows of ``a`` before those of ``b``."""
    if a is None:
        return b
    tracks = dict(b.tracks)
    for name, track in a.tracks.items():
        if not len(track):
            tracks.setdefault(name, track)
        elif name not in tracks:
            tracks[name] = track
        else:
            # Reasons may differ from piece to piece, and the model does not read them.
            other = tracks[name]
            tracks[name] = Track(
                np.concatenate([track.values, other.values]),
                np.concatenate([track.times_s, other.times_s]),
                np.concatenate([track.valid, other.valid]),
                other.names,
            )
    words = None if b.words is None else (*(a.words or ()), *b.words)
    return replace(b, tracks=tracks, words=words, span_s=(a.span_s[0], b.span_s[1]))


def _after(x: Features, hop: int, hop_s: float) -> Features:
    """What belongs to hops from ``hop`` on."""
    tracks = {n: _rows_of(t, hop_of(t.times_s, hop_s) >= hop) for n, t in x.tracks.items()}
    words = x.words
    if words is not None:
        words = tuple(w for w in words if hop_of(np.array([w.start_s]), hop_s)[0] >= hop)
    return replace(x, tracks=tracks, words=words)


def rows_of(net: FusionNet, grid: Grid, question: int | None = None) -> tuple[Rows, Runner]:
    """All rows of a grid, and the runner at its end."""
    runner = Runner(net, grid.question if question is None else question)
    return runner.advance(grid), runner


def tensor(values: Any) -> Tensor:
    return torch.as_tensor(np.asarray(values, np.float32))
