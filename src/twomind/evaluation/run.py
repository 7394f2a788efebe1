"""Protocol × model × method → :class:`twomind.types.Run`: the only place where labels meet
predictions.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind import adaptation
from twomind.adaptation.methods.source_only import SourceOnly
from twomind.adaptation.summary import class_means
from twomind.core.errors import BadInput
from twomind.core.store import settings_hash
from twomind.evaluation import leaks, machine
from twomind.evaluation.rows import all_rows
from twomind.evaluation.runs import folder_name, read_back, save_run
from twomind.evaluation.windows import Dataset, Labels, Reader, Reading, Windows, opaque
from twomind.types import (
    Access,
    Adapter,
    Example,
    Features,
    Fold,
    Given,
    Prediction,
    Progress,
    Run,
    State,
    Task,
)

#: ``summary(source windows) -> {name: array}``: what leaves the source site where no source window
#: may.
Summary = Callable[[tuple[Example, ...]], Mapping[str, np.ndarray]]


@dataclass
class _Clock:
    """A method with a stop-watch."""

    inner: Adapter
    begin_s: list[tuple[float, float]] = field(default_factory=list)
    step_s: list[tuple[float, float]] = field(default_factory=list)

    @property
    def needs(self) -> Access:
        return self.inner.needs

    def begin(self, model: Any, given: Given) -> State:
        start = _now()
        state = self.inner.begin(model, given)
        self.begin_s.append(_since(start))
        return state

    def step(self, model: Any, state: State, x: Features) -> tuple[Prediction, State]:
        start = _now()
        found = self.inner.step(model, state, x)
        self.step_s.append(_since(start))
        return found

    def seconds(self) -> dict[str, float]:
        """Mean of ``begin`` and ``step`` and their ``total``, by the clock and (``_cpu``) of the
        processor.
        """
        found = {}
        for k, kind in enumerate(("", "_cpu")):
            begin, step = ([pair[k] for pair in pairs] for pairs in (self.begin_s, self.step_s))
            found["begin" + kind] = float(np.mean(begin)) if begin else math.nan
            found["step" + kind] = float(np.mean(step)) if step else math.nan
            found["total" + kind] = float(sum(begin) + sum(step))
        return found


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(start: tuple[float, float]) -> tuple[float, float]:
    clock, cpu = _now()
    return clock - start[0], cpu - start[1]


@dataclass
class _Harness:
    """One fold: reads features, keeps labels away from methods, and hands over what was
    declared.
    """

    fold: Fold
    reader: Reader
    labels: Labels
    windows: Windows
    seed: int
    summary: Summary | None
    _source: tuple[Example, ...] | None = None
    _left: Mapping[str, np.ndarray] | None = None

    def cut(self, recording: str) -> list[Features]:
        return [opaque(x) for x in self.windows.cut(self.reader(recording))]

    def test_windows(self) -> list[tuple[str, Features]]:
        return [(i, x) for i in self.fold.test for x in self.cut(i)]

    def labelled(self, recordings: Iterable[str]) -> tuple[Example, ...]:
        return self.labels.examples(recordings, self.cut)

    def source(self) -> tuple[Example, ...]:
        if self._source is None:
            self._source = self.labelled(self.fold.train)
        return self._source

    def left_the_source(self) -> Mapping[str, np.ndarray] | None:
        if self._left is None and self.summary is not None:
            self._left = self.summary(self.source())
        return self._left

    def offered(self) -> Access:
        found = Access.NOTHING
        if self.fold.train:
            found |= Access.SOURCE
            if self.summary is not None:
                found |= Access.SUMMARY
        for name in ("neutral", "target", "few"):
            if getattr(self.fold, name):
                found |= Access[name.upper()]
        return found

    def given(self, subject: str, needs: Access) -> Given:
        """What this person's protocol offers, read only where the method needs it."""
        own = {
            name: [
                i for i in getattr(self.fold, name) if self.reader.recordings[i].subject == subject
            ]
            for name in ("neutral", "target", "few")
        }
        for name, ids in own.items():
            if Access[name.upper()] in needs and not ids:
                raise BadInput(
                    f"fold {self.fold.name!r}: the person {subject!r} has no {name} recording to "
                    "hand over"
                )

        def windows(name: str) -> tuple[Features, ...] | None:
            return (
                tuple(x for i in own[name] for x in self.cut(i))
                if Access[name.upper()] in needs
                else None
            )

        return leaks.Offer(
            seed=self.seed,
            source=self.source() if Access.SOURCE in needs else None,
            summary=self.left_the_source() if Access.SUMMARY in needs else None,
            target=windows("target"),
            neutral=windows("neutral"),
            few=self.labelled(own["few"]) if Access.FEW in needs else None,
        )

    def seen(self, needs: Access, offered: Mapping[str, Given]) -> dict[str, Any]:
        """How much was handed over: recordings and windows by part, over all people."""
        found: dict[str, Any] = {}
        for flag in Access:
            name = str(flag.name).lower()
            if flag not in needs:
                continue
            if flag is Access.SUMMARY:
                found[name] = {"arrays": sorted(next(iter(offered.values())).summary or {})}
                continue
            ids = self.fold.train if flag is Access.SOURCE else getattr(self.fold, name)
            each = [getattr(g, name) for g in offered.values()]
            n = len(each[0]) if flag is Access.SOURCE else sum(len(e) for e in each)
            found[name] = {"recordings": len(ids), "windows": n}
        handed = {
            i
            for n in ("neutral", "target", "few")
            if Access[n.upper()] in needs
            for i in getattr(self.fold, n)
        }
        both = sorted(handed & set(self.fold.test))
        if both:
            found["part_of_the_test"] = len(both)
        return found


