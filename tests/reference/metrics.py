"""Slow references for the figures of evaluation: plain loops over plain lists, written from the
definitions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

nan = math.nan
Numbers = Sequence[float]


def share(part: float, whole: float, empty: float = nan) -> float:
    """A quotient, and ``empty`` of nothing."""
    return part / whole if whole > 0 else empty


# --- one score of two classes
# -------------------------------------------------------------------------------------


def f1(y: Sequence[int], said: Sequence[int], c: int, w: Numbers) -> float:
    """2 TP / (2 TP + FP + FN) of class c; 0 where it is neither there nor said."""
    tp = fp = fn = 0.0
    for truth, told, weight in zip(y, said, w, strict=True):
        if truth == c and told == c:
            tp += weight
        elif told == c:
            fp += weight
        elif truth == c:
            fn += weight
    return share(2 * tp, 2 * tp + fp + fn, 0.0)


def said_of_score(p: Numbers) -> list[int]:
    """Present is said above one half only; exactly one half is absent."""
    return [1 if v > 0.5 else 0 for v in p]


def macro_f1(y: Sequence[int], p: Numbers, w: Numbers) -> float:
    said = said_of_score(p)
    return (f1(y, said, 0, w) + f1(y, said, 1, w)) / 2


def auc(y: Sequence[int], p: Numbers, w: Numbers) -> float:
    """Every pair of a present and an absent row: 1 in the right order, a half for a tie."""
    right = pairs = 0.0
    for i, j in itertools.product(range(len(y)), repeat=2):
        if y[i] == 1 and y[j] == 0:
            weight = w[i] * w[j]
            pairs += weight
            right += weight * (1.0 if p[i] > p[j] else 0.5 if p[i] == p[j] else 0.0)
    return share(right, pairs)


def within_question_auc(
    y: Sequence[int],
    p: Numbers,
    question: Sequence[str],
    w: Numbers,
    fold: Sequence[int] | None = None,
) -> float:
    """The same pairs, those of one question (and one fold) only."""
    right = pairs = 0.0
    for i, j in itertools.product(range(len(y)), repeat=2):
        together = question[i] == question[j] and (fold is None or fold[i] == fold[j])
        if together and y[i] == 1 and y[j] == 0:
            weight = w[i] * w[j]
            pairs += weight
            right += weight * (1.0 if p[i] > p[j] else 0.5 if p[i] == p[j] else 0.0)
    return share(right, pairs)


def average_precision(y: Sequence[int], p: Numbers, w: Numbers) -> float:
    """Sum over falling thresholds of (recall gained) times precision."""
    positives = sum(weight for truth, weight in zip(y, w, strict=True) if truth == 1)
    if not positives:
        return nan
    area = before = 0.0
    for threshold in sorted(set(p), reverse=True):
        tp = sum(k for t, v, k in zip(y, p, w, strict=True) if v >= threshold and t == 1)
        all_said = sum(k for v, k in zip(p, w, strict=True) if v >= threshold)
        area += (tp / positives - before) * share(tp, all_said, 0.0)
        before = tp / positives
    return area


def ap_bah(y: Sequence[int], p: Numbers, w: Numbers) -> float:
    """Trapezoids over the thresholds 0, .001 … .999 (``methods/bah.md``); precision is 0 where
    nothing is said.
    """
    positives = sum(weight for truth, weight in zip(y, w, strict=True) if truth == 1)
    if not positives:
        return nan
    points = []
    for k in range(1000):
        tp = sum(v for t, s, v in zip(y, p, w, strict=True) if s >= k / 1000 and t == 1)
        all_said = sum(v for s, v in zip(p, w, strict=True) if s >= k / 1000)
        points.append((tp / positives, share(tp, all_said, 0.0)))
    return sum((a[0] - b[0]) * (a[1] + b[1]) / 2 for a, b in itertools.pairwise(points))


def bin_of(v: float, n_bins: int) -> int:
    """Which of ``n_bins`` equal parts of [0, 1]; 1 itself is in the last."""
    return min(int(v * n_bins), n_bins - 1)


def ece(y: Sequence[int], p: Numbers, w: Numbers, n_bins: int = 10) -> float:
    """Sum over bins of (weight of the bin / all) times |rate of present - mean score|."""
    total = 0.0
    for b in range(n_bins):
        rows = [i for i in range(len(y)) if bin_of(p[i], n_bins) == b]
        weight = sum(w[i] for i in rows)
        if weight:
            rate = sum(w[i] * y[i] for i in rows) / weight
            mean = sum(w[i] * p[i] for i in rows) / weight
            total += weight * abs(rate - mean)
    return total / sum(w)


def brier(y: Sequence[int], p: Numbers, w: Numbers) -> float:
    return sum(k * (t - v) ** 2 for t, v, k in zip(y, p, w, strict=True)) / sum(w)


def quantile(values: Numbers, q: float) -> float:
    """Quantile q of [0, 1], straight between the two values beside it."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def interval(values: Numbers, level: float = 0.95) -> list[float]:
    """The middle ``level`` of the values that are defined: of 95 %, from the 2.5th to the 97.5th
    percentile.
    """
    known = [v for v in values if math.isfinite(v)]
    if not known:
        return [nan, nan]
    tail = (1 - level) / 2
    return [quantile(known, tail), quantile(known, 1 - tail)]


