"""What a model must beat: the question alone, and the question with the length of the answer.

Both are fitted on the same people as the recogniser; their few numbers ship with its card.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from twomind.models.calibration import sigmoid
from twomind.types.plain import Array, Plain


def question_only(shortcuts: Mapping[str, Plain], questions: Sequence[str | None]) -> Array:
    """Training rate of each answer's question ``(N,)``; of an unknown question, the rate over all
    questions.
    """
    entry = shortcuts["question_only"]
    rates = [entry["rates"].get(q, entry["unknown"]) for q in questions]
    return np.array(rates, float)


def length_question(
    shortcuts: Mapping[str, Plain], questions: Sequence[str | None], n_words: Sequence[int]
) -> Array:
    """Logistic regression on the question and ``log(1 + words)``, ``(N,)``; an unknown question is
    an average one.

    Args:
        shortcuts: as on the model's card.
        questions: of each answer, as the model knows them; None: unknown.
        n_words: of each answer.
    """
    entry = shortcuts["length_question"]
    logits = []
    for q, n in zip(questions, n_words, strict=True):
        asked = entry["questions"].get(q, entry["unknown"])
        longer = math.log1p(n) - entry["length_mean"]
        logits.append(asked + entry["length_weight"] * longer)
    return sigmoid(np.array(logits))
