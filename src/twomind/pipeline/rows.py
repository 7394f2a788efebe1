"""What a batch remembers of an answer: one small row. Everything else lies in the answer's folder
and is read from there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twomind.core import names
from twomind.core.errors import TwomindError
from twomind.core.files import load_json, read_json
from twomind.media.own_files import PAGE
from twomind.pipeline.jobs import Job, Options
from twomind.reporting import codebook, columns, overlay, tables, wide
from twomind.reporting.measured import measured
from twomind.reporting.report import (
    MAX_TOGETHER,
    ReportSettings,
    Shown,
    page_of,
    shown,
    why_not_shown,
    write_overview,
    write_pages,
)
from twomind.reporting.result import Result
from twomind.reporting.sheets import Book, Sheet, book
from twomind.reporting.summary import summary_of
from twomind.types import Status

SUMMARY = "summary.json"
#: Files that every answer may have, besides its summary; others in its folder are not ours.
MADE = (
    "measures.csv",
    "measures.parquet",
    "cues.csv",
    "cues.vtt",
    "words.csv",
    "transcript_notes.csv",
    "evidence.csv",
    "change_talk.csv",
    "segments.csv",
    "segments.vtt",
    "frame_score.csv",
    "report.html",
    overlay.FILM,
    overlay.PICTURE,
    PAGE,
)


@dataclass(frozen=True)
class Row:
    """What became of one job.

    ``state`` is done, already done, skipped or failed. Of an answer that has a folder, ``status``,
    ``probability``, ``band`` (or ``no_band``, why there is none) and ``reason`` are the
    prediction's, and ``adapted`` says whether a
    method adapted the model; of one that failed, ``error`` and its kind and exit code say why.
    ``words_reason`` says why its words are not measured, ``words_remarks`` what was odd about the
    transcript, ``words_source`` which one it was. ``seconds`` is how long the work took.
    """

    job: Job
    state: str
    status: str = ""
    probability: float | None = None
    band: tuple[float, float] | None = None
    no_band: str = ""
    reason: str = ""
    adapted: bool = False
    error: str = ""
    error_kind: str = ""
    exit_code: int = 0
    seconds: float = 0.0
    words_reason: str = ""
    words_remarks: tuple[str, ...] = ()
    words_source: str = ""
    #: Why there is no overlay, where one was asked for.
    no_overlay: str = ""

    @property
    def has_result(self) -> bool:
        return self.state in ("done", "already done")

    @property
    def scored(self) -> bool:
        return self.has_result and self.status != str(Status.NOT_MEASURED)

    @property
    def failure(self) -> str:
        """Why the file failed, with its path once."""
        path = str(self.job.media)
        return self.error if path in self.error else f"{path}: {self.error}"


def row_of(job: Job, state: str, summary: Mapping[str, Any], seconds: float = 0.0) -> Row:
    """The row of an answer.

    Args:
        job: what was asked.
        state: what became of it.
        summary: of the answer, as it lies in its folder.
        seconds: how long it took.
    """
    prediction = summary["prediction"]
    words = summary["words"]
    band = prediction["band_95"]
    known_band = band is not None and None not in band
    return Row(
        job,
        state,
        status=prediction["status"],
        probability=prediction["probability"],
        band=tuple(band) if known_band else None,
        no_band=prediction.get("band_95_reason", ""),
        reason=prediction["reason"],
        adapted="adaptation" in summary,
        seconds=seconds,
        words_reason=words["reason"],
        words_remarks=tuple(words["remarks"]),
        words_source=words["source"],
        no_overlay=summary.get("overlay", {}).get("reason", ""),
    )


# --- the folder of one answer


def write_result(
    result: Result,
    folder: Path,
    mark: str,
    options: Options | None = None,
) -> dict[str, Any]:
    """All files of one answer.

    The summary is written last: where it lies, the rest is whole.

    Args:
        result: the answer.
        folder: its own.
        mark: the fingerprint of what the result depends on.
        options: how it was made: which films its page holds, how tables are written.

    Returns:
        The summary, as it is written.
    """
    options = options or Options()
    report, bom = options.report, options.tables.bom
    folder.mkdir(parents=True, exist_ok=True)
    _clear(folder)
    tables.write_measures_csv(result, folder / "measures.csv", bom)
    tables.write_measures_parquet(result, folder / "measures.parquet")
    tables.write_cues_csv(result, folder / "cues.csv", bom)
    tables.write_vtt(result.cues, folder / "cues.vtt")
    tables.write_words_csv(result, folder / "words.csv", bom)
    tables.write_transcript_notes_csv(result, folder / "transcript_notes.csv", bom)
    tables.write_evidence_csv(result, folder / "evidence.csv", bom)
    tables.write_change_talk_csv(result, folder / "change_talk.csv", bom)
    if result.located:
        tables.write_segments_csv(result, folder / "segments.csv", bom)
        tables.write_vtt(result.segments, folder / "segments.vtt")
        tables.write_frame_score_csv(result, folder / "frame_score.csv", bom)
    page = shown(result, report)
    write_pages([page], folder / "report.html", settings=report)
    # Its line of the overview, then everything else.
    tables.write_text(folder / PAGE, f"{_line(page.row)}\n{_line(page.rest)}\n")
    summary: dict[str, Any] = tables.plain(summary_of(result, mark))
    summary["measured"] = tables.plain(measured(result))
    if report.overlay:
        summary["overlay"] = _overlay(result, folder, options)
    summary["files"] = sorted(path.name for path in folder.iterdir() if path.name in MADE)
    tables.write_json(summary, folder / SUMMARY)
    return summary


def _overlay(result: Result, folder: Path, options: Options) -> dict[str, str]:
    """Write the overlay that was asked for, and say where it is, or why there is none. It shows
    what was measured, and costs nothing that was.
    """
    report, face = options.report, options.describe.face
    reason = overlay.why_not(result, report)
    if reason:
        return {"file": "", "reason": reason}
    try:
        path = overlay.write_overlay(result, folder, report, face)
    except (TwomindError, MemoryError) as error:
        return {"file": "", "reason": str(error)}
    return {"file": path.name, "reason": ""}


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _clear(folder: Path) -> None:
    """Remove what a killed run left half-written, and the files of an earlier answer: first the
    summary, which says that the folder is whole.
    """
    halves = [path.name for path in folder.glob(".*.part")]
    for name in (SUMMARY, *MADE, *halves):
        (folder / name).unlink(missing_ok=True)


def summary_with(folder: Path, mark: str) -> dict[str, Any] | None:
    """The summary of a folder that was made with this fingerprint and holds every file that the
    summary promises; else None.
    """
    try:
        found = read_json(folder / SUMMARY)
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("fingerprint") != mark:
        return None
    promised = found.get("files")
    if not isinstance(promised, list) or PAGE not in promised:
        return None
    there = [_is_there(folder / str(name)) for name in promised]
    return found if all(there) else None


def _is_there(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def folder_of(out: Path, recording: str) -> Path:
    """The folder of one answer; nothing of it is written or removed elsewhere.

    Raises:
        BadInput: the id is not a name, or a link leads out of ``out``.
    """
    return names.inside(out, recording)


def summary_in(out: Path, row: Row) -> dict[str, Any]:
    """The summary of an answer that has a folder."""
    found: dict[str, Any] = read_json(folder_of(out, row.job.id) / SUMMARY)
    return found


# --- what is written over all answers


def write_overviews(rows: Sequence[Row], out: Path, options: Options | None = None) -> None:
    """The tables over all answers (a row per file, failed ones too), their codebook, and the report,
    from what lies in the answers' folders.

    Args:
        rows: of all answers.
        out: the folder of the results.
        options: how tables and report are written.
    """
    options = options or Options()
    with book(out, options.tables) as made:
        _write_tables(made, rows, options)
    there = [row for row in rows if row.has_result]
    if there:
        failed = [row.failure for row in rows if row.state == "failed"]
        _write_report(there, failed, out, options.report)


def _write_tables(made: Book, rows: Sequence[Row], options: Options) -> None:
    """One summary is in memory at a time."""
    adapted = any(row.adapted for row in rows)
    optional = ("probability_unadapted",) if adapted else ()
    backend = options.describe.face.backend
    layout = wide.Layout(backend == "landmarker", options.describe.body.measure)
    short = made.begin(columns.ANSWERS, optional)
    broad = made.begin(wide.table(layout), exact=True)
    files: set[str] = set()
    for row in rows:
        summary = summary_in(made.out, row) if row.has_result else {}
        files.update(summary.get("files", ()))
        _append_short(short, row, summary, adapted)
        broad.append(wide.row_of(_answer(row, summary), layout))
    with_stream = options.stream is not None
    codebook.write(made, codebook.of_answers(files, with_stream), options.report.language)


def _append_short(sheet: Sheet, row: Row, summary: Mapping[str, Any], adapted: bool) -> None:
    cells = _row_with_result(row, summary) if row.has_result else _row_without_result(row)
    if adapted:
        unadapted = summary.get("prediction", {}).get("unadapted") or {}
        cells.append(unadapted.get("probability"))
    sheet.append(cells)


def _answer(row: Row, summary: Mapping[str, Any]) -> wide.Answer:
    job = row.job
    status = row.status if row.has_result else row.state
    reason = row.reason if row.has_result else row.error
    return wide.Answer(job.id, job.subject, job.question, status, reason, summary)


def _row_without_result(row: Row) -> list[Any]:
    job = row.job
    numbers: list[Any] = [None] * 10
    who = [job.id, job.subject, job.question]
    return [*who, row.state, row.state, *numbers, row.error, None, None, job.media]


def _row_with_result(row: Row, summary: Mapping[str, Any]) -> list[Any]:
    job = row.job
    parts: Mapping[str, float] = summary["prediction"]["parts_log_odds"] or {}
    low, high = row.band or (None, None)
    who = [job.id, job.subject, job.question]
    score = [row.state, row.status, row.probability, low, high, row.no_band]
    of_parts = [parts.get(name) for name in ("question", "length", "content")]
    voice: Mapping[str, Any] = summary["summary"].get("voice", {})
    erased_s = voice.get("speech_without_words_s")
    counts = [summary["words"]["n"], sum(summary["cues"].values()), erased_s]
    of_words = [row.words_reason, " | ".join(row.words_remarks)]
    return [*who, *score, *of_parts, *counts, row.reason, *of_words, job.media]


def _write_report(
    rows: Sequence[Row], failed: Sequence[str], out: Path, report: ReportSettings
) -> None:
    path = out / "report.html"
    if len(rows) <= MAX_TOGETHER:
        pages = [_shown(row, out) for row in rows]
        write_pages(pages, path, settings=report, failed=failed)
        return
    lines = []
    for row in rows:
        line = _page_lines(row, out, 1)[0]
        line["link"] = page_of(row.job.id)
        # What was agreed to may have changed since the picture was taken.
        if why_not_shown(row.job.media, row.job.subject, bool(line["drawn"]), report):
            line["still"] = ""
        lines.append(line)
    write_overview(lines, path, settings=report, failed=failed)


def _shown(row: Row, out: Path) -> Shown:
    line, rest = _page_lines(row, out, 2)
    return Shown(row.job.media, row.job.subject, line, rest, page_of(row.job.id))


def _page_lines(row: Row, out: Path, n: int) -> list[dict[str, Any]]:
    """The first ``n`` lines of what the pages show of an answer."""
    with open(folder_of(out, row.job.id) / PAGE, encoding="utf-8") as file:
        return [load_json(file.readline()) for _ in range(n)]


__all__ = [
    "PAGE",
    "SUMMARY",
    "Row",
    "folder_of",
    "row_of",
    "summary_in",
    "summary_with",
    "write_overviews",
    "write_result",
]
