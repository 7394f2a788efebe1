"""TTA-CaP (arXiv 2603.21309) window by window, in plain loops; sections are those of the notes
``tta_cap.md``.

``V1`` and ``WACV`` are the constants of the two published programs (R1 and R2 in the notes),
``CORRECTED`` those that the library documents as its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from reference.plain import (
    Vector,
    distance,
    dot,
    entropy,
    first_largest,
    first_smallest,
    head,
    length,
    mean,
    softmax,
    unit,
)

COMMON = {
    "fusion_space": "embed",
    "weighting": "equal",
    "agreement": "none",
    "gates": "temp,entropy,proto",
    "window": 3,
    "proto_top_k": 5,
    "top_k": 5,
    "n_pos": 5,
    "beta": 10.0,
    "gamma": 10.0,
    "temperature": 1.0,
}
V1 = COMMON | {
    "reset_scope": "subject",
    "write_order": "before",
    "neg_class": "pred",
    "search": "all",
    "source_term": "mix",
    "missing": "pass",
    "negative_gate": "margin",
    "entropy_unit": "nats",
    "empty_class": "released",
    "n_people": 5,
    "tau_pos": 0.5,
    "tau_neg": 1.2,
    "tau_margin": 0.05,
    "n_neg": 5,
    "lam_src": 1.0,
    "lam_pos": 1.0,
    "lam_neg": 1.0,
    "negative_without_entropy": True,
}
WACV = COMMON | {
    "reset_scope": "video",
    "write_order": "after",
    "neg_class": "least_likely",
    "search": "bucket",
    "source_term": "class",
    "missing": "block",
    "negative_gate": "agree",
    "entropy_unit": "nats",
    "empty_class": "released",
    "n_people": 3,
    "tau_pos": 0.5,
    "tau_neg": 0.8,
    "tau_margin": 0.05,
    "n_neg": 4,
    "lam_src": 1.0,
    "lam_pos": 1.0,
    "lam_neg": 1.0,
    "negative_without_entropy": False,
}
CORRECTED = COMMON | {
    "reset_scope": "subject",
    "write_order": "after",
    "neg_class": "pred",
    "search": "all",
    "source_term": "mix",
    "missing": "pass",
    "negative_gate": "agree",
    "entropy_unit": "fraction",
    "empty_class": "unavailable",
    "n_people": 3,
    "tau_pos": 0.6,
    "tau_neg": 0.9,
    "tau_margin": 0.0,
    "n_neg": 4,
    "lam_src": 0.3,
    "lam_pos": 0.3,
    "lam_neg": 0.3,
    "negative_without_entropy": False,
}
PRESETS: dict[str, dict[str, Any]] = {"tta-cap": CORRECTED, "tta-cap-v1": V1, "tta-cap-wacv": WACV}


@dataclass
class Entry:
    """One window in a bucket."""

    entropy: float
    at: int
    z: Vector


@dataclass
class Answer:
    """What came out of one window, and what the caches held after it.

    ``size``: the length of the sum of the parts before it is set to 1; 1 in logit space.
    """

    logits: Vector
    size: float
    wrote: str
    positive: list[list[Entry]]
    negative: list[list[Entry]]


@dataclass
class Memory:
    positive: list[list[Entry]]
    negative: list[list[Entry]]
    history: list[int] = field(default_factory=list)


def insert(bucket: list[Entry], entry: Entry, capacity: int) -> None:
    """Section 1.4: append, sort by rising entropy (stable, so the earlier of equals stays first),
    drop the tail.
    """
    bucket.append(entry)
    bucket.sort(key=lambda e: e.entropy)
    while len(bucket) > capacity:
        bucket.pop()


def majority(labels: Sequence[int]) -> int:
    """Section 1.5: the most frequent label; of tied labels, the one seen most recently."""
    counts: dict[int, int] = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    tied = [label for label, n in counts.items() if n == max(counts.values())]
    for label in reversed(labels):
        if label in tied:
            return label
    raise AssertionError("no label")


def prototype_scores(z: Vector, prototypes: list[list[Vector]], k: int) -> list[float | None]:
    """Section 1.5: per class the mean of the ``k`` largest cosines; None of a class without
    prototypes.
    """
    scores: list[float | None] = []
    for rows in prototypes:
        cosines = sorted((dot(z, row) for row in rows), reverse=True)[:k]
        scores.append(sum(cosines) / len(cosines) if cosines else None)
    return scores


def prototype_gate(
    s: Mapping[str, Any], scores: list[float | None], label: int
) -> tuple[bool, bool]:
    """Section 1.5: (class agreement and margin, margin alone).

    Where it cannot speak, ``missing`` says what it answers: in the published programs without any
    prototype, in the corrected method without prototypes of at least two classes.
    """
    there = [v for v in scores if v is not None]
    needed = 1 if s["empty_class"] == "released" else 2
    if len(there) < needed:
        return s["missing"] == "pass", s["missing"] == "pass"
    filled = [-1e9 if v is None else v for v in scores]
    ranked = sorted(filled, reverse=True)
    wide = ranked[0] - ranked[1] > s["tau_margin"]
    return wide and first_largest(filled) == label, wide


def retrieve(
    entries: list[tuple[int, Vector]], z: Vector, k: int, beta: float
) -> list[tuple[float, int, Vector]]:
    """Section 1.6: ``w = softmax(beta cos)`` over the ``k`` nearest entries, as (weight, class,
    entry).
    """
    nearest = sorted(((dot(z, row), c, row) for c, row in entries), key=lambda found: -found[0])[:k]
    if not nearest:
        return []
    weights = softmax([beta * cosine for cosine, _, _ in nearest])
    return [(w, c, row) for w, (_, c, row) in zip(weights, nearest, strict=True)]


def looked_up(
    s: Mapping[str, Any], cache: list[list[Entry]], label: int
) -> list[tuple[int, Vector]]:
    """Which entries a window sees: those of its own class, or all; in the corrected method only of
    a complete cache.
    """
    if s["search"] == "bucket" and s["fusion_space"] == "embed":
        return [(label, e.z) for e in cache[label]]
    if (
        s["search"] == "all"
        and s["empty_class"] == "unavailable"
        and any(not bucket for bucket in cache)
    ):
        return []
    return [(c, e.z) for c, bucket in enumerate(cache) for e in bucket]


def blended(found: list[tuple[float, int, Vector]], dim: int) -> Vector:
    """``l2n(sum_j w_j z_j)``, zeros without an entry."""
    total = [0.0] * dim
    for w, _, row in found:
        for d in range(dim):
            total[d] += w * row[d]
    return unit(total)


def source_vector(
    s: Mapping[str, Any],
    z: Vector,
    scores: list[float | None],
    prototypes: list[list[Vector]],
    label: int,
) -> Vector:
    """Section 1.6: R1 mixes the classes' centres by ``softmax(gamma s)``; R2 takes the nearest of
    the own class.
    """
    total = [0.0] * len(z)
    if s["source_term"] == "mix":
        there = [c for c, v in enumerate(scores) if v is not None]
        if not there:
            return total
        shares = softmax([s["gamma"] * scores[c] for c in there])  # type: ignore[operator]
        for share, c in zip(shares, there, strict=True):
            centre = unit(mean(prototypes[c]))
            for d in range(len(z)):
                total[d] += share * centre[d]
        return unit(total)
    if s["source_term"] == "class" and prototypes[label]:
        nearest = sorted(prototypes[label], key=lambda row: -dot(z, row))[: s["proto_top_k"]]
        return unit(mean(nearest))
    return total


def part_weights(s: Mapping[str, Any], parts: dict[str, Vector], score: Any) -> dict[str, float]:
    """Section 1.6, R2's modes. ``score(part)`` is the softmax of the head on that part alone; zeros
    are absent.
    """
    lam = {
        "target": 1.0,
        "source": s["lam_src"],
        "positive": s["lam_pos"],
        "negative": s["lam_neg"],
    }
    there = [name for name in parts if any(v != 0 for v in parts[name])]
    probs = {name: score(parts[name]) for name in there}
    kept = list(there)
    if s["agreement"] == "majority":
        voters = [name for name in ("target", "source", "positive") if name in there]
        held = [first_largest(probs[name]) for name in voters]
        agreeing = [name for name, c in zip(voters, held, strict=True) if held.count(c) >= 2]
        if not agreeing:
            agreeing = [voters[first_largest([max(probs[name]) for name in voters])]]
        kept = [name for name in there if name in agreeing or name == "negative"]
    if s["weighting"] == "equal":
        return {name: lam[name] for name in kept}
    sure = {name: lam[name] * max(probs[name]) for name in kept}
    if s["weighting"] == "confidence":
        return sure
    shares = softmax([sure[name] / s["temperature"] for name in kept])
    return dict(zip(kept, shares, strict=True))


def final_logits(
    s: Mapping[str, Any],
    raw: Vector,
    weight: list[Vector],
    bias: Vector,
    prototypes: list[list[Vector]],
    memory: Memory,
) -> tuple[Vector, float]:
    """Section 1.6: look up, and fuse in embedding space or in logit space; with the length of the
    sum.
    """
    z, logits = unit(raw), head(weight, bias, raw)
    label = first_largest(logits)
    scores = prototype_scores(z, prototypes, s["proto_top_k"])
    positive = retrieve(looked_up(s, memory.positive, label), z, s["top_k"], s["beta"])
    negative = retrieve(looked_up(s, memory.negative, label), z, s["top_k"], s["beta"])
    if s["fusion_space"] == "logit":
        source = [-1e9 if v is None else v for v in scores]
        nothing = all(v is None for v in scores)
        incomplete = any(v is None for v in scores) and s["empty_class"] == "unavailable"
        if nothing or incomplete or s["source_term"] == "none":
            source = [0.0] * len(weight)
        out = []
        for c in range(len(weight)):
            pull = sum(w for w, own, _ in positive if own == c)
            push = sum(w for w, own, _ in negative if own == c)
            out.append(
                logits[c] + s["lam_src"] * source[c] + s["lam_pos"] * pull - s["lam_neg"] * push
            )
        return out, 1.0
    parts = {
        "target": z,
        "source": source_vector(s, z, scores, prototypes, label),
        "positive": blended(positive, len(z)),
        "negative": blended(negative, len(z)),
    }
    scale = length(raw)

    def classified(part: Vector) -> Vector:
        return head(weight, bias, [scale * v for v in part])

    total = [0.0] * len(z)
    for name, w in part_weights(s, parts, lambda part: softmax(classified(part))).items():
        sign = -1.0 if name == "negative" else 1.0
        for d in range(len(z)):
            total[d] += sign * w * parts[name][d]
    return classified(unit(total)), length(total)


def run(
    s: Mapping[str, Any],
    rows: list[Vector],
    recordings: Sequence[str],
    weight: list[Vector],
    bias: Vector,
    prototypes: list[list[Vector]],
) -> list[Answer]:
    """A stream of windows ``rows`` of one person; ``prototypes`` are those of each class, of any
    length.
    """
    prototypes = [[unit(row) for row in own] for own in prototypes]
    n_classes = len(weight)
    memory = Memory([[] for _ in weight], [[] for _ in weight])
    used = s["gates"].split(",")
    answers = []
    for t, raw in enumerate(rows):
        if t and s["reset_scope"] == "video" and recordings[t] != recordings[t - 1]:
            memory = Memory([[] for _ in weight], [[] for _ in weight])
        z, probs = unit(raw), softmax(head(weight, bias, raw))
        label = first_largest(probs)
        nats = entropy(probs)
        h = nats / math.log(n_classes) if s["entropy_unit"] == "fraction" else nats
        memory.history = [*memory.history, label][-s["window"] :]
        temporal = "temp" not in used or majority(memory.history) == label
        agree, wide = prototype_gate(s, prototype_scores(z, prototypes, s["proto_top_k"]), label)
        if "proto" not in used:
            agree = wide = True
        if "entropy" in used:
            confident, ambiguous = h < s["tau_pos"], s["tau_pos"] <= h < s["tau_neg"]
        else:
            confident, ambiguous = True, s["negative_without_entropy"]
        before = Memory([list(b) for b in memory.positive], [list(b) for b in memory.negative])
        wrote = ""
        if temporal and agree and confident:
            wrote = "positive"
            insert(memory.positive[label], Entry(nats, t, z), s["n_pos"])
        elif temporal and ambiguous and (wide if s["negative_gate"] == "margin" else agree):
            wrote = "negative"
            own = label if s["neg_class"] == "pred" else first_smallest(probs)
            insert(memory.negative[own], Entry(nats, t, z), s["n_neg"])
        seen = memory if s["write_order"] == "before" else before
        logits, size = final_logits(s, raw, weight, bias, prototypes, seen)
        held = [list(b) for b in memory.positive], [list(b) for b in memory.negative]
        answers.append(Answer(logits, size, wrote, *held))
    return answers


# --- before the stream: prototypes of source people (1.2), and whose are taken (1.3)
# ---------------------------------


def gaussian(rows: list[Vector]) -> tuple[Vector, Vector]:
    """Section 1.3: mean and population variance per dimension, ``v <- 0.95 v + 0.05``."""
    centre = mean(rows)
    variance = []
    for d in range(len(centre)):
        spread = sum((row[d] - centre[d]) ** 2 for row in rows) / len(rows)
        variance.append(0.95 * spread + 0.05)
    return centre, variance


def wasserstein(a: tuple[Vector, Vector], b: tuple[Vector, Vector]) -> float:
    """Section 1.3: squared 2-Wasserstein distance of two diagonal Gaussians."""
    total = 0.0
    for d in range(len(a[0])):
        total += (a[0][d] - b[0][d]) ** 2
        total += a[1][d] + b[1][d] - 2 * math.sqrt(max(a[1][d] * b[1][d], 1e-12))
    return total


def nearest_people(target: list[Vector], people: list[tuple[Vector, Vector]], n: int) -> list[int]:
    """Section 1.3: the ``n`` source people nearest to the target's unit rows, the nearest first."""
    own = gaussian([unit(row) for row in target])
    apart = [wasserstein(own, other) for other in people]
    return sorted(range(len(people)), key=lambda s: apart[s])[:n]


