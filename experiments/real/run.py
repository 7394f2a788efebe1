"""Adaptation on people, one person left out at a time: posed faces (Yale), acted voices (EmoDB),
answers in words (BAH v1).

    python -m experiments.real.run --data ../shared/data --weights ../shared/weights [--only yale]

Every row may choose among four settings, on source people alone; a model and its method know
nothing of the person. Gains are paired to the row without adaptation on the same rows; intervals
resample people; p values are of sign flips over people, by Holm over the rows of one encoder. Harm:
a person is told worse by more than .02.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import numbers
from twomind.core.store import Store

from ..record import save
from .rows import ROWS, Row, Split, Told
from .sets import PeopleSet, bah, emodb, yale

HARM = 0.02
N_RESAMPLES = 2000
#: People whom a setting is chosen on, at most, and groups of people that share the choice.
_MOST_TUNED = 10
_GROUPS = 10


def score(data: PeopleSet, stream: np.ndarray, told: Told) -> float:
    """A person's figure, of the rows that count."""
    y = data.y[stream][told.counted]
    said = told.said[told.counted]
    if not len(y):
        return float("nan")
    if data.metric == "accuracy":
        return float(np.mean(y == said))
    table = numbers.counts(y, said, len(data.classes))
    return float(numbers.mean_recall(table)[0])


def chosen(data: PeopleSet, row: Row, source: np.ndarray, seed: int) -> float:
    """The setting that tells source people best, each left out of their own model."""
    if len(row.settings) == 1:
        return row.settings[0]
    people = np.unique(data.person[source])
    rng = np.random.default_rng(seed)
    tried = rng.permutation(people)[:_MOST_TUNED]
    figures = np.full((len(row.settings), len(tried)), np.nan)
    for column, one in enumerate(tried):
        rest = source[data.person[source] != one]
        own = source[data.person[source] == one]
        for k, setting in enumerate(row.settings):
            told = row.way(data, Split(rest, own), setting)
            figures[k, column] = score(data, own, told)
    return row.settings[int(np.nanmean(figures, axis=1).argmax())]


def shuffled(data: PeopleSet, seed: int) -> PeopleSet:
    """The rows of each person in a drawn order, where theirs means nothing."""
    if data.ordered:
        return data
    order = np.random.default_rng(seed).permutation(len(data.y))
    return replace(
        data,
        values=data.values[order],
        y=data.y[order],
        person=data.person[order],
        shortcut=data.shortcut[order],
    )


def told_of(data: PeopleSet, name: str, seed: int) -> dict[int, Told]:
    """What one row tells of everybody."""
    row = ROWS[name]
    people = np.unique(data.person)
    drawn = np.random.default_rng(seed).permutation(people)
    groups = np.array_split(drawn, min(_GROUPS, len(people)))
    found = {}
    for group in groups:
        without = np.flatnonzero(~np.isin(data.person, group))
        setting = chosen(data, row, without, seed)
        for one in group:
            source = np.flatnonzero(data.person != one)
            stream = np.flatnonzero(data.person == one)
            found[int(one)] = row.way(data, Split(source, stream), setting)
    return found


def figures_of(data: PeopleSet, seeds: int, workers: int = 1, say: bool = True) -> dict[str, Any]:
    """All rows of one encoder.

    Args:
        data: what the encoder says of people.
        seeds: orders of each person's rows that are drawn.
        workers: processes; each takes one order at a time.
        say: print each row when it is done.
    """
    drawn = range(seeds)
    if workers == 1:
        found = [figures_of_order(data, seed, say) for seed in drawn]
    else:
        with ProcessPoolExecutor(workers) as pool:
            found = list(pool.map(figures_of_order, repeat(data), drawn, repeat(say)))
    rows = {}
    for name in ROWS:
        own = np.mean([one[name][0] for one in found], axis=0)
        base = np.mean([one[name][1] for one in found], axis=0)
        rows[name] = _row(own, base)
    _holm(rows)
    return {
        "n_people": len(np.unique(data.person)),
        "n_rows": len(data.y),
        "n_orders": seeds,
        "classes": list(data.classes),
        "metric": data.metric,
        "rows": rows,
    }


