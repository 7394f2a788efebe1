"""Slow references for what is seen and heard: events, swings, blinks, pauses and rates,
row by row.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

nan = math.nan
Numbers = Sequence[float]


def median(values: Numbers) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def percentile(values: Numbers, q: float) -> float:
    """Straight between the two values beside the place q / 100 of the way through."""
    ordered = sorted(values)
    place = q / 100 * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def row_s(times_s: Numbers) -> float:
    return median([b - a for a, b in itertools.pairwise(times_s)]) if len(times_s) > 1 else 0.0


def pieces(times_s: Numbers, values: Numbers, max_gap_s: float) -> list[list[int]]:
    """Measured rows; a new piece begins where more than ``max_gap_s`` beyond the usual step is
    missing.
    """
    found: list[list[int]] = []
    usual = row_s(times_s)
    for i, v in enumerate(values):
        if not math.isfinite(v):
            continue
        if found and times_s[i] - times_s[found[-1][-1]] - usual <= max_gap_s + 1e-9:
            found[-1].append(i)
        else:
            found.append([i])
    return found


def events(
    times_s: Numbers,
    values: Numbers,
    enter: float,
    leave: float,
    min_s: float,
    merge_s: float,
    max_gap_s: float,
) -> list[tuple[float, float, float, int]]:
    """(start, end, maximum, its row) of stretches at ``leave`` that reach ``enter``; merged, then
    long enough.
    """
    found = []
    for rows in pieces(times_s, values, max_gap_s):
        stretches: list[list[int]] = []
        inside = False
        for k, i in enumerate(rows):
            if values[i] >= leave and inside:
                stretches[-1].append(k)
            elif values[i] >= leave:
                stretches.append([k])
            inside = values[i] >= leave

        def end(k: int, rows: list[int] = rows) -> float:
            return times_s[rows[k + 1]] if k + 1 < len(rows) else times_s[rows[-1]] + row_s(times_s)

        merged: list[tuple[int, int]] = []  # first and last place
        for stretch in stretches:
            if not any(values[rows[k]] >= enter for k in stretch):
                continue
            if merged and times_s[rows[stretch[0]]] - end(merged[-1][1]) < merge_s:
                merged[-1] = (merged[-1][0], stretch[-1])
            else:
                merged.append((stretch[0], stretch[-1]))
        for first, last in merged:
            if end(last) - times_s[rows[first]] >= min_s - 1e-9:
                own = rows[first : last + 1]
                peak = max(own, key=lambda i: values[i])  # the first of equal ones
                found.append((times_s[rows[first]], end(last), values[peak], peak))
    return found


def turning_points(v: Numbers, swing: float) -> list[int]:
    """Extremes between moves of at least ``swing``: one is known when the way back is as long as
    that.
    """
    turns: list[int] = []
    direction = since = 0
    for i in range(len(v)):
        window = range(since, i + 1)
        high, low = max(window, key=lambda k: v[k]), min(window, key=lambda k: v[k])
        if direction >= 0 and v[high] - v[i] >= swing:
            turns.append(high)
            direction, since = -1, i
        elif direction <= 0 and v[i] - v[low] >= swing:
            turns.append(low)
            direction, since = 1, i
    if direction:
        window = range(since, len(v))
        turns.append(
            max(window, key=lambda k: v[k]) if direction > 0 else min(window, key=lambda k: v[k])
        )
    return turns


def swings(
    times_s: Numbers, values: Numbers, swing: float, max_s: float, n_swings: int, max_gap_s: float
) -> list[tuple[float, float, float]]:
    """(start, end, mean size) of at least ``n_swings`` quick moves in a row, with no rest of over a
    third of ``max_s``.

    A move lasts from 2 % to 98 % of its way.
    """
    found = []
    for rows in pieces(times_s, values, max_gap_s):
        t, v = [times_s[i] for i in rows], [values[i] for i in rows]
        moves = []
        for a, b in itertools.pairwise(turning_points(v, swing)):
            way = v[b] - v[a]
            start = max(k for k in range(a, b + 1) if (v[k] - v[a]) / way <= 0.02)
            end = min(k for k in range(start, b + 1) if (v[k] - v[a]) / way >= 0.98)
            moves.append((start, end))
        groups: list[list[tuple[int, int]]] = []
        before: tuple[int, int] | None = None
        for a, b in moves:
            quick = t[b] - t[a] <= max_s + 1e-9
            rested = before is not None and t[a] - t[before[1]] > max_s / 3
            if quick and before is not None and not rested:
                groups[-1].append((a, b))
            elif quick:
                groups.append([(a, b)])
            before = (a, b) if quick else None
        for group in groups:
            if len(group) >= n_swings:
                sizes = [abs(v[b] - v[a]) for a, b in group]
                found.append((t[group[0][0]], t[group[-1][1]], sum(sizes) / len(sizes)))
    return found


def open_level(opening: Numbers, times_s: Numbers, window_s: float) -> list[float]:
    """75th percentile in windows every half window (five measured rows at least), straight between
    their middles.
    """
    measured = [i for i, v in enumerate(opening) if math.isfinite(v)]
    if not measured:
        return [nan] * len(opening)
    centres, levels = [], []
    centre = times_s[0]
    k = 0
    while centre < times_s[-1] + window_s / 2:
        near = [
            opening[i]
            for i in measured
            if centre - window_s / 2 <= times_s[i] < centre + window_s / 2
        ]
        if len(near) >= 5:
            centres.append(centre)
            levels.append(percentile(near, 75))
        k += 1
        centre = times_s[0] + k * window_s / 2
    if not centres:
        return [percentile([opening[i] for i in measured], 75)] * len(opening)
    out = []
    for t in times_s:
        if t <= centres[0]:
            out.append(levels[0])
        elif t >= centres[-1]:
            out.append(levels[-1])
        else:
            j = max(i for i, c in enumerate(centres) if c <= t)
            share = (t - centres[j]) / (centres[j + 1] - centres[j])
            out.append(levels[j] + share * (levels[j + 1] - levels[j]))
    return out


def blinks(
    times_s: Numbers,
    opening: Numbers,
    window_s: float,
    close_at: float,
    reach: float,
    max_s: float,
    max_gap_s: float,
) -> tuple[list[float], list[tuple[float, float, float]]]:
    """Closings below ``close_at`` of the open level that reach ``reach``; short, whole, with open
    rows around.
    """
    level = open_level(opening, times_s, window_s)
    rows = [0.0 if math.isfinite(v) else nan for v in opening]
    known = [i for i, v in enumerate(opening) if math.isfinite(v)]
    share = {i: opening[i] / max(level[i], 1e-9) for i in known}
    found = []
    k = 0
    while k < len(known):
        if not share[known[k]] < close_at:
            k += 1
            continue
        first = k
        while k < len(known) and share[known[k]] < close_at:
            k += 1
        if first == 0 or k == len(known):
            continue
        around = known[first - 1 : k + 1]
        whole = all(times_s[b] - times_s[a] <= max_gap_s for a, b in itertools.pairwise(around))
        closed = known[first:k]
        depth = min(share[i] for i in closed)
        start_s, end_s = times_s[known[first]], times_s[known[k]]
        if whole and depth <= reach and end_s - start_s <= max_s:
            for i in closed:
                rows[i] = 1.0
            found.append((start_s, end_s, depth))
    return rows, found


def best_path(
    freqs: Sequence[Numbers], scores: Sequence[Numbers], jump: float, switch: float
) -> float:
    """Highest score of any path: the candidates' scores less an octave's cost for jumps and one for
    (un)voicing.
    """
    best = -math.inf
    for path in itertools.product(range(len(scores[0])), repeat=len(scores)):
        best = max(best, path_score(path, freqs, scores, jump, switch))
    return best


def path_score(
    path: Sequence[int],
    freqs: Sequence[Numbers],
    scores: Sequence[Numbers],
    jump: float,
    switch: float,
) -> float:
    total = 0.0
    for t, k in enumerate(path):
        total += scores[t][k]
        if t:
            a, b = freqs[t - 1][path[t - 1]], freqs[t][k]
            voiced = (not math.isnan(a)) + (not math.isnan(b))
            if voiced == 2:
                total -= jump * abs(math.log2(b / a))
            elif voiced == 1:
                total -= switch
    return total


def spans(flags: Sequence[bool]) -> list[tuple[int, int]]:
    """Half-open runs of true."""
    found: list[tuple[int, int]] = []
    for i, on in enumerate(flags):
        if on and i and flags[i - 1]:
            found[-1] = (found[-1][0], i + 1)
        elif on:
            found.append((i, i + 1))
    return found


def pauses(
    speech: Sequence[bool], missing: Sequence[bool], start_s: float, least_s: float
) -> list[tuple[float, float]]:
    """Silences between speech of at least ``least_s`` that touch no gap of the recording; rows of
    10 ms.
    """
    found = []
    for a, b in spans([not s for s in speech]):
        inner = a > 0 and b < len(speech)
        if inner and not any(missing[a:b]) and (b - a) * 0.01 >= least_s - 1e-9:
            found.append((start_s + a * 0.01, start_s + b * 0.01))
    return found
