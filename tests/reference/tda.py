"""TDA (Karmanov et al., CVPR 2024) and BoostAdapter (Zhang et al., NeurIPS 2024) in plain loops.

Sections "TDA" and "BoostAdapter" of the notes ``tta_cap.md``; ``DEFAULTS`` are the authors'
constants for ImageNet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from reference.plain import Vector, dot, entropy, first_largest, head, length, softmax, unit

DEFAULTS: dict[str, Any] = {
    "n_pos": 3,
    "alpha_pos": 2.0,
    "beta_pos": 5.0,
    "n_neg": 2,
    "alpha_neg": 0.117,
    "beta_neg": 1.0,
    "entropy_low": 0.2,
    "entropy_high": 0.5,
    "mask_low": 0.03,
    "mask_high": 1.0,
    "entropy_unit": "fraction",
    "alpha_unit": "scale",
}
BOOST = DEFAULTS | {"share": 0.1, "extra": 1}

#: (entropy, unit embedding), with the mask in the negative cache
Bucket = list[tuple[Any, ...]]


def keep(bucket: Bucket, entry: tuple[Any, ...], capacity: int) -> None:
    """The ``capacity`` entries of lowest entropy, the earlier of equals first."""
    bucket.append(entry)
    bucket.sort(key=lambda e: e[0])
    while len(bucket) > capacity:
        bucket.pop()


def share_of_clip_scale(s: Mapping[str, Any], weight: list[Vector], raw: Vector) -> float:
    """The alphas are made for ``100 cos``; by default they follow the length of the head's rows
    times the window's.
    """
    if s["alpha_unit"] == "released":
        return 1.0
    return sum(length(row) for row in weight) / len(weight) * length(raw) / 100


def with_caches(
    s: Mapping[str, Any],
    raw: Vector,
    weight: list[Vector],
    bias: Vector,
    positive: list[Bucket],
    negative: list[Bucket],
) -> Vector:
    """``logits + alpha_p sum exp(-beta_p (1 - cos)) onehot - alpha_n sum exp(-beta_n (1 - cos))
    mask``.
    """
    z, out = unit(raw), head(weight, bias, raw)
    share = share_of_clip_scale(s, weight, raw)
    for c, bucket in enumerate(positive):
        for entry in bucket:
            out[c] += share * s["alpha_pos"] * math.exp(-s["beta_pos"] * (1 - dot(z, entry[1])))
    for bucket in negative:
        for entry in bucket:
            push = math.exp(-s["beta_neg"] * (1 - dot(z, entry[1])))
            for c in range(len(weight)):
                out[c] -= share * s["alpha_neg"] * push * entry[2][c]
    return out


def ambiguous(s: Mapping[str, Any], probs: Vector) -> bool:
    """Entropy strictly inside the band; as a fraction of ``ln C``, or as released, nats over ``log2
    C``.
    """
    most = math.log(len(probs)) if s["entropy_unit"] == "fraction" else math.log2(len(probs))
    return bool(s["entropy_low"] < entropy(probs) / most < s["entropy_high"])


def masked(s: Mapping[str, Any], probs: Vector) -> Vector:
    """Which classes a negative entry pushes down: ``1[low < p < high]``."""
    return [1.0 if s["mask_low"] < p < s["mask_high"] else 0.0 for p in probs]


def run_tda(
    s: Mapping[str, Any], rows: list[Vector], weight: list[Vector], bias: Vector
) -> list[Vector]:
    """Logits of a stream. A window is written before it is looked up."""
    positive: list[Bucket] = [[] for _ in weight]
    negative: list[Bucket] = [[] for _ in weight]
    out = []
    for raw in rows:
        probs = softmax(head(weight, bias, raw))
        label = first_largest(probs)
        keep(positive[label], (entropy(probs), unit(raw)), s["n_pos"])
        if ambiguous(s, probs):
            keep(negative[label], (entropy(probs), unit(raw), masked(s, probs)), s["n_neg"])
        out.append(with_caches(s, raw, weight, bias, positive, negative))
    return out


def run_boost(
    s: Mapping[str, Any],
    rows: list[Vector],
    views: list[list[Vector]],
    weight: list[Vector],
    bias: Vector,
) -> list[Vector]:
    """TDA, whose positive cache is copied, widened and joined by the surest ``views`` of the
    window; negative: FIFO.
    """
    positive: list[Bucket] = [[] for _ in weight]
    negative: list[Bucket] = [[] for _ in weight]
    out = []
    for raw, own in zip(rows, views, strict=True):
        probs = softmax(head(weight, bias, raw))
        label = first_largest(probs)
        keep(positive[label], (entropy(probs), unit(raw)), s["n_pos"])
        if ambiguous(s, probs):
            negative[label].append((entropy(probs), unit(raw), masked(s, probs)))
            if len(negative[label]) > s["n_neg"]:
                negative[label].pop(0)
        boosted = [list(bucket) for bucket in positive]
        if len(own) > 1:
            said = [softmax(head(weight, bias, view)) for view in own]
            surest = sorted(range(len(own)), key=lambda i: entropy(said[i]))
            for i in surest[: max(1, int(s["share"] * len(own)))]:
                entry = (entropy(said[i]), unit(own[i]))
                keep(boosted[first_largest(said[i])], entry, s["n_pos"] + s["extra"])
        out.append(with_caches(s, raw, weight, bias, boosted, negative))
    return out
