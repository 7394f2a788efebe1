"""Every method on every fold of a protocol, beside no adaptation; parallel over folds,
resumable.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
class Comparison:
    """What methods are compared on: people, folds, models, and the rules for all.

    With several worker processes everything in it is pickled.
    """

    #: Recordings, labels and folds.
    dataset: Dataset
    #: Which folds.
    protocol: str
    #: Makes the source model from the fold's training recordings (and keeps it where it wants to be
    #: resumed: a run is read back only for a model with the same weights).
    model_for_fold: Maker
    #: Reads the features of a recording.
    features: Reading
    #: What is asked.
    task: Task
    #: Of the runs.
    seeds: Sequence[int] = (0,)
    #: How recordings are cut.
    windows: Windows | None = None
    #: Makes the summary of :func:`twomind.evaluation.run.run` for a model.
    summary_for: SummaryMaker | None = None
    #: What methods may be handed (default: the protocol's own rule).
    allowed: Access | None = None
    #: When the state starts anew (default: the protocol's own rule).
    reset: str | None = None
    #: The model's name in tables (default: its class's).
    model_name: str | None = None
    #: Of the folds.
    split_seed: int = 0
    #: Look for equal content in training and test; False is for studies that put one recording's
    #: content into another on purpose; every run then says so.
    check_content: bool = True
    #: Puts the test recordings of a fold into another order, for each seed.
    order: Order | None = None

    def run_options(self, out: Path) -> RunOptions:
        """What all runs of the comparison share."""
        return RunOptions(
            task=self.task,
            windows=self.windows,
            reset=self.reset,
            allowed=self.allowed,
            out=out,
            method=BASE,
            model_name=self.model_name,
            check_content=self.check_content,
        )


@dataclass(frozen=True)
class _Plan:
    """What every worker process needs."""

    asked: Comparison
    methods: Mapping[str, Adapter]
    out: Path


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
    asked = plan.asked
    model = asked.model_for_fold(fold)
    recordings = {recording.id: recording for recording in asked.dataset.recordings()}
    reader = Reader(asked.features, recordings)
    options = asked.run_options(plan.out)
    if asked.summary_for:
        options = replace(options, summary=_once(asked.summary_for(model)))
    runs = []
    refused = {}
    for seed in asked.seeds:
        ordered = asked.order(fold, seed) if asked.order else fold
        walk = functools.partial(run, ordered, asked.dataset, reader, model)
        seeded = replace(options, seed=seed)
        base = walk(plan.methods[BASE], seeded)
        runs.append(base)
        for name, adapter in plan.methods.items():
            if name == BASE:
                continue
            try:
                found = walk(adapter, replace(seeded, method=name, unadapted=base))
            except BadInput as error:
                refused[name] = str(error)
                continue
            runs.append(found)
    return runs, refused


def compare(
    asked: Comparison,
    methods: Mapping[str, Adapter] | Sequence[str],
    out: Path,
    progress: Progress | None = None,
    *,
    workers: int = 1,
) -> list[Run]:
    """Run ``methods`` on every fold, and no adaptation with them.

    Runs lie under ``out``; asked again, whole ones are read back. What failed, and which method
    refused which fold, is in ``out/ledger.jsonl``.

    Args:
        asked: what they are compared on.
        methods: their names, or name → configured method.
        out: folder of the runs.
        progress: is told how far it is.
        workers: processes.

    Returns:
        A run for each fold, seed and method that did not refuse.

    Raises:
        Partial: some folds failed, the others are done and kept.
    """
    if not isinstance(methods, Mapping):
        methods = {name: adaptation.load_method(name) for name in methods}
    plan = _Plan(asked, {BASE: SourceOnly(), **methods}, Path(out))
    folds = asked.dataset.folds(asked.protocol, asked.split_seed)
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
