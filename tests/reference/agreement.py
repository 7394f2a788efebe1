"""Slow references for agreement between raters: sums over pairs, as the papers define them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

nan = math.nan
Spans = Sequence[tuple[float, float]]


def missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def cohen_kappa(
    a: Sequence[Any], b: Sequence[Any], weights: str | None, categories: Sequence[Any]
) -> float:
    """1 - observed / expected disagreement; expected: every unit of a against every unit of b
    (Cohen 1960, 1968).
    """
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if not missing(x) and not missing(y)]
    place = {c: i for i, c in enumerate(categories)}

    def apart(x: Any, y: Any) -> float:
        steps = abs(place[x] - place[y])
        return {None: float(steps > 0), "linear": float(steps), "quadratic": float(steps**2)}[
            weights
        ]

    n = len(pairs)
    if not n:
        return nan
    observed = sum(apart(x, y) for x, y in pairs) / n
    expected = sum(apart(x, y) for (x, _), (_, y) in itertools.product(pairs, repeat=2)) / n**2
    return 1 - observed / expected if expected else nan


def fleiss_kappa(counts: Sequence[Sequence[int]]) -> float:
    """Share of agreeing pairs of ratings within units, against the share by chance
    (Fleiss 1971).
    """
    agree = pairs = 0
    total = [0] * len(counts[0])
    for row in counts:
        ratings = [c for c, n in enumerate(row) for _ in range(n)]
        for x, y in itertools.permutations(ratings, 2):
            pairs += 1
            agree += x == y
        for c in ratings:
            total[c] += 1
    chance = sum((n / sum(total)) ** 2 for n in total)
    return (agree / pairs - chance) / (1 - chance) if chance < 1 else nan


def krippendorff_alpha(
    ratings: Sequence[Sequence[Any]], level: str, categories: Sequence[Any]
) -> float:
    """1 - observed / expected disagreement over pairs of pairable values (Krippendorff 2011)."""
    units = []
    for k in range(len(ratings[0])):
        values = [row[k] for row in ratings if not missing(row[k])]
        if len(values) >= 2:
            units.append(values)
    everything = [v for unit in units for v in unit]
    n = len(everything)
    amount = {c: sum(v == c for v in everything) for c in categories}
    order = list(categories)

    def apart(x: Any, y: Any) -> float:
        if level == "nominal":
            return float(x != y)
        if level == "interval":
            return (x - y) ** 2
        if level == "ratio":
            return ((x - y) / (x + y)) ** 2 if x + y else 0.0
        first, last = sorted((order.index(x), order.index(y)))
        if first == last:
            return 0.0
        between = sum(amount[c] for c in order[first : last + 1])
        return (between - (amount[x] + amount[y]) / 2) ** 2

    observed = 0.0
    for unit in units:
        observed += sum(apart(x, y) for x, y in itertools.permutations(unit, 2)) / (len(unit) - 1)
    expected = sum(apart(x, y) for x, y in itertools.permutations(everything, 2))
    if not n or not expected:
        return nan
    return 1 - (observed / n) / (expected / (n * (n - 1)))


def icc(x: Sequence[Sequence[float]]) -> dict[str, float]:
    """The six values of Shrout & Fleiss (1979) from their mean squares, cell by cell."""
    n, k = len(x), len(x[0])
    grand = sum(map(sum, x)) / (n * k)
    target = [sum(row) / k for row in x]
    rater = [sum(row[j] for row in x) / n for j in range(k)]
    bms = sum(k * (m - grand) ** 2 for m in target) / (n - 1)
    jms = sum(n * (m - grand) ** 2 for m in rater) / (k - 1)
    wms = sum((x[i][j] - target[i]) ** 2 for i in range(n) for j in range(k)) / (n * (k - 1))
    residual = [x[i][j] - target[i] - rater[j] + grand for i in range(n) for j in range(k)]
    ems = sum(r * r for r in residual) / ((n - 1) * (k - 1))
    return {
        "ICC(1,1)": (bms - wms) / (bms + (k - 1) * wms),
        "ICC(2,1)": (bms - ems) / (bms + (k - 1) * ems + k * (jms - ems) / n),
        "ICC(3,1)": (bms - ems) / (bms + (k - 1) * ems),
        "ICC(1,k)": (bms - wms) / bms,
        "ICC(2,k)": (bms - ems) / (bms + (jms - ems) / n),
        "ICC(3,k)": (bms - ems) / bms,
    }


def icc_f(x: Sequence[Sequence[float]], form: str) -> tuple[float, int, int]:
    """F and its degrees of freedom."""
    n, k = len(x), len(x[0])
    grand = sum(map(sum, x)) / (n * k)
    target = [sum(row) / k for row in x]
    rater = [sum(row[j] for row in x) / n for j in range(k)]
    bms = sum(k * (m - grand) ** 2 for m in target) / (n - 1)
    if form.startswith("ICC(1"):
        within = sum((x[i][j] - target[i]) ** 2 for i in range(n) for j in range(k))
        return bms / (within / (n * (k - 1))), n - 1, n * (k - 1)
    residual = [x[i][j] - target[i] - rater[j] + grand for i in range(n) for j in range(k)]
    ems = sum(r * r for r in residual) / ((n - 1) * (k - 1))
    return bms / ems, n - 1, (n - 1) * (k - 1)


def icc_interval(
    x: Sequence[Sequence[float]], form: str, quantile: Callable[[float, float], float]
) -> tuple[float, float]:
    """95 % interval; ``quantile(df1, df2)`` is the 97.5th percentile of F (Shrout & Fleiss 1979, p.
    424-425).
    """
    n, k = len(x), len(x[0])
    f, df1, df2 = icc_f(x, form)
    if not form.startswith("ICC(2"):
        low, high = f / quantile(df1, df2), f * quantile(df2, df1)
        if form.endswith("k)"):
            return 1 - 1 / low, 1 - 1 / high
        return (low - 1) / (low + k - 1), (high - 1) / (high + k - 1)
    grand = sum(map(sum, x)) / (n * k)
    target = [sum(row) / k for row in x]
    rater = [sum(row[j] for row in x) / n for j in range(k)]
    bms = sum(k * (m - grand) ** 2 for m in target) / (n - 1)
    jms = sum(n * (m - grand) ** 2 for m in rater) / (k - 1)
    ems = bms / f
    rho = icc(x)["ICC(2,1)"]
    fj = jms / ems
    top = (k - 1) * (n - 1) * (k * rho * fj + n * (1 + (k - 1) * rho) - k * rho) ** 2
    v = top / ((n - 1) * k**2 * rho**2 * fj**2 + (n * (1 + (k - 1) * rho) - k * rho) ** 2)
    f1, f2 = quantile(n - 1, v), quantile(v, n - 1)
    low = n * (bms - f1 * ems) / (f1 * (k * jms + (k * n - k - n) * ems) + n * bms)
    high = n * (f2 * bms - ems) / (k * jms + (k * n - k - n) * ems + n * f2 * bms)
    if form == "ICC(2,k)":
        low, high = (k * r / (1 + (k - 1) * r) for r in (low, high))
    return low, high


# --- over time
# ----------------------------------------------------------------------------------------------------


def on_grid(spans: Spans, times_s: Sequence[float]) -> list[float]:
    """1 at moments inside a span (start in, end out); a span between two moments marks the nearest
    to its middle.
    """
    said = [0.0] * len(times_s)
    for start_s, end_s in spans:
        inside = [i for i, t in enumerate(times_s) if start_s <= t < end_s]
        if not inside and times_s:
            middle = (start_s + end_s) / 2
            inside = [min(range(len(times_s)), key=lambda i: abs(times_s[i] - middle))]
        for i in inside:
            said[i] = 1.0
    return said


def on_units(spans: Spans, units: Spans, ticks: int) -> list[float]:
    """1 where at least half of a unit is marked; times are whole numbers of 1/ticks s, counted tick
    by tick.
    """
    found = []
    for start_s, end_s in units:
        inside = range(round(start_s * ticks), round(end_s * ticks))
        marked = sum(
            any(round(a * ticks) <= t < round(b * ticks) for a, b in spans) for t in inside
        )
        found.append(float(2 * marked >= len(inside)))
    return found


def best_matching(a: Spans, b: Spans, onset_s: float, offset_s: float) -> tuple[int, float]:
    """Most pairs within both tolerances, and the least sum of errors with that many: every choice
    is tried.
    """

    def fits(p: tuple[float, float], q: tuple[float, float]) -> bool:
        if abs(p[0] - q[0]) > onset_s + 5e-7 or abs(p[1] - q[1]) > offset_s + 5e-7:
            return False
        return math.isfinite(offset_s) or (p[0] <= q[1] and q[0] <= p[1])

    def best(i: int, free: frozenset[int]) -> tuple[int, float]:
        if i == len(a):
            return 0, 0.0
        found = best(i + 1, free)
        for j in free:
            if fits(a[i], b[j]):
                n, cost = best(i + 1, free - {j})
                here = (n + 1, cost + abs(a[i][0] - b[j][0]) + abs(a[i][1] - b[j][1]))
                if (-here[0], here[1]) < (-found[0], found[1]):
                    found = here
        return found

    return best(0, frozenset(range(len(b))))


def spans_of_score(
    times_s: Sequence[float], score: Sequence[float], threshold: float
) -> list[tuple[float, float]]:
    """Runs of samples above the threshold; a sample holds until the next, the last for the median
    step.
    """
    steps = sorted(b - a for a, b in itertools.pairwise(times_s))
    half = len(steps) // 2
    usual = (
        0.0 if not steps else steps[half] if len(steps) % 2 else (steps[half - 1] + steps[half]) / 2
    )
    ends = [*times_s[1:], times_s[-1] + usual] if times_s else []
    found: list[tuple[float, float]] = []
    for i, value in enumerate(score):
        if not math.isnan(value) and value > threshold:
            if found and i and not math.isnan(score[i - 1]) and score[i - 1] > threshold:
                found[-1] = (found[-1][0], ends[i])
            else:
                found.append((times_s[i], ends[i]))
    return found
