"""Figures of a words model on people that it never saw, over several deals of people into folds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twomind.core.errors import BadInput
from twomind.evaluation import metrics
from twomind.evaluation.metrics import Bound, BoundRows, Value, Weights, figures
from twomind.models.calibration import Reliability, sigmoid
from twomind.training import words as wt
from twomind.types.plain import Array, Plain


def mean_bound(y: Array, scores: Array, question: Array, folds: Array) -> BoundRows:
    """Every metric as its mean over the deals.

    Args:
        y: labels 0 or 1, ``(N,)``.
        scores: one row per deal, ``(R, N)``.
        question: which question each answer answers, ``(N,)``.
        folds: the fold of each answer in each deal, ``(R, N)``.
    """
    each = []
    for p, fold in zip(scores, folds, strict=False):
        each.append(metrics.bound(y, p, question, fold))
    return {name: _mean_of([deal[name] for deal in each]) for name in each[0]}


def _mean_of(deals: Sequence[Bound]) -> Bound:
    def mean(weights: Weights = None) -> Value:
        values = [np.asarray(metric(weights)) for metric in deals]
        found: Array = np.mean(values, axis=0)
        return found

    return mean


def reliability(
    y: Array, logit: Array, weights: Array, n_near: int = 120, n_points: int = 13
) -> Reliability:
    """Observed rate near each of ``n_points`` held-out scores, with its participant-bootstrap 95 %
    interval.

    Args:
        y: labels 0 or 1, ``(N,)``.
        logit: scores as log-odds, ``(N,)``.
        weights: resamples of people, ``(B, N)``.
        n_near: answers behind each point, at most a quarter of all.
        n_points: points along the scores.
    """
    n_near = min(n_near, max(len(y) // 4, 1))
    order = np.argsort(logit, kind="stable")
    ps: list[float] = []
    rates: list[float] = []
    lows: list[float] = []
    highs: list[float] = []
    for start in np.linspace(0, len(y) - n_near, n_points).astype(int):
        near = order[start : start + n_near]
        p = float(sigmoid(np.median(logit[near])))
        if ps and p <= ps[-1]:
            continue
        low, high = _rate_interval(y[near], weights[:, near])
        ps.append(p)
        rates.append(float(y[near].mean()))
        lows.append(low)
        highs.append(high)
    tested = (float(sigmoid(logit[order[0]])), float(sigmoid(logit[order[-1]])))
    return Reliability(tuple(ps), tuple(rates), tuple(lows), tuple(highs), n_near, tested)


def _rate_interval(y: Array, weights: Array) -> list[float]:
    """Interval of the observed rate over the resamples that hold any of the answers."""
    total = weights.sum(axis=1)
    there = total > 0
    n_present = weights @ y
    return metrics.interval(n_present[there] / total[there])


def own_figures(data: wt.Table, held: wt.HeldOut, weights: Array) -> Plain:
    """Figures of the model without the question, on the answers whose question could be
    left out.

    Args:
        data: labelled answers.
        held: what each answer was told by models that never saw its person.
        weights: resamples of people, ``(B, N)``.

    Raises:
        BadInput: no question can be left out.
    """
    seen = np.isfinite(held.own_prompt).all(axis=0)
    if not seen.any():
        raise BadInput(
            "no question can be left out: without it, all other answers carry one label. Give both "
            "labels in more than "
            "one question"
        )
    y = data.y[seen]
    question = data.question[seen]
    fold = held.fold[:, seen]
    logit = held.own_prompt[:, seen]
    weights = weights[:, seen]
    above_baseline = sigmoid(logit - held.own_baseline[:, seen])
    auc = mean_bound(y, above_baseline, question, fold)["auc"]
    found = figures(mean_bound(y, sigmoid(logit), question, fold), weights)
    found["auc_one_baseline"] = float(auc())
    found["auc_one_baseline_ci"] = metrics.interval(np.asarray(auc(weights)))
    found["protocol"] = "people held out (one question)"
    if len(np.unique(data.question)) > 1:
        found["protocol"] = "leave one question out, on people held out as well"
    found["note"] = (
        "auc pools models whose baselines differ by the question left out; auc_one_baseline takes "
        "them off"
    )
    return found


def flat_rows(y: Array, folds: Array) -> dict[str, Array]:
    """What knows nothing of an answer, ``(R, N)``: the rate of the other folds' people, and their
    commoner label.
    """
    rates = []
    for fold in folds:
        of_others = {own: y[fold != own].mean() for own in np.unique(fold)}
        rates.append([of_others[own] for own in fold])
    rate = np.array(rates)
    return {"prevalence": rate, "constant": (rate > 0.5).astype(float)}


def question_table(data: wt.Table, p: Array) -> list[Plain]:
    """Per question: answers, observed rate, and mean figures over the deals.

    Args:
        data: labelled answers.
        p: probability of "present" per deal and answer, ``(R, N)``.
    """
    rows = []
    for question in sorted(set(map(str, data.question))):
        here = data.question == question
        y = data.y[here]
        own = p[:, here]
        aucs = [float(metrics.auc(y, one)) for one in own]
        shares = [metrics.share_right(y, one) for one in own]
        row: Plain = {"question": question, "n": int(here.sum())}
        row["observed"] = float(y.mean())
        row["mean_score"] = float(own.mean())
        row["auc"] = float(np.mean(aucs))
        row["accuracy"] = float(np.mean(shares))
        rows.append(row)
    return rows
