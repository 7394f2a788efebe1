"""Agreement over time by sweeping sorted edges: equal to looking at every mark."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reference import agreement_loops as loops
from twomind.evaluation import agreement_time

SEEDS = range(60)


def spans(r: np.random.Generator, most: int) -> list[tuple[float, float]]:
    """Spans with ties, touching ends and empty ones, by how they are rounded."""
    digits = int(r.choice([0, 1, 3]))
    times = np.sort(np.round(r.random((int(r.integers(0, most)), 2)) * 20, digits), axis=1)
    return [(float(a), float(b)) for a, b in times]


@pytest.mark.parametrize("seed", SEEDS)
def test_units_grids_and_pieces(seed: int) -> None:
    r = np.random.default_rng(seed)
    a, b, units = spans(r, 12), spans(r, 12), spans(r, 9)
    times_s = np.sort(np.round(r.random(40) * 20, 1))
    assert agreement_time.on_units(a, units).tolist() == loops.on_units(a, units)
    assert agreement_time.on_grid(a, times_s).tolist() == loops.on_grid(a, times_s.tolist())
    raters = {"a": a, "b": b, "c": spans(r, 3)}
    found = [(p.start_s, p.end_s, p.marked) for p in agreement_time._pieces(raters)]
    assert found == loops.pieces(raters)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("few", [1_000_000, -1])
def test_pairs(monkeypatch: pytest.MonkeyPatch, seed: int, few: int) -> None:
    monkeypatch.setattr(agreement_time, "_FEW_PAIRS", few)
    r = np.random.default_rng(seed)
    a, b = spans(r, 7), spans(r, 7)
    for onset_s, offset_s in ((0.5, 0.5), (0.5, math.inf), (math.inf, math.inf), (1.0, 3.0)):
        events = agreement_time.match_events(a, b, onset_s, offset_s)
        n, error = loops.best_pairing(a, b, onset_s, offset_s)
        assert len(events.pairs) == n
        sums = np.abs(events.onset_error_s).sum() + np.abs(events.offset_error_s).sum()
        assert sums == pytest.approx(error, abs=1e-9)
        assert len({i for i, _ in events.pairs}) == len({j for _, j in events.pairs}) == n
        assert all(loops.may_pair(a[i], b[j], onset_s, offset_s) for i, j in events.pairs)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_span_that_shares_most(seed: int) -> None:
    r = np.random.default_rng(seed)
    others, mine = spans(r, 9), (2.0, 12.0)
    free = r.random(len(others)) < 0.7
    found = agreement_time._overlapping(mine, np.array(others).reshape(-1, 2), free)
    assert found == loops.overlapping(mine, others, free.tolist())


def test_nothing_marked_and_no_units() -> None:
    assert agreement_time.on_units([], [(0.0, 1.0)]).tolist() == [0.0]
    assert agreement_time.on_units([(0.0, 1.0)], []).tolist() == []
    assert agreement_time.on_units([(0.0, math.inf)], [(1.0, 2.0)]).tolist() == [1.0]
    assert agreement_time.disagreements({"a": [], "b": []}) == []
    assert agreement_time.match_events([], []).pairs == ()
