"""Labels meet what any predictor wrote: its rows matched to a data set's recordings, beside the
same shortcuts as everybody's, as runs.
"""

from __future__ import annotations

import difflib
import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np

from twomind.core.errors import BadInput, quoted
from twomind.datasets.bah_splits import video_id
from twomind.datasets.frames import FrameFolder
from twomind.datasets.protocols import Take
from twomind.evaluation import machine
from twomind.evaluation.results_files import Results, Said, spread_moments
from twomind.evaluation.rows import Answered, all_rows
from twomind.evaluation.windows import Dataset, Labels, Reader, Windows
from twomind.types import Features, Fold, Prediction, Recording, Run, Task
from twomind.types.plain import Array, Plain

BASE = "source-only"
NO_ROW = "the file has no row for it"
#: What stands beside every figure.
NOT_KNOWN = "whether a predictor was trained on these people is not known to the judge"
#: How far the end of a film's streams may lie from the length that its header tells.
_OVERHANG_S = 0.5
#: Nearest to 0 and 1 that a threshold is moved from.
_EDGE = 1e-9


#: A prediction, and the one without adaptation.
_Both: TypeAlias = tuple[Prediction, Prediction]


class Labelled(Dataset, Protocol):
    """A data set whose tasks and labels predictions are compared with."""

    @property
    def tasks(self) -> tuple[Task, ...]: ...

    def frame_folder(self, recording_id: str) -> FrameFolder | None: ...

    def takes(self) -> tuple[Take, ...]: ...


@dataclass(frozen=True)
class Asked:
    """How results are judged; empty: found out."""

    task: str = ""
    protocol: str = ""
    skip_unknown: bool = False  # rows of recordings that the data set lacks are left out
    windows: Windows = field(default_factory=Windows)  # how far moments lie apart


@dataclass(frozen=True)
class Scored:
    """The runs of one predictor, and how its rows fitted."""

    runs: tuple[Run, ...]
    counts: Plain


