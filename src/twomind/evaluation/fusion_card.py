"""Figures of a fusion model on people it never saw, for its card: skill, shortcuts, reliability,
*when*, absence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.evaluation import metrics
from twomind.evaluation.located_frames import STEP_S, Moments, locate_frames, shortcuts
from twomind.evaluation.words_card import reliability
from twomind.models.fusion.recogniser import FusionRecogniser
from twomind.models.fusion.run import rows_of, softmax
from twomind.training.fusion_data import Item

NOT_FOR = (
    "diagnosis, or any decision about a person without a human who looked and listened",
    "selection, monitoring or appraisal at work or in education",
    "comparing groups of people: no figure per group was computed",
)


def video_probs(
    model: FusionRecogniser, items: Sequence[Item], without: Sequence[str] = ()
) -> np.ndarray:
    """Probability of "any class but the first" per recording ``(N,)``, some modalities
    taken away.
    """
    net = model.net
    logits = [
        rows_of(net, i.grid.without(*without) if without else i.grid)[1].logits() for i in items
    ]
    return 1 - softmax(np.stack(logits))[:, 0]


def moments(model: FusionRecogniser, items: Sequence[Item]) -> list[Moments]:
    """Coded moments of the items with the model's frame score, every ``STEP_S`` seconds."""
    step = max(round(STEP_S / model.recipe.hop_s), 1)
    found = []
    for item in items:
        rows = rows_of(model.net, item.grid)[0]
        at = np.flatnonzero(item.frame_y >= 0)
        at = at[at % step == 0]
        if len(at):
            odds = rows.logits[at, 1:].max(axis=1) - rows.logits[at, 0]
            score = np.where(rows.valid[at], odds, np.nan)
            present = (item.frame_y[at] > 0).astype(int)
            found.append(
                Moments(item.subject, item.question or "", at / len(item.grid), present, score)
            )
    return found


def card_figures(
    model: FusionRecogniser,
    train: Sequence[Item],
    held_out: Sequence[Item],
    seed: int = 0,
    n_bootstrap: int = 1000,
) -> dict[str, Any]:
    """``skill``, ``reliability``, ``held_out_people``, ``absent_modalities`` and ``located`` for a
    card.

    ``held_out`` must be people who had no part in training, stopping or calibration.

    Raises:
        BadInput: one of them had.
    """
    _never_seen(model, held_out)
    answered = [i for i in held_out if i.y >= 0]
    found: dict[str, Any] = {"not_for": list(NOT_FOR), "population": _population(model)}
    y = np.array([min(i.y, 1) for i in answered], int)
    if len(answered) and 0 < y.sum() < len(y):
        found |= _answers(model, train, answered, y, seed, n_bootstrap)
    coded_train, coded = moments(model, train), moments(model, held_out)
    if coded_train and coded:
        found["located"] = locate_frames(coded, shortcuts(coded_train), seed, n_bootstrap)
    return found


def _never_seen(model: FusionRecogniser, items: Sequence[Item]) -> None:
    from twomind.evaluation.words import hashed

    people = model.card.get("people", {})
    known = set(people.get("hashes", ()))
    seen = sorted({i.subject for i in items if hashed(i.subject, people.get("salt", "")) in known})
    if seen:
        raise BadInput(
            f"{len(seen)} of the held-out people had a part in training or calibration, for "
            "example "
            f"{seen[0]}"
        )


def _population(model: FusionRecogniser) -> str:
    n = model.card["data"]["train"]["people"]
    if model.drawn:
        return (
            f"{n} drawn people, not real ones: every figure shows that the machinery works, and "
            "says nothing of people"
        )
    return f"{n} people of the data set named on this card"


def _answers(
    model: FusionRecogniser,
    train: Sequence[Item],
    answered: Sequence[Item],
    y: np.ndarray,
    seed: int,
    n: int,
) -> dict[str, Any]:
    subject = np.array([i.subject for i in answered])
    question = np.array([i.question or "" for i in answered])
    weights = metrics.person_weights(subject, n, seed)
    p = video_probs(model, answered)
    rows = {"model": p, "question": _question_rates(train, question)}
    bound = {k: metrics.bound(y, v, question) for k, v in rows.items()}
    figures: dict[str, Any] = {
        k: {**{m: float(f()) for m, f in b.items()}, "ci": metrics.intervals(b, weights)}
        for k, b in bound.items()
    }
    gain = {m: _paired(bound["model"][m], bound["question"][m], weights) for m in bound["model"]}
    n_people = len(np.unique(subject))
    skill = {
        **{k: figures["model"][k] for k in ("auc", "macro_f1", "within_question_auc", "ap")},
        "auc_ci": figures["model"]["ci"]["auc"],
        "protocol": "people never seen",
        "n_answers": len(answered),
        "n_people": n_people,
    }
    found = {
        "skill": skill,
        "held_out_people": {
            "rows": figures,
            "gain_over_question": gain,
            "n_people": n_people,
            "n": len(answered),
        },
        "absent_modalities": _absences(model, answered, y, weights),
    }
    if len(answered) >= 20:
        from dataclasses import asdict

        clipped = np.clip(p, 1e-6, 1 - 1e-6)
        found["reliability"] = asdict(reliability(y, np.log(clipped / (1 - clipped)), weights))
    return found


def _question_rates(train: Sequence[Item], question: np.ndarray) -> np.ndarray:
    """What the question alone says: its rate among the training people, drawn to the mean by one
    answer.
    """
    labelled = [i for i in train if i.y >= 0]
    mean = float(np.mean([min(i.y, 1) for i in labelled])) if labelled else 0.5

    def rate(q: str) -> float:
        y = [min(i.y, 1) for i in labelled if (i.question or "") == q]
        return (sum(y) + mean) / (len(y) + 1)

    return np.array([rate(str(q)) for q in question])


def _paired(a: Callable[..., Any], b: Callable[..., Any], weights: np.ndarray) -> dict[str, Any]:
    return {
        "value": float(a() - b()),
        "ci": metrics.interval(np.asarray(a(weights)) - np.asarray(b(weights))),
    }


def _absences(
    model: FusionRecogniser, items: Sequence[Item], y: np.ndarray, weights: np.ndarray
) -> list[Mapping[str, Any]]:
    """Skill with every subset of the modalities that leaves one: how it degrades when one is
    missing.
    """
    names = model.recipe.modalities
    found: list[Mapping[str, Any]] = []
    for n in range(len(names), 0, -1):
        for kept in combinations(names, n):
            p = video_probs(model, items, [m for m in names if m not in kept])
            spread = np.asarray(metrics.auc(y, p, weights))
            found.append(
                {
                    "with": list(kept),
                    "auc": float(metrics.auc(y, p)),
                    "auc_ci": metrics.interval(spread),
                    "ap": float(metrics.average_precision(y, p)),
                    "macro_f1": float(metrics.macro_f1(y, p)),
                    "mean_distance_from_half": float(np.abs(p - 0.5).mean()),
                }
            )
    return found
