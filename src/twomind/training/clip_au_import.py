"""Read a checkpoint of the original CLIP-AU code: adapter, convolution and head; nothing in it is
executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput
from twomind.encoders.encoder import Encoder
from twomind.models.clip_au import parts
from twomind.models.clip_au.phrases import Phrase, released_phrases
from twomind.models.clip_au.recogniser import ClipAu, new_model
from twomind.training.foreign import read_foreign
from twomind.types import AMBIVALENCE, Task

#: Modules of the original class that its computation never uses; the checkpoints carry
#: ``temporal_proj``.
DEAD = (
    "temporal_proj",
    "au_classifier",
    "subject_adapter",
    "pos_embed",
    "class_to_au",
    "dropout",
    "logit_scale",
    "alpha",
    "fusion_alpha",
)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The trained weights of an original ``.pth`` by name (a dict of state dicts, or one flat state
    dict).

    Raises:
        BadInput: not such a file, weights are missing from it, or it holds something that is not
            known.
    """
    found = read_foreign(path)
    flat = dict(_flat(found))
    kept = {name: value.float() for name, value in flat.items() if name in parts.TRAINED}
    missing = [name for name in parts.TRAINED if name not in kept]
    unknown = []
    for name in flat:
        module = name.split(".")[0]
        if name not in kept and module not in DEAD:
            unknown.append(name)
    if missing or unknown:
        raise BadInput(
            f"{path}: not the layout of CLIP-AU; missing: {', '.join(missing) or 'none'}; "
            f"unknown: {', '.join(unknown[:5]) or 'none'}"
        )
    return kept


def _flat(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in tree.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", value))
    return found


def import_checkpoint(
    path: Path,
    encoder: Encoder,
    phrases: tuple[Phrase, ...] | None = None,
    task: Task = AMBIVALENCE,
) -> ClipAu:
    """A model with the weights of an original checkpoint.

    Args:
        path: of the ``.pth``.
        encoder: the CLIP that it was trained on.
        phrases: should be the very ones of its training: the head reads similarities by position,
            and the adapter has seen no other words. Without them, ours stand in
            (:func:`released_phrases`), which its card says.
        task: the question.

    Raises:
        BadInput: the file, or its sizes, do not fit.
    """
    weights = read_checkpoint(path)
    model = new_model(encoder, task, phrases or released_phrases())
    for name, value in weights.items():
        wanted = tuple(model.weights[name].shape)
        if tuple(value.shape) != wanted:
            raise BadInput(
                f"{path}, {name}: expected {wanted} for this encoder and "
                f"{len(model.phrases)} phrases, got {tuple(value.shape)}"
            )
    card = {
        "imported": path.name,
        "phrases": "given" if phrases else "this project's wording, not the original's",
    }
    return replace(model, weights={**model.weights, **weights}, drawn=encoder.drawn_only, card=card)
