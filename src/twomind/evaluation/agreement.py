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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from twomind.core.errors import BadInput, quoted
from twomind.types.plain import Array

#: One rating: a name, a number or a truth value; None or nan where it is missing.
Rating: TypeAlias = object
#: Ratings ``(R, N)``, or of one rater ``(N,)``.
Ratings: TypeAlias = "Array | Sequence[Rating] | Sequence[Sequence[Rating]]"
#: Ratings in the order of the scale.
Categories: TypeAlias = Sequence[Rating]
#: A coefficient, or one per table.
Coefficient: TypeAlias = "float | Array"
#: Codes from 0 on, -1 where missing, and the categories that they stand for.
Coded: TypeAlias = tuple[Array, list[Rating]]

LEVELS = ("nominal", "ordinal", "interval", "ratio")


def _coded(ratings: Ratings, categories: Categories | None = None) -> Coded:
    """Ratings as codes (-1 where missing) of the same shape, and the categories in order."""
    if isinstance(ratings, np.ndarray) and ratings.dtype.kind in "biuf":
        return _coded_numbers(ratings, categories)
    raw = np.asarray(ratings, object)
    flat = [None if _is_missing(value) else value for value in raw.ravel()]
    there = [value for value in dict.fromkeys(flat) if value is not None]
    found: list[Rating] = sorted(there) if categories is None else list(categories)
    _refuse_strange(there, found)
    index: dict[Rating, int] = {None: -1}
    for code, value in enumerate(found):
        index[value] = code
    codes = [index[value] for value in flat]
    return np.array(codes, int).reshape(raw.shape), found


def _is_missing(value: Rating) -> bool:
    if value is None:
        return True
    return isinstance(value, float | np.floating) and math.isnan(value)


def _refuse_strange(ratings: Iterable[Rating], found: Categories) -> None:
    for value in ratings:
        if value not in found:
            raise ValueError(f"expected ratings among {found}, got {value!r}")


def _in_order(ratings: Ratings, categories: Categories | None) -> Ratings:
    """Ratings that can be put in order: numbers that are written as text become numbers.

    Args:
        ratings: of one rater or of several.
        categories: in their order, where it was given; the ratings then stay as they are.

    Raises:
        BadInput: a text is not a number, and nobody said in which order the texts come.
    """
    if categories is not None or (isinstance(ratings, np.ndarray) and ratings.dtype.kind in "biuf"):
        return ratings
    raw = np.asarray(ratings, object)
    found = [_number_of(value) for value in raw.ravel()]
    ordered = np.empty(len(found), object)
    ordered[:] = found
    return ordered.reshape(raw.shape)


def _number_of(rating: Rating) -> Rating:
    """The number that a text is; what is not text, as it is."""
    if not isinstance(rating, str):
        return rating
    try:
        return float(rating)
    except ValueError:
        raise BadInput(
            f"expected numbers where ratings are in an order, got {quoted(rating)}; for other text "
            "give the categories in their order (categories=[...])"
        ) from None


def _coded_numbers(ratings: Array, categories: Categories | None) -> Coded:
    """The same for arrays of numbers, which may be long."""
    missing = np.isnan(ratings.astype(float))
    seen = np.unique(ratings[~missing]).tolist()
    found = seen if categories is None else list(categories)
    _refuse_strange(seen, found)
    codes = np.full(ratings.shape, -1)
    for i, value in enumerate(found):
        codes[ratings == value] = i
    return codes, found


def confusion(a: Ratings, b: Ratings, categories: Categories | None = None) -> Coded:
    """How often rater a said row and rater b said column, ``(C, C)``, over units that
    both rated.

    Args:
        a: ratings of one rater, ``(N,)``.
        b: ratings of the other over the same units, ``(N,)``.
        categories: in their order; None: those that occur, sorted.

    Raises:
        ValueError: the raters rated different numbers of units, or a rating is not a category.
    """
    if len(a) != len(b):
        raise ValueError(f"expected two raters over the same units, got {len(a)} and {len(b)}")
    both_raters: Ratings = [list(a), list(b)]
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        both_raters = np.stack([a, b])
    codes, found = _coded(both_raters, categories)
    rated = (codes >= 0).all(axis=0)
    table = np.zeros((len(found), len(found)))
    cells = (codes[0, rated], codes[1, rated])
    np.add.at(table, cells, 1)
    return table, found


