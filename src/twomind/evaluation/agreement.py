"""Agreement between raters over units: kappa, alpha, intraclass correlation. numpy; scipy for ICC's
intervals.

A rater is a coder or a model; nothing here treats them differently. Ratings are arrays ``(R, N)``:
R raters, N units (frames, words, recordings), with nan (or None) where a rater did not rate. A
coefficient that is not defined (one category only, no pairs) is nan, never 0 or 1.

Own code: the `krippendorff` package is GPL, and scikit-learn (an optional part here) has Cohen's
kappa only; both are the tests' independent reference, beside the published worked examples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LEVELS = ("nominal", "ordinal", "interval", "ratio")


def _coded(ratings: Any, categories: Sequence[Any] | None = None) -> tuple[np.ndarray, list[Any]]:
    """Ratings as codes (-1 where missing) of the same shape, and the categories in order."""
    if isinstance(ratings, np.ndarray) and ratings.dtype.kind in "biuf":
        return _coded_numbers(ratings, categories)
    raw = np.asarray(ratings, object)
    flat = [
        None if v is None or (isinstance(v, (float, np.floating)) and math.isnan(v)) else v
        for v in raw.ravel()
    ]
    found = sorted({v for v in flat if v is not None}) if categories is None else list(categories)
    index = {v: i for i, v in enumerate(found)}
    strange = [v for v in flat if v is not None and v not in index]
    if strange:
        raise ValueError(f"expected ratings among {found}, got {strange[0]!r}")
    return np.array([-1 if v is None else index[v] for v in flat], int).reshape(raw.shape), found


def _coded_numbers(
    ratings: np.ndarray, categories: Sequence[Any] | None
) -> tuple[np.ndarray, list[Any]]:
    """The same for arrays of numbers, which may be long."""
    missing = np.isnan(ratings.astype(float))
    seen = np.unique(ratings[~missing])
    found = seen.tolist() if categories is None else list(categories)
    strange = [v for v in seen.tolist() if v not in found]
    if strange:
        raise ValueError(f"expected ratings among {found}, got {strange[0]!r}")
    codes = np.full(ratings.shape, -1)
    for i, value in enumerate(found):
        codes[ratings == value] = i
    return codes, found


def confusion(
    a: Any, b: Any, categories: Sequence[Any] | None = None
) -> tuple[np.ndarray, list[Any]]:
    """How often rater a said row and rater b said column, ``(C, C)``, over units that
    both rated.
    """
    if len(a) != len(b):
        raise ValueError(f"expected two raters over the same units, got {len(a)} and {len(b)}")
    numbers = isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
    codes, found = _coded(np.stack([a, b]) if numbers else [list(a), list(b)], categories)
    both = (codes >= 0).all(axis=0)
    table = np.zeros((len(found), len(found)))
    np.add.at(table, (codes[0, both], codes[1, both]), 1)
    return table, found


def cohen_from_table(table: np.ndarray, weights: str | None = None) -> Any:
    """Cohen's kappa of confusion tables ``(..., C, C)`` → ``(...)``; ``weights``: None, ``linear``
    or ``quadratic``.

    Cohen (1960), Educ. Psychol. Meas. 20:37-46; weighted: Cohen (1968), Psychol. Bull. 70:213-220.
    """
    table = np.asarray(table, float)
    n = table.sum(axis=(-2, -1))
    place = np.arange(table.shape[-1])
    distance = np.abs(place[:, None] - place[None, :]).astype(float)
    if weights is None:
        distance = (distance > 0).astype(float)
    elif weights == "quadratic":
        distance = distance**2
    elif weights != "linear":
        raise ValueError(f"expected weights None, 'linear' or 'quadratic', got {weights!r}")
    by_chance = table.sum(axis=-1)[..., :, None] * table.sum(axis=-2)[..., None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa = 1 - (distance * table).sum(axis=(-2, -1)) * n / (distance * by_chance).sum(
            axis=(-2, -1)
        )
    kappa = np.where(np.isfinite(kappa), kappa, np.nan)
    return float(kappa) if kappa.ndim == 0 else kappa


def cohen_kappa(
    a: Any, b: Any, weights: str | None = None, categories: Sequence[Any] | None = None
) -> float:
    """Cohen's kappa of two raters ``(N,)``; units that one of them did not rate are left out.

    Weighted kappa needs the categories in their order: sorted, unless ``categories`` says
    otherwise.
    """
    return float(cohen_from_table(confusion(a, b, categories)[0], weights))


def counts_per_unit(ratings: Any, categories: Sequence[Any] | None = None) -> np.ndarray:
    """How many raters put each unit in each category: ratings ``(R, N)`` → ``(N, C)``."""
    codes, found = _coded(ratings, categories)
    return np.asarray((codes[..., None] == np.arange(len(found))).sum(axis=0))


def fleiss_kappa(counts: Any) -> float:
    """Fleiss' kappa of ``counts (N, C)``: how many of the raters put unit n in category c; the same
    number everywhere.

    Fleiss (1971), Psychol. Bull. 76:378-382. Units may be rated by different people. Units with
    another number of ratings than the rest cannot be used: Krippendorff's alpha takes those.
    """
    counts = np.asarray(counts, float)
    if counts.ndim != 2 or not counts.size:
        return math.nan
    raters = counts.sum(axis=1)
    n = raters[0]
    if (raters != n).any() or n < 2:
        raise ValueError(
            "Fleiss' kappa: expected the same number of ratings (at least 2) of every unit, got "
            f"{int(raters.min())} "
            f"to {int(raters.max())}; use Krippendorff's alpha"
        )
    observed = ((counts**2).sum(axis=1) - n).sum() / (len(counts) * n * (n - 1))
    chance = ((counts.sum(axis=0) / counts.sum()) ** 2).sum()
    return float((observed - chance) / (1 - chance)) if chance < 1 else math.nan


def krippendorff_alpha(
    ratings: Any, level: str = "nominal", categories: Sequence[Any] | None = None
) -> float:
    """Krippendorff's alpha of ``ratings (R, N)``; nan or None where a rater did not rate.

    Krippendorff (2011), Computing Krippendorff's Alpha-Reliability. ``level``: nominal, ordinal (in
    the order of ``categories``, else sorted), interval or ratio (numbers).
    """
    codes, found = _coded(ratings, categories)
    return float(alpha_from_coincidences(coincidences(codes, len(found)), found, level))


def coincidences(codes: np.ndarray, n_categories: int) -> np.ndarray:
    """Krippendorff's matrix of coincidences ``(C, C)`` of codes ``(R, N)``, -1 where missing."""
    counts = (codes[:, :, None] == np.arange(n_categories)).sum(axis=0).astype(float)
    n = counts.sum(axis=1)
    counts, n = counts[n >= 2], n[n >= 2]
    scaled = counts / (n - 1)[:, None]
    return np.asarray(scaled.T @ counts - np.diag(scaled.sum(axis=0)))


