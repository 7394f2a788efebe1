"""The A/H challenge file (``video_id,p0,p1,label``) from the results that ``twomind predict``
wrote.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from twomind.core import csv_text
from twomind.core.errors import BadInput
from twomind.core.files import read_json
from twomind.core.store import write_text
from twomind.types.plain import Plain

COLUMNS = ("video_id", "p0", "p1", "label")


@dataclass(frozen=True)
class Line:
    """One video's line; ``filled`` when no score stands behind it."""

    video_id: str
    p1: float
    filled: bool = False

    def row(self, threshold: float) -> tuple[str, str, str, int]:
        """The line as it stands in the file."""
        p0 = f"{1 - self.p1:.6f}"
        return (self.video_id, p0, f"{self.p1:.6f}", int(self.p1 > threshold))


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
    lines = []
    without = []
    for path in summaries:
        entry = _summary(path)
        prediction = entry["prediction"]
        name = str(entry["recording"])
        if name_by == "file":
            name = Path(entry["media"]["path"]).stem
        p = prediction["probability"]
        p1 = math.nan if p is None else float(p)
        if not math.isfinite(p1):
            without.append(f"{name}: {prediction['reason']}")
        lines.append(Line(name, p1))
    names = [line.video_id for line in lines]
    twice = sorted(name for name in set(names) if names.count(name) > 1)
    if twice:
        raise BadInput(
            f"{folder}: the video {twice[0]!r} is there twice; one line per video is expected"
        )
    return lines, without


def _summary(path: Path) -> Plain:
    try:
        entry = read_json(path)
        if entry["schema"] != "twomind.answer/1" or "probability" not in entry["prediction"]:
            raise KeyError("schema")
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path}: expected a summary of `twomind predict` ({error!r})") from error
    return dict(entry)


@dataclass(frozen=True)
class Form:
    """How the file is written: from which probability on the label is 1, which probability stands
    where there is no score (None: nothing may), and whether the columns are named.
    """

    threshold: float = 0.5
    fill: float | None = None
    header: bool = True

    def __post_init__(self) -> None:
        for name, value in (("threshold", self.threshold), ("fill", self.fill)):
            if value is not None and not 0 <= value <= 1:
                raise BadInput(f"{name}: expected a probability, got {value}")

    def filled(self, line: Line) -> Line:
        """The line, or where it has no score, the one that stands in."""
        if math.isfinite(line.p1):
            return line
        return Line(line.video_id, float(self.fill or 0.0), True)

    def text(self, lines: Sequence[Line]) -> str:
        """The text of the submission file, a line per video."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        if self.header:
            writer.writerow(COLUMNS)
        for line in lines:
            writer.writerow([csv_text.cell(value) for value in line.row(self.threshold)])
        return buffer.getvalue()


def submit(
    folder: Path,
    out: Path,
    form: Form,
    *,
    expected: Sequence[str] | None = None,
    name_by: str = "recording",
) -> Plain:
    """Write the file; return how many lines, and which were filled.

    The challenge wants a line for every video. A video that was not measured has no score, so
    without ``form.fill`` nothing is written.

    Args:
        folder: results of ``twomind predict``.
        out: the file to write.
        form: how it is written.
        expected: the videos that must be there, in their order; None: those that are there.
        name_by: ``recording`` (the id) or ``file`` (the media file's name without its ending).

    Raises:
        BadInput: videos without a score and no fill; missing or unknown videos.
    """
    lines, without = read_results(folder, name_by)
    if expected is not None:
        found = {line.video_id: line for line in lines}
        missing = _missing(found, expected, form)
        without += [f"{video}: no result" for video in missing]
        lines = [found.get(video, Line(video, math.nan)) for video in expected]
    if without and form.fill is None:
        raise BadInput(
            f"{len(without)} of {len(lines)} videos have no score ({without[0]}). Predict them "
            "again, or say with "
            "--fill which probability to write for them"
        )
    lines = [form.filled(line) for line in lines]
    write_text(Path(out), form.text(lines))
    return {
        "file": str(out),
        "n": len(lines),
        "n_present": sum(line.p1 > form.threshold for line in lines),
        "filled": [line.video_id for line in lines if line.filled],
        "threshold": form.threshold,
    }


def _missing(found: Mapping[str, Line], expected: Sequence[str], form: Form) -> list[str]:
    """Expected videos without a result."""
    missing = [video for video in expected if video not in found]
    if missing and form.fill is None:
        raise BadInput(
            f"{len(missing)} of {len(expected)} videos have no result, for example {missing[0]!r}"
        )
    extra = sorted(set(found) - set(expected))
    if extra:
        raise BadInput(
            f"{len(extra)} results are not on the list of videos, for example {extra[0]!r}"
        )
    return missing
