"""Protocol × model × method → :class:`twomind.types.Run`: the only place where labels meet
predictions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol, TypeAlias, cast, runtime_checkable

import numpy as np

import twomind.adaptation as adaptation
from twomind.adaptation.methods.source_only import SourceOnly
from twomind.adaptation.summary import class_means
from twomind.core.errors import BadInput
from twomind.core.store import settings_hash
from twomind.evaluation import leaks, machine
from twomind.evaluation.harness import Clock, Harness, Summary
from twomind.evaluation.rows import Answered, all_rows
from twomind.evaluation.runs import folder_name, read_back, save_run
from twomind.evaluation.windows import Dataset, Labels, Reader, Reading, Windows
from twomind.types import (
    Access,
    Adapter,
    Example,
    Features,
    Fold,
    Given,
    Prediction,
    Progress,
    Recogniser,
    Run,
    Task,
    Trainable,
)
from twomind.types.plain import Array, Plain


@dataclass(frozen=True)
class RunOptions:
    """What is asked of :func:`run`, and how."""

    #: What the labels answer.
    task: Task
    #: How recordings are cut (default: each is one window).
    windows: Windows | None = None
    #: For the method.
    seed: int = 0
    #: When the state starts anew (default: the protocol's own rule).
    reset: str | None = None
    #: Makes what leaves the source site.
    summary: Summary | None = None
    #: What may be handed over (default: the protocol's own rule).
    allowed: Access | None = None
    #: The run of the same fold and model without adaptation; without it, the model is asked again.
    unadapted: Run | None = None
    #: Keep the run under ``out/<name>``. A whole one that was asked for with the same settings,
    #: data, model and code is read back.
    out: Path | None = None
    #: The run's name (default: made of what was asked).
    name: str | None = None
    #: The method's name in tables.
    method: str | None = None
    #: The model's name in tables (default: its class's).
    model_name: str | None = None
    #: Look for equal content in training and test.
    check_content: bool = True
    #: Is told how far it is.
    progress: Progress | None = None


#: Recording, start and end.
_Window: TypeAlias = tuple[str, float, float]


@dataclass(frozen=True)
class _Setup:
    """One method with one model on one fold, checked and named."""

    harness: Harness
    dataset: Dataset
    model: Recogniser
    adapter: Adapter
    name: str
    model_name: str
    method: str
    config: Plain
    reset: str
    allowed: Access | None
    check_content: bool

    @property
    def task(self) -> Task:
        return self.harness.labels.task

    @property
    def needs(self) -> Access:
        return self.adapter.needs


def run(
    fold: Fold,
    dataset: Dataset,
    features: Reading,
    model: Recogniser,
    adapter: Adapter | str,
    options: RunOptions,
) -> Run:
    """Walk the test recordings of a fold with one method, and lay labels beside its predictions
    afterwards.

    The method gets exactly what it ``needs`` of what the fold has and the protocol allows; its
    windows carry no label and a name that says nothing.

    Args:
        fold: which recordings are trained on, handed over and tested.
        dataset: where labels and people come from.
        features: reads the features of a recording.
        model: the source model.
        adapter: the method, or its name.
        options: what is asked, and how.

    Raises:
        BadInput: model and task differ; the protocol does not allow what the method needs; the fold
            is not clean.
    """
    given, task = options, options.task
    adapter, method = _named(adapter, given.method)
    config = leaks.config_of(adapter)
    leaks.check_task(model.task, task)
    harness = _harness(fold, dataset, features, given)
    ruled, ruled_reset = leaks.protocol_rules(fold.protocol)
    allowed = ruled if given.allowed is None else given.allowed
    leaks.check_access(adapter, harness.offered(), allowed, harness.fold)
    if given.check_content:
        _check_content(harness.fold, harness.reader)
    model_name = given.model_name or type(model).__name__
    made = f"{dataset.name}-{fold.protocol}-{fold.name}-{model_name}-{method}-seed{given.seed}"
    setup = _Setup(
        harness=harness,
        dataset=dataset,
        model=model,
        adapter=adapter,
        name=given.name or made,
        model_name=model_name,
        method=method,
        config=config,
        reset=given.reset or ruled_reset,
        allowed=allowed,
        check_content=given.check_content,
    )
    fingerprint = harness.fingerprint()
    if given.out is None:
        return _made(setup, fingerprint, given)
    folder = Path(given.out) / folder_name(setup.name)
    key = settings_hash(_asked(setup, fingerprint))
    kept = read_back(folder, key)
    if kept is not None:
        return kept
    found = _made(setup, fingerprint, given)
    save_run(found, folder, key)
    return found


def _harness(fold: Fold, dataset: Dataset, features: Reading, given: RunOptions) -> Harness:
    """The fold with checked people, ready to be read."""
    recordings = {recording.id: recording for recording in dataset.recordings()}
    leaks.check_people(fold, recordings)
    if leaks.people_meet(fold, recordings):
        fold = replace(fold, same_people=True)
    reader = features
    if not isinstance(reader, Reader):
        reader = Reader(reader, recordings)
    labels = Labels(dataset, given.task, given.windows or Windows())
    return Harness(fold, reader, labels, given.seed, given.summary)


def _check_content(fold: Fold, reader: Reader) -> None:
    """Look for equal content, once for a fold in any order."""
    any_order = replace(fold, test=tuple(sorted(fold.test)))
    if any_order not in reader.clean:
        leaks.check_content(fold, reader)
        reader.clean.add(any_order)


def _asked(setup: _Setup, fingerprint: str) -> Plain:
    """Everything on which a run depends: a kept one with the same is the same run."""
    harness = setup.harness
    parts = leaks.parts_of(setup.adapter)
    code = (setup.model, run, Harness, leaks.Offer, adaptation.stream, harness.summary)
    return {
        "dataset": setup.dataset.name,
        "fingerprint": fingerprint,
        "task": asdict(setup.task),
        "fold": asdict(harness.fold),
        "model": [setup.model_name, machine.model_digest(setup.model)],
        "method": [setup.method, setup.config, setup.needs.words()],
        "windows": asdict(harness.labels.windows),
        "seed": harness.seed,
        "reset": setup.reset,
        "allowed": None if setup.allowed is None else setup.allowed.words(),
        "content_checked": setup.check_content,
        "code": machine.code_digest(*parts, *code),
    }


def _made(setup: _Setup, fingerprint: str, given: RunOptions) -> Run:
    """Walk the stream, then lay labels beside what was said."""
    harness = setup.harness
    fold, labels = harness.fold, harness.labels
    tests = harness.test_windows()
    subjects = list(dict.fromkeys(x.subject for _, x in tests))
    offers = {subject: harness.given(subject, setup.needs) for subject in subjects}
    memory = machine.Memory()
    clock = Clock(setup.adapter)
    predictions, events = _walk(setup, clock, tests, offers, given.progress)
    peak_mb = memory.peak_mb()
    plain = _unadapted(setup, tests, predictions, given.unadapted)

    # From here on the method is done, and labels of test recordings may be looked at.
    spans = []
    recordings = []
    for recording, x in tests:
        recordings.append(recording)
        spans.append(x.span_s)
    spans_s = np.array(spans, float).reshape(-1, 2)
    answered = Answered(recordings, spans_s, predictions, plain)
    rows, notes = all_rows(fold, harness.reader, labels, answered)
    if not setup.check_content:
        notes.append("equal content in training and test was not looked for (check_content=False)")
    everybody = setup.dataset.people()
    return Run(
        name=setup.name,
        dataset=setup.dataset.name,
        task=setup.task,
        fold=fold,
        model=setup.model_name,
        method=setup.method,
        rows=rows,
        config=setup.config,
        saw=setup.needs,
        seen=harness.seen(setup.needs, offers),
        reset=setup.reset,
        seed=harness.seed,
        windows=asdict(labels.windows),
        people={subject: dict(everybody.get(subject, {})) for subject in subjects},
        not_shown=tuple(s for s in subjects if not setup.dataset.may_be_shown(s)),
        drawn=any(harness.reader.drawn[i] for i in fold.test),
        seconds=clock.seconds(),
        peak_mb=peak_mb,
        fingerprint=fingerprint,
        versions=machine.versions(),
        git=machine.git_state(),
        notes=tuple(notes),
        events=tuple(events),
    )


def _named(adapter: Adapter | str, method: str | None) -> tuple[Adapter, str]:
    """The method that is run, and its name in tables."""
    if isinstance(adapter, str):
        return adaptation.load_method(adapter), method or adapter
    module = type(adapter).__module__.rsplit(".", 1)[-1]
    return adapter, method or module.replace("_", "-")


def _walk(
    setup: _Setup,
    clock: Clock,
    tests: Sequence[tuple[str, Features]],
    offers: Mapping[str, Given],
    progress: Progress | None,
) -> tuple[list[Prediction], list[Plain]]:
    """The predictions, and what the states' ``log`` (a guard keeps one) says happened, by the
    recordings' own names.
    """
    n_classes = len(setup.task.classes)
    windows = [x for _, x in tests]
    found = []
    #: by identity: a log is carried on from state to state, and the entry is kept alive with it
    logged: dict[int, tuple[object, Plain]] = {}
    steps = adaptation.stream(
        setup.model, clock, windows, given=lambda subject: offers[subject], reset=setup.reset
    )
    for (recording, x), step in zip(tests, steps, strict=True):
        n = len(step.prediction.probs)
        if n != n_classes:
            raise BadInput(f"expected {n_classes} probabilities, got {n}")
        found.append(step.prediction)
        for event in _log(step):
            told = {**event, "subject": x.subject, "recording": recording}
            logged.setdefault(id(event), (event, told))
        if progress:
            progress(setup.name, len(found), len(windows))
    return found, [told for _, told in logged.values()]


def _log(step: adaptation.Step) -> Sequence[Mapping[str, object]]:
    """What the state's log holds so far."""
    if not isinstance(step.state, Mapping):
        return ()
    log: Sequence[Mapping[str, object]] = step.state.get("log", ())
    return log


