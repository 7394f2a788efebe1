"""Recordings listed in one CSV: what ``own`` and ``people`` share."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from twomind.core.errors import BadInput
from twomind.datasets import coders, common
from twomind.datasets.checking import (
    Finding,
    Report,
    counted,
    film_fault,
    film_length_s,
    is_drawn,
    not_listed,
    shown,
)
from twomind.datasets.coders import ANNOTATIONS, Spans
from twomind.datasets.frames import FrameFolder
from twomind.datasets.protocols import Take
from twomind.media.recording import MEDIA_SUFFIXES, find_transcript
from twomind.transcripts.words import Words, words_of_text
from twomind.types import AMBIVALENCE, Fold, Progress, Recording, Segment, Task


@dataclass(frozen=True)
class Row:
    """One listed recording. ``segments`` is None when the table says nothing of segments."""

    id: str
    path: str
    subject: str
    question: str | None = None
    label: int | None = None
    transcript: str = ""
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
    for part in filter(None, (p.strip() for p in text.split(";"))):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*-\s*(\d+(?:\.\d+)?)", part)
        if not match or float(match[1]) > float(match[2]):
            raise BadInput(
                f"expected segments as start-end in seconds, joined with ';', got {part[:40]!r}"
            )
        spans.append((float(match[1]), float(match[2])))
    return tuple(sorted(spans))


def read_rows(
    path: Path, needed: tuple[str, ...], classes: tuple[str, ...]
) -> tuple[list[Row], list[str]]:
    """Rows of a CSV; and what is wrong with those that cannot be used. A label is a class's index
    or its name.

    Raises: BadInput: no such file, a needed column is missing, an id or path is there twice, or no
        row can be used.
    """
    rows: dict[str, Row] = {}
    problems: list[str] = []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [c for c in needed if c not in (reader.fieldnames or ())]
            if missing:
                raise BadInput(
                    f"{path}: expected the columns {', '.join(needed)}; missing: "
                    f"{', '.join(missing)}"
                )
            for raw in reader:
                cell = {
                    k: (v or "").strip()
                    for k, v in raw.items()
                    if isinstance(k, str) and not isinstance(v, list)
                }
                try:
                    row = _row(cell, classes)
                except BadInput as error:
                    problems.append(f"line {reader.line_num}: {error}")
                    continue
                if row.id in rows:
                    raise BadInput(
                        f"{path}, line {reader.line_num}: the recording {row.id} is there twice"
                    )
                rows[row.id] = row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
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
    stated, label = cell.get("label", ""), None
    if stated:
        allowed = {
            **{str(i): i for i in range(len(classes))},
            **{c: i for i, c in enumerate(classes)},
        }
        if stated not in allowed:
            raise BadInput(
                f"expected the label 0 to {len(classes) - 1} or {', '.join(classes)}; got "
                f"{stated[:20]!r}"
            )
        label = allowed[stated]
    spans = next((cell[c] for c in ("segments", "segments_s") if c in cell), None)
    try:
        order = float(cell["order"]) if cell.get("order") else None
    except ValueError as error:
        raise BadInput(f"expected a number as order, got {cell['order'][:20]!r}") from error
    known = {
        "id",
        "path",
        "subject",
        "question",
        "label",
        "transcript",
        "segments",
        "segments_s",
        "neutral",
        "order",
    }
    return Row(
        id=cell.get("id") or f"path:{cell['path']}",
        path=cell["path"],
        subject=cell["subject"],
        question=cell.get("question") or None,
        label=label,
        transcript=cell.get("transcript", ""),
        segments=None if spans is None else parse_spans(spans),
        neutral=cell.get("neutral", "").lower() in ("1", "yes", "true"),
        order=order,
        split=cell.get("split", ""),
        environment=cell.get("environment", ""),
        more={k: v for k, v in cell.items() if k not in known and v},
    )


class Tabled:
    """A data set whose recordings are rows of a table. A subclass says which table, and what it is
    called.
    """

    name: ClassVar[str]
    licence: ClassVar[str]
    access: ClassVar[str]
    looks_for: ClassVar[str]
    tasks: tuple[Task, ...] = (AMBIVALENCE, common.AMBIVALENCE_FRAMES)
    protocols: ClassVar[tuple[str, ...]] = (
        "official",
        "train-val",
        *common.WITH_QUESTIONS,
        "environment-shift",
    )
    targets: ClassVar[tuple[str, ...]] = ()
    #: Which coders' marks count where several looked at one recording: a rule of ``coders.RULES``,
    #: or one's name.
    coders: str = "any"

    def __init__(self, root: Path | str) -> None:
        self.root = common.fitting(self, root)
        self.problems: list[Finding] = []

    @classmethod
    def fits(cls, root: Path) -> bool:
        raise NotImplementedError

    def read(self) -> list[Row]:
        """Rows of the table; problems go to ``self.problems``."""
        raise NotImplementedError

    @cached_property
    def rows(self) -> dict[str, Row]:
        return {
            r.id: r for r in sorted(self.read(), key=lambda r: (r.subject, r.order or 0.0, r.id))
        }

    @cached_property
    def annotation_rows(self) -> dict[str, list[dict[str, str]]]:
        """Coders' marks by recording: of the tidy table; of an ELAN file beside the film where the
        table has none.
        """
        path = self.root / ANNOTATIONS
        found = coders.read_annotation_rows(path) if path.is_file() else {}
        for row in self.rows.values():
            beside = self.media(row).with_suffix(".eaf")
            if row.id not in found and beside.is_file():
                try:
                    found[row.id] = coders.rows_of_elan(beside, row.id, row.subject)
                except BadInput as error:
                    self.problems.append(
                        Finding(shown(beside, self.root), str(error).removeprefix(f"{beside}: "))
                    )
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
            duration_s = film_length_s(media) if media.is_file() else float("nan")
            words, reason = self._words(row, media, duration_s)
            found.append(
                Recording(
                    id=row.id,
                    subject=row.subject,
                    media=media,
                    question=row.question,
                    duration_s=duration_s,
                    words=words.words if words else None,
                    words_reason=reason,
                    words_source=words.source if words else "",
                    segments=tuple(
                        Segment(a, b, "present", "coder") for a, b in self._spans(row) or ()
                    ),
                    drawn=drawn,
                )
            )
        return tuple(found)

    def _words(self, row: Row, media: Path, duration_s: float) -> tuple[Words | None, str]:
        """Words of the transcript's file; of the cell itself when it is no file's name; or of a
        file beside it.
        """
        known = duration_s if np.isfinite(duration_s) else None
        named = self.root / row.transcript if row.transcript and len(row.transcript) < 500 else None
        path = named if named is not None and named.is_file() else None
        if path is None and row.transcript and not re.search(r"\.\w{2,4}$", row.transcript):
            return words_of_text(row.transcript, "the table (plain text, no times)", known), ""
        if path is None and row.transcript:
            self.problems.append(Finding(row.transcript, f"no such transcript (of {row.id})"))
        path = path or (find_transcript(media) if media.is_file() and not row.transcript else None)
        if path is None:
            return None, "no transcript was given"
        words = common.transcript(path, duration_s, self.root, self.problems)
        return words, "; ".join(words.problems) if words else "the transcript cannot be read"

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
                found[row.id], problems = coders.spans_by_coder(
                    self.annotation_rows.get(row.id, ())
                )
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
        row = self.rows.get(recording_id)
        spans = self._spans(row) if row else None
        if row is None or (spans is None and row.label != 0) or (row.label and not spans):
            return np.full(len(times_s), -1, np.int64)
        out = np.zeros(len(times_s), np.int64)
        for start_s, end_s in spans or ():
            out[(times_s >= start_s) & (times_s < end_s)] = 1
        return out

    def people(self) -> Mapping[str, Mapping[str, str]]:
        return common.people_of((r.subject for r in self.rows.values()), self.root / "people.csv")

    def may_be_shown(self, subject: str) -> bool:
        return common.may_be_shown(self.people().get(subject, {}), is_drawn(self.root))

    def annotation_entry(self, recording_id: str) -> Mapping[str, Any] | None:
        marks = self.annotation_rows.get(recording_id)
        row = self.rows.get(recording_id)
        if marks is None and (row is None or not row.more):
            return None
        return {
            **(dict(row.more) if row else {}),
            **({"marks": marks} if marks is not None else {}),
        }

    def frame_folder(self, recording_id: str) -> FrameFolder | None:
        return None

    def takes(self) -> tuple[Take, ...]:
        return tuple(
            Take(r.id, r.subject, r.question, r.neutral, r.split, r.order, r.environment)
            for r in self.rows.values()
        )

    def folds(self, protocol: str, seed: int = 0) -> tuple[Fold, ...]:
        return common.guarded_folds(
            self.protocols, protocol, seed, self.recordings(), self.takes(), self.targets
        )

    def check(self, deep: bool = False, progress: Progress | None = None) -> Report:
        missing: list[Finding] = []
        corrupted: list[Finding] = []
        conflicts: list[Finding] = []
        known = []
        for row in counted(self.rows.values(), "looking at films", progress):
            media = self.media(row)
            known.append(media)
            if not media.is_file():
                missing.append(Finding(row.path, "listed, but not there"))
                continue
            fault = film_fault(media, deep)
            if fault:
                corrupted.append(Finding(row.path, fault))
            spans = self._spans(row)
            if row.label == 0 and spans:
                conflicts.append(
                    Finding(row.path, f"labelled absent, but {len(spans)} segments are marked")
                )
        listed = {k.resolve() for k in known}
        extra = [
            f
            for f in not_listed(
                self.root, (), self.root, "a recording that the table does not list"
            )
            if Path(f.path).suffix.lower() in MEDIA_SUFFIXES
            and (self.root / f.path).resolve() not in listed
        ]
        extra += [
            Finding(ANNOTATIONS, f"marks of {r}, which is not listed")
            for r in self.annotation_rows
            if r not in self.rows
        ]
        _ = self.recordings()  # reads every transcript, collecting problems
        corrupted += dict.fromkeys(self.problems)
        n_unlabelled = sum(r.label is None for r in self.rows.values())
        notes = [f"{n_unlabelled} recordings have no label"] if n_unlabelled else []
        notes += coders.notes(self._coded, self._rule)
        beside = {k.with_suffix(".eaf").resolve() for k in known}
        n_eaf = sum(f.resolve() not in beside for f in self.root.rglob("*.eaf"))
        if n_eaf:
            notes.append(
                f"{n_eaf} ELAN files lie beside no listed film of their name and are not read; "
                f"`twomind annotate import` turns them into {ANNOTATIONS}"
            )
        return Report(
            self.name,
            self.root,
            len(self.rows),
            len(self.people()),
            tuple(missing),
            tuple(extra),
            tuple(corrupted),
            tuple(conflicts),
            tuple(notes),
            deep,
        )
