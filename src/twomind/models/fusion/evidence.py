"""What moved a fusion model's score: exact parts, spans per modality and per conflict, and the span
it would cite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from twomind.core.numbers import softmax
from twomind.models.fusion.heads import Conflict, Group
from twomind.models.fusion.net import FusionNet
from twomind.models.fusion.run import Rows, Runner
from twomind.types import Evidence

#: Length over which a term must stand out to be named, in seconds.
SPAN_S = 1.6
#: How many spans are named at most.
MAX_SPANS = 12
#: The smallest that is named, in log-odds.
SMALLEST = 0.01


@dataclass(frozen=True)
class _Linear:
    """The video score's weights in double precision: of ``z (C, D)``, of the question ``(C, Q)``,
    and the bias ``(C,)``.
    """

    content: np.ndarray
    question: np.ndarray
    bias: np.ndarray


def _linear(net: FusionNet) -> _Linear:
    weight, bias = net.linear()
    numbers = weight.detach().double().numpy()
    d = net.head.width
    content = numbers[:, :d]
    question = numbers[:, d:]
    bias_numbers = bias.detach().double().numpy()
    return _Linear(content, question, bias_numbers)


def contributions(
    net: FusionNet, runner: Runner, reference: Mapping[str, Any] | None, k: int
) -> dict[str, float]:
    """Parts of the log-odds of class ``k`` against the first: they add up to the
    (uncalibrated-prevalence) score.

    ``content`` and ``question`` are relative to the training recordings' mean, which ``baseline``
    holds.

    Args:
        net: The network.
        runner: At the end of the recording.
        reference: The training recordings' mean ``content`` and ``question``, ``(C,)`` each;
            None: zero.
        k: Index of the class.
    """
    linear = _linear(net)
    content = linear.content @ runner.pooled
    question = linear.question[:, runner.question]
    mean_content = _mean(reference, "content", linear.bias)
    mean_question = _mean(reference, "question", linear.bias)

    def odds(v: np.ndarray) -> float:
        return float(v[k] - v[0])

    baseline = linear.bias + mean_content + mean_question
    return {
        "baseline": odds(baseline),
        "question": odds(question - mean_question),
        "content": odds(content - mean_content),
    }


def _mean(reference: Mapping[str, Any] | None, name: str, like: np.ndarray) -> np.ndarray:
    if reference is None or name not in reference:
        return np.zeros(len(like))
    return np.asarray(reference[name], float)


def _row_weights(rows: Rows) -> np.ndarray:
    """Share of every row in the video score."""
    if not len(rows.log_weight):
        return rows.log_weight
    return softmax(rows.log_weight)


def evidence_spans(net: FusionNet, rows: Rows, runner: Runner, k: int) -> list[Evidence]:
    """Where each group of terms moved the score most, strongest first.

    A conflict model names its groups (own, conflict within, conflict and agreement between two
    modalities); of another model only the whole can be told. Values are log-odds against the
    recording's own mean of that group.

    Args:
        net: The network.
        rows: Its rows of the whole recording.
        runner: At the end of the recording.
        k: Index of the class.
    """
    if not len(rows.times_s):
        return []
    weight = _linear(net).content
    direction = weight[k] - weight[0]
    share = _row_weights(rows)
    hop_s = net.recipe.hop_s
    found = []
    for group in _groups(net):
        terms = rows.z[:, group.at]
        level = terms @ direction[group.at]
        mean = share @ level
        moved = share * (level - mean)
        name = group.name or "all modalities"
        for start_s, end_s, value in _peaks(moved, rows, hop_s):
            evidence = Evidence(group.kind, name, value, "log-odds", start_s, end_s)
            found.append(evidence)
    found.sort(key=lambda e: -abs(e.value))
    strongest = found[:MAX_SPANS]
    return [e for e in strongest if abs(e.value) >= SMALLEST]


def _groups(net: FusionNet) -> list[Group]:
    if isinstance(net.head, Conflict):
        return [group for group in net.head.groups if group.kind != "present"]
    return [Group("together", "", slice(0, net.head.width))]


def _window_sums(values: np.ndarray, width_s: float, hop_s: float) -> tuple[np.ndarray, int]:
    """Sums over every window of ``width_s``, and how many rows a window has."""
    n = min(round(width_s / hop_s), len(values))
    n = max(n, 1)
    sums = np.convolve(values, np.ones(n), "valid")
    return sums, n


def _span(rows: Rows, first: int, n: int, hop_s: float) -> tuple[float, float]:
    """Start and end of ``n`` rows in seconds."""
    start_s = float(rows.times_s[first])
    last = first + n - 1
    last_s = float(rows.times_s[last])
    return start_s, last_s + hop_s


def _peaks(moved: np.ndarray, rows: Rows, hop_s: float) -> list[tuple[float, float, float]]:
    """The strongest span up and the strongest span down, ``(start_s, end_s, sum)``, around where
    they stand out.
    """
    sums, n = _window_sums(moved, SPAN_S, hop_s)
    found = []
    for sign in (1, -1):
        at = int(np.argmax(sign * sums))
        value = float(sums[at])
        valid = rows.valid[at : at + n]
        if sign * value > 0 and valid.any():
            start_s, end_s = _span(rows, at, n, hop_s)
            found.append((start_s, end_s, value))
    return found


def cited(net: FusionNet, rows: Rows, width_s: float) -> tuple[float, float]:
    """The span of ``width_s`` whose rows raised the video score most above the rest of the
    recording.

    Args:
        net: The network.
        rows: Its rows of the whole recording.
        width_s: Length of the span in seconds.
    """
    if not len(rows.times_s):
        return float("nan"), float("nan")
    weight = _linear(net).content
    others = weight[1:].max(axis=0)
    level = rows.z @ (others - weight[0])
    share = _row_weights(rows)
    moved = share * (level - level.mean())
    hop_s = net.recipe.hop_s
    sums, n = _window_sums(moved, width_s, hop_s)
    strongest = int(np.argmax(sums))
    return _span(rows, strongest, n, hop_s)