def _disagreement(n_categories: int, weights: str | None) -> Array:
    """How much each two categories differ ``(C, C)``."""
    place = np.arange(n_categories)
    difference = place[:, None] - place[None, :]
    distance: Array = np.abs(difference).astype(float)
    if weights is None:
        return np.asarray(distance > 0, float)
    if weights == "linear":
        return distance
    if weights == "quadratic":
        return np.asarray(distance**2)
    raise ValueError(f"expected weights None, 'linear' or 'quadratic', got {weights!r}")


def _defined(coefficient: Array) -> Coefficient:
    """The coefficient, nan where it is not finite; a float where there is one only."""
    found = np.where(np.isfinite(coefficient), coefficient, np.nan)
    return float(found) if found.ndim == 0 else found


def cohen_from_table(table: Array, weights: str | None = None) -> Coefficient:
    """Cohen's kappa of confusion tables ``(..., C, C)`` → ``(...)``; ``weights``: None, ``linear``
    or ``quadratic``.

    Cohen (1960), Educ. Psychol. Meas. 20:37-46; weighted: Cohen (1968), Psychol. Bull. 70:213-220.
    """
    table = np.asarray(table, float)
    both = (-2, -1)
    n = table.sum(axis=both)
    distance = _disagreement(table.shape[-1], weights)
    rows = table.sum(axis=-1)
    columns = table.sum(axis=-2)
    by_chance = rows[..., :, None] * columns[..., None, :]
    observed = (distance * table).sum(axis=both)
    expected = (distance * by_chance).sum(axis=both)
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa = 1 - observed * n / expected
    return _defined(kappa)


def cohen_kappa(
    a: Ratings, b: Ratings, weights: str | None = None, categories: Categories | None = None
) -> float:
    """Cohen's kappa of two raters ``(N,)``; units that one of them did not rate are left out.

    Weighted kappa needs the categories in their order: by number, unless ``categories`` says
    otherwise. Numbers may be written as text.

    Args:
        a: ratings of one rater, ``(N,)``.
        b: ratings of the other over the same units, ``(N,)``.
        weights: None, ``linear`` or ``quadratic``.
        categories: in their order; None: those that occur, sorted.

    Raises:
        BadInput: weights, and a text that is not a number, without ``categories``.
    """
    if weights is not None:
        a = _in_order(a, categories)
        b = _in_order(b, categories)
    table, _ = confusion(a, b, categories)
    return float(cohen_from_table(table, weights))


def counts_per_unit(ratings: Ratings, categories: Categories | None = None) -> Array:
    """How many raters put each unit in each category: ratings ``(R, N)`` → ``(N, C)``."""
    codes, found = _coded(ratings, categories)
    return _votes(codes, len(found))


def _votes(codes: Array, n_categories: int) -> Array:
    """How many of the codes ``(R, N)`` of each unit are each category ``(N, C)``."""
    is_it = codes[:, :, None] == np.arange(n_categories)
    return np.asarray(is_it.sum(axis=0))


def fleiss_kappa(counts: Array) -> float:
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
    n_agreeing = ((counts**2).sum(axis=1) - n).sum()
    n_pairs = len(counts) * n * (n - 1)
    observed = n_agreeing / n_pairs
    shares = counts.sum(axis=0) / counts.sum()
    chance = (shares**2).sum()
    if chance >= 1:
        return math.nan
    return float((observed - chance) / (1 - chance))


def krippendorff_alpha(
    ratings: Ratings, level: str = "nominal", categories: Categories | None = None
) -> float:
    """Krippendorff's alpha of ``ratings (R, N)``; nan or None where a rater did not rate.

    Krippendorff (2011), Computing Krippendorff's Alpha-Reliability.

    Args:
        ratings: ``(R, N)``: R raters, N units.
        level: nominal, ordinal (in the order of ``categories``, else by number), interval or ratio
            (numbers). Numbers may be written as text.
        categories: in their order; None: those that occur, sorted.

    Returns:
        Alpha, at most 1; nan where it is not defined.

    Raises:
        BadInput: a text that is not a number, above the nominal level and without ``categories``.

    Example:
        >>> from twomind.evaluation.agreement import krippendorff_alpha
        >>> round(krippendorff_alpha([["yes", "no", "no", "yes"], ["yes", "no", "yes", None]]), 2)
        0.44
    """
    if level != "nominal":
        ratings = _in_order(ratings, categories)
    codes, found = _coded(ratings, categories)
    table = coincidences(codes, len(found))
    return float(alpha_from_coincidences(table, found, level))


