"""Each metric, softmax, entropy, interval and bootstrap is defined once, in
:mod:`twomind.core.numbers`; what calls it gives what a plain loop gives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from twomind.core import numbers
from twomind.evaluation import classes, harm, metrics, people, samples

TOLERANCE = 1e-12
SEEDS = range(8)


# --- plain loops


def softmax(row: Sequence[float]) -> list[float]:
    e = [math.exp(v - max(row)) for v in row]
    return [v / sum(e) for v in e]


def entropy(row: Sequence[float]) -> float:
    return -sum(p * math.log(max(p, 1e-12)) for p in row)


def f1(y: Sequence[int], said: Sequence[int], c: int) -> float | None:
    """None where the class is neither there nor said."""
    right = sum(a == c and b == c for a, b in zip(y, said, strict=True))
    wrong = sum((a == c) != (b == c) for a, b in zip(y, said, strict=True))
    return 2 * right / (2 * right + wrong) if right + wrong else None


def macro_f1_of_all(y: Sequence[int], said: Sequence[int], n_classes: int) -> float:
    return sum(f1(y, said, c) or 0.0 for c in range(n_classes)) / n_classes


def macro_f1_of_present(y: Sequence[int], said: Sequence[int], n_classes: int) -> float:
    found = [f1(y, said, c) for c in range(n_classes)]
    there = [v for v in found if v is not None]
    return sum(there) / len(there)


def accuracy(y: Sequence[int], said: Sequence[int]) -> float:
    return sum(a == b for a, b in zip(y, said, strict=True)) / len(y)


def mean_recall(y: Sequence[int], said: Sequence[int]) -> float:
    recalls = []
    for c in sorted(set(y)):
        own = [b for a, b in zip(y, said, strict=True) if a == c]
        recalls.append(sum(b == c for b in own) / len(own))
    return sum(recalls) / len(recalls)


def average_precision(y: Sequence[int], p: Sequence[float]) -> float:
    area = 0.0
    before = 0
    for threshold in sorted(set(p), reverse=True):
        told = [a for a, score in zip(y, p, strict=True) if score >= threshold]
        area += (sum(told) - before) * sum(told) / len(told)
        before = sum(told)
    return area / sum(y)


def wilson(k: int, n: int, z: float) -> tuple[float, float]:
    p = k / n
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def interval(values: Sequence[float]) -> list[float]:
    """Linear interpolation between neighbours in order."""
    good = sorted(v for v in values if math.isfinite(v))
    ends = []
    for share in (0.025, 0.975):
        at = share * (len(good) - 1)
        low = math.floor(at)
        high = min(low + 1, len(good) - 1)
        ends.append(good[low] + (at - low) * (good[high] - good[low]))
    return ends


# --- random inputs


def drawn(seed: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and answers; the last class is rare, and now and then absent."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    share = np.r_[np.ones(n_classes - 1), 0.1]
    share /= share.sum()
    return rng.choice(n_classes, n, p=share), rng.choice(n_classes, n, p=share)


def one_hot(said: np.ndarray, n_classes: int) -> np.ndarray:
    return np.eye(n_classes)[said]


@pytest.mark.parametrize("seed", SEEDS)
def test_softmax_and_entropy_are_those_of_a_loop(seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 20, (7, 4))
    probs = numbers.softmax(logits)
    spread = numbers.entropy(probs)
    for row, said, h in zip(logits.tolist(), probs.tolist(), spread.tolist(), strict=True):
        assert said == pytest.approx(softmax(row), abs=TOLERANCE)
        assert h == pytest.approx(entropy(said), abs=TOLERANCE)
    one = numbers.softmax(logits[0])
    assert one.tolist() == probs[0].tolist(), "one row is as many rows"
    assert numbers.softmax(logits.astype(np.float32)).dtype == np.float32


def test_softmax_of_every_layer_is_the_one_of_core() -> None:
    from twomind.adaptation import losses

    fusion = pytest.importorskip("twomind.models.fusion.run", exc_type=ImportError)
    assert losses.softmax is numbers.softmax
    assert losses.entropy is numbers.entropy
    assert fusion.softmax is numbers.softmax
    assert metrics.interval is numbers.interval


@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("seed", SEEDS)
def test_every_f1_and_recall_is_that_of_a_loop(seed: int, n_classes: int) -> None:
    y, said = drawn(seed, n_classes)
    probs = one_hot(said, n_classes)
    all_classes = macro_f1_of_all(y, said, n_classes)
    present = macro_f1_of_present(y, said, n_classes)
    assert classes.macro_f1(y, probs) == pytest.approx(all_classes, abs=TOLERANCE)
    assert classes.macro_f1_present(y, probs) == pytest.approx(present, abs=TOLERANCE)
    assert harm.macro_f1(y, said, n_classes) == pytest.approx(100 * present, abs=100 * TOLERANCE)
    assert classes.war(y, probs) == pytest.approx(accuracy(y, said), abs=TOLERANCE)
    assert classes.uar(y, probs) == pytest.approx(mean_recall(y, said), abs=TOLERANCE)
    if n_classes == 2:
        assert metrics.macro_f1(y, said) == pytest.approx(all_classes, abs=TOLERANCE)
        for c in (0, 1):
            found = classes.f1_per_class(y, probs)[c]
            assert found == pytest.approx(f1(y, said, c) or 0.0, abs=TOLERANCE)


@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("seed", SEEDS)
def test_training_stops_by_the_same_figures(seed: int, n_classes: int) -> None:
    pytest.importorskip("torch")
    from twomind.training import clip_au, loop

    y, said = drawn(seed, n_classes)
    wanted = accuracy(y, said), mean_recall(y, said), macro_f1_of_present(y, said, n_classes)
    assert clip_au.rates(y, said, n_classes) == pytest.approx(wanted, abs=TOLERANCE)
    all_classes = macro_f1_of_all(y, said, n_classes)
    assert loop.macro_f1(y, said, n_classes) == pytest.approx(all_classes, abs=TOLERANCE)


@pytest.mark.parametrize("seed", SEEDS)
def test_average_precision_is_that_of_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, 40)
    p = np.round(rng.random(40), 1)  # many scores are equal
    wanted = average_precision(y.tolist(), p.tolist())
    assert metrics.average_precision(y, p) == pytest.approx(wanted, abs=TOLERANCE)
    pytest.importorskip("torch")
    from twomind.training import loop

    assert loop.average_precision(y, p) == pytest.approx(wanted, abs=TOLERANCE)
    for one_class in (np.zeros(5, int), np.ones(5, int)):
        assert math.isnan(loop.average_precision(one_class, p[:5]))


@pytest.mark.parametrize(("k", "n"), [(0, 5), (1, 7), (5, 5), (40, 90)])
def test_wilson_is_one_formula_with_the_point_that_each_page_states(k: int, n: int) -> None:
    z = 1.959963984540054
    assert numbers.wilson(k, n) == pytest.approx(wilson(k, n, z), abs=TOLERANCE)
    assert tuple(people.wilson(k, n)) == numbers.wilson(k, n)
    assert harm.wilson(k, n) == pytest.approx(wilson(k, n, 1.959964), abs=TOLERANCE)
    assert all(map(math.isnan, numbers.wilson(0, 0)))


@pytest.mark.parametrize("seed", SEEDS)
def test_an_interval_is_that_of_sorted_values(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=101)
    values[rng.random(101) < 0.2] = np.nan
    assert metrics.interval(values) == pytest.approx(interval(values.tolist()), abs=TOLERANCE)
    assert all(map(math.isnan, metrics.interval(np.full(3, np.nan))))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_bootstrap_draws_the_same_people(seed: int) -> None:
    subjects = ["c", "a", "b", "a", "c", "c"]
    n_bootstrap = 50
    rng = np.random.default_rng(seed)
    times = rng.multinomial(3, [1 / 3] * 3, n_bootstrap)
    by_answer = metrics.person_weights(np.array(subjects), n_bootstrap, seed)
    by_person = samples.draws(["a", "b", "c"], n_bootstrap, seed)
    assert by_person.tolist() == times.tolist()
    for drawn_times, weights in zip(times.tolist(), by_answer.tolist(), strict=True):
        assert weights == [drawn_times["abc".index(s)] for s in subjects]
    values = np.random.default_rng(seed + 1).normal(size=9)
    picks = np.random.default_rng(seed).integers(0, 9, (n_bootstrap, 9))
    wanted = [sum(values[i] for i in row) / 9 for row in picks]
    found = numbers.resampled_means(values, n_bootstrap, seed)
    assert found.tolist() == pytest.approx(wanted, abs=TOLERANCE)
