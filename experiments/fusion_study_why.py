"""Why fusion gains what it gains on the drawn BAH study: what each modality shows by the drawn
truth, and what more training people, a world measured without noise, and a hand-told conflict
signal would change.

    OMP_NUM_THREADS=1 python -m experiments.fusion_study_why --out /tmp/fusion-why [--sizes 8,16]
    [--seeds 1] [--save]

The same 24 people are held out at every size; smaller training sets are parts of the larger ones.
None of it uses the truth to train a model. Killed and called again, it goes on. What the figures
mean: ``experiments/reports/fusion-synthetic.md``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind_synth.studies.features import study_features
from twomind_synth.study_layout import clips_of, person_of, take_of
from twomind_synth.study_world import StudyWorld

from .fusion_study import EPOCHS, Row, World, first_held_out, ready, trained
from .fusion_study_score import Held, Said, differences, predictions, spreads, with_ci
from .record import save

ROWS = (Row("plain", ("face",)), Row("plain"), Row("conflict"))
#: What a camera sees, a microphone hears and a transcript holds, in the names of the drawn truth.
SEEN_IN = {"face": ("facial", "body"), "voice": ("audio",), "words": ("language",)}
#: Ablations: what is taken out of the world. They explain; no model of ours was chosen by them.
EASIER = {"noise=0": StudyWorld(noise=0.0), "subtlety=0": StudyWorld(subtlety=0.0)}
#: How long a movement or a word goes on speaking for a side (s).
LINGER_S = 4.0
KEYS = (
    "frame_auc",
    "frame_ap",
    "frame_auc_conflict",
    "frame_auc_within",
    "frame_auc_rest",
    "video_auc",
    "video_ap",
)


def sized(
    name: str, settings: StudyWorld, sizes: Sequence[int], n_test: int, seed: int
) -> list[World]:
    """One world per number of people to learn from; the first ``n_test`` people are held out in all
    of them.
    """
    study = study_features("bah", n_test + max(sizes), seed, settings)
    folds = first_held_out(study, n_test, sizes, seed)
    whole = ready(name, study, folds)
    return [replace(whole, folds=(f,)) for f in folds]


def shown(world: World, held: Held) -> dict[str, Any]:
    """By the drawn truth: which share of the marked moments each modality shows at all, and the
    ceilings.

    ``ceiling``: AUC of moments of somebody who knows exactly when a modality shows a cue of A/H and
    is never misled by a habit. ``annotation``: the same of the true spans, so that what is missing
    to 1 is annotation noise.
    """
    scores = {k: np.zeros(len(held.present)) for k in (*SEEN_IN, "any", "annotation")}
    for n, (item, rows) in enumerate(zip(held.items, held.rows, strict=True)):
        times_s, at = item.grid.times_s[rows] + item.grid.hop_s / 2, held.answer == n
        truth = world.truths[item.recording]
        for (a, b), cues in zip(truth.spans, truth.cues, strict=True):
            inside = ((times_s >= a) & (times_s < b)).astype(float)
            has = {m: any(cues.get(c) for c in names) for m, names in SEEN_IN.items()}
            has |= {"any": any(has.values()), "annotation": True}
            for m, it_has in has.items():
                scores[m][at] = np.maximum(scores[m][at], inside * it_has)
    marked = (held.present > 0) & (scores["annotation"] > 0)
    share = {m: float(scores[m][marked].mean()) for m in SEEN_IN}
    only = {
        m: float(
            (scores[m] * np.prod([1 - scores[o] for o in SEEN_IN if o != m], axis=0))[marked].mean()
        )
        for m in SEEN_IN
    }
    ceiling = {m: spreads(held, Said(None, s), 2)["frame_auc"][0] for m, s in scores.items()}
    return {"share_of_marked_moments": share, "by_this_one_alone": only, "ceiling": ceiling}


def contradiction(world: World, held: Held, seed: int) -> dict[str, np.ndarray]:
    """How much smile, frown, nod or shake contradicts the tone of the words around each moment
    ``(F,)``.

    ``measured``: action units against the lexicon; ``drawn``: the movements as they were drawn,
    habits included, against the same words. Both look back ``LINGER_S`` and know nothing of the
    label.
    """
    source, names = world.recipe.sources["words"], world.recipe.sources["face"].names
    wanted = {i.recording for i in held.items}
    takes = {}
    for clip in clips_of("bah", len({i.subject for i in world.items.values()}), seed, StudyWorld()):
        if clip.recording in wanted:
            takes[clip.recording] = take_of(
                clip, StudyWorld(), seed, person=person_of(clip, StudyWorld(), seed)
            )
    found: dict[str, list[np.ndarray]] = {"measured": [], "drawn": []}
    sides = {"smile": 1.0, "nod": 1.0, "frown": -1.0, "head_shake": -1.0}
    for item, rows in zip(held.items, held.rows, strict=True):
        grid = item.grid
        window = max(round(LINGER_S / grid.hop_s), 1)
        words = grid.values["words"]
        tone = words[:, source.at(source.approach)].sum(axis=1) - words[
            :, source.at(source.avoid)
        ].sum(axis=1)
        z = grid.values["face"][:, [names.index("AU12"), names.index("AU04")]]
        z = (z - z.mean(axis=0)) / np.maximum(z.std(axis=0), 1e-6)
        moved = np.zeros(len(grid))
        for m in takes[item.recording].movements:
            if m.kind in sides:
                moved[(grid.times_s + grid.hop_s > m.start_s) & (grid.times_s < m.end_s)] += sides[
                    m.kind
                ]
        said = np.sign(_back(tone, window))
        for kind, face in (("measured", z[:, 0] - z[:, 1]), ("drawn", np.sign(moved))):
            found[kind].append(-(_back(face, window) / window * said)[rows])
    return {k: np.concatenate(v) for k, v in found.items()}


def _back(x: np.ndarray, window: int) -> np.ndarray:
    """Sum of the last ``window`` rows."""
    total = np.r_[0.0, np.cumsum(x)]
    at = np.arange(1, len(x) + 1)
    return np.asarray(total[at] - total[np.maximum(at - window, 0)])


def told(
    held: Held, said: Said, signals: Mapping[str, np.ndarray], n_bootstrap: int
) -> dict[str, Any]:
    """What a contradiction told by hand adds to a model's frame score: two weights, learnt on other
    held-out people.
    """
    from sklearn.linear_model import LogisticRegression

    assert said.frame is not None
    people = np.unique(held.subject)
    half = np.isin(held.subject[held.answer], people[::2])
    alone = spreads(held, said, n_bootstrap)
    found = {}
    for name, signal in signals.items():
        columns = np.column_stack([said.frame, np.maximum(signal, 0), np.maximum(-signal, 0)])
        columns[:, 1:] -= columns[:, 1:].mean(axis=0)
        columns[:, 1:] /= np.maximum(columns[:, 1:].std(axis=0), 1e-9)
        odds = np.zeros(len(said.frame))
        for part in (half, ~half):
            fitted = LogisticRegression(max_iter=500).fit(columns[~part], held.present[~part])
            # In units of the model's own score and without a level: levels that differ by half
            # would cost AUC.
            weight = fitted.coef_[0] / fitted.coef_[0, 0]
            odds[part] = columns[part] @ weight
        both = spreads(held, Said(None, odds), n_bootstrap)
        found[name] = {k: v for k, v in differences(both, alone, "frame").items() if k in KEYS}
    return found


def study(
    out: Path,
    sizes: Sequence[int],
    n_test: int,
    epochs: int,
    n_bootstrap: int,
    seeds: int = 1,
    seed: int = 1,
) -> dict[str, Any]:
    """All numbers of the result file, figures averaged over ``seeds`` trainings.

    ``seed`` draws other people than those of ``fusion_study.py``.
    """
    started = time.process_time()
    found: dict[str, Any] = {
        "drawn": True,
        "sizes": list(sizes),
        "test_people": n_test,
        "epochs": epochs,
        "seed": seed,
    }
    found["seeds"] = seeds
    middle = sizes[len(sizes) // 2]
    worlds = {"default": (StudyWorld(), sizes)} | {k: (v, (middle,)) for k, v in EASIER.items()}
    for name, (settings, own) in worlds.items():
        found[name] = {}
        for world, n in zip(sized(name, settings, own, n_test, seed), own, strict=True):
            held = Held.of(world)
            said = {}
            for row in ROWS:
                models = [
                    [trained(world, world.folds[0], row, k, epochs, out)] for k in range(seeds)
                ]
                said[row.name] = predictions(world, held, models, row.modalities)
                print(
                    f"{time.process_time() - started:6.0f} s  {name}: {n} people, {row.name}",
                    file=sys.stderr,
                )
            all_of = {k: spreads(held, s, n_bootstrap) for k, s in said.items()}
            pairs = (("plain", "face"), ("conflict", "face"), ("conflict", "plain"))
            found[name][str(n)] = {
                "rows": {k: {m: with_ci(v[m]) for m in KEYS if m in v} for k, v in all_of.items()},
                "gains": {
                    f"{a} - {b}": {
                        m: f for m, f in differences(all_of[a], all_of[b]).items() if m in KEYS
                    }
                    for a, b in pairs
                },
            }
        if name == "default":
            found["held_out"] = {"answers": len(held.y), "moments": len(held.present)}
            found["shown"] = shown(world, held)
            found["told"] = told(held, said["plain"], contradiction(world, held, seed), n_bootstrap)
    return found | {"cpu_s": time.process_time() - started}


def table(found: Mapping[str, Any]) -> str:
    """The Markdown tables of the page."""
    from .fusion_study_page import cell

    lines = [
        "| world | people | face | plain | conflict | plain - face | conflict - plain | on "
        "conflicts |"
    ]
    for metric in ("frame_auc", "video_auc"):
        lines.append(metric)
        for name in ("default", *EASIER):
            for n, f in found[name].items():
                rows = [cell(f["rows"][r.name].get(metric)) for r in ROWS]
                gains = [
                    cell(f["gains"][g].get(metric), True)
                    for g in ("plain - face", "conflict - plain")
                ]
                gains.append(cell(f["gains"]["conflict - plain"].get("frame_auc_conflict"), True))
                lines.append("| " + " | ".join((name, n, *rows, *gains)) + " |")
    lines += [str(found["shown"])]
    lines += [
        f"told {k}: " + str({m: cell(f, True) for m, f in v.items()})
        for k, v in found["told"].items()
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--sizes", default="8,16,32,64", help="people to learn from, a quarter of whom stop"
    )
    parser.add_argument("--test", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--bootstrap", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each network")
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args()
    sizes = tuple(sorted(int(n) for n in given.sizes.split(",")))
    found = study(given.out, sizes, given.test, given.epochs, given.bootstrap, given.seeds)
    print(table(found))
    if given.save:
        save("fusion-study-why", found)


if __name__ == "__main__":
    main()
