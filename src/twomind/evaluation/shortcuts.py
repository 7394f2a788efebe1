"""What a model must beat: the question alone, and the question with the length of the answer.

Both are fitted on the same people as the recogniser; their few numbers ship with its card.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twomind.models.calibration import sigmoid

NAMES = ("question_only", "length_question")


def question_only(shortcuts: Mapping[str, Any], questions: Sequence[str | None]) -> np.ndarray:
    """Training rate of each answer's question ``(N,)``; of an unknown question, the rate over all
    questions.
    """
    entry = shortcuts["question_only"]
    return np.array([entry["rates"].get(q, entry["unknown"]) for q in questions], float)


def length_question(
    shortcuts: Mapping[str, Any], questions: Sequence[str | None], n_words: Sequence[int]
) -> np.ndarray:
    """Logistic regression on the question and ``log(1 + words)``, ``(N,)``; an unknown question is
    an average one.
    """
    entry = shortcuts["length_question"]
    logits = [
        entry["questions"].get(q, entry["unknown"])
        + entry["length_weight"] * (math.log1p(n) - entry["length_mean"])
        for q, n in zip(questions, n_words, strict=True)
    ]
    return np.asarray(sigmoid(np.array(logits)))
