"""The words model once more, slowly: features, penalised logistic regression by Newton's method,
choices by people.

Written from the docstrings of ``words_model``, ``words_train`` and ``words_grams`` and ``docs``:
log-odds = baseline + question + length + content. Everything in float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def excess(count: float, n_words: float, rate: float) -> float:
    """How many more than expected, in units of chance."""
    return (count - n_words * rate) / math.sqrt(n_words * rate + 1)


def even_weights(question: Sequence[str]) -> list[float]:
    """Weights with mean 1 under which every question is asked equally often."""
    kinds = sorted(set(question))
    return [len(question) / len(kinds) / sum(1 for o in question if o == q) for q in question]


def average_rate(
    counts: Sequence[float], n_words: Sequence[float], weights: Sequence[float]
) -> float:
    """The rate under which the weighted mean of the excess is zero; 0 for what nobody said."""
    if not any(counts):
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(100):
        rate = (low + high) / 2
        if (
            sum(w * excess(c, n, rate) for c, n, w in zip(counts, n_words, weights, strict=True))
            > 0
        ):
            low = rate
        else:
            high = rate
    return (low + high) / 2


def solve(
    x: np.ndarray, y: Sequence[int], weights: Sequence[float], penalty: Sequence[float]
) -> np.ndarray:
    """``b`` that minimises ``sum_i weights_i * logloss_i + sum_d penalty_d * b_d ** 2 / 2``."""
    b = np.zeros(x.shape[1])
    for _ in range(100):
        gradient, curvature = np.array(penalty) * b, np.diag(np.array(penalty, float))
        for row, label, weight in zip(x, y, weights, strict=True):
            p = 1 / (1 + math.exp(-float(row @ b)))
            gradient = gradient + weight * (p - label) * row
            curvature = curvature + weight * p * (1 - p) * np.outer(row, row)
        step = np.linalg.solve(curvature, gradient)
        # Penalties keep the curve round enough for full steps; longer ones are halved.
        b = b - step / max(1.0, float(np.abs(x @ step).max()) / 4)
        if np.abs(step).max() < 1e-12:
            break
    return b


@dataclass
class Model:
    """Log-odds of an answer as a sum of its parts. ``parts`` of new answers come from the fit's own
    averages.
    """

    with_question: bool
    levels: list[str]
    asked: dict[str, float]
    constant: float
    length_mean: float
    length_weight: float
    content: list[tuple[float, float]]  # (weight per unit of excess, rate)
    terms: dict[str, tuple[float, float]]  # n-gram: (idf, weight)

    def logit(
        self, question: str, n_words: float, counts: Sequence[float], said: Sequence[str] = ()
    ) -> float:
        if self.with_question:
            # A question that nobody of the training answered gets the average one's log-odds.
            found = self.asked.get(question, sum(self.asked.values()) / len(self.asked))
        else:
            found = self.constant
        found += self.length_weight * (math.log(1 + n_words) - self.length_mean)
        for (weight, rate), count in zip(self.content, counts, strict=True):
            found += weight * excess(count, n_words, rate)
        values = tf_idf(said, {t: idf for t, (idf, _) in self.terms.items()})
        return found + sum(v * self.terms[t][1] for t, v in values.items())


def tf_idf(said: Sequence[str], idf: dict[str, float]) -> dict[str, float]:
    """``(1 + log times) * idf`` of the known terms, at length 1."""
    raw = {}
    for term in set(said) & set(idf):
        times = sum(1 for t in said if t == term)
        raw[term] = (1 + math.log(times)) * idf[term]
    length = math.sqrt(sum(v * v for v in raw.values()))
    return {t: v / length for t, v in raw.items()}


def vocabulary(
    said: Sequence[Sequence[str]], people: Sequence[str], min_people: int
) -> dict[str, float]:
    """Terms said by enough people, with ``log((1 + answers) / (1 + answers with it)) + 1``."""
    found = {}
    for term in sorted({t for terms in said for t in terms}):
        with_it = [i for i, terms in enumerate(said) if term in terms]
        if len({people[i] for i in with_it}) >= min_people:
            found[term] = math.log((1 + len(said)) / (1 + len(with_it))) + 1
    return found


def fit(
    y: Sequence[int],
    question: Sequence[str],
    n_words: Sequence[float],
    counts: np.ndarray,
    *,
    with_question: bool,
    penalty: float,
    question_penalty: float = 0.3,
    length_penalty: float = 0.5,
    said: Sequence[Sequence[str]] | None = None,
    people: Sequence[str] = (),
    min_people: int = 3,
    ngram_penalty: float = 1.0,
) -> Model:
    """Penalties are of standardised columns. The constant of the model without questions is hardly
    held (0.01).
    """
    even = even_weights(question)
    mass = sum(even)
    levels = sorted(set(question))
    log_n = [math.log(1 + n) for n in n_words]
    mean = sum(e * v for e, v in zip(even, log_n, strict=True)) / mass
    sd = math.sqrt(sum(e * (v - mean) ** 2 for e, v in zip(even, log_n, strict=True)) / mass) or 1.0
    columns, penalties = [], []
    if with_question:
        for level in levels:
            columns.append([1.0 if q == level else 0.0 for q in question])
            penalties.append(question_penalty)
    else:
        columns.append([1.0] * len(y))
        penalties.append(0.01)
    n_front = len(columns)
    columns.append([(v - mean) / sd for v in log_n])
    penalties.append(length_penalty)
    scales, averages = [], []
    for k in range(counts.shape[1]):
        rate = average_rate(counts[:, k], n_words, even)
        z = [excess(c, n, rate) for c, n in zip(counts[:, k], n_words, strict=True)]
        scale = math.sqrt(sum(e * v * v for e, v in zip(even, z, strict=True)) / mass) or 1.0
        columns.append([v / scale for v in z])
        penalties.append(penalty)
        scales.append(scale)
        averages.append(rate)
    idf = vocabulary(said, people, min_people) if said is not None else {}
    rows = [tf_idf(s, idf) for s in said] if said is not None else []
    for term in idf:
        columns.append([r.get(term, 0.0) for r in rows])
        penalties.append(ngram_penalty)
    # Without the question, the prior is that of the questions asked equally often.
    b = solve(np.array(columns).T, y, [1.0] * len(y) if with_question else even, penalties)
    content_at, terms_at = n_front + 1, n_front + 1 + len(scales)
    return Model(
        with_question,
        levels,
        {q: float(b[i]) for i, q in enumerate(levels)} if with_question else {},
        float(b[0]),
        mean,
        float(b[n_front]) / sd,
        [(float(b[content_at + k]) / scales[k], averages[k]) for k in range(len(scales))],
        {t: (idf[t], float(b[terms_at + k])) for k, t in enumerate(idf)},
    )
