"""Shortcut rows that every table carries, fitted on training people only: what can be had without
looking at a face.

A row is a probability per class for every scored row, ``(N, C)``. The decision is taken as for any
model: the most probable class, and of two classes "present" only above one half. So a question
whose training rate is exactly .500 (BAH question 5) is called absent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twomind.core.numbers import softmax
from twomind.types.plain import Array

#: Names in the order of a table. ``position`` stands only in tables of moments.
NAMES = ("prevalence", "constant", "question_only", "length_question", "position")
WORDS = {
    "prevalence": "prevalence (training rate for everybody)",
    "constant": "constant class (the commonest in training)",
    "question_only": "question only",
    "length_question": "length + question",
    "position": "position in the answer",
    "no_adaptation": "no adaptation",
}
N_POSITIONS = 10
#: L2 penalty of the weights of length and question, in the unit of one row's log-likelihood.
PENALTY = 0.5


@dataclass(frozen=True)
class Seen:
    """What a shortcut may look at, one entry per row: ``question (N,)`` text, ``length (N,)`` (nan:
    not known), ``position (N,)`` in [0, 1] (nan: a whole recording)."""

    question: Array
    length: Array
    position: Array


def _rates(y: Array, n_classes: int) -> Array:
    return np.bincount(y, minlength=n_classes) / len(y)


def question_only(train: Seen, y: Array, n_classes: int, test: Seen) -> Array:
    """Training rates of each row's question; of a question never seen, the rates over all
    questions.

    Args:
        train: what may be looked at of the training rows.
        y: their labels, ``(M,)``.
        n_classes: classes of the task.
        test: what may be looked at of the scored rows.

    Returns:
        ``(N, C)``.
    """
    rates = {}
    for question in np.unique(train.question):
        rates[question] = _rates(y[train.question == question], n_classes)
    everywhere = np.mean(list(rates.values()), axis=0)
    return np.array([rates.get(question, everywhere) for question in test.question])


def _part(position: Array) -> Array:
    """Which of ten equal parts of an answer each row lies in ``(N,)``."""
    exact = (position * N_POSITIONS).astype(int)
    return np.asarray(np.minimum(exact, N_POSITIONS - 1))


def position(train: Seen, y: Array, n_classes: int, test: Seen) -> Array:
    """Training rates in each of ten equal parts of an answer; a part without training rows has the
    overall rates.

    Args:
        train: what may be looked at of the training rows.
        y: their labels, ``(M,)``.
        n_classes: classes of the task.
        test: what may be looked at of the scored rows.

    Returns:
        ``(N, C)``.
    """
    part = _part(train.position)
    rates = np.tile(_rates(y, n_classes), (N_POSITIONS, 1))
    for k in np.unique(part):
        rates[k] = _rates(y[part == k], n_classes)
    return np.asarray(rates[_part(test.position)])


@dataclass(frozen=True)
class _Columns:
    """Makes the columns of a regression from what may be looked at."""

    questions: Array
    mean: float
    sd: float

    @classmethod
    def of(cls, train: Seen) -> _Columns:
        log_length = np.log1p(train.length)
        sd = float(log_length.std()) or 1.0
        return cls(np.unique(train.question), float(log_length.mean()), sd)

    def __call__(self, seen: Seen) -> Array:
        """``(N, 2 + Q)``: one, standardised ``log(1 + length)``, and the question (an unknown one:
        all zero).
        """
        length = (np.log1p(seen.length) - self.mean) / self.sd
        known = seen.question[:, None] == self.questions[None, :]
        one = np.ones(len(length))
        return np.column_stack([one, length, known])


def length_question(train: Seen, y: Array, n_classes: int, test: Seen) -> Array:
    """Softmax regression on the question and ``log(1 + length)`` with a small L2 penalty (not on
    the constant).

    Args:
        train: what may be looked at of the training rows.
        y: their labels, ``(M,)``.
        n_classes: classes of the task.
        test: what may be looked at of the scored rows.

    Returns:
        ``(N, C)``.
    """
    from scipy.optimize import minimize

    columns = _Columns.of(train)
    x = columns(train)
    answer = np.eye(n_classes)[y]
    shape = (x.shape[1], n_classes)
    penalty = np.full((shape[0], 1), PENALTY)
    penalty[0] = 0.0

    def loss(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(shape)
        p = softmax(x @ weights)
        of_answer = (p * answer).sum(axis=1)
        misfit = -np.log(np.maximum(of_answer, 1e-300)).sum()
        size = (penalty * weights**2).sum() / 2
        slope = x.T @ (p - answer) + penalty * weights
        return float(misfit + size), slope.ravel()

    start = np.zeros(x.shape[1] * n_classes)
    found = minimize(loss, start, jac=True, method="L-BFGS-B")
    weights = found.x.reshape(shape)
    return softmax(columns(test) @ weights)


def shortcut_rows(
    train: Seen, y: Array, n_classes: int, test: Seen
) -> tuple[dict[str, Array], list[str]]:
    """Every shortcut that these data allow, ``name → (N, C)``, and why another one is absent.

    Args:
        train: what may be looked at of the training rows.
        y: their labels, ``(M,)``; rows that nobody coded must be left out before.
        n_classes: classes of the task.
        test: what may be looked at of the scored rows.
    """
    if not len(y):
        return {}, ["no shortcut rows: the fold has no labelled training recording"]
    n = len(test.question)
    rates = _rates(y, n_classes)
    commonest = np.eye(n_classes)[rates.argmax()]
    found = {"prevalence": np.tile(rates, (n, 1)), "constant": np.tile(commonest, (n, 1))}
    absent = []
    if len(set(train.question)) > 1:
        found["question_only"] = question_only(train, y, n_classes, test)
    else:
        absent.append("question only: the data set has one question, or none")
    if _known(train.length, test.length):
        found["length_question"] = length_question(train, y, n_classes, test)
    else:
        absent.append("length + question: the length of some recordings is not known")
    if _known(train.position, test.position):
        found["position"] = position(train, y, n_classes, test)
    return found, absent


def _known(*values: Array) -> bool:
    return all(np.isfinite(v).all() for v in values)
