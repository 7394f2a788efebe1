"""Labelled answers as text, from any of three places: BAH's split files, a table of texts, and a labelled
folder (``recordings.csv`` beside films).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from twomind.core.errors import BadInput
from twomind.datasets.bah_splits import Answer, Split, read_splits, read_table
from twomind.datasets.own import Own
from twomind.datasets.surroundings import TABLE
from twomind.transcripts.words import words_of_text
from twomind.types import Recording

#: What ``read_answers`` takes, in words.
EXPECTED = (
    "a folder with split files (train.txt, val.txt …), a folder with recordings.csv, or a CSV with "
    "the columns subject, question, label, transcript"
)


def has_split_files(data: Path) -> bool:
    """Whether ``data`` is a folder of split files, each of which is an official split."""
    return data.is_dir() and not (data / TABLE).is_file()


def divided(data: Path) -> bool:
    """Whether ``data`` says who belongs to which split."""
    if not data.is_dir():
        return False
    return has_split_files(data) or any(row.split for row in Own(data).rows.values())


def read_answers(data: Path, splits: Sequence[str]) -> Split:
    """Labelled answers of a folder or a file.

    A transcript holds the words of the person alone: marks such as ``[noise]`` and the label of
    the one speaker are taken out. One of several people is not used, with a problem.

    Args:
        data: a folder with split files; a labelled folder, with ``recordings.csv``; or a table of
            texts.
        splits: which split files; of a labelled folder, which values of the column ``split``,
            where it has that column. A table has none.

    Returns:
        The answers, and a sentence for each that cannot be used. Recordings that nobody coded are
        left out without one.

    Raises:
        BadInput: it cannot be read, or holds no answer that can be used.
    """
    data = Path(data)
    if data.is_file():
        return _of_the_person(read_table(data))
    if data.is_dir() and not has_split_files(data):
        return _of_folder(Own(data), splits)
    return _of_the_person(read_splits(data, splits))


def _of_the_person(read: Split) -> Split:
    """Answers whose transcripts hold the words of the person alone."""
    answers: list[Answer] = []
    problems = list(read.problems)
    for answer in read.answers:
        said = words_of_text(answer.transcript, "split file")
        if said.not_measured:
            problems.append(
                f"line {answer.line} ({answer.id}): {said.not_measured.split(';')[0]}; keep the "
                "words of the person alone"
            )
            continue
        if said.marks or said.speaker:
            words = " ".join(word.text for word in said.words)
            answer = replace(answer, transcript=words)
        answers.append(answer)
    return Split(tuple(answers), tuple(problems))


def _of_folder(data: Own, splits: Sequence[str]) -> Split:
    """The answers of a labelled folder that somebody coded, and why some cannot be used."""
    task = data.tasks[0]
    if len(task.classes) != 2:
        raise BadInput(f"{data.root}: expected labels of two classes, got {task.classes}")
    answers: list[Answer] = []
    problems: list[str] = []
    for recording in _of_splits(data, splits):
        label = data.label(task.name, recording.id)
        if label is None:
            continue
        if recording.words is None:
            problems.append(f"{recording.id}: {recording.words_reason}")
            continue
        text = " ".join(word.text for word in recording.words)
        answers.append(Answer(recording.id, recording.subject, recording.question, label, text))
    problems += [f"{one.path}: {one.reason}" for one in data.problems]
    if not answers:
        why = f"; {problems[0]}" if problems else ""
        raise BadInput(f"{data.root}: no recording with a label and a transcript{why}")
    return Split(tuple(answers), tuple(problems))


def _of_splits(data: Own, splits: Sequence[str]) -> list[Recording]:
    """The recordings of some splits; all of them where the table has no splits."""
    stated = {row.split for row in data.rows.values() if row.split}
    if not stated:
        return list(data.recordings())
    if not stated & set(splits):
        there = ", ".join(sorted(stated))
        raise BadInput(f"{data.root}: no split {', '.join(splits)}; there is: {there}")
    return [one for one in data.recordings() if data.rows[one.id].split in splits]
