"""CLIP-AUTT's modes on the drawn windows that the shipped CLIP-AU was not trained on: one order,
one seed.

A smoke test of the machinery with 73 windows, not evidence; comparisons are the business of
``twomind score``. Run: python -m experiments.clip_autt_modes FOLDER (where
``twomind_synth.models.clip_au`` keeps its windows).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from twomind.adaptation import load_method, stream
from twomind.encoders.opening import open_encoder
from twomind.models import load
from twomind.training.clip_au import rates
from twomind_synth.models.clip_au import Recipe, as_examples, draw_all

from . import record

RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "source": ("source-only", {}),
    "corrected": ("clip-autt", {}),
    "corrected, 3 steps": ("clip-autt", {"steps": 3}),
    "corrected, no balance, no guard": (
        "clip-autt",
        {"entropy_floor": 0.0, "max_drift": 1.0, "balance": 0.0},
    ),
    "subject": ("clip-autt", {"mode": "subject"}),
    "episodic, 3 steps": ("clip-autt", {"mode": "episodic", "steps": 3}),
}


@click.command()
@click.argument("folder", type=Path)
def main(folder: Path) -> None:
    model, recipe = load("clip-au"), Recipe()
    examples = as_examples(draw_all(recipe, folder), open_encoder())
    test = [e for e in examples if int(e.x.subject[1:]) >= recipe.n_people]
    y = np.array([e.y for e in test])
    found = {}
    for name, (method, settings) in RUNS.items():
        steps = stream(model, load_method(method, **settings), [e.x for e in test])
        said = np.array([s.prediction.probs.argmax() for s in steps])
        found[name] = dict(zip(("war", "uar", "macro_f1"), rates(y, said, 2), strict=True))
    people = len({e.x.subject for e in test})
    record.save(
        "clip-autt-modes",
        {"n_windows": len(test), "n_people": people, "drawn": True, "runs": found},
    )


if __name__ == "__main__":
    main()
