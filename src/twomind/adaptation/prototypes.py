"""Prototypes of source people, and which people stand for a new one (TTA-CaP, offline part).

Per person and class: DBSCAN over a grid, the clustering that is both fine and stable under
bootstraps wins, and each cluster leaves its medoid. People are compared by the 2-Wasserstein
distance of diagonal Gaussians. One matrix of pairwise distances serves the quantiles, all
clusterings and all bootstraps.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from twomind.adaptation.losses import unit
from twomind.core.errors import BadInput
from twomind.types.plain import Array


@dataclass(frozen=True)
class Search:
    """The grid of clusterings and how they are judged; the published values."""

    min_samples: tuple[int, ...] = (5, 10, 15)
    quantiles: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8, 0.9)
    bootstraps: int = 6
    #: share of the points in a bootstrap, drawn without replacement
    fraction: float = 0.8
    #: weight of the stability beside the validity
    stability_weight: float = 0.5
    #: a clustering with a larger share of noise is invalid
    max_noise_rate: float = 0.95
    #: smaller radii are dropped
    min_eps: float = 1e-8


@dataclass(frozen=True)
class Prototypes:
    """Rows of the input that are the medoids, and the winning clustering (nan and ``fallback`` when
    none won).
    """

    rows: Array
    eps: float = math.nan
    min_samples: float = math.nan
    score: float = math.nan
    validity: float = math.nan
    stability: float = math.nan
    noise_rate: float = math.nan
    clusters: float = math.nan
    fallback: bool = False


def seed_of(*parts: object) -> int:
    """A seed that is the same in every process (Python's own ``hash`` of text is salted)."""
    text = "|".join(map(str, parts))
    digest = hashlib.sha1(text.encode()).digest()
    return int.from_bytes(digest[:4], "big")


def distances(features: Array) -> Array:
    """Euclidean distances ``(N, N)`` of rows, in double precision, zero on the diagonal."""
    rows = np.asarray(features, np.float64)
    return np.asarray(cdist(rows, rows))


def cluster(distance: Array, eps: float, min_samples: int) -> Array:
    """DBSCAN; a point counts as its own neighbour.

    The same labels as scikit-learn's ``DBSCAN(metric="precomputed")`` (a test compares them),
    without its set-up, which is most of the time at this size: clusters are the connected core
    points, numbered by their first one; a border point goes to the first cluster that reaches it.

    Args:
        distance: of all points from each other ``(N, N)``.
        eps: radius of a neighbourhood.
        min_samples: points in the neighbourhood of a core point.

    Returns:
        Labels ``(N,)``; -1 is noise.
    """
    near = distance <= eps
    core = np.flatnonzero(near.sum(axis=1) >= min_samples)
    labels = np.full(len(distance), -1)
    if not len(core):
        return labels
    graph = csr_matrix(near[np.ix_(core, core)])
    n, found = connected_components(graph, directed=False)
    _, first = np.unique(found, return_index=True)
    rank = np.empty(n, int)
    rank[np.argsort(first)] = np.arange(n)
    labels[core] = rank[found]
    reach = np.where(near[:, core], labels[core], n).min(axis=1)
    border = (labels < 0) & (reach < n)
    labels[border] = reach[border]
    return labels


def rand_index(a: Array, b: Array) -> float:
    """Adjusted Rand index of two labellings ``(N,)`` (Hubert and Arabie 1985); 1 when both are one
    single cluster.
    """
    _, i = np.unique(a, return_inverse=True)
    _, j = np.unique(b, return_inverse=True)
    shape = (i.max() + 1, j.max() + 1)
    table = np.zeros(shape)
    np.add.at(table, (i, j), 1)

    def pairs(x: Array) -> float:
        ordered = x * (x - 1)
        return float(ordered.sum() / 2)

    both = pairs(table)
    one = pairs(table.sum(axis=1))
    two = pairs(table.sum(axis=0))
    n = len(a)
    every = n * (n - 1) / 2
    chance = one * two / every
    most = (one + two) / 2
    if most == chance:
        return 1.0
    return (both - chance) / (most - chance)


def stability(distance: Array, eps: float, min_samples: int, seed: int, search: Search) -> float:
    """How alike the clusterings of several bootstraps are.

    Args:
        distance: of all points from each other ``(N, N)``.
        eps: radius of a neighbourhood.
        min_samples: points in the neighbourhood of a core point.
        seed: of the bootstraps.
        search: how many there are, and how large.

    Returns:
        Mean adjusted Rand index over all pairs, on the points they share (noise is a cluster).
    """
    rng = np.random.RandomState(seed)  # the published program's draws
    n = len(distance)
    size = int(search.fraction * n)
    drawn = []
    for _ in range(search.bootstraps):
        index = rng.choice(n, size=size, replace=False)
        labels = np.full(n, -2)
        within = distance[np.ix_(index, index)]
        labels[index] = cluster(within, eps, min_samples)
        drawn.append(labels)
    scores = []
    for a, b in combinations(drawn, 2):
        both = (a > -2) & (b > -2)
        if both.sum() >= 5:
            scores.append(rand_index(a[both], b[both]))
    return float(np.mean(scores)) if scores else 0.0


def build(features: Array, seed: int = 0, search: Search | None = None) -> Prototypes:
    """Medoids of one person and class.

    Fewer than ten rows, or no valid clustering: the one row nearest to the mean.

    Args:
        features: embeddings ``(N, D)`` of any length; they are set to length 1.
        seed: of the bootstraps.
        search: the grid; the published one unless given.

    Raises:
        BadInput: the features are no rows.
    """
    search = search or Search()
    if features.ndim != 2:
        raise BadInput(f"prototypes: expected features (N, D), got {features.shape}")
    n = len(features)
    if not n:
        return Prototypes(np.zeros(0, np.int64), fallback=True)
    rows = unit(np.asarray(features, np.float32))
    best = _search(rows, seed, search) if n >= 10 else None
    if best is None:
        off = np.linalg.norm(rows - rows.mean(axis=0), axis=1)
        middle = int(off.argmin())
        return Prototypes(np.array([middle]), fallback=True)
    labels, found = best
    medoids = _medoids(rows, labels)
    return replace(found, rows=medoids)


def _medoids(rows: Array, labels: Array) -> Array:
    """Per cluster the member nearest to the cluster's mean."""
    found = []
    for c in range(labels.max() + 1):
        members = np.flatnonzero(labels == c)
        own = rows[members]
        centre = own.mean(axis=0)
        off = np.linalg.norm(own - centre, axis=1)
        found.append(int(members[off.argmin()]))
    return np.array(found, np.int64)


def _search(rows: Array, seed: int, search: Search) -> tuple[Array, Prototypes] | None:
    """Labels ``(N,)`` and figures of the clustering that wins; None when none is valid."""
    distance = distances(rows)
    nearest = np.sort(distance, axis=1)
    best: tuple[Array, Prototypes] | None = None
    for min_samples in search.min_samples:
        if len(rows) < max(min_samples + 1, 10):
            continue
        reach = nearest[:, min_samples - 1]
        for eps in np.unique(np.quantile(reach, search.quantiles)):
            if eps <= search.min_eps:
                continue
            labels = cluster(distance, float(eps), min_samples)
            clusters = int(labels.max()) + 1
            noise = float((labels < 0).mean())
            if not clusters or noise > search.max_noise_rate:
                continue
            validity = (1 - noise) * math.log(1 + clusters)
            steady = stability(distance, float(eps), min_samples, seed, search)
            score = validity + search.stability_weight * steady
            if best is not None and score <= best[1].score:
                continue
            found = Prototypes(
                rows=np.zeros(0, np.int64),
                eps=float(eps),
                min_samples=min_samples,
                score=score,
                validity=validity,
                stability=steady,
                noise_rate=noise,
                clusters=clusters,
            )
            best = labels, found
    return best


def gaussian(rows: Array, shrink: float = 0.05) -> tuple[Array, Array]:
    """Mean and diagonal population variance ``(D,)`` of ``rows (N, D)``, the variance shrunk
    towards 1.

    For vectors of length 1 the floor dominates the variances, so that comparing people is in effect
    comparing means.
    """
    if not len(rows):
        raise BadInput("gaussian: expected at least one row, got none")
    variance = (1 - shrink) * rows.var(axis=0) + shrink
    return rows.mean(axis=0), variance


def wasserstein2(mean: Array, variance: Array, means: Array, variances: Array) -> Array:
    """Squared 2-Wasserstein distance of one diagonal Gaussian to several.

    Args:
        mean: of the one ``(D,)``.
        variance: its diagonal ``(D,)``.
        means: of the others ``(S, D)``.
        variances: their diagonals ``(S, D)``.

    Returns:
        Distances ``(S,)``.
    """
    mean = np.asarray(mean, np.float64)
    variance = np.asarray(variance, np.float64)
    means = np.asarray(means, np.float64)
    variances = np.asarray(variances, np.float64)
    between = ((means - mean) ** 2).sum(axis=1)
    cross = np.sqrt(np.maximum(variances * variance, 1e-12))
    spread = variances + variance - 2 * cross
    return np.asarray(between + spread.sum(axis=1))


def personal(subject: Array, classes: Array, chosen: Array) -> Array:
    """Which prototypes stand for a person: class by class, the nearest person first.

    Args:
        subject: the person of each prototype ``(K,)``.
        classes: its class ``(K,)``.
        chosen: people, the nearest first.

    Returns:
        Indices of prototypes.
    """
    found = [np.zeros(0, np.int64)]
    for c in np.unique(classes):
        for s in chosen:
            own = (classes == c) & (subject == s)
            found.append(np.flatnonzero(own))
    return np.concatenate(found)


def summary_of(
    people: dict[str, tuple[Array, Array]], n_classes: int, seed: int = 0
) -> dict[str, Array]:
    """The source summary that TTA-CaP reads. No window leaves the source site except the medoids.

    Args:
        people: embeddings ``(N, D)`` and labels ``(N,)`` of each person.
        n_classes: number of classes.
        seed: of the bootstraps.

    Returns:
        ``prototypes (K, D)``, ``prototype_class (K,)``, ``prototype_subject (K,)`` (positions in
        the sorted names) and ``subject_mean``, ``subject_variance (S, D)``.
    """
    rows, classes, subjects, means, variances = [], [], [], [], []
    for s, name in enumerate(sorted(people)):
        z, y = people[name]
        z = unit(np.asarray(z, np.float32))
        mean, variance = gaussian(z)
        means.append(mean)
        variances.append(variance)
        for c in range(n_classes):
            own = z[np.asarray(y) == c]
            medoids = build(own, seed_of(seed, name, c, "dbscan")).rows
            kept = own[medoids]
            rows.append(kept)
            classes += [c] * len(kept)
            subjects += [s] * len(kept)
    return {
        "prototypes": np.concatenate(rows),
        "prototype_class": np.array(classes, np.int64),
        "prototype_subject": np.array(subjects, np.int64),
        "subject_mean": np.stack(means),
        "subject_variance": np.stack(variances),
    }
