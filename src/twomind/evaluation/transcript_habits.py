"""How a words model's held-out scores move when the same answers are transcribed with
other habits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from twomind.evaluation import metrics
from twomind.features.words.text import count
from twomind.models.calibration import sigmoid
from twomind.models.words.additive import Additive
from twomind.training.words import Table
from twomind.types.plain import Array, Plain

#: Words as they are said, to words as another habit would write them down.
Habit: TypeAlias = Callable[[list[str]], list[str]]


def _insert(said: list[str], every: int, more: Sequence[str]) -> list[str]:
    """The same words with ``more`` after every so many."""
    found = []
    for n, word in enumerate(said, start=1):
        found.append(word)
        if n % every == 0:
            found += more
    return found


def _with_fillers(said: list[str]) -> list[str]:
    return _insert(said, 8, ["um"])


def _without_fillers(said: list[str]) -> list[str]:
    found = []
    for word in said:
        is_mark = not word.strip(".,!?")
        if is_mark or count([word]).n_words:
            found.append(word)
    return found


def _with_filler_words(said: list[str]) -> list[str]:
    return _insert(said, 20, ["you", "know"])


def _with_repeats(said: list[str]) -> list[str]:
    found = []
    for n, word in enumerate(said, start=1):
        times = 2 if n % 20 == 0 else 1
        found += [word] * times
    return found


def _without_marks(said: list[str]) -> list[str]:
    return [word.lower().strip(".,!?;:") or "-" for word in said]


def _half(said: list[str]) -> list[str]:
    return said[: max(len(said) // 2, 1)]


HABITS: dict[str, Habit] = {
    "filler sounds inserted (um, every 8 words)": _with_fillers,
    "filler sounds removed": _without_fillers,
    "filler words inserted (you know, every 20 words)": _with_filler_words,
    "repeats inserted (one word said twice, every 20 words)": _with_repeats,
    "punctuation and case removed": _without_marks,
    "answer cut in half": _half,
}


def transcription_effects(data: Table, fold: Array, models: Sequence[Additive]) -> Plain:
    """How held-out scores move when the same answers are transcribed with other habits.

    Args:
        data: labelled answers.
        fold: of each answer, ``(N,)``.
        models: one per fold, which never saw its people.
    """

    def score(change: Habit) -> Array:
        logit = []
        for said, name, f in zip(data.texts, data.question, fold, strict=True):
            model = models[f]
            question = str(name) if name in model.questions else None
            parts = model.parts(change(said), question)
            logit.append(parts.logit)
        return sigmoid(np.array(logit))

    before = score(list)
    found: Plain = {"as transcribed": _moved(data, before, before, fold)}
    for name, change in HABITS.items():
        found[name] = _moved(data, before, score(change), fold)
    return found


def _moved(data: Table, before: Array, after: Array, fold: Array) -> dict[str, float]:
    change = after - before
    is_other = (after > 0.5) != (before > 0.5)
    auc = metrics.auc(data.y, after)
    within = metrics.within_question_auc(data.y, after, data.question, fold)
    return {
        "mean_change": float(change.mean()),
        "mean_absolute_change": float(np.abs(change).mean()),
        "decisions_changed": float(is_other.mean()),
        "auc": float(auc),
        "within_question_auc": float(within),
    }
