"""The drawn BAH study: every modality, every pair, all three, each fusion, on held-out people. No
media, no pictures.

    OMP_NUM_THREADS=1 python -m experiments.fusion_study --out /tmp/fusion-study [--people 24]
    [--epochs 30] [--seeds 1]

People are drawn as features (``study_features``), in groups of which each is held out once; a
quarter of the others stop and calibrate. Worlds: the default one; one without conflict; and the
default one whose face and voice pieces come from other people's moments of the same label. Killed
and called again, it goes on; ``--save`` writes the result file. What the figures mean:
``experiments/reports/fusion-synthetic.md``. The same on many draws of people: ``fusion_study_draws.py``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from twomind.core.store import settings_hash
from twomind.evaluation.fusion_folds import with_validation
from twomind.models.fusion import recogniser as fusion
from twomind.models.fusion.input import Recipe, default_recipe
from twomind.models.fusion.net import FusionConfig
from twomind.models.fusion.recogniser import FusionRecogniser
from twomind.training.fusion import fit, settings_for, with_card
from twomind.training.fusion_data import Item, data_mark, labelled
from twomind.training.loop import TrainSettings
from twomind.types import AMBIVALENCE, Features, Fold, Track
from twomind_synth.studies.dataset import DrawnSet
from twomind_synth.studies.features import (
    ClipTruth,
    StudyFeatures,
    shuffle_modalities,
    study_features,
)
from twomind_synth.study_world import StudyWorld

from .record import save

ALL = ("face", "voice", "words")
WORLDS = ("default", "no-conflict", "shuffled")
#: Pieces that the shuffled world swaps between people (s).
PIECE_S = 2.0
#: As many as ``train fusion`` has.
EPOCHS = TrainSettings.epochs


@dataclass(frozen=True)
class Row:
    """One row of the table: a model and what it reads. Singles and pairs use ``plain``: only the
    input differs.
    """

    model: str
    modalities: tuple[str, ...] = ALL
    residual: bool = True

    @property
    def name(self) -> str:
        if self.modalities != ALL:
            return " + ".join(self.modalities)
        return self.model if self.residual else f"{self.model} without residual"


ROWS = (
    *(Row("conflict"), Row("plain")),
    *(Row("plain", (m,)) for m in ALL),
    *(Row("plain", p) for p in (("face", "voice"), ("face", "words"), ("voice", "words"))),
    *(Row("lfan"), Row("can"), Row("jmt"), Row("mt")),
)
#: What the control worlds are asked about.
CONTROL_ROWS = (Row("conflict"), Row("plain"))


@dataclass(frozen=True)
class World:
    """A drawn study ready to train on: items with all modalities, truths, features and folds by
    people.
    """

    name: str
    recipe: Recipe
    items: Mapping[str, Item]
    truths: Mapping[str, ClipTruth]
    features: Mapping[str, Features]
    folds: tuple[Fold, ...]


def world_of(name: str, n_people: int, n_folds: int = 3, seed: int = 0) -> World:
    """Draw one world. ``shuffled``: face and voice come piece by piece from other people, labels as
    they were.
    """
    settings = StudyWorld(conflict=0.0) if name == "no-conflict" else StudyWorld()
    study = study_features("bah", n_people, seed, settings)
    if name == "shuffled":
        study = replace(study, features=shuffled(study.features, study.truths, seed))
    whole = ready(name, study)
    subjects = {i.recording: i.subject for i in whole.items.values()}
    return replace(
        whole,
        folds=tuple(
            with_validation(replace(f, train=(*f.train, *f.val), val=()), subjects, 0.25, seed)
            for f in DrawnSet(study).folds(f"people-{n_folds}", seed)
        ),
    )


def first_held_out(
    study: StudyFeatures, n_test: int, sizes: Sequence[int], seed: int
) -> tuple[Fold, ...]:
    """One fold per number of people to learn from; the first ``n_test`` people are held out in all
    of them.
    """
    who = {t.recording: t.subject for t in study.truths}
    people = list(dict.fromkeys(who.values()))

    def of(chosen: Sequence[str]) -> tuple[str, ...]:
        return tuple(r for p in chosen for r, s in who.items() if s == p)

    test = of(people[:n_test])
    folds = (
        Fold(f"{n} people", "first held out", of(people[n_test : n_test + n]), test) for n in sizes
    )
    return tuple(with_validation(f, who, 0.25, seed) for f in folds)


def ready(name: str, study: StudyFeatures, folds: tuple[Fold, ...] = ()) -> World:
    """The recordings of a drawn study on the grid, with their truths."""
    data, recipe = DrawnSet(study), default_recipe(ALL)
    found = (labelled(data, AMBIVALENCE, x, recipe) for x in study.features)
    items = {i.recording: i for i in found if isinstance(i, Item)}
    truths = {t.recording: t for t in study.truths}
    return World(name, recipe, items, truths, {x.recording: x for x in study.features}, folds)


class Labelled(Protocol):
    """The label of a span of a recording: :class:`ClipTruth` has it."""

    def at(self, start_s: float, end_s: float) -> int: ...


def shuffled(
    features: Sequence[Features],
    truths: Sequence[Labelled],
    seed: int = 0,
    piece_s: float = PIECE_S,
) -> tuple[Features, ...]:
    """Recordings whose face and voice are replaced, piece by piece, by those of other people with
    the same label.

    Face and voice come from two different draws, so that no two modalities of a moment belong
    together.
    """
    windows, labels, owner = [], [], []
    for n, (x, truth) in enumerate(zip(features, truths, strict=True)):
        for a in np.arange(x.span_s[0], x.span_s[1], piece_s).tolist():
            b = min(a + piece_s, x.span_s[1])
            windows.append(x.between(a, b))
            labels.append(truth.at(a, b))
            owner.append(n)
    swapped = shuffle_modalities(windows, labels, ("face", "face_relative"), seed)
    swapped = shuffle_modalities(swapped, labels, ("voice",), seed + 1)
    parts: list[list[Features]] = [[] for _ in features]
    for n, piece in zip(owner, swapped, strict=True):
        parts[n].append(piece)
    return tuple(
        replace(
            x, tracks={k: t if k == "words" else _joined(k, parts[n]) for k, t in x.tracks.items()}
        )
        for n, x in enumerate(features)
    )


def _joined(name: str, pieces: Sequence[Features]) -> Track:
    tracks = [p.tracks[name] for p in pieces if len(p.tracks[name])]
    # Reasons may differ from piece to piece, and no model reads them.
    return Track(
        np.concatenate([t.values for t in tracks]),
        np.concatenate([t.times_s for t in tracks]),
        np.concatenate([t.valid for t in tracks]),
        tracks[0].names,
    )


def narrowed(item: Item, modalities: Sequence[str]) -> Item:
    """The same recording with some modalities only."""
    grid = item.grid
    values, mask = ({m: d[m] for m in modalities} for d in (grid.values, grid.mask))
    return replace(item, grid=replace(grid, values=values, mask=mask))


def trained(
    world: World, fold: Fold, row: Row, seed: int, epochs: int, out: Path
) -> FusionRecogniser:
    """One model; trained before with the same data and settings, it is read."""
    recipe = default_recipe(row.modalities)
    train, val = (
        [narrowed(world.items[r], row.modalities) for r in ids if r in world.items]
        for ids in parts(fold)
    )
    config = FusionConfig(row.model, residual=row.residual)
    patience = min(max(epochs // 2, 1), TrainSettings.patience)
    settings = settings_for(config, epochs=epochs, patience=patience, seed=seed)
    mark = settings_hash(
        {
            "data": [data_mark(train), data_mark(val)],
            "config": asdict(config),
            "train": asdict(settings),
        }
    )
    place = (
        out
        / world.name
        / fold.name.replace(" ", "-")
        / row.name.replace(" + ", "-")
        / f"seed-{seed}-{mark[:8]}"
    )
    if (place / fusion.CARD).is_file():
        return fusion.load(place)
    model = fit(
        train,
        val,
        AMBIVALENCE,
        recipe,
        config,
        settings,
        checkpoint=place / "checkpoint.safetensors",
    )
    model = with_card(model, {"fold": fold.name, "world": world.name, "seed": seed, "mark": mark})
    fusion.save(model, place)
    (place / "checkpoint.safetensors").unlink(missing_ok=True)
    return model


def parts(fold: Fold) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return fold.train, fold.val


def study(
    n_people: int,
    epochs: int,
    seeds: int,
    out: Path,
    rows: Sequence[Row] = ROWS,
    n_folds: int = 3,
    n_bootstrap: int = 500,
    worlds: Sequence[str] = WORLDS,
    brief: bool = False,
) -> dict[str, Any]:
    """Train everything that is not there yet, then score it: the numbers of the result file.

    ``brief``: rows and gains, not what absences and deletions do.
    """
    from .fusion_study_score import (
        Held,
        absences,
        by_seed,
        conflict_signal,
        deletion,
        predictions,
        scored,
        shortcut_rows,
    )

    started = time.process_time()
    found: dict[str, Any] = {
        **{
            "people": n_people,
            "epochs": epochs,
            "seeds": seeds,
            "folds": n_folds,
            "bootstrap": n_bootstrap,
        },
        "drawn": True,
    }
    for name in worlds:
        world = world_of(name, n_people, n_folds)
        held = Held.of(world)
        wanted = rows if name == "default" else [r for r in rows if r in CONTROL_ROWS]
        said = dict(shortcut_rows(world, held))
        models: dict[str, list[list[FusionRecogniser]]] = {}
        for row in wanted:
            models[row.name] = []
            for seed in range(seeds):
                ms = [trained(world, fold, row, seed, epochs, out) for fold in world.folds]
                models[row.name].append(ms)
                print(
                    f"{time.process_time() - started:6.0f} s  {name}: {row.name}, seed {seed}",
                    file=sys.stderr,
                )
            said[row.name] = predictions(world, held, models[row.name], row.modalities)
        found[name] = scored(held, said, n_bootstrap)
        if seeds > 1:
            found[name]["by_seed"] = by_seed(world, held, models, n_bootstrap)
        if name == "default" and not brief:
            full = [r.name for r in wanted if r.modalities == ALL]
            found[name]["absent"] = absences(
                world, held, {k: models[k] for k in full}, said, n_bootstrap
            )
            found[name]["deletion"] = {
                k: deletion(world, models[k], n_bootstrap)
                for k in ("conflict", "plain")
                if k in models
            }
            found[name]["conflict_signal"] = conflict_signal(world)
    return found | {"cpu_s": time.process_time() - started}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--bootstrap", type=int, default=500)
    parser.add_argument("--leave-out", default="", help="rows not to train, for example mt,jmt")
    parser.add_argument("--worlds", default=",".join(WORLDS))
    parser.add_argument(
        "--brief", action="store_true", help="rows and gains only, no absences and deletions"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--name", default="fusion-study", help="of the result file")
    given = parser.parse_args()
    rows = [r for r in ROWS if r.name not in given.leave_out.split(",")]
    worlds = tuple(given.worlds.split(","))
    options = {"n_bootstrap": given.bootstrap, "worlds": worlds, "brief": given.brief}
    found = study(given.people, given.epochs, given.seeds, given.out, rows, **options)
    from .fusion_study_page import table

    print(table(found))
    if given.save:
        save(given.name, found)


if __name__ == "__main__":
    main()
