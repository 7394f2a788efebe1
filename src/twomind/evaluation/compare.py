"""Every method on every fold of a protocol, beside no adaptation; parallel over folds,
resumable.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twomind import adaptation
from twomind.adaptation.methods.source_only import SourceOnly
from twomind.core import engine
from twomind.core.errors import BadInput, Partial
from twomind.core.store import Ledger
from twomind.evaluation.refusals import place_of
from twomind.evaluation.run import Summary, run
from twomind.evaluation.windows import Dataset, Reader, Reading, Windows
from twomind.types import Access, Adapter, Example, Fold, Progress, Run, Task

BASE = "source-only"


@dataclass(frozen=True)
class _Plan:
    """What every worker process needs; pickled when there are several."""

    dataset: Dataset
    features: Reading
    model_for_fold: Callable[[Fold], Any]
    methods: Mapping[str, Adapter]
    task: Task
    seeds: tuple[int, ...]
    out: Path
    windows: Windows | None
    summary_for: Callable[[Any], Summary] | None
    allowed: Access | None
    reset: str | None
    model_name: str | None
    check_content: bool
    order: Callable[[Fold, int], Fold] | None


def _once(summary: Summary) -> Summary:
    """A summary that is made once: the source windows of one fold and model are the same for every
    method and seed.
    """
    made: list[Mapping[str, Any]] = []

    @functools.wraps(summary)
    def kept(source: tuple[Example, ...]) -> Mapping[str, Any]:
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
    reader = Reader(plan.features, {r.id: r for r in plan.dataset.recordings()})
    summary = _once(plan.summary_for(model)) if plan.summary_for else None
    whole, runs, refused = fold, [], {}
    for seed in plan.seeds:
        fold = plan.order(whole, seed) if plan.order else whole
        options: dict[str, Any] = {
            "windows": plan.windows,
            "seed": seed,
            "reset": plan.reset,
            "summary": summary,
            "allowed": plan.allowed,
            "out": plan.out,
            "model_name": plan.model_name,
            "check_content": plan.check_content,
        }
        base = run(
            fold, plan.dataset, reader, model, plan.methods[BASE], plan.task, method=BASE, **options
        )
        runs.append(base)
        for name, adapter in plan.methods.items():
            if name == BASE:
                continue
            try:
                one = run(
                    fold,
                    plan.dataset,
                    reader,
                    model,
                    adapter,
                    plan.task,
                    method=name,
                    unadapted=base,
                    **options,
                )
            except BadInput as error:
                refused[name] = str(error)
                continue
            runs.append(one)
    return runs, refused


def compare(
    dataset: Dataset,
    protocol: str,
    model_for_fold: Callable[[Fold], Any],
    methods: Mapping[str, Adapter] | Sequence[str],
    seeds: Sequence[int],
    out: Path,
    progress: Progress | None = None,
    *,
    features: Reading,
    task: Task,
    windows: Windows | None = None,
    summary_for: Callable[[Any], Summary] | None = None,
    allowed: Access | None = None,
    reset: str | None = None,
    model_name: str | None = None,
    split_seed: int = 0,
    check_content: bool = True,
    order: Callable[[Fold, int], Fold] | None = None,
    workers: int = 1,
) -> list[Run]:
    """Run ``methods`` (names, or name → configured method) on every fold of ``protocol``, and no
    adaptation with them.

    ``model_for_fold(fold)`` makes the source model from the fold's training recordings (and keeps
    it where it wants to be resumed: a run is read back only for a model with the same weights).
    ``summary_for(model)`` makes the summary of :func:`twomind.evaluation.run.run`. With ``workers``
    > 1 everything given must be picklable. Runs lie under ``out``; asked again, whole ones are read
    back. What failed, and which method refused which fold, is in ``out/ledger.jsonl``.
    ``order(fold, seed)`` puts the test recordings of a fold into another order, for each seed.
    ``check_content=False`` is for studies that put one recording's content into another on purpose;
    every run then says so.

    Raises:
        Partial: some folds failed, the others are done and kept.
    """
    given = (
        dict(methods)
        if isinstance(methods, Mapping)
        else {n: adaptation.load_method(n) for n in methods}
    )
    plan = _Plan(
        dataset=dataset,
        features=features,
        model_for_fold=model_for_fold,
        methods={BASE: SourceOnly(), **given},
        task=task,
        seeds=tuple(seeds),
        out=Path(out),
        windows=windows,
        summary_for=summary_for,
        allowed=allowed,
        reset=reset,
        model_name=model_name,
        check_content=check_content,
        order=order,
    )
    folds = dataset.folds(protocol, split_seed)
    ledger = Ledger(Path(out) / "ledger.jsonl")
    found: dict[str, list[Run]] = {}
    failed: list[str] = []
    for n, outcome in enumerate(
        engine.run(functools.partial(_fold, plan), folds, engine.n_workers(workers, len(folds))), 1
    ):
        name = outcome.item.name
        ledger.append(
            name, state="done" if outcome.ok else "failed", error=outcome.error, trace=outcome.trace
        )
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
    return [r for fold in folds for r in found[fold.name]]
