"""Losses of SFDA-PFT as pure functions: a style to match, and predictions to keep."""

from __future__ import annotations

from twomind.core.errors import BadInput, MissingExtra

try:
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "SFDA-PFT") from error


def moments(reference: Tensor, translated: Tensor) -> Tensor:
    """Mean and (unbiased) deviation over the batch, per dimension: the one style a latent
    translator can change.

    The two batches ``(N, D)`` and ``(M, D)`` may differ in size; of one row, the deviation is not
    compared.
    """
    found = (reference.mean(0) - translated.mean(0)).square().mean()
    if min(len(reference), len(translated)) > 1:
        found = found + (reference.std(0) - translated.std(0)).square().mean()
    return found


def keep_prediction(frozen: Tensor, translated: Tensor, how: str = "mse_logits") -> Tensor:
    """How far the translated feature's logits ``(B, K)`` are from the frozen model's.

    ``mse_logits``; ``kl_probs``: KL divergence of the translated from the frozen probabilities. Two
    are released and cannot train a translator: ``released_ce`` takes the *translated* logits' class
    as the label of the *frozen* ones, so nothing flows to it; ``released_kl`` takes logits for
    probabilities and is nan when one is negative.
    """
    if how == "mse_logits":
        return F.mse_loss(translated, frozen)
    if how == "kl_probs":
        return F.kl_div(
            translated.log_softmax(1), frozen.log_softmax(1), reduction="batchmean", log_target=True
        )
    if how == "released_ce":
        return F.cross_entropy(frozen, translated.argmax(dim=1))
    if how == "released_kl":
        return F.kl_div(frozen.log_softmax(1), translated, reduction="batchmean")
    if how == "released_kl_softmax":
        return F.kl_div(frozen.log_softmax(1), translated.softmax(1), reduction="batchmean")
    raise BadInput(f"keep_prediction: expected mse_logits, kl_probs or a released one, got {how!r}")
