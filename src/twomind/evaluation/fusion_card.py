"""Figures of a fusion model on people it never saw, for its card: skill, shortcuts, reliability,
*when*, absence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.numbers import softmax
from twomind.evaluation import metrics
from twomind.evaluation.held_out import reliability
from twomind.evaluation.located_frames import STEP_S, Moments, locate_frames, shortcuts
from twomind.evaluation.words import hashed
from twomind.models.fusion.recogniser import FusionRecogniser
from twomind.models.fusion.run import rows_of
from twomind.training.fusion_data import Item
from twomind.types.plain import Array, Plain

#: Fewer answers than this give no curve of reliability.
LEAST_FOR_RELIABILITY = 20
#: Figures that go with every prediction.
SKILL = ("auc", "macro_f1", "within_question_auc", "ap")

NOT_FOR = (
    "diagnosis, or any decision about a person without a human who looked and listened",
    "selection, monitoring or appraisal at work or in education",
    "comparing groups of people: no figure per group was computed",
)


def video_probs(
    model: FusionRecogniser, items: Sequence[Item], without: Sequence[str] = ()
) -> Array:
    """Probability of "any class but the first" per recording ``(N,)``, some modalities
    taken away.

    Args:
        model: the fusion model.
        items: recordings on their grid.
        without: modalities that are taken away.
    """
    return 1 - class_probs(model, items, without)[:, 0]


def class_probs(
    model: FusionRecogniser, items: Sequence[Item], without: Sequence[str] = ()
) -> Array:
    """Probability of every class per recording ``(N, C)``, some modalities taken away.

    Args:
        model: the fusion model.
        items: recordings on their grid.
        without: modalities that are taken away.
    """
    logits = []
    for item in items:
        grid = item.grid.without(*without) if without else item.grid
        _, video = rows_of(model.net, grid)
        logits.append(video.logits())
    return softmax(np.stack(logits))


def moments(model: FusionRecogniser, items: Sequence[Item]) -> list[Moments]:
    """Coded moments of the items with the model's frame score, every ``STEP_S`` seconds."""
    step = max(round(STEP_S / model.recipe.hop_s), 1)
    found = []
    for item in items:
        rows, _ = rows_of(model.net, item.grid)
        coded = np.flatnonzero(item.frame_y >= 0)
        at = coded[coded % step == 0]
        if not len(at):
            continue
        logits = rows.logits[at]
        odds = logits[:, 1:].max(axis=1) - logits[:, 0]
        one = Moments(
            subject=item.subject,
            question=item.question or "",
            position=at / len(item.grid),
            present=(item.frame_y[at] > 0).astype(int),
            score=np.where(rows.valid[at], odds, np.nan),
        )
        found.append(one)
    return found


def card_figures(
    model: FusionRecogniser,
    train: Sequence[Item],
    held_out: Sequence[Item],
    seed: int = 0,
    n_bootstrap: int = 1000,
) -> Plain:
    """``skill``, ``reliability``, ``held_out_people``, ``absent_modalities`` and ``located`` for a
    card.

    Args:
        model: the fusion model.
        train: what it learnt from.
        held_out: people who had no part in training, stopping or calibration.
        seed: of the random numbers.
        n_bootstrap: resamples of people behind each interval.

    Raises:
        BadInput: one of the held-out people had a part.
    """
    _never_seen(model, held_out)
    found: Plain = {"not_for": list(NOT_FOR), "population": _population(model)}
    answered = [item for item in held_out if item.y >= 0]
    y = _labels(answered)
    if answered and 0 < y.sum() < len(y):
        subjects = np.array([item.subject for item in answered])
        weights = metrics.person_weights(subjects, n_bootstrap, seed)
        held = _Held(model, answered, y, subjects, weights)
        found |= held.figures(train)
    coded_train = moments(model, train)
    coded = moments(model, held_out)
    if coded_train and coded:
        known = shortcuts(coded_train)
        found["located"] = locate_frames(coded, known, seed, n_bootstrap)
    return found


