"""From log-odds to honest probabilities: slope, prevalence, a band from held-out answers, a zone to
abstain in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.types import Evidence

#: Why a score has no band where no held-out answer scored like it.
NO_BAND_REASON = (
    "beyond what was tested: no held-out answers scored like this one, so how often such answers "
    "are marked is not known"
)


def sigmoid(logit: np.ndarray | float) -> np.ndarray:
    """Probability of log-odds, without overflow."""
    x = np.asarray(logit, float)
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def log_odds(p: float) -> float:
    """Log-odds of a probability strictly between 0 and 1."""
    return math.log(p / (1 - p))


def log_loss(y: np.ndarray, logit: np.ndarray) -> float:
    """Mean negative log-likelihood of labels ``y (N,)`` under log-odds ``(N,)``."""
    losses = np.logaddexp(0, logit) - y * logit
    return float(np.mean(losses))


def temperature(y: np.ndarray, logit: np.ndarray, offset: np.ndarray | float = 0.0) -> float:
    """The slope on held-out log-odds that minimises the log loss, in [0.25, 2].

    Args:
        y: Labels ``(N,)``.
        logit: Log-odds ``(N,)``.
        offset: Log-odds that the slope leaves alone, ``(N,)`` or one for all.
    """
    from scipy.optimize import minimize_scalar

    def loss(slope: float) -> float:
        return log_loss(y, offset + slope * logit)

    found = minimize_scalar(loss, bounds=(0.25, 2.0), method="bounded")
    return float(found.x)


def prevalence_shift(new: float, trained: float) -> float:
    """What another prevalence adds to the log-odds (prior shift: within a class, answers are
    alike).
    """
    if not 0 < new < 1:
        raise BadInput(f"prevalence: expected a share strictly between 0 and 1, got {new}")
    return log_odds(new) - log_odds(trained)


@dataclass(frozen=True)
class Reliability:
    """What was observed among held-out answers near a score: ``p`` (increasing), ``rate``, ``low``,
    ``high``, ``(G,)``.

    Each point takes the ``n_near`` held-out answers nearest in log-odds; ``low`` and ``high`` are
    the participant- bootstrap 95 % interval of their observed rate. ``tested`` are the lowest and
    the highest held-out score; None: not known.
    """

    p: tuple[float, ...]
    rate: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    n_near: int
    tested: tuple[float, float] | None = None

    def band(self, p: float) -> tuple[float, float] | None:
        """Interval of the observed rate at one score.

        None where it would not hold the score, and beyond what was tested: :meth:`why_no_band` says
        which.
        """
        low, high = self._observed(p)
        if self._is_beyond(p) or not low <= p <= high:
            return None
        return low, high

    def why_no_band(self, p: float) -> str:
        """Why a score has no band; empty where it has one."""
        if self._is_beyond(p):
            return NO_BAND_REASON
        if self.band(p) is not None:
            return ""
        low, high = self._observed(p)
        return (
            f"of held-out answers scored nearest to this, {100 * low:.0f} to {100 * high:.0f} % "
            "were marked (95 % interval), so do not read this score as a rate"
        )

    def _observed(self, p: float) -> tuple[float, float]:
        """The interval at a score; beyond the outermost point, that of the outermost."""
        low = np.interp(p, self.p, self.low)
        high = np.interp(p, self.p, self.high)
        return float(low), float(high)

    def _is_beyond(self, p: float) -> bool:
        """Whether no held-out answer scored like this one.

        The outermost point stands for answers on both sides of it. How far these reach is not known
        of older models: there, as far as the observed rate agrees with the score.
        """
        if self.p[0] <= p <= self.p[-1]:
            return False
        lowest, highest = self._observed(p) if self.tested is None else self.tested
        return not lowest <= p <= highest


def band_evidence(reliability: Reliability, p: float, shift: float = 0.0) -> list[Evidence]:
    """The band of a score, which holds the score, or the reason for which it has none.

    Args:
        reliability: what was observed on held-out answers.
        p: the model's own probability, before any shift.
        shift: log-odds that another prevalence adds to score and band alike.
    """
    band = reliability.band(p)
    if band is None:
        return [Evidence("no_band", reliability.why_no_band(p), math.nan, "probability")]
    score = _moved(p, shift)
    low = min(_moved(band[0], shift), score)
    high = max(_moved(band[1], shift), score)
    return [
        Evidence("band", "low", low, "probability"),
        Evidence("band", "high", high, "probability"),
    ]


def _moved(p: float, shift: float) -> float:
    """A probability whose log-odds are shifted; 0 and 1 stay."""
    if not shift or not 0 < p < 1:
        return p
    return float(sigmoid(log_odds(p) + shift))


@dataclass(frozen=True)
class Risk:
    """Held-out risk and coverage by the half-width of the zone around 0.5 in which it abstains,
    ``(Z,)`` each.
    """

    half_width: tuple[float, ...]
    coverage: tuple[float, ...]
    error: tuple[float, ...]
    n: int

    def zone(self, max_risk: float) -> tuple[float, float, float]:
        """Smallest half-width whose accepted held-out answers err at most ``max_risk``, with its
        coverage and error.

        Raises:
            BadInput: the asked risk is not in (0, 0.5), or no zone that keeps enough answers
                reaches it.
        """
        if not 0 < max_risk < 0.5:
            raise BadInput(f"max_risk: expected an error rate between 0 and 0.5, got {max_risk}")
        for width, coverage, error in zip(self.half_width, self.coverage, self.error, strict=True):
            if error <= max_risk:
                return width, coverage, error
        best = int(np.argmin(self.error))
        error = self.error[best]
        coverage = self.coverage[best]
        raise BadInput(
            f"max_risk {max_risk:g} is not reached on held-out answers; the lowest error is "
            f"{error:.3f} with {coverage:.0%} of the answers decided. Ask for that much or more"
        )


def risk_curve(y: np.ndarray, p: np.ndarray, min_accepted: int = 30) -> Risk:
    """Risk and coverage of held-out answers by the zone's half-width, in steps of 0.01.

    Args:
        y: Labels ``(N,)``.
        p: Probabilities ``(N,)``.
        min_accepted: The widest zone accepts so many answers or more.
    """
    wrong = (p > 0.5) != (y == 1)
    distance = np.abs(p - 0.5)
    widths, coverages, errors = [], [], []
    for step in range(50):
        width = step / 100
        accepted = distance >= width
        if accepted.sum() < min_accepted:
            break
        coverage = float(accepted.mean())
        error = float(wrong[accepted].mean())
        widths.append(width)
        coverages.append(round(coverage, 4))
        errors.append(round(error, 4))
    if not widths:
        return Risk((0.0,), (1.0,), (float(wrong.mean()),), len(y))
    return Risk(tuple(widths), tuple(coverages), tuple(errors), len(y))


def floats(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(v) for v in values)


def reliability_from(entry: Mapping[str, Any]) -> Reliability:
    """Read back what ``dataclasses.asdict`` wrote."""
    p = floats(entry["p"])
    rate = floats(entry["rate"])
    low = floats(entry["low"])
    high = floats(entry["high"])
    n_near = int(entry["n_near"])
    tested = None
    if entry.get("tested") is not None:
        lowest, highest = floats(entry["tested"])
        tested = (lowest, highest)
    return Reliability(p, rate, low, high, n_near, tested)


def risk_from(entry: Mapping[str, Any]) -> Risk:
    """Read back what ``dataclasses.asdict`` wrote."""
    width = floats(entry["half_width"])
    coverage = floats(entry["coverage"])
    error = floats(entry["error"])
    n = int(entry["n"])
    return Risk(width, coverage, error, n)