def _unadapted(
    setup: _Setup,
    tests: Sequence[tuple[str, Features]],
    predictions: list[Prediction],
    unadapted: Run | None,
) -> list[Prediction]:
    """The same windows without adaptation."""
    if isinstance(setup.adapter, SourceOnly):
        return predictions
    if unadapted is None:
        return [setup.model.predict(x) for _, x in tests]
    there = _by_window(unadapted)
    n_classes = len(setup.task.classes)
    found = []
    for recording, x in tests:
        window = _window(recording, x.span_s)
        if window not in there:
            raise BadInput(f"unadapted: expected a run over the same windows; it lacks {window!r}")
        probs = there[window]
        if np.isfinite(probs).all():
            found.append(Prediction(x.span_s, probs))
        else:
            found.append(Prediction.not_measured(x.span_s, n_classes, "not measured"))
    return found


def _by_window(run: Run) -> dict[_Window, Array]:
    """Probabilities of a run by recording, start and end."""
    rows = run.rows["window"]
    found = {}
    for recording, span, probs in zip(rows.recording, rows.span_s, rows.probs, strict=True):
        found[_window(recording, span)] = probs
    return found


def _window(recording: str, span_s: Sequence[float]) -> _Window:
    start_s, end_s = span_s
    return str(recording), float(start_s), float(end_s)


