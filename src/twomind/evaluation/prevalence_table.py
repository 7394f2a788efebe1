"""The table that prevalence is told from, read and checked.

Columns: ``id, person, human, model`` and, where there are any, ``group, question,
inclusion_probability, code_next``. Other columns are kept and not read.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.special import chdtrc

from twomind.core import csv_text
from twomind.core.errors import BadInput, quoted
from twomind.core.files import refuse_unreadable, write_text
from twomind.evaluation.prevalence import Answers, Drawn
from twomind.types.plain import Array

NEEDED = ("id", "person", "human", "model")
CHANCE = "inclusion_probability"
NEXT = "code_next"
_OPTIONAL = ("group", "question", CHANCE, NEXT)
_CODES = {"1": 1.0, "yes": 1.0, "true": 1.0, "present": 1.0}
_CODES |= {"0": 0.0, "no": 0.0, "false": 0.0, "absent": 0.0}
_CODES |= {"1.0": 1.0, "0.0": 0.0}
_MOST_SHOWN = 5
#: What happens less often than this by chance is told.
_UNLIKELY = 1e-3


@dataclass(frozen=True)
class Rows:
    """Cells as they were read, by column."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]


@dataclass(frozen=True)
class Table:
    """A table that was checked: its cells, the answers, and remarks about them.

    ``chance_known (N,)`` is the inclusion probability of every answer, also of those that are not
    coded; nan where it is not known.
    """

    given: Rows
    answers: Answers
    chance_known: Array
    remarks: tuple[str, ...] = ()


def read_table(path: Path, drawn: Drawn | None = None) -> Table:
    """Read a table of answers.

    Args:
        path: a CSV file in UTF-8.
        drawn: see :func:`table_of`.

    Raises:
        BadInput: a column is absent, or a row cannot be used; the message has the first few.
    """
    return table_of(read_rows(path), drawn)


def table_of(given: Rows, drawn: Drawn | None = None) -> Table:
    """Check the rows of a table.

    Args:
        given: columns and cells.
        drawn: what was drawn at random for coding; None: people, where everybody's answers are
            coded all or not at all, else answers.

    Raises:
        BadInput: a row cannot be used; the message has the first few.
    """
    answers = _checked(given)
    told = answers.chance
    if drawn is None:
        drawn = _drawn_of(answers)
    answers = replace(answers, drawn=drawn)
    remarks = _remarks(answers, told)
    known = told
    if not np.isfinite(told).any():
        known = np.full(len(told), _even_chance(answers))
    chance = np.where(answers.coded, known, told)
    answers = replace(answers, chance=chance, score=_filled(answers.score))
    return Table(given, answers, known, remarks)


def with_codes(given: Rows, codes: Mapping[str, bool]) -> Rows:
    """The rows with what coders said under ``human``.

    Args:
        given: columns and cells.
        codes: whether there is A/H, by id.

    Raises:
        BadInput: a code is of no row, or a row has another one.
    """
    left = dict(codes)
    rows = []
    for row in given.rows:
        name = row.get("id", "").strip()
        code = left.pop(name, None)
        if code is not None:
            before = _CODES.get(row.get("human", "").strip().lower())
            if before is not None and before != code:
                raise BadInput(f"{given.path}: {quoted(name)} has another code than its coder gave")
            row = {**row, "human": str(int(code))}
        rows.append(row)
    if left:
        first = quoted(min(left))
        raise BadInput(
            f"{given.path}: {len(left)} recordings are coded and have no row, such as {first}: the "
            "name of a coder's recording must be an id of the table"
        )
    return replace(given, rows=tuple(rows))


def write_table(table: Table, path: Path, added: dict[str, Sequence[str]]) -> Path:
    """Write the rows of a table with other columns set.

    Args:
        table: as it was read.
        path: a file that does not exist yet.
        added: cells by column, one per row.

    Raises:
        BadInput: the file is there already.
    """
    if path.exists():
        raise BadInput(
            f"{path} is there already, and may hold codes: choose another name for --out"
        )
    columns = list(dict.fromkeys((*table.given.columns, *added)))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for number, row in enumerate(table.given.rows):
        news = {name: cells[number] for name, cells in added.items()}
        cells = {**row, **news}
        writer.writerow([csv_text.cell(cells.get(name, "")) for name in columns])
    return write_text(path, text.getvalue())


