"""A summary of the source people of a CLIP-AU, in place of their windows: it lies beside the
model's weights.

It holds medoids per person and class (TTA-CaP), the mean of each class (neutral alignment), and a
translator of features between people (SFDA-PFT).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from twomind.adaptation.prototypes import summary_of
from twomind.adaptation.summary import class_means
from twomind.core.errors import BadInput
from twomind.core.store import write_arrays
from twomind.models.clip_au.recogniser import SUMMARY_FILE, ClipAu
from twomind.types import Example
from twomind.types.plain import Array


def write_summary(model: ClipAu, examples: Sequence[Example], folder: Path, seed: int = 0) -> Path:
    """What stands for the source people's windows, written beside a model's weights, which it
    names.

    Args:
        model: whose embeddings.
        examples: labelled windows of source people; those that it cannot measure are left out.
        folder: where the model's weights lie.
        seed: of the prototypes.

    Raises:
        BadInput: no window can be measured.
    """
    import torch

    from twomind.training.pft import source_summary

    rows: dict[str, list[Array]] = {}
    labels: dict[str, list[int]] = {}
    for e in examples:
        if model.absent(e.x):
            continue
        with torch.no_grad():
            z, _ = model.run([e.x])
        rows.setdefault(e.x.subject, []).append(z[0].numpy())
        labels.setdefault(e.x.subject, []).append(e.y)
    if not rows:
        raise BadInput("summary: expected at least one source window that can be measured")
    people = {name: (np.stack(rows[name]), np.array(labels[name])) for name in rows}
    arrays = summary_of(people, len(model.task.classes), seed)
    arrays |= class_means(model, examples)
    arrays |= source_summary(model)(tuple(examples))
    meta = {
        "weights": model.weights_mark(),
        "drawn": model.drawn,
        "n_people": len(people),
        "n_windows": sum(len(y) for y in labels.values()),
    }
    return write_arrays(folder / SUMMARY_FILE, arrays, meta)
