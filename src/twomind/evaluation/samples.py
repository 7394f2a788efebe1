"""Rows of several folds as one sample per seed, and figures of them over resamples of people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from twomind.core import numbers
from twomind.core.errors import BadInput
from twomind.core.store import settings_hash
from twomind.evaluation import classes, metrics, resampled_people
from twomind.evaluation.metrics import Bound
from twomind.evaluation.runs import filled
from twomind.types import Rows, Run
from twomind.types.plain import Array

#: Samples with fewer rows than this are not worth joining equal rows.
_FEW_ROWS = 300


@dataclass(frozen=True)
class Sample:
    """Rows of one seed at one level, all folds together, without the uncoded ones; nothing is
    missing any more.

    ``fold (N,)`` names the training recordings; ``n (N,)`` is how often each row counts.
    """

    y: Array
    probs: Array
    subject: Array
    question: Array
    fold: Array
    n: Array

    def of(self, probs: Array) -> Sample:
        """The same rows with other probabilities ``(N, C)``."""
        return replace(self, probs=probs)

    def where(self, keep: Array) -> Sample:
        """Some of the rows, by a mask or by indices."""
        return Sample(
            y=self.y[keep],
            probs=self.probs[keep],
            subject=self.subject[keep],
            question=self.question[keep],
            fold=self.fold[keep],
            n=self.n[keep],
        )

    def compressed(self) -> Sample:
        """Equal rows of one person joined into one that counts more often: the same figures, fewer
        rows.
        """
        if len(self.y) < _FEW_ROWS:
            return self
        columns = []
        for values in (self.subject, self.question, self.fold, self.y):
            codes = np.unique(values, return_inverse=True)[1]
            columns.append(codes)
        table = np.column_stack([*columns, self.probs])
        _, first, index = np.unique(table, axis=0, return_index=True, return_inverse=True)
        n = np.bincount(index.ravel(), self.n)
        return replace(self.where(first), n=n)

    def people(self, subjects: tuple[str, ...]) -> resampled_people.People:
        """The rows with the numbers of their people.

        Args:
            subjects: people in the order of their numbers.
        """
        names, index = np.unique(self.subject, return_inverse=True)
        place = {subject: number for number, subject in enumerate(subjects)}
        numbers_of = np.array([place[str(name)] for name in names], int)
        return resampled_people.People(
            y=self.y.astype(int),
            probs=np.asarray(self.probs, float),
            person=numbers_of[index],
            n_people=len(subjects),
            n=self.n,
            group=metrics.groups(self.question, self.fold),
        )

    @cached_property
    def persons(self) -> dict[str, Array]:
        """Where the rows of each person lie, people in sorted order."""
        names, index = np.unique(self.subject, return_inverse=True)
        order = np.argsort(index, kind="stable")
        edges = np.flatnonzero(np.diff(index[order])) + 1
        own = np.split(order, edges)
        return {str(name): rows for name, rows in zip(names, own, strict=True)}

    @cached_property
    def bound(self) -> dict[str, Bound]:
        """All metrics with these rows bound, by name."""
        return classes.bound(self.y, self.probs, self.question, self.fold)


def draws(subjects: Sequence[str], n_bootstrap: int, seed: int = 0) -> Array:
    """How often each person is drawn in each resample.

    Args:
        subjects: the people.
        n_bootstrap: ``B``, the number of resamples.
        seed: of the random numbers.

    Returns:
        ``(B, P)``.
    """
    return numbers.resamples(len(subjects), n_bootstrap, seed).astype(float)


def figure(samples: Sequence[Sample], metric: str) -> float:
    """A metric, mean over the seeds."""
    each = []
    for sample in samples:
        value = sample.bound[metric](sample.n)
        each.append(float(value))
    return float(np.mean(each))


def resampled(
    samples: Sequence[Sample], metric: str, subjects: Sequence[str], drawn: Array
) -> Array:
    """The metric in every resample of people, mean over the seeds.

    Args:
        samples: one per seed.
        metric: its name.
        subjects: people in the order of ``drawn``.
        drawn: how often each person is drawn, ``(B, P)``.

    Returns:
        ``(B,)``; all nan of one person alone, who is the same in every resample.
    """
    if len(subjects) < 2:
        return np.full(len(drawn), np.nan)
    found = []
    for sample in samples:
        rows = sample.people(tuple(subjects))
        found.append(resampled_people.resampled(rows, metric, drawn))
    mean: Array = np.mean(found, axis=0)
    return mean


def joined(runs: Sequence[Run], level: str, beside: str | None = None) -> Sample:
    """The coded rows of some runs at one level as one sample.

    Args:
        runs: of one seed, one per fold.
        level: recording, window or frame.
        beside: the row of ``Rows.beside`` to take instead of the runs' own probabilities.
    """
    coded = [_coded(run, level) for run in runs]
    pairs = list(zip(runs, coded, strict=True))
    sample = Sample(
        y=np.concatenate([rows.y for rows in coded]),
        probs=np.concatenate([_probs(run, rows, beside) for run, rows in pairs]),
        subject=np.concatenate([rows.subject for rows in coded]),
        question=np.concatenate([rows.question for rows in coded]),
        fold=np.concatenate([_source(run, rows) for run, rows in pairs]),
        n=np.ones(sum(len(rows) for rows in coded)),
    )
    return sample.compressed()


def _coded(run: Run, level: str) -> Rows:
    rows = run.rows[level]
    return rows.take(rows.y >= 0)


def _probs(run: Run, rows: Rows, beside: str | None) -> Array:
    if beside is not None:
        rows = replace(rows, probs=rows.beside[beside])
    return filled(rows, run.fill)


def _source(run: Run, rows: Rows) -> Array:
    """What the model learnt from, by row ``(N,)``: scores are comparable where the model is the
    same, so folds with the same training recordings are one.
    """
    learnt = settings_hash({"train": run.fold.train, "val": run.fold.val})
    return np.full(len(rows), learnt)


def by_seed(runs: Sequence[Run]) -> dict[int, list[Run]]:
    """Runs of one method by seed, sorted; those of one seed by the name of their fold.

    Raises:
        BadInput: a fold is there twice with one seed.
    """
    found: dict[int, list[Run]] = {}
    for run in runs:
        mine = found.setdefault(run.seed, [])
        if any(other.fold.name == run.fold.name for other in mine):
            raise BadInput(
                f"two runs of {run.method} on the fold {run.fold.name!r} with seed {run.seed}: "
                "give "
                "one"
            )
        mine.append(run)
    ordered = {}
    for seed in sorted(found):
        ordered[seed] = sorted(found[seed], key=lambda run: run.fold.name)
    return ordered
