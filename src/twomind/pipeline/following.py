"""Films within a study follow its table: who speaks, what was asked, what is said.

What was stated otherwise (by an option or a manifest) wins, and a difference is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from twomind.core.errors import BadInput
from twomind.datasets.surroundings import Listed, check_people, listed, table_around
from twomind.models.questions import BAH_QUESTIONS, resolve
from twomind.pipeline.jobs import Job

_WAYS_OUT = (
    "mend it, or go without it: --set follow_tables=false; then nothing is known of the people, and "
    "no film goes into the report"
)


@dataclass(frozen=True)
class _Followed:
    """A job as it will run, and what the table says otherwise than what was stated: field → both
    values.
    """

    job: Job
    differs: Mapping[str, tuple[str, str]]


def followed(planned: Sequence[Job], warn: Callable[[str], None]) -> list[Job]:
    """The jobs, with what the tables around their films say where nothing else was stated.

    Args:
        planned: what was asked.
        warn: is told what the tables say otherwise, and how many films they do not list.

    Raises:
        BadInput: a table, or the table of people beside it, cannot be read.
    """
    found: list[Job] = []
    differing: dict[tuple[Path, str], list[str]] = {}
    unlisted: dict[Path, list[str]] = {}
    for job in planned:
        table = table_around(job.media)
        if table is None:
            found.append(job)
            continue
        row = _rows(table).get(job.media.resolve())
        if row is None:
            unlisted.setdefault(table, []).append(job.id)
            found.append(job)
            continue
        one = _follow(job, row)
        found.append(one.job)
        for name, (given, said) in one.differs.items():
            text = f"{job.id}: {given!r} was given, the table says {said!r}"
            differing.setdefault((table, name), []).append(text)
    for (table, name), texts in differing.items():
        warn(f"{name} as it was given, not as in {table} ({_first(texts)})")
    for table, ids in unlisted.items():
        warn(
            f"not listed in {table}, so each is taken for a person of its own unless one was named: "
            f"{_first(ids)}"
        )
    return found


def _rows(table: Path) -> Mapping[Path, Listed]:
    try:
        check_people(table)
        return listed(table)
    except BadInput as error:
        raise BadInput(f"{error}. The films lie within this study: {_WAYS_OUT}") from error


def _first(texts: Sequence[str]) -> str:
    """The first of some, and how many more there are."""
    rest = len(texts) - 1
    return f"{texts[0]}; and {rest} more" if rest else texts[0]


def _follow(job: Job, row: Listed) -> _Followed:
    """A job with its row. A subject that is the file's name was not stated."""
    differs: dict[str, tuple[str, str]] = {}
    changed = job
    if job.subject == job.id:
        changed = replace(changed, subject=row.subject or job.subject)
    elif row.subject and row.subject != job.subject:
        differs["person"] = (job.subject, row.subject)
    if job.question is None:
        changed = replace(changed, question=row.question)
    elif row.question and not _same_question(job.question, row.question):
        differs["question"] = (job.question, row.question)
    if job.transcript is None:
        changed = replace(changed, transcript=row.transcript, text=row.text)
    elif row.transcript is not None and row.transcript.resolve() != job.transcript.resolve():
        differs["transcript"] = (str(job.transcript), str(row.transcript))
    elif row.text:
        differs["transcript"] = (str(job.transcript), row.text[:60])
    return _Followed(changed, differs)


def _same_question(one: str, other: str) -> bool:
    known = tuple(BAH_QUESTIONS)
    return (resolve(one, known) or one) == (resolve(other, known) or other)
