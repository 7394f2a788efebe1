"""What moved a fusion model's score: exact parts, spans per modality and per conflict, and the span
it would cite.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from twomind.core.numbers import softmax
from twomind.models.fusion.heads import Conflict
from twomind.models.fusion.net import FusionNet
from twomind.models.fusion.run import Rows, Runner
from twomind.types import Evidence

#: Length over which a term must stand out to be named, in seconds; how many spans are named at
#: most; the smallest.
SPAN_S, MAX_SPANS, SMALLEST = 1.6, 12, 0.01


def _linear(net: FusionNet) -> tuple[np.ndarray, np.ndarray]:
    weight, bias = net.linear()
    return weight.detach().double().numpy(), bias.detach().double().numpy()


def contributions(
    net: FusionNet, runner: Runner, reference: Mapping[str, Any] | None, k: int
) -> dict[str, float]:
    """Parts of the log-odds of class ``k`` against the first: they add up to the
    (uncalibrated-prevalence) score.

    ``content`` and ``question`` are relative to the training recordings' mean, which ``baseline``
    holds.
    """
    weight, bias = _linear(net)
    d = len(runner.pooled)
    content = weight[:, :d] @ runner.pooled
    question = weight[:, d + runner.question]
    mean = {
        n: np.asarray((reference or {}).get(n, np.zeros(len(bias))), float)
        for n in ("content", "question")
    }

    def odds(v: np.ndarray) -> float:
        return float(v[k] - v[0])

    return {
        "baseline": odds(bias + mean["content"] + mean["question"]),
        "question": odds(question - mean["question"]),
        "content": odds(content - mean["content"]),
    }


def _row_weights(rows: Rows) -> np.ndarray:
    if not len(rows.log_weight):
        return rows.log_weight
    return softmax(rows.log_weight)


def evidence_spans(net: FusionNet, rows: Rows, runner: Runner, k: int) -> list[Evidence]:
    """Where each group of terms moved the score most, strongest first.

    A conflict model names its groups (own, conflict within, conflict and agreement between two
    modalities); of another model only the whole can be told. Values are log-odds against the
    recording's own mean of that group.
    """
    if not len(rows.times_s):
        return []
    weight, _ = _linear(net)
    direction = weight[k, : rows.z.shape[1]] - weight[0, : rows.z.shape[1]]
    groups = [("together", "", slice(0, rows.z.shape[1]))]
    if isinstance(net.head, Conflict):
        groups = [g for g in net.head.groups if g[0] != "present"]
    share = _row_weights(rows)
    hop_s = net.recipe.hop_s
    found = []
    for kind, name, cut in groups:
        level = rows.z[:, cut] @ direction[cut]
        found += [
            Evidence(kind, name or "all modalities", value, "log-odds", a, b)
            for a, b, value in _peaks(share * (level - share @ level), rows, hop_s)
        ]
    found.sort(key=lambda e: -abs(e.value))
    return [e for e in found[:MAX_SPANS] if abs(e.value) >= SMALLEST]


def _peaks(moved: np.ndarray, rows: Rows, hop_s: float) -> list[tuple[float, float, float]]:
    """The strongest span up and the strongest span down, ``(start_s, end_s, sum)``, around where
    they stand out.
    """
    n = max(min(round(SPAN_S / hop_s), len(moved)), 1)
    sums = np.convolve(moved, np.ones(n), "valid")
    found = []
    for sign in (1, -1):
        at = int(np.argmax(sign * sums))
        value = float(sums[at])
        if sign * value > 0 and rows.valid[at : at + n].any():
            found.append((float(rows.times_s[at]), float(rows.times_s[at + n - 1]) + hop_s, value))
    return found


def cited(net: FusionNet, rows: Rows, width_s: float) -> tuple[float, float]:
    """The span of ``width_s`` whose rows raised the video score most above the rest of the
    recording.
    """
    if not len(rows.times_s):
        return float("nan"), float("nan")
    weight, _ = _linear(net)
    d = rows.z.shape[1]
    level = rows.z @ (
        weight[1:, :d].max(axis=0) - weight[0, :d]
        if len(weight) > 2
        else weight[1, :d] - weight[0, :d]
    )
    share = _row_weights(rows)
    n = max(min(round(width_s / net.recipe.hop_s), len(level)), 1)
    at = int(np.argmax(np.convolve(share * (level - level.mean()), np.ones(n), "valid")))
    return float(rows.times_s[at]), float(rows.times_s[at + n - 1]) + net.recipe.hop_s
