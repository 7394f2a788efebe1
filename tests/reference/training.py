"""Training once more, slowly: the loop, its losses and figures, calibration, and CLIP-AU's forward
pass, in float64.

Written from ``docs/fusion.md``, the docstrings of the library and the papers they cite: AdamW
(Loshchilov & Hutter 2019), Nesterov momentum as torch states it, focal loss (Lin et al. 2017),
CLIP-AU (arXiv 2603.27999).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

# --- the loop
# --------------------------------------------------------------------------------------------------------


def learning_rate(optimiser: str, peak: float, epochs: int, n_steps: int, step: int) -> float:
    """Of the ``step``-th step of the training (from 0). It rises over the first tenth, then falls
    as half a cosine.

    At the end 2 % of the peak is left. With "sgd" it is constant.
    """
    if optimiser == "sgd":
        return peak
    total = epochs * n_steps
    rising = max(total // 10, 1)
    if step < rising:
        return peak * (step + 1) / rising
    done = (step - rising) / max(total - rising, 1)
    return peak * (0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2)


def clipped(gradient: np.ndarray, most: float) -> np.ndarray:
    """A gradient cut to the norm ``most``."""
    norm = math.sqrt(sum(g * g for g in gradient))
    return gradient * (most / norm) if norm > most else gradient


class AdamW:
    """Adam with decoupled weight decay: .9, .999, 1e-8."""

    def __init__(self, decay: float) -> None:
        self.decay, self.first, self.second, self.n = decay, 0.0, 0.0, 0

    def step(self, b: np.ndarray, gradient: np.ndarray, rate: float) -> np.ndarray:
        self.n += 1
        self.first = 0.9 * self.first + 0.1 * gradient
        self.second = 0.999 * self.second + 0.001 * gradient**2
        mean, square = self.first / (1 - 0.9**self.n), self.second / (1 - 0.999**self.n)
        return b - rate * self.decay * b - rate * mean / (np.sqrt(square) + 1e-8)


class Nesterov:
    """Stochastic gradient descent with Nesterov momentum .9; the weight decay is at most 1e-4."""

    def __init__(self, decay: float) -> None:
        self.decay, self.speed = min(decay, 1e-4), 0.0

    def step(self, b: np.ndarray, gradient: np.ndarray, rate: float) -> np.ndarray:
        gradient = gradient + self.decay * b
        self.speed = 0.9 * self.speed + gradient
        return b - rate * (gradient + 0.9 * self.speed)


def stopping(
    figures: Sequence[float], epochs: int, patience: int, smooth: int, warm: int
) -> tuple[int, int, float]:
    """How many epochs are run, the epoch that is kept, and its figure.

    What decides is the mean of the last ``smooth`` figures, epochs of the warm-up (the first
    ``warm``) left out. It stops once ``patience`` epochs after the best one (or after the warm-up)
    brought nothing better.
    """
    best, kept = -math.inf, -1
    for epoch in range(epochs):
        if epoch >= warm:
            recent = [figures[e] for e in range(warm, epoch + 1) if e > epoch - smooth]
            mean = sum(recent) / len(recent)
            if mean > best:
                best, kept = mean, epoch
        without_gain = epoch - max(kept, warm)
        if without_gain >= patience:
            return epoch + 1, kept, best
    return epochs, kept, best


# --- losses and figures
# ----------------------------------------------------------------------------------------------


def softmax(logits: Sequence[float]) -> list[float]:
    top = max(logits)
    powers = [math.exp(s - top) for s in logits]
    return [p / sum(powers) for p in powers]


def class_weights(labels: Sequence[int], n_classes: int) -> list[float]:
    """Inverse frequency, with mean 1 over the items."""
    raw = []
    for c in range(n_classes):
        n = sum(1 for y in labels if y == c)
        raw.append(1 / n if n else 0.0)
    mean = sum(raw[y] for y in labels) / len(labels)
    return [r / mean for r in raw]


def cross_entropy(
    logits: Sequence[Sequence[float]],
    labels: Sequence[int],
    weights: Sequence[float],
    gamma: float = 0.0,
) -> float:
    """Weighted mean of ``-(1 - p)**gamma * log p`` of the true class; 0 without items."""
    total, mass = 0.0, 0.0
    for row, y in zip(logits, labels, strict=True):
        p = softmax(row)[y]
        total += weights[y] * -math.log(p) * ((1 - p) ** gamma if gamma else 1.0)
        mass += weights[y]
    return total / mass if mass else 0.0


def average_precision(labels: Sequence[int], scores: Sequence[float]) -> float:
    """Sum over falling thresholds of (gain in recall) times precision; nan when a class
    is missing.
    """
    n_positive = sum(1 for y in labels if y == 1)
    if n_positive in (0, len(labels)):
        return math.nan
    area, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        said = [y for y, s in zip(labels, scores, strict=True) if s >= threshold]
        recall, precision = sum(said) / n_positive, sum(said) / len(said)
        area += (recall - before) * precision
        before = recall
    return area


def f1(labels: Sequence[int], said: Sequence[int], c: int) -> float | None:
    """F1 of one class; None when it neither occurs nor is said."""
    hit = sum(1 for y, s in zip(labels, said, strict=True) if y == c and s == c)
    true, told = sum(1 for y in labels if y == c), sum(1 for s in said if s == c)
    return 2 * hit / (true + told) if true + told else None


def macro_f1(labels: Sequence[int], said: Sequence[int], n_classes: int) -> float:
    """Mean of the classes' F1; a class that nowhere occurs has 0."""
    return sum(f1(labels, said, c) or 0.0 for c in range(n_classes)) / n_classes