def alpha_from_coincidences(
    table: np.ndarray, categories: Sequence[Any], level: str = "nominal"
) -> Any:
    """Alpha of matrices of coincidences ``(..., C, C)`` → ``(...)``. For the ordinal level, of one
    matrix only.
    """
    if level not in LEVELS:
        raise ValueError(f"expected a level of {', '.join(LEVELS)}, got {level!r}")
    table = np.asarray(table, float)
    totals = table.sum(axis=-1)
    n = totals.sum(axis=-1)
    distance = _distance(level, categories, totals)
    observed = (table * distance).sum(axis=(-2, -1))
    expected = (totals[..., :, None] * totals[..., None, :] * distance).sum(axis=(-2, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha = 1 - (n - 1) * observed / expected
    alpha = np.where(np.isfinite(alpha), alpha, np.nan)
    return float(alpha) if alpha.ndim == 0 else alpha


def _distance(level: str, categories: Sequence[Any], totals: np.ndarray) -> np.ndarray:
    """Squared difference of each two categories ``(C, C)``."""
    if level == "nominal":
        return 1 - np.eye(len(categories))
    if level == "ordinal":
        if totals.ndim != 1:
            raise ValueError("the ordinal difference depends on the totals; give one matrix")
        # Half of both ends and all between them.
        middle = np.cumsum(totals) - totals / 2
        return (middle[:, None] - middle[None, :]) ** 2
    values = np.array(categories, float)
    difference = values[:, None] - values[None, :]
    if level == "interval":
        return difference**2
    total = values[:, None] + values[None, :]
    return np.where(total != 0, difference / np.where(total != 0, total, 1), 0.0) ** 2


@dataclass(frozen=True)
class Icc:
    """One form of the intraclass correlation, with its F test and 95 % interval.

    ``form`` is Shrout and Fleiss' name; ``meaning`` says which question it answers.
    """

    form: str
    meaning: str
    value: float
    low: float
    high: float
    f: float
    df1: float
    df2: float
    p: float


_ICC_MEANING = {
    "ICC(1,1)": "one rating, each target rated by other raters (one-way random)",
    "ICC(2,1)": "one rating, absolute agreement of raters drawn from many (two-way random)",
    "ICC(3,1)": "one rating, consistency of exactly these raters (two-way mixed)",
    "ICC(1,k)": "mean of k ratings, each target rated by other raters (one-way random)",
    "ICC(2,k)": "mean of k ratings, absolute agreement of raters drawn from many (two-way random)",
    "ICC(3,k)": "mean of k ratings, consistency of exactly these raters (two-way mixed)",
}


def icc(ratings: Any, level: float = 0.95) -> dict[str, Icc]:
    """All six intraclass correlations of Shrout & Fleiss (1979), Psychol. Bull. 86:420-428, by
    their names.

    ``ratings (N, k)``: N targets by k raters, no missing value (targets with one are left out).
    Intervals after the same paper; for ICC(2,·) after its Satterthwaite approximation.
    """
    x = np.asarray(ratings, float)
    if x.ndim != 2:
        raise ValueError(f"ICC: expected ratings (N targets, k raters), got {x.shape}")
    x = x[np.isfinite(x).all(axis=1)]
    n, k = x.shape
    if n < 2 or k < 2:
        return {form: Icc(form, why, *([math.nan] * 7)) for form, why in _ICC_MEANING.items()}
    grand = x.mean()
    between = k * ((x.mean(axis=1) - grand) ** 2).sum()
    raters = n * ((x.mean(axis=0) - grand) ** 2).sum()
    within = ((x - x.mean(axis=1, keepdims=True)) ** 2).sum()
    bms, jms = between / (n - 1), raters / (k - 1)
    wms, ems = within / (n * (k - 1)), max(within - raters, 0.0) / ((n - 1) * (k - 1))
    return {form: _icc_form(form, n, k, bms, jms, wms, ems, level) for form in _ICC_MEANING}


def _icc_form(
    form: str, n: int, k: int, bms: float, jms: float, wms: float, ems: float, level: float
) -> Icc:  # fmt: skip
    from scipy.stats import f as f_distribution

    tail = 1 - (1 - level) / 2
    one_way, many = form.startswith("ICC(1"), form.endswith("k)")
    error = wms if one_way else ems
    df1, df2 = n - 1, n * (k - 1) if one_way else (n - 1) * (k - 1)
    f = bms / error if error > 0 else math.inf
    p = float(f_distribution.sf(f, df1, df2)) if math.isfinite(f) else 0.0
    if form.startswith("ICC(2"):
        single = _ratio(bms - ems, bms + (k - 1) * ems + k * (jms - ems) / n)
        low, high = _two_way_random(n, k, bms, jms, ems, single, tail)
    else:
        single = _ratio(bms - error, bms + (k - 1) * error)
        f_low = f / f_distribution.ppf(tail, df1, df2)
        f_high = f * f_distribution.ppf(tail, df2, df1)
        low, high = (_ratio(g - 1, g + k - 1) if math.isfinite(g) else 1.0 for g in (f_low, f_high))
    if bms == 0 and error == 0:
        return Icc(form, _ICC_MEANING[form], *([math.nan] * 7))
    if many:
        if form == "ICC(2,k)":
            value = _ratio(bms - ems, bms + (jms - ems) / n)
        else:
            value = _ratio(bms - error, bms)
        low, high = (_ratio(k * v, 1 + (k - 1) * v) for v in (low, high))
    else:
        value = single
    return Icc(form, _ICC_MEANING[form], value, low, high, f, df1, df2, p)


def _ratio(a: float, b: float) -> float:
    return float(a / b) if b else math.nan


def _two_way_random(
    n: int, k: int, bms: float, jms: float, ems: float, rho: float, tail: float
) -> tuple[float, float]:  # fmt: skip
    """Interval of ICC(2,1), Shrout & Fleiss' equations for F* with Satterthwaite degrees of
    freedom.
    """
    from scipy.stats import f as f_distribution

    if ems <= 0 or not math.isfinite(rho):
        return math.nan, math.nan
    fj = jms / ems
    a, b = k * rho * fj, n * (1 + (k - 1) * rho) - k * rho
    v = (k - 1) * (n - 1) * (a + b) ** 2 / ((n - 1) * a**2 + b**2)
    f1, f2 = f_distribution.ppf(tail, n - 1, v), f_distribution.ppf(tail, v, n - 1)
    rest = k * jms + (k * n - k - n) * ems
    return _ratio(n * (bms - f1 * ems), f1 * rest + n * bms), _ratio(
        n * (f2 * bms - ems), rest + n * f2 * bms
    )
