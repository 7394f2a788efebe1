"""Blinks from the opening of the eyes, relative to how far this person's eyes are usually open.

Only an eye that was seen open can blink, and only pictures that come often enough show it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twomind.features.events import row_s
from twomind.features.face.gaze import MIN_OPENING
from twomind.sound.runs import runs

NEVER_OPEN = "eyes not seen open"


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
    open_at: float = MIN_OPENING  # eyes whose open level lies below this were not seen open
    # rows farther apart than this may miss a blink, which lasts a tenth of a second: none is counted
    max_step_s: float = 0.1


@dataclass(frozen=True)
class Blink:
    """One blink: span, and the smallest opening as a fraction of the open level."""

    start_s: float
    end_s: float
    depth: float


def open_level(opening: np.ndarray, times_s: np.ndarray, window_s: float) -> np.ndarray:
    """The usual opening ``(T,)`` around each row: the 75th percentile over windows, interpolated
    between them.

    Args:
        opening: of the eyes ``(T,)``; nan where not measured.
        times_s: of the rows ``(T,)``.
        window_s: length of a window; they overlap by half.
    """
    finite = np.isfinite(opening)
    if not finite.any():
        return np.full(len(opening), np.nan)
    half_s = window_s / 2
    centres = np.arange(times_s[0], times_s[-1] + half_s, half_s)
    levels = []
    for centre in centres:
        lo, hi = np.searchsorted(times_s, [centre - half_s, centre + half_s])
        near = opening[lo:hi][finite[lo:hi]]
        level = float(np.percentile(near, 75)) if len(near) >= 5 else np.nan
        levels.append(level)
    known = np.isfinite(levels)
    if not known.any():
        overall = float(np.percentile(opening[finite], 75))
        return np.full(len(opening), overall)
    return np.interp(times_s, centres[known], np.array(levels)[known])


def why_no_blinks(times_s: np.ndarray, opening: np.ndarray, settings: BlinkSettings) -> str:
    """Why blinks cannot be counted in a track; nothing where they can.

    Args:
        times_s: of the rows ``(T,)``.
        opening: mean opening of the eyes ``(T,)``, height over width; nan where not measured.
        settings: when a closing is a blink.
    """
    step_s = row_s(times_s)
    if step_s > settings.max_step_s + 1e-3:
        return f"a picture every {step_s:.2f} s may miss a blink"
    if not np.isfinite(opening).any():
        return ""
    level = open_level(opening, times_s, settings.level_window_s)
    seen_open = bool((level >= settings.open_at).any())
    return "" if seen_open else NEVER_OPEN


def find_blinks(
    times_s: np.ndarray, opening: np.ndarray, settings: BlinkSettings | None = None
) -> tuple[np.ndarray, tuple[Blink, ...]]:
    """Find the blinks of a track.

    A closing that is still going on at the end of the track, or that a hole cuts off, is not
    counted; nor is one of eyes that were not seen open around it.

    Args:
        times_s: of the rows ``(T,)``.
        opening: mean opening of the eyes ``(T,)``, height over width; nan where not measured.
        settings: when a closing is a blink.

    Returns:
        Per row 0/1 (nan where it cannot be told), and the blinks.
    """
    settings = settings or BlinkSettings()
    times_s = np.asarray(times_s, float)
    opening = np.asarray(opening, float)
    level = open_level(opening, times_s, settings.level_window_s)
    measured = np.isfinite(opening) & (level >= settings.open_at)
    if why_no_blinks(times_s, opening, settings):
        measured[:] = False
    rows = np.where(measured, 0.0, np.nan)
    known = np.flatnonzero(measured)
    if not len(known):
        return rows, ()
    share = opening[known] / np.maximum(level[known], 1e-9)
    t = times_s[known]
    blinks = []
    for first, stop in runs(share < settings.close_at):
        if first == 0 or stop == len(t):
            continue
        steps_s = np.diff(t[first - 1 : stop + 1])
        whole = bool((steps_s <= settings.max_gap_s).all())
        deepest = float(share[first:stop].min())
        blink = Blink(float(t[first]), float(t[stop]), deepest)
        brief = blink.end_s - blink.start_s <= settings.max_s
        if whole and brief and deepest <= settings.reach:
            rows[known[first:stop]] = 1.0
            blinks.append(blink)
    return rows, tuple(blinks)
