"""What coders marked in a data set of tables, and how the marks of several coders become one
answer.

A rule holds at each moment, among those who looked at the recording: ``any`` of them marked it, the
``majority`` (more than half: of two coders, both), or ``all``. The name of a coder in place of a
rule takes that coder's marks alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

from twomind.annotations import COLUMNS, PROGRAM, read_eaf
from twomind.annotations.marks import NEGATIVE
from twomind.core import csv_text
from twomind.core.errors import BadInput

Spans = tuple[tuple[float, float], ...]

#: The file that holds marks as a tidy table.
ANNOTATIONS = "annotations.csv"
#: Tier of the tidy annotation table that holds A/H segments.
SEGMENT_TIER = "ah"
RULES = ("any", "majority", "all")
#: The rules in words, of a moment that counts.
_RULES_IN_WORDS = {
    "any": "any of them marked it",
    "majority": "more than half of them marked it",
    "all": "all of them marked it",
}
#: Columns without which a table of marks says nothing.
_NEEDED = ("recording", "tier", "start_s", "end_s")


def read_annotation_rows(path: Path) -> dict[str, list[dict[str, str]]]:
    """Rows of a tidy annotation table (:data:`COLUMNS`) by recording.

    Raises:
        BadInput: a column is missing.
    """
    found: dict[str, list[dict[str, str]]] = {}
    with csv_text.table(path) as file:
        reader = csv_text.Reader(file, path)
        missing = [column for column in _NEEDED if column not in reader.columns]
        if missing:
            raise BadInput(
                f"{path}: expected the columns {', '.join(COLUMNS)}; missing: {', '.join(missing)}"
            )
        for row in reader:
            cells = {column: row.get(column, "").strip() for column in COLUMNS}
            found.setdefault(cells["recording"], []).append(cells)
    return found


def rows_of_elan(path: Path, recording: str, subject: str) -> list[dict[str, str]]:
    """What people marked in an ELAN file, as rows of the tidy table; marks of the program are left
    out.

    A tier for A/H without a mark says "nothing found" only where the coder also called the whole
    answer absent: a tier that was made for a coder and never filled says nothing.

    Args:
        path: the ELAN file.
        recording: id of the recording that it is about.
        subject: its person.
    """
    nothing = dict.fromkeys(COLUMNS, "")
    nothing |= {"recording": recording, "subject": subject}
    found = []
    absent = []
    for tier in read_eaf(path).tiers:
        if tier.coder == PROGRAM or tier.kind == "model":
            continue
        for mark in tier.marks:
            cells = {
                "tier": tier.kind,
                "modality": tier.modality,
                "label": mark.label,
                "start_s": f"{mark.start_s:.3f}",
                "end_s": f"{mark.end_s:.3f}",
                "certainty": mark.certainty,
                "coder": tier.coder,
            }
            found.append(nothing | cells)
        if tier.kind == "answer" and tier.marks and not any(mark.present for mark in tier.marks):
            absent.append(tier.coder)
    found += [nothing | {"tier": SEGMENT_TIER, "coder": coder} for coder in absent]
    return found


def spans_by_coder(rows: Iterable[Mapping[str, str]]) -> tuple[dict[str, Spans], list[str]]:
    """A/H segments in seconds of each coder who looked for them; and what is wrong with rows that
    cannot be used.

    Words or cues alone do not say that somebody looked for A/H. What the program marked is no
    coder's.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    problems: list[str] = []
    for row in rows:
        if row["tier"] != SEGMENT_TIER or row["coder"] == PROGRAM:
            continue
        spans = found.setdefault(row["coder"], [])
        if not row["start_s"] or row["label"].strip().lower() in NEGATIVE:
            continue
        span = _span(row["start_s"], row["end_s"])
        if span is not None:
            spans.append(span)
        else:
            problems.append(
                f"expected seconds, start before end, got {row['start_s']}, {row['end_s']}"
            )
    return {coder: tuple(sorted(spans)) for coder, spans in found.items()}, problems


