"""Deletion test of evidence: does taking out the cited span lower the score more than taking out a
random one?
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from twomind.evaluation import metrics
from twomind.models.fusion.input import grid_of, why_empty, without_span
from twomind.models.fusion.recogniser import FusionRecogniser
from twomind.models.fusion.run import rows_of
from twomind.types import Features


def _odds(model: FusionRecogniser, x: Features) -> float | None:
    """Log-odds of "any class but the first"; None where nothing was measured."""
    grid = grid_of(x, model.recipe)
    if why_empty(x, grid, model.recipe):
        return None
    # Not predict: it would also run the model without each modality, for its evidence.
    logits = rows_of(model.net, grid, model.question_of(x))[1].logits()
    return float(np.logaddexp.reduce(logits[1:]) - logits[0])


def falls(
    model: FusionRecogniser,
    xs: Sequence[Features],
    width_s: float = 3.0,
    n_random: int = 8,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Falls of the log-odds ``(N, 2)``, cited span and mean of the random ones, and whose they are
    ``(N,)``.

    Recordings under twice the width, or of which nothing is left, are left out.
    """
    rng = np.random.default_rng(seed)
    rows, people = [], []
    for x in xs:
        length = x.span_s[1] - x.span_s[0]
        whole = _odds(model, x)
        if length < 2 * width_s or whole is None:
            continue
        starts = x.span_s[0] + rng.uniform(0, length - width_s, n_random)
        spans = [model.cited_span(x, width_s), *((a, a + width_s) for a in starts)]
        left = [_odds(model, without_span(x, *span)) for span in spans]
        if None in left:
            continue
        each = [whole - v for v in left if v is not None]
        rows.append((each[0], float(np.mean(each[1:]))))
        people.append(x.subject)
    return np.array(rows).reshape(-1, 2), np.array(people)


def bites(
    values: np.ndarray, people: np.ndarray, seed: int = 0, n_bootstrap: int = 1000
) -> dict[str, Any]:
    """Figures of what :func:`falls` gave, of one model or of several folds joined."""
    if not len(values):
        return {"n": 0, "cited_bites": False, "reason": "no recording is long enough and scored"}
    weights = metrics.person_weights(people, n_bootstrap, seed)
    gain = values[:, 0] - values[:, 1]
    ci = metrics.interval((weights @ gain) / weights.sum(axis=1))
    return {
        "n": len(values),
        "n_people": len(np.unique(people)),
        "fall_cited": float(values[:, 0].mean()),
        "fall_random": float(values[:, 1].mean()),
        "gain": {"value": float(gain.mean()), "ci": ci},
        "cited_bites": bool(ci[0] > 0),
    }


def deletion_test(
    model: FusionRecogniser,
    xs: Sequence[Features],
    width_s: float = 3.0,
    n_random: int = 8,
    seed: int = 0,
    n_bootstrap: int = 1000,
) -> dict[str, Any]:
    """Fall of the log-odds when ``width_s`` seconds are taken out: the cited ones, and random ones.

    ``gain`` is cited less random, with a 95 % interval over people; recordings under twice the
    width, or of which nothing is left, are left out. ``cited_bites``: the lower end is above zero.
    """
    found = bites(*falls(model, xs, width_s, n_random, seed), seed, n_bootstrap)
    return found | {"width_s": width_s} if found["n"] else found
