"""A score beside what its question alone gives: where the model takes its score apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from twomind.reporting.result import Values

#: What holds for every answer to a question, whatever was said.
_OF_THE_QUESTION = ("baseline", "question", "prevalence")
#: The parts must add up to the score this closely, or they are not its parts.
_ADDS_UP = 0.005


@dataclass(frozen=True)
class Comparison:
    """``p``: what an average answer to this question scores; to any question where the model does
    not know it (``known``). ``points``: what this answer's words and length change, in percent of
    probability, as the two rounded figures differ.
    """

    p: float
    known: bool
    points: int


def logistic(log_odds: float) -> float:
    """The probability of log-odds."""
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    odds = math.exp(log_odds)
    return odds / (1 + odds)


def compared(score: Values, known: bool) -> Comparison | None:
    """What the question alone gives; None where the score is not a sum of such parts.

    Args:
        score: of :func:`twomind.reporting.report_data.score_data`.
        known: whether the model knows the question.
    """
    values = {part["name"]: part["value"] for part in score["parts"]}
    if "baseline" not in values or None in values.values() or score["p"] is None:
        return None
    together = logistic(sum(values.values()))
    if abs(together - score["p"]) > _ADDS_UP:
        return None
    of_the_question = [values[name] for name in values if name in _OF_THE_QUESTION]
    alone = sum(of_the_question)
    p = round(logistic(alone), 4)
    points = percent_of(score["p"]) - percent_of(p)
    return Comparison(p, known, points)


def percent_of(p: float) -> int:
    """A probability in percent, as the figure with two digits that a reader sees."""
    shown = round(p, 2)
    return round(100 * shown)


def in_points(base: float, parts: Sequence[float]) -> list[int]:
    """What each part changes, one after another, in points of a probability in percent.

    Args:
        base: log-odds before the first part.
        parts: log-odds of each.

    Returns:
        Whole points; with the base they add up to the score in percent.
    """
    found = []
    log_odds = base
    before = round(100 * logistic(base))
    for part in parts:
        log_odds += part
        after = round(100 * logistic(log_odds))
        found.append(after - before)
        before = after
    return found


__all__ = ["Comparison", "compared", "in_points", "logistic"]
