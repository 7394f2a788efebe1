"""The A/H challenge file (``video_id,p0,p1,label``) from the results that ``twomind predict``
wrote.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput
from twomind.core.store import write_text

COLUMNS = ("video_id", "p0", "p1", "label")


@dataclass(frozen=True)
class Line:
    """One video's line; ``filled`` when no score stands behind it."""

    video_id: str
    p1: float
    filled: bool = False

    def row(self, threshold: float) -> tuple[str, str, str, int]:
        return (self.video_id, f"{1 - self.p1:.6f}", f"{self.p1:.6f}", int(self.p1 > threshold))


def read_results(folder: Path, name_by: str = "recording") -> tuple[list[Line], list[str]]:
    """Lines of all answers in a results folder, and those that carry no score with their reason.

    ``name_by``: ``recording`` (the id) or ``file`` (the media file's name without its ending).

    Raises:
        BadInput: no results there, or two answers of one name.
    """
    if name_by not in ("recording", "file"):
        raise BadInput(f"video ids by {name_by!r}: expected recording or file")
    summaries = sorted(Path(folder).glob("*/summary.json"))
    if not summaries:
        raise BadInput(
            f"{folder}: expected results of `twomind predict` (folders with summary.json), found "
            "none"
        )
    lines, without = [], []
    for path in summaries:
        entry = _summary(path)
        name = (
            str(entry["recording"]) if name_by == "recording" else Path(entry["media"]["path"]).stem
        )
        p = entry["prediction"]["probability"]
        if p is None or not math.isfinite(p):
            without.append(f"{name}: {entry['prediction']['reason']}")
        lines.append(Line(name, math.nan if p is None else float(p)))
    names = [line.video_id for line in lines]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise BadInput(
            f"{folder}: the video {twice[0]!r} is there twice; one line per video is expected"
        )
    return lines, without


def _summary(path: Path) -> dict[str, Any]:
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        if entry["schema"] != "twomind.answer/1" or "probability" not in entry["prediction"]:
            raise KeyError("schema")
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path}: expected a summary of `twomind predict` ({error!r})") from error
    return dict(entry)


def submit(
    folder: Path,
    out: Path,
    *,
    threshold: float = 0.5,
    fill: float | None = None,
    expected: Sequence[str] | None = None,
    name_by: str = "recording",
    header: bool = True,
) -> dict[str, Any]:
    """Write the file; return how many lines, and which were filled.

    The challenge wants a line for every video. A video that was not measured has no score, so
    without ``fill`` (the probability to put there) nothing is written. ``expected`` lists the
    videos that must be there, and gives the order.

    Raises: BadInput: videos without a score and no ``fill``; missing or unknown videos; a number
        out of range.
    """
    for name, value in (("threshold", threshold), ("fill", fill)):
        if value is not None and not 0 <= value <= 1:
            raise BadInput(f"{name}: expected a probability, got {value}")
    lines, without = read_results(folder, name_by)
    found = {line.video_id: line for line in lines}
    if expected is not None:
        missing = [v for v in expected if v not in found]
        if missing and fill is None:
            raise BadInput(
                f"{len(missing)} of {len(expected)} videos have no result, for example "
                f"{missing[0]!r}"
            )
        if extra := sorted(set(found) - set(expected)):
            raise BadInput(
                f"{len(extra)} results are not on the list of videos, for example {extra[0]!r}"
            )
        without += [f"{v}: no result" for v in missing]
        lines = [found.get(v, Line(v, math.nan)) for v in expected]
    if without and fill is None:
        raise BadInput(
            f"{len(without)} of {len(lines)} videos have no score ({without[0]}). Predict them "
            "again, or say with "
            "--fill which probability to write for them"
        )
    lines = [
        line if math.isfinite(line.p1) else Line(line.video_id, float(fill or 0.0), True)
        for line in lines
    ]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    if header:
        writer.writerow(COLUMNS)
    writer.writerows(line.row(threshold) for line in lines)
    write_text(Path(out), buffer.getvalue())
    return {
        "file": str(out),
        "n": len(lines),
        "n_present": sum(line.p1 > threshold for line in lines),
        "filled": [line.video_id for line in lines if line.filled],
        "threshold": threshold,
    }