def coincidences(codes: Array, n_categories: int) -> Array:
    """Krippendorff's matrix of coincidences ``(C, C)`` of codes ``(R, N)``, -1 where missing."""
    counts = _votes(codes, n_categories).astype(float)
    n = counts.sum(axis=1)
    paired = n >= 2
    counts = counts[paired]
    scaled = counts / (n[paired] - 1)[:, None]
    with_itself = np.diag(scaled.sum(axis=0))
    return np.asarray(scaled.T @ counts - with_itself)


def alpha_from_coincidences(
    table: Array, categories: Categories, level: str = "nominal"
) -> Coefficient:
    """Alpha of matrices of coincidences ``(..., C, C)`` → ``(...)``. For the ordinal level, of one
    matrix only.

    Args:
        table: coincidences, ``(..., C, C)``.
        categories: what the rows and columns stand for.
        level: nominal, ordinal, interval or ratio.
    """
    if level not in LEVELS:
        raise ValueError(f"expected a level of {', '.join(LEVELS)}, got {level!r}")
    table = np.asarray(table, float)
    both = (-2, -1)
    totals = table.sum(axis=-1)
    n = totals.sum(axis=-1)
    distance = _distance(level, categories, totals)
    by_chance = totals[..., :, None] * totals[..., None, :]
    observed = (table * distance).sum(axis=both)
    expected = (by_chance * distance).sum(axis=both)
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha = 1 - (n - 1) * observed / expected
    return _defined(alpha)


def _distance(level: str, categories: Categories, totals: Array) -> Array:
    """Squared difference of each two categories ``(C, C)``."""
    if level == "nominal":
        return 1 - np.eye(len(categories))
    if level == "ordinal":
        return _ordinal_distance(totals)
    values = np.array(categories, float)
    difference = values[:, None] - values[None, :]
    if level == "interval":
        return np.asarray(difference**2)
    total = values[:, None] + values[None, :]
    there = total != 0
    divisor = np.where(there, total, 1)
    share = np.where(there, difference / divisor, 0.0)
    return np.asarray(share**2)


def _ordinal_distance(totals: Array) -> Array:
    if totals.ndim != 1:
        raise ValueError("the ordinal difference depends on the totals; give one matrix")
    # Half of both ends and all between them.
    middle = np.cumsum(totals) - totals / 2
    difference = middle[:, None] - middle[None, :]
    return np.asarray(difference**2)


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


@dataclass(frozen=True)
class _MeanSquares:
    """The analysis of variance of ``n`` targets by ``k`` raters, in Shrout and Fleiss' letters."""

    n: int
    k: int
    bms: float  # between targets
    jms: float  # between raters
    wms: float  # within targets
    ems: float  # what is left over


def _mean_squares(x: Array) -> _MeanSquares:
    n, k = x.shape
    grand = x.mean()
    of_target = x.mean(axis=1)
    of_rater = x.mean(axis=0)
    between = k * ((of_target - grand) ** 2).sum()
    raters = n * ((of_rater - grand) ** 2).sum()
    within = ((x - of_target[:, None]) ** 2).sum()
    rest = max(within - raters, 0.0)
    bms = between / (n - 1)
    jms = raters / (k - 1)
    wms = within / (n * (k - 1))
    ems = rest / ((n - 1) * (k - 1))
    return _MeanSquares(n, k, bms, jms, wms, ems)


