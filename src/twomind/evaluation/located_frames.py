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
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.evaluation import metrics

#: Seconds between looked-at moments: neighbours say the same, and pairs grow with the square.
STEP_S = 0.6
N_BINS = 10
HOW = (
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
    position: np.ndarray
    present: np.ndarray
    score: np.ndarray

    def __post_init__(self) -> None:
        if not self.position.shape == self.present.shape == self.score.shape:
            raise ValueError("Moments: expected position, present and score of one shape")


@dataclass(frozen=True)
class Shortcuts:
    """Rates of marked moments on training people: per tenth of an answer ``(N_BINS,)``, per
    question, overall.
    """

    position: np.ndarray
    question: Mapping[str, float]
    overall: float

    def score(self, moments: Moments, row: str) -> np.ndarray:
        """Log-odds by ``position``, ``question``, or both, ``(F,)``."""
        at = np.minimum((moments.position * N_BINS).astype(int), N_BINS - 1)
        place = _odds(self.position[at])
        asked = np.full(len(at), _odds(self.question.get(moments.question, self.overall)))
        return {
            "position": place,
            "question": asked,
            "question_position": place + asked - _odds(self.overall),
        }[row]


def _odds(p: Any) -> Any:
    return np.log(p) - np.log1p(-p)


def shortcuts(train: Sequence[Moments]) -> Shortcuts:
    """Learn the rates, each drawn towards the overall one by ten moments.

    Raises:
        BadInput: no coded moment.
    """
    if not train or not sum(len(m.present) for m in train):
        raise BadInput("located: the training people have no coded moment")
    present = np.concatenate([m.present for m in train]).astype(float)
    at = np.minimum((np.concatenate([m.position for m in train]) * N_BINS).astype(int), N_BINS - 1)
    overall = (present.sum() + 1) / (len(present) + 2)

    def rate(y: np.ndarray) -> float:
        return float((y.sum() + 10 * overall) / (len(y) + 10))

    asked = {
        q: rate(np.concatenate([m.present for m in train if m.question == q]))
        for q in {m.question for m in train}
    }
    return Shortcuts(
        np.array([rate(present[at == b]) for b in range(N_BINS)]), asked, float(overall)
    )


Scorer = Callable[[Moments], np.ndarray]


def _inside(moments: Sequence[Moments], score: Scorer) -> np.ndarray:
    """Per answer: pairs (marked, unmarked) in the right order, and all pairs, ``(N, 2)``."""
    rows = []
    for m in moments:
        k = float(m.present.sum() * (1 - m.present).sum())
        rows.append((metrics.auc(m.present, score(m)) * k if k else 0.0, k))
    return np.array(rows)


def _measured(moments: Sequence[Moments]) -> list[Moments]:
    """Moments with a score. One without is no evidence either way and counts for none of
    the rows.
    """
    found = []
    for m in moments:
        ok = np.isfinite(m.score)
        if ok.any():
            found.append(Moments(m.subject, m.question, m.position[ok], m.present[ok], m.score[ok]))
    return found


def locate_frames(
    held_out: Sequence[Moments], known: Shortcuts, seed: int = 0, n_bootstrap: int = 1000
) -> dict[str, Any]:
    """Figures of a frame score on held-out people beside the shortcut rows; whether it ``locates``,
    and the reason.
    """
    moments = _measured(held_out)
    marked = [m for m in moments if 0 < m.present.sum() < len(m.present)]
    n_people = len({m.subject for m in marked})
    base = {"how": HOW, "n_answers": len(moments), "n_people": len({m.subject for m in moments})}
    if n_people < 2:
        return {
            **base,
            "locates": False,
            "reason": f"only {n_people} held-out person has answers with both marked and unmarked "
            "moments",
        }
    rows: dict[str, Scorer] = {
        "model": lambda m: m.score,
        **{r: _row(known, r) for r in ("position", "question", "question_position")},
    }
    inside, inside_spread = _inside_figures(marked, rows, seed, n_bootstrap)
    overall, overall_spread = _overall_figures(moments, rows, seed, n_bootstrap)
    gains = {
        "inside_over_position": _gain(inside, inside_spread, "position"),
        "overall_over_question": _gain(overall, overall_spread, "question"),
        "overall_over_question_position": _gain(overall, overall_spread, "question_position"),
    }
    floor = metrics.interval(inside_spread["model"])[0]
    locates = floor > 0.5 and all(g["ci"][0] > 0 for g in gains.values())
    return {
        **base,
        "n_answers_with_both": len(marked),
        "auc_inside_answers": _figures(inside, inside_spread),
        "auc_overall": _figures(overall, overall_spread),
        "gain": gains,
        "locates": bool(locates),
        "reason": _reason(bool(locates), inside, gains, n_people),
    }


def _row(known: Shortcuts, name: str) -> Scorer:
    return lambda m: known.score(m, name)


def _inside_figures(
    marked: Sequence[Moments], rows: Mapping[str, Scorer], seed: int, n: int
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    weights = metrics.person_weights(np.array([m.subject for m in marked]), n, seed)
    pairs = {k: _inside(marked, f) for k, f in rows.items()}
    value = {k: float(r[:, 0].sum() / r[:, 1].sum()) for k, r in pairs.items()}
    return value, {
        k: (weights @ r[:, 0]) / np.maximum(weights @ r[:, 1], 1e-9) for k, r in pairs.items()
    }


def _overall_figures(
    moments: Sequence[Moments], rows: Mapping[str, Scorer], seed: int, n: int
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    y = np.concatenate([m.present for m in moments])
    subject = np.concatenate([np.full(len(m.present), m.subject) for m in moments])
    scores = {k: np.concatenate([f(m) for m in moments]) for k, f in rows.items()}
    value = {k: float(metrics.auc(y, p)) for k, p in scores.items()}
    weights = metrics.person_weights(subject, n, seed)
    # In blocks: a resample weighs every moment.
    spread = {
        k: np.concatenate(
            [np.atleast_1d(metrics.auc(y, p, w)) for w in np.array_split(weights, max(n // 100, 1))]
        )
        for k, p in scores.items()
    }
    return value, spread


def _gain(value: Mapping[str, float], spread: Mapping[str, np.ndarray], row: str) -> dict[str, Any]:
    return {
        "value": value["model"] - value[row],
        "ci": metrics.interval(spread["model"] - spread[row]),
    }


def _figures(value: Mapping[str, float], spread: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {k: {"value": v, "ci": metrics.interval(spread[k])} for k, v in value.items()}


def _reason(
    locates: bool, inside: Mapping[str, float], gains: Mapping[str, Any], n_people: int
) -> str:
    def share(p: float) -> str:
        return f"{p:.0%}".replace("%", " %")

    low, high = gains["inside_over_position"]["ci"]
    text = (
        "of two moments of one answer, one marked and one not, the frame score picks the marked "
        "one in "
        f"{share(inside['model'])} of pairs on {n_people} people never seen, the position in the "
        "answer in "
        f"{share(inside['position'])} (gain {gains['inside_over_position']['value']:+.2f} "
        f"[{low:+.2f}, {high:+.2f}])"
    )
    if locates:
        return text
    low, high = gains["overall_over_question_position"]["ci"]
    return (
        f"{text}; over all moments it gains "
        f"{gains['overall_over_question_position']['value']:+.2f} "
        f"[{low:+.2f}, "
        f"{high:+.2f}] over question and position. A gain whose interval reaches zero shows no "
        "segments"
    )