@dataclass(frozen=True)
class Judge:
    """A data set whose labels results are laid beside."""

    dataset: Labelled
    asked: Asked = field(default_factory=Asked)

    @cached_property
    def recordings(self) -> Mapping[str, Recording]:
        return {one.id: one for one in self.dataset.recordings()}

    @cached_property
    def folds(self) -> tuple[Fold, ...]:
        """Who is judged, and whom shortcuts are fitted on.

        Raises:
            BadInput: these people cannot be divided so.
        """
        return self.dataset.folds(self.asked.protocol or self._usual_protocol(), 0)

    def _usual_protocol(self) -> str:
        """The official division, as far as the folder has it; without any, groups of people."""
        takes = self.dataset.takes()
        splits = {take.split for take in takes}
        if {"train", "test"} <= splits:
            return "official"
        if {"train", "val"} <= splits:
            return "train-val"
        n_people = len({take.subject for take in takes})
        return "people-5" if n_people >= 5 else "leave-one-person-out"

    def task_for(self, results: Sequence[Results]) -> Task:
        """The task that is asked for; else the first, or where a result tells of moments the one of
        moments.

        Raises:
            BadInput: there is no such task.
        """
        tasks = {task.name: task for task in self.dataset.tasks}
        first = next(iter(tasks.values()))
        if self.asked.task:
            if self.asked.task not in tasks:
                raise BadInput(f"no task {self.asked.task!r}; there is: {', '.join(tasks)}")
            return tasks[self.asked.task]
        if not any(_in_parts(one) for one in results):
            return first
        of_moments = [task for task in tasks.values() if task.grain != "clip"]
        same = [task for task in of_moments if task.classes == first.classes]
        return same[0] if same else first

    def classes(self) -> tuple[str, ...]:
        """Of the asked task, or of the first."""
        return self.task_for(()).classes

    # --- matching

    def matched(self, results: Results) -> tuple[dict[str, list[Said]], Plain]:
        """The rows by recording, and how many fitted.

        Raises:
            BadInput: rows of recordings that the data set lacks (unless they are to be skipped), or
                none fits.
        """
        found: dict[str, list[Said]] = {}
        unknown: dict[str, Said] = {}
        for one in results.said:
            name = self._name_of(one.id)
            if name is None:
                unknown[one.id] = one
            else:
                own = found.setdefault(name, [])
                own.append(replace(one, id=name))
        if unknown and (not found or not self.asked.skip_unknown):
            raise BadInput(self._about_unknown(results, unknown, len(found)))
        for name, own in found.items():
            _refuse_two_names(name, own)
            found[name] = self._timed(name, own)
            self._refuse_outside(name, found[name])
        tested = self._tested()
        without = [name for name in tested if name not in found]
        counts: Plain = {"rows": len(results.said), "recordings": len(found)}
        counts["unknown"] = len(unknown)
        counts["unknown_examples"] = list(unknown)[:5]
        counts["not_judged"] = sum(name not in tested for name in found)
        counts["judged"] = len(tested)
        counts["without_a_row"] = len(without)
        counts["without_a_row_examples"] = without[:5]
        if len(without) == len(tested):
            raise BadInput(
                f"{results.path}: none of its {len(found)} recordings is judged under the protocol "
                f"{self.folds[0].protocol!r}, which tests {len(tested)}, for example "
                f"{tested[0]!r}; give the results of these people, or another --protocol"
            )
        return found, counts

    def _tested(self) -> list[str]:
        """All tested recordings with a label, each once."""
        found: dict[str, None] = {}
        task = self.dataset.tasks[0].name
        for fold in self.folds:
            for name in fold.test:
                if self.dataset.label(task, name) is not None:
                    found[name] = None
        return list(found)

    @cached_property
    def _short(self) -> Mapping[str, str]:
        """Names without folder and ending, of those recordings that alone have them."""
        names: dict[str, list[str]] = {}
        for name in self.recordings:
            names.setdefault(video_id(name), []).append(name)
        return {short: own[0] for short, own in names.items() if len(own) == 1}

    def _name_of(self, name: str) -> str | None:
        if name in self.recordings:
            return name
        return self._short.get(video_id(name))

    def _about_unknown(self, results: Results, unknown: Mapping[str, Said], n_known: int) -> str:
        first = next(iter(unknown.values()))
        near = difflib.get_close_matches(first.id, self.recordings, 1, 0.6)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        example = next(iter(self.recordings), "none")
        total = n_known + len(unknown)
        told = (
            f"{first.where}: {len(unknown)} of {total} ids in {results.path} are no recording of "
            f"{self.dataset.name}, for example {quoted(first.id)}{meant} A recording there is "
            f"called {example!r}."
        )
        if not n_known:
            return told
        return f"{told} Correct them, or leave such rows out with --skip-unknown"

    def _timed(self, name: str, own: Sequence[Said]) -> list[Said]:
        """The rows of one recording with times for frames that have numbers only."""
        numbers = [one.frame for one in own if one.frame is not None]
        if not numbers:
            return list(own)
        folder = self.dataset.frame_folder(name)
        if folder is None:
            raise BadInput(
                f"{own[0].where}: the time of frame {numbers[0]} is not known, since no frames of "
                f"{name!r} lie in {self.dataset.name}; give time_s"
            )
        times_s = folder.clock.seconds(numbers)
        time_of = dict(zip(numbers, times_s.tolist(), strict=True))
        unknown = [number for number, time_s in time_of.items() if not math.isfinite(time_s)]
        if unknown:
            raise BadInput(f"{own[0].where}: {name!r} has no frame {unknown[0]}")

        def when(one: Said) -> float | None:
            return None if one.frame is None else time_of[one.frame]

        return list(spread_moments(own, when))

    def _refuse_outside(self, name: str, own: Sequence[Said]) -> None:
        """A window of which no part lies in its recording would count as nothing said."""
        length_s = float(self.recordings[name].duration_s)
        for one in own:
            if one.span_s is None:
                continue
            start_s, end_s = one.span_s
            is_after = start_s > length_s + _OVERHANG_S  # never where the length is not known
            if end_s <= 0 or is_after:
                is_known = math.isfinite(length_s)
                length = f", which lasts {length_s:g} s" if is_known else ""
                raise BadInput(
                    f"{one.where}: what is said from {start_s:g} to {end_s:g} s lies outside "
                    f"{name!r}{length}; expected seconds from the beginning of the recording"
                )

    # --- runs

    def judge(self, results: Results, task: Task) -> Scored:
        """The runs of a predictor; a second line where its own decisions are others than at one
        half.

        Args:
            results: what it said.
            task: what is judged.

        Raises:
            BadInput: rows that do not fit, or decisions that no threshold of the score gives.
        """
        found, counts = self.matched(results)
        runs = [self._run(fold, found, results, task) for fold in self.folds]
        threshold = _threshold(results)
        if threshold is not None:
            moved = {}
            for name, own in found.items():
                moved[name] = [_moved(one, threshold) for one in own]
            called = f"{results.name}, decided above {threshold:.3g}"
            note = (
                f"{called}: the file's own decisions; probabilities were moved so that this "
                "threshold is one half, so ECE and Brier are not the predictor's"
            )
            other = replace(results, name=called, notes=(*results.notes, note))
            runs += [self._run(fold, moved, other, task) for fold in self.folds]
        counts["threshold"] = threshold
        counts["coverage"] = _coverage(runs)
        return Scored(tuple(runs), counts)

    def _run(
        self, fold: Fold, found: Mapping[str, Sequence[Said]], results: Results, task: Task
    ) -> Run:
        labels = Labels(self.dataset, task, self.asked.windows)
        reader = self._reader(found)
        answered = self._answered(fold, found, task)
        rows, notes = all_rows(fold, reader, labels, answered)
        adapted = _has_plain(found)
        if not results.method and not adapted:
            for level, own in rows.items():
                rows[level] = replace(own, beside={**own.beside, "no_adaptation": own.probs})
        tested = [self.recordings[name] for name in fold.test]
        where = f"{self.dataset.name}-{fold.protocol}-{fold.name}"
        about = self._people(tested)
        about["name"] = f"{where}-{results.name}-seed{results.seed}"
        about["method"] = results.method or ("adapted" if adapted else BASE)
        about["config"] = dict(results.config)
        about["windows"] = asdict(labels.windows)
        about["windows"]["unit"] = "as the predictor wrote them"
        about["fingerprint"] = self._fingerprint(fold, task)
        about["versions"] = machine.versions()
        about["git"] = machine.git_state()
        about["notes"] = (NOT_KNOWN, *notes, *results.notes)
        return Run(
            dataset=self.dataset.name,
            task=task,
            fold=fold,
            model=results.name,
            rows=rows,
            seed=results.seed,
            **about,
        )

    def _people(self, tested: Sequence[Recording]) -> Plain:
        """What a run holds of its people."""
        known = self.dataset.people()
        subjects = sorted({one.subject for one in tested})
        not_shown = [name for name in subjects if not self.dataset.may_be_shown(name)]
        found: Plain = {"people": {}}
        for name in subjects:
            found["people"][name] = dict(known.get(name, {}))
        found["not_shown"] = tuple(not_shown)
        found["drawn"] = any(one.drawn for one in tested)
        return found

    def _reader(self, found: Mapping[str, Sequence[Said]]) -> Reader:
        """Spans as far as they are known, else to the end of what was said; no features are
        read.
        """
        spans = {}
        for name, one in self.recordings.items():
            ends_s = [row.span_s[1] for row in found.get(name, ()) if row.span_s is not None]
            length_s = float(one.duration_s)
            if not math.isfinite(length_s):
                length_s = max(ends_s, default=math.nan)
            spans[name] = (0.0, length_s)
        drawn = {name: one.drawn for name, one in self.recordings.items()}
        return Reader(_nothing_measured, self.recordings, spans=spans, drawn=drawn)

    def _answered(self, fold: Fold, found: Mapping[str, Sequence[Said]], task: Task) -> Answered:
        n_classes = len(task.classes)
        ids: list[str] = []
        spans: list[tuple[float, float]] = []
        said: list[Prediction] = []
        plain: list[Prediction] = []
        whole: dict[str, _Both] = {}
        for name in fold.test:
            own = found.get(name, ())
            parts = []
            for one in own:
                both = _both(one, one.span_s or (0.0, 0.0), n_classes)
                if one.span_s is None:
                    whole[name] = both
                else:
                    parts.append(both)
            if not parts:
                parts.append(self._whole(name, whole, n_classes))
            for with_it, without in sorted(parts, key=_start):
                ids.append(name)
                spans.append(with_it.span_s)
                said.append(with_it)
                plain.append(without)
        return Answered(ids, np.array(spans, float).reshape(-1, 2), said, plain, whole)

    def _whole(self, name: str, whole: Mapping[str, _Both], n_classes: int) -> _Both:
        """What was said of a whole recording, over its length as far as that is known."""
        length_s = float(self.recordings[name].duration_s)
        span_s = (0.0, length_s if math.isfinite(length_s) else 0.0)
        missing = Prediction.not_measured(span_s, n_classes, NO_ROW)
        with_it, without = whole.get(name, (missing, missing))
        return replace(with_it, span_s=span_s), replace(without, span_s=span_s)

    def _fingerprint(self, fold: Fold, task: Task) -> str:
        """SHA-256 over ids, people, questions and labels of everything in the fold."""
        digest = hashlib.sha256(str(asdict(task)).encode())
        for name in sorted({*fold.train, *fold.val, *fold.test}):
            one = self.recordings[name]
            label = self.dataset.label(task.name, name)
            n_words = None if one.words is None else len(one.words)
            line = f"{name}|{one.subject}|{one.question}|{n_words}|{label}\n"
            digest.update(line.encode())
        return digest.hexdigest()