def rates(labels: Sequence[int], said: Sequence[int], n_classes: int) -> tuple[float, float, float]:
    """Accuracy, mean recall over classes that occur, and macro-F1 over classes that occur or are
    said.
    """
    right = sum(1 for y, s in zip(labels, said, strict=True) if y == s) / len(labels)
    recalls = []
    for c in range(n_classes):
        of_class = [s for y, s in zip(labels, said, strict=True) if y == c]
        if of_class:
            recalls.append(sum(1 for s in of_class if s == c) / len(of_class))
    f1s = [found for c in range(n_classes) if (found := f1(labels, said, c)) is not None]
    return right, sum(recalls) / len(recalls), sum(f1s) / len(f1s)


def fusion_loss(
    rows: np.ndarray,
    video: np.ndarray,
    frame_y: np.ndarray,
    y: Sequence[int],
    weights: tuple[Sequence[float], Sequence[float]],
    gamma: float = 0.0,
    shares: tuple[float, float] = (1.0, 0.3),
) -> float:
    """Cross entropy of coded rows and of labelled recordings. ``rows (B, T, C)``, ``frame_y (B,
    T)``; -1: no label.
    """
    coded = [
        (b, t)
        for b in range(frame_y.shape[0])
        for t in range(frame_y.shape[1])
        if frame_y[b, t] >= 0
    ]
    known = [b for b in range(len(y)) if y[b] >= 0]
    of_rows = cross_entropy(
        [rows[at] for at in coded], [int(frame_y[at]) for at in coded], weights[0], gamma
    )
    of_videos = cross_entropy(
        [video[b] for b in known], [int(y[b]) for b in known], weights[1], gamma
    )
    return shares[0] * of_rows + shares[1] * of_videos


# --- calibration
# -----------------------------------------------------------------------------------------------------


def lowest(loss: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one valley is lowest: thirds of the interval, again and again."""
    for _ in range(60):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        if loss(a) < loss(b):
            high = b
        else:
            low = a
    return (low + high) / 2


def log_loss(labels: Sequence[int], logits: Sequence[float]) -> float:
    """Mean negative log-likelihood of labels 0 and 1 under log-odds."""
    total = 0.0
    for y, s in zip(labels, logits, strict=True):
        total -= math.log(softmax([0.0, s])[y])
    return total / len(labels)


def log_prior(labels: Sequence[int], n_classes: int) -> np.ndarray:
    """Logarithm of each class's share, one imagined item of each class added."""
    return np.array(
        [
            math.log((sum(1 for y in labels if y == c) + 1) / (len(labels) + n_classes))
            for c in range(n_classes)
        ]
    )


def tempered(
    logits: np.ndarray, slope: float, prior: np.ndarray, class_weight: Sequence[float]
) -> np.ndarray:
    """Class weights taken out of logits ``(N, C)``, then what is left beside the prior times
    ``slope``.
    """
    y = np.zeros_like(logits)
    for i in range(len(logits)):
        for c in range(logits.shape[1]):
            y[i, c] = prior[c] + slope * (logits[i, c] - math.log(class_weight[c]) - prior[c])
    return y


def risk_curve(
    labels: Sequence[int], p: Sequence[float], least: int
) -> list[tuple[float, float, float]]:
    """(half-width, coverage, error) of zones around 0.5 in steps of .01, while ``least`` answers
    are decided.
    """
    found = []
    for step in range(50):
        decided = [(y, v) for y, v in zip(labels, p, strict=True) if abs(v - 0.5) >= step / 100]
        if len(decided) < least:
            break
        wrong = sum(1 for y, v in decided if (v > 0.5) != (y == 1))
        found.append((step / 100, len(decided) / len(labels), wrong / len(decided)))
    return found


def shifted(p: float, new: float, trained: float) -> float:
    """A probability under another prevalence, by Bayes' rule: only the share of the classes
    changes.
    """
    present, absent = p / trained * new, (1 - p) / (1 - trained) * (1 - new)
    return present / (present + absent)


# --- CLIP-AU
# ---------------------------------------------------------------------------------------------------------


def gelu(x: float) -> float:
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


def unit(x: np.ndarray) -> np.ndarray:
    return x / math.sqrt(sum(v * v for v in x))


def linear(w: Mapping[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    return w[f"{name}.weight"] @ x + w[f"{name}.bias"]


def clip_row(w: Mapping[str, np.ndarray], frames: np.ndarray) -> np.ndarray:
    """One clip ``(t, D)``: three taps over time with zeros around, GELU, mean over time,
    length 1.
    """
    total = np.zeros(frames.shape[1])
    for t in range(len(frames)):
        y = w["temporal.bias"].copy()
        for tap in range(3):
            at = t + tap - 1
            if 0 <= at < len(frames):
                y = y + w["temporal.weight"][:, :, tap] @ frames[at]
        total = total + np.array([gelu(v) for v in y])
    return unit(total / len(frames))


def clip_cosines(w: Mapping[str, np.ndarray], frames: np.ndarray) -> np.ndarray:
    """Cosine of one clip with every phrase, whose features went through the adapter."""
    row, found = clip_row(w, frames), []
    for features in w["phrases.features"]:
        phrase = linear(w, "text_adapter.2", np.maximum(linear(w, "text_adapter.0", features), 0))
        found.append(row @ unit(phrase))
    return np.array(found)


def clip_logits(w: Mapping[str, np.ndarray], frames: np.ndarray) -> np.ndarray:
    """Five times the cosines are all that the classifier reads."""
    h = np.maximum(linear(w, "temporal_classifier.0", 5.0 * clip_cosines(w, frames)), 0)
    return linear(w, "temporal_classifier.2", h)