def icc(ratings: Ratings, level: float = 0.95) -> dict[str, Icc]:
    """All six intraclass correlations of Shrout & Fleiss (1979), Psychol. Bull. 86:420-428, by
    their names.

    Intervals after the same paper; for ICC(2,·) after its Satterthwaite approximation.

    Args:
        ratings: ``(N, k)``: N targets by k raters; targets with a missing value are left out.
        level: of the intervals.

    Returns:
        By name (``ICC(2,1)`` ...): value, interval and F test; nan where it is not defined.

    Example:
        >>> from twomind.evaluation.agreement import icc
        >>> found = icc([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
        >>> round(found["ICC(2,1)"].value, 2)
        0.29
    """
    x = np.asarray(ratings, float)
    if x.ndim != 2:
        raise ValueError(f"ICC: expected ratings (N targets, k raters), got {x.shape}")
    complete = np.isfinite(x).all(axis=1)
    x = x[complete]
    n, k = x.shape
    if n < 2 or k < 2:
        return {form: _undefined(form) for form in _ICC_MEANING}
    squares = _mean_squares(x)
    return {form: _icc_form(form, squares, level) for form in _ICC_MEANING}


def _undefined(form: str) -> Icc:
    nothing = [math.nan] * 7
    return Icc(form, _ICC_MEANING[form], *nothing)


def _icc_form(form: str, squares: _MeanSquares, level: float) -> Icc:
    from scipy.stats import f as f_distribution

    n = squares.n
    k = squares.k
    bms = squares.bms
    tail = 1 - (1 - level) / 2
    df1 = n - 1
    if form.startswith("ICC(1"):
        error = squares.wms
        df2 = n * (k - 1)
    else:
        error = squares.ems
        df2 = df1 * (k - 1)
    if bms == 0 and error == 0:
        return _undefined(form)
    f = math.inf
    p = 0.0
    if error > 0:
        f = bms / error
    if math.isfinite(f):
        p = float(f_distribution.sf(f, df1, df2))
    if form.startswith("ICC(2"):
        value, of_mean, low, high = _two_way_random(squares, tail)
    else:
        value = _ratio(bms - error, bms + (k - 1) * error)
        of_mean = _ratio(bms - error, bms)
        low = _from_f(f / f_distribution.ppf(tail, df1, df2), k)
        high = _from_f(f * f_distribution.ppf(tail, df2, df1), k)
    if form.endswith("k)"):
        value = of_mean
        low = _stepped_up(low, k)
        high = _stepped_up(high, k)
    meaning = _ICC_MEANING[form]
    return Icc(form, meaning, value, low, high, f, df1, df2, p)


def _from_f(f: float, k: int) -> float:
    """The correlation of one rating that belongs to an F; 1 for an infinite one."""
    if not math.isfinite(f):
        return 1.0
    return _ratio(f - 1, f + k - 1)


def _stepped_up(single: float, k: int) -> float:
    """The correlation of the mean of ``k`` ratings, from that of one (Spearman-Brown)."""
    return _ratio(k * single, 1 + (k - 1) * single)


def _ratio(a: float, b: float) -> float:
    return float(a / b) if b else math.nan


def _two_way_random(squares: _MeanSquares, tail: float) -> tuple[float, float, float, float]:
    """ICC(2,1), ICC(2,k), and the interval of ICC(2,1)."""
    n = squares.n
    k = squares.k
    ems = squares.ems
    signal = squares.bms - ems
    bias = squares.jms - ems
    single = _ratio(signal, squares.bms + (k - 1) * ems + k * bias / n)
    of_mean = _ratio(signal, squares.bms + bias / n)
    low, high = _two_way_interval(squares, single, tail)
    return single, of_mean, low, high


def _two_way_interval(squares: _MeanSquares, rho: float, tail: float) -> tuple[float, float]:
    """Interval of ICC(2,1), Shrout & Fleiss' equations for F* with Satterthwaite degrees of
    freedom.
    """
    from scipy.stats import f as f_distribution

    n = squares.n
    k = squares.k
    bms = squares.bms
    ems = squares.ems
    if ems <= 0 or not math.isfinite(rho):
        return math.nan, math.nan
    fj = squares.jms / ems
    a = k * rho * fj
    b = n * (1 + (k - 1) * rho) - k * rho
    of_raters = (n - 1) * a**2
    v = (k - 1) * (n - 1) * (a + b) ** 2 / (of_raters + b**2)
    f1 = f_distribution.ppf(tail, n - 1, v)
    f2 = f_distribution.ppf(tail, v, n - 1)
    rest = k * squares.jms + (k * n - k - n) * ems
    low = _ratio(n * (bms - f1 * ems), f1 * rest + n * bms)
    high = _ratio(n * (f2 * bms - ems), rest + n * f2 * bms)
    return low, high
