"""Train fusion models on a data set's folds, several seeds each, with figures on held-out people.
Resumable.

Behind ``twomind train fusion``: describe once, put all recordings on the grid, then one job per
fold and seed through ``engine``. Layout of ``out``: ``data.safetensors`` (grids and labels: keep it
where the data may be kept), per fold and seed a model's folder, and ``study.json``. The model that
validation people liked best lies in ``out`` (one fold) or ``out/<fold>`` (several).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import engine
from twomind.core.errors import BadInput
from twomind.core.store import settings_hash, write_text
from twomind.evaluation.fusion_card import card_figures
from twomind.models.fusion import recogniser as fusion
from twomind.models.fusion.input import Recipe
from twomind.models.fusion.net import FusionConfig
from twomind.training import fusion_data
from twomind.training.fusion import FitSettings, fit, with_card
from twomind.training.fusion_data import Item, LabelledSet, Skipped
from twomind.training.loop import TrainSettings
from twomind.types import Features, Fold, Progress, Recording, Task

DATA, STUDY, CHECKPOINT = "data.safetensors", "study.json", "checkpoint.safetensors"


@dataclass(frozen=True)
class Plan:
    """What is trained, the same for every fold and seed."""

    task: Task
    recipe: Recipe
    config: FusionConfig
    train: TrainSettings = field(default_factory=TrainSettings)
    fit: FitSettings = field(default_factory=FitSettings)
    data_name: str = ""
    protocol: str = ""
    n_bootstrap: int = 1000
    extra: tuple[
        tuple[str, Any], ...
    ] = ()  # more for the card, for example which frozen encoders made the tracks


@dataclass(frozen=True)
class Job:
    """One fold and seed."""

    plan: Plan
    fold: Fold
    seed: int
    data: Path
    out: Path
    threads: int = 0

    @property
    def mark(self) -> str:
        return settings_hash(
            {
                "plan": asdict(self.plan),
                "fold": asdict(self.fold),
                "seed": self.seed,
                "data": str(_stamp(self.data)),
            }
        )


def _stamp(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def described(
    dataset: LabelledSet,
    ids: Sequence[str],
    plan: Plan,
    describe: Callable[[Recording], Features],
    workers: int = 1,
    progress: Progress | None = None,
) -> tuple[list[Item], list[Skipped]]:
    """Items of all named recordings, described in ``workers`` processes, in the order of
    ``ids``.
    """
    known = {r.id: r for r in dataset.recordings()}
    if absent := [i for i in ids if i not in known]:
        raise BadInput(
            f"the folds name {len(absent)} recording(s) that the data set lacks: "
            f"{', '.join(absent[:3])}"
        )
    found: dict[str, Item | Skipped] = {}
    outcomes = engine.run(describe, [known[i] for i in ids], engine.n_workers(workers, len(ids)))
    for n, outcome in enumerate(outcomes, start=1):
        name = outcome.item.id
        if outcome.result is None:
            found[name] = Skipped(name, outcome.error)
        else:
            found[name] = fusion_data.labelled(dataset, plan.task, outcome.result, plan.recipe)
        if progress is not None:
            progress("describing", n, len(ids))
    items = [x for i in ids if isinstance(x := found[i], Item)]
    return items, [x for i in ids if isinstance(x := found[i], Skipped)]


def with_validation(
    fold: Fold, subjects: Mapping[str, str], share: float = 0.2, seed: int = 0
) -> Fold:
    """The fold, or where it has no validation people, with a share of its training people set aside
    as such.
    """
    if fold.val:
        return fold
    people = sorted({subjects[i] for i in fold.train if i in subjects})
    if len(people) < 3:
        raise BadInput(
            f"fold {fold.name!r}: {len(people)} training people are too few to set validation "
            "people aside"
        )
    n = max(round(share * len(people)), 1)
    aside = set(np.random.default_rng(seed).permutation(people)[:n].tolist())
    val = tuple(i for i in fold.train if subjects.get(i) in aside)
    return replace(fold, train=tuple(i for i in fold.train if i not in set(val)), val=val)


def train_one(job: Job, progress: Progress | None = None) -> dict[str, Any]:
    """Train, score on held-out people and save one model; done before with the same data and
    settings: read it back.
    """
    if job.threads:
        import torch

        torch.set_num_threads(job.threads)
    done = _finished(job)
    if done is not None:
        return done
    items = {i.recording: i for i in fusion_data.read_items(job.data, job.plan.recipe)}
    train, val, test = (
        [items[r] for r in ids if r in items]
        for ids in (job.fold.train, job.fold.val, job.fold.test)
    )
    settings = replace(job.plan.train, seed=job.seed)
    checkpoint = job.out / CHECKPOINT
    plan = job.plan
    model = fit(
        train, val, plan.task, plan.recipe, plan.config, settings, plan.fit, checkpoint, progress
    )
    figures = card_figures(model, train, test, job.seed, plan.n_bootstrap) if test else {}
    model = with_card(
        model,
        {
            **figures,
            **dict(plan.extra),
            "name_of_data": plan.data_name,
            "protocol": plan.protocol,
            "fold": job.fold.name,
            "seed": job.seed,
            "mark": job.mark,
        },
    )
    fusion.save(model, job.out)
    checkpoint.unlink(missing_ok=True)
    return _row(job, model.card)


def _finished(job: Job) -> dict[str, Any] | None:
    path = job.out / fusion.CARD
    if not path.is_file():
        return None
    card = json.loads(path.read_text(encoding="utf-8"))
    return _row(job, card) if card.get("mark") == job.mark else None


def _row(job: Job, card: Mapping[str, Any]) -> dict[str, Any]:
    training, located = card["training"], card.get("located", {})
    held = card.get("held_out_people", {}).get("rows", {})
    return {
        "fold": job.fold.name,
        "seed": job.seed,
        "folder": str(job.out),
        "model": job.plan.config.model + (" (released)" if job.plan.config.released else ""),
        "modalities": list(job.plan.recipe.modalities),
        "validation_score": training["best_score_on_validation_people"],
        "epochs": training["epochs"],
        "seconds": training["seconds"],
        "held_out": held.get("model"),
        "held_out_question_row": held.get("question"),
        "frames": located.get("auc_inside_answers"),
        "locates": bool(located.get("locates", False)),
        "locates_reason": located.get("reason", "no coded moments of held-out people"),
        "absent_modalities": card.get("absent_modalities"),
    }


def train_study(
    dataset: LabelledSet,
    folds: Sequence[Fold],
    plan: Plan,
    seeds: int,
    out: Path,
    describe: Callable[[Recording], Features],
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """All folds and seeds; the table of what came out.

    Killed at any time and called again, it goes on: described recordings are in the store, finished
    models are read, an unfinished one continues from its checkpoint to the same weights.

    Raises:
        BadInput: nothing to train on, or every job failed.
    """
    out = Path(out)
    subjects = {r.id: r.subject for r in dataset.recordings()}
    folds = [with_validation(f, subjects, seed=plan.train.seed) for f in folds]
    for fold in folds:
        fusion_data.apart(fold, subjects)
    ids = list(dict.fromkeys(i for f in folds for part in (f.train, f.val, f.test) for i in part))
    items, skipped = described(dataset, ids, plan, describe, workers, progress)
    if not items:
        first = f": {skipped[0].recording}: {skipped[0].reason}" if skipped else ""
        raise BadInput(f"no recording of these folds can be used{first}")
    data = fusion_data.write_items(out / DATA, items, plan.recipe)
    n_jobs = len(folds) * seeds
    n = engine.n_workers(workers, n_jobs)
    jobs = [
        Job(
            plan,
            f,
            plan.train.seed + s,
            data,
            _place(out, f, len(folds)) / f"seed-{plan.train.seed + s}",
            int(n > 1),
        )
        for f in folds
        for s in range(seeds)
    ]
    rows, failures = [], []
    work = partial(train_one, progress=progress if n == 1 else None)
    for done, outcome in enumerate(engine.run(work, jobs, n), start=1):
        if outcome.result is not None:
            rows.append(outcome.result)
        else:
            failures.append(
                {"fold": outcome.item.fold.name, "seed": outcome.item.seed, "error": outcome.error}
            )
        if progress is not None:
            progress("models", done, n_jobs)
    if not rows:
        raise BadInput(f"no model could be trained: {failures[0]['error']}")
    best = {
        f.name: _keep_best(out, f, len(folds), rows)
        for f in folds
        if any(r["fold"] == f.name for r in rows)
    }
    study = {
        "data": plan.data_name,
        "protocol": plan.protocol,
        "task": asdict(plan.task),
        "n_recordings": len(items),
        "n_people": len({i.subject for i in items}),
        "drawn": any(i.drawn for i in items),
        "skipped": [asdict(s) for s in skipped],
        "runs": sorted(rows, key=lambda r: (r["fold"], r["seed"])),
        "failures": failures,
        "models": best,
    }
    write_text(
        out / STUDY,
        json.dumps(fusion.plain(study), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
    )
    return study


def _place(out: Path, fold: Fold, n_folds: int) -> Path:
    return (
        out
        if n_folds == 1
        else out / "".join(c if c.isalnum() or c in "-_." else "_" for c in fold.name)
    )


def _keep_best(out: Path, fold: Fold, n_folds: int, rows: Sequence[Mapping[str, Any]]) -> str:
    """Copy the seed that validation people liked best to the fold's own folder; the card names the
    others.
    """
    own = [r for r in rows if r["fold"] == fold.name]
    best = max(own, key=lambda r: r["validation_score"])
    target = _place(out, fold, n_folds)
    for name in (fusion.WEIGHTS, fusion.CARD):
        shutil.copyfile(Path(best["folder"]) / name, target / f".{name}.part")
        (target / f".{name}.part").replace(target / name)
    return str(target)
