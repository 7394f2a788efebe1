"""The additive words model: log-odds = baseline + question + length + content, and nothing else.

Content is a handful of lexicon categories. Each enters as how many more of it the answer holds than
an average answer of its length, in units of chance: ``(count - n * rate) / sqrt(n * rate + 1)``.
That is a sum over words, so each word's share is exact. ``length`` is ``log(1 + n)`` against the
average. Every part is zero for the average training answer, with the questions asked equally often.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twomind.features.words.lexicon import lexicon
from twomind.features.words.text import Counted, count, tokens


@dataclass(frozen=True)
class NGrams:
    """Locally trained n-gram weights: n-gram → (idf, weight); ``offset`` is the average answer's
    sum.
    """

    terms: Mapping[str, tuple[float, float]]
    offset: float
    n_max: int = 2


@dataclass(frozen=True)
class Parts:
    """The three parts in log-odds, and each given word's share of ``content`` ``(n_given,)``."""

    baseline: float
    question: float
    length: float
    content: float
    words: np.ndarray

    @property
    def logit(self) -> float:
        return self.baseline + self.question + self.length + self.content


@dataclass(frozen=True)
class Additive:
    """The numbers of one model. ``questions`` is empty for the model that does not know the
    question.

    ``content`` maps a category to (weight, average rate per word). The calibration slope is already
    inside all numbers.
    """

    baseline: float
    questions: Mapping[str, float]
    length_weight: float
    length_mean: float
    content: Mapping[str, tuple[float, float]]
    ngrams: NGrams | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def parts(self, texts: Sequence[str], question: str | None) -> Parts:
        """Parts of one answer's score; ``question`` must be one of ``questions`` (or None for a
        model without).
        """
        counted = count(texts)
        shares = self._shares(counted)
        if self.ngrams is not None:
            shares = shares + ngram_shares(texts, counted, self.ngrams)
        return Parts(
            baseline=self.baseline,
            question=self.questions[question] if self.questions and question is not None else 0.0,
            length=self.length_weight * (math.log1p(counted.n_words) - self.length_mean),
            content=float(shares.sum()),
            words=shares,
        )

    def _shares(self, counted: Counted) -> np.ndarray:
        names = lexicon().names
        n, shares = counted.n_words, np.zeros(len(counted.is_counted))
        for name, (weight, rate) in self.content.items():
            hits = counted.starts[:, names.index(name)] - rate * counted.is_counted
            shares += weight * hits / math.sqrt(n * rate + 1)
        return shares


def excess(counts: np.ndarray, n_words: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Counts ``(N, K)`` beyond what ``n_words (N,)`` and ``rates (K,)`` let expect, in units of
    chance, ``(N, K)``.
    """
    expected = n_words[:, None] * rates
    return (counts - expected) / np.sqrt(expected + 1)


def ngram_terms(
    texts: Sequence[str], counted: Counted, n_max: int
) -> list[tuple[str, tuple[int, ...]]]:
    """Every n-gram of the answer (without filler sounds) with the given words it covers."""
    spoken = [t for t in tokens(texts) if counted.is_counted[t.word]]
    return [
        (" ".join(t.text for t in spoken[i : i + n]), tuple(t.word for t in spoken[i : i + n]))
        for n in range(1, n_max + 1)
        for i in range(len(spoken) - n + 1)
    ]


def ngram_values(terms: Sequence[str], idf: Mapping[str, float]) -> dict[str, float]:
    """TF-IDF of the known terms of one answer: ``(1 + log tf) * idf``, scaled to unit length."""
    tf: dict[str, int] = {}
    for term in terms:
        if term in idf:
            tf[term] = tf.get(term, 0) + 1
    raw = {term: (1 + math.log(k)) * idf[term] for term, k in tf.items()}
    norm = math.sqrt(sum(v * v for v in raw.values())) or 1.0
    return {term: v / norm for term, v in raw.items()}


def ngram_shares(texts: Sequence[str], counted: Counted, model: NGrams) -> np.ndarray:
    """Each given word's share of the n-gram score; the average answer's sum is taken off evenly
    over the words.
    """
    shares = np.zeros(len(counted.is_counted))
    found = ngram_terms(texts, counted, model.n_max)
    values = ngram_values([t for t, _ in found], {t: idf for t, (idf, _) in model.terms.items()})
    times = Counter(term for term, _ in found)
    for term, covered in found:
        if term in values:
            each = values[term] * model.terms[term][1] / times[term] / len(covered)
            for word in covered:
                shares[word] += each
    return shares - model.offset * counted.is_counted / max(counted.n_words, 1)