def _fingerprint(fold: Fold, reader: Reader, labels: Labels) -> str:
    """SHA-256 over ids, labels and content of everything in the fold."""
    digest = hashlib.sha256()
    parts = ("train", "val", "test", "neutral", "target", "few")
    for i in sorted({i for part in parts for i in getattr(fold, part)}):
        digest.update(f"{i}|{reader.recordings[i].subject}|{labels.of_recording(i)}|".encode())
        digest.update(reader.code(i).tobytes())
        if labels.task.grain != "clip":
            digest.update(
                labels.of_frames(i, labels.windows.frames(reader.span(i))).astype(np.int8).tobytes()
            )
    return digest.hexdigest()


def run(
    fold: Fold,
    dataset: Dataset,
    features: Reading,
    model: Any,
    adapter: Adapter | str,
    task: Task,
    *,
    windows: Windows | None = None,
    seed: int = 0,
    reset: str | None = None,
    summary: Summary | None = None,
    allowed: Access | None = None,
    unadapted: Run | None = None,
    out: Path | None = None,
    name: str | None = None,
    method: str | None = None,
    model_name: str | None = None,
    check_content: bool = True,
    progress: Progress | None = None,
) -> Run:
    """Walk the test recordings of a fold with one method, and lay labels beside its predictions
    afterwards.

    The method gets exactly what it ``needs`` of what the fold has and ``allowed`` permits (default,
    as ``reset``: the protocol's own rules); its windows carry no label and a name that says
    nothing. ``summary`` makes what leaves the source site. ``unadapted`` is the run of the same
    fold and model without adaptation; without it, the model is asked again. With ``out``, the run
    is kept under ``out/<name>``, and a whole one that was asked for with the same settings, data,
    model and code is read back.

    Raises: BadInput: model and task differ; the protocol does not allow what the method needs; the
        fold is not clean.
    """
    windows = windows or Windows()
    adapter, method = _named(adapter, method)
    config = leaks.config_of(adapter)
    leaks.check_task(model.task, task)
    recordings = {r.id: r for r in dataset.recordings()}
    leaks.check_people(fold, recordings)
    if leaks.people_meet(fold, recordings):
        fold = replace(fold, same_people=True)
    ruled, ruled_reset = leaks.protocol_rules(fold.protocol)
    allowed, reset = (ruled if allowed is None else allowed), (reset or ruled_reset)
    reader = features if isinstance(features, Reader) else Reader(features, recordings)
    labels = Labels(dataset, task, windows)
    harness = _Harness(fold, reader, labels, windows, seed, summary)
    leaks.check_access(adapter, harness.offered(), allowed, fold)
    any_order = replace(fold, test=tuple(sorted(fold.test)))
    if check_content and any_order not in reader.clean:
        leaks.check_content(fold, reader)
        reader.clean.add(any_order)
    model_name = model_name or type(model).__name__
    name = name or f"{dataset.name}-{fold.protocol}-{fold.name}-{model_name}-{method}-seed{seed}"
    fingerprint = _fingerprint(fold, reader, labels)
    asked = {
        "dataset": dataset.name,
        "fingerprint": fingerprint,
        "task": asdict(task),
        "fold": asdict(fold),
        "model": [model_name, machine.model_digest(model)],
        "method": [method, config, adapter.needs.words()],
        "windows": asdict(windows),
        "seed": seed,
        "reset": reset,
        "allowed": None if allowed is None else allowed.words(),
        "content_checked": check_content,
        "code": machine.code_digest(
            *leaks.parts_of(adapter), model, run, leaks.Offer, adaptation.stream, summary
        ),
    }
    key = settings_hash(asked)
    folder = Path(out) / folder_name(name) if out is not None else None
    if folder is not None:
        kept = read_back(folder, key)
        if kept is not None:
            return kept

    tests = harness.test_windows()
    subjects = list(dict.fromkeys(x.subject for _, x in tests))
    offers = {s: harness.given(s, adapter.needs) for s in subjects}
    memory = machine.Memory()
    watch = _Clock(adapter)
    predictions, events = _walk(model, watch, tests, offers, reset, task, progress, name)
    peak_mb = memory.peak_mb()
    plain = _unadapted(model, adapter, tests, predictions, unadapted, task)

    # From here on the method is done, and labels of test recordings may be looked at.
    ids = [i for i, _ in tests]
    spans = np.array([x.span_s for _, x in tests], float).reshape(-1, 2)
    rows, notes = all_rows(fold, reader, labels, task, windows, ids, spans, predictions, plain)
    if not check_content:
        notes.append("equal content in training and test was not looked for (check_content=False)")
    everybody = dataset.people()
    found = Run(
        name=name,
        dataset=dataset.name,
        task=task,
        fold=fold,
        model=model_name,
        method=method,
        rows=rows,
        config=config,
        saw=adapter.needs,
        seen=harness.seen(adapter.needs, offers),
        reset=reset,
        seed=seed,
        windows=asdict(windows),
        people={s: dict(everybody.get(s, {})) for s in subjects},
        not_shown=tuple(s for s in subjects if not dataset.may_be_shown(s)),
        drawn=any(reader.drawn[i] for i in fold.test),
        seconds=watch.seconds(),
        peak_mb=peak_mb,
        fingerprint=fingerprint,
        versions=machine.versions(),
        git=machine.git_state(),
        notes=tuple(notes),
        events=tuple(events),
    )
    if folder is not None:
        save_run(found, folder, key)
    return found


