"""Every method on every fold of a protocol, beside no adaptation; parallel over folds,
resumable.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import twomind.adaptation as adaptation
from twomind.adaptation.methods.source_only import SourceOnly
from twomind.core import engine
from twomind.core.errors import BadInput, Partial
from twomind.core.store import Ledger
from twomind.evaluation.refusals import place_of
from twomind.evaluation.run import RunOptions, Summary, run
from twomind.evaluation.windows import Dataset, Reader, Reading, Windows
from twomind.types import Access, Adapter, Example, Fold, Progress, Recogniser, Run, Task
from twomind.types.plain import Array

BASE = "source-only"

#: Makes the source model of a fold.
Maker: TypeAlias = Callable[[Fold], Recogniser]
#: Makes what a model's source site lets out.
SummaryMaker: TypeAlias = Callable[[Recogniser], Summary]
#: Puts the test recordings of a fold into another order, for each seed.
Order: TypeAlias = Callable[[Fold, int], Fold]


@dataclass(frozen=True)
class _Plan:
    """What every worker process needs; pickled when there are several."""

    dataset: Dataset
    features: Reading
    model_for_fold: Maker
    methods: Mapping[str, Adapter]
    task: Task
    seeds: tuple[int, ...]
    options: RunOptions
    summary_for: SummaryMaker | None
    order: Order | None


def _once(summary: Summary) -> Summary:
    """A summary that is made once: the source windows of one fold and model are the same for every
    method and seed.
    """
    made: list[Mapping[str, Array]] = []

    @functools.wraps(summary)
    def kept(source: tuple[Example, ...]) -> Mapping[str, Array]:
        if not made:
            made.append(summary(source))
        return made[0]

    return kept


def _fold(plan: _Plan, fold: Fold) -> tuple[list[Run], dict[str, str]]:
    """All methods and seeds on one fold, and which methods refused it and why.

    The model is made once, the features are checked once. A method may refuse a person (SHOT does,
    when it is handed neutral clips alone): that costs its own line this fold, and the table says
    so; the others go on.
    """
    model = plan.model_for_fold(fold)
    recordings = {recording.id: recording for recording in plan.dataset.recordings()}
    reader = Reader(plan.features, recordings)
    options = plan.options.copy()
    if plan.summary_for:
        options["summary"] = _once(plan.summary_for(model))
    runs = []
    refused = {}
    for seed in plan.seeds:
        ordered = plan.order(fold, seed) if plan.order else fold
        walk = functools.partial(run, ordered, plan.dataset, reader, model)
        asked: RunOptions = {**options, "seed": seed, "method": BASE}
        base = walk(plan.methods[BASE], plan.task, **asked)
        runs.append(base)
        asked["unadapted"] = base
        for name, adapter in plan.methods.items():
            if name == BASE:
                continue
            asked["method"] = name
            try:
                found = walk(adapter, plan.task, **asked)
            except BadInput as error:
                refused[name] = str(error)
                continue
            runs.append(found)
    return runs, refused


def compare(
    dataset: Dataset,
    protocol: str,
    model_for_fold: Maker,
    methods: Mapping[str, Adapter] | Sequence[str],
    seeds: Sequence[int],
    out: Path,
    progress: Progress | None = None,
    *,
    features: Reading,
    task: Task,
    windows: Windows | None = None,
    summary_for: SummaryMaker | None = None,
    allowed: Access | None = None,
    reset: str | None = None,
    model_name: str | None = None,
    split_seed: int = 0,
    check_content: bool = True,
    order: Order | None = None,
    workers: int = 1,
) -> list[Run]:
    """Run ``methods`` (names, or name → configured method) on every fold of ``protocol``, and no
    adaptation with them.

    Runs lie under ``out``; asked again, whole ones are read back. What failed, and which method
    refused which fold, is in ``out/ledger.jsonl``.

    Args:
        dataset: recordings, labels and folds.
        protocol: which folds.
        model_for_fold: makes the source model from the fold's training recordings (and keeps it
            where it wants to be resumed: a run is read back only for a model with the same
            weights).
        methods: their names, or name → configured method.
        seeds: of the runs.
        out: folder of the runs.
        progress: is told how far it is.
        features: reads the features of a recording.
        task: what is asked.
        windows: how recordings are cut.
        summary_for: makes the summary of :func:`twomind.evaluation.run.run` for a model.
        allowed: what methods may be handed (default: the protocol's own rule).
        reset: when the state starts anew (default: the protocol's own rule).
        model_name: the model's name in tables (default: its class's).
        split_seed: of the folds.
        check_content: look for equal content in training and test; False is for studies that put
            one recording's content into another on purpose; every run then says so.
        order: puts the test recordings of a fold into another order, for each seed.
        workers: processes; with several, everything given must be picklable.

    Raises:
        Partial: some folds failed, the others are done and kept.
    """
    if not isinstance(methods, Mapping):
        methods = {name: adaptation.load_method(name) for name in methods}
    options: RunOptions = {
        "windows": windows,
        "reset": reset,
        "allowed": allowed,
        "out": Path(out),
        "model_name": model_name,
        "check_content": check_content,
    }
    plan = _Plan(
        dataset=dataset,
        features=features,
        model_for_fold=model_for_fold,
        methods={BASE: SourceOnly(), **methods},
        task=task,
        seeds=tuple(seeds),
        options=options,
        summary_for=summary_for,
        order=order,
    )
    folds = dataset.folds(protocol, split_seed)
    ledger = Ledger(Path(out) / "ledger.jsonl")
    found: dict[str, list[Run]] = {}
    failed: list[str] = []
    work = functools.partial(_fold, plan)
    n_workers = engine.n_workers(workers, len(folds))
    for n, outcome in enumerate(engine.run(work, folds, n_workers), start=1):
        name = outcome.item.name
        state = "done" if outcome.ok else "failed"
        ledger.append(name, state=state, error=outcome.error, trace=outcome.trace)
        if outcome.ok and outcome.result is not None:
            found[name], refused = outcome.result
            for method, why in refused.items():
                where = place_of(found[name][0], method)
                ledger.append(f"{name} / {method}", state="refused", error=why, **where)
                if progress:
                    progress(f"{method} refused {name}: {why}", n, len(folds))
        else:
            failed.append(f"{name}: {outcome.error}")
        if progress:
            progress(f"fold {name}", n, len(folds))
    if failed:
        raise Partial(
            f"{len(failed)} of {len(folds)} folds failed, the others are kept in {out}; first: "
            f"{failed[0]}. "
            "Run again to try only what is missing"
        )
    runs = []
    for fold in folds:
        runs += found[fold.name]
    return runs
