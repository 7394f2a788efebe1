"""How far apart two sets of rows lie: MK-MMD and its class-aware forms, CORAL, linear MMD. torch,
differentiable.

The multi-kernel MMD is the one of the subject-based adaptation code: five Gaussian kernels whose
widths double, around a width taken from the data. Kernels are summed, not averaged, so values are
five times those of an averaged kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twomind.core.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Kernels:
    """Widths of the Gaussian kernels: ``exp(-d² / (b · factor^i))`` for ``i`` below ``n``, summed.

    ``b`` is ``width / factor^(n // 2)``; ``width`` is the mean (or median) squared distance between
    two different rows, or a number. ``eps`` keeps rows that all coincide from dividing by zero; the
    released code has none and answers nan.
    """

    n: int = 5
    factor: float = 2.0
    width: str | float = "mean"
    eps: float = 1e-12

    def __post_init__(self) -> None:
        if self.n < 1 or not self.factor > 0:
            raise BadInput(
                f"kernels: expected n >= 1 and factor > 0, got n={self.n}, factor={self.factor}"
            )
        if isinstance(self.width, str):
            known = self.width in ("mean", "median")
        else:
            known = self.width > 0
        if not known:
            raise BadInput(
                f"kernels: expected width mean, median or a number above 0, got {self.width!r}"
            )


PUBLISHED = Kernels()


def squared_distances(z: Tensor) -> Tensor:
    """``|z_a - z_b|²`` of rows ``(N, D)`` → ``(N, N)``, in O(N²) memory; the diagonal is
    exactly 0.
    """
    import torch

    z = z - z.mean(0).detach()  # distances stay, cancellation in single precision shrinks
    length = (z * z).sum(1)
    found = length[:, None] + length[None] - 2 * z @ z.T
    diagonal = torch.eye(len(z), dtype=z.dtype, device=z.device)
    return found.clamp_min(0) * (1 - diagonal)


def base_width(distances: Tensor, kernels: Kernels = PUBLISHED) -> Tensor:
    """The narrowest kernel's width ``b``, without a gradient."""
    import torch

    n = len(distances)
    constant = distances.detach()
    if not isinstance(kernels.width, str):
        width = distances.new_tensor(float(kernels.width))
    elif kernels.width == "mean":
        width = constant.sum() / max(n * n - n, 1)
    else:
        diagonal = torch.eye(n, dtype=torch.bool, device=distances.device)
        width = constant[~diagonal].median()
    steps_down = kernels.n // 2
    return width / kernels.factor**steps_down + kernels.eps


def kernel(z: Tensor, kernels: Kernels = PUBLISHED) -> Tensor:
    """Sum of the Gaussian kernels of all rows ``(N, D)`` with each other → ``(N, N)``."""
    distances = squared_distances(z)
    b = base_width(distances, kernels)
    total = (-distances / b).exp()
    for i in range(1, kernels.n):
        width = b * kernels.factor**i
        total = total + (-distances / width).exp()
    return total


def _between(k: Tensor, own: Tensor, other: Tensor) -> Tensor:
    """``|sum own φ(x) - sum other φ(y)|²`` with weights ``(n,)`` and ``(m,)`` of the stacked rows
    behind ``k``.
    """
    n = len(own)
    among_own = own @ k[:n, :n] @ own
    among_others = other @ k[n:, n:] @ other
    across = own @ k[:n, n:] @ other
    return among_own + among_others - 2 * across


def _pair(x: Tensor, y: Tensor) -> Tensor:
    """Both sets of rows, one below the other."""
    import torch

    are_rows = x.ndim == 2 and y.ndim == 2
    if not are_rows or x.shape[1] != y.shape[1] or not len(x) or not len(y):
        raise BadInput(
            f"expected two sets of rows (n, D) and (m, D), got {tuple(x.shape)} and "
            f"{tuple(y.shape)}"
        )
    return torch.cat([x, y])


def mk_mmd(x: Tensor, y: Tensor, kernels: Kernels = PUBLISHED, estimator: str = "biased") -> Tensor:
    """Squared multi-kernel MMD between two sets of rows.

    Args:
        x: rows ``(n, D)``.
        y: rows ``(m, D)``.
        kernels: the widths.
        estimator: ``biased`` keeps the diagonals (as released; never negative); ``unbiased`` leaves
            them out, and needs two rows each.

    Raises:
        BadInput: the sets do not fit, or the estimator is unknown.
    """
    k = kernel(_pair(x, y), kernels)
    n = len(x)
    m = len(y)
    if estimator == "biased":
        own_share = k.new_full((n,), 1 / n)
        other_share = k.new_full((m,), 1 / m)
        return _between(k, own_share, other_share)
    if estimator != "unbiased":
        raise BadInput(f"estimator: expected biased or unbiased, got {estimator!r}")
    if n < 2 or m < 2:
        raise BadInput(f"the unbiased MMD needs two rows on each side, got {n} and {m}")
    across = k[:n, n:].mean()
    return _mean_of_pairs(k[:n, :n]) + _mean_of_pairs(k[n:, n:]) - 2 * across


def _mean_of_pairs(k: Tensor) -> Tensor:
    """Mean of ``(n, n)`` without its diagonal."""
    n = len(k)
    total = k.sum() - k.diagonal().sum()
    return total / (n * n - n)


def bank_mmd(x: Tensor, y: Tensor, eps: float = 1e-7) -> Tensor:
    """Squared MMD of ``(n, D)`` and ``(m, D)`` with a fixed bank of 33 kernels, as skada's DAN
    loss; biased, summed.

    ``exp(-d / (w 2^(i/2 - 8)))`` for ``i`` below 33: the range and step of the widths of Long et
    al. (ICML 2015). As in skada, and unlike that paper, ``d`` is the distance and not its square,
    and ``w`` the median over all pairs of ``x`` (a row with itself included) plus ``eps``, through
    which the gradient goes: shrinking all rows brings nothing.
    """
    import torch

    squared = squared_distances(_pair(x, y))
    apart = squared > 0  # the root has no gradient at 0
    positive = torch.where(apart, squared, torch.ones_like(squared))
    distances = torch.where(apart, positive.sqrt(), squared)
    n = len(x)
    own = distances[:n, :n].reshape(-1)
    other = distances[n:, n:].reshape(-1)
    across = distances[:n, n:].reshape(-1)
    width = own.median() + eps
    scaled = torch.cat([own, other, across]) / -width
    k = torch.zeros_like(scaled)
    for i in range(33):
        narrowing = 2 ** (8 - i / 2)
        k = k + (scaled * narrowing).exp()
    of_own, of_other, of_across = torch.split(k, [len(own), len(other), len(across)])
    return of_own.mean() + of_other.mean() - 2 * of_across.mean()


def shared_mmd(
    x: Tensor, y: Tensor, z: Tensor, shares: Tensor, kernels: Kernels = PUBLISHED
) -> Tensor:
    """MK-MMD of a source, weighted so that its classes have other shares, and a target.

    Weighted MMD (Yan et al., CVPR 2017). A class that is not among the rows is left out. With the
    rows' own shares it is :func:`mk_mmd`.

    Args:
        x: source rows ``(n, D)``.
        y: their classes ``(n,)``.
        z: target rows ``(m, D)``.
        shares: wanted shares of the classes ``(C,)``.
        kernels: the widths.
    """
    import torch

    k = kernel(_pair(x, z), kernels)
    n = torch.bincount(y, minlength=len(shares)).to(x.dtype)
    wanted = torch.where(n > 0, shares.to(x.dtype), torch.zeros_like(n))
    if not float(wanted.sum()) > 0:
        return k.sum() * 0
    per_row = wanted / wanted.sum() / n.clamp_min(1)
    target_share = k.new_full((len(z),), 1 / len(z))
    return _between(k, per_row[y], target_share)


def class_shares(probs: Tensor, known: Tensor, rounds: int = 200) -> Tensor:
    """Shares of the classes among rows that a model trained at other shares has answered.

    Saerens et al., Neural Computation 2002 (EM): right when the classes look as they did in
    training, and only their shares differ. A model that is wrong about how a class looks gets
    shares as wrong as its answers.

    Args:
        probs: the model's answers ``(N, C)``.
        known: shares in its training ``(C,)``.
        rounds: of expectation and maximisation.

    Returns:
        Shares ``(C,)``.
    """
    found = known
    for _ in range(rounds):
        moved = probs * (found / known.clamp_min(1e-6))
        total = moved.sum(-1, keepdim=True).clamp_min(1e-12)
        found = (moved / total).mean(0)
    return found


def lmmd(x: Tensor, y: Tensor, z: Tensor, probs: Tensor, kernels: Kernels = PUBLISHED) -> Tensor:
    """Local (class-wise) MMD of DSAN (Zhu et al., TNNLS 2021): the mean over classes that both
    sides have.

    A class counts as there on the target when its probabilities sum to more than 1e-6; without a
    common class it is 0.

    Args:
        x: source rows ``(n, D)``.
        y: their classes ``(n,)``.
        z: target rows ``(m, D)``.
        probs: their probabilities ``(m, C)``.
        kernels: the widths.
    """
    from torch.nn import functional as F

    k = kernel(_pair(x, z), kernels)
    n_classes = probs.shape[1]
    members = F.one_hot(y, n_classes).to(x.dtype)
    likely = probs.to(x.dtype)
    total = k.new_zeros(())
    n_common = 0
    for c in range(n_classes):
        own = members[:, c]
        other = likely[:, c]
        if own.sum() > 0 and other.sum() > 1e-6:
            total = total + _between(k, own / own.sum(), other / other.sum())
            n_common += 1
    return total / n_common if n_common else k.sum() * 0


def conditional_mmd(
    x: Tensor, y: Tensor, z: Tensor, c: int, kernels: Kernels = PUBLISHED
) -> Tensor:
    """MMD between the source rows of one class and a target known to be of that class only.

    The global form would align a target of one class with a source of all of them, and pull it over
    the boundary.

    Args:
        x: source rows ``(n, D)``.
        y: their classes ``(n,)``.
        z: target rows ``(m, D)``.
        c: the class.
        kernels: the widths.

    Raises:
        BadInput: the source has no row of that class.
    """
    own = y == c
    if not bool(own.any()):
        raise BadInput(f"expected source rows of class {c}, and there is none")
    return mk_mmd(x[own], z, kernels)


def covariance(x: Tensor) -> Tensor:
    """Unbiased covariance ``(D, D)`` of rows ``(N, D)``, N >= 2."""
    if len(x) < 2:
        raise BadInput(f"a covariance needs two rows, got {len(x)}")
    centred = x - x.mean(0)
    return centred.T @ centred / (len(x) - 1)


def shrunk(cov: Tensor, share: float) -> Tensor:
    """Covariance pulled towards a multiple of the identity by ``share``: what few rows
    can carry.
    """
    import torch

    level = cov.diagonal().mean().clamp_min(1e-12)
    eye = torch.eye(len(cov), dtype=cov.dtype, device=cov.device)
    own = (1 - share) * cov
    return own + max(share, 1e-6) * level * eye


def _power(cov: Tensor, exponent: float) -> Tensor:
    import torch

    values, vectors = torch.linalg.eigh(cov)
    scaled = vectors * values.clamp_min(1e-12) ** exponent
    found: Tensor = scaled @ vectors.T
    return found


def recolouring(x: Tensor, y: Tensor, share: float) -> Tensor:
    """The matrix ``A (D, D)`` for which ``(x - mean x) A`` has (nearly) the covariance of ``y``:
    closed-form CORAL.

    Sun, Feng and Saenko, AAAI 2016: whiten, then re-colour.

    Args:
        x: rows ``(n, D)``.
        y: rows ``(m, D)``.
        share: share of the identity in both covariances.
    """
    _pair(x, y)
    from_cov = shrunk(covariance(x.double()), share)
    to_cov = shrunk(covariance(y.double()), share)
    whitened = _power(from_cov, -0.5)
    return (whitened @ _power(to_cov, 0.5)).to(x.dtype)