def figures_of_order(data: PeopleSet, seed: int, say: bool) -> dict[str, np.ndarray]:
    """Each row's figures ``(2, P)`` with one order: of each person, and of the row beside."""
    now = shuffled(data, seed)
    told = {}
    for name in ROWS:
        told[name] = told_of(now, name, seed)
        if say:
            print(data.name, data.encoder, seed, name, flush=True)
    n_people = len(np.unique(data.person))
    found = {}
    for name, row in ROWS.items():
        figures = np.zeros((2, n_people))
        for one in range(n_people):
            stream = np.flatnonzero(now.person == one)
            mine = told[name][one]
            plain = replace(told[row.beside][one], counted=mine.counted)
            figures[:, one] = score(now, stream, mine), score(now, stream, plain)
        found[name] = figures
    return found


def _row(own: np.ndarray, base: np.ndarray) -> dict[str, Any]:
    known = np.isfinite(own) & np.isfinite(base)
    own, base = own[known], base[known]
    gains = own - base
    drawn = numbers.resampled_means(gains, N_RESAMPLES, 0)
    worse = gains < -HARM
    return {
        "value": float(own.mean()),
        "beside": float(base.mean()),
        "gain": float(gains.mean()),
        "gain_interval": numbers.interval(drawn),
        "n_people": len(gains),
        "n_harmed": int(worse.sum()),
        "p": _sign_flips(gains),
    }


def _sign_flips(gains: np.ndarray) -> float:
    """Two-sided p of the mean gain under flips of its signs: all of them, or 20,000 drawn."""
    n = len(gains)
    if n <= 12:
        flips = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    else:
        flips = np.random.default_rng(0).choice([-1, 1], (20000, n))
    means = np.abs((flips * gains).mean(axis=1))
    return float(np.mean(means >= abs(gains.mean()) - 1e-12))


#: Rows that are methods: what Holm's correction is over.
METHODS = ("own neutral", "own stream", "T3A", "TDA", "TTA-CaP", "Tent", "few coded")


def _holm(rows: dict[str, dict[str, Any]]) -> None:
    """Add p values corrected by Holm over the methods."""
    ordered = sorted(METHODS, key=lambda name: rows[name]["p"])
    largest = 0.0
    for place, name in enumerate(ordered):
        corrected = min(1.0, rows[name]["p"] * (len(ordered) - place))
        largest = max(largest, corrected)
        rows[name]["p_holm"] = largest


def sets_of(data: Path, weights: Path, only: str, store: Store) -> Iterator[PeopleSet]:
    """The data sets that are asked for."""
    if only in ("", "yale"):
        yield from yale(data / "yale", weights, store)
    if only in ("", "emodb"):
        yield emodb(data / "emodb", store)
    if only in ("", "bah"):
        yield bah(data / "bah_v1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--only", choices=("", "yale", "emodb", "bah"), default="")
    parser.add_argument("--seeds", type=int, default=3, help="orders of each person's rows")
    parser.add_argument("--workers", type=int, default=1, help="processes, one order each")
    parser.add_argument("--store", type=Path, default=Path("experiments/out/store"))
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", message="Mean of empty slice|All-NaN|Degrees of freedom")
    found: dict[str, Any] = {}
    for data in sets_of(asked.data, asked.weights, asked.only, Store(asked.store)):
        seeds = 1 if data.ordered else asked.seeds
        found[f"{data.name}, {data.encoder}"] = figures_of(data, seeds, asked.workers)
    name = f"adaptation-on-people-{asked.only}" if asked.only else "adaptation-on-people"
    save(name, found)


if __name__ == "__main__":
    main()
