"""Did adaptation hurt, and whom? Here labels meet the predictions of a source, an adapted and a guarded stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from twomind.errors import BadInput
from twomind.personalise import Step
from twomind.types import Status


@dataclass(frozen=True)
class PersonHarm:
    """One person: macro-F1 in percent of the source, the adapted and the guarded stream, and what the guard did."""

    subject: str
    n: int
    source: float
    adapted: float
    guarded: float
    #: answers that differ from the source's
    changed_adapted: int
    changed_guarded: int
    #: the guard's own log: alarms and changed answers, with window number, recording and time
    events: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class HarmReport:
    """Everyone, and the share of people worse than the source by more than ``tolerance`` points, with intervals."""

    people: tuple[PersonHarm, ...]
    tolerance: float
    harmed_adapted: float
    harmed_adapted_interval: tuple[float, float]
    harmed_guarded: float
    harmed_guarded_interval: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def macro_f1(y: np.ndarray, said: np.ndarray, n_classes: int) -> float:
    """Mean F1 in percent over the classes that occur in ``y (N,)`` or in the answers ``said (N,)``.

    A class that neither occurs nor is ever said is left out, so a stream of one class, all answered rightly, has 100.
    """
    found = []
    for c in range(n_classes):
        there = (y == c).sum() + (said == c).sum()
        if there:
            found.append(2 * ((y == c) & (said == c)).sum() / there)
    return 100 * float(np.mean(found)) if found else float("nan")


def wilson(hits: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's 95 % interval of a share; (nan, nan) of nothing."""
    if not n:
        return float("nan"), float("nan")
    p, d = hits / n, 1 + z * z / n
    half = z * float(np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / d
    middle = (p + z * z / (2 * n)) / d
    return max(0.0, middle - half), min(1.0, middle + half)


def harm_report(
    source: Sequence[Step],
    adapted: Sequence[Step],
    guarded: Sequence[Step],
    labels: Sequence[int],
    tolerance: float = 1.0,
) -> HarmReport:
    """Compare three streams of the same windows with their labels ``(N,)``, person by person.

    Windows that the source could not measure do not count. ``tolerance`` is in points of macro-F1.

    Raises:
        BadInput: the streams are not of the same windows.
    """
    if not len(source) == len(adapted) == len(guarded) == len(labels):
        lengths = len(source), len(adapted), len(guarded), len(labels)
        raise BadInput(f"harm_report: expected three streams and labels of one length, got {lengths}")
    for a, b, c in zip(source, adapted, guarded, strict=True):
        if not (a.x.recording, a.x.span_s) == (b.x.recording, b.x.span_s) == (c.x.recording, c.x.span_s):
            raise BadInput(f"harm_report: expected the same windows in one order; they part at {a.x.recording}")
    people = []
    for subject in dict.fromkeys(s.x.subject for s in source):
        mine = [
            i for i, s in enumerate(source) if s.x.subject == subject and s.prediction.status is not Status.NOT_MEASURED
        ]
        if mine:
            people.append(_person(subject, mine, source, adapted, guarded, labels))
    worse = [sum(p.source - f(p) > tolerance for p in people) for f in (lambda p: p.adapted, lambda p: p.guarded)]
    n = len(people)
    share = [w / n if n else float("nan") for w in worse]
    return HarmReport(tuple(people), tolerance, share[0], wilson(worse[0], n), share[1], wilson(worse[1], n))


def _person(
    subject: str,
    mine: list[int],
    source: Sequence[Step],
    adapted: Sequence[Step],
    guarded: Sequence[Step],
    labels: Sequence[int],
) -> PersonHarm:
    y = np.array([labels[i] for i in mine])
    n_classes = len(source[mine[0]].prediction.probs)
    said = [np.array([int(steps[i].prediction.probs.argmax()) for i in mine]) for steps in (source, adapted, guarded)]
    f1 = [macro_f1(y, s, n_classes) for s in said]
    recordings = {source[i].x.recording for i in mine}
    log = guarded[mine[-1]].state.get("log", ())
    events = tuple(e for e in log if e["recording"] in recordings)  # with one state for all, others' events are in it
    changed = [int((s != said[0]).sum()) for s in said]
    return PersonHarm(subject, len(mine), f1[0], f1[1], f1[2], changed[1], changed[2], events)
