"""Readers of labelled transcripts: the public BAH split files, and a user's own table of texts.

A line of a split file is ``path,label,transcript``. The transcript holds commas, so a line is cut
at its first two commas only. Participant and question are in the path
(``Videos/<pid>/Visite_1/<pid>_Question_<q>_<date>_<time>_Video….mp4``); some files have a blank
where the release has an underscore ("Visite 1", date and time), which is the same recording.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from twomind.core import csv_text
from twomind.core.errors import BadInput
from twomind.core.files import text_of

_NAME = re.compile(r"^(?P<subject>[^/_]+)_Question_(?P<question>[1-9]\d?)(?:_|\.|$)")
_MAX_SHOWN = 5
_COLUMNS = ("subject", "question", "label", "transcript")


@dataclass(frozen=True)
class Answer:
    """One labelled answer. ``question`` is "1" to "7", or a prompt's own text, or None; ``label`` 1
    = A/H present.
    """

    id: str
    subject: str
    question: str | None
    label: int
    transcript: str
    line: int = 0


@dataclass(frozen=True)
class Split:
    """The answers of one file, and what was wrong with the lines that could not be used."""

    answers: tuple[Answer, ...]
    problems: tuple[str, ...] = ()


def video_id(path: str) -> str:
    """The recording's name without folder and ending, blanks as underscores: equal in every
    release.

    >>> video_id("Videos/10/Visite 1/10_Question_3_2024-01-01 10-00-00_Video.mp4")
    '10_Question_3_2024-01-01_10-00-00_Video'
    """
    name = path.strip().replace("\\", "/").rsplit("/", 1)[-1]
    return re.sub(r"\.(mp4|webm|mkv|mov|avi)$", "", name, flags=re.IGNORECASE).replace(" ", "_")


def parse_line(text: str, line: int = 0) -> Answer:
    """One line of a split file. An empty transcript is kept as "".

    Raises:
        BadInput: fewer than two commas, a label other than 0 or 1, or a path without participant
            and question.
    """
    parts = text.split(",", 2)
    if len(parts) < 3:
        raise BadInput(
            f"line {line}: expected path,label,transcript, got {len(parts) - 1} comma(s)"
        )
    path, label, transcript = parts
    if label.strip() not in ("0", "1"):
        raise BadInput(f"line {line}: expected the label 0 or 1, got {label.strip()[:20]!r}")
    name = video_id(path)
    match = _NAME.match(name)
    if not match:
        raise BadInput(
            f"line {line}: expected <participant>_Question_<number>_… at the end of the path, got "
            f"{name[:60]!r}"
        )
    return Answer(name, match["subject"], match["question"], int(label), transcript.strip(), line)


def read_split(path: Path, strict: bool = False) -> Split:
    """Read one split file. Lines that cannot be used are listed in ``problems``, or with ``strict``
    raise.

    Raises:
        BadInput: the file is absent, is not UTF-8 text, or holds no usable line; names a recording
            twice.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(
            f"no split file {path}; expected a text file with path,label,transcript on each line"
        )
    lines = text_of(path, "utf-8-sig").split("\n")
    answers: dict[str, Answer] = {}
    problems: list[str] = []
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            answer = parse_line(text.rstrip("\r"), number)
        except BadInput as error:
            problems.append(str(error))
            continue
        if answer.id in answers:
            first = answers[answer.id].line
            problems.append(f"line {number}: {answer.id} was already on line {first}")
        else:
            answers[answer.id] = answer
    if problems and strict:
        raise BadInput(f"{path}: {summary(problems)}")
    if not answers:
        why = summary(problems) if problems else "the file is empty"
        raise BadInput(f"{path}: no usable line; {why}")
    return Split(tuple(answers.values()), tuple(problems))


def read_splits(folder: Path, names: Sequence[str], strict: bool = False) -> Split:
    """Several split files of one folder (``train`` reads ``train.txt``), joined.

    Args:
        folder: where they lie.
        names: names of the splits.
        strict: raise for a line that cannot be used.

    Raises:
        BadInput: as :func:`read_split`; or the folder or a named split is absent.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BadInput(
            f"no folder {folder}; expected one with {', '.join(f'{n}.txt' for n in names)}"
        )
    missing = [n for n in names if not (folder / f"{n}.txt").is_file()]
    if missing:
        there = ", ".join(sorted(p.stem for p in folder.glob("*.txt"))) or "none"
        raise BadInput(f"{folder}: no split {', '.join(missing)}; there is: {there}")
    answers: list[Answer] = []
    problems: list[str] = []
    for name in names:
        part = read_split(folder / f"{name}.txt", strict)
        answers += part.answers
        problems += [f"{name}.txt {problem}" for problem in part.problems]
    return Split(tuple(answers), tuple(problems))


def summary(problems: Sequence[str]) -> str:
    """The first few problems in one sentence, and how many more there are."""
    more = len(problems) - _MAX_SHOWN
    return "; ".join(problems[:_MAX_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def read_table(path: Path) -> Split:
    """A user's own labelled transcripts: CSV (or TSV) with the columns
    ``subject,question,label,transcript``.

    ``question`` may be empty, a number, or the prompt's text; further columns are ignored. Rows
    that cannot be used are listed in ``problems`` with their line.

    Raises:
        BadInput: the file is absent, not UTF-8, a column is missing, or no row can be used.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"no file {path}; expected a CSV with the columns {', '.join(_COLUMNS)}")
    answers: list[Answer] = []
    problems: list[str] = []
    for line, row in _rows(path, problems):
        try:
            answers.append(_answer(row, line))
        except BadInput as error:
            problems.append(str(error))
    if not answers:
        why = summary(problems) if problems else "there is only the header"
        raise BadInput(f"{path}: no usable row; {why}")
    return Split(tuple(answers), tuple(problems))


def _rows(path: Path, problems: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a table with their lines; those that are too long go to ``problems``."""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    with csv_text.table(path) as file:
        reader = csv_text.Reader(file, path, delimiter, problems)
        missing = [column for column in _COLUMNS if column not in reader.columns]
        if missing:
            raise BadInput(
                f"{path}: expected the columns {', '.join(_COLUMNS)}; missing: {', '.join(missing)}"
            )
        for row in reader:
            yield reader.line_num, row


def _answer(row: Mapping[str, str], line: int) -> Answer:
    """The answer of one row of a table."""
    subject, question, label, text = (row[column].strip() for column in _COLUMNS)
    if label not in ("0", "1"):
        raise BadInput(f"line {line}: expected the label 0 or 1, got {label[:20]!r}")
    if not subject:
        raise BadInput(
            f"line {line}: the subject is empty; people must be known to keep them apart"
        )
    return Answer(f"line {line}", subject, question or None, int(label), text, line)
