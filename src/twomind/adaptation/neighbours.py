"""Labels that unlabelled rows get from each other: SHOT's centroids, NRC's neighbours, confident
views. torch.

SHOT: Liang, Hu and Feng, ICML 2020. NRC: Yang et al., NeurIPS 2021. Confident views: subject-based
adaptation, Zeeshan et al., FG 2024. Rows are ``(N, D)``, probabilities ``(N, C)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from twomind.core.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor


def _eps_entropy(probs: Tensor, eps: float) -> Tensor:
    logs = (probs + eps).log()
    return -(probs * logs).sum(-1)


def mean_entropy(logits: Tensor, eps: float = 1e-5) -> Tensor:
    """Mean entropy of each row's answer, with SHOT's ``eps`` inside the logarithm."""
    return _eps_entropy(logits.softmax(-1), eps).mean()


def diversity(logits: Tensor, eps: float = 1e-5) -> Tensor:
    """Entropy of the mean answer: high when the batch is spread over the classes."""
    mean = logits.softmax(-1).mean(0)
    return _eps_entropy(mean, eps)


def information(logits: Tensor, spread: float = 1.0, eps: float = 1e-5) -> Tensor:
    """SHOT's information maximisation, as a loss: sure rows, spread over classes.

    Args:
        logits: answers ``(B, C)``.
        spread: weight of the second part.
        eps: inside the logarithms.
    """
    return mean_entropy(logits, eps) - spread * diversity(logits, eps)


def _nearest(rows: Tensor, centroids: Tensor, distance: str) -> Tensor:
    import torch
    from torch.nn import functional as F

    if distance == "cosine":
        cosine = F.normalize(rows, dim=1) @ F.normalize(centroids, dim=1).T
        return cosine.argmax(1)
    return torch.cdist(rows, centroids).argmin(1)


def centroid_labels(
    rows: Tensor, probs: Tensor, distance: str = "cosine", above: int = 0, rounds: int = 2
) -> Tensor:
    """SHOT's pseudo-labels: the class of the nearest centroid.

    The first round's centroids are weighted by ``probs``, the next ones by the labels so far.

    Args:
        rows: embeddings ``(N, D)``.
        probs: the model's answers ``(N, C)``.
        distance: ``euclidean``, or ``cosine``: then a 1 is appended to each row and the row scaled
            to length 1, as released.
        above: only classes that more rows than this are predicted as have a centroid.
        rounds: of centroids and labels.

    Returns:
        Labels ``(N,)``.

    Raises:
        BadInput: the distance is unknown, or no class has that many predictions.
    """
    import torch
    from torch.nn import functional as F

    if distance not in ("cosine", "euclidean"):
        raise BadInput(f"distance: expected cosine or euclidean, got {distance!r}")
    n_classes = probs.shape[1]
    predicted = torch.bincount(probs.argmax(1), minlength=n_classes)
    kept = (predicted > above).nonzero()[:, 0]
    if not len(kept):
        raise BadInput(f"no class has more than {above} predicted rows among {len(rows)}")
    if distance == "cosine":
        one = rows.new_ones(len(rows), 1)
        rows = F.normalize(torch.cat([rows, one], 1), dim=1)
    share = probs
    labels = probs.argmax(1)
    for _ in range(rounds):
        total = 1e-8 + share.sum(0)
        centroids = (share.T @ rows) / total[:, None]
        labels = kept[_nearest(rows, centroids[kept], distance)]
        share = F.one_hot(labels, n_classes).to(rows.dtype)
    return labels


class Near(NamedTuple):
    """Indices into the bank: ``first (B, K)`` neighbours, ``second (B, K, KK)`` their own."""

    first: Tensor
    second: Tensor


def near(
    rows: Tensor, where: Tensor, bank: Tensor, k: int, kk: int, barred: Tensor | None = None
) -> Near:
    """Nearest rows of the bank by cosine, and the nearest of each of those.

    A row is not its own neighbour; it may be a neighbour's neighbour.

    Args:
        rows: a batch ``(B, D)`` of length 1.
        where: its places in the bank ``(B,)``.
        bank: all rows ``(N, D)`` of length 1.
        k: neighbours of each row of the batch.
        kk: neighbours of each of these.
        barred: pairs that do not count ``(N, N)`` (frames next to each other say nothing new).

    Raises:
        BadInput: the bank has too few rows for ``k`` or ``kk``.
    """
    import torch

    most = len(bank) - 1
    if not (0 < k <= most and 0 < kk <= most):
        raise BadInput(
            f"{len(bank)} rows have at most {most} neighbours each, asked for k={k}, kk={kk}"
        )

    def nearest(queries: Tensor, own: Tensor, n: int) -> Tensor:
        cosine = queries @ bank.T
        if barred is not None:
            # Behind every other row; never behind itself.
            cosine = cosine - 4.0 * barred[own].to(cosine.dtype)
        cosine = cosine.scatter(1, own[:, None], -torch.inf)
        return cosine.topk(n, dim=1).indices

    first = nearest(rows, where, k)
    flat = first.flatten()
    second = nearest(bank[flat], flat, kk)
    return Near(first, second.view(*first.shape, kk))


def reciprocity(found: Near, where: Tensor) -> Tensor:
    """How often the row at ``where (B,)`` occurs among each neighbour's neighbours: ``(B, K)``
    counts.
    """
    back = found.second == where[:, None, None]
    return back.sum(-1)


def affinities(found: Near, where: Tensor, r: float = 0.1, released: bool = False) -> Tensor:
    """First-order weights ``A (B, K)``: the reciprocity count, or ``r`` where there is none.

    Args:
        found: the neighbours of a batch.
        where: its places in the bank ``(B,)``.
        r: weight where a neighbour does not name the row back.
        released: repeat the VisDA script's slip: filling the second-order weights in place
            overwrote these, so every weight is ``r`` and reciprocity is off. The script for
            Office-Home is as defined.
    """
    count = reciprocity(found, where).float()
    if released:
        return count * 0 + r
    return count.where(count > 0, count.new_full((), r))


def nrc(
    logits: Tensor,
    found: Near,
    weights: Tensor,
    scores: Tensor,
    r: float = 0.1,
    spread: float = 1.0,
) -> Tensor:
    """NRC's loss of a batch: ``-mean_i sum_k A p_i·s_k - mean_i sum_km r p_i·s_m - spread ·
    diversity``.

    The released form goes through ``kl_div`` with probabilities as input: same gradient, a constant
    apart.

    Args:
        logits: of the batch ``(B, C)``, with gradient.
        found: its neighbours.
        weights: of the first-order ones ``(B, K)``.
        scores: the bank's answers ``(N, C)``, constant.
        r: weight of the second-order ones.
        spread: weight of the diversity.
    """
    probs = logits.softmax(-1)
    scores = scores.detach()
    alike = (probs[:, None] * scores[found.first]).sum(-1)
    first = (weights * alike).sum(1)
    alike_second = (probs[:, None, None] * scores[found.second]).sum(-1)
    second = r * alike_second.sum((1, 2))
    return -(first + second).mean() - spread * diversity(logits)


def decayed(lr: float, done: float) -> float:
    """Learning rate of SHOT and NRC at the share ``done`` of all steps: ``lr (1 + 10
    done)^-0.75``.
    """
    return float(lr * (1 + 10 * done) ** -0.75)


class Confident(NamedTuple):
    """Rows that were kept ``(M,)``, their confidence and their label."""

    rows: Tensor
    confidence: Tensor
    label: Tensor


def confident_views(logits: Tensor, other: Tensor, above: float) -> Confident:
    """Rows of which two views are confident.

    Args:
        logits: of the one view ``(N, C)``.
        other: of the other ``(N, C)``.
        above: what the mean of both confidences has to exceed.

    Returns:
        The rows, with the label of the surer view; the two may disagree (as released).
    """
    import torch

    top, label = logits.softmax(-1).max(-1)
    top_other, label_other = other.softmax(-1).max(-1)
    confidence = (top + top_other) / 2
    rows = (confidence > above).nonzero()[:, 0]
    surer = torch.where(top >= top_other, label, label_other)
    return Confident(rows, confidence[rows], surer[rows])


def confident_per_class(probs: Tensor, labels: Tensor, share: float) -> Tensor:
    """Mask ``(N,)``: of each label, the ``share`` of rows (at least one) whose probability of it is
    highest.

    A confidence threshold keeps rows of the easy class only; a share per class keeps both.
    """
    import torch

    keep = torch.zeros(len(labels), dtype=torch.bool)
    own = probs[torch.arange(len(labels)), labels]
    for c in torch.unique(labels):
        rows = (labels == c).nonzero()[:, 0]
        n = max(1, int(share * len(rows)))
        order = own[rows].argsort(descending=True, stable=True)
        keep[rows[order[:n]]] = True
    return keep