# --- several classes
# ----------------------------------------------------------------------------------------------


def decide(probs: Sequence[Numbers]) -> list[int]:
    """The most probable class, the earlier one of equal ones."""
    found = []
    for row in probs:
        best = 0
        for c in range(1, len(row)):
            if row[c] > row[best]:
                best = c
        found.append(best)
    return found


def f1_per_class(y: Sequence[int], probs: Sequence[Numbers], w: Numbers) -> list[float]:
    said = decide(probs)
    return [f1(y, said, c, w) for c in range(len(probs[0]))]


def macro_f1_present(y: Sequence[int], probs: Sequence[Numbers]) -> float:
    """Mean over the classes that occur or are said."""
    said = decide(probs)
    there = [c for c in range(len(probs[0])) if c in y or c in said]
    return sum(f1(y, said, c, [1.0] * len(y)) for c in there) / len(there)


def weighted_f1(y: Sequence[int], probs: Sequence[Numbers], w: Numbers) -> float:
    each = f1_per_class(y, probs, w)
    return share(sum(k * each[t] for t, k in zip(y, w, strict=True)), sum(w))


def war(y: Sequence[int], probs: Sequence[Numbers], w: Numbers) -> float:
    """The share of right answers."""
    said = decide(probs)
    return share(sum(k for t, s, k in zip(y, said, w, strict=True) if t == s), sum(w))


def uar(y: Sequence[int], probs: Sequence[Numbers], w: Numbers) -> float:
    """Mean over the classes that occur of the share of them that is found."""
    said = decide(probs)
    recalls = []
    for c in range(len(probs[0])):
        there = sum(k for t, k in zip(y, w, strict=True) if t == c)
        if there > 0:
            recalls.append(
                sum(k for t, s, k in zip(y, said, w, strict=True) if t == c == s) / there
            )
    return sum(recalls) / len(recalls) if recalls else nan


def brier_of_classes(y: Sequence[int], probs: Sequence[Numbers], w: Numbers) -> float:
    """Half the squared distance to the one-hot answer."""
    total = 0.0
    for truth, row, weight in zip(y, probs, w, strict=True):
        total += weight * sum((v - (c == truth)) ** 2 for c, v in enumerate(row)) / 2
    return share(total, sum(w))


def top_ece(y: Sequence[int], probs: Sequence[Numbers], w: Numbers) -> float:
    """Calibration error of the probability of the class that is said."""
    said = decide(probs)
    right = [int(t == s) for t, s in zip(y, said, strict=True)]
    return ece(right, [row[s] for row, s in zip(probs, said, strict=True)], w)


