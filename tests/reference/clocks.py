"""Slow references for everything that puts rows, windows and sound on the clock: one row, one
sample at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Numbers = Sequence[float]


def between(times_s: Numbers, start_s: float, end_s: float) -> list[int]:
    """Rows from ``start_s`` on that lie before ``end_s``."""
    return [i for i, t in enumerate(times_s) if start_s <= t < end_s]


def nearest(times_s: Numbers, asked_s: float, max_gap_s: float) -> tuple[int, bool]:
    """The row that is nearest in time (of two as near, the earlier time), and whether it is near
    enough.

    Of rows with one and the same time the caller must not care which it gets.
    """
    best = 0
    for i, t in enumerate(times_s):
        if abs(t - asked_s) < abs(times_s[best] - asked_s):
            best = i
    return best, abs(times_s[best] - asked_s) <= max_gap_s


def window_spans(
    span_s: tuple[float, float], length_s: float, hop_s: float, min_share: float
) -> list[tuple[float, float]]:
    """Windows one after the other while enough of the recording is left for one; at least one.

    Enough is ``min_share`` of a window, and never less than a microsecond.
    """
    start_s, end_s = span_s
    found = []
    i = 0
    while True:
        at = start_s + i * hop_s
        left = end_s - at
        if i > 0 and left < max(min_share * length_s, 1e-6) - 1e-9 * hop_s:
            return found
        found.append((at, min(at + length_s, end_s)))
        i += 1


def picture_times(
    stamps: Sequence[tuple[float | None, float | None, float]],
    end_s: float,
    jump_s: float,
    past_s: float,
) -> tuple[list[float | None], dict[str, int], list[tuple[float, float]]]:
    """Times of pictures from (presentation stamp, decoding stamp, length), in seconds on the clock.

    None where a picture has no usable time; counts of why; holes of more than a second.
    """
    last = math.nan
    last_length = 0.0
    steps: list[float] = []
    counts = {"derived": 0, "backward": 0, "absurd": 0, "unstamped": 0}
    out: list[float | None] = []
    holes: list[tuple[float, float]] = []
    for shown, decoded, length in stamps:
        recent = sorted(steps[-31:])
        middle = len(recent) // 2
        if not recent:
            step = last_length
        elif len(recent) % 2:
            step = recent[middle]
        else:
            step = (recent[middle - 1] + recent[middle]) / 2
        first = math.isnan(last)
        time: float | None
        if shown is not None:
            time = shown
        elif decoded is not None and (first or decoded > last):
            time = decoded
        elif not first and step > 0:
            time = last + step
        else:
            counts["unstamped"] += 1
            out.append(None)
            continue
        if not first and time < last:
            counts["backward"] += 1
            time = None
        elif (not first and time - last > jump_s) or time > end_s + past_s:
            counts["absurd"] += 1
            time = None
        out.append(time)
        if time is None:
            continue
        counts["derived"] += shown is None
        if not first:
            steps.append(time - last)
            if time - last > 1.0:
                holes.append((last, time))
        last, last_length = time, length
    return out, counts, holes


def spool(
    runs: Sequence[tuple[float, Numbers]], rate: int, tolerance_s: float
) -> tuple[list[float], list[tuple[int, int]]]:
    """Samples laid at their stamps one by one, first come first kept; and holes as (first, last but
    one) sample.

    A run that strays by no more than the tolerance continues what is there.
    """
    sound: list[float] = []
    holes = []
    start_s = None
    for time_s, values in runs:
        if not len(values):
            continue
        if start_s is None:
            start_s = time_s
        stray = (time_s - start_s) * rate - len(sound)
        own = list(values)
        if stray > tolerance_s * rate:
            holes.append((len(sound), len(sound) + round(stray)))
            sound += [0.0] * round(stray)
        elif stray < -tolerance_s * rate:
            own = own[round(-stray) :]
        sound += own
    return sound, holes


def segment_means(
    recording: Sequence[str], y: Sequence[int], probs: Sequence[Numbers]
) -> list[tuple[int, int, int, list[float]]]:
    """(first row, last row, label, mean of the measured rows) per stretch of one known label in one
    recording.
    """
    found = []
    i = 0
    while i < len(y):
        j = i
        while j + 1 < len(y) and recording[j + 1] == recording[i] and y[j + 1] == y[i]:
            j += 1
        if y[i] >= 0:
            rows = [probs[k] for k in range(i, j + 1) if all(math.isfinite(v) for v in probs[k])]
            n = len(probs[i])
            mean = [sum(r[c] for r in rows) / len(rows) if rows else math.nan for c in range(n)]
            found.append((i, j, y[i], mean))
        i = j + 1
    return found
