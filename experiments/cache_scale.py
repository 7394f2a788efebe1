"""Why cache terms drown CLIP-AU: the scale of its logits, and where its head's rows lie, on the
drawn people held out.

    OMP_NUM_THREADS=1 python -m experiments.cache_scale FOLDER

FOLDER keeps the drawn windows (those of `experiments/clip_au_methods.py` are read). No label is
used.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from twomind.adaptation import caches
from twomind.adaptation.losses import unit
from twomind.encoders.opening import open_encoder
from twomind.models import load
from twomind_synth.models.clip_au import Recipe, as_examples, draw_all

from .record import save


def main() -> None:
    model, recipe = load("clip-au"), replace(Recipe(), n_windows=8)
    answers = draw_all(recipe, Path(sys.argv[1]) / "windows", first=recipe.n_people)
    read = [
        caches.read(model, e.x)
        for e in as_examples(answers, open_encoder())
        if not model.absent(e.x)
    ]
    z, logits = (np.stack([pair[k] for pair in read]) for k in (0, 1))
    weight, _ = caches.head(model)
    between = (unit(z) @ unit(z).T)[np.triu_indices(len(z), 1)]
    scale = 100 * np.array([caches.of_clip_scale(weight, row) for row in z])
    gap = np.abs(logits[:, 1] - logits[:, 0])
    save(
        "cache-scale",
        {
            "drawn": True,
            "windows": len(z),
            "clip_scale": caches.CLIP_SCALE,
            "scale_of_the_logits": {
                q: float(np.quantile(scale, float(q))) for q in ("0.05", "0.5", "0.95")
            },
            "gap_between_the_logits": {
                q: float(np.quantile(gap, float(q))) for q in ("0.05", "0.5", "0.95")
            },
            "most_a_tda_cache_adds_to_one_class": 2.0 * 3,
            "cosine_between_windows": float(between.mean()),
            "cosine_of_windows_with_the_rows_of_the_head": (unit(z) @ unit(weight).T)
            .mean(axis=0)
            .tolist(),
        },
    )


if __name__ == "__main__":
    main()
