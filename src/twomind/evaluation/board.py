"""From runs to a table: what answers one question, every figure with its interval, shortcuts beside
it.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.store import settings_hash
from twomind.evaluation import baselines, classes, people
from twomind.evaluation.metrics import interval
from twomind.evaluation.runs import filled
from twomind.types import Run

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
#: More rows than this are grouped by equal predictions, and fewer resamples are drawn.
MANY_ROWS = 20_000


@dataclass(frozen=True)
class Sample:
    """Rows of one seed at one level, all folds together, without the uncoded ones; nothing is
    missing any more.

    ``fold (N,)`` names the training recordings; ``n (N,)`` is how often each row counts.
    """

    y: np.ndarray
    probs: np.ndarray
    subject: np.ndarray
    question: np.ndarray
    fold: np.ndarray
    n: np.ndarray

    def of(self, probs: np.ndarray) -> Sample:
        return replace(self, probs=probs)

    def where(self, keep: np.ndarray) -> Sample:
        return Sample(
            *(getattr(self, k)[keep] for k in ("y", "probs", "subject", "question", "fold", "n"))
        )

    def compressed(self) -> Sample:
        """Equal rows of one person joined into one that counts more often: the same figures, fewer
        rows.
        """
        if len(self.y) < 300:
            return self
        codes = [
            np.unique(v, return_inverse=True)[1]
            for v in (self.subject, self.question, self.fold, self.y)
        ]
        table = np.column_stack([*codes, self.probs])
        _, first, index = np.unique(table, axis=0, return_index=True, return_inverse=True)
        return replace(self.where(first), n=np.bincount(index.ravel(), self.n))

    @cached_property
    def bound(self) -> dict[str, Callable[..., Any]]:
        return classes.bound(self.y, self.probs, self.question, self.fold)


def draws(subjects: Sequence[str], n_bootstrap: int, seed: int = 0) -> np.ndarray:
    """How often each person is drawn in each resample ``(B, P)``."""
    p = len(subjects)
    return np.random.default_rng(seed).multinomial(p, np.full(p, 1 / p), n_bootstrap).astype(float)


def figure(samples: Sequence[Sample], metric: str) -> float:
    """A metric, mean over the seeds."""
    return float(np.mean([s.bound[metric](s.n) for s in samples]))


def resampled(
    samples: Sequence[Sample], metric: str, subjects: Sequence[str], drawn: np.ndarray
) -> np.ndarray:
    """The metric in every resample of people ``(B,)``, mean over the seeds."""
    place = {s: i for i, s in enumerate(subjects)}
    found = []
    for sample in samples:
        index = np.array([place[s] for s in sample.subject])
        step = max(int(4e6 // len(index)), 1)
        parts = [
            np.asarray(sample.bound[metric](drawn[b : b + step][:, index] * sample.n))
            for b in range(0, len(drawn), step)
        ]
        found.append(np.concatenate(parts))
    return np.mean(found, axis=0)


def _joined(runs: Sequence[Run], level: str, beside: str | None = None) -> Sample:
    parts = []
    for run in runs:
        rows = run.rows[level]
        rows = rows.take(rows.y >= 0)
        probs = filled(rows, run.fill)
        if beside is not None:
            probs = filled(replace(rows, probs=rows.beside[beside]), run.fill)
        # Scores are comparable where the model is the same: folds with the same training recordings
        # are one.
        source = settings_hash({"train": run.fold.train, "val": run.fold.val})
        parts.append((rows.y, probs, rows.subject, rows.question, np.full(len(rows), source)))
    y, probs, subject, question, fold = (np.concatenate([p[k] for p in parts]) for k in range(5))
    return Sample(y, probs, subject, question, fold, np.ones(len(y))).compressed()


@dataclass(frozen=True)
class Line:
    """One line of a table: a method, no adaptation, or a shortcut."""

    name: str
    kind: str  # method, base or shortcut
    saw: str
    samples: tuple[Sample, ...]
    runs: tuple[Run, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, list[float]] = field(default_factory=dict)
    per_person: Mapping[str, float] = field(default_factory=dict)
    unadapted: Mapping[str, float] = field(
        default_factory=dict
    )  # the same people without adaptation
    person_ci: tuple[float, float] = (math.nan, math.nan)
    paired: people.Paired | None = None
    p_holm: float = math.nan
    above: Mapping[str, Mapping[str, list[float]]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_mb: float = math.nan
    coverage: float = 1.0
    n_one_class: int = 0
    constant: str = ""
    notes: tuple[str, ...] = ()

    @property
    def person_mean(self) -> float:
        return float(np.mean(list(self.per_person.values())))

    @property
    def person_sd(self) -> float:
        return (
            float(np.std(list(self.per_person.values()), ddof=1))
            if len(self.per_person) > 1
            else math.nan
        )

    @property
    def worst(self) -> float:
        return people.worst_decile(np.array(list(self.per_person.values())))


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
    task: Any
    level: str
    metric: str
    lines: tuple[Line, ...]
    subjects: tuple[str, ...]
    people: Mapping[str, Mapping[str, Any]]
    drawn: bool
    n_rows: int
    n_folds: int
    seeds: tuple[int, ...]
    rates: tuple[float, ...]
    same_people: bool
    notes: tuple[str, ...]
    refused: tuple[Refused, ...] = ()

    def line(self, name: str) -> Line:
        return next(one for one in self.lines if one.name == name)


def _key(run: Run) -> tuple[str, ...]:
    return (
        run.model,
        run.method,
        json.dumps(dict(run.config), sort_keys=True),
        run.saw.words(),
        run.reset,
    )


def check_alike(runs: Sequence[Run]) -> None:
    """All runs are of one task with its classes in one order, and same-named folds hold the same
    data.

    Raises:
        BadInput: they are not; the message names the two runs.
    """
    first = runs[0]
    for run in runs[1:]:
        if run.task.classes != first.task.classes:
            order = (
                "the order of classes is a contract; "
                if set(run.task.classes) == set(first.task.classes)
                else ""
            )
            raise BadInput(
                f"{run.name} has the classes {run.task.classes}, {first.name} has "
                f"{first.task.classes}: {order}"
                "figures of the two cannot stand in one table"
            )
        if run.task != first.task:
            raise BadInput(
                f"{run.name} is about {run.task.name!r} ({run.task.grain}), {first.name} about "
                f"{first.task.name!r} "
                f"({first.task.grain}): make a page for each task"
            )
    prints: dict[tuple[str, ...], Run] = {}
    for run in runs:
        other = prints.setdefault(
            (run.dataset, run.fold.protocol, run.fold.name, str(run.windows)), run
        )
        if other.fingerprint != run.fingerprint:
            raise BadInput(
                f"{run.name} and {other.name} are of the fold {run.fold.name!r}, but its data, "
                "labels or features "
                "changed between them; make the older one again"
            )


def boards(
    runs: Sequence[Run],
    metric: str = "macro_f1",
    n_bootstrap: int = 2000,
    seed: int = 0,
    progress: Callable[[str, float, float], None] | None = None,
    level: str | None = None,
) -> list[Board]:
    """One board per data set, protocol and way of cutting windows; drawn people last.

    ``level`` is what is judged: recording, window or frame (default: the task's own).

    Raises:
        BadInput: the runs do not belong on one page, or a run is given twice.
    """
    check_alike(runs)
    lacking = [r for r in runs if level is not None and level not in r.rows]
    if lacking:
        raise BadInput(
            f"level {level}: {lacking[0].name} has rows per {', '.join(lacking[0].rows)} only"
        )
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault(
            (run.dataset, run.fold.protocol, json.dumps(dict(run.windows), sort_keys=True)), []
        ).append(run)
    found = []
    for n, group in enumerate(groups.values()):
        if progress:
            progress(f"figures of {group[0].dataset}", n, len(groups))
        found.append(_board(group, metric, n_bootstrap, seed, level or group[0].level))
    return sorted(found, key=lambda b: b.drawn)


def _label(key: tuple[str, ...], keys: Iterable[tuple[str, ...]]) -> str:
    """A line's name: the method, with the model, settings or reset rule only where they tell lines
    apart.
    """
    keys = list(keys)
    model, method, config, _, reset = key
    if all(k[1] == "source-only" for k in keys):  # nothing adapts: the lines are models
        return model
    name = method if method != "source-only" else baselines.WORDS["no_adaptation"]
    several = len({k[0] for k in keys}) > 1
    name = f"{name} · {model}" if several else name
    same = [k for k in keys if k[:2] == key[:2]]
    if len({k[2] for k in same}) > 1:
        own = json.loads(config)
        others = [json.loads(k[2]) for k in same]
        differ = {k: v for k, v in own.items() if any(o.get(k) != v for o in others)}
        name += " (" + ", ".join(f"{k}={v}" for k, v in differ.items()) + ")"
    if len({k[4] for k in same if k[2] == config}) > 1:
        name += f", reset: {reset}"
    return name


def by_seed(runs: Sequence[Run]) -> dict[int, list[Run]]:
    found: dict[int, list[Run]] = {}
    for run in runs:
        same = [r for r in found.setdefault(run.seed, []) if r.fold.name == run.fold.name]
        if same:
            raise BadInput(
                f"two runs of {run.method} on the fold {run.fold.name!r} with seed {run.seed}: "
                "give "
                "one"
            )
        found[run.seed].append(run)
    return {s: sorted(found[s], key=lambda r: r.fold.name) for s in sorted(found)}


def _board(runs: Sequence[Run], metric: str, n_bootstrap: int, seed: int, level: str) -> Board:
    grouped: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        grouped.setdefault(_key(run), []).append(run)
    notes: list[str] = []
    folds = sorted({r.fold.name for r in runs})
    seeds = sorted({r.seed for r in runs})
    lines: list[Line] = []
    named = {_label(k, grouped): (k, by_seed(v)) for k, v in grouped.items()}
    whole = max(named.values(), key=lambda g: sum(map(len, g[1].values())))[1]
    one_seed = next(iter(whole.values()))
    for name in baselines.NAMES:
        if all(name in r.rows[level].beside for r in one_seed):
            lines.append(
                Line(baselines.WORDS[name], "shortcut", "labels", (_joined(one_seed, level, name),))
            )
    for model in dict.fromkeys(k[0] for k in grouped):
        own = [g for k, g in named.values() if k[0] == model]
        if not any(k[0] == model and k[1] == "source-only" for k, _ in named.values()):
            name = baselines.WORDS["no_adaptation"] + (
                "" if len({k[0] for k in grouped}) == 1 else f" · {model}"
            )
            most = max(own, key=lambda g: sum(map(len, g.values())))
            samples = tuple(_joined(rs, level, "no_adaptation") for rs in most.values())
            lines.append(Line(name, "base", "nothing", samples))
    for name, (key, mine_by_seed) in sorted(
        named.items(), key=lambda i: (i[1][0][1] != "source-only", i[0])
    ):
        mine = [r for rs in mine_by_seed.values() for r in rs]
        kind = "base" if key[1] == "source-only" else "method"
        samples = tuple(_joined(rs, level) for rs in mine_by_seed.values())
        missing = [
            f"{len(rs)} of {len(folds)} folds with seed {s}"
            for s, rs in mine_by_seed.items()
            if len(rs) < len(folds)
        ]
        if missing or set(mine_by_seed) != set(seeds):
            missing = missing or [f"seeds {sorted(mine_by_seed)} of {seeds}"]
            notes.append(
                f"{name}: {'; '.join(missing)}. Its figures are over other answers than the other "
                "lines"
            )
        part = max((r.seen.get("part_of_the_test", 0) for r in mine), default=0)
        saw = mine[0].saw.words() + (" (part of the test)" if part else "")
        lines.append(Line(name, kind, saw, samples, tuple(mine)))
    subjects = sorted({str(s) for line in lines for x in line.samples for s in x.subject})
    n_rows = sum(int((r.rows[level].y >= 0).sum()) for r in one_seed)
    n_draws = n_bootstrap if n_rows <= MANY_ROWS else min(n_bootstrap, 500)
    if n_draws < n_bootstrap:
        notes.append(f"{n_draws} resamples instead of {n_bootstrap}, because of {n_rows} rows")
    drawn = draws(subjects, n_draws, seed)
    spreads: dict[str, dict[str, np.ndarray]] = {}
    for k, line in enumerate(lines):
        names = [*METRICS, *(f"f1_{c}" for c in range(len(runs[0].task.classes)))]
        spreads[line.name] = {m: resampled(line.samples, m, subjects, drawn) for m in names}
        lines[k] = _measured(line, level, metric, spreads[line.name], seed)
    adjusted = people.holm({x.name: x.paired.p_sign_flip for x in lines if x.paired is not None})
    lines = [replace(x, p_holm=adjusted.get(x.name, math.nan)) for x in lines]
    lines = [_against(x, lines, spreads) for x in lines]
    y = np.concatenate([r.rows[level].y for r in one_seed])
    rates = np.bincount(y[y >= 0], minlength=len(runs[0].task.classes)) / (y >= 0).sum()
    for run in runs:
        notes += [n for n in run.notes if n not in notes]
    return Board(
        dataset=runs[0].dataset,
        protocol=runs[0].fold.protocol,
        task=runs[0].task,
        level=level,
        metric=metric,
        lines=tuple(lines),
        subjects=tuple(subjects),
        people={s: p for r in runs for s, p in r.people.items()},
        drawn=any(r.drawn for r in runs),
        n_rows=n_rows,
        n_folds=len(folds),
        seeds=tuple(seeds),
        rates=tuple(float(r) for r in rates),
        same_people=any(r.fold.same_people for r in runs),
        notes=tuple(notes),
    )


def _persons(samples: Sequence[Sample], metric: str) -> dict[str, float]:
    each: dict[str, list[float]] = {}
    for sample in samples:
        for s in np.unique(sample.subject):
            here = np.repeat(
                np.flatnonzero(sample.subject == s), sample.n[sample.subject == s].astype(int)
            )
            each.setdefault(str(s), []).append(
                people.OF_ONE[metric](sample.y[here], sample.probs[here])
            )
    return {s: float(np.mean(v)) for s, v in each.items()}


def _measured(
    line: Line, level: str, metric: str, spread: Mapping[str, np.ndarray], seed: int
) -> Line:
    c = line.samples[0].probs.shape[1]
    figures = {m: figure(line.samples, m) for m in spread}
    intervals = {m: interval(values) for m, values in spread.items()}
    own = _persons(line.samples, metric)
    values = np.array([own[s] for s in sorted(own)])
    picks = np.random.default_rng(seed).integers(0, len(values), (2000, len(values)))
    low, high = interval(values[picks].mean(axis=1))
    paired, base = None, {}
    if line.kind == "method":
        base = _persons(
            [_joined(rs, level, "no_adaptation") for rs in by_seed(line.runs).values()], metric
        )
        paired = people.paired(own, base, seed=seed)
    one_class, constant = _constant(line, figures, c)
    measured = [np.isfinite(r.rows[level].probs).all(axis=1) for r in line.runs]
    return replace(
        line,
        figures=figures,
        intervals=intervals,
        per_person=own,
        unadapted=base,
        person_ci=(low, high),
        paired=paired,
        n_one_class=one_class,
        constant=constant,
        coverage=float(np.concatenate(measured).mean()) if measured else 1.0,
        seconds={
            k: mean_known([r.seconds.get(k, math.nan) for r in line.runs])
            for k in ("begin", "step")
        },
        peak_mb=max((r.peak_mb for r in line.runs), default=math.nan),
    )


def mean_known(values: Sequence[float]) -> float:
    good = [v for v in values if math.isfinite(v)]
    return float(np.mean(good)) if good else math.nan


def _constant(line: Line, figures: Mapping[str, float], c: int) -> tuple[int, str]:
    """How many people are told one class only, and why the line counts as a constant predictor (""
    when not).

    Looked at pooled, and as a mean over people: one class per person lies on the curve only in the
    second.
    """
    f1s, wars, one = [], [], 0
    for sample in line.samples:
        for s in np.unique(sample.subject):
            mine = sample.where(sample.subject == s)
            f1s.append(classes.macro_f1(mine.y, mine.probs, mine.n))
            wars.append(classes.war(mine.y, mine.probs, mine.n))
            one += len(np.unique(classes.decide(mine.probs))) == 1
    one = round(one / len(line.samples))
    if classes.on_constant_curve(figures["macro_f1"], figures["war"], c):
        return one, "constant-predictor curve"
    curve = float(np.mean([classes.constant_f1(v, c) for v in wars]))
    if abs(float(np.mean(f1s)) - curve) <= classes.NEAR_CURVE:
        return one, "constant-predictor curve, as a mean over people"
    return one, ""


def _against(
    line: Line, lines: Sequence[Line], spreads: Mapping[str, Mapping[str, np.ndarray]]
) -> Line:
    """Differences to the shortcuts over the same resamples: value, low, high."""
    if line.kind == "shortcut":
        return line
    above: dict[str, dict[str, list[float]]] = {}
    for other in lines:
        if other.kind == "shortcut":
            above[other.name] = {
                m: [
                    line.figures[m] - other.figures[m],
                    *interval(spreads[line.name][m] - spreads[other.name][m]),
                ]
                for m in ("macro_f1", "auc", "within_question_auc")
            }
    return replace(line, above=above)


#: With more lines than this, all are compared with the first one only.
MAX_PAIRED_LINES = 6


def against_each_other(board: Board, seed: int = 0) -> list[dict[str, Any]]:
    """Methods and models, each pair person by person; the one with the larger figure first. p
    adjusted by Holm.

    Lines over other people than the first line's are left out: they cannot be paired.
    """
    lines = sorted((x for x in board.lines if x.kind != "shortcut"), key=lambda x: -x.person_mean)
    lines = [x for x in lines if x.per_person.keys() == lines[0].per_person.keys()]
    pairs = list(itertools.combinations(lines, 2))
    if len(lines) > MAX_PAIRED_LINES:
        pairs = [(lines[0], x) for x in lines[1:]]
    each = [people.paired(a.per_person, b.per_person, seed=seed) for a, b in pairs]
    adjusted = people.holm({str(k): p.p_sign_flip for k, p in enumerate(each)})
    return [
        {"a": a.name, "b": b.name, "paired": p, "p_holm": adjusted[str(k)]}
        for k, ((a, b), p) in enumerate(zip(pairs, each, strict=True))
    ]