def _nothing_measured(recording: str) -> Features:
    raise BadInput(f"{recording}: nothing is measured where results are judged")


def _in_parts(results: Results) -> bool:
    return any(one.span_s is not None or one.frame is not None for one in results.said)


def _start(both: _Both) -> float:
    return both[0].span_s[0]


def _has_plain(found: Mapping[str, Sequence[Said]]) -> bool:
    """Whether it is said what the same model says without adaptation."""
    rows = itertools.chain.from_iterable(found.values())
    return any(one.plain is not None for one in rows)


def _refuse_two_names(name: str, own: Sequence[Said]) -> None:
    """Two rows of one recording under two names would be counted as one."""
    first: dict[object, Said] = {}
    for one in own:
        other = first.setdefault((one.span_s, one.frame), one)
        if other is not one:
            raise BadInput(
                f"{one.where}: a second row for {name!r}, first at {other.where}; expected one"
            )


def _both(one: Said, span_s: tuple[float, float], n_classes: int) -> _Both:
    """The prediction, and the one without adaptation."""
    said = _prediction(one.probs, span_s, n_classes, one.reason)
    if one.plain is None:
        return said, said
    return said, _prediction(one.plain, span_s, n_classes, one.reason)


def _prediction(
    probs: Array, span_s: tuple[float, float], n_classes: int, reason: str
) -> Prediction:
    if np.isfinite(probs).all():
        return Prediction(span_s, probs)
    why = reason or "the file has no score for it"
    return Prediction.not_measured(span_s, n_classes, why)


