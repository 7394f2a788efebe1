"""What coders marked in a data set of tables, and how the marks of several coders become one
answer.

A rule holds at each moment, among those who looked at the recording: ``any`` of them marked it, the
``majority`` (more than half: of two coders, both), or ``all``. The name of a coder in place of a
rule takes that coder's marks alone.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

from twomind.annotations import COLUMNS, PROGRAM, read_eaf
from twomind.annotations.marks import NEGATIVE
from twomind.core.errors import BadInput

Spans = tuple[tuple[float, float], ...]

#: The file that holds marks as a tidy table.
ANNOTATIONS = "annotations.csv"
#: Tier of the tidy annotation table that holds A/H segments.
SEGMENT_TIER = "ah"
RULES = ("any", "majority", "all")


def read_annotation_rows(path: Path) -> dict[str, list[dict[str, str]]]:
    """Rows of a tidy annotation table (:data:`COLUMNS`) by recording.

    Raises:
        BadInput: a column is missing.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = [
            c
            for c in ("recording", "tier", "start_s", "end_s")
            if c not in (reader.fieldnames or ())
        ]
        if missing:
            raise BadInput(
                f"{path}: expected the columns {', '.join(COLUMNS)}; missing: {', '.join(missing)}"
            )
        found: dict[str, list[dict[str, str]]] = {}
        for row in reader:
            cell = {c: (row.get(c) or "").strip() for c in COLUMNS}
            found.setdefault(cell["recording"], []).append(cell)
        return found


def rows_of_elan(path: Path, recording: str, subject: str) -> list[dict[str, str]]:
    """What people marked in an ELAN file, as rows of the tidy table; marks of the program are left
    out.

    A tier for A/H without a mark says "nothing found" only where the coder also called the whole
    answer absent: a tier that was made for a coder and never filled says nothing.
    """
    found = []
    tiers = [t for t in read_eaf(path).tiers if t.coder != PROGRAM and t.kind != "model"]
    for tier in tiers:
        for mark in tier.marks:
            cells = (
                recording,
                subject,
                tier.kind,
                tier.modality,
                mark.label,
                f"{mark.start_s:.3f}",
                f"{mark.end_s:.3f}",
                mark.certainty,
                tier.coder,
            )
            found.append(dict(zip(COLUMNS, cells, strict=True)))
    absent = [
        t.coder
        for t in tiers
        if t.kind == "answer" and t.marks and not any(m.present for m in t.marks)
    ]
    for coder in absent:
        cells = (recording, subject, SEGMENT_TIER, "", "", "", "", "", coder)
        found.append(dict(zip(COLUMNS, cells, strict=True)))
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
        try:
            start_s, end_s = float(row["start_s"]), float(row["end_s"])
        except ValueError:
            start_s = end_s = math.nan
        if 0 <= start_s <= end_s < math.inf:
            spans.append((start_s, end_s))
        else:
            problems.append(
                f"expected seconds, start before end, got {row['start_s']}, {row['end_s']}"
            )
    return {coder: tuple(sorted(spans)) for coder, spans in found.items()}, problems


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
    if rule == "any" or len(by_coder) == 1:
        return tuple(sorted(span for spans in by_coder.values() for span in spans))
    least = len(by_coder) if rule == "all" else len(by_coder) // 2 + 1
    edges = sorted({edge for spans in by_coder.values() for span in spans for edge in span})
    found: list[tuple[float, float]] = []
    for start_s, end_s in pairwise(edges):
        n = sum(any(a <= start_s and end_s <= b for a, b in spans) for spans in by_coder.values())
        if n < least:
            continue
        if found and found[-1][1] == start_s:
            start_s = found.pop()[0]
        found.append((start_s, end_s))
    return tuple(found)


def checked_rule(rule: str, coded: Iterable[Mapping[str, Spans]], where: Path) -> str:
    """The rule, if it is one or names somebody who looked for A/H in any of the recordings.

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
    several = {name: by_coder for name, by_coder in coded.items() if len(by_coder) > 1}
    found = []
    if several:
        how = {
            "any": "any of them marked it",
            "majority": "more than half of them marked it",
            "all": "all of them marked it",
        }.get(rule, f"{rule} marked it")
        found.append(
            f"{len(several)} recordings have several coders "
            f"({named(coders_of(several.values()))}): "
            "A/H is where "
            f'{how}; "coders" in task.json says otherwise ({", ".join(RULES)}, or a name)'
        )
    n_unseen = sum(bool(by_coder) and unite(by_coder, rule) is None for by_coder in coded.values())
    if n_unseen:
        found.append(
            f"{n_unseen} recordings that others coded were not coded by {rule}: their moments have "
            "no label"
        )
    n_lost = sum(
        any(by_coder.values()) and unite(by_coder, rule) == () for by_coder in coded.values()
    )
    if n_lost:
        found.append(
            f"{n_lost} recordings have marks of A/H, and none of them counts by this choice of "
            f"coders: {rule}"
        )
    return found
