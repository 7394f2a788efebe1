"""Shortcut rows that every table carries, fitted on training people only: what can be had without
looking at a face.

A row is a probability per class for every scored row, ``(N, C)``. The decision is taken as for any
model: the most probable class, and of two classes "present" only above one half. So a question
whose training rate is exactly .500 (BAH question 5) is called absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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

    question: np.ndarray
    length: np.ndarray
    position: np.ndarray


def _rates(y: np.ndarray, n_classes: int) -> np.ndarray:
    return np.bincount(y, minlength=n_classes) / len(y)


def question_only(train: Seen, y: np.ndarray, n_classes: int, test: Seen) -> np.ndarray:
    """Training rates of each row's question; of a question never seen, the rates over all
    questions.
    """
    rates = {q: _rates(y[train.question == q], n_classes) for q in np.unique(train.question)}
    everywhere = np.mean(list(rates.values()), axis=0)
    return np.array([rates.get(q, everywhere) for q in test.question])


def position(train: Seen, y: np.ndarray, n_classes: int, test: Seen) -> np.ndarray:
    """Training rates in each of ten equal parts of an answer; a part without training rows has the
    overall rates.
    """
    everywhere = _rates(y, n_classes)
    part = np.minimum((train.position * N_POSITIONS).astype(int), N_POSITIONS - 1)
    rates = np.array(
        [
            _rates(y[part == b], n_classes) if (part == b).any() else everywhere
            for b in range(N_POSITIONS)
        ]
    )
    return rates[np.minimum((test.position * N_POSITIONS).astype(int), N_POSITIONS - 1)]


def _columns(seen: Seen, questions: Sequence[str], mean: float, sd: float) -> np.ndarray:
    """``(N, 2 + Q)``: one, standardised ``log(1 + length)``, and the question (an unknown one: all
    zero).
    """
    length = (np.log1p(seen.length) - mean) / sd
    known = seen.question[:, None] == np.array(questions)[None, :]
    return np.column_stack([np.ones(len(length)), length, known])


def length_question(train: Seen, y: np.ndarray, n_classes: int, test: Seen) -> np.ndarray:
    """Softmax regression on the question and ``log(1 + length)`` with a small L2 penalty (not on
    the constant).
    """
    from scipy.optimize import minimize

    log = np.log1p(train.length)
    mean, sd = float(log.mean()), float(log.std()) or 1.0
    questions = list(np.unique(train.question))
    x, answer = _columns(train, questions, mean, sd), np.eye(n_classes)[y]
    free = np.r_[0.0, np.full(x.shape[1] - 1, PENALTY)][:, None]

    def softmax(weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        z = rows @ weights
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(x.shape[1], n_classes)
        p = softmax(weights, x)
        value = (
            -np.log(np.maximum((p * answer).sum(axis=1), 1e-300)).sum()
            + (free * weights**2).sum() / 2
        )
        return float(value), (x.T @ (p - answer) + free * weights).ravel()

    found = minimize(loss, np.zeros(x.shape[1] * n_classes), jac=True, method="L-BFGS-B")
    return softmax(found.x.reshape(x.shape[1], n_classes), _columns(test, questions, mean, sd))


def shortcut_rows(
    train: Seen, y: np.ndarray, n_classes: int, test: Seen
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Every shortcut that these data allow, ``name → (N, C)``, and why another one is absent.

    ``y (M,)`` are the training labels of ``train``; rows that nobody coded must be left out before.
    """
    n = len(test.question)
    if not len(y):
        return {}, ["no shortcut rows: the fold has no labelled training recording"]
    rates = _rates(y, n_classes)
    found = {
        "prevalence": np.tile(rates, (n, 1)),
        "constant": np.tile(np.eye(n_classes)[rates.argmax()], (n, 1)),
    }
    absent = []
    several = len(set(train.question)) > 1
    if several:
        found["question_only"] = question_only(train, y, n_classes, test)
    else:
        absent.append("question only: the data set has one question, or none")
    if np.isfinite(train.length).all() and np.isfinite(test.length).all():
        found["length_question"] = length_question(train, y, n_classes, test)
    else:
        absent.append("length + question: the length of some recordings is not known")
    if np.isfinite(train.position).all() and np.isfinite(test.position).all():
        found["position"] = position(train, y, n_classes, test)
    return found, absent
