"""Weights with which cues are drawn so that their shares come out as published.

Cues of one segment are drawn without repetition and replaced where they take the wrong side, which
flattens the shares; multiplicative updates undo that. Prints the table ``CUE_WEIGHTS`` of
``twomind_synth/study_world.py``:

    python -m experiments.study_cue_weights
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from twomind_synth import study_script
from twomind_synth.study_people import study_person
from twomind_synth.study_world import STUDY_CUES, StudyWorld


def main() -> None:
    world = StudyWorld()
    people = [study_person(world, 1000, i, str(i)) for i in range(300)]
    weights = {m: dict(shares) for m, shares in STUDY_CUES.items()}
    study_script.CUE_WEIGHTS = weights
    for _ in range(12):
        rng = np.random.default_rng(0)
        plans = [study_script.plan_segment(world, p, 4, rng) for p in people for _ in range(15)]
        for m, shares in STUDY_CUES.items():
            seen = Counter(c for plan in plans for c in plan.cues.get(m, ()))
            whole, published = sum(seen.values()), sum(shares.values())
            for cue, share in shares.items():
                ratio = (share / published) / max(seen[cue] / whole, 1e-4)
                weights[m][cue] *= float(ratio**0.8)
    for m, table in weights.items():
        print(m, {cue: round(v, 2) for cue, v in table.items()})


if __name__ == "__main__":
    main()
