"""How well the face measures follow posed expressions: pictures or clips of people, each against
the person's own neutral one.

A file is called ``PERSON_EXPRESSION.ext``; one expression is ``normal`` or ``neutral``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from twomind.core.errors import BadInput, TwomindError
from twomind.core.numbers import wilson
from twomind.core.store import Store
from twomind.evaluation import metrics
from twomind.features.describe import Settings, describe
from twomind.features.face.blendshapes import taken_columns
from twomind.features.face.measures import ABSOLUTE
from twomind.media.recording import MEDIA_SUFFIXES, PICTURE_SUFFIXES, open_recording
from twomind.types import Track
from twomind.types.plain import Array, Plain

#: What the expression of a person at rest is called.
NEUTRAL = ("normal", "neutral")
#: Told which file comes, how many are done, and how many there are.
_Told = Callable[[str, int, int], None]


@dataclass(frozen=True)
class _Shown:
    """One file: who shows what; the median of every column over its measured rows."""

    path: Path
    person: str
    expression: str
    values: dict[str, float]
    content: str


@dataclass
class _Read:
    """All files that could be measured, why the others could not, and the columns of the track."""

    shown: list[_Shown] = field(default_factory=list)
    left_out: list[Plain] = field(default_factory=list)
    names: tuple[str, ...] = ()
    drawn: bool = False

    def leave_out(self, path: Path, why: str) -> None:
        self.left_out.append({"file": path.name, "reason": why})


def score_faces(
    folder: Path,
    *,
    settings: Settings | None = None,
    store: Store | None = None,
    progress: _Told | None = None,
) -> Plain:
    """Which share of people raises each action unit in each expression, and how well the unit tells
    that expression from all others.

    The value of a file is the median over its measured rows, less that of the person's neutral
    file. ``rises`` is the share of people in whom that difference is above zero. ``auc`` compares
    the differences of one expression with those of all other expressions (neutral ones are the
    reference, and are not among them); ``auc_raw`` compares the values without the neutral taken
    off. Each action unit is read by the measure that is taken for it; ``columns`` has the same for
    every column of action units.

    Args:
        folder: with the files, also below it.
        settings: how to describe; the back end is among them.
        store: of measured features.
        progress: is told how far it has come.

    Returns:
        Plain values.

    Raises:
        BadInput: no file is called so, or nobody has both a neutral and another expression.
    """
    settings = settings or Settings()
    files = _files(folder)
    read = _Read()
    for done, path in enumerate(files):
        if progress is not None:
            progress(path.name, done, len(files))
        _read_one(read, path, settings, store)
    neutral = _neutrals(read)
    others = _beside_neutral(read, neutral)
    if not others:
        raise BadInput(
            f"{folder}: nobody has a measurable neutral file ({' or '.join(NEUTRAL)}) and another "
            "expression; " + _why_left_out(read)
        )
    taken = taken_columns(read.names)
    columns = [name for name in read.names if name.startswith("AU")]
    table = _tables(others, neutral, columns)
    by_unit = {}
    for what, figures in table.items():
        by_unit[what] = _of_units(figures, taken)
    people = sorted({shown.person for shown in others})
    return {
        "backend": settings.face.backend,
        "n_people": len(people),
        "n_files": len(others),
        "n": _people_of(others),
        "neutral": list(NEUTRAL),
        "measure": taken,
        **by_unit,
        "columns": table,
        "left_out": read.left_out,
        "drawn": read.drawn,
        "what_auc_means": "one expression against all others, values less the own neutral",
    }


def _files(folder: Path) -> list[Path]:
    """Pictures and films below a folder that are called as they must be."""
    if not folder.is_dir():
        raise BadInput(f"{folder}: expected a folder of pictures or clips")
    endings = (*PICTURE_SUFFIXES, *MEDIA_SUFFIXES)
    found = []
    for path in sorted(folder.rglob("*")):
        is_one = path.is_file() and path.suffix.lower() in endings
        if is_one and _name_of(path) is not None:
            found.append(path)
    if not found:
        raise BadInput(
            f"{folder}: expected pictures or clips called PERSON_EXPRESSION with an ending such as "
            f".png, .jpg or .mp4 (01_{NEUTRAL[0]}.png, 01_happy.png), found none"
        )
    return found


def _name_of(path: Path) -> tuple[str, str] | None:
    """Person and expression; None where a file is not called so."""
    person, _, expression = path.stem.rpartition("_")
    if not person or not expression:
        return None
    return person, expression.lower()


def _read_one(read: _Read, path: Path, settings: Settings, store: Store | None) -> None:
    named = _name_of(path)
    assert named is not None
    person, expression = named
    try:
        made = describe(open_recording(path), ("face",), settings=settings, store=store)
    except TwomindError as error:
        read.leave_out(path, str(error))
        return
    track = made.features.tracks.get("face")
    if track is None or not track.valid.any():
        why = made.features.notes.get("face") or made.face.get("reason") or "no measurable face"
        read.leave_out(path, str(why))
        return
    read.drawn = read.drawn or made.features.drawn
    read.names = track.names
    read.shown.append(_Shown(path, person, expression, _medians(track), made.content))


def _medians(track: Track) -> dict[str, float]:
    found = {}
    for name in track.names:
        if name in ABSOLUTE:
            continue
        values = track.column(name)[track.valid]
        known = values[np.isfinite(values)]
        if len(known):
            found[name] = float(np.median(known))
    return found


def _neutrals(read: _Read) -> dict[str, _Shown]:
    """The neutral file of each person; a second one is left out, and said so."""
    found: dict[str, _Shown] = {}
    for shown in read.shown:
        if shown.expression not in NEUTRAL:
            continue
        if shown.person in found:
            first = found[shown.person].path.name
            read.leave_out(shown.path, f"{first} is the person's neutral file already")
            continue
        found[shown.person] = shown
    return found


def _beside_neutral(read: _Read, neutral: dict[str, _Shown]) -> list[_Shown]:
    """Files of other expressions of people with a neutral one. A copy of the neutral file shows no
    expression.
    """
    found = []
    for shown in read.shown:
        if shown.expression in NEUTRAL:
            continue
        own = neutral.get(shown.person)
        if own is None:
            read.leave_out(shown.path, "the person has no measurable neutral file")
        elif own.content == shown.content:
            read.leave_out(shown.path, f"a copy of {own.path.name}")
        else:
            found.append(shown)
    return found


def _why_left_out(read: _Read) -> str:
    if not read.left_out:
        return "every person needs both"
    first = read.left_out[0]
    return f"left out {len(read.left_out)}, the first is {first['file']}: {first['reason']}"


def _people_of(others: list[_Shown]) -> dict[str, int]:
    """How many people show each expression."""
    found: dict[str, set[str]] = {}
    for shown in others:
        found.setdefault(shown.expression, set()).add(shown.person)
    return {expression: len(people) for expression, people in sorted(found.items())}


def _tables(
    others: list[_Shown], neutral: dict[str, _Shown], columns: list[str]
) -> dict[str, dict[str, Plain]]:
    """``rises``, their intervals, ``auc`` and ``auc_raw``: expression → column → figure."""
    expressions = sorted({shown.expression for shown in others})
    of_file = np.array([shown.expression for shown in others])
    of_person = np.array([shown.person for shown in others])
    tables: dict[str, dict[str, Plain]] = {}
    for name in ("rises", "rises_interval", "auc", "auc_raw"):
        tables[name] = {expression: {} for expression in expressions}
    for column in columns:
        raw = np.array([shown.values.get(column, np.nan) for shown in others])
        rest = np.array([neutral[p].values.get(column, np.nan) for p in of_person])
        change = raw - rest
        for expression in expressions:
            is_shown = of_file == expression
            rises = _rises(change[is_shown], of_person[is_shown])
            share, bounds = _share(rises)
            tables["rises"][expression][column] = share
            tables["rises_interval"][expression][column] = bounds
            tables["auc"][expression][column] = _auc(is_shown, change)
            tables["auc_raw"][expression][column] = _auc(is_shown, raw)
    return tables


def _rises(change: Array, person: Array) -> Array:
    """Whether the median change of each person is above zero ``(people,)``; people without a known
    one are not among them.
    """
    found = []
    for one in np.unique(person):
        own = change[person == one]
        known = own[np.isfinite(own)]
        if len(known):
            found.append(float(np.median(known)) > 0)
    return np.array(found, bool)


def _share(rises: Array) -> tuple[float | None, list[float] | None]:
    """The share, and its interval (Wilson, 95 %)."""
    n = len(rises)
    if not n:
        return None, None
    k = int(rises.sum())
    low, high = wilson(k, n)
    return k / n, [low, high]


def _auc(is_shown: Array, values: Array) -> float | None:
    known = np.isfinite(values)
    y = is_shown[known]
    if y.all() or not y.any():
        return None
    return float(np.asarray(metrics.auc(y.astype(int), values[known])))


def _of_units(figures: dict[str, Plain], taken: dict[str, str]) -> dict[str, Plain]:
    """The same figures by action unit, each from the column that is taken for it."""
    found: dict[str, Plain] = {}
    for expression, by_column in figures.items():
        found[expression] = {unit: by_column[column] for unit, column in taken.items()}
    return found


__all__ = ["NEUTRAL", "score_faces"]