def dbscan(apart: list[list[float]], eps: float, min_samples: int) -> list[int]:
    """DBSCAN as first published: grow a cluster from each core point not yet in one; -1 is noise.

    A point counts as its own neighbour. A border point belongs to the first cluster that reaches
    it.
    """
    n = len(apart)
    near = [[j for j in range(n) if apart[i][j] <= eps] for i in range(n)]
    labels = [-1] * n
    cluster = 0
    for seed in range(n):
        if labels[seed] >= 0 or len(near[seed]) < min_samples:
            continue
        labels[seed] = cluster
        waiting = [seed]
        while waiting:
            i = waiting.pop()
            if len(near[i]) < min_samples:
                continue
            for j in near[i]:
                if labels[j] < 0:
                    labels[j] = cluster
                    waiting.append(j)
        cluster += 1
    return labels


def rand_index(a: Sequence[int], b: Sequence[int]) -> float:
    """Adjusted Rand index by counting pairs of points."""
    both = one = two = every = 0
    for i, j in combinations(range(len(a)), 2):
        every += 1
        both += a[i] == a[j] and b[i] == b[j]
        one += a[i] == a[j]
        two += b[i] == b[j]
    chance, most = one * two / every, (one + two) / 2
    return 1.0 if most == chance else (both - chance) / (most - chance)


