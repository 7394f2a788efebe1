"""From runs to a table: what answers one question, every figure with its interval, shortcuts beside
it.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypedDict

import numpy as np

from twomind.core.errors import BadInput
from twomind.evaluation import baselines, people
from twomind.evaluation.lines import Line as Line
from twomind.evaluation.lines import Spread, against_shortcuts, measured
from twomind.evaluation.lines import mean_known as mean_known
from twomind.evaluation.pseudonyms import SCORES
from twomind.evaluation.samples import Sample as Sample
from twomind.evaluation.samples import by_seed as by_seed
from twomind.evaluation.samples import draws as draws
from twomind.evaluation.samples import figure as figure
from twomind.evaluation.samples import joined
from twomind.evaluation.samples import resampled as resampled
from twomind.types import Run, Task
from twomind.types.plain import Array, Plain

METRICS = (
    "macro_f1",
    "weighted_f1",
    "war",
    "uar",
    "ap",
    "ap_bah",
    "auc",
    "within_question_auc",
    "ece",
    "brier",
)

BASE = "source-only"


@dataclass(frozen=True)
class Refused:
    """A method that was asked for and has no run, or not on every fold."""

    name: str
    n_folds: int
    of_folds: int
    why: str

    def words(self) -> str:
        """How often it refused, and why the first time."""
        if self.n_folds == self.of_folds:
            where = "every fold"
        else:
            where = f"{self.n_folds} of {self.of_folds} folds"
        return f"refused {where}: {self.why}"


@dataclass(frozen=True)
class Board:
    """All lines about one data set under one protocol."""

    dataset: str
    protocol: str
    task: Task
    level: str
    metric: str
    lines: tuple[Line, ...]
    subjects: tuple[str, ...]
    people: Mapping[str, Mapping[str, object]]
    drawn: bool
    n_rows: int
    n_folds: int
    seeds: tuple[int, ...]
    rates: tuple[float, ...]
    same_people: bool
    notes: tuple[str, ...]
    refused: tuple[Refused, ...] = ()

    def line(self, name: str) -> Line:
        """The line of that name."""
        return next(one for one in self.lines if one.name == name)


class _Key(NamedTuple):
    """What runs of one line have in common."""

    model: str
    method: str
    config: str
    saw: str
    reset: str


def _key(run: Run) -> _Key:
    config = json.dumps(dict(run.config), sort_keys=True)
    return _Key(run.model, run.method, config, run.saw.words(), run.reset)


def check_alike(runs: Sequence[Run]) -> None:
    """All runs of one task have its classes in one order, and same-named folds hold the same data.

    Raises:
        BadInput: they do not; the message names the two runs.
    """
    first_of: dict[str, Run] = {}
    for run in runs:
        _check_task(run, first_of.setdefault(run.task.name, run))
    prints: dict[tuple[str, ...], Run] = {}
    for run in runs:
        # A bundle's fingerprint is under the key of its laboratory, and compares there alone.
        where = (run.dataset, run.fold.protocol, run.fold.name, run.place)
        same = (*where, str(run.windows), str(run.task))
        other = prints.setdefault(same, run)
        if other.fingerprint != run.fingerprint:
            raise BadInput(
                f"{run.name} and {other.name} are of the fold {run.fold.name!r}, but its data, "
                "labels or features "
                "changed between them; make the older one again"
            )


def _check_task(run: Run, first: Run) -> None:
    task, wanted = run.task, first.task
    if task.classes != wanted.classes:
        same_set = set(task.classes) == set(wanted.classes)
        order = "the order of classes is a contract; " if same_set else ""
        raise BadInput(
            f"{run.name} has the classes {task.classes}, {first.name} has "
            f"{wanted.classes}: {order}"
            "figures of the two cannot stand in one table"
        )


@dataclass(frozen=True)
class _Asked:
    """How the figures of a board are made: metrics, resamples, seed."""

    metric: str
    n_bootstrap: int
    seed: int


def boards(
    runs: Sequence[Run],
    metric: str = "macro_f1",
    n_bootstrap: int = 2000,
    seed: int = 0,
    progress: Callable[[str, float, float], None] | None = None,
    level: str | None = None,
) -> list[Board]:
    """One board per data set, task, protocol and way of cutting windows; synthetic people last.

    Args:
        runs: of any number of folds, seeds, models and methods.
        metric: the figure of one person.
        n_bootstrap: resamples behind each interval.
        seed: of the random numbers.
        progress: is told how far it is.
        level: what is judged: recording, window or frame (default: the task's own). A task of which
            no run has such rows is left out where there are others, and a note says so.

    Raises:
        BadInput: the runs do not belong on one page, a run is given twice, or no row of a board has
            a label.
    """
    check_alike(runs)
    runs, left_out = _of_level(runs, level)
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        how = {name: value for name, value in run.windows.items() if name != SCORES}
        windows = json.dumps(how, sort_keys=True)
        together = (run.dataset, run.fold.protocol, windows, str(run.task))
        groups.setdefault(together, []).append(run)
    asked = _Asked(metric, n_bootstrap, seed)
    found = []
    for n, group in enumerate(groups.values()):
        if progress:
            progress(f"figures of {group[0].dataset}", n, len(groups))
        own_level = level or group[0].level
        labelled, without = _labelled(group, own_level)
        board = _board(labelled, own_level, asked)
        found.append(replace(board, notes=(*board.notes, *left_out, *without)))
    return sorted(found, key=lambda board: board.drawn)


def _labelled(runs: Sequence[Run], level: str) -> tuple[list[Run], list[str]]:
    """The runs of a board without those of a line and seed in which nobody coded anything, and what
    to say of these.

    Raises:
        BadInput: none is left; the message names the first run.
    """
    of_line = [(_key(run), run.seed) for run in runs]
    pairs = list(zip(of_line, runs, strict=True))
    coded = {line for line, run in pairs if (run.rows[level].y >= 0).any()}
    if not coded:
        raise BadInput(f"{runs[0].name}: no row per {level} has a label, so there are no figures")
    notes = []
    for key, seed in dict.fromkeys(of_line):
        if (key, seed) not in coded:
            named = f"{key.model}, {key.method}, seed {seed}"
            notes.append(f"{named}: no row per {level} has a label, so it is left out")
    return [run for line, run in pairs if line in coded], notes


def _of_level(runs: Sequence[Run], level: str | None) -> tuple[Sequence[Run], list[str]]:
    """The runs of tasks that are judged at this level, and what to say of the others.

    Raises:
        BadInput: one run of a task lacks it, or all do.
    """
    tasks = dict.fromkeys(run.task for run in runs)
    without = [t for t in tasks if not any(level in r.rows for r in runs if r.task == t)]
    if level is None or len(without) == len(tasks):
        without = []
    kept = [run for run in runs if run.task not in without]
    for run in kept:
        if level is not None and level not in run.rows:
            raise BadInput(f"level {level}: {run.name} has rows per {', '.join(run.rows)} only")
    return kept, [f"{t.name} ({t.grain}): no rows per {level}, so it is left out" for t in without]


def _label(key: _Key, keys: Iterable[_Key]) -> str:
    """A line's name: the method, with the model, settings, what was handed over or reset rule only
    where they tell lines apart.
    """
    keys = list(keys)
    if all(k.method == BASE for k in keys):  # nothing adapts: the lines are models
        name = key.model
    else:
        name = key.method if key.method != BASE else baselines.WORDS["no_adaptation"]
        if len({k.model for k in keys}) > 1:
            name += f" · {key.model}"
    same = [k for k in keys if (k.model, k.method) == (key.model, key.method)]
    return name + _within_method(key, same)


def _within_method(key: _Key, same: Sequence[_Key]) -> str:
    """What tells a line from others of its model and method; empty where there are none."""
    told = ""
    if len({k.config for k in same}) > 1:
        told += f" ({_settings_apart(key, same)})"
    same = [k for k in same if k.config == key.config]
    if len({k.saw for k in same}) > 1:
        told += f", handed over: {key.saw}"
    if len({k.reset for k in same if k.saw == key.saw}) > 1:
        told += f", reset: {key.reset}"
    return told


def _settings_apart(key: _Key, same: Sequence[_Key]) -> str:
    """The settings that tell one line from others of the same model and method."""
    own: Plain = json.loads(key.config)
    others: list[Plain] = [json.loads(one.config) for one in same]
    names = dict.fromkeys(name for config in (own, *others) for name in config)
    differ = []
    for name in names:
        if any(other.get(name) != own.get(name) for other in others):
            differ.append(f"{name}={own[name]}" if name in own else f"no {name}")
    return ", ".join(differ)


class _Group(NamedTuple):
    """Runs of one line, by seed."""

    key: _Key
    by_seed: dict[int, list[Run]]

    @property
    def n(self) -> int:
        return sum(len(runs) for runs in self.by_seed.values())

    @property
    def is_base(self) -> bool:
        return self.key.method == BASE


def _groups(runs: Sequence[Run]) -> dict[str, _Group]:
    """Runs by the line in which they stand, by the line's name."""
    grouped: dict[_Key, list[Run]] = {}
    for run in runs:
        grouped.setdefault(_key(run), []).append(run)
    named = {}
    for key, own in grouped.items():
        label = _label(key, grouped)
        named[label] = _Group(key, by_seed(own))
    return named


def _board(runs: Sequence[Run], level: str, asked: _Asked) -> Board:
    first = runs[0]
    folds = {run.fold.name for run in runs}
    seeds = sorted({run.seed for run in runs})
    groups = _groups(runs)
    whole = max(groups.values(), key=lambda group: group.n)
    one_seed = next(iter(whole.by_seed.values()))
    notes = _missing(groups, len(folds), seeds)
    lines = [
        *_shortcut_lines(one_seed, level),
        *_base_lines(groups, level),
        *_run_lines(groups, level),
    ]
    subjects = _subjects(lines)
    y = _coded(one_seed, level)
    drawn = draws(subjects, asked.n_bootstrap, asked.seed)
    lines = _with_figures(lines, level, asked, subjects, drawn)
    n_of_class = np.bincount(y, minlength=len(first.task.classes))
    known: dict[str, Mapping[str, object]] = {}
    for run in runs:
        known |= run.people
        notes += [n for n in run.notes if n not in notes]
    return Board(
        dataset=first.dataset,
        protocol=first.fold.protocol,
        task=first.task,
        level=level,
        metric=asked.metric,
        lines=tuple(lines),
        subjects=tuple(subjects),
        people=known,
        drawn=any(run.drawn for run in runs),
        n_rows=len(y),
        n_folds=len(folds),
        seeds=tuple(seeds),
        rates=tuple((n_of_class / len(y)).tolist()),
        same_people=any(run.fold.same_people for run in runs),
        notes=tuple(notes),
    )


def _subjects(lines: Sequence[Line]) -> list[str]:
    found = set()
    for line in lines:
        for sample in line.samples:
            found |= {str(s) for s in sample.subject}
    return sorted(found)


def _coded(runs: Sequence[Run], level: str) -> Array:
    """Labels of all coded rows of some runs ``(N,)``."""
    found = []
    for run in runs:
        y = run.rows[level].y
        found.append(y[y >= 0])
    return np.concatenate(found)


def _shortcut_lines(one_seed: Sequence[Run], level: str) -> list[Line]:
    """Lines of the shortcuts that every run has beside its predictions."""
    lines = []
    for name in baselines.NAMES:
        if not all(name in run.rows[level].beside for run in one_seed):
            continue
        sample = joined(one_seed, level, name)
        label = baselines.WORDS[name]
        lines.append(Line(label, "shortcut", "labels", (sample,)))
    return lines


def _base_lines(groups: Mapping[str, _Group], level: str) -> list[Line]:
    """A line without adaptation for every model that has no run of its own without."""
    of_model: dict[str, list[_Group]] = {}
    for group in groups.values():
        of_model.setdefault(group.key.model, []).append(group)
    lines = []
    for model, own in of_model.items():
        if any(group.is_base for group in own):
            continue
        name = baselines.WORDS["no_adaptation"]
        if len(of_model) > 1:
            name += f" · {model}"
        most = max(own, key=lambda group: group.n)
        samples = []
        for runs in most.by_seed.values():
            samples.append(joined(runs, level, "no_adaptation"))
        lines.append(Line(name, "base", "nothing", tuple(samples)))
    return lines


def _in_order(groups: Mapping[str, _Group]) -> list[tuple[str, _Group]]:
    """Groups by name, those without adaptation first."""
    return sorted(groups.items(), key=lambda item: (not item[1].is_base, item[0]))


def _run_lines(groups: Mapping[str, _Group], level: str) -> list[Line]:
    """A line for every group of runs."""
    lines = []
    for name, group in _in_order(groups):
        runs: list[Run] = []
        samples = []
        for own in group.by_seed.values():
            runs += own
            samples.append(joined(own, level))
        saw = runs[0].saw.words()
        if any(run.seen.get("part_of_the_test", 0) for run in runs):
            saw += " (part of the test)"
        kind = "base" if group.is_base else "method"
        lines.append(Line(name, kind, saw, tuple(samples), tuple(runs)))
    return lines


def _missing(groups: Mapping[str, _Group], n_folds: int, seeds: Sequence[int]) -> list[str]:
    """What to know about lines that lack folds or seeds."""
    notes = []
    for name, group in _in_order(groups):
        missing = []
        for seed, runs in group.by_seed.items():
            if len(runs) < n_folds:
                missing.append(f"{len(runs)} of {n_folds} folds with seed {seed}")
        own_seeds = sorted(group.by_seed)
        if not missing and own_seeds != list(seeds):
            missing = [f"seeds {own_seeds} of {seeds}"]
        if missing:
            notes.append(
                f"{name}: {'; '.join(missing)}. Its figures are over other answers than the other "
                "lines"
            )
    return notes


def _with_figures(
    lines: Sequence[Line], level: str, asked: _Asked, subjects: Sequence[str], drawn: Array
) -> list[Line]:
    """The lines with figures, intervals, adjusted p values and differences to the shortcuts."""
    n_classes = lines[0].samples[0].probs.shape[1]
    names = [*METRICS, *(f"f1_{c}" for c in range(n_classes))]
    spreads: dict[str, Spread] = {}
    found = []
    for line in lines:
        spread = {m: resampled(line.samples, m, subjects, drawn) for m in names}
        spreads[line.name] = spread
        found.append(measured(line, level, asked.metric, spread, asked.seed))
    p = {}
    for line in found:
        if line.paired is not None:
            p[line.name] = line.paired.p_sign_flip
    adjusted = people.holm(p)
    whole = []
    for line in found:
        line = replace(line, p_holm=adjusted.get(line.name, math.nan))
        whole.append(against_shortcuts(line, found, spreads))
    return whole


#: With more lines than this, all are compared with the first one only.
MAX_PAIRED_LINES = 6


class Pairing(TypedDict):
    """Two lines, person by person; ``p_holm`` is adjusted for the number of pairs."""

    a: str
    b: str
    paired: people.Paired
    p_holm: float


def against_each_other(board: Board, seed: int = 0) -> list[Pairing]:
    """Methods and models, each pair person by person; the one with the larger figure first. p
    adjusted by Holm.

    Lines over other people than the first line's are left out: they cannot be paired.
    """
    lines = [line for line in board.lines if line.kind != "shortcut"]
    lines.sort(key=lambda line: -line.person_mean)
    same_people = [x for x in lines if x.per_person.keys() == lines[0].per_person.keys()]
    pairs = list(itertools.combinations(same_people, 2))
    if len(same_people) > MAX_PAIRED_LINES:
        pairs = [(lines[0], line) for line in same_people[1:]]
    found: list[Pairing] = []
    p = {}
    for k, (a, b) in enumerate(pairs):
        paired = people.paired(a.per_person, b.per_person, seed=seed)
        p[str(k)] = paired.p_sign_flip
        found.append({"a": a.name, "b": b.name, "paired": paired, "p_holm": math.nan})
    adjusted = people.holm(p)
    for k, row in enumerate(found):
        row["p_holm"] = adjusted[str(k)]
    return found
