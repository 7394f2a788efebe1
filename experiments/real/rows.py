"""The rows of the table: each tells the classes of one person's stream from a model of other people.

A setting of a row is chosen by leaving one source person out at a time; every row has four to
choose from, and sees no label of the person (``few coded``: those that are handed over).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from twomind.adaptation.methods import few_shot, t3a, tda, tent
from twomind.adaptation.tta_cap import TTACap
from twomind.evaluation.run import embedding_summary
from twomind.features.own_stream import N_WARM_UP
from twomind.models.embedding import EmbeddingRecogniser
from twomind.types import Access, Adapter, Example, Features, Given, Task, Track

from .sets import PeopleSet

#: Coded answers of the person that "few coded" is handed.
N_CODED = 2
#: How far the covariance of every model is shrunk, and what is added to its diagonal; not tuned.
_SHRINK, _LEAST = 0.5, 0.05
_TRACK = "embedding"


@dataclass(frozen=True)
class Split:
    """Rows of the source people, and of one person in the order of the stream."""

    source: np.ndarray
    stream: np.ndarray


@dataclass(frozen=True)
class Told:
    """The classes told for the rows of a stream ``(n,)``; those handed over with their labels are
    not counted.
    """

    said: np.ndarray
    counted: np.ndarray


#: A row of the table: data, split, setting → what was told.
Way = Callable[[PeopleSet, Split, float], Told]


class Scaled:
    """A linear discriminant on standardised values, which may be layer-normed first: classes alike
    common, one covariance, shrunk towards its diagonal.

    Args:
        values: of the training rows ``(N, D)``; what is not known takes their mean.
        y: classes ``(N,)``.
        normed: put a layer normalisation before the head, for methods that adapt one.
    """

    def __init__(self, values: np.ndarray, y: np.ndarray, normed: bool = False) -> None:
        self.centre = np.nan_to_num(np.nanmean(values, axis=0))
        spread = np.nanstd(values, axis=0)
        self.spread = np.where(spread > 1e-6, spread, 1.0)
        self.normed = normed
        z = self._seen(values).astype(float)
        classes = np.unique(y)
        middles = np.stack([z[y == c].mean(axis=0) for c in classes])
        within = z - middles[np.searchsorted(classes, y)]
        covariance = within.T @ within / max(len(z) - len(classes), 1)
        shrunk = (1 - _SHRINK) * covariance
        np.fill_diagonal(shrunk, np.diag(covariance) + _LEAST)
        self.classes = classes
        self.weight = np.linalg.solve(shrunk, middles.T).T
        self.bias = -(self.weight * middles).sum(axis=1) / 2

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """Standardised values, zero where they are not known."""
        return np.nan_to_num((values - self.centre) / self.spread).astype(np.float32)

    def _seen(self, values: np.ndarray) -> np.ndarray:
        z = self.scaled(values)
        if self.normed:
            variance = z.var(axis=1, keepdims=True)
            z = (z - z.mean(axis=1, keepdims=True)) / np.sqrt(variance + 1e-5)
        return z

    def said(self, values: np.ndarray) -> np.ndarray:
        scores = self._seen(values) @ self.weight.T + self.bias
        found: np.ndarray = self.classes[scores.argmax(axis=1)]
        return found

    def recogniser(self, classes: tuple[str, ...]) -> EmbeddingRecogniser:
        """The same as a model that methods of adaptation take."""
        weight, bias = self.weight, self.bias
        weights = {
            "head.weight": torch.tensor(weight, dtype=torch.float32),
            "head.bias": torch.tensor(bias, dtype=torch.float32),
        }
        if self.normed:
            n = weight.shape[1]
            weights |= {"norm.weight": torch.ones(n), "norm.bias": torch.zeros(n)}
        return EmbeddingRecogniser(Task("people", classes, "window"), weights, _TRACK)


def window(row: np.ndarray, k: int) -> Features:
    """One embedding ``(D,)`` as a window."""
    track = Track(row[None], np.array([0.5]), np.ones(1, bool))
    return Features(f"r{k}", "person", {_TRACK: track}, (0.0, 1.0))


_FITTED: dict[tuple[PeopleSet, str, bytes, bool], Scaled] = {}


def fitted(
    data: PeopleSet, kind: str, values: np.ndarray, rows: np.ndarray, normed: bool = False
) -> Scaled:
    """A model of some rows; the same one where it was asked for before.

    Args:
        data: whose classes are learnt; it stays in memory.
        kind: names the values.
        values: of all rows ``(N, D)``.
        rows: that it learns from.
        normed: put a layer normalisation before the head.
    """
    key = (data, kind, rows.tobytes(), normed)
    if key not in _FITTED:
        _FITTED[key] = Scaled(values[rows], data.y[rows], normed)
    return _FITTED[key]


def _all(said: np.ndarray) -> Told:
    return Told(said, np.ones(len(said), bool))


def plain(data: PeopleSet, split: Split, setting: float) -> Told:
    """No adaptation."""
    model = fitted(data, "raw", data.values, split.source)
    return _all(model.said(data.values[split.stream]))


def plain_normed(data: PeopleSet, split: Split, setting: float) -> Told:
    """No adaptation of the model that Tent starts from."""
    model = fitted(data, "raw", data.values, split.source, normed=True)
    return _all(model.said(data.values[split.stream]))


def shortcuts(data: PeopleSet, split: Split, setting: float) -> Told:
    """What should not tell the class: picture quality, loudness and length, question and length."""
    model = fitted(data, "shortcut", data.shortcut, split.source)
    return _all(model.said(data.shortcut[split.stream]))


def own_neutral(data: PeopleSet, split: Split, setting: float) -> Told:
    """Less a share of the person's own neutral; as without adaptation where there is none."""
    values = data.values - setting * data.neutral[data.person]
    known = np.isfinite(data.neutral[data.person]).any(axis=1)
    return _relative(data, split, (f"neutral {setting}", values), known)