def _coverage(runs: Sequence[Run]) -> float:
    """Share of judged recordings that have a score."""
    known = []
    for run in runs:
        rows = next(iter(run.rows.values()))
        coded = rows.y >= 0
        is_finite = np.isfinite(rows.probs[coded])
        known.append(is_finite.all(axis=1))
    of_all = np.concatenate(known)
    return float(of_all.mean())


def _threshold(results: Results) -> float | None:
    """Above which score the predictor says the second class; None where that is one half, or where
    it told no decision.

    Raises:
        BadInput: no threshold gives these decisions; they may be the truth.
    """
    told = [one for one in results.said if one.label is not None and _is_known(one)]
    odd = [one for one in told if int(np.argmax(one.probs)) != one.label]
    if not odd:
        return None
    if len(told[0].probs) == 2:
        no = [float(one.probs[1]) for one in told if one.label == 0]
        yes = [float(one.probs[1]) for one in told if one.label == 1]
        highest, lowest = max(no, default=0.0), min(yes, default=1.0)
        if highest < lowest:
            return (highest + lowest) / 2
    raise BadInput(
        f"{odd[0].where}: the column label does not follow from the score by any threshold. If it "
        "holds the predictor's decisions, give them in a file of their own without scores; if it "
        "holds the truth, leave it out: labels come from --data"
    )


def _is_known(one: Said) -> bool:
    return bool(np.isfinite(one.probs).all())


def _moved(one: Said, threshold: float) -> Said:
    """The row with probabilities moved so that ``threshold`` becomes one half; their order stays."""
    if not _is_known(one):
        return one
    p = min(max(float(one.probs[1]), 0.0), 1.0)
    at = min(max(threshold, _EDGE), 1 - _EDGE)
    yes, no = p * (1 - at), (1 - p) * at
    moved = yes / (yes + no)
    return replace(one, probs=np.array([1 - moved, moved]))


def read_data(path: Path, name: str | None = None) -> Labelled:
    """The data set of a folder.

    Raises:
        BadInput: it is none.
    """
    from twomind.datasets import open_dataset

    found: Labelled = open_dataset(path, name)
    return found


__all__ = ["Asked", "Judge", "Scored", "read_data"]
