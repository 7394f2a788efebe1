"""Blinks from the opening of the eyes, relative to how far this person's eyes are usually open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class BlinkSettings:
    """When a closing of the eyes is a blink."""

    level_window_s: float = (
        20.0  # the open level is taken over this long, so that it may drift with the pose
    )
    close_at: float = 0.60  # the eyes count as closing below this fraction of the open level
    reach: float = 0.50  # a blink gets at least down to this fraction
    max_s: float = 0.8  # longer is closed eyes, not a blink
    max_gap_s: float = 0.25  # a hole in the track longer than this cuts a closing


@dataclass(frozen=True)
class Blink:
    """One blink: span, and the smallest opening as a fraction of the open level."""

    start_s: float
    end_s: float
    depth: float


def open_level(opening: np.ndarray, times_s: np.ndarray, window_s: float) -> np.ndarray:
    """The usual opening ``(T,)`` around each row: the 75th percentile over windows, interpolated
    between them.
    """
    finite = np.isfinite(opening)
    if not finite.any():
        return np.full(len(opening), np.nan)
    centres = np.arange(times_s[0], times_s[-1] + window_s / 2, window_s / 2)
    levels = []
    for centre in centres:
        lo, hi = np.searchsorted(times_s, [centre - window_s / 2, centre + window_s / 2])
        near = opening[lo:hi][finite[lo:hi]]
        levels.append(float(np.percentile(near, 75)) if len(near) >= 5 else np.nan)
    known = np.isfinite(levels)
    if not known.any():
        return np.full(len(opening), float(np.percentile(opening[finite], 75)))
    return np.interp(times_s, centres[known], np.array(levels)[known])


def find_blinks(
    times_s: np.ndarray, opening: np.ndarray, settings: BlinkSettings | None = None
) -> tuple[np.ndarray, tuple[Blink, ...]]:
    """Per row 0/1 (nan where the opening is nan), and the blinks.

    ``opening (T,)`` is the mean eye opening, in any unit that is 0 for closed eyes; nan where not
    measured. A closing that is still going on at the end of the track, or that a hole cuts off, is
    not counted.
    """
    settings = settings or BlinkSettings()
    times_s, opening = np.asarray(times_s, float), np.asarray(opening, float)
    rows = np.where(np.isfinite(opening), 0.0, np.nan)
    level = open_level(opening, times_s, settings.level_window_s)
    known = np.flatnonzero(np.isfinite(opening))
    if not len(known):
        return rows, ()
    share = opening[known] / np.maximum(level[known], 1e-9)
    t = times_s[known]
    closed = share < settings.close_at
    edges = np.flatnonzero(np.diff(np.concatenate([[False], closed, [False]]).astype(int)))
    blinks = []
    for first, stop in zip(edges[::2], edges[1::2], strict=True):
        if first == 0 or stop == len(t):
            continue
        whole = bool((np.diff(t[first - 1 : stop + 1]) <= settings.max_gap_s).all())
        depth = float(share[first:stop].min())
        if whole and depth <= settings.reach and t[stop] - t[first] <= settings.max_s:
            rows[known[first:stop]] = 1.0
            blinks.append(Blink(float(t[first]), float(t[stop]), depth))
    return rows, tuple(blinks)
