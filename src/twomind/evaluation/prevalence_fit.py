"""Scores learnt from the codes themselves, so that no answer is scored by what learnt from its person.

People are dealt into groups. What scores a group learnt from the codes of all others. Without that
a model that learnt from the codes agrees with them too well, and the interval is too narrow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from twomind.evaluation.prevalence import Answers
from twomind.types.plain import Array

#: Learns from the coded answers at the first places ``(n,)``, and scores those at the second
#: ``(m,)``: from 0 to 1, ``(m,)``.
Learner = Callable[[Array, Array], Array]

N_FOLDS = 5
#: Of the score's slope and of each question's and group's log-odds.
_PENALTY = 1.0
_MOST_STEPS = 25


def cross_fitted(
    answers: Answers, learn: Learner, n_folds: int = N_FOLDS, seed: int = 0
) -> Answers:
    """The answers with scores of a model that learnt from the codes of other people.

    Args:
        answers: some of them coded.
        learn: see :data:`Learner`.
        n_folds: groups of people.
        seed: of the deal.

    Returns:
        The same answers with other scores.
    """
    fold = _dealt(answers, n_folds, seed)
    score = np.zeros(len(fold))
    for k in range(n_folds):
        test = np.flatnonzero(fold == k)
        train = np.flatnonzero((fold != k) & answers.coded)
        if len(test):
            score[test] = learn(train, test)
    return replace(answers, score=score)


def _dealt(answers: Answers, n_folds: int, seed: int) -> Array:
    """The group of every answer ``(N,)``; people with codes, and those without, evenly."""
    people, person = np.unique(answers.person, return_inverse=True)
    n_coded = np.bincount(person, answers.coded)
    random = np.random.default_rng(seed).random(len(people))
    order = np.lexsort((random, -n_coded))
    place = np.empty(len(people), int)
    place[order] = np.arange(len(people)) % n_folds
    return np.asarray(place[person])


def adjusted(answers: Answers, n_folds: int = N_FOLDS, seed: int = 0) -> Answers:
    """The answers with scores that the codes of other people have adjusted: how steep the score is
    (never the other way round), and how often A/H is coded in each question and group.

    Args:
        answers: some of them coded.
        n_folds: groups of people.
        seed: of the deal.
    """
    columns = _columns(answers)

    def learn(train: Array, test: Array) -> Array:
        stands_for = 1 / answers.chance[train]
        times = stands_for / stands_for.mean()
        weights = _logistic(columns[train], answers.human[train], times)
        return _sigmoid(columns[test] @ weights)

    return cross_fitted(answers, learn, n_folds, seed)


def _columns(answers: Answers) -> Array:
    """One, the standardised log-odds of the score, and an indicator of each question and group."""
    p = np.clip(answers.score, 0.01, 0.99)
    z = np.log(p / (1 - p))
    spread = z.std()
    off = z - z.mean()
    scaled = off / spread if spread > 0 else off
    columns = [np.ones(len(z)), scaled]
    for of in (answers.question, answers.group):
        for name in np.unique(of):
            if name:
                is_it = of == name
                columns.append(is_it.astype(float))
    return np.stack(columns, axis=1)


def _sigmoid(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)))


def _logistic(x: Array, y: Array, times: Array) -> Array:
    """Weights ``(D,)`` of a logistic regression by Newton's method; all but the first are drawn to 0.

    Args:
        x: columns ``(n, D)``.
        y: 0 or 1 ``(n,)``.
        times: how often each row counts ``(n,)``.
    """
    n_columns = x.shape[1]
    penalty = np.full(n_columns, _PENALTY)
    # Half an answer of each kind: codes that all agree do not drive the constant without end.
    penalty[0] = 1e-2
    weights = np.zeros(n_columns)
    for _ in range(_MOST_STEPS):
        p = _sigmoid(x @ weights)
        off = times * (y - p)
        slope = x.T @ off - penalty * weights
        spread = times * p * (1 - p)
        curve = (x.T * spread) @ x + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        weights = weights + step
        if float(np.abs(step).max()) < 1e-8:
            break
    return weights
