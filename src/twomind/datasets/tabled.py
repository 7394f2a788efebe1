"""Recordings listed in one CSV: what ``own`` and ``people`` share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from twomind.core import files
from twomind.core.errors import BadInput
from twomind.datasets import coders, common
from twomind.datasets.base import Folder
from twomind.datasets.checking import (
    Finding,
    Found,
    Report,
    counted,
    film_fault,
    film_header,
    is_drawn,
    shown,
)
from twomind.datasets.coders import ANNOTATIONS, Spans
from twomind.datasets.people import people_of
from twomind.datasets.protocols import Take
from twomind.datasets.surroundings import TEXT_SOURCE, cells_of, named_transcript
from twomind.media.recording import transcript_beside
from twomind.transcripts.words import words_of_text
from twomind.types import AMBIVALENCE, Progress, Recording, Segment, Task

_COLUMNS = (
    "id",
    "path",
    "subject",
    "question",
    "label",
    "transcript",
    "speaker",
    "segments",
    "segments_s",
    "neutral",
    "order",
)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*-\s*(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Row:
    """One listed recording. ``segments`` is None when the table says nothing of segments."""

    id: str
    path: str
    subject: str
    question: str | None = None
    label: int | None = None
    transcript: str = ""
    speaker: str | None = None
    segments: Spans | None = None
    neutral: bool = False
    order: float | None = None
    split: str = ""
    environment: str = ""
    more: Mapping[str, str] = field(default_factory=dict)


def parse_spans(text: str) -> Spans:
    """``1.25-3.5;7-8``: seconds, in order of time.

    >>> parse_spans("7-8; 1.25-3.5")
    ((1.25, 3.5), (7.0, 8.0))
    """
    spans = []
    for part in map(str.strip, text.split(";")):
        if not part:
            continue
        match = _SPAN.fullmatch(part)
        if not match or float(match[1]) > float(match[2]):
            raise BadInput(
                f"expected segments as start-end in seconds, joined with ';', got {part[:40]!r}"
            )
        spans.append((float(match[1]), float(match[2])))
    return tuple(sorted(spans))


def read_rows(
    path: Path, needed: tuple[str, ...], classes: tuple[str, ...]
) -> tuple[list[Row], list[str]]:
    """Rows of a CSV; and what is wrong with those that cannot be used.

    Args:
        path: the CSV file, in UTF-8.
        needed: columns that it must have.
        classes: names of the classes; a label is a class's index or its name.

    Returns:
        the rows, each with an id of its own, and one sentence for each line that cannot be used.

    Raises:
        BadInput: no such file, a needed column is missing, an id or path is there twice, or no row
            can be used.
    """
    rows: dict[str, Row] = {}
    problems: list[str] = []
    try:
        for line, cells in cells_of(path, needed):
            try:
                row = _row(cells, classes)
            except BadInput as error:
                problems.append(f"line {line}: {error}")
                continue
            if row.id in rows:
                raise BadInput(f"{path}, line {line}: the recording {row.id} is there twice")
            rows[row.id] = row
    except OSError as error:
        raise BadInput(f"{path}: expected a CSV file in UTF-8 ({error})") from error
    if not rows:
        raise BadInput(f"{path}: no usable row" + (f"; {problems[0]}" if problems else ""))
    return _named(list(rows.values())), problems


def _named(rows: list[Row]) -> list[Row]:
    """Rows without an id are named by their file; by their whole path where two files have one
    name.
    """
    count = Counter(Path(r.path).stem for r in rows)
    named = []
    for row in rows:
        if not row.id.startswith("path:"):
            named.append(row)
            continue
        stem = Path(row.path).stem
        whole = Path(row.path).with_suffix("").as_posix().replace("/", "__")
        named.append(replace(row, id=stem if count[stem] == 1 else whole))
    ids = Counter(r.id for r in named)
    twice = [i for i, n in ids.items() if n > 1]
    if twice:
        raise BadInput(
            f"two recordings are called {twice[0]}; give them ids of their own in a column id"
        )
    return named


def _row(cell: Mapping[str, str], classes: tuple[str, ...]) -> Row:
    if not cell.get("path"):
        raise BadInput("the path is empty")
    if not cell.get("subject"):
        raise BadInput("the subject is empty; people must be known to keep them apart")
    label = _label(cell.get("label", ""), classes)
    spans = cell.get("segments", cell.get("segments_s"))
    return Row(
        id=cell.get("id") or f"path:{cell['path']}",
        path=cell["path"],
        subject=cell["subject"],
        question=cell.get("question") or None,
        label=label,
        order=_order(cell.get("order", "")),
        transcript=cell.get("transcript", ""),
        speaker=cell.get("speaker") or None,
        segments=None if spans is None else parse_spans(spans),
        neutral=cell.get("neutral", "").lower() in ("1", "yes", "true"),
        split=cell.get("split", ""),
        environment=cell.get("environment", ""),
        more={k: v for k, v in cell.items() if k not in _COLUMNS and v},
    )


def _label(stated: str, classes: tuple[str, ...]) -> int | None:
    """Class index of a label that is an index or a name; None where nothing is stated."""
    if not stated:
        return None
    if stated in classes:
        return classes.index(stated)
    indices = [str(i) for i in range(len(classes))]
    if stated in indices:
        return indices.index(stated)
    raise BadInput(
        f"expected the label 0 to {len(classes) - 1} or {', '.join(classes)}; got {stated[:20]!r}"
    )


def _order(stated: str) -> float | None:
    if not stated:
        return None
    try:
        return float(stated)
    except ValueError as error:
        raise BadInput(f"expected a number as order, got {stated[:20]!r}") from error


class Tabled(Folder):
    """A data set whose recordings are rows of a table. A subclass says which table, and what it is
    called.
    """

    tasks: tuple[Task, ...] = (AMBIVALENCE, common.AMBIVALENCE_FRAMES)
    protocols: ClassVar[tuple[str, ...]] = (
        "official",
        "train-val",
        *common.WITH_QUESTIONS,
        "environment-shift",
    )
    #: Which coders' marks count where several looked at one recording: a rule of ``coders.RULES``,
    #: or one's name.
    coders: str = "any"

    def read(self) -> list[Row]:
        """Rows of the table; problems go to ``self.problems``."""
        raise NotImplementedError

    @cached_property
    def rows(self) -> dict[str, Row]:
        ordered = sorted(self.read(), key=lambda row: (row.subject, row.order or 0.0, row.id))
        return {row.id: row for row in ordered}

    @cached_property
    def annotation_rows(self) -> dict[str, list[dict[str, str]]]:
        """Coders' marks by recording: of the tidy table; of an ELAN file beside the film where the
        table has none.
        """
        path = self.root / ANNOTATIONS
        found = coders.read_annotation_rows(path) if path.is_file() else {}
        for row in self.rows.values():
            coded = files.beside(self.media(row), ".eaf")
            if row.id in found or coded is None:
                continue
            try:
                found[row.id] = coders.rows_of_elan(coded, row.id, row.subject)
            except BadInput as error:
                reason = str(error).removeprefix(f"{coded}: ")
                self.problems.append(Finding(shown(coded, self.root), reason))
        return found

    def media(self, row: Row) -> Path:
        return self.root / row.path

    # --- the contract
    # ------------------------------------------------------------------------------------------------

    def recordings(self) -> tuple[Recording, ...]:
        return self._recordings

    @cached_property
    def _recordings(self) -> tuple[Recording, ...]:
        drawn = is_drawn(self.root)
        found = []
        for row in self.rows.values():
            media = self.media(row)
            header = film_header(media)
            spans = self._spans(row) or ()
            recording = Recording(
                id=row.id,
                subject=row.subject,
                media=media,
                question=row.question,
                duration_s=header.length_s,
                segments=tuple(Segment(a, b, "present", "coder") for a, b in spans),
                drawn=drawn or header.drawn,
            )
            found.append(self._with_words(row, recording))
        return tuple(found)

    def _with_words(self, row: Row, recording: Recording) -> Recording:
        """The recording with words of the transcript's file; of the cell itself when it is no
        file's name; or of a file beside it. Without words, why.
        """
        media, duration_s = recording.media, recording.duration_s
        passed_over: list[str] = []
        path, text = named_transcript(self.root, row.transcript)
        if text:
            return self._with_text(text, row, recording)
        if path is not None and not path.is_file():
            self.problems.append(Finding(row.transcript, f"no such transcript (of {row.id})"))
            path = None
        if not row.transcript and media.is_file():
            path, passed_over = transcript_beside(media)
        if path is None:
            return replace(recording, words_remarks=tuple(passed_over))
        read = common.transcript(path, duration_s, self.root, self.problems, row.speaker)
        if read is None:
            why = self.problems[-1].reason
            reason = f"the transcript cannot be read: {why}"
            remarks = tuple(passed_over)
            return replace(recording, words_reason=reason, words_remarks=remarks)
        told = read.of(recording, read.source)
        return replace(told, words_remarks=(*passed_over, *told.words_remarks))

    def _with_text(self, text: str, row: Row, recording: Recording) -> Recording:
        """The recording with the words that stand in the table itself."""
        known = recording.duration_s if np.isfinite(recording.duration_s) else None
        try:
            words = words_of_text(text, TEXT_SOURCE, known, row.speaker)
        except BadInput as error:
            self.problems.append(Finding(row.id, f"transcript: {error}"))
            return replace(recording, words_reason=f"the transcript cannot be read: {error}")
        return words.of(recording, TEXT_SOURCE)

    def _spans(self, row: Row) -> Spans | None:
        """A/H segments: of the table, else of the coders; None when neither says anything."""
        if row.segments is not None:
            return row.segments
        return coders.unite(self._coded[row.id], self._rule)

    @cached_property
    def _coded(self) -> dict[str, dict[str, Spans]]:
        """A/H segments of each coder by recording, where the table of recordings says nothing of
        segments.
        """
        found = {}
        for row in self.rows.values():
            if row.segments is None:
                marks = self.annotation_rows.get(row.id, ())
                found[row.id], problems = coders.spans_by_coder(marks)
                self.problems += [Finding(ANNOTATIONS, f"{row.id}: {p}") for p in problems]
        return found

    @cached_property
    def _rule(self) -> str:
        return coders.checked_rule(self.coders, self._coded.values(), self.root)

    def label(self, task_name: str, recording_id: str) -> int | None:
        common.known_task(self.tasks, task_name)
        row = self.rows.get(recording_id)
        return row.label if row else None

    def frame_labels(self, task_name: str, recording_id: str, times_s: np.ndarray) -> np.ndarray:
        """1 inside a segment, 0 outside; of an answer labelled absent, 0. -1 where segments are not
        stated.
        """
        common.known_task(self.tasks, task_name)
        times_s = np.asarray(times_s, float)
        unknown = np.full(len(times_s), -1, np.int64)
        row = self.rows.get(recording_id)
        if row is None:
            return unknown
        spans = self._spans(row)
        if spans is None and row.label != 0:
            return unknown
        if row.label and not spans:
            return unknown
        found = np.zeros(len(times_s), np.int64)
        for start_s, end_s in spans or ():
            found[(times_s >= start_s) & (times_s < end_s)] = 1
        return found

    def people(self) -> Mapping[str, Mapping[str, str]]:
        subjects = [row.subject for row in self.rows.values()]
        return people_of(subjects, self.root / "people.csv")

    def annotation_entry(self, recording_id: str) -> Mapping[str, Any] | None:
        marks = self.annotation_rows.get(recording_id)
        row = self.rows.get(recording_id)
        more = dict(row.more) if row else {}
        if marks is None:
            return more or None
        return {**more, "marks": marks}

    def takes(self) -> tuple[Take, ...]:
        found = []
        for row in self.rows.values():
            take = Take(
                id=row.id,
                subject=row.subject,
                question=row.question,
                neutral=row.neutral,
                split=row.split,
                order=row.order,
                environment=row.environment,
            )
            found.append(take)
        return tuple(found)

    def check(self, deep: bool = False, progress: Progress | None = None) -> Report:
        found = Found()
        for row in counted(self.rows.values(), "looking at films", progress):
            self._check_row(row, found, deep)
        films = [self.media(row) for row in self.rows.values()]
        reason = "a recording that the table does not list"
        found.extra += common.unlisted_films(self.root, films, reason)
        for name in self.annotation_rows:
            if name not in self.rows:
                found.extra.append(Finding(ANNOTATIONS, f"marks of {name}, which is not listed"))
        recordings = self.recordings()  # reads every transcript, collecting problems
        found.remarks += common.remarks(recordings)
        found.corrupted += dict.fromkeys(self.problems)
        found.notes += self._notes(films)
        return found.report(self, len(self.rows), len(self.people()), deep)

    def _check_row(self, row: Row, found: Found, deep: bool) -> None:
        """The film of a row, and its label against its segments."""
        media = self.media(row)
        if not media.is_file():
            found.missing.append(Finding(row.path, "listed, but not there"))
            return
        fault = film_fault(media, deep)
        if fault:
            found.corrupted.append(Finding(row.path, fault))
        spans = self._spans(row)
        if row.label == 0 and spans:
            reason = f"labelled absent, but {len(spans)} segments are marked"
            found.conflicts.append(Finding(row.path, reason))

    def _notes(self, films: Sequence[Path]) -> list[str]:
        found = []
        n_unlabelled = sum(row.label is None for row in self.rows.values())
        if n_unlabelled:
            found.append(f"{n_unlabelled} recordings have no label")
        found += coders.notes(self._coded, self._rule)
        beside = {film.with_suffix(".eaf").resolve() for film in films}
        n_eaf = sum(path.resolve() not in beside for path in self.root.rglob("*.eaf"))
        if n_eaf:
            found.append(
                f"{n_eaf} ELAN files lie beside no listed film of their name and are not read; "
                f"`twomind annotate import` turns them into {ANNOTATIONS}"
            )
        return found