def risk_coverage(y: Sequence[int], probs: Sequence[Numbers]) -> list[tuple[float, float]]:
    """Per confidence that occurs, falling: the share of rows at least as sure, and how many of
    those are wrong.
    """
    said = decide(probs)
    found = []
    for sure in sorted({max(row) for row in probs}, reverse=True):
        rows = [i for i in range(len(y)) if max(probs[i]) >= sure]
        found.append((len(rows) / len(y), sum(said[i] != y[i] for i in rows) / len(rows)))
    return found


def aurc(y: Sequence[int], probs: Sequence[Numbers]) -> float:
    """Mean over rows of the share of wrong answers among the rows at least as sure as that one."""
    said = decide(probs)
    risks = []
    for row in probs:
        rows = [i for i in range(len(y)) if max(probs[i]) >= max(row)]
        risks.append(sum(said[i] != y[i] for i in rows) / len(rows))
    return sum(risks) / len(risks)


# --- people
# -------------------------------------------------------------------------------------------------------


def wilson(k: int, n: int, z: float) -> tuple[float, float]:
    """Wilson (1927): the shares p0 for which (k/n - p0)² = z² p0 (1 - p0) / n, by bisection."""
    p = k / n

    def inside(p0: float) -> bool:
        return (p - p0) ** 2 <= z * z * p0 * (1 - p0) / n + 1e-18

    def edge(good: float, bad: float) -> float:
        for _ in range(200):
            middle = (good + bad) / 2
            good, bad = (middle, bad) if inside(middle) else (good, middle)
        return good

    centre = (p + z * z / (2 * n)) / (1 + z * z / n)  # lies inside always
    return edge(centre, 0.0), edge(centre, 1.0)


def sign_flip(differences: Numbers) -> float:
    """Share of all sign patterns whose sum is at least as far from 0 as the observed one; zeros
    have no sign.
    """
    d = [v for v in differences if v != 0]
    if not d:
        return 1.0
    observed = abs(sum(d))
    hits = 0
    for signs in itertools.product((1, -1), repeat=len(d)):
        hits += abs(sum(s * v for s, v in zip(signs, d, strict=True))) >= observed - 1e-12
    return hits / 2 ** len(d)


def ranks(values: Numbers) -> list[float]:
    """Ranks from 1 on, equal values at the mean of their ranks."""
    return [sum(v < x for v in values) + (sum(v == x for v in values) + 1) / 2 for x in values]


def rank_biserial(differences: Numbers) -> float:
    d = [v for v in differences if v != 0]
    if not d:
        return 0.0
    place = ranks([abs(v) for v in d])
    gains = sum(r for r, v in zip(place, d, strict=True) if v > 0)
    return (gains - (sum(place) - gains)) / sum(place)


def signed_rank_p(differences: Numbers) -> float:
    """Exact two-sided p of Wilcoxon's signed-rank statistic (no zeros, no ties): every pattern of
    signs.
    """
    place = ranks([abs(v) for v in differences])
    observed = sum(r for r, v in zip(place, differences, strict=True) if v > 0)
    sums = [
        sum(itertools.compress(place, on)) for on in itertools.product((0, 1), repeat=len(place))
    ]
    low, high = sum(s <= observed for s in sums), sum(s >= observed for s in sums)
    return min(1.0, 2 * min(low, high) / len(sums))


def holm(p: dict[str, float]) -> dict[str, float]:
    """Holm (1979): the largest of (m - j + 1) p_j over the p values up to one's own, at most 1."""
    ordered = sorted(p.values())
    m = len(ordered)
    found = {}
    for name, value in p.items():
        steps = [(m - j) * ordered[j] for j in range(m) if ordered[j] <= value]
        found[name] = min(1.0, max(steps))
    return found


def worst_decile(values: Numbers) -> float:
    n = max(1, math.ceil(len(values) / 10))
    return sum(sorted(values)[:n]) / n


# --- timelines
# ----------------------------------------------------------------------------------------------------

Event = tuple[float, float]


def events(times_s: Numbers, labels: Sequence[int], hop_s: float) -> list[Event]:
    """Stretches of 1; a frame lasts one hop."""
    found: list[Event] = []
    start = None
    for i, label in enumerate(labels):
        if label == 1 and start is None:
            start = times_s[i]
        if label == 1 and (i + 1 == len(labels) or labels[i + 1] != 1):
            assert start is not None
            found.append((start, times_s[i] + hop_s))
            start = None
    return found


