"""People are the unit: figures per person, paired differences, who is harmed. numpy and scipy only.

Answers of one person are not independent, and the spread between people is larger than any gap
between published methods; so every comparison here pairs people with themselves.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from twomind.evaluation import classes
from twomind.evaluation.metrics import interval

#: A person is harmed when their figure falls by more than this (one point).
HARM = 0.01
#: Up to this many people, every pattern of signs is tried.
_EXACT = 14

#: Figures of one person, ``(y, probs) -> float``. Their macro-F1 is over the classes they show or
#: are told.
OF_ONE: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "macro_f1": classes.macro_f1_present,
    "war": classes.war,
    "uar": classes.uar,
    "brier": classes.brier,
}


def per_person(
    y: np.ndarray, probs: np.ndarray, subject: np.ndarray, metric: str = "macro_f1"
) -> dict[str, float]:
    """One figure per person, people in sorted order."""
    one = OF_ONE[metric]
    return {str(s): float(one(y[subject == s], probs[subject == s])) for s in np.unique(subject)}


def worst_decile(values: np.ndarray) -> float:
    """Mean of the worst tenth of the people, at least one person."""
    n = max(math.ceil(len(values) / 10), 1)
    return float(np.sort(np.asarray(values, float))[:n].mean())


def wilson(k: int, n: int, z: float = 1.959963984540054) -> list[float]:
    """95 % interval of a share of ``k`` in ``n`` people (Wilson 1927)."""
    if not n:
        return [math.nan, math.nan]
    p, d = k / n, 1 + z * z / n
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / d
    middle = (p + z * z / (2 * n)) / d
    return [max(middle - half, 0.0), min(middle + half, 1.0)]


def sign_flip(differences: np.ndarray, n_draws: int = 10_000, seed: int = 0) -> float:
    """Two-sided p of the mean paired difference when each person's sign could as well be the other.

    Exact up to 14 people; beyond, over random signs, the observed pattern counted in. The smallest
    p that n people can give is 2 ** (1 - n).
    """
    d = np.asarray(differences, float)
    d = d[d != 0]
    if not len(d):
        return 1.0
    if len(d) <= _EXACT:
        signs = np.array(list(itertools.product((1, -1), repeat=len(d))))
        return float((np.abs(signs @ d) >= abs(d.sum()) - 1e-12).mean())
    rng = np.random.default_rng(seed)
    as_large = 1
    for _ in range(0, n_draws, 1000):
        signs = rng.choice((1, -1), (1000, len(d)))
        as_large += int((np.abs(signs @ d) >= abs(d.sum()) - 1e-12).sum())
    return as_large / (math.ceil(n_draws / 1000) * 1000 + 1)


def wilcoxon(differences: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; 1 when nobody differs."""
    from scipy.stats import wilcoxon as test

    d = np.asarray(differences, float)
    d = np.round(d[np.isfinite(d)], 12)
    return float(test(d).pvalue) if (d != 0).any() else 1.0


def rank_biserial(differences: np.ndarray) -> float:
    """Matched-pairs rank-biserial correlation in [-1, 1]: ranks of gains minus ranks of losses,
    over all ranks.
    """
    from scipy.stats import rankdata

    d = np.asarray(differences, float)
    d = np.round(d[d != 0], 12)
    if not len(d):
        return 0.0
    ranks = rankdata(np.abs(d))
    return float((ranks * np.sign(d)).sum() / ranks.sum())


@dataclass(frozen=True)
class Paired:
    """A method against another on the same people. ``d_z`` is the mean difference in standard
    deviations of it.
    """

    n_people: int
    mean: float
    ci: tuple[float, float]
    p_sign_flip: float
    p_wilcoxon: float
    d_z: float
    rank_biserial: float
    n_harmed: int
    share_harmed: float
    harmed_ci: tuple[float, float]
    n_helped: int

    def plain(self) -> dict[str, float | int | tuple[float, float]]:
        return asdict(self)


def harmed(value: float, before: float, harm: float = HARM) -> bool:
    """Whether a person's figure fell by more than ``harm``."""
    # Twelve digits: 0.99 - 1.00 is one point, not one point and a rounding error.
    return round(value - before, 12) < -harm


def paired(
    a: Mapping[str, float],
    b: Mapping[str, float],
    harm: float = HARM,
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> Paired:
    """How ``a`` differs from ``b``, person by person (both: person → figure, larger is better).

    Raises:
        ValueError: they are not of the same people.
    """
    if a.keys() != b.keys() or not a:
        odd = sorted(set(a) ^ set(b))[:3]
        raise ValueError(
            "paired: expected figures of the same people; only in one of them: "
            f"{odd or 'nobody at all'}"
        )
    d = np.array([a[s] - b[s] for s in sorted(a)])
    n = len(d)
    draws = np.random.default_rng(seed).integers(0, n, (n_bootstrap, n))
    low, high = interval(d[draws].mean(axis=1))
    sd = float(d.std(ddof=1)) if n > 1 else math.nan
    n_harmed = sum(harmed(a[s], b[s], harm) for s in a)
    return Paired(
        n_people=n,
        mean=float(d.mean()),
        ci=(low, high),
        p_sign_flip=sign_flip(d, seed=seed),
        p_wilcoxon=wilcoxon(d),
        d_z=float(d.mean() / sd) if sd > 0 else (0.0 if not d.any() else math.nan),
        rank_biserial=rank_biserial(d),
        n_harmed=n_harmed,
        share_harmed=n_harmed / n,
        harmed_ci=(wilson(n_harmed, n)[0], wilson(n_harmed, n)[1]),
        n_helped=int((np.round(d, 12) > harm).sum()),
    )


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """p values adjusted for comparing several methods with one (Holm 1979)."""
    adjusted, floor = {}, 0.0
    for rank, name in enumerate(sorted(p, key=lambda k: p[k])):
        floor = max(floor, min((len(p) - rank) * p[name], 1.0))
        adjusted[name] = floor
    return {name: adjusted[name] for name in p}
