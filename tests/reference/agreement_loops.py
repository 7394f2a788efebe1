"""Agreement over time, one mark after the other: what sweeps of sorted edges are compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

Span = tuple[float, float]
Spans = Sequence[Span]
ROUNDING_S = 5e-7


def joined(spans: Spans) -> list[Span]:
    found: list[Span] = []
    for start_s, end_s in sorted(spans):
        if found and start_s <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end_s))
        else:
            found.append((start_s, end_s))
    return found


def on_units(spans: Spans, units: Spans) -> list[float]:
    said = []
    for start_s, end_s in units:
        marked_s = 0.0
        for a, b in joined(spans):
            marked_s += max(0.0, min(b, end_s) - max(a, start_s))
        said.append(float(marked_s >= (end_s - start_s) / 2 - ROUNDING_S))
    return said


def on_grid(spans: Spans, times_s: Sequence[float]) -> list[float]:
    said = [0.0] * len(times_s)
    for start_s, end_s in spans:
        inside = [k for k, t in enumerate(times_s) if start_s <= t < end_s]
        if not inside and end_s >= start_s and times_s:
            middle_s = (start_s + end_s) / 2
            distances = [abs(t - middle_s) for t in times_s]
            inside = [distances.index(min(distances))]
        for k in inside:
            said[k] = 1.0
    return said


def pieces(raters: Mapping[str, Spans]) -> list[tuple[float, float, tuple[str, ...]]]:
    """Stretches between edges, those of the same raters as one."""
    edges = sorted({edge for spans in raters.values() for span in spans for edge in span})
    found: list[tuple[float, float, tuple[str, ...]]] = []
    for start_s, end_s in pairwise(edges):
        middle_s = (start_s + end_s) / 2
        marked = tuple(
            name for name, spans in raters.items() if any(a <= middle_s < b for a, b in spans)
        )
        if found and found[-1][2] == marked:
            start_s = found.pop()[0]
        found.append((start_s, end_s, marked))
    return found


def may_pair(a: Span, b: Span, onset_s: float, offset_s: float) -> bool:
    near = abs(b[0] - a[0]) <= onset_s + ROUNDING_S and abs(b[1] - a[1]) <= offset_s + ROUNDING_S
    overlap = a[0] <= b[1] and b[0] <= a[1]
    return near and (math.isfinite(offset_s) or overlap)


def best_pairing(a: Spans, b: Spans, onset_s: float, offset_s: float) -> tuple[int, float]:
    """How many pairs at most, and the least sum of errors of so many; by trying all."""

    def best(i: int, taken: frozenset[int]) -> tuple[int, float]:
        if i == len(a):
            return 0, 0.0
        found = best(i + 1, taken)
        for j, other in enumerate(b):
            if j in taken or not may_pair(a[i], other, onset_s, offset_s):
                continue
            n, error = best(i + 1, taken | {j})
            error += abs(other[0] - a[i][0]) + abs(other[1] - a[i][1])
            found = max(found, (n + 1, error), key=lambda one: (one[0], -one[1]))
        return found

    return best(0, frozenset())


def overlapping(span: Span, others: Spans, free: Sequence[bool]) -> int | None:
    most_s, found = 0.0, None
    for j, (start_s, end_s) in enumerate(others):
        shared_s = min(span[1], end_s) - max(span[0], start_s)
        if free[j] and shared_s > 0 and shared_s >= most_s:
            most_s, found = shared_s, j
    return found