def largest_matching(true: Sequence[Event], said: Sequence[Event], tolerance_s: float) -> int:
    """Most one-to-one pairs with onset and offset within the tolerance: every choice is tried."""

    def best(i: int, free: frozenset[int]) -> int:
        if i == len(true):
            return 0
        most = best(i + 1, free)
        for j in free:
            onset, offset = abs(true[i][0] - said[j][0]), abs(true[i][1] - said[j][1])
            if onset <= tolerance_s + 1e-9 and offset <= tolerance_s + 1e-9:
                most = max(most, 1 + best(i + 1, free - {j}))
        return most

    return best(0, frozenset(range(len(said))))


def changes(times_s: Numbers, labels: Sequence[int]) -> list[tuple[float, int]]:
    """Where the label differs from a known one before it, and is known."""
    found = []
    for i in range(1, len(labels)):
        if labels[i] != labels[i - 1] and labels[i] >= 0 and labels[i - 1] >= 0:
            found.append((times_s[i], labels[i]))
    return found


def timeline_figures(
    lines: Sequence[tuple[Numbers, Sequence[int], Sequence[int]]],
    hop_s: float,
    tolerance_s: float,
    max_lag_s: float,
) -> dict[str, float]:
    """All figures over recordings, pooled."""
    found = total = missed = flips = true_flips = coded = 0
    errors: list[float] = []
    lags: list[float] = []
    for times_s, true, said in lines:
        told = [s if t >= 0 else -1 for t, s in zip(true, said, strict=True)]
        a, b = events(times_s, true, hop_s), events(times_s, told, hop_s)
        found += largest_matching(a, b, tolerance_s)
        total += len(a) + len(b)
        for start, end in a:
            shared = [min(end, q) - max(start, p) for p, q in b]
            if shared and max(shared) > 0:
                p, q = b[shared.index(max(shared))]
                errors += [abs(start - p), abs(end - q)]
        for at, label in changes(times_s, true):
            near = [
                t - at
                for t, to in changes(times_s, told)
                if to == label and abs(t - at) <= max_lag_s + 1e-9
            ]
            if near:
                lags.append(min(near, key=abs))
            else:
                missed += 1
        flips += len(changes(times_s, told))
        true_flips += len(changes(times_s, true))
        coded += sum(t >= 0 for t in true)
    minutes = coded * hop_s / 60
    return {
        "event_f1": share(2 * found, total),
        "boundary_error_s": share(sum(errors), len(errors)),
        "boundary_lag_s": quantile(lags, 0.5) if lags else nan,
        "boundaries_missed": share(missed, missed + len(lags)),
        "flips_per_minute": share(flips, minutes),
        "true_flips_per_minute": share(true_flips, minutes),
    }


# --- shortcut rows
# ------------------------------------------------------------------------------------------------


def rates(y: Sequence[int], n_classes: int) -> list[float]:
    return [sum(v == c for v in y) / len(y) for c in range(n_classes)]


def question_only(
    train_q: Sequence[str], y: Sequence[int], n_classes: int, test_q: Sequence[str]
) -> list[list[float]]:
    """The question's training rates; of a question that was not in training the mean over
    questions, each once.
    """
    known = {}
    for q in dict.fromkeys(train_q):
        known[q] = rates([v for v, own in zip(y, train_q, strict=True) if own == q], n_classes)
    unseen = [sum(r[c] for r in known.values()) / len(known) for c in range(n_classes)]
    return [known.get(q, unseen) for q in test_q]


def position(
    train_at: Numbers, y: Sequence[int], n_classes: int, test_at: Numbers
) -> list[list[float]]:
    """The rates of the row's tenth of an answer; of a tenth without training rows the overall
    rates.
    """
    found = []
    for at in test_at:
        same = [v for v, own in zip(y, train_at, strict=True) if bin_of(own, 10) == bin_of(at, 10)]
        found.append(rates(same or y, n_classes))
    return found