def read_rows(path: Path, needed: Sequence[str] = NEEDED) -> Rows:
    """The cells of a table.

    Args:
        path: a CSV file in UTF-8.
        needed: columns that must be there.

    Raises:
        BadInput: it cannot be read, or a column is absent.
    """
    refuse_unreadable(path)
    with csv_text.table(path) as file:
        reader = csv_text.Reader(file, path)
        names = reader.columns
        missing = [name for name in needed if name not in names]
        if missing:
            raise BadInput(
                f"{path}: expected the columns {', '.join(needed)} (and, where there are any, "
                f"{', '.join(_OPTIONAL)}), separated by commas; absent: {', '.join(missing)}"
            )
        rows = list(reader)
    if not rows:
        raise BadInput(f"{path}: expected a row for each answer, got none")
    return Rows(path, names, tuple(rows))


class _Problems:
    """What is wrong with rows; the first few are told together."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: list[str] = []

    def add(self, number: int, what: str) -> None:
        self.found.append(f"row {number + 1}: {what}")

    def refuse(self) -> None:
        if not self.found:
            return
        shown = "; ".join(self.found[:_MOST_SHOWN])
        more = len(self.found) - _MOST_SHOWN
        rest = f"; and {more} more" if more > 0 else ""
        raise BadInput(f"{self.path}: {shown}{rest}")


def _checked(given: Rows) -> Answers:
    path, columns, rows = given.path, given.columns, given.rows
    problems = _Problems(path)
    cells: dict[str, list[str]] = {}
    for name in (*NEEDED, *_OPTIONAL):
        cells[name] = [row.get(name, "").strip() for row in rows]
    _check_names(cells, problems)
    human = [_code(cell, number, problems) for number, cell in enumerate(cells["human"])]
    score = [_score(cell, number, problems) for number, cell in enumerate(cells["model"])]
    coded = np.isfinite(human)
    chances = []
    for number, cell in enumerate(cells[CHANCE]):
        chance = _chance(cell, number, problems)
        if CHANCE in columns:
            _check_chance(chance, bool(coded[number]), cell, (number, problems))
        chances.append(chance)
    problems.refuse()
    _refuse_undone(path, cells, coded)
    if not np.isfinite(score).any():
        raise BadInput(f"{path}: expected the model's score, from 0 to 1, under `model`; got none")
    return Answers(
        id=np.array(cells["id"], dtype=str),
        person=np.array(cells["person"], dtype=str),
        human=np.array(human),
        score=np.array(score),
        chance=np.array(chances),
        group=np.array(cells["group"], dtype=str),
        question=np.array(cells["question"], dtype=str),
    )


def _refuse_undone(path: Path, cells: dict[str, list[str]], coded: Array) -> None:
    """What was drawn for coding must be coded, all of it."""
    undone = []
    for name, mark, is_coded in zip(cells["id"], cells[NEXT], coded, strict=True):
        if mark not in ("", "0") and not is_coded:
            undone.append(quoted(name, 30))
    if undone:
        shown = ", ".join(undone[:_MOST_SHOWN])
        raise BadInput(
            f"{path}: {len(undone)} answers were drawn for coding (`{NEXT}`) and have no code: "
            f"{shown}{' …' if len(undone) > _MOST_SHOWN else ''}. Code all that were drawn: if those "
            "that are hard to code are left out, the share is wrong"
        )


def _check_names(cells: dict[str, list[str]], problems: _Problems) -> None:
    seen: dict[str, int] = {}
    both = zip(cells["id"], cells["person"], strict=True)
    for number, (name, person) in enumerate(both):
        if not name:
            problems.add(number, "expected a name under `id`, got an empty cell")
        elif name in seen:
            problems.add(number, f"the id {quoted(name)} is that of row {seen[name] + 1} too")
        else:
            seen[name] = number
        if not person:
            problems.add(number, "expected whose answer it is under `person`, got an empty cell")


def _code(cell: str, number: int, problems: _Problems) -> float:
    """1 or 0; nan of an empty cell."""
    if not cell:
        return math.nan
    found = _CODES.get(cell.lower())
    if found is None:
        problems.add(
            number,
            "`human`: expected 1 (A/H present), 0 (absent) or nothing (not coded), got "
            f"{quoted(cell, 30)}",
        )
        return math.nan
    return found


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _score(cell: str, number: int, problems: _Problems) -> float:
    """From 0 to 1; nan of an empty cell."""
    if not cell:
        return math.nan
    found = _number(cell)
    if not 0 <= found <= 1:
        problems.add(number, f"`model`: expected a score from 0 to 1, got {quoted(cell, 30)}")
    return found


def _chance(cell: str, number: int, problems: _Problems) -> float:
    """Above 0 and at most 1; nan of an empty cell."""
    if not cell:
        return math.nan
    found = _number(cell)
    if not 0 < found <= 1:
        problems.add(
            number,
            f"`{CHANCE}`: expected a number above 0 and at most 1, got {quoted(cell, 30)}. An "
            "answer that could never be coded is not represented: leave it out of the table",
        )
        return math.nan
    return found


def _check_chance(chance: float, coded: bool, cell: str, place: tuple[int, _Problems]) -> None:
    number, problems = place
    if coded and not cell:
        problems.add(number, f"it is coded, and `{CHANCE}` is empty")
    if chance == 1 and not coded:
        problems.add(number, f"`{CHANCE}` is 1, and it is not coded")


def _filled(score: Array) -> Array:
    """Scores with the mean where there is none: any number keeps the estimate right."""
    return np.where(np.isfinite(score), score, np.nanmean(score))


def _drawn_of(answers: Answers) -> Drawn:
    """People, where those with several answers are coded wholly or not at all."""
    _, person = np.unique(answers.person, return_inverse=True)
    n = np.bincount(person)
    n_coded = np.bincount(person, answers.coded)
    several = n > 1
    whole = several & (n_coded == n)
    partly = several & (n_coded > 0) & (n_coded < n)
    none = several & (n_coded == 0)
    if whole.sum() > 1 and none.any() and not partly.any():
        return Drawn.PEOPLE
    return Drawn.ANSWERS


def _even_chance(answers: Answers) -> float:
    """The inclusion probability where all had the same; nan where nothing is coded."""
    coded = answers.coded
    if not coded.any():
        return math.nan
    if answers.drawn is Drawn.ANSWERS:
        return float(coded.mean())
    n_people = len(np.unique(answers.person))
    return len(np.unique(answers.person[coded])) / n_people


def _remarks(answers: Answers, given: Array) -> tuple[str, ...]:
    found = []
    coded = answers.coded
    n_lost = int((~np.isfinite(answers.score)).sum())
    if n_lost:
        found.append(f"{n_lost} answers have no score of the model: the mean score stands for it")
    if coded.all():
        found.append("every answer is coded: the model adds nothing")
    elif np.isfinite(given).all():
        found += _too_many(answers, given)
    elif not np.isfinite(given).any() and coded.any():
        found.append(
            f"no column `{CHANCE}`: taken as drawn at random, all {answers.drawn.value} alike"
        )
        found += _uneven(answers)
    return tuple(found)


def _too_many(answers: Answers, given: Array) -> list[str]:
    """Whether there are other numbers of codes than the probabilities let expect."""
    n_coded = int(answers.coded.sum())
    if not n_coded:
        return []
    expected = float(given.sum())
    _, person = np.unique(answers.person, return_inverse=True)
    unit = person if answers.drawn is Drawn.PEOPLE else np.arange(len(given))
    size = np.bincount(unit)
    chance = np.bincount(unit, given) / size
    variance = float((chance * (1 - chance) * size**2).sum())
    if abs(n_coded - expected) <= 4 * math.sqrt(variance) + 1:
        return []
    return [
        f"by the inclusion probabilities {expected:.0f} answers would be coded, and {n_coded} are: "
        "check that all that were drawn were coded, and no others"
    ]


def _uneven(answers: Answers) -> list[str]:
    """Whether the coded share differs between groups or questions by more than chance."""
    if answers.drawn is Drawn.PEOPLE:
        return []
    found = []
    share = answers.coded.mean()
    for kind, of in (("groups", answers.group), ("questions", answers.question)):
        names, which = np.unique(of, return_inverse=True)
        n = np.bincount(which)
        off = np.bincount(which, answers.coded) - n * share
        square = float((off**2 / (n * share * (1 - share))).sum())
        if len(names) > 1 and chdtrc(len(names) - 1, square) < _UNLIKELY:
            found.append(
                f"some {kind} are coded more often than others, by more than chance: unless the "
                f"column `{CHANCE}` says with which probability, the share over all is wrong"
            )
    return found
