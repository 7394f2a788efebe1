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

from twomind.core import numbers
from twomind.evaluation import classes, metrics
from twomind.evaluation.metrics import Value, interval
from twomind.types.plain import Array

#: A person is harmed when their figure falls by more than this (one point).
HARM = 0.01
#: Up to this many people, every pattern of signs is tried.
_EXACT_UP_TO = 14
#: So many random patterns of signs are tried at once.
_BLOCK = 1000


def _precision(y: Array, probs: Array) -> Value:
    """Average precision of the later classes; nan of a person who shows one class alone."""
    present = (np.asarray(y) > 0).astype(int)
    if not 0 < present.sum() < len(present):
        return math.nan
    return metrics.average_precision(present, 1 - probs[:, 0])


def _precision_bah(y: Array, probs: Array) -> Value:
    """The same as the BAH data set's code defines it."""
    present = (np.asarray(y) > 0).astype(int)
    if not 0 < present.sum() < len(present):
        return math.nan
    return metrics.ap_bah(present, 1 - probs[:, 0])


#: Figures of one person, ``(y, probs) -> float``. Their macro-F1 is over the classes they show or
#: are told.
OF_ONE: dict[str, Callable[[Array, Array], Value]] = {
    "macro_f1": classes.macro_f1_present,
    "war": classes.war,
    "uar": classes.uar,
    "brier": classes.brier,
    "ap": _precision,
    "ap_bah": _precision_bah,
}


def per_person(
    y: Array, probs: Array, subject: Array, metric: str = "macro_f1"
) -> dict[str, float]:
    """One figure per person, people in sorted order.

    Args:
        y: class per row, ``(N,)``.
        probs: probability per row and class, ``(N, C)``.
        subject: whose each row is, ``(N,)``.
        metric: one of ``OF_ONE``.
    """
    of_one = OF_ONE[metric]
    found = {}
    for one in np.unique(subject):
        mine = subject == one
        found[str(one)] = float(of_one(y[mine], probs[mine]))
    return found


def worst_decile(values: Array) -> float:
    """Mean of the worst tenth of the people, at least one person."""
    n = max(math.ceil(len(values) / 10), 1)
    in_order = np.sort(np.asarray(values, float))
    return float(in_order[:n].mean())


def wilson(k: int, n: int, z: float = numbers.Z_95) -> list[float]:
    """95 % interval of a share of ``k`` in ``n`` people (Wilson 1927).

    Args:
        k: hits.
        n: people.
        z: point of the normal distribution.
    """
    return list(numbers.wilson(k, n, z))


def _as_large(differences: Array, signs: Array) -> Array:
    """Whether each pattern of signs ``(S, N)`` gives a sum as large as the observed one."""
    observed = abs(differences.sum())
    return np.asarray(np.abs(signs @ differences) >= observed - 1e-12)


def sign_flip(differences: Array, n_draws: int = 10_000, seed: int = 0) -> float:
    """Two-sided p of the mean paired difference when each person's sign could as well be the other.

    Exact up to 14 people; beyond, over random signs, the observed pattern counted in. The smallest
    p that n people can give is 2 ** (1 - n).

    Args:
        differences: one per person, ``(N,)``.
        n_draws: patterns of signs beyond 14 people.
        seed: of the random numbers.
    """
    d = np.asarray(differences, float)
    d = d[d != 0]
    if not len(d):
        return 1.0
    if len(d) <= _EXACT_UP_TO:
        signs = np.array(list(itertools.product((1, -1), repeat=len(d))))
        return float(_as_large(d, signs).mean())
    rng = np.random.default_rng(seed)
    n_as_large = 1
    n_patterns = 1
    for _ in range(0, n_draws, _BLOCK):
        signs = rng.choice((1, -1), (_BLOCK, len(d)))
        n_as_large += int(_as_large(d, signs).sum())
        n_patterns += _BLOCK
    return n_as_large / n_patterns


def wilcoxon(differences: Array) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; 1 when nobody differs."""
    from scipy.stats import wilcoxon as test

    d = np.asarray(differences, float)
    known = d[np.isfinite(d)]
    rounded = np.round(known, 12)
    if not rounded.any():
        return 1.0
    return float(test(rounded).pvalue)


def rank_biserial(differences: Array) -> float:
    """Matched-pairs rank-biserial correlation in [-1, 1]: ranks of gains minus ranks of losses,
    over all ranks.
    """
    from scipy.stats import rankdata

    d = np.asarray(differences, float)
    d = np.round(d[d != 0], 12)
    if not len(d):
        return 0.0
    ranks = rankdata(np.abs(d))
    signed = ranks * np.sign(d)
    return float(signed.sum() / ranks.sum())


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
        """The comparison as plain values, for JSON."""
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
    """How ``a`` differs from ``b``, person by person.

    Args:
        a: figure by person; larger is better.
        b: the same of what ``a`` is compared with.
        harm: a loss of so much is not harm yet.
        n_bootstrap: resamples of people behind the interval.
        seed: of the random numbers.

    Raises:
        ValueError: they are not of the same people.
    """
    if a.keys() != b.keys() or not a:
        odd = sorted(set(a) ^ set(b))[:3]
        raise ValueError(
            "paired: expected figures of the same people; only in one of them: "
            f"{odd or 'nobody at all'}"
        )
    d = np.array([a[subject] - b[subject] for subject in sorted(a)])
    n = len(d)
    low, high = interval(numbers.resampled_means(d, n_bootstrap, seed))
    n_harmed = sum(harmed(a[subject], b[subject], harm) for subject in a)
    helped = np.round(d, 12) > harm
    return Paired(
        n_people=n,
        mean=float(d.mean()),
        ci=(low, high),
        p_sign_flip=sign_flip(d, seed=seed),
        p_wilcoxon=wilcoxon(d),
        d_z=_d_z(d),
        rank_biserial=rank_biserial(d),
        n_harmed=n_harmed,
        share_harmed=n_harmed / n,
        harmed_ci=numbers.wilson(n_harmed, n),
        n_helped=int(helped.sum()),
    )


def _d_z(d: Array) -> float:
    """The mean difference in standard deviations of the differences ``(N,)``."""
    sd = float(d.std(ddof=1)) if len(d) > 1 else math.nan
    if sd > 0:
        return float(d.mean() / sd)
    return math.nan if d.any() else 0.0


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """p values adjusted for comparing several methods with one (Holm 1979)."""
    adjusted = {}
    floor = 0.0
    in_order = sorted(p, key=lambda name: p[name])
    for rank, name in enumerate(in_order):
        corrected = min((len(p) - rank) * p[name], 1.0)
        floor = max(floor, corrected)
        adjusted[name] = floor
    return {name: adjusted[name] for name in p}
