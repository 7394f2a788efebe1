"""Train fusion models on a data set's folds, several seeds each, with figures on held-out people.
Resumable.

Behind ``twomind train fusion``: describe once, put all recordings on the grid, then one job per
fold and seed through ``engine``. Layout of ``out``: ``data.safetensors`` (grids and labels: keep it
where the data may be kept), per fold and seed a model's folder with what it says of held-out people
(``held-out.csv``), and ``study.json``. The model that
validation people liked best lies in ``out`` (one fold) or ``out/<fold>`` (several).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from twomind.core import engine
from twomind.core.errors import BadInput
from twomind.core.store import settings_hash, write_text
from twomind.evaluation.fusion_card import card_figures, class_probs
from twomind.evaluation.results_files import HELD_OUT, held_out_table
from twomind.models.fusion import recogniser as fusion
from twomind.models.fusion.input import Recipe
from twomind.models.fusion.net import FusionConfig
from twomind.training import fusion_data
from twomind.training.fusion import FitSettings, fit, with_card
from twomind.training.fusion_data import Item, LabelledSet, Skipped
from twomind.training.loop import TrainSettings
from twomind.types import Features, Fold, Progress, Recording, Task
from twomind.types.plain import Plain

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
    #: more for the card, for example which frozen encoders made the tracks
    extra: tuple[tuple[str, object], ...] = ()


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
        """Hash of everything on which the model depends."""
        asked: Plain = {"plan": asdict(self.plan), "fold": asdict(self.fold)}
        asked["seed"] = self.seed
        asked["data"] = _stamp(self.data)
        return settings_hash(asked)


def _stamp(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


Describe = Callable[[Recording], Features]


def described(
    dataset: LabelledSet,
    ids: Sequence[str],
    plan: Plan,
    describe: Describe,
    workers: int = 1,
    progress: Progress | None = None,
) -> tuple[list[Item], list[Skipped]]:
    """Items of all named recordings, and those that were left out, in the order of ``ids``.

    Args:
        dataset: recordings and labels.
        ids: which recordings.
        plan: what is trained.
        describe: measures one recording.
        workers: processes; 0: one per core.
        progress: is told how far it is.

    Raises:
        BadInput: the data set lacks a recording.
    """
    known = {r.id: r for r in dataset.recordings()}
    absent = [i for i in ids if i not in known]
    if absent:
        raise BadInput(
            f"the folds name {len(absent)} recording(s) that the data set lacks: "
            f"{', '.join(absent[:3])}"
        )
    recordings = [known[i] for i in ids]
    n_workers = engine.n_workers(workers, len(ids))
    found: dict[str, Item | Skipped] = {}
    for n, outcome in enumerate(engine.run(describe, recordings, n_workers), start=1):
        name = outcome.item.id
        if outcome.result is None:
            found[name] = Skipped(name, outcome.error)
        else:
            found[name] = fusion_data.labelled(dataset, plan.task, outcome.result, plan.recipe)
        if progress is not None:
            progress("describing", n, len(ids))
    items = []
    skipped = []
    for i in ids:
        one = found[i]
        if isinstance(one, Item):
            items.append(one)
        else:
            skipped.append(one)
    return items, skipped


def with_validation(
    fold: Fold, subjects: Mapping[str, str], share: float = 0.2, seed: int = 0
) -> Fold:
    """The fold, or where it has no validation people, with a share of its training people set aside
    as such.

    Args:
        fold: any fold.
        subjects: whose each recording is.
        share: of the training people, at least one person.
        seed: who is chosen.

    Raises:
        BadInput: too few training people.
    """
    if fold.val:
        return fold
    people = sorted({subjects[i] for i in fold.train if i in subjects})
    if len(people) < 3:
        raise BadInput(
            f"fold {fold.name!r}: {len(people)} training people are too few to set validation "
            "people aside"
        )
    n_aside = max(round(share * len(people)), 1)
    shuffled = np.random.default_rng(seed).permutation(people)
    aside = set(shuffled[:n_aside].tolist())
    train: list[str] = []
    val: list[str] = []
    for recording in fold.train:
        part = val if subjects.get(recording) in aside else train
        part.append(recording)
    return replace(fold, train=tuple(train), val=tuple(val))


def train_one(job: Job, progress: Progress | None = None) -> Plain:
    """Train, score on held-out people and save one model; done before with the same data and
    settings: read it back.
    """
    if job.threads:
        import torch

        torch.set_num_threads(job.threads)
    done = _finished(job)
    if done is not None:
        return done
    plan = job.plan
    items = {i.recording: i for i in fusion_data.read_items(job.data, plan.recipe)}
    train = _those(items, job.fold.train)
    test = _those(items, job.fold.test)
    checkpoint = job.out / CHECKPOINT
    model = fit(
        train,
        _those(items, job.fold.val),
        plan.task,
        plan.recipe,
        plan.config,
        replace(plan.train, seed=job.seed),
        plan.fit,
        checkpoint,
        progress,
    )
    more: Plain = {}
    if test:
        more |= card_figures(model, train, test, job.seed, plan.n_bootstrap)
        ids = [item.recording for item in test]
        write_text(job.out / HELD_OUT, held_out_table(ids, class_probs(model, test)))
    more |= dict(plan.extra)
    more["name_of_data"] = plan.data_name
    more["protocol"] = plan.protocol
    more["fold"] = job.fold.name
    more["seed"] = job.seed
    more["mark"] = job.mark
    model = with_card(model, more)
    fusion.save(model, job.out)
    checkpoint.unlink(missing_ok=True)
    return _row(job, dict(model.card))


def _those(items: Mapping[str, Item], ids: Iterable[str]) -> list[Item]:
    """The items of some recordings, without those that were left out."""
    return [items[i] for i in ids if i in items]


def _finished(job: Job) -> Plain | None:
    """The row of a model that was trained before with the same data and settings."""
    path = job.out / fusion.CARD
    if not path.is_file():
        return None
    card = json.loads(path.read_text(encoding="utf-8"))
    return _row(job, card) if card.get("mark") == job.mark else None


def _row(job: Job, card: Plain) -> Plain:
    """What the study's table says of one model."""
    training = card["training"]
    located = card.get("located", {})
    held = card.get("held_out_people", {}).get("rows", {})
    config = job.plan.config
    return {
        "fold": job.fold.name,
        "seed": job.seed,
        "folder": str(job.out),
        "model": config.model + (" (released)" if config.released else ""),
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
    describe: Describe,
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> Plain:
    """All folds and seeds; the table of what came out.

    Killed at any time and called again, it goes on: described recordings are in the store, finished
    models are read, an unfinished one continues from its checkpoint to the same weights.

    Args:
        dataset: recordings and labels.
        folds: which people train, validate and test.
        plan: what is trained.
        seeds: models per fold.
        out: folder for the models and the table.
        describe: measures one recording.
        workers: processes; 0: one per core.
        progress: is told how far it is.

    Raises:
        BadInput: nothing to train on, or every job failed.
    """
    out = Path(out)
    subjects = {r.id: r.subject for r in dataset.recordings()}
    folds = [with_validation(fold, subjects, seed=plan.train.seed) for fold in folds]
    for fold in folds:
        fusion_data.apart(fold, subjects)
    items, skipped = described(dataset, _ids(folds), plan, describe, workers, progress)
    if not items:
        why = ""
        if skipped:
            why = f": {skipped[0].recording}: {skipped[0].reason}"
        raise BadInput(f"no recording of these folds can be used{why}")
    data = fusion_data.write_items(out / DATA, items, plan.recipe)
    n_workers = engine.n_workers(workers, len(folds) * seeds)
    threads = int(n_workers > 1)
    jobs = []
    for fold in folds:
        place = _place(out, fold, len(folds))
        for k in range(seeds):
            seed = plan.train.seed + k
            own_place = place / f"seed-{seed}"
            jobs.append(Job(plan, fold, seed, data, own_place, threads))
    rows, failures = _all_jobs(jobs, n_workers, progress)
    if not rows:
        raise BadInput(f"no model could be trained: {failures[0]['error']}")
    best = {}
    for fold in folds:
        own = [row for row in rows if row["fold"] == fold.name]
        if own:
            place = _place(out, fold, len(folds))
            best[fold.name] = _keep_best(own, place)
    study = {
        "data": plan.data_name,
        "protocol": plan.protocol,
        "task": asdict(plan.task),
        "n_recordings": len(items),
        "n_people": len({item.subject for item in items}),
        "drawn": any(item.drawn for item in items),
        "skipped": [asdict(one) for one in skipped],
        "runs": sorted(rows, key=lambda row: (row["fold"], row["seed"])),
        "failures": failures,
        "models": best,
    }
    plain = fusion.plain(study)
    text = json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(out / STUDY, text + "\n")
    return study


def _ids(folds: Iterable[Fold]) -> list[str]:
    """All recordings of some folds, each once."""
    found: dict[str, None] = {}
    for fold in folds:
        for part in (fold.train, fold.val, fold.test):
            found |= dict.fromkeys(part)
    return list(found)


def _all_jobs(
    jobs: Sequence[Job], n_workers: int, progress: Progress | None
) -> tuple[list[Plain], list[Plain]]:
    """Rows of the models that were trained, and what failed."""
    rows = []
    failures = []
    # Several processes cannot tell of their epochs.
    work = partial(train_one, progress=progress if n_workers == 1 else None)
    for n_done, outcome in enumerate(engine.run(work, jobs, n_workers), start=1):
        job = outcome.item
        if outcome.result is not None:
            rows.append(outcome.result)
        else:
            why: Plain = {"fold": job.fold.name, "seed": job.seed, "error": outcome.error}
            failures.append(why)
        if progress is not None:
            progress("models", n_done, len(jobs))
    return rows, failures


def _place(out: Path, fold: Fold, n_folds: int) -> Path:
    """The fold's own folder: ``out`` itself where there is one fold only."""
    if n_folds == 1:
        return out
    name = ""
    for c in fold.name:
        name += c if c.isalnum() or c in "-_." else "_"
    return out / name


def _keep_best(rows: Sequence[Plain], target: Path) -> str:
    """Copy the seed that validation people liked best to the fold's own folder; the card names the
    others.
    """
    best = max(rows, key=lambda row: float(row["validation_score"]))
    for name in (fusion.WEIGHTS, fusion.CARD):
        part = target / f".{name}.part"
        shutil.copyfile(Path(best["folder"]) / name, part)
        part.replace(target / name)
    return str(target)
