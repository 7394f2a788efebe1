"""How far apart two sets of rows lie: MK-MMD and its class-aware forms, CORAL, linear MMD. torch,
differentiable.

The multi-kernel MMD is the one of the subject-based adaptation code: five Gaussian kernels whose
widths double, around a width taken from the data. Kernels are summed, not averaged, so values are
five times those of an averaged kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twomind.core.errors import BadInput


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
        known = self.width in ("mean", "median") if isinstance(self.width, str) else self.width > 0
        if not known:
            raise BadInput(
                f"kernels: expected width mean, median or a number above 0, got {self.width!r}"
            )


PUBLISHED = Kernels()


def squared_distances(z: Any) -> Any:
    """``|z_a - z_b|²`` of rows ``(N, D)`` → ``(N, N)``, in O(N²) memory; the diagonal is
    exactly 0.
    """
    import torch

    z = z - z.mean(0).detach()  # distances stay, cancellation in single precision shrinks
    length = (z * z).sum(1)
    found = (length[:, None] + length[None] - 2 * z @ z.T).clamp_min(0)
    return found * (1 - torch.eye(len(z), dtype=z.dtype, device=z.device))


def base_width(distances: Any, kernels: Kernels = PUBLISHED) -> Any:
    """The narrowest kernel's width ``b``, without a gradient."""
    import torch

    n = len(distances)
    if not isinstance(kernels.width, str):
        width = distances.new_tensor(float(kernels.width))
    elif kernels.width == "mean":
        width = distances.detach().sum() / max(n * n - n, 1)
    else:
        width = distances.detach()[
            ~torch.eye(n, dtype=torch.bool, device=distances.device)
        ].median()
    return width / kernels.factor ** (kernels.n // 2) + kernels.eps


def kernel(z: Any, kernels: Kernels = PUBLISHED) -> Any:
    """Sum of the Gaussian kernels of all rows ``(N, D)`` with each other → ``(N, N)``."""
    distances = squared_distances(z)
    b = base_width(distances, kernels)
    return sum((-distances / (b * kernels.factor**i)).exp() for i in range(kernels.n))


def _between(k: Any, own: Any, other: Any) -> Any:
    """``|sum own φ(x) - sum other φ(y)|²`` with weights ``(n,)`` and ``(m,)`` of the stacked rows
    behind ``k``.
    """
    n = len(own)
    return own @ k[:n, :n] @ own + other @ k[n:, n:] @ other - 2 * (own @ k[:n, n:] @ other)


def _pair(x: Any, y: Any) -> Any:
    import torch

    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or not len(x) or not len(y):
        raise BadInput(
            f"expected two sets of rows (n, D) and (m, D), got {tuple(x.shape)} and "
            f"{tuple(y.shape)}"
        )
    return torch.cat([x, y])


def mk_mmd(x: Any, y: Any, kernels: Kernels = PUBLISHED, estimator: str = "biased") -> Any:
    """Squared multi-kernel MMD between ``(n, D)`` and ``(m, D)``.

    ``biased`` keeps the diagonals (as released; never negative). ``unbiased`` leaves them out, and
    needs two rows each.

    Raises:
        BadInput: the sets do not fit, or the estimator is unknown.
    """
    k, n, m = kernel(_pair(x, y), kernels), len(x), len(y)
    if estimator == "biased":
        return _between(k, k.new_full((n,), 1 / n), k.new_full((m,), 1 / m))
    if estimator != "unbiased":
        raise BadInput(f"estimator: expected biased or unbiased, got {estimator!r}")
    if n < 2 or m < 2:
        raise BadInput(f"the unbiased MMD needs two rows on each side, got {n} and {m}")
    own, other = k[:n, :n], k[n:, n:]
    return (
        (own.sum() - own.diagonal().sum()) / (n * n - n)
        + (other.sum() - other.diagonal().sum()) / (m * m - m)
        - 2 * k[:n, n:].mean()
    )


def bank_mmd(x: Any, y: Any, eps: float = 1e-7) -> Any:
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
    distances = torch.where(
        apart, torch.where(apart, squared, torch.ones_like(squared)).sqrt(), squared
    )
    n = len(x)
    blocks = [b.reshape(-1) for b in (distances[:n, :n], distances[n:, n:], distances[:n, n:])]
    scaled = torch.cat(blocks) / -(blocks[0].median() + eps)
    k = torch.zeros_like(scaled)
    for i in range(33):
        k = k + (scaled * 2 ** (8 - i / 2)).exp()
    own, other, cross = (part.mean() for part in k.split([len(b) for b in blocks]))
    return own + other - 2 * cross


def shared_mmd(x: Any, y: Any, z: Any, shares: Any, kernels: Kernels = PUBLISHED) -> Any:
    """MK-MMD of a source ``x (n, D)`` with classes ``y (n,)``, weighted so that they have ``shares
    (C,)``, and ``z``.

    Weighted MMD (Yan et al., CVPR 2017). A class that is not among the rows is left out. With the
    rows' own shares it is :func:`mk_mmd`.
    """
    import torch

    k = kernel(_pair(x, z), kernels)
    n = torch.bincount(y, minlength=len(shares)).to(x.dtype)
    wanted = torch.where(n > 0, shares.to(x.dtype), torch.zeros_like(n))
    if not float(wanted.sum()) > 0:
        return k.sum() * 0
    own = (wanted / wanted.sum() / n.clamp_min(1))[y]
    return _between(k, own, k.new_full((len(z),), 1 / len(z)))


def class_shares(probs: Any, known: Any, rounds: int = 200) -> Any:
    """Shares of the classes ``(C,)`` of rows with ``probs (N, C)`` by a model trained at the shares
    ``known (C,)``.

    Saerens et al., Neural Computation 2002 (EM): right when the classes look as they did in
    training, and only their shares differ. A model that is wrong about how a class looks gets
    shares as wrong as its answers.
    """
    found = known
    for _ in range(rounds):
        moved = probs * (found / known.clamp_min(1e-6))
        found = (moved / moved.sum(-1, keepdim=True).clamp_min(1e-12)).mean(0)
    return found


def lmmd(x: Any, y: Any, z: Any, probs: Any, kernels: Kernels = PUBLISHED) -> Any:
    """Local (class-wise) MMD of DSAN (Zhu et al., TNNLS 2021): source ``x (n, D)`` with class ``y
    (n,)``, target ``z (m, D)`` with probabilities ``probs (m, C)``; the mean over classes that both
    sides have.

    A class counts as there on the target when its probabilities sum to more than 1e-6; without a
    common class it is 0.
    """
    from torch.nn import functional as F

    k = kernel(_pair(x, z), kernels)
    own, other = F.one_hot(y, probs.shape[1]).to(x.dtype), probs.to(x.dtype)
    both = [c for c in range(probs.shape[1]) if own[:, c].sum() > 0 and other[:, c].sum() > 1e-6]
    parts = [
        _between(k, own[:, c] / own[:, c].sum(), other[:, c] / other[:, c].sum()) for c in both
    ]
    return sum(parts) / len(parts) if parts else k.sum() * 0


def conditional_mmd(x: Any, y: Any, z: Any, c: int, kernels: Kernels = PUBLISHED) -> Any:
    """MMD between the source rows of class ``c`` and a target known to be of class ``c`` only.

    The global form would align a target of one class with a source of all of them, and pull it over
    the boundary.
    """
    if not bool((y == c).any()):
        raise BadInput(f"expected source rows of class {c}, and there is none")
    return mk_mmd(x[y == c], z, kernels)


def linear_mmd(x: Any, y: Any) -> Any:
    """Squared distance of the means."""
    return ((x.mean(0) - y.mean(0)) ** 2).sum()


def covariance(x: Any) -> Any:
    """Unbiased covariance ``(D, D)`` of rows ``(N, D)``, N >= 2."""
    if len(x) < 2:
        raise BadInput(f"a covariance needs two rows, got {len(x)}")
    centred = x - x.mean(0)
    return centred.T @ centred / (len(x) - 1)


def coral(x: Any, y: Any, squared: bool = True) -> Any:
    """Deep CORAL (Sun and Saenko, 2016): ``|cov_x - cov_y|²_F / (4 D²)``.

    ``squared=False`` is the released form, the norm itself over ``4 D²``; at equality its gradient
    is nan.
    """
    _pair(x, y)
    off = ((covariance(x) - covariance(y)) ** 2).sum()
    return (off if squared else off.sqrt()) / (4 * x.shape[1] ** 2)


def shrunk(cov: Any, share: float) -> Any:
    """Covariance pulled towards a multiple of the identity by ``share``: what few rows
    can carry.
    """
    import torch

    level = cov.diagonal().mean().clamp_min(1e-12)
    eye = torch.eye(len(cov), dtype=cov.dtype, device=cov.device)
    return (1 - share) * cov + max(share, 1e-6) * level * eye


def _power(cov: Any, exponent: float) -> Any:
    import torch

    values, vectors = torch.linalg.eigh(cov)
    return (vectors * values.clamp_min(1e-12) ** exponent) @ vectors.T


def recolouring(x: Any, y: Any, share: float) -> Any:
    """The matrix ``A (D, D)`` for which ``(x - mean x) A`` has (nearly) the covariance of ``y``:
    closed-form CORAL.

    Sun, Feng and Saenko, AAAI 2016: whiten, then re-colour. Both covariances are shrunk by
    ``share``.
    """
    _pair(x, y)
    from_cov, to_cov = (shrunk(covariance(r.double()), share) for r in (x, y))
    return (_power(from_cov, -0.5) @ _power(to_cov, 0.5)).to(x.dtype)