def _labels(items: Sequence[Item]) -> Array:
    """0 for the first class, 1 for any other ``(N,)``."""
    return np.array([min(item.y, 1) for item in items], int)


def _never_seen(model: FusionRecogniser, items: Sequence[Item]) -> None:
    people = model.card.get("people", {})
    known = set(people.get("hashes", ()))
    salt = people.get("salt", "")
    subjects = {item.subject for item in items}
    seen = sorted(subject for subject in subjects if hashed(subject, salt) in known)
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
            f"{n} synthetic people, not real ones: every figure shows that the machinery works, and "
            "says nothing of people"
        )
    return f"{n} people of the data set named on this card"


@dataclass(frozen=True)
class _Held:
    """Labelled answers of held-out people, with resamples ``(B, N)`` of these people."""

    model: FusionRecogniser
    answered: Sequence[Item]
    y: Array
    subjects: Array
    weights: Array

    def figures(self, train: Sequence[Item]) -> Plain:
        """Skill beside the question alone, without modalities, and reliability."""
        question = np.array([item.question or "" for item in self.answered])
        p = video_probs(self.model, self.answered)
        bound = metrics.bound(self.y, p, question)
        by_question = metrics.bound(self.y, _question_rates(train, question), question)
        own = metrics.figures(bound, self.weights)
        rows = {"model": own, "question": metrics.figures(by_question, self.weights)}
        gain = {}
        for name, metric in bound.items():
            value, ci = metrics.gain(metric, by_question[name], self.weights)
            gain[name] = {"value": value, "ci": ci}
        n = len(self.answered)
        n_people = len(np.unique(self.subjects))
        skill: Plain = {name: own[name] for name in SKILL}
        skill["auc_ci"] = own["ci"]["auc"]
        skill["protocol"] = "people never seen"
        skill["n_answers"] = n
        skill["n_people"] = n_people
        found: Plain = {"skill": skill}
        found["held_out_people"] = {
            "rows": rows,
            "gain_over_question": gain,
            "n_people": n_people,
            "n": n,
        }
        found["absent_modalities"] = self.absences()
        if n >= LEAST_FOR_RELIABILITY:
            clipped = np.clip(p, 1e-6, 1 - 1e-6)
            logit = np.log(clipped / (1 - clipped))
            found["reliability"] = asdict(reliability(self.y, logit, self.weights))
        return found

    def absences(self) -> list[Plain]:
        """Skill with every subset of the modalities that leaves one: how it degrades when one is
        missing.
        """
        names = self.model.recipe.modalities
        found = []
        for n in range(len(names), 0, -1):
            for kept in combinations(names, n):
                without = [name for name in names if name not in kept]
                p = video_probs(self.model, self.answered, without)
                spread = np.asarray(metrics.auc(self.y, p, self.weights))
                row: Plain = {"with": list(kept)}
                row["auc"] = float(metrics.auc(self.y, p))
                row["auc_ci"] = metrics.interval(spread)
                row["ap"] = float(metrics.average_precision(self.y, p))
                row["macro_f1"] = float(metrics.macro_f1(self.y, p))
                row["mean_distance_from_half"] = float(np.abs(p - 0.5).mean())
                found.append(row)
        return found


def _question_rates(train: Sequence[Item], question: Array) -> Array:
    """What the question alone says: its rate among the training people, drawn to the mean by one
    answer.
    """
    labelled = [item for item in train if item.y >= 0]
    mean = float(np.mean(_labels(labelled))) if labelled else 0.5
    by_question: dict[str, list[int]] = {}
    for item in labelled:
        by_question.setdefault(item.question or "", []).append(min(item.y, 1))
    rates = []
    for one in question:
        y = by_question.get(str(one), [])
        rates.append((sum(y) + mean) / (len(y) + 1))
    return np.array(rates)