def _named(adapter: Adapter | str, method: str | None) -> tuple[Adapter, str]:
    if isinstance(adapter, str):
        return adaptation.load_method(adapter), method or adapter
    return adapter, method or type(adapter).__module__.rsplit(".", 1)[-1].replace("_", "-")


def _walk(
    model: Any,
    adapter: Adapter,
    tests: Sequence[tuple[str, Features]],
    offers: Mapping[str, Given],
    reset: str,
    task: Task,
    progress: Progress | None,
    what: str,
) -> tuple[list[Prediction], list[dict[str, Any]]]:
    """The predictions, and what the states' ``log`` (a guard keeps one) says happened, by the
    recordings' own names.
    """
    found, logged, known = [], [], set()
    xs = [x for _, x in tests]
    steps = adaptation.stream(
        model, adapter, xs, given=lambda subject: offers[subject], reset=reset
    )
    for (recording, x), step in zip(tests, steps, strict=True):
        if len(step.prediction.probs) != len(task.classes):
            raise BadInput(
                f"expected {len(task.classes)} probabilities, got {len(step.prediction.probs)}"
            )
        found.append(step.prediction)
        for event in step.state.get("log", ()) if isinstance(step.state, Mapping) else ():
            if (
                id(event) not in known
            ):  # a log is carried on from state to state; ``logged`` keeps its entries alive
                known.add(id(event))
                logged.append((event, {**event, "subject": x.subject, "recording": recording}))
        if progress:
            progress(what, len(found), len(xs))
    return found, [event for _, event in logged]


def _unadapted(
    model: Any,
    adapter: Adapter,
    tests: Sequence[tuple[str, Features]],
    predictions: list[Prediction],
    unadapted: Run | None,
    task: Task,
) -> list[Prediction]:
    """The same windows without adaptation."""
    if isinstance(adapter, SourceOnly):
        return predictions
    if unadapted is None:
        return [model.predict(x) for _, x in tests]
    rows = unadapted.rows["window"]
    there = {
        (str(r), *map(float, s)): p
        for r, s, p in zip(rows.recording, rows.span_s, rows.probs, strict=True)
    }
    try:
        probs = [there[(i, *map(float, x.span_s))] for i, x in tests]
    except KeyError as error:
        raise BadInput(
            f"unadapted: expected a run over the same windows; it lacks {error}"
        ) from error
    return [
        Prediction(x.span_s, p)
        if np.isfinite(p).all()
        else Prediction.not_measured(x.span_s, len(task.classes), "not measured")
        for (_, x), p in zip(tests, probs, strict=True)
    ]


def embedding_summary(model: Any, n_per_class: int = 1) -> Summary:
    """A summary for models with ``pooled(x) -> (D,)``: unit prototypes per class, mean and variance
    of source windows.

    Names: ``prototypes (P, D)``, ``prototype_class (P,)``, ``mean (D,)``, ``variance (D,)`` of
    pooled windows; ``class_mean (C, D)``, ``class_count (C,)`` of embeddings as the model's head
    gets them. With ``n_per_class`` > 1, a class's windows are dealt in order into that many groups.
    """

    def summary(source: tuple[Example, ...]) -> dict[str, np.ndarray]:
        rows = [(model.pooled(e.x), e.y) for e in source]
        kept = [(r, y) for r, y in rows if r is not None]
        if not kept:
            raise BadInput("summary: no source window has a valid row")
        values, y = np.stack([r for r, _ in kept]), np.array([y for _, y in kept])
        unit = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
        prototypes, owner = [], []
        for c in np.unique(y):
            for group in np.array_split(unit[y == c], min(n_per_class, int((y == c).sum()))):
                mean = group.mean(axis=0)
                prototypes.append(mean / max(float(np.linalg.norm(mean)), 1e-12))
                owner.append(int(c))
        return {
            "prototypes": np.stack(prototypes).astype(np.float32),
            "prototype_class": np.array(owner),
            "mean": values.mean(axis=0),
            "variance": values.var(axis=0),
            **(class_means(model, source) if hasattr(model, "head") else {}),
        }

    return summary


__all__ = ["Summary", "Windows", "embedding_summary", "run"]