_MEDIANS: dict[PeopleSet, np.ndarray] = {}


def running_medians(data: PeopleSet) -> np.ndarray:
    """Of each row the median ``(N, D)`` of the person's rows before it; nan during the warm-up."""
    if data in _MEDIANS:
        return _MEDIANS[data]
    middle = np.full(data.values.shape, np.nan)
    for one in np.unique(data.person):
        own = np.flatnonzero(data.person == one)
        for n in range(N_WARM_UP, len(own)):
            middle[own[n]] = np.nanmedian(data.values[own[:n]], axis=0)
    _MEDIANS[data] = middle
    return middle


def own_stream(data: PeopleSet, split: Split, setting: float) -> Told:
    """Less a share of the running median of the person's rows before; as without adaptation during
    the warm-up.
    """
    middle = running_medians(data)
    known = np.isfinite(middle).any(axis=1)
    values = data.values - setting * middle
    return _relative(data, split, (f"stream {setting}", values), known)


def _relative(
    data: PeopleSet, split: Split, named: tuple[str, np.ndarray], known: np.ndarray
) -> Told:
    """A model of relative values where they are known, and of raw ones where not."""
    said = plain(data, split, 0.0).said
    source = split.source[known[split.source]]
    there = known[split.stream]
    if len(np.unique(data.y[source])) == len(data.classes) and there.any():
        kind, values = named
        model = fitted(data, kind, values, source)
        said = said.copy()
        said[there] = model.said(values[split.stream[there]])
    return _all(said)


def stepping(make: Callable[[float], Adapter], normed: bool = False, few: int = 0) -> Way:
    """A row of a method of the library that sees the stream one by one.

    Args:
        make: the method with a setting.
        normed: its model has a layer normalisation.
        few: so many rows of the stream are handed over with their labels, and not counted.
    """

    def way(data: PeopleSet, split: Split, setting: float) -> Told:
        scaled = fitted(data, "raw", data.values, split.source, normed)
        model = scaled.recogniser(data.classes)
        coded = _examples(data, scaled, split.stream[:few])
        method = make(setting)
        summary: Mapping[str, np.ndarray] = {}
        if Access.SUMMARY in method.needs:
            summary = summarised(data, split.source, normed)
        given = Given(0, summary=summary, few=coded).only(method.needs)
        state = method.begin(model, given)
        said = []
        for example in _examples(data, scaled, split.stream):
            answer, state = method.step(model, state, example.x)
            said.append(int(np.argmax(answer.probs)))
        counted = np.arange(len(said)) >= few
        return Told(np.array(said), counted)

    return way


_SUMMARIES: dict[tuple[PeopleSet, bytes, bool], Mapping[str, np.ndarray]] = {}


def summarised(data: PeopleSet, rows: np.ndarray, normed: bool) -> Mapping[str, np.ndarray]:
    """What methods may know of the source rows; the same one where it was asked for before."""
    key = (data, rows.tobytes(), normed)
    if key not in _SUMMARIES:
        scaled = fitted(data, "raw", data.values, rows, normed)
        summary = embedding_summary(scaled.recogniser(data.classes))
        _SUMMARIES[key] = summary(_examples(data, scaled, rows))
    return _SUMMARIES[key]


def _examples(data: PeopleSet, scaled: Scaled, rows: np.ndarray) -> tuple[Example, ...]:
    """Some rows as windows with their classes."""
    values = scaled.scaled(data.values[rows])
    found = []
    for k, row in zip(rows, values, strict=True):
        found.append(Example(window(row, int(k)), int(data.y[k])))
    return tuple(found)


def _cap(share: float) -> TTACap:
    return TTACap(lam_src=share, lam_pos=share, lam_neg=share)


@dataclass(frozen=True)
class Row:
    """A row of the table with its settings, and the row that it is compared with."""

    way: Way
    settings: tuple[float, ...]
    beside: str = "no adaptation"


_SHARES = (0.25, 0.5, 0.75, 1.0)
ROWS: Mapping[str, Row] = {
    "no adaptation": Row(plain, (0.0,)),
    "no adaptation (normed)": Row(plain_normed, (0.0,)),
    "shortcuts": Row(shortcuts, (0.0,)),
    "own neutral": Row(own_neutral, _SHARES),
    "own stream": Row(own_stream, _SHARES),
    "T3A": Row(stepping(lambda n: t3a.T3A(int(n))), (1, 5, 20, 50)),
    "TDA": Row(stepping(lambda a: tda.TDA(alpha_pos=a)), (0.5, 1.0, 2.0, 4.0)),
    "TTA-CaP": Row(stepping(_cap), (0.1, 0.3, 0.6, 1.0)),
    "Tent": Row(
        stepping(lambda lr: tent.Tent(lr=lr), normed=True),
        (2.5e-4, 2.5e-3, 2.5e-2, 0.1),
        "no adaptation (normed)",
    ),
    "few coded": Row(
        stepping(lambda sd: few_shot.FewShot(sd=sd), few=N_CODED), (0.25, 0.5, 1.0, 2.0)
    ),
}
