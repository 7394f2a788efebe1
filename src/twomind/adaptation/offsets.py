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
from twomind.types.plain import Array

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

    shift: Array
    variance: float
    n: int


def stretch(variance: float) -> float:
    """By how much averaging over a spread of log-odds flattens them (MacKay's approximation)."""
    return math.sqrt(1 + math.pi * variance / 8)


def estimate(logits: Array, y: Array, sd: float) -> Offset:
    """The most probable offset given coded answers.

    Newton's method on a strictly convex loss; the variance is that of the Laplace approximation,
    the mean over pairs of classes.

    Args:
        logits: of the source ``(k, C)``.
        y: the coded classes ``(k,)``.
        sd: standard deviation of the log-odds between people.
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

    def loss(b: Array) -> float:
        z = steep + b
        surprise = np.logaddexp.reduce(z, axis=1) - (z * target).sum(axis=1)
        return float(surprise.sum() + weight * (b @ b) / 2)

    hessian = np.eye(n_classes)
    for _ in range(_NEWTON_STEPS):
        p = softmax(steep + b)
        gradient = (p - target).sum(axis=0) + weight * b
        hessian = np.diag(p.sum(axis=0)) - p.T @ p + weight * np.eye(n_classes)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        now = loss(b)
        while size > 1e-6 and loss(b - size * step) > now:
            size /= 2
        b = b - size * step
        if float(np.abs(step).max()) < 1e-10:
            break
    return Offset(b - b.mean(), _mean_variance(np.linalg.inv(hessian)), k)


def _mean_variance(covariance: Array) -> float:
    """Variance of the difference of two classes, the mean over all pairs, of ``(C, C)``."""
    found = []
    for i in range(len(covariance)):
        for j in range(i):
            both = covariance[i, i] + covariance[j, j]
            found.append(both - 2 * covariance[i, j])
    return float(np.mean(found))


def apply(logits: Array, offset: Offset, sd: float) -> Array:
    """One answer for this person, averaged over what is not known of them.

    Args:
        logits: of the source ``(C,)``.
        offset: what is known of the person.
        sd: standard deviation of the log-odds between people.

    Returns:
        Log-odds ``(C,)``.
    """
    z = stretch(sd * sd) * np.asarray(logits, float) + offset.shift
    return np.asarray(z / stretch(offset.variance))


def fit_sd(logits: Array, y: Array, subject: Array, n_nodes: int = 31) -> float:
    """The spread between source people under which their labels are likeliest (empirical Bayes);
    two classes.

    The offset of each person is integrated out by Gauss-Hermite quadrature.

    Args:
        logits: ``(N, 2)`` of models that never saw the person (out of fold).
        y: the coded classes ``(N,)``.
        subject: the person of each ``(N,)``.
        n_nodes: of the quadrature.

    Returns:
        A standard deviation of log-odds; 0 when people do not differ.

    Raises:
        ValueError: not two classes, or lengths that differ.
    """
    logits = np.asarray(logits, float)
    y = np.asarray(y, int)
    two_classes = logits.ndim == 2 and logits.shape[1] == 2
    if not two_classes or len(y) != len(logits) or len(subject) != len(y):
        raise ValueError(
            f"fit_sd: expected logits (N, 2), y (N,), subject (N,), got {logits.shape}, {y.shape}"
        )
    from scipy.optimize import minimize_scalar

    nodes, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    log_weights = np.log(weights / weights.sum())
    difference = logits[:, 1] - logits[:, 0]
    sign = 2.0 * y - 1
    people, index = np.unique(subject, return_inverse=True)

    def loss(sd: float) -> float:
        log_odds = stretch(sd * sd) * difference[:, None] + sd * nodes
        z = sign[:, None] * log_odds
        each = np.zeros((len(people), n_nodes))
        np.add.at(each, index, -np.logaddexp(0, -z))
        of_people = np.logaddexp.reduce(each + log_weights, axis=1)
        return -float(of_people.sum())

    bounds = (0.0, _MAX_SD)
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return float(found.x) if found.fun < loss(0.0) else 0.0