def quantile(values: Sequence[float], q: float) -> float:
    """Between the two nearest of the sorted values, in proportion."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def stability(apart: list[list[float]], eps: float, m: int, seed: int) -> float:
    """Section 1.2: mean adjusted Rand index over all pairs of six bootstraps of 80 %, on at least 5
    shared points.
    """
    draws, n = np.random.RandomState(seed), len(apart)
    runs = []
    for _ in range(6):
        drawn = [int(i) for i in draws.choice(n, size=int(0.8 * n), replace=False)]
        labels = dbscan([[apart[i][j] for j in drawn] for i in drawn], eps, m)
        runs.append(dict(zip(drawn, labels, strict=True)))
    scores = []
    for one, two in combinations(runs, 2):
        shared = [i for i in one if i in two]
        if len(shared) >= 5:
            scores.append(rand_index([one[i] for i in shared], [two[i] for i in shared]))
    return sum(scores) / len(scores) if scores else 0.0


def nearest_to_mean(rows: list[Vector], members: list[int]) -> int:
    centre = mean([rows[i] for i in members])
    return members[first_smallest([distance(rows[i], centre) for i in members])]


def prototype_rows(features: list[Vector], seed: int) -> tuple[list[int], tuple[float, ...]]:
    """Section 1.2: which frames of one person and class are its prototypes, and by which
    clustering.

    The clustering is (eps, min_samples, score, validity, stability); empty where none was valid.
    """
    if not features:
        return [], ()
    rows = [unit(row) for row in features]
    n = len(rows)
    best: tuple[float, ...] = ()
    labels: list[int] = []
    if n >= 10:
        apart = [[distance(a, b) for b in rows] for a in rows]
        for m in (5, 10, 15):
            if n < max(m + 1, 10):
                continue
            reach = [sorted(row)[m - 1] for row in apart]
            for eps in sorted({quantile(reach, q) for q in (0.5, 0.6, 0.7, 0.8, 0.9)}):
                found = dbscan(apart, eps, m)
                clusters, noise = max(found) + 1, found.count(-1) / n
                if eps <= 1e-8 or clusters == 0 or noise > 0.95:
                    continue
                validity, steady = (
                    (1 - noise) * math.log(1 + clusters),
                    stability(apart, eps, m, seed),
                )
                score = validity + 0.5 * steady
                if not best or score > best[2]:
                    best, labels = (eps, m, score, validity, steady), found
    if not best:
        return [nearest_to_mean(rows, list(range(n)))], ()
    medoids = [
        nearest_to_mean(rows, [i for i in range(n) if labels[i] == c])
        for c in range(max(labels) + 1)
    ]
    return medoids, best
