"""Did adaptation hurt, and whom? Here labels meet the predictions of a source, an adapted and a
guarded stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from twomind.adaptation import Step
from twomind.core.errors import BadInput
from twomind.types import Status


@dataclass(frozen=True)
class PersonHarm:
    """One person: macro-F1 in percent of the source, the adapted and the guarded stream, and what
    the guard did.

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
    events: tuple[Mapping[str, Any], ...]
    #: every answer that differs from the source's: ``recording``, ``start_s``, ``by`` whom
    #: (adapted, guarded), ``from`` and ``to`` which class, and whether that ``mended`` it,
    #: ``spoilt`` it or left it ``wrong``
    changes: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class HarmReport:
    """Everyone, and the share of people worse than the source by more than ``tolerance`` points,
    with intervals.
    """

    people: tuple[PersonHarm, ...]
    tolerance: float
    harmed_adapted: float
    harmed_adapted_interval: tuple[float, float]
    harmed_guarded: float
    harmed_guarded_interval: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
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
    y: np.ndarray
    said: Mapping[str, np.ndarray]
    n_classes: int
    #: of the guard, each with ``subject``
    events: Sequence[Mapping[str, Any]] = ()


def macro_f1(y: np.ndarray, said: np.ndarray, n_classes: int) -> float:
    """Mean F1 in percent over the classes that occur in ``y (N,)`` or in the answers ``said (N,)``.

    A class that neither occurs nor is ever said is left out, so a stream of one class, all answered
    rightly, has 100.
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
        raise BadInput(
            f"harm_report: expected three streams and labels of one length, got {lengths}"
        )
    for a, b, c in zip(source, adapted, guarded, strict=True):
        if (
            not (a.x.recording, a.x.span_s)
            == (b.x.recording, b.x.span_s)
            == (c.x.recording, c.x.span_s)
        ):
            raise BadInput(
                f"harm_report: expected the same windows in one order; they part at {a.x.recording}"
            )
    measured = [i for i, s in enumerate(source) if s.prediction.status is not Status.NOT_MEASURED]
    if not measured:
        return report_of([], tolerance)
    kept = [source[i] for i in measured]
    streams = {"source": source, "adapted": adapted, "guarded": guarded}
    return report_of(
        people_of(
            Answers(
                [s.x.subject for s in kept],
                [s.x.recording for s in kept],
                [s.x.span_s[0] for s in kept],
                np.array([labels[i] for i in measured]),
                {
                    k: np.array([int(v[i].prediction.probs.argmax()) for i in measured])
                    for k, v in streams.items()
                },
                len(kept[0].prediction.probs),
                _logged(guarded),
            )
        ),
        tolerance,
    )


def people_of(answers: Answers) -> list[PersonHarm]:
    """Every person of some answers, in the order in which they come."""
    subject = np.array(answers.subject, dtype=str)
    return [
        _person(str(one), np.flatnonzero(subject == one), answers)
        for one in dict.fromkeys(answers.subject)
    ]


def report_of(people: Sequence[PersonHarm], tolerance: float = 1.0) -> HarmReport:
    """The share of people harmed; of the guarded stream nan when there is none."""
    shares: list[tuple[float, tuple[float, float]]] = []
    for name in ("adapted", "guarded"):
        lost = [p.source - float(getattr(p, name)) for p in people]
        known = bool(lost) and bool(np.isfinite(lost).all())
        worse = sum(harmed(v, tolerance) for v in lost)
        shares.append(
            (worse / len(lost), wilson(worse, len(lost))) if known else (float("nan"), wilson(0, 0))
        )
    return HarmReport(tuple(people), tolerance, *shares[0], *shares[1])


def harmed(lost: float, tolerance: float) -> bool:
    """Whether a person lost more than ``tolerance`` points; one point is not more than a point by a
    rounding error.
    """
    return round(lost, 9) > tolerance


def _logged(guarded: Sequence[Step]) -> list[dict[str, Any]]:
    """The guard's log after each person's last window; with one state for all, every entry once, by
    its recording.
    """
    last = {s.x.subject: s for s in guarded}
    owner = {s.x.recording: s.x.subject for s in guarded}
    return [
        {**e, "subject": subject}
        for subject, step in last.items()
        for e in step.state.get("log", ())
        if owner.get(e["recording"]) == subject
    ]


def _person(subject: str, mine: np.ndarray, answers: Answers) -> PersonHarm:
    y, said = answers.y[mine], {k: v[mine] for k, v in answers.said.items()}
    f1 = {k: macro_f1(y, v, answers.n_classes) for k, v in said.items()}
    changes = []
    for k, i in enumerate(mine):
        for by in ("adapted", "guarded"):
            before, after = int(said["source"][k]), int(said[by][k]) if by in said else -1
            if by in said and after != before:
                did = "mended" if after == y[k] else "spoilt" if before == y[k] else "wrong"
                where = {"recording": answers.recording[i], "start_s": float(answers.start_s[i])}
                changes.append({**where, "by": by, "from": before, "to": after, "did": did})
    n_changed = {by: sum(c["by"] == by for c in changes) for by in said}
    return PersonHarm(
        subject,
        len(mine),
        f1["source"],
        f1["adapted"],
        f1.get("guarded", float("nan")),
        n_changed["adapted"],
        n_changed.get("guarded"),
        tuple(e for e in answers.events if e["subject"] == subject),
        tuple(changes),
    )
