"""Does a frame score know *when*? Beside the position in the answer and the question, on people
never seen.

A model shows segments only when, on held-out people, its frame score (1) tells marked from unmarked
moments *inside* an answer better than chance and better than the position in the answer, and (2)
over all moments beats what question and position together would say; each time at the lower end of
the interval, paired by person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from twomind.core.errors import BadInput
from twomind.evaluation import metrics
from twomind.types.plain import Array, Plain

#: Seconds between looked-at moments: neighbours say the same, and pairs grow with the square.
STEP_S = 0.6
N_BINS = 10
HOW_MEASURED = (
    f"moments every {STEP_S:g} s of coded answers; inside answers: pairs of one answer, pooled; "
    "overall: AUC over all "
    "moments; position: the rate in each tenth of an answer, question: its rate, both learnt on "
    "the training people; "
    "95 % percentile intervals over people, gains paired by person"
)


@dataclass(frozen=True)
class Moments:
    """Coded moments of one answer, ``(F,)``: ``position`` in [0, 1), ``present`` 0 or 1, ``score``
    (nan: none).
    """

    subject: str
    question: str
    position: Array
    present: Array
    score: Array

    def __post_init__(self) -> None:
        if not self.position.shape == self.present.shape == self.score.shape:
            raise ValueError("Moments: expected position, present and score of one shape")


@dataclass(frozen=True)
class Shortcuts:
    """Rates of marked moments on training people: per tenth of an answer ``(N_BINS,)``, per
    question, overall.
    """

    position: Array
    question: Mapping[str, float]
    overall: float

    def score(self, moments: Moments, row: str) -> Array:
        """Log-odds by ``position``, ``question``, or both, ``(F,)``."""
        rates = self.position[_tenth(moments.position)]
        place = _odds(rates)
        question_rate = self.question.get(moments.question, self.overall)
        asked = np.full(len(rates), _odds(np.float64(question_rate)))
        if row == "position":
            return place
        if row == "question":
            return asked
        if row == "question_position":
            return np.asarray(place + asked - _odds(np.float64(self.overall)))
        raise KeyError(row)


def _tenth(position: Array) -> Array:
    """The tenth of its answer in which each moment lies ``(F,)``."""
    exact = (position * N_BINS).astype(int)
    return np.asarray(np.minimum(exact, N_BINS - 1))


def _odds(p: Array | np.float64) -> Array:
    """Log-odds, also of rates next to one."""
    return np.asarray(np.log(p) - np.log1p(-p))


def shortcuts(train: Sequence[Moments]) -> Shortcuts:
    """Learn the rates, each drawn towards the overall one by ten moments.

    Raises:
        BadInput: no coded moment.
    """
    n = sum(len(one.present) for one in train)
    if not n:
        raise BadInput("located: the training people have no coded moment")
    present = np.concatenate([one.present for one in train]).astype(float)
    part = _tenth(np.concatenate([one.position for one in train]))
    overall = float((present.sum() + 1) / (n + 2))
    by_position = [_rate(present[part == k], overall) for k in range(N_BINS)]
    by_question = {}
    for question in {one.question for one in train}:
        own = [one.present for one in train if one.question == question]
        by_question[question] = _rate(np.concatenate(own), overall)
    return Shortcuts(np.array(by_position), by_question, overall)


def _rate(y: Array, overall: float) -> float:
    """The share of marked moments, drawn towards the overall one by ten moments."""
    return float((y.sum() + 10 * overall) / (len(y) + 10))


Scorer: TypeAlias = Callable[[Moments], Array]


@dataclass(frozen=True)
class _Resampling:
    seed: int
    n_bootstrap: int


@dataclass(frozen=True)
class _Aucs:
    """AUC of every row, and in every resample of people ``(B,)``."""

    value: Mapping[str, float]
    spread: Mapping[str, Array]

    def gain(self, row: str) -> Plain:
        """How much better than a row the model is, with its interval."""
        value = self.value["model"] - self.value[row]
        ci = metrics.interval(self.spread["model"] - self.spread[row])
        return {"value": value, "ci": ci}

    def figures(self) -> Plain:
        """All rows with their intervals."""
        found: Plain = {}
        for name, value in self.value.items():
            found[name] = {"value": value, "ci": metrics.interval(self.spread[name])}
        return found


def _inside(moments: Sequence[Moments], score: Scorer) -> tuple[Array, Array]:
    """Per answer ``(N,)``: pairs (marked, unmarked) in the right order, and all pairs."""
    right = []
    total = []
    for one in moments:
        n_marked = one.present.sum()
        n_pairs = float(n_marked * (len(one.present) - n_marked))
        auc = metrics.auc(one.present, score(one)) if n_pairs else 0.0
        right.append(auc * n_pairs)
        total.append(n_pairs)
    return np.array(right), np.array(total)


def _measured(moments: Sequence[Moments]) -> list[Moments]:
    """Moments with a score. One without is not evidence either way and counts for none of
    the rows.
    """
    found = []
    for one in moments:
        ok = np.isfinite(one.score)
        if ok.any():
            kept = Moments(
                subject=one.subject,
                question=one.question,
                position=one.position[ok],
                present=one.present[ok],
                score=one.score[ok],
            )
            found.append(kept)
    return found


def locate_frames(
    held_out: Sequence[Moments], known: Shortcuts, seed: int = 0, n_bootstrap: int = 1000
) -> Plain:
    """Figures of a frame score on held-out people beside the shortcut rows; whether it ``locates``,
    and the reason.

    Args:
        held_out: coded moments of people who had no part in training.
        known: the shortcuts' rates, learnt on training people.
        seed: of the random numbers.
        n_bootstrap: resamples of people behind each interval.
    """
    moments = _measured(held_out)
    marked = [one for one in moments if 0 < one.present.sum() < len(one.present)]
    n_people = len({one.subject for one in marked})
    found: Plain = {"how": HOW_MEASURED, "n_answers": len(moments)}
    found["n_people"] = len({one.subject for one in moments})
    if n_people < 2:
        found["locates"] = False
        found["reason"] = (
            f"only {n_people} held-out person has answers with both marked and unmarked moments"
        )
        return found
    rows: dict[str, Scorer] = {"model": lambda one: one.score}
    for name in ("position", "question", "question_position"):
        rows[name] = _row(known, name)
    how = _Resampling(seed, n_bootstrap)
    inside = _inside_aucs(marked, rows, how)
    overall = _overall_aucs(moments, rows, how)
    gains = {
        "inside_over_position": inside.gain("position"),
        "overall_over_question": overall.gain("question"),
        "overall_over_question_position": overall.gain("question_position"),
    }
    floor = metrics.interval(inside.spread["model"])[0]
    lows = [gain["ci"][0] for gain in gains.values()]
    locates = floor > 0.5 and all(low > 0 for low in lows)
    found["n_answers_with_both"] = len(marked)
    found["auc_inside_answers"] = inside.figures()
    found["auc_overall"] = overall.figures()
    found["gain"] = gains
    found["locates"] = bool(locates)
    text = _inside_words(inside, gains["inside_over_position"], n_people)
    if not locates:
        text += _overall_words(gains["overall_over_question_position"])
    found["reason"] = text
    return found


def _row(known: Shortcuts, name: str) -> Scorer:
    return lambda one: known.score(one, name)


def _inside_aucs(marked: Sequence[Moments], rows: Mapping[str, Scorer], how: _Resampling) -> _Aucs:
    """AUC over pairs of moments of one answer."""
    subjects = np.array([one.subject for one in marked])
    weights = metrics.person_weights(subjects, how.n_bootstrap, how.seed)
    value = {}
    spread = {}
    for name, score in rows.items():
        right, total = _inside(marked, score)
        value[name] = float(right.sum() / total.sum())
        n_pairs = np.maximum(weights @ total, 1e-9)
        spread[name] = (weights @ right) / n_pairs
    return _Aucs(value, spread)


def _overall_aucs(
    moments: Sequence[Moments], rows: Mapping[str, Scorer], how: _Resampling
) -> _Aucs:
    """AUC over all moments."""
    y = np.concatenate([one.present for one in moments])
    subject = np.concatenate([np.full(len(one.present), one.subject) for one in moments])
    weights = metrics.person_weights(subject, how.n_bootstrap, how.seed)
    # In blocks: a resample weighs every moment.
    blocks = np.array_split(weights, max(how.n_bootstrap // 100, 1))
    value = {}
    spread = {}
    for name, score in rows.items():
        p = np.concatenate([score(one) for one in moments])
        value[name] = float(metrics.auc(y, p))
        each = [np.atleast_1d(metrics.auc(y, p, block)) for block in blocks]
        spread[name] = np.concatenate(each)
    return _Aucs(value, spread)


def _percent(p: float) -> str:
    return f"{p:.0%}".replace("%", " %")


def _gain_words(gain: Plain) -> str:
    low, high = gain["ci"]
    return f"{gain['value']:+.2f} [{low:+.2f}, {high:+.2f}]"


def _inside_words(inside: _Aucs, gain: Plain, n_people: int) -> str:
    model = _percent(inside.value["model"])
    position = _percent(inside.value["position"])
    return (
        "of two moments of one answer, one marked and one not, the frame score picks the marked "
        f"one in {model} of pairs on {n_people} people never seen, the position in the "
        f"answer in {position} (gain {_gain_words(gain)})"
    )


def _overall_words(gain: Plain) -> str:
    return (
        f"; over all moments it gains {_gain_words(gain)} over question and position. A gain whose "
        "interval reaches zero shows no segments"
    )
