"""Word n-grams for local training: counted once, weighted per training part, fitted through their
products.

There are many more n-grams than answers, so the logistic regression is solved for one number per
answer (its dual): exact, and its time does not grow with the vocabulary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg, sparse

from twomind.models.calibration import sigmoid
from twomind.types.plain import Array

_MAX_STEPS = 100


@dataclass(frozen=True)
class Counts:
    """Terms of all answers: ``terms`` sorted, ``damped (N, V)`` sparse: ``1 + log(times said)``."""

    terms: tuple[str, ...]
    damped: Any

    @cached_property
    def column(self) -> dict[str, int]:
        return {term: j for j, term in enumerate(self.terms)}


@dataclass(frozen=True)
class Grams:
    """The vocabulary of one training part: ``columns (V',)`` of :class:`Counts`, their ``idf
    (V',)``, its answers.
    """

    columns: Array
    idf: Array
    values: Any  # (n, V') sparse, rows of unit length

    @cached_property
    def products(self) -> Array:
        """Every answer's product with every other, ``(n, n)``."""
        return np.asarray((self.values @ self.values.T).toarray())


def count_terms(answers: Sequence[Sequence[str]]) -> Counts:
    """Count every term of every answer."""
    counted = [Counter(terms) for terms in answers]
    vocabulary = sorted(set().union(*counted)) if counted else []
    column = {term: j for j, term in enumerate(vocabulary)}
    columns: list[int] = []
    times: list[int] = []
    starts = [0]
    for answer in counted:
        columns += [column[term] for term in answer]
        times += answer.values()
        starts.append(len(columns))
    damped = 1 + np.log(times)
    shape = (len(counted), len(vocabulary))
    matrix = sparse.csr_matrix((damped, columns, np.array(starts)), shape=shape)
    return Counts(tuple(vocabulary), matrix)


def grams(counts: Counts, rows: Array, subject: Array, min_people: int) -> Grams:
    """Vocabulary and idf of some answers.

    Args:
        counts: of all answers.
        rows: indices of the answers ``(n,)``.
        subject: the person of every answer ``(N,)``.
        min_people: terms said by fewer people among them are left out.
    """
    n = len(rows)
    said = counts.damped[rows].sign()
    _, person = np.unique(subject[rows], return_inverse=True)
    whose = sparse.csr_matrix((np.ones(n), (person, np.arange(n))))
    by_person = whose @ said
    columns = np.flatnonzero(by_person.getnnz(axis=0) >= min_people)
    n_answers = said.getnnz(axis=0)[columns]
    idf = np.log((1 + n) / (1 + n_answers)) + 1
    return Grams(columns, idf, tf_idf(counts, rows, columns, idf))


def tf_idf(counts: Counts, rows: Array, columns: Array, idf: Array) -> Any:
    """TF-IDF of answers, each scaled to unit length: as ``words_model.ngram_values``.

    Args:
        counts: of all answers.
        rows: indices of the answers ``(n,)``.
        columns: of the terms ``(V',)``.
        idf: of these ``(V',)``.

    Returns:
        ``(n, V')``, sparse.
    """
    raw = counts.damped[rows][:, columns] @ sparse.diags(idf)
    squares = np.asarray(raw.multiply(raw).sum(axis=1))
    length = np.sqrt(squares.ravel())
    scale = 1 / np.where(length > 0, length, 1.0)
    return sparse.diags(scale) @ raw


def solve_dual(kernel: Array, y: Array, weights: Array) -> Array:
    """``a (n,)`` minimising ``sum(weights * log loss(y, K a)) + a K a / 2`` by Newton's method with
    step halving.

    With ``K = X diag(1 / penalty) X.T`` the weights of the features are ``X.T a / penalty``. Solved
    in the numerically stable form of Rasmussen & Williams, Gaussian Processes for Machine Learning
    (2006), algorithm 3.1.

    Args:
        kernel: ``K (n, n)``.
        y: labels 0 or 1 ``(n,)``.
        weights: of the answers ``(n,)``.
    """
    a = np.zeros(len(y))
    f = np.zeros(len(y))
    loss = _loss(y, f, weights, a)
    for _ in range(_MAX_STEPS):
        p = sigmoid(f)
        curve = weights * p * (1 - p)
        root = np.sqrt(curve)
        b = curve * f + weights * (y - p)
        system = root[:, None] * kernel * root
        system[np.diag_indices_from(system)] += 1
        inner = linalg.solve(system, root * (kernel @ b), assume_a="pos")
        step = b - root * inner - a
        moved = kernel @ step
        size = 1.0
        new = _loss(y, f + moved, weights, a + step)
        while new > loss and size > 1e-6:
            size /= 2
            new = _loss(y, f + size * moved, weights, a + size * step)
        if new > loss:
            break
        a = a + size * step
        f = f + size * moved
        gained = loss - new
        loss = new
        if gained < 1e-10 * max(loss, 1.0):
            break
    return a


def _loss(y: Array, f: Array, weights: Array, a: Array) -> float:
    each = np.logaddexp(0, f) - y * f
    return float(weights @ each + a @ f / 2)