def _span(start: str, end: str) -> tuple[float, float] | None:
    """Start and end in seconds; None where they are no times in order."""
    try:
        start_s, end_s = float(start), float(end)
    except ValueError:
        return None
    return (start_s, end_s) if 0 <= start_s <= end_s < math.inf else None


def unite(by_coder: Mapping[str, Spans], rule: str = "any") -> Spans | None:
    """Segments by a rule of :data:`RULES` or of one coder, in order of time; None where nobody who
    counts looked.

    >>> unite({"anna": ((1.0, 3.0),), "bo": ((2.0, 4.0),), "cy": ()}, "majority")
    ((2.0, 3.0),)
    """
    if rule not in RULES:
        return by_coder.get(rule)
    if not by_coder:
        return None
    spans = [span for of_one in by_coder.values() for span in of_one]
    if rule == "any" or len(by_coder) == 1:
        return tuple(sorted(spans))
    n_needed = len(by_coder) if rule == "all" else len(by_coder) // 2 + 1
    edges = sorted({edge for span in spans for edge in span})
    found: list[tuple[float, float]] = []
    for start_s, end_s in pairwise(edges):
        if _n_marking(by_coder, start_s, end_s) < n_needed:
            continue
        if found and found[-1][1] == start_s:
            start_s = found.pop()[0]
        found.append((start_s, end_s))
    return tuple(found)


def _n_marking(by_coder: Mapping[str, Spans], start_s: float, end_s: float) -> int:
    """How many coders marked the whole span."""
    n = 0
    for spans in by_coder.values():
        n += any(a <= start_s and end_s <= b for a, b in spans)
    return n


def checked_rule(rule: str, coded: Iterable[Mapping[str, Spans]], where: Path) -> str:
    """The rule, if it is one or names somebody who looked for A/H in any of the recordings.

    Args:
        rule: one of :data:`RULES`, or the name of a coder.
        coded: segments by coder, of each recording.
        where: folder of the data set, for the message.

    Raises:
        BadInput: it is neither; the message names the coders.
    """
    known = coders_of(coded)
    if rule in RULES or rule in known:
        return rule
    who = f"a coder ({named(known)})" if known else "a coder; but nobody's A/H marks are here"
    raise BadInput(f"{where}: coders: expected {', '.join(RULES)} or {who}; got {rule!r}")


def coders_of(coded: Iterable[Mapping[str, Spans]]) -> list[str]:
    """Everybody who looked for A/H, sorted."""
    return sorted({coder for by_coder in coded for coder in by_coder})


def named(coders: Iterable[str]) -> str:
    return ", ".join(coder or "(no name)" for coder in coders)


def notes(coded: Mapping[str, Mapping[str, Spans]], rule: str) -> list[str]:
    """For a reader of a check: who coded together, what the rule makes of it, and what it leaves
    out.
    """
    several = [by_coder for by_coder in coded.values() if len(by_coder) > 1]
    n_unseen = 0
    n_lost = 0
    for by_coder in coded.values():
        counted = unite(by_coder, rule)
        n_unseen += bool(by_coder) and counted is None
        n_lost += any(by_coder.values()) and counted == ()
    found = []
    if several:
        how = _RULES_IN_WORDS.get(rule, f"{rule} marked it")
        found.append(
            f"{len(several)} recordings have several coders ({named(coders_of(several))}): A/H is "
            f'where {how}; "coders" in task.json says otherwise ({", ".join(RULES)}, or a name)'
        )
    if n_unseen:
        found.append(
            f"{n_unseen} recordings that others coded were not coded by {rule}: their moments have "
            "no label"
        )
    if n_lost:
        found.append(
            f"{n_lost} recordings have marks of A/H, and none of them counts by this choice of "
            f"coders: {rule}"
        )
    return found