class Embedder(Protocol):
    """A model that gives a window one embedding."""

    def pooled(self, x: Features) -> Array | None: ...


@runtime_checkable
class _WithHead(Protocol):
    def head(self) -> object: ...


def embedding_summary(model: Embedder, n_per_class: int = 1) -> Summary:
    """A summary for models with ``pooled(x) -> (D,)``: unit prototypes per class, mean and variance
    of source windows.

    Names: ``prototypes (P, D)``, ``prototype_class (P,)``, ``mean (D,)``, ``variance (D,)`` of
    pooled windows; ``class_mean (C, D)``, ``class_count (C,)`` of embeddings as the model's head
    gets them. With ``n_per_class`` > 1, a class's windows are dealt in order into that many groups.
    """

    def summary(source: tuple[Example, ...]) -> dict[str, Array]:
        values, y = _embedded(model, source)
        prototypes, owner = _prototypes(values, y, n_per_class)
        found = {
            "prototypes": np.stack(prototypes).astype(np.float32),
            "prototype_class": np.array(owner),
            "mean": values.mean(axis=0),
            "variance": values.var(axis=0),
        }
        if isinstance(model, _WithHead):
            found |= class_means(cast("Trainable", model), source)
        return found

    return summary


def _embedded(model: Embedder, source: Sequence[Example]) -> tuple[Array, Array]:
    """Embeddings ``(N, D)`` and classes ``(N,)`` of the windows that have any valid row."""
    rows = []
    y = []
    for example in source:
        row = model.pooled(example.x)
        if row is not None:
            rows.append(row)
            y.append(example.y)
    if not rows:
        raise BadInput("summary: no source window has a valid row")
    return np.stack(rows), np.array(y)


def _prototypes(values: Array, y: Array, n_per_class: int) -> tuple[list[Array], list[int]]:
    """Unit means of groups of windows of one class, and their classes."""
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    unit = values / np.maximum(lengths, 1e-12)
    prototypes = []
    owner = []
    for c in np.unique(y):
        own = unit[y == c]
        for group in np.array_split(own, min(n_per_class, len(own))):
            mean = group.mean(axis=0)
            length = float(np.linalg.norm(mean))
            prototypes.append(mean / max(length, 1e-12))
            owner.append(int(c))
    return prototypes, owner


__all__ = ["Summary", "Windows", "embedding_summary", "run"]
