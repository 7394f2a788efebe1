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
        from_question = 0.0
        if self.questions and question is not None:
            from_question = self.questions[question]
        longer = math.log1p(counted.n_words) - self.length_mean
        from_length = self.length_weight * longer
        content = float(shares.sum())
        return Parts(self.baseline, from_question, from_length, content, shares)

    def _shares(self, counted: Counted) -> np.ndarray:
        names = lexicon().names
        shares = np.zeros(len(counted.is_counted))
        for name, (weight, rate) in self.content.items():
            column = names.index(name)
            expected = rate * counted.is_counted
            hits = counted.starts[:, column] - expected
            variance = counted.n_words * rate + 1
            chance = math.sqrt(variance)
            shares += weight * hits / chance
        return shares


def excess(counts: np.ndarray, n_words: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Counts beyond what the length of an answer lets expect, in units of chance, ``(N, K)``.

    Args:
        counts: Per answer and category ``(N, K)``.
        n_words: Length of each answer ``(N,)``.
        rates: Average rate of each category per word ``(K,)``.
    """
    expected = n_words[:, None] * rates
    chance = np.sqrt(expected + 1)
    return (counts - expected) / chance


def ngram_terms(
    texts: Sequence[str], counted: Counted, n_max: int
) -> list[tuple[str, tuple[int, ...]]]:
    """Every n-gram of the answer (without filler sounds) with the given words it covers.

    Args:
        texts: The given words.
        counted: What :func:`count` found in them.
        n_max: Words of the longest n-gram.
    """
    spoken = [t for t in tokens(texts) if counted.is_counted[t.word]]
    found = []
    for n in range(1, n_max + 1):
        for start in range(len(spoken) - n + 1):
            gram = spoken[start : start + n]
            term = " ".join(t.text for t in gram)
            covered = tuple(t.word for t in gram)
            found.append((term, covered))
    return found


def ngram_values(terms: Sequence[str], idf: Mapping[str, float]) -> dict[str, float]:
    """TF-IDF of the known terms of one answer: ``(1 + log tf) * idf``, scaled to unit length."""
    times = Counter(term for term in terms if term in idf)
    raw = {}
    for term, n in times.items():
        raw[term] = (1 + math.log(n)) * idf[term]
    squares = sum(v * v for v in raw.values())
    length = math.sqrt(squares) or 1.0
    return {term: v / length for term, v in raw.items()}


def ngram_shares(texts: Sequence[str], counted: Counted, model: NGrams) -> np.ndarray:
    """Each given word's share of the n-gram score; the average answer's sum is taken off evenly
    over the words.

    Args:
        texts: The given words.
        counted: What :func:`count` found in them.
        model: The weights of the n-grams.
    """
    shares = np.zeros(len(counted.is_counted))
    found = ngram_terms(texts, counted, model.n_max)
    terms = [term for term, _ in found]
    idf = {term: value for term, (value, _) in model.terms.items()}
    values = ngram_values(terms, idf)
    times = Counter(terms)
    for term, covered in found:
        if term not in values:
            continue
        _, weight = model.terms[term]
        each = values[term] * weight / times[term]
        each = each / len(covered)
        for word in covered:
            shares[word] += each
    n_words = max(counted.n_words, 1)
    return shares - model.offset * counted.is_counted / n_words
