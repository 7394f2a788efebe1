"""Who was harmed in runs: each person judged as the leaderboard judges them, and what was changed in
the answers that a method gives one by one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from twomind.evaluation import classes
from twomind.evaluation.harm import Answers, Event, PersonHarm, people_of
from twomind.evaluation.lines import persons
from twomind.evaluation.runs import filled
from twomind.evaluation.samples import by_seed, joined
from twomind.types import Rows, Run
from twomind.types.plain import Array

#: What the board compares person by person, and so this.
METRIC = "macro_f1"
_BASE = "source-only"
#: Method, fold and seed of a run.
_Place = tuple[str, str, int]
#: Person → figure in percent.
_Figures = Mapping[str, float]
#: Person → seed → how the person fared.
Seeds = dict[str, dict[int, PersonHarm]]


def walked_level(run: Run) -> str:
    """The level at which a method answers one by one: windows, or whole clips that are not cut."""
    return "window" if "window" in run.rows else run.level


def by_method(runs: Sequence[Run]) -> dict[str, tuple[list[Run], dict[_Place, Run]]]:
    """Method → its runs, and the guarded runs around it.

    Args:
        runs: of all methods, without adaptation and guarded ones too.
    """
    plain: dict[str, list[Run]] = {}
    partners: dict[str, dict[_Place, Run]] = {}
    for run in runs:
        within = _around(run)
        if within is not None:
            partners.setdefault(within, {})[within, run.fold.name, run.seed] = run
        elif run.method != _BASE:
            plain.setdefault(run.method, []).append(run)
    return {method: (mine, partners.get(method, {})) for method, mine in plain.items()}


def people_of_runs(runs: Sequence[Run], partners: Mapping[_Place, Run]) -> Seeds:
    """How each person fared with each seed.

    Args:
        runs: of one method.
        partners: the guarded runs around it.
    """
    found: Seeds = {}
    for seed, mine in by_seed(runs).items():
        pairs = [(run, partners.get((run.method, run.fold.name, seed))) for run in mine]
        for subject, person in _of_one_seed(pairs).items():
            found.setdefault(subject, {})[seed] = person
    return found


def _around(run: Run) -> str | None:
    """Which method a guarded run is around; None: it is not guarded, or the method within has other
    settings.
    """
    if not run.method.startswith("guarded") or run.config.get("settings"):
        return None
    return run.config.get("method")


def _of_one_seed(pairs: Sequence[tuple[Run, Run | None]]) -> dict[str, PersonHarm]:
    """The people of one method's runs, each with the guarded one; figures are the board's."""
    runs = [run for run, _ in pairs]
    guards = [guard for _, guard in pairs if guard is not None]
    source = _figures(runs, "no_adaptation")
    adapted = _figures(runs)
    guarded = _figures(guards) if guards else {}
    n_judged = _counts(runs)
    changed: dict[str, list[PersonHarm]] = {}
    for run, guard in pairs:
        for person in _walked(run, guard):
            changed.setdefault(person.subject, []).append(person)
    found = {}
    for subject, figure in adapted.items():
        one = _summed(subject, changed.get(subject, []), guarded=subject in guarded)
        found[subject] = replace(
            one,
            n=n_judged[subject],
            source=source[subject],
            adapted=figure,
            guarded=guarded.get(subject, math.nan),
        )
    return found


def _figures(runs: Sequence[Run], beside: str | None = None) -> _Figures:
    """Figure of each person in percent, at the level of the board."""
    sample = joined(runs, runs[0].level, beside)
    return {subject: 100 * value for subject, value in persons([sample], METRIC).items()}


def _counts(runs: Sequence[Run]) -> dict[str, int]:
    """How many rows of each person the board judges."""
    found: dict[str, int] = {}
    for run in runs:
        rows = run.rows[run.level]
        coded = rows.subject[rows.y >= 0]
        for subject, n in zip(*np.unique(coded, return_counts=True), strict=True):
            found[str(subject)] = found.get(str(subject), 0) + int(n)
    return found


def _summed(subject: str, folds: Sequence[PersonHarm], guarded: bool) -> PersonHarm:
    """One person over the folds of a seed: counts and changes; nothing where no window counts."""
    events: list[Event] = []
    changes: list[Event] = []
    for one in folds:
        events += one.events
        changes += one.changes
    by_guard = [one.changed_guarded or 0 for one in folds]
    return PersonHarm(
        subject=subject,
        n=0,
        source=math.nan,
        adapted=math.nan,
        guarded=math.nan,
        changed_adapted=sum(one.changed_adapted for one in folds),
        changed_guarded=sum(by_guard) if guarded else None,
        events=tuple(events),
        changes=tuple(changes),
        n_walked=sum(one.n_walked for one in folds),
    )


def _walked(adapted: Run, guarded: Run | None) -> list[PersonHarm]:
    """What was changed in one run. Rows without a label, or that the source did not measure, do not
    count.
    """
    rows = adapted.rows[walked_level(adapted)]
    source = rows.beside["no_adaptation"]
    keep = (rows.y >= 0) & np.isfinite(source).all(axis=1)
    probs = {"source": filled(replace(rows, probs=source), adapted.fill)}
    probs["adapted"] = filled(rows, adapted.fill)
    events: Sequence[Event] = ()
    if guarded is not None:
        probs["guarded"] = _matched(guarded, rows)
        events = guarded.events
    said = {name: classes.decide(p[keep]) for name, p in probs.items()}
    subjects = [str(s) for s in rows.subject[keep]]
    recordings = [str(r) for r in rows.recording[keep]]
    starts_s = rows.span_s[keep, 0].tolist()
    n_classes = len(adapted.task.classes)
    return people_of(Answers(subjects, recordings, starts_s, rows.y[keep], said, n_classes, events))


def _windows(rows: Rows) -> list[tuple[str, tuple[float, ...]]]:
    """Recording and span of each row."""
    pairs = zip(rows.recording, rows.span_s, strict=True)
    return [(i, tuple(span)) for i, span in pairs]


def _matched(guarded: Run, rows: Rows) -> Array:
    """The guarded run's probabilities ``(N, C)`` for the windows of ``rows``."""
    other = guarded.rows[walked_level(guarded)]
    place = {window: i for i, window in enumerate(_windows(other))}
    index = [place[window] for window in _windows(rows)]
    return filled(other, guarded.fill)[index]


__all__ = ["METRIC", "Seeds", "by_method", "people_of_runs", "walked_level"]
