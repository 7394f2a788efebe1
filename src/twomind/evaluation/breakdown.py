"""A board taken apart: groups of people, questions, and moments."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from twomind.core import numbers
from twomind.evaluation import classes, timeline
from twomind.evaluation.board import Board
from twomind.evaluation.lines import Line, mean_known
from twomind.evaluation.metrics import interval
from twomind.evaluation.runs import NOT_TOLD, filled
from twomind.evaluation.samples import Sample, by_seed, draws, figure, resampled
from twomind.types import Rows, Run
from twomind.types.plain import Array, Plain

#: Groups of fewer people are not reported.
MIN_PEOPLE = 5
GROUPS = ("sex", "gender", "age", "age_band", "ethnicity", "language")
AGE_BANDS = ((0, 18), (18, 30), (30, 45), (45, 60), (60, 200))


#: Resamples behind the interval of the event F1.
N_EVENT_BOOTSTRAP = 1000


def group_of(key: str, value: object) -> str:
    """The group of a person's attribute, for a table."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return "not known"
    if key != "age":
        return " ".join(str(value).split()) or "not known"
    try:
        years = float(str(value))
    except ValueError:
        return str(value)  # a band of the data set's own
    for low, high in AGE_BANDS:
        if low <= years < high:
            return f"{low}–{high - 1}" if high < 200 else f"{low}+"
    return "not known"


def members(
    key: str, subjects: Iterable[str], people: Mapping[str, Mapping[str, object]]
) -> dict[str, list[str]]:
    """Who belongs to each value of an attribute, the values in order. Of one value in several
    spellings (``F``, ``f``), the commonest stands for all.

    Args:
        key: of the attribute.
        subjects: whom to sort.
        people: what is known of each, by name.
    """
    of_value: dict[str, list[tuple[str, str]]] = {}
    for subject in subjects:
        value = group_of(key, attribute(people.get(subject, {}), key))
        of_value.setdefault(value.casefold(), []).append((value, subject))
    found = {}
    for own in of_value.values():
        spellings = Counter(value for value, _ in own)
        shown = min(spellings, key=lambda one: (-spellings[one], one))
        found[shown] = [subject for _, subject in own]
    return dict(sorted(found.items()))


def subgroups(board: Board, min_people: int = MIN_PEOPLE, n_bootstrap: int = 1000) -> list[Plain]:
    """Per attribute and value: people, rows, each line's macro-F1 and WAR; groups under ``min_people``
    carry no figure.

    Args:
        board: the lines and what is known of the people.
        min_people: smaller groups carry no figure.
        n_bootstrap: resamples of people behind each interval.
    """
    known: set[str] = set()
    for person in board.people.values():
        known |= {name.lower() for name in person}
    found = []
    for key in GROUPS:
        if key not in known:
            continue
        for group, own in members(key, board.subjects, board.people).items():
            entry: Plain = {"group": key, "value": group, "n_people": len(own), "lines": {}}
            entry["n"] = _n_rows(board, own)
            if len(own) < min_people:
                entry["n_people"] = None
                entry["n"] = None
                entry["suppressed"] = f"fewer than {min_people} people"
            else:
                entry["lines"] = _lines_of(board, own, n_bootstrap)
            found.append(entry)
    return found


def _n_rows(board: Board, own: Sequence[str]) -> int:
    """How many coded rows some people have."""
    first = board.lines[0].samples[0]
    is_own = np.isin(first.subject, own)
    return int(first.n[is_own].sum())


def _lines_of(board: Board, own: Sequence[str], n_bootstrap: int) -> Plain:
    """Every line's figures over some people: value, low, high; nan where it has none of them."""
    drawn = draws(own, n_bootstrap)
    lines: Plain = {}
    for line in board.lines:
        every = [s.where(np.isin(s.subject, own)) for s in line.samples]
        samples = [s for s in every if len(s.y)]
        figures = {}
        for metric in ("macro_f1", "war"):
            if not samples:
                figures[metric] = [math.nan] * 3
                continue
            low, high = interval(resampled(samples, metric, own, drawn))
            figures[metric] = [figure(samples, metric), low, high]
        lines[line.name] = figures
    return lines


def attribute(person: Mapping[str, object], key: str) -> object:
    """What is known of a person under a name, in whatever case; None where nothing is."""
    for name, value in person.items():
        if name.lower() == key:
            return value
    return None


def per_question(board: Board) -> list[Plain]:
    """Per question: rows, the rate of the last class, and each line's share of right answers and
    AUC.
    """
    first = board.lines[0].samples[0]
    last_class = len(board.task.classes) - 1
    found = []
    for question in np.unique(first.question):
        if not question or question.startswith(NOT_TOLD):
            continue
        entry: Plain = {"question": str(question), "lines": {}}
        for line in board.lines:
            here = _of_question(line, question)
            if not here:
                continue
            n = here[0].n.sum()
            n_last = (here[0].n * (here[0].y == last_class)).sum()
            entry.setdefault("n", int(n))
            entry.setdefault("rate", float(n_last / n))
            entry["lines"][line.name] = {m: figure(here, m) for m in ("war", "auc", "macro_f1")}
        found.append(entry)
    return found


def _of_question(line: Line, question: str) -> list[Sample]:
    """The line's answers to one question, of the seeds that have any."""
    found = []
    for sample in line.samples:
        here = sample.where(sample.question == question)
        if len(here.y):
            found.append(here)
    return found


