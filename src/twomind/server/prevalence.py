"""A study as what prevalence is told from: its answers, the model's score of each, and the codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from twomind.annotations.bah_write import present_in
from twomind.core.errors import BadInput
from twomind.evaluation.prevalence import Drawn
from twomind.evaluation.prevalence_table import NEXT, Rows, Table, read_rows, table_of, with_codes
from twomind.server import coding, people
from twomind.server.measured import result_label
from twomind.server.place import Place, open_place
from twomind.server.settled import Settled
from twomind.server.tables import Assignment, Person, Recording

_COLUMNS = ("id", "person", "human", "model", "question", "group")
_LANGUAGE = "language"
_MOST_SHOWN = 5


def study_table(folder: Path, group: str = "", drawn: Drawn | None = None) -> Table:
    """The answers of a study with scores and codes.

    Args:
        folder: Of the study.
        group: A question of the form, or ``language``, by which shares are told apart; empty: none.
        drawn: What was drawn at random for coding; None: found out.

    Raises:
        BadInput: There is no such question, no answer, no score, or coders are not settled.
    """
    place = open_place(folder)
    rows = rows_of(place, group)
    codes, remarks = codes_of(place)
    known = {row["id"] for row in rows.rows}
    of_these = {name: code for name, code in codes.items() if name in known}
    table = table_of(with_codes(rows, of_these), drawn)
    return replace(table, remarks=(*remarks, *table.remarks))


def drawn_table(path: Path, folder: Path, drawn: Drawn | None = None) -> Table:
    """A table that ``next`` wrote, with what was coded in the study since.

    Codes of answers that were not drawn stay out: they have no known chance of being coded.

    Args:
        path: A CSV file.
        folder: Of the study.
        drawn: As in :func:`study_table`.

    Raises:
        BadInput: Either cannot be used.
    """
    given = read_rows(path)
    codes, remarks = codes_of(open_place(folder))
    wanted = {row.get("id", "") for row in given.rows if _was_drawn(row)}
    of_these = {name: code for name, code in codes.items() if name in wanted}
    table = table_of(with_codes(given, of_these), drawn)
    return replace(table, remarks=(*remarks, *table.remarks))


def _was_drawn(row: Mapping[str, str]) -> bool:
    """Whether an answer was to be coded; every one, where nothing says which."""
    return row.get(NEXT, "1") not in ("", "0")


def rows_of(place: Place, group: str = "") -> Rows:
    """Every answer that is complete and not excluded, with the model's score.

    Args:
        place: The study.
        group: As in :func:`study_table`.

    Raises:
        BadInput: There is no such question of the form, or no answer.
    """
    known = {question.id for question in place.study.metadata} | {_LANGUAGE}
    if group and group not in known:
        listed = ", ".join(sorted(known))
        raise BadInput(f"--group {group}: expected a question of the form or {listed}")
    rows = [_row(place, recording, person, group) for recording, person in _answers(place)]
    if not rows:
        raise BadInput(f"{place.folder}: there is no complete answer yet")
    return Rows(place.folder, _COLUMNS, tuple(rows))


def _answers(place: Place) -> Iterator[tuple[Recording, Person]]:
    prompts = [prompt.id for prompt in place.study.prompts]
    joined = select(Recording, Person).join(Person, Person.id == Recording.person)
    counted = (
        (Person.kind == "participant")
        & Person.state.not_in(("withdrawing", "erasing"))
        & (Recording.state == "complete")
        & Recording.quality.not_in(("again", "exclude"))
        & Recording.item.in_(prompts)
    )
    with place.database.reading() as reading:
        for recording, person in reading.execute(joined.where(counted).order_by(Recording.id)):
            if place.keys.has(person.id):
                yield recording, person


def _row(place: Place, recording: Recording, person: Person, group: str) -> dict[str, str]:
    result = place.opened(person.id, recording.result, result_label(recording.id))
    score = result.get("prediction", {}).get("probability")
    return {
        "id": recording.id,
        "person": person.id,
        "human": "",
        "model": "" if score is None else repr(float(score)),
        "question": recording.item,
        "group": _group(place, person, group),
    }


def _group(place: Place, person: Person, group: str) -> str:
    if group in ("", _LANGUAGE):
        return person.language if group else ""
    private: dict[str, Any] = place.opened(person.id, person.private, people.PRIVATE)
    return str(private["metadata"].get(group, ""))


def codes_of(place: Place) -> tuple[dict[str, bool], list[str]]:
    """Whether there is A/H, by recording, as coders settled it; and remarks.

    Raises:
        BadInput: Coders differ about some and are not settled, or a coding says nothing.
    """
    settled = coding.by_recording(place)
    _refuse_open(settled)
    found = {}
    for recording, one in settled.items():
        if one.annotations is not None:
            found[recording] = present_in(one.annotations)
    return found, _remarks(place, found)


def _refuse_open(settled: Mapping[str, Settled]) -> None:
    unsettled = [recording for recording, one in settled.items() if one.annotations is None]
    if unsettled:
        shown = ", ".join(sorted(unsettled)[:_MOST_SHOWN])
        raise BadInput(
            f"{len(unsettled)} answers were coded by several and are not settled, such as {shown}: "
            "adjudicate them first. Without those about which coders differ, the share is wrong"
        )


def _remarks(place: Place, codes: Mapping[str, bool]) -> list[str]:
    with place.database.reading() as reading:
        assigned = set(reading.scalars(select(Assignment.recording)))
        n_test = reading.scalars(
            select(func.count()).select_from(Person).where(Person.kind == "test")
        ).one()
    found = []
    undone = assigned - set(codes)
    if undone:
        found.append(
            f"{len(undone)} assigned answers are not coded yet: if those that are hard to code come "
            "last, the share is wrong until they are"
        )
    if n_test:
        found.append(f"{n_test} test participants are not counted")
    return found
