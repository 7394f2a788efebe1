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

    columns: np.ndarray
    idf: np.ndarray
    values: Any  # (n, V') sparse, rows of unit length

    @cached_property
    def products(self) -> np.ndarray:
        """Every answer's product with every other, ``(n, n)``."""
        return np.asarray((self.values @ self.values.T).toarray())


def count_terms(answers: Sequence[Sequence[str]]) -> Counts:
    """Count every term of every answer."""
    counted = [Counter(terms) for terms in answers]
    vocabulary = sorted(set().union(*counted)) if counted else []
    column = {term: j for j, term in enumerate(vocabulary)}
    starts = np.cumsum([0, *(len(c) for c in counted)])
    columns = [column[term] for c in counted for term in c]
    damped = 1 + np.log([k for c in counted for k in c.values()])
    matrix = sparse.csr_matrix((damped, columns, starts), shape=(len(counted), len(vocabulary)))
    return Counts(tuple(vocabulary), matrix)


def grams(counts: Counts, rows: np.ndarray, subject: np.ndarray, min_people: int) -> Grams:
    """Vocabulary and idf of the answers ``rows``: terms said by at least ``min_people`` people
    among them.
    """
    said = counts.damped[rows].sign()
    _, person = np.unique(subject[rows], return_inverse=True)
    by_person = sparse.csr_matrix((np.ones(len(rows)), (person, np.arange(len(rows))))) @ said
    columns = np.flatnonzero(by_person.getnnz(axis=0) >= min_people)
    idf = np.log((1 + len(rows)) / (1 + said.getnnz(axis=0)[columns])) + 1
    return Grams(columns, idf, tf_idf(counts, rows, columns, idf))


def tf_idf(counts: Counts, rows: np.ndarray, columns: np.ndarray, idf: np.ndarray) -> Any:
    """TF-IDF of ``rows``, each scaled to unit length, ``(n, V')`` sparse: as
    ``words_model.ngram_values``.
    """
    raw = counts.damped[rows][:, columns] @ sparse.diags(idf)
    length = np.sqrt(np.asarray(raw.multiply(raw).sum(axis=1)).ravel())
    return sparse.diags(1 / np.where(length > 0, length, 1.0)) @ raw


def solve_dual(kernel: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """``a (n,)`` minimising ``sum(weights * log loss(y, K a)) + a K a / 2`` by Newton's method with
    step halving.

    With ``K = X diag(1 / penalty) X.T`` the weights of the features are ``X.T a / penalty``. Solved
    in the numerically stable form of Rasmussen & Williams, Gaussian Processes for Machine Learning
    (2006), algorithm 3.1.
    """
    a, f = np.zeros(len(y)), np.zeros(len(y))
    loss = _loss(y, f, weights, a)
    for _ in range(_MAX_STEPS):
        p = sigmoid(f)
        curve = weights * p * (1 - p)
        root = np.sqrt(curve)
        b = curve * f + weights * (y - p)
        system = root[:, None] * kernel * root
        system[np.diag_indices_from(system)] += 1
        step = b - root * linalg.solve(system, root * (kernel @ b), assume_a="pos") - a
        moved, size = kernel @ step, 1.0
        while (new := _loss(y, f + size * moved, weights, a + size * step)) > loss and size > 1e-6:
            size /= 2
        if new > loss:
            break
        a, f, gained, loss = a + size * step, f + size * moved, loss - new, new
        if gained < 1e-10 * max(loss, 1.0):
            break
    return a


def _loss(y: np.ndarray, f: np.ndarray, weights: np.ndarray, a: np.ndarray) -> float:
    return float(weights @ (np.logaddexp(0, f) - y * f) + a @ f / 2)
