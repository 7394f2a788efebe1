"""Did adaptation hurt, and whom? Here labels meet the predictions of a source, an adapted and a
guarded stream.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

import numpy as np

from twomind.core import numbers
from twomind.types.plain import Array, Plain

#: Lower and upper end.
Ends: TypeAlias = tuple[float, float]
#: What happened to a window, as plain values.
Event: TypeAlias = Mapping[str, object]


@dataclass(frozen=True)
class PersonHarm:
    """One person: macro-F1 in percent of the source, the adapted and the guarded stream, and what
    the guard did.

    ``n`` is how many answers the figures are over, ``n_walked`` how many a method gave one by one.
    ``guarded`` is nan, and its count None, where no guarded stream was walked.
    """

    subject: str
    n: int
    source: float
    adapted: float
    guarded: float
    #: answers that differ from the source's
    changed_adapted: int
    changed_guarded: int | None
    #: the guard's own log: alarms and changed answers, with window number, recording and time
    events: tuple[Event, ...]
    #: every answer that differs from the source's: ``recording``, ``start_s``, ``by`` whom
    #: (adapted, guarded), ``from`` and ``to`` which class, and whether that ``mended`` it,
    #: ``spoilt`` it or left it ``wrong``
    changes: tuple[Event, ...] = ()
    n_walked: int = 0


@dataclass(frozen=True)
class HarmReport:
    """Everyone, and the share of people worse than the source by more than ``tolerance`` points,
    with intervals.
    """

    people: tuple[PersonHarm, ...]
    tolerance: float
    harmed_adapted: float
    harmed_adapted_interval: Ends
    harmed_guarded: float
    harmed_guarded_interval: Ends

    def to_dict(self) -> Plain:
        """Plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Answers:
    """Answers of streams over the same windows ``(N,)``: class by ``said`` name (source, adapted,
    maybe guarded).
    """

    subject: Sequence[str]
    recording: Sequence[str]
    start_s: Sequence[float]
    y: Array
    said: Mapping[str, Array]
    n_classes: int
    #: of the guard, each with ``subject``
    events: Sequence[Event] = ()


def macro_f1(y: Array, said: Array, n_classes: int) -> float:
    """Mean F1 in percent over the classes that occur in ``y (N,)`` or in the answers ``said (N,)``.

    A class that neither occurs nor is ever said is left out, so a stream of one class, all answered
    rightly, has 100.

    Args:
        y: true class per window, ``(N,)``.
        said: class said per window, ``(N,)``.
        n_classes: classes of the task.
    """
    table = numbers.counts(y, said, n_classes)[0]
    return 100 * numbers.macro_f1_present(table)


def wilson(hits: int, n: int, z: float = 1.959964) -> Ends:
    """Wilson's 95 % interval of a share; (nan, nan) of nothing.

    Args:
        hits: how many of ``n``.
        n: how many in all.
        z: point of the normal distribution.
    """
    return numbers.wilson(hits, n, z)


def people_of(answers: Answers) -> list[PersonHarm]:
    """Every person of some answers, in the order in which they come."""
    subject = np.array(answers.subject, dtype=str)
    found = []
    for one in dict.fromkeys(answers.subject):
        mine = np.flatnonzero(subject == one)
        found.append(_person(str(one), mine, answers))
    return found


def report_of(people: Sequence[PersonHarm], tolerance: float = 1.0) -> HarmReport:
    """The share of people harmed; of the guarded stream nan when there is none."""
    adapted = [one.source - one.adapted for one in people]
    guarded = [one.source - one.guarded for one in people]
    share, ends = _share_harmed(adapted, tolerance)
    guarded_share, guarded_ends = _share_harmed(guarded, tolerance)
    return HarmReport(tuple(people), tolerance, share, ends, guarded_share, guarded_ends)


def _share_harmed(lost: Sequence[float], tolerance: float) -> tuple[float, Ends]:
    """The share of people who lost more than the tolerance, with its interval."""
    if not lost or not np.isfinite(lost).all():
        return math.nan, wilson(0, 0)
    n_worse = sum(harmed(points, tolerance) for points in lost)
    return n_worse / len(lost), wilson(n_worse, len(lost))


def harmed(lost: float, tolerance: float) -> bool:
    """Whether a person lost more than ``tolerance`` points; one point is not more than a point by a
    rounding error.
    """
    return round(lost, 9) > tolerance


def _person(subject: str, mine: Array, answers: Answers) -> PersonHarm:
    changes = _changes(mine, answers)
    y = answers.y[mine]
    f1 = {}
    n_changed = {}
    for name, said in answers.said.items():
        f1[name] = macro_f1(y, said[mine], answers.n_classes)
        n_changed[name] = sum(change["by"] == name for change in changes)
    return PersonHarm(
        subject=subject,
        n=len(mine),
        source=f1["source"],
        adapted=f1["adapted"],
        guarded=f1.get("guarded", math.nan),
        changed_adapted=n_changed["adapted"],
        changed_guarded=n_changed.get("guarded"),
        events=tuple(event for event in answers.events if event["subject"] == subject),
        changes=tuple(changes),
        n_walked=len(mine),
    )


def _changes(mine: Array, answers: Answers) -> list[Plain]:
    """Every answer of a person that differs from the source's."""
    found = []
    for i in mine:
        before = int(answers.said["source"][i])
        for by in ("adapted", "guarded"):
            if by not in answers.said:
                continue
            after = int(answers.said[by][i])
            if after == before:
                continue
            change: Plain = {"recording": answers.recording[i]}
            change["start_s"] = float(answers.start_s[i])
            change["by"] = by
            change["from"] = before
            change["to"] = after
            change["did"] = _did(int(answers.y[i]), before, after)
            found.append(change)
    return found


def _did(true: int, before: int, after: int) -> str:
    """What a changed answer did."""
    if after == true:
        return "mended"
    return "spoilt" if before == true else "wrong"
