"""A person's resting face, estimated from a recording without a neutral clip, and how sure that is.

What fills a recording is not its rest: somebody who grins for two of three seconds has a median
that grins. Rest is looked for in frames that are still, with lips closed and eyes open. Where these
frames lie far from what neutral faces of people measure, or far apart, rest is not known.

For each action unit, the resting value r has the prior t(r): Student's t around the population's
neutral, as wide as few people make it. With f(r), the density of the frames at rest over their
values, and T seconds of such frames, its posterior is the mixture of two cases: rest was shown,
T t(r) f(r), and it was not shown, T0 t(r) E, where E is the integral of t(r)², what t(r) f(r) gives
for frames that lie like a population. Mean and standard deviation of the posterior are the estimate
and how unsure it is.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from twomind.features.face.measures import ABSOLUTE
from twomind.types import Track

#: Lips farther apart than this, in iod, are no closed mouth: three standard deviations above what
#: neutral faces measure.
CLOSED_IOD = 0.05
#: A face is still where no unit changes by more than this within the window; at least the stillest
#: quarter of the frames counts as still, so that a noisy camera leaves some.
_STILL_IOD = 0.03
_WINDOW_S = 0.3
_STILLEST = 0.25
#: Seconds that the case "rest was not shown" weighs.
_NOT_SHOWN_S = 0.1
#: Smoothing of the frames' values, iod: the noise of landmarks.
_NOISE_IOD = 0.015
#: Both eyes open at least this share of what is usual.
_OPEN_SHARE = 0.5
_GRID_IOD = 0.0025
_MOVING = ("AU01", "AU02", "AU04", "AU12", "AU25", "AU26")


@dataclass(frozen=True)
class Resting:
    """One action unit at rest: ``value`` and its standard deviation ``sd``, in iod."""

    value: float
    sd: float


@dataclass(frozen=True)
class Rest:
    """The resting face: units by name, and the seconds of frames that were taken for rest."""

    units: Mapping[str, Resting]
    seconds: float

    def sd(self, *names: str) -> float:
        """How unsure the mean of some units is, at most; 0 for what has no estimate here."""
        spreads = [self.units[name].sd for name in names if name in self.units]
        return float(np.mean(spreads)) if spreads else 0.0

    def plain(self) -> dict[str, Any]:
        """The resting face as plain values, for JSON."""
        units = {}
        for name, one in self.units.items():
            units[name] = {"value": round(one.value, 4), "sd": round(one.sd, 4)}
        return {"seconds": round(self.seconds, 2), "units": units}


@cache
def _file() -> dict[str, Any]:
    text = Path(__file__).with_name("population.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _population(track: Track, drawn: bool) -> dict[str, list[float]]:
    """What neutral faces measure, for the back end that made the track."""
    if drawn:
        name = "drawn"
    else:
        name = "landmarker" if "AU12_blendshape" in track.names else "mesh"
    found: dict[str, list[float]] = _file()[name]
    return found


def estimate_rest(track: Track, drawn: bool = False) -> Rest:
    """The resting face of a recording.

    Args:
        track: rows of raw face measures.
        drawn: whether the person is synthetic, whose faces have another population.
    """
    at_rest = _rows_at_rest(track)
    step_s = _step_s(track)
    seconds = float(at_rest.sum()) * step_s
    units = {}
    for name, (centre, spread) in _population(track, drawn).items():
        if name not in track.names:
            continue
        values = track.column(name)[at_rest].astype(float)
        known = values[np.isfinite(values)]
        units[name] = _posterior(known, len(known) * step_s, centre, spread)
    return Rest(units, seconds)


def less_rest(track: Track, rest: Rest) -> Track:
    """Each measure less the resting face; those without an estimate of rest less the recording's
    own median. Quality columns stay.
    """
    values = np.array(track.values, np.float64)
    values[~track.valid] = np.nan
    for k, name in enumerate(track.names):
        if name in ABSOLUTE:
            continue
        if name in rest.units:
            values[:, k] -= rest.units[name].value
            continue
        known = values[np.isfinite(values[:, k]), k]
        if len(known):
            values[:, k] -= np.median(known)
    return replace(track, values=values)


def mouth_closed(track: Track) -> np.ndarray:
    """Whether the lips are together, for each row ``(T,)``; True where that is not measured."""
    if "AU25" not in track.names:
        return np.ones(len(track), bool)
    gap = track.column("AU25")
    closed: np.ndarray = ~(gap > CLOSED_IOD)
    return closed


def eyes_alike(track: Track) -> np.ndarray:
    """Whether no eye is shut while the other is open, for each row ``(T,)``; True where only one
    eye or none is measured.
    """
    names = ("eye_opening_left", "eye_opening_right")
    if not set(names) <= set(track.names):
        return np.ones(len(track), bool)
    left, right = (track.column(name) for name in names)
    smaller = np.minimum(left, right)
    larger = np.maximum(left, right)
    odd = smaller < _OPEN_SHARE * larger
    both_nearly_shut = larger < _OPEN_SHARE * _usual(larger)
    alike: np.ndarray = ~odd | both_nearly_shut
    return alike


def _usual(opening: np.ndarray) -> float:
    known = opening[np.isfinite(opening)]
    return float(np.percentile(known, 75)) if len(known) else math.nan


def _step_s(track: Track) -> float:
    return float(np.median(np.diff(track.times_s))) if len(track) > 1 else 0.0


def _rows_at_rest(track: Track) -> np.ndarray:
    """Rows ``(T,)`` that are measured, still, with closed lips and open eyes."""
    rows = track.valid & mouth_closed(track)
    for name in ("eye_opening_left", "eye_opening_right"):
        if name in track.names:
            opening = track.column(name)
            rows &= ~(opening < _OPEN_SHARE * _usual(opening[track.valid]))
    if not rows.any():
        return rows
    change = _change(track)
    known = change[rows & np.isfinite(change)]
    if not len(known):
        return rows & False
    limit = max(_STILL_IOD, float(np.quantile(known, _STILLEST)))
    still: np.ndarray = rows & (change <= limit)
    return still


def _change(track: Track) -> np.ndarray:
    """The largest change ``(T,)`` of any unit within the window around each row; nan at the ends
    of what is measured.
    """
    half = max(1, round(_WINDOW_S / 2 / max(_step_s(track), 1e-6)))
    found = np.zeros(len(track))
    if len(track) <= 2 * half:
        return np.full(len(track), np.nan)
    for name in _MOVING:
        if name not in track.names:
            continue
        values = np.where(track.valid, track.column(name), np.nan)
        moved = np.full(len(track), np.nan)
        moved[half:-half] = np.abs(values[2 * half :] - values[: -2 * half])
        # At the ends, from the row itself to the one side that there is.
        moved[:half] = np.abs(values[half : 2 * half] - values[:half])
        moved[-half:] = np.abs(values[-half:] - values[-2 * half : -half])
        found = np.maximum(found, moved)
    return found


def _posterior(values: np.ndarray, seconds: float, centre: float, spread: float) -> Resting:
    """Mean and standard deviation of the resting value; see the module.

    Args:
        values: of the frames at rest ``(n,)``.
        seconds: how long they last.
        centre: of the population.
        spread: standard deviation over the population.
    """
    reach = 8 * spread
    low, high = centre - reach, centre + reach
    if len(values):
        low = min(low, float(values.min()) - 3 * _NOISE_IOD)
        high = max(high, float(values.max()) + 3 * _NOISE_IOD)
    r = np.arange(low, high, _GRID_IOD)
    prior = _student(r, centre, spread)
    usual = float((prior * prior).sum()) * _GRID_IOD
    not_shown = prior * usual
    shown = prior * _density(r, values)
    both = seconds * shown + _NOT_SHOWN_S * not_shown
    weight = both / both.sum()
    mean = float((weight * r).sum())
    variance = float((weight * (r - mean) ** 2).sum())
    return Resting(mean, math.sqrt(variance))


def _student(r: np.ndarray, centre: float, spread: float) -> np.ndarray:
    """What one more person measures, after so few (predictive density of a normal sample)."""
    n = int(_file()["n_people"])
    scale = spread * math.sqrt(1 + 1 / n)
    away = (r - centre) / scale
    density: np.ndarray = (1 + away**2 / (n - 1)) ** (-n / 2)
    return density / (density.sum() * _GRID_IOD)


def _density(r: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Density ``(G,)`` of the values, smoothed by the noise; zero where there are none."""
    if not len(values):
        return np.zeros_like(r)
    edges = np.append(r - _GRID_IOD / 2, r[-1] + _GRID_IOD / 2)
    share = np.histogram(values, edges)[0] / len(values)
    n_side = round(4 * _NOISE_IOD / _GRID_IOD)
    offsets = np.arange(-n_side, n_side + 1) * _GRID_IOD
    kernel = np.exp(-((offsets / _NOISE_IOD) ** 2) / 2)
    kernel /= kernel.sum()
    smooth: np.ndarray = np.convolve(share, kernel, mode="same") / _GRID_IOD
    return smooth
