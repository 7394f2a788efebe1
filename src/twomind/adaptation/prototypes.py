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

    rows: np.ndarray
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
    return int.from_bytes(hashlib.sha1("|".join(map(str, parts)).encode()).digest()[:4], "big")


def distances(features: np.ndarray) -> np.ndarray:
    """Euclidean distances ``(N, N)`` of rows, in double precision, zero on the diagonal."""
    rows = np.asarray(features, np.float64)
    return np.asarray(cdist(rows, rows))


def cluster(distance: np.ndarray, eps: float, min_samples: int) -> np.ndarray:
    """DBSCAN labels ``(N,)``, -1 is noise; a point counts as its own neighbour.

    The same labels as scikit-learn's ``DBSCAN(metric="precomputed")`` (a test compares them),
    without its set-up, which is most of the time at this size: clusters are the connected core
    points, numbered by their first one; a border point goes to the first cluster that reaches it.
    """
    near = distance <= eps
    core = np.flatnonzero(near.sum(axis=1) >= min_samples)
    labels = np.full(len(distance), -1)
    if not len(core):
        return labels
    n, found = connected_components(csr_matrix(near[np.ix_(core, core)]), directed=False)
    _, first = np.unique(found, return_index=True)
    rank = np.empty(n, int)
    rank[np.argsort(first)] = np.arange(n)
    labels[core] = rank[found]
    reach = np.where(near[:, core], labels[core], n).min(axis=1)
    border = (labels < 0) & (reach < n)
    labels[border] = reach[border]
    return labels


def rand_index(a: np.ndarray, b: np.ndarray) -> float:
    """Adjusted Rand index of two labellings ``(N,)`` (Hubert and Arabie 1985); 1 when both are one
    single cluster.
    """
    _, i = np.unique(a, return_inverse=True)
    _, j = np.unique(b, return_inverse=True)
    table = np.zeros((i.max() + 1, j.max() + 1))
    np.add.at(table, (i, j), 1)

    def pairs(x: np.ndarray) -> float:
        return float((x * (x - 1)).sum() / 2)

    both, one, two = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    every = len(a) * (len(a) - 1) / 2
    chance, most = one * two / every, (one + two) / 2
    return 1.0 if most == chance else (both - chance) / (most - chance)


def stability(
    distance: np.ndarray, eps: float, min_samples: int, seed: int, search: Search
) -> float:
    """Mean adjusted Rand index over all pairs of bootstraps, on the points they share (noise is a
    cluster).
    """
    rng, n = np.random.RandomState(seed), len(distance)  # the published program's draws
    size = int(search.fraction * n)
    drawn = []
    for _ in range(search.bootstraps):
        index = rng.choice(n, size=size, replace=False)
        labels = np.full(n, -2)
        labels[index] = cluster(distance[np.ix_(index, index)], eps, min_samples)
        drawn.append(labels)
    scores = []
    for a, b in combinations(drawn, 2):
        both = (a > -2) & (b > -2)
        if both.sum() >= 5:
            scores.append(rand_index(a[both], b[both]))
    return float(np.mean(scores)) if scores else 0.0


def build(features: np.ndarray, seed: int = 0, search: Search | None = None) -> Prototypes:
    """Medoids of one person and class; ``features (N, D)`` are any length, they are set to length
    1.

    Fewer than ten rows, or no valid clustering: the one row nearest to the mean.
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
        middle = np.linalg.norm(rows - rows.mean(axis=0), axis=1)
        return Prototypes(np.array([int(middle.argmin())]), fallback=True)
    labels, found = best
    return replace(found, rows=_medoids(rows, labels))


def _medoids(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Per cluster the member nearest to the cluster's mean."""
    found = []
    for c in range(labels.max() + 1):
        members = np.flatnonzero(labels == c)
        centre = rows[members].mean(axis=0)
        found.append(int(members[np.linalg.norm(rows[members] - centre, axis=1).argmin()]))
    return np.array(found, np.int64)


def _search(rows: np.ndarray, seed: int, search: Search) -> tuple[np.ndarray, Prototypes] | None:
    distance = distances(rows)
    nearest = np.sort(distance, axis=1)
    best: tuple[np.ndarray, Prototypes] | None = None
    for m in search.min_samples:
        if len(rows) < max(m + 1, 10):
            continue
        for eps in np.unique(np.quantile(nearest[:, m - 1], search.quantiles)):
            if eps <= search.min_eps:
                continue
            labels = cluster(distance, float(eps), m)
            clusters, noise = int(labels.max()) + 1, float((labels < 0).mean())
            if not clusters or noise > search.max_noise_rate:
                continue
            validity = (1 - noise) * math.log(1 + clusters)
            steady = stability(distance, float(eps), m, seed, search)
            score = validity + search.stability_weight * steady
            if best is None or score > best[1].score:
                none = np.zeros(0, np.int64)
                best = (
                    labels,
                    Prototypes(none, float(eps), m, score, validity, steady, noise, clusters),
                )
    return best


def gaussian(rows: np.ndarray, shrink: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Mean and diagonal population variance ``(D,)`` of ``rows (N, D)``, the variance shrunk
    towards 1.

    For vectors of length 1 the floor dominates the variances, so that comparing people is in effect
    comparing means.
    """
    if not len(rows):
        raise BadInput("gaussian: expected at least one row, got none")
    return rows.mean(axis=0), (1 - shrink) * rows.var(axis=0) + shrink


def wasserstein2(
    mean: np.ndarray, variance: np.ndarray, means: np.ndarray, variances: np.ndarray
) -> np.ndarray:
    """Squared 2-Wasserstein distance of one diagonal Gaussian ``(D,)`` to several ``(S, D)`` →
    ``(S,)``.
    """
    mean, variance, means, variances = (
        np.asarray(a, np.float64) for a in (mean, variance, means, variances)
    )
    between = ((means - mean) ** 2).sum(axis=1)
    cross = np.sqrt(np.maximum(variances * variance, 1e-12))
    return np.asarray(between + (variances + variance - 2 * cross).sum(axis=1))


def personal(subject: np.ndarray, classes: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Indices of the prototypes of the chosen people: class by class, the nearest person first."""
    found = [
        np.flatnonzero((classes == c) & (subject == s)) for c in np.unique(classes) for s in chosen
    ]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def cap(rows: np.ndarray, classes: np.ndarray, mean: np.ndarray, per_class: int) -> np.ndarray:
    """Indices of at most ``per_class`` rows per class, by cosine to the person's mean, the largest
    first; 0 = all.
    """
    if not per_class:
        return np.arange(len(rows))
    cosine = unit(rows) @ unit(mean[None])[0]
    found = []
    for c in np.unique(classes):
        own = np.flatnonzero(classes == c)
        found.append(own[np.argsort(-cosine[own], kind="stable")[:per_class]])
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def summary_of(
    people: dict[str, tuple[np.ndarray, np.ndarray]], n_classes: int, seed: int = 0
) -> dict[str, np.ndarray]:
    """The source summary TTA-CaP reads, of ``{person: (embeddings (N, D), labels (N,))}`` at the
    source site.

    Returns ``prototypes (K, D)``, ``prototype_class (K,)``, ``prototype_subject (K,)`` (positions
    in the sorted names) and ``subject_mean``, ``subject_variance (S, D)``. No window leaves the
    source site except the medoids.
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
            kept = own[build(own, seed_of(seed, name, c, "dbscan")).rows]
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
