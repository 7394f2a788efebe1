"""One line of a table: a method, a model without adaptation or a shortcut, with all its figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from twomind.core import numbers
from twomind.evaluation import classes, people
from twomind.evaluation.metrics import interval
from twomind.evaluation.samples import Sample, by_seed, figure, joined
from twomind.types import Run
from twomind.types.plain import Array

#: Resamples behind the interval of a mean over people.
N_PERSON_BOOTSTRAP = 2000
#: Metrics that are compared with the shortcuts over the same resamples.
ABOVE = ("macro_f1", "auc", "within_question_auc")

#: A metric in every resample ``(B,)``, by its name.
Spread = Mapping[str, Array]


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
    #: the same people without adaptation
    unadapted: Mapping[str, float] = field(default_factory=dict)
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
        """Mean of the people's figures."""
        return float(np.mean(self._of_people))

    @property
    def person_sd(self) -> float:
        """Standard deviation of the people's figures; nan of one person."""
        values = self._of_people
        if len(values) < 2:
            return math.nan
        return float(np.std(values, ddof=1))

    @property
    def worst(self) -> float:
        """Mean figure of the worst tenth of the people."""
        return people.worst_decile(self._of_people)

    @property
    def _of_people(self) -> Array:
        return np.array(list(self.per_person.values()))


def mean_known(values: Sequence[float]) -> float:
    """Mean of the finite values; nan where there is none."""
    good = [v for v in values if math.isfinite(v)]
    return float(np.mean(good)) if good else math.nan


def measured(line: Line, level: str, metric: str, spread: Spread, seed: int) -> Line:
    """The line with its figures, intervals, people and costs.

    Args:
        line: with samples, without figures.
        level: recording, window or frame.
        metric: the figure of one person.
        spread: every metric of the line over resamples of people.
        seed: of the random numbers.
    """
    figures = {m: figure(line.samples, m) for m in spread}
    intervals = {m: interval(values) for m, values in spread.items()}
    own = persons(line.samples, metric)
    in_order = np.array([own[s] for s in sorted(own)])
    low, high = interval(numbers.resampled_means(in_order, N_PERSON_BOOTSTRAP, seed))
    base: dict[str, float] = {}
    paired = None
    if line.kind == "method":
        base = persons(_unadapted(line, level), metric)
        paired = people.paired(own, base, seed=seed)
    constant = _constant(line, figures)
    return replace(
        line,
        figures=figures,
        intervals=intervals,
        per_person=own,
        unadapted=base,
        person_ci=(low, high),
        paired=paired,
        n_one_class=_n_one_class(line.samples),
        constant=constant,
        coverage=_coverage(line.runs, level),
        seconds=_seconds(line.runs),
        peak_mb=max((run.peak_mb for run in line.runs), default=math.nan),
    )


def persons(samples: Sequence[Sample], metric: str) -> dict[str, float]:
    """The figure of every person, mean over the seeds.

    Args:
        samples: one per seed.
        metric: the figure of one person.
    """
    of_one = people.OF_ONE[metric]
    each: dict[str, list[float]] = {}
    for sample in samples:
        for subject, mine in sample.persons.items():
            rows = np.repeat(mine, sample.n[mine].astype(int))
            value = of_one(sample.y[rows], sample.probs[rows])
            each.setdefault(subject, []).append(float(value))
    return {subject: float(np.mean(values)) for subject, values in each.items()}


def _unadapted(line: Line, level: str) -> list[Sample]:
    found = []
    for runs in by_seed(line.runs).values():
        found.append(joined(runs, level, "no_adaptation"))
    return found


def _coverage(runs: Sequence[Run], level: str) -> float:
    """Share of rows that were measured; 1 where there is no run."""
    known = []
    for run in runs:
        probs = run.rows[level].probs
        known.append(np.isfinite(probs).all(axis=1))
    return float(np.concatenate(known).mean()) if known else 1.0


def _seconds(runs: Sequence[Run]) -> dict[str, float]:
    found = {}
    for what in ("begin", "step"):
        each = [run.seconds.get(what, math.nan) for run in runs]
        found[what] = mean_known(each)
    return found


def _by_person(samples: Sequence[Sample]) -> list[Sample]:
    """The rows of each person of each sample."""
    found = []
    for sample in samples:
        found += [sample.where(mine) for mine in sample.persons.values()]
    return found


def _n_one_class(samples: Sequence[Sample]) -> int:
    """How many people are told one class only, mean over the seeds."""
    n = 0
    for mine in _by_person(samples):
        told = np.unique(classes.decide(mine.probs))
        n += len(told) == 1
    return round(n / len(samples))


def _constant(line: Line, figures: Mapping[str, float]) -> str:
    """Why the line counts as a constant predictor, "" when it does not.

    Looked at pooled, and as a mean over people: one class per person lies on the curve only in the
    second.
    """
    n_classes = line.samples[0].probs.shape[1]
    if classes.on_constant_curve(figures["macro_f1"], figures["war"], n_classes):
        return "constant-predictor curve"
    f1s = []
    curve = []
    for mine in _by_person(line.samples):
        f1 = classes.macro_f1(mine.y, mine.probs, mine.n)
        war = classes.war(mine.y, mine.probs, mine.n)
        f1s.append(float(f1))
        curve.append(classes.constant_f1(float(war), n_classes))
    distance = np.mean(f1s) - np.mean(curve)
    if abs(distance) <= classes.NEAR_CURVE:
        return "constant-predictor curve, as a mean over people"
    return ""


def against_shortcuts(line: Line, lines: Sequence[Line], spreads: Mapping[str, Spread]) -> Line:
    """The line with its differences to the shortcuts over the same resamples: value, low, high.

    Args:
        line: any line with figures.
        lines: all lines of the table.
        spreads: every metric over resamples, by the lines' names.
    """
    if line.kind == "shortcut":
        return line
    mine = spreads[line.name]
    above: dict[str, dict[str, list[float]]] = {}
    for other in lines:
        if other.kind != "shortcut":
            continue
        theirs = spreads[other.name]
        differences = {}
        for metric in ABOVE:
            value = line.figures[metric] - other.figures[metric]
            spread = mine[metric] - theirs[metric]
            low, high = interval(spread)
            differences[metric] = [value, low, high]
        above[other.name] = differences
    return replace(line, above=above)
