"""``twomind score personalise --model clip-au``: what its options need, and what is printed of its
models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from twomind.cli.verb import say
from twomind.core.errors import BadInput

if TYPE_CHECKING:
    from twomind.training.clip_au_folds import Options


def say_trained(cards: Sequence[Mapping[str, Any]]) -> None:
    """How each model's training went, in a line."""
    for c in cards:
        f1 = c["validation_macro_f1"]
        judged = (
            "no validation people" if f1 is None else f"macro-F1 {f1:.3f} on its validation people"
        )
        say(
            f"CLIP-AU ({c['encoder']}) of fold {c['fold']}: {c['n_windows']} windows of "
            f"{c['n_people']} source people, "
            f"epoch {c['epoch']} of {c['epochs']}, {judged}"
        )


def check_options(model: str, options: Options, face: str | None) -> None:
    """Options of one model are not passed over in silence when another one is chosen.

    Raises:
        BadInput: one was given that the model does not have.
    """
    if model == "clip-au" and face is not None:
        raise BadInput("--face: goes with --model described; a CLIP-AU reads frame embeddings")
    given = {
        "--encoder": options.encoder is not None,
        "--epochs": options.epochs is not None,
        "--clip-hop-s": options.hop_s is not None,
        "--allow-drawn-model": options.allow_drawn,
    }
    stray = [name for name, there in given.items() if there]
    if model != "clip-au" and stray:
        raise BadInput(f"{', '.join(stray)}: goes with --model clip-au")
