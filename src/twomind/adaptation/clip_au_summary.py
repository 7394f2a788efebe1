"""The summary of the source people that ships beside the CLIP-AU, in place of their windows. Drawn people only.

``python -m twomind.adaptation.clip_au_summary --windows FOLDER`` reads (or draws again) the windows that the model was
trained on, by the recipe in its card, and writes medoids per person and class (TTA-CaP), the mean of each class
(neutral alignment), and a translator of features between people (SFDA-PFT).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from twomind.adaptation.prototypes import summary_of
from twomind.adaptation.summary import class_means
from twomind.core.errors import BadInput
from twomind.core.store import write_arrays
from twomind.models.clip_au.recogniser import SHIPPED, SUMMARY_FILE, ClipAu
from twomind.types import Example


def write_summary(model: ClipAu, examples: Sequence[Example], folder: Path, seed: int = 0) -> Path:
    """What stands for the source people's windows, written beside a model's weights, which it names.

    Raises:
        BadInput: no window can be measured.
    """
    import torch

    from twomind.training.pft import source_summary

    people: dict[str, tuple[list[np.ndarray], list[int]]] = {}
    for e in examples:
        if model.absent(e.x):
            continue
        with torch.no_grad():
            z, _ = model.run([e.x])
        rows, labels = people.setdefault(e.x.subject, ([], []))
        rows.append(z[0].numpy())
        labels.append(e.y)
    if not people:
        raise BadInput("summary: expected at least one source window that can be measured")
    arrays = summary_of({k: (np.stack(z), np.array(y)) for k, (z, y) in people.items()}, len(model.task.classes), seed)
    arrays |= class_means(model, examples) | source_summary(model)(tuple(examples))
    n = {"n_people": len(people), "n_windows": sum(len(y) for _, y in people.values())}
    return write_arrays(folder / SUMMARY_FILE, arrays, {"weights": model.weights_mark(), "drawn": model.drawn, **n})


def main(arguments: list[str] | None = None) -> None:
    """Draw (or read back) the training windows of the model that ships, and write its summary."""
    from twomind_synth.models.clip_au import Recipe, as_examples, draw_all

    from twomind.encoders.encoder import open_encoder

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=Path, default=Path("clip-au-windows"), help="where drawn windows are kept")
    parser.add_argument("--out", type=Path, default=SHIPPED.parent)
    given = parser.parse_args(arguments)
    model = ClipAu.load()
    known = model.card["recipe"]
    recipe = replace(Recipe(**{**known, "questions": tuple(known["questions"])}), n_held_out=0)
    print(write_summary(model, as_examples(draw_all(recipe, given.windows), open_encoder()), given.out))


if __name__ == "__main__":
    main()