@dataclass(frozen=True)
class _Stretches:
    """Rows ``first … last`` of every stretch ``(K,)`` of one label within a recording."""

    first: Array
    last: Array

    @classmethod
    def of(cls, rows: Rows) -> _Stretches:
        other_recording = rows.recording[1:] != rows.recording[:-1]
        other_label = rows.y[1:] != rows.y[:-1]
        begins = np.flatnonzero(other_recording | other_label) + 1
        first = np.r_[0, begins]
        last = np.r_[begins, len(rows)] - 1
        return cls(first, last)

    def mean(self, probs: Array) -> Array:
        """Mean probabilities of the measured rows of each stretch ``(K, C)``; nan where none is."""
        good = np.asarray(np.isfinite(probs).all(axis=1))
        n = np.add.reduceat(good.astype(float), self.first)[:, None]
        known = np.where(good[:, None], probs, 0.0)
        total = np.add.reduceat(known, self.first)
        return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def segment_rows(rows: Rows) -> Rows:
    """Stretches of one known label within a recording, each with the mean probabilities of its
    measured frames.

    What stands beside is averaged over its own frames: it fills in where a whole stretch was not
    measured.
    """
    stretches = _Stretches.of(rows)
    starts_s = rows.span_s[stretches.first, 0]
    ends_s = rows.span_s[stretches.last, 1]
    found = replace(
        rows.take(stretches.first),
        span_s=np.stack([starts_s, ends_s], axis=1),
        probs=stretches.mean(rows.probs),
        beside={name: stretches.mean(probs) for name, probs in rows.beside.items()},
    )
    return found.take(found.y >= 0)


#: ``(times_s, true, said)`` of one recording, each ``(T,)``.
_Timeline = tuple[Array, Array, Array]


@dataclass
class _Told:
    """What the runs of a line say of moments: events by person, and stretches of one label."""

    hop_s: float
    tolerance_s: float
    #: found and all events of each recording, by person
    events: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    y: list[Array] = field(default_factory=list)
    probs: list[Array] = field(default_factory=list)

    def add(self, rows: Rows, fill: str) -> dict[str, _Timeline]:
        """Take in the frames of one run; its timelines by recording."""
        measured = np.isfinite(rows.probs).all(axis=1)
        decided = classes.decide(np.nan_to_num(rows.probs))
        said = np.where(measured, decided, -1)
        lines = {}
        for recording in np.unique(rows.recording):
            here = rows.recording == recording
            line = (rows.span_s[here, 0], rows.y[here], said[here])
            lines[recording] = line
            subject = str(rows.subject[here][0])
            self.events.setdefault(subject, []).append(self._counts(line))
        stretches = segment_rows(rows)
        self.y.append(stretches.y)
        self.probs.append(filled(stretches, fill))
        return lines

    def _counts(self, line: _Timeline) -> tuple[int, int]:
        """Found and all events of one recording."""
        times_s, true, said = line
        told = np.where(true >= 0, said, -1)
        true_events = timeline.events(times_s, true, self.hop_s)
        said_events = timeline.events(times_s, told, self.hop_s)
        return timeline.event_counts(true_events, said_events, self.tolerance_s)

    def event_f1_interval(self) -> list[float]:
        """Interval of the event F1 over resamples of people."""
        per_person = [np.sum(pairs, axis=0) for pairs in self.events.values()]
        table = np.array(per_person, float)
        total = draws(list(self.events), N_EVENT_BOOTSTRAP) @ table
        return interval(numbers.f1_of(total[:, 0], total[:, 1], math.nan))


def moments(
    line: Line, beside: str | None = None, tolerance_s: float = timeline.TOLERANCE_S
) -> Plain | None:
    """Timeline figures of a line's frames (mean over seeds), or of what stands ``beside`` them;
    None without frames.

    ``event_f1_ci`` resamples people; ``segment_*`` are over stretches of one label
    (:func:`segment_rows`).

    Args:
        line: with its runs.
        beside: the row of ``Rows.beside`` to take instead of the runs' own probabilities.
        tolerance_s: how far onset and offset of an event may be off, in seconds.
    """
    runs = [run for run in line.runs if "frame" in run.rows]
    if not runs or len(runs[0].task.classes) != 2:
        return None
    if any(np.isnan(run.rows["frame"].span_s).all() for run in runs):
        return None  # what is sorted has no moments
    if beside is not None and any(beside not in run.rows["frame"].beside for run in runs):
        return None
    hop_s = float(runs[0].windows["frame_hop_s"])
    told = _Told(hop_s, tolerance_s)
    each = []
    for own in by_seed(runs).values():
        lines: dict[str, _Timeline] = {}
        for run in own:
            lines |= told.add(_frames(run, beside), run.fill)
        each.append(timeline.score_timelines(lines, hop_s, tolerance_s))
    found: Plain = {name: mean_known([e[name] for e in each]) for name in each[0]}
    found["event_f1_ci"] = told.event_f1_interval()
    y = np.concatenate(told.y)
    probs = np.concatenate(told.probs)
    nowhere = np.zeros(len(y))
    found["segment_macro_f1"] = classes.macro_f1(y, probs)
    found["segment_auc"] = classes.bound(y, probs, nowhere)["auc"]()
    found["n_segments"] = round(len(y) / len(each))
    return found


def _frames(run: Run, beside: str | None) -> Rows:
    rows = run.rows["frame"]
    return rows if beside is None else replace(rows, probs=rows.beside[beside])
