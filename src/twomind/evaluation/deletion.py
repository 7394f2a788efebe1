"""Deletion test of evidence: does taking out the cited span lower the score more than taking out a
random one?
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twomind.evaluation import metrics
from twomind.models.fusion.input import grid_of, why_empty, without_span
from twomind.models.fusion.recogniser import FusionRecogniser
from twomind.models.fusion.run import rows_of
from twomind.types import Features
from twomind.types.plain import Array, Plain


def _odds(model: FusionRecogniser, x: Features) -> float | None:
    """Log-odds of "any class but the first"; None where nothing was measured."""
    grid = grid_of(x, model.recipe)
    if why_empty(x, grid, model.recipe):
        return None
    # Not predict: it would also run the model without each modality, for its evidence.
    _, video = rows_of(model.net, grid, model.question_of(x))
    logits = video.logits()
    others = np.logaddexp.reduce(logits[1:])
    return float(others - logits[0])


def falls(
    model: FusionRecogniser,
    xs: Sequence[Features],
    width_s: float = 3.0,
    n_random: int = 8,
    seed: int = 0,
) -> tuple[Array, Array]:
    """Falls of the log-odds when the cited span, and when random ones are taken out.

    Recordings under twice the width, or of which nothing is left, are left out.

    Args:
        model: the fusion model.
        xs: recordings.
        width_s: seconds that are taken out.
        n_random: random spans per recording.
        seed: of the random spans.

    Returns:
        ``(N, 2)``: fall by the cited span and mean fall by the random ones; and whose they are
        ``(N,)``.
    """
    rng = np.random.default_rng(seed)
    rows = []
    people = []
    for x in xs:
        start_s, end_s = x.span_s
        length_s = end_s - start_s
        whole = _odds(model, x)
        if length_s < 2 * width_s or whole is None:
            continue
        starts_s = start_s + rng.uniform(0, length_s - width_s, n_random)
        spans = [model.cited_span(x, width_s)]
        for a in starts_s:
            spans.append((a, a + width_s))
        each = _falls(model, x, whole, spans)
        if each is not None:
            by_chance = float(np.mean(each[1:]))
            rows.append((each[0], by_chance))
            people.append(x.subject)
    return np.array(rows).reshape(-1, 2), np.array(people)


def _falls(
    model: FusionRecogniser, x: Features, whole: float, spans: Sequence[tuple[float, float]]
) -> list[float] | None:
    """How far the log-odds fall without each span; None where nothing is left without one."""
    left = [_odds(model, without_span(x, *span)) for span in spans]
    known = [odds for odds in left if odds is not None]
    if len(known) < len(left):
        return None
    return [whole - odds for odds in known]


def bites(values: Array, people: Array, seed: int = 0, n_bootstrap: int = 1000) -> Plain:
    """Figures of what :func:`falls` gave, of one model or of several folds joined.

    Args:
        values: falls by the cited span and by random ones, ``(N, 2)``.
        people: whose they are, ``(N,)``.
        seed: of the random numbers.
        n_bootstrap: resamples of people behind the interval.
    """
    if not len(values):
        return {"n": 0, "cited_bites": False, "reason": "no recording is long enough and scored"}
    weights = metrics.person_weights(people, n_bootstrap, seed)
    cited = values[:, 0]
    by_chance = values[:, 1]
    gain = cited - by_chance
    ci = metrics.interval(metrics.weighted_mean(gain, weights))
    return {
        "n": len(values),
        "n_people": len(np.unique(people)),
        "fall_cited": float(cited.mean()),
        "fall_random": float(by_chance.mean()),
        "gain": {"value": float(gain.mean()), "ci": ci},
        "cited_bites": bool(ci[0] > 0),
    }
