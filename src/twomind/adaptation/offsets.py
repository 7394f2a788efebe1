"""A person's offset: how much more, or less, one person is coded with a class than the source model
says.

``logits + b`` with ``b ~ N(0, sd**2)`` on the log-odds between two classes: a random intercept per
person. The source model was fitted over people, so its log-odds are already flattened by how people
differ (MacKay 1992: by ``sqrt(1 + pi * variance / 8)``). Hence, with ``v`` the variance of ``b``
that is left after ``k`` coded answers::

    log-odds = (stretch(sd**2) * log-odds of the source + b) / stretch(v)

With no coded answer ``b = 0`` and ``v = sd**2``: exactly the source. With many, ``v`` goes to 0:
the person's own. numpy only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from twomind.adaptation.losses import softmax

#: Standard deviation of the log-odds between people when nothing was measured on source people.
#: Stated, not fitted; the fitted value on the public BAH answers is in docs/profile.md.
DEFAULT_SD = 1.0
#: No offset is fitted beyond this spread: a few separable people would drive it to infinity.
_MAX_SD = 3.0
_NEWTON_STEPS = 50


@dataclass(frozen=True)
class Offset:
    """What is known of a person: ``shift (C,)`` summing to 0, ``variance`` left in a log-odds, from
    ``n`` answers.
    """

    shift: np.ndarray
    variance: float
    n: int


def stretch(variance: float) -> float:
    """By how much averaging over a spread of log-odds flattens them (MacKay's approximation)."""
    return math.sqrt(1 + math.pi * variance / 8)


def estimate(logits: np.ndarray, y: np.ndarray, sd: float) -> Offset:
    """The most probable offset given coded answers: source ``logits (k, C)``, labels ``y (k,)``,
    prior ``sd``.

    Newton's method on a strictly convex loss; ``variance`` is that of the Laplace approximation,
    the mean over pairs of classes.
    """
    k, n_classes = logits.shape
    if k == 0 or sd <= 0:
        return Offset(np.zeros(n_classes), sd * sd, k)
    steep = stretch(sd * sd) * np.asarray(logits, float)
    target = np.eye(n_classes)[np.asarray(y, int)]
    # Each class carries half of the variance, so that a difference of two has all of it; the sum
    # stays zero by itself.
    weight = 2.0 / (sd * sd)
    b = np.zeros(n_classes)

    def loss(b: np.ndarray) -> float:
        z = steep + b
        return float(
            (np.logaddexp.reduce(z, axis=1) - (z * target).sum(axis=1)).sum() + weight * (b @ b) / 2
        )

    hessian = np.eye(n_classes)
    for _ in range(_NEWTON_STEPS):
        p = softmax(steep + b)
        gradient = (p - target).sum(axis=0) + weight * b
        hessian = np.diag(p.sum(axis=0)) - p.T @ p + weight * np.eye(n_classes)
        step = np.linalg.solve(hessian, gradient)
        size, now = 1.0, loss(b)
        while size > 1e-6 and loss(b - size * step) > now:
            size /= 2
        b = b - size * step
        if float(np.abs(step).max()) < 1e-10:
            break
    covariance = np.linalg.inv(hessian)
    pairs = [(i, j) for i in range(n_classes) for j in range(i)]
    variance = float(
        np.mean([covariance[i, i] + covariance[j, j] - 2 * covariance[i, j] for i, j in pairs])
    )
    return Offset(b - b.mean(), variance, k)


def apply(logits: np.ndarray, offset: Offset, sd: float) -> np.ndarray:
    """Log-odds of one answer ``(C,)`` for this person, averaged over what is not known of them."""
    z = stretch(sd * sd) * np.asarray(logits, float) + offset.shift
    return np.asarray(z / stretch(offset.variance))


def fit_sd(logits: np.ndarray, y: np.ndarray, subject: np.ndarray, n_nodes: int = 31) -> float:
    """The spread between source people under which their labels are likeliest (empirical Bayes);
    two classes.

    ``logits (N, 2)`` must come from models that never saw the person (out of fold), ``y (N,)``,
    ``subject (N,)``. The offset of each person is integrated out by Gauss-Hermite quadrature; 0
    when people do not differ.

    Raises:
        ValueError: not two classes, or lengths that differ.
    """
    logits, y = np.asarray(logits, float), np.asarray(y, int)
    if logits.ndim != 2 or logits.shape[1] != 2 or len(y) != len(logits) or len(subject) != len(y):
        raise ValueError(
            f"fit_sd: expected logits (N, 2), y (N,), subject (N,), got {logits.shape}, {y.shape}"
        )
    from scipy.optimize import minimize_scalar

    nodes, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    log_weights = np.log(weights / weights.sum())
    difference, sign = logits[:, 1] - logits[:, 0], 2.0 * y - 1
    people, index = np.unique(subject, return_inverse=True)

    def loss(sd: float) -> float:
        z = sign[:, None] * (stretch(sd * sd) * difference[:, None] + sd * nodes)
        each = np.zeros((len(people), n_nodes))
        np.add.at(each, index, -np.logaddexp(0, -z))
        return -float(np.logaddexp.reduce(each + log_weights, axis=1).sum())

    found = minimize_scalar(loss, bounds=(0.0, _MAX_SD), method="bounded", options={"xatol": 1e-4})
    return float(found.x) if found.fun < loss(0.0) else 0.0
