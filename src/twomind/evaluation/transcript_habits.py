"""How a words model's held-out scores move when the same answers are transcribed with
other habits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from twomind.evaluation import metrics
from twomind.features.words.text import count
from twomind.models.calibration import sigmoid
from twomind.models.words.additive import Additive
from twomind.training.words import Table


def _insert(said: list[str], every: int, what: Callable[[str], tuple[str, ...]]) -> list[str]:
    return [x for i, w in enumerate(said, 1) for x in ((w, *what(w)) if i % every == 0 else (w,))]


HABITS: dict[str, Callable[[list[str]], list[str]]] = {
    "filler sounds inserted (um, every 8 words)": lambda t: _insert(t, 8, lambda w: ("um",)),
    "filler sounds removed": lambda t: [w for w in t if count([w]).n_words or not w.strip(".,!?")],
    "filler words inserted (you know, every 20 words)": lambda t: _insert(
        t, 20, lambda w: ("you", "know")
    ),
    "repeats inserted (one word said twice, every 20 words)": lambda t: _insert(
        t, 20, lambda w: (w,)
    ),
    "punctuation and case removed": lambda t: [w.lower().strip(".,!?;:") or "-" for w in t],
    "answer cut in half": lambda t: t[: max(len(t) // 2, 1)],
}


def habits(data: Table, fold: np.ndarray, models: Sequence[Additive]) -> dict[str, Any]:
    """How held-out scores move when the same answers are transcribed with other habits; ``models``
    one per fold.
    """

    def score(change: Callable[[list[str]], list[str]]) -> np.ndarray:
        logit = []
        for said, question, f in zip(data.texts, data.question, fold, strict=True):
            model = models[f]
            logit.append(
                model.parts(
                    change(said), str(question) if question in model.questions else None
                ).logit
            )
        return sigmoid(np.array(logit))

    before = score(lambda t: t)
    found = {"as transcribed": _moved(data, before, before, fold)}
    for name, change in HABITS.items():
        found[name] = _moved(data, before, score(change), fold)
    return found


def _moved(
    data: Table, before: np.ndarray, after: np.ndarray, fold: np.ndarray
) -> dict[str, float]:
    return {
        "mean_change": float((after - before).mean()),
        "mean_absolute_change": float(np.abs(after - before).mean()),
        "decisions_changed": float(((after > 0.5) != (before > 0.5)).mean()),
        "auc": float(metrics.auc(data.y, after)),
        "within_question_auc": float(
            metrics.within_question_auc(data.y, after, data.question, fold)
        ),
    }
