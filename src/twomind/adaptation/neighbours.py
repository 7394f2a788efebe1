"""Labels that unlabelled rows get from each other: SHOT's centroids, NRC's neighbours, confident
views. torch.

SHOT: Liang, Hu and Feng, ICML 2020. NRC: Yang et al., NeurIPS 2021. Confident views: subject-based
adaptation, Zeeshan et al., FG 2024. Rows are ``(N, D)``, probabilities ``(N, C)``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from twomind.core.errors import BadInput


def _eps_entropy(probs: Any, eps: float) -> Any:
    return -(probs * (probs + eps).log()).sum(-1)


def mean_entropy(logits: Any, eps: float = 1e-5) -> Any:
    """Mean entropy of each row's answer, with SHOT's ``eps`` inside the logarithm."""
    return _eps_entropy(logits.softmax(-1), eps).mean()


def diversity(logits: Any, eps: float = 1e-5) -> Any:
    """Entropy of the mean answer: high when the batch is spread over the classes."""
    return _eps_entropy(logits.softmax(-1).mean(0), eps)


def information(logits: Any, spread: float = 1.0, eps: float = 1e-5) -> Any:
    """SHOT's information maximisation, as a loss: sure rows, spread over classes. ``spread`` weighs
    the second part.
    """
    return mean_entropy(logits, eps) - spread * diversity(logits, eps)


def _nearest(rows: Any, centroids: Any, distance: str) -> Any:
    import torch
    from torch.nn import functional as F

    if distance == "cosine":
        return (F.normalize(rows, dim=1) @ F.normalize(centroids, dim=1).T).argmax(1)
    return torch.cdist(rows, centroids).argmin(1)


def centroid_labels(
    rows: Any, probs: Any, distance: str = "cosine", above: int = 0, rounds: int = 2
) -> Any:
    """SHOT's pseudo-labels ``(N,)``: nearest centroid among classes that more than ``above`` rows
    are predicted as.

    The first round's centroids are weighted by ``probs``, the next ones by the labels so far. With
    ``cosine`` a 1 is appended to each row and the row scaled to length 1, as released.

    Raises:
        BadInput: the distance is unknown, or no class has that many predictions.
    """
    import torch
    from torch.nn import functional as F

    if distance not in ("cosine", "euclidean"):
        raise BadInput(f"distance: expected cosine or euclidean, got {distance!r}")
    n_classes = probs.shape[1]
    kept = (torch.bincount(probs.argmax(1), minlength=n_classes) > above).nonzero()[:, 0]
    if not len(kept):
        raise BadInput(f"no class has more than {above} predicted rows among {len(rows)}")
    if distance == "cosine":
        rows = F.normalize(torch.cat([rows, rows.new_ones(len(rows), 1)], 1), dim=1)
    share, labels = probs, probs.argmax(1)
    for _ in range(rounds):
        centroids = (share.T @ rows) / (1e-8 + share.sum(0))[:, None]
        labels = kept[_nearest(rows, centroids[kept], distance)]
        share = F.one_hot(labels, n_classes).to(rows.dtype)
    return labels


class Near(NamedTuple):
    """Indices into the bank: ``first (B, K)`` neighbours, ``second (B, K, KK)`` their own."""

    first: Any
    second: Any


def near(rows: Any, where: Any, bank: Any, k: int, kk: int, barred: Any = None) -> Near:
    """Nearest by cosine of the batch ``rows (B, D)`` at ``where (B,)`` of ``bank (N, D)``; all rows
    of length 1.

    A row is not its own neighbour; it may be a neighbour's neighbour. ``barred (N, N)`` marks pairs
    that do not count (frames next to each other say nothing new).

    Raises:
        BadInput: the bank has too few rows for ``k`` or ``kk``.
    """
    import torch

    most = len(bank) - 1
    if not (0 < k <= most and 0 < kk <= most):
        raise BadInput(
            f"{len(bank)} rows have at most {most} neighbours each, asked for k={k}, kk={kk}"
        )

    def nearest(queries: Any, own: Any, n: int) -> Any:
        cosine = queries @ bank.T
        if barred is not None:
            cosine = cosine - 4.0 * barred[own].to(
                cosine.dtype
            )  # behind every other row; never behind itself
        cosine = cosine.scatter(1, own[:, None], -torch.inf)
        return cosine.topk(n, dim=1).indices

    first = nearest(rows, where, k)
    flat = first.flatten()
    return Near(first, nearest(bank[flat], flat, kk).view(*first.shape, kk))


def reciprocity(found: Near, where: Any) -> Any:
    """How often the row at ``where (B,)`` occurs among each neighbour's neighbours: ``(B, K)``
    counts.
    """
    return (found.second == where[:, None, None]).sum(-1)


def affinities(found: Near, where: Any, r: float = 0.1, released: bool = False) -> Any:
    """First-order weights ``A (B, K)``: the reciprocity count, or ``r`` where there is none.

    ``released=True`` repeats the VisDA script's slip: filling the second-order weights in place
    overwrote these, so every weight is ``r`` and reciprocity is off. The script for Office-Home is
    as defined.
    """
    count = reciprocity(found, where).float()
    return count * 0 + r if released else count.where(count > 0, count.new_full((), r))


def nrc(
    logits: Any, found: Near, weights: Any, scores: Any, r: float = 0.1, spread: float = 1.0
) -> Any:
    """NRC's loss of a batch: ``-mean_i sum_k A p_i·s_k - mean_i sum_km r p_i·s_m - spread ·
    diversity``.

    ``logits (B, C)`` of the batch (with gradient), ``scores (N, C)`` the bank (constant), ``weights
    (B, K)``. The released form goes through ``kl_div`` with probabilities as input: same gradient,
    a constant apart.
    """
    probs = logits.softmax(-1)
    scores = scores.detach()
    first = (weights * (probs[:, None] * scores[found.first]).sum(-1)).sum(1)
    second = r * (probs[:, None, None] * scores[found.second]).sum(-1).sum((1, 2))
    return -(first + second).mean() - spread * diversity(logits)


def decayed(lr: float, done: float) -> float:
    """Learning rate of SHOT and NRC at the share ``done`` of all steps: ``lr (1 + 10
    done)^-0.75``.
    """
    return float(lr * (1 + 10 * done) ** -0.75)


class Confident(NamedTuple):
    """Rows that were kept ``(M,)``, their confidence and their label."""

    rows: Any
    confidence: Any
    label: Any


def confident_views(logits: Any, other: Any, above: float) -> Confident:
    """Rows whose confidence, averaged over two views ``(N, C)`` each, is above ``above``.

    The label is that of the surer view; the two may disagree (as released).
    """
    import torch

    (top, label), (top_other, label_other) = (v.softmax(-1).max(-1) for v in (logits, other))
    confidence = (top + top_other) / 2
    rows = (confidence > above).nonzero()[:, 0]
    return Confident(
        rows, confidence[rows], torch.where(top >= top_other, label, label_other)[rows]
    )


def confident_per_class(probs: Any, labels: Any, share: float) -> Any:
    """Mask ``(N,)``: of each label, the ``share`` of rows (at least one) whose probability of it is
    highest.

    A confidence threshold keeps rows of the easy class only; a share per class keeps both.
    """
    import torch

    keep = torch.zeros(len(labels), dtype=torch.bool)
    own = probs[torch.arange(len(labels)), labels]
    for c in labels.unique():
        rows = (labels == c).nonzero()[:, 0]
        n = max(1, int(share * len(rows)))
        keep[rows[own[rows].argsort(descending=True, stable=True)[:n]]] = True
    return keep
