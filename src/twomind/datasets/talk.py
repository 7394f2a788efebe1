"""Conversations whose turns were coded as change, sustain or neutral talk.

A folder of AnnoMI or MIBOT, or a CSV with the columns ``conversation,speaker,order,text,label``:
one row per turn, and one more for each further coder of the same turn. Rows without a label (the
counsellor's) only say where in the conversation a turn stands.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from twomind.core import csv_text
from twomind.core.errors import BadInput, quoted

CHANGE, SUSTAIN, NEUTRAL = "change", "sustain", "neutral"
#: The order is a contract.
CLASSES = (CHANGE, SUSTAIN, NEUTRAL)
#: What code books call the classes, in lower case.
_CALLED = {
    **dict.fromkeys(("change", "c", "ct", "change talk", "+"), CHANGE),
    **dict.fromkeys(("sustain", "s", "st", "sustain talk", "counter", "-"), SUSTAIN),
    **dict.fromkeys(("neutral", "n", "fn", "follow/neutral", "0"), NEUTRAL),
}
COLUMNS = ("conversation", "speaker", "order", "text", "label")


@dataclass(frozen=True)
class Turn:
    """What a person said in one turn. ``group``: whom or what a fold keeps together (a person, a
    video); ``place``: where in the conversation it stands, 0 at its beginning and 1 at its end;
    ``labels``: coder → class.
    """

    conversation: str
    group: str
    place: float
    text: str
    labels: Mapping[str, str]

    @property
    def label(self) -> str:
        """What most coders said; of equally many, the first of :data:`CLASSES`."""
        votes = Counter(self.labels.values())
        return max(CLASSES, key=lambda name: votes[name])


@dataclass(frozen=True)
class Talk:
    """Coded turns in order. ``outcome``: group → a rating of the person some time after, where the
    data set has one; ``outcome_name`` says what it is. ``labelled_by``: who gave the labels.
    """

    name: str
    turns: tuple[Turn, ...]
    labelled_by: str
    licence: str = "not stated"
    population: str = "not stated"
    unit: str = "a turn"
    outcome: Mapping[str, float] = field(default_factory=dict)
    outcome_name: str = ""
    problems: tuple[str, ...] = ()


def class_of(label: str, own: Mapping[str, str] | None = None) -> str | None:
    """The class that a code stands for; None where it stands for none.

    Args:
        label: as the coder wrote it.
        own: codes of another code book → class; they go before the known ones.
    """
    plain = " ".join(label.strip().lower().split())
    for called in (own or {}, _CALLED):
        if plain in called:
            return called[plain]
    return None


def codebook(pairs: Sequence[str]) -> dict[str, str]:
    """Codes → classes from texts like ``CT=change``.

    Raises:
        BadInput: a text is none.
    """
    found = {}
    for pair in pairs:
        code, sign, name = pair.partition("=")
        if not sign or name.strip().lower() not in CLASSES:
            raise BadInput(
                f"label {quoted(pair)}: expected CODE=CLASS with a class of {', '.join(CLASSES)}"
            )
        found[" ".join(code.lower().split())] = name.strip().lower()
    return found


def places(orders: Iterable[float]) -> dict[float, float]:
    """Order of a turn → its place in the conversation, from 0 to 1."""
    known = sorted(set(orders))
    last = max(len(known) - 1, 1)
    return {order: i / last for i, order in enumerate(known)}


def read_talk(path: Path, own_codes: Mapping[str, str] | None = None) -> Talk:
    """Read coded conversations.

    Args:
        path: a folder of AnnoMI or MIBOT, or a CSV.
        own_codes: codes of another code book → class, for a CSV.

    Raises:
        BadInput: it is none of these, or has no coded turn.
    """
    from twomind.datasets import annomi, mibot

    path = Path(path)
    if not path.exists():
        raise BadInput(f"{path}: no such file or folder. Check the path.")
    if annomi.fits(path):
        found = annomi.read(path)
    elif mibot.fits(path):
        found = mibot.read(path)
    elif path.is_file():
        found = read_csv(path, own_codes)
    else:
        raise BadInput(
            f"{path}: expected a folder of AnnoMI ({annomi.LOOKS_FOR}) or of MIBOT "
            f"({mibot.LOOKS_FOR}), or a CSV with the columns {', '.join(COLUMNS)}"
        )
    if not found.turns:
        raise BadInput(f"{path}: no turn has a label of {', '.join(CLASSES)}")
    return replace(found, turns=tuple(sorted(found.turns, key=_in_order)))


def _in_order(turn: Turn) -> tuple[str, float]:
    return turn.conversation, turn.place


@dataclass
class _Row:
    """A turn while its rows are read."""

    text: str
    labels: dict[str, str]


def read_csv(path: Path, own_codes: Mapping[str, str] | None = None) -> Talk:
    """A CSV with the columns ``conversation,speaker,order,text,label``.

    Args:
        path: of the file.
        own_codes: codes of another code book → class.

    Raises:
        BadInput: a column is missing.
    """
    problems: list[str] = []
    orders: dict[str, set[float]] = {}
    rows: dict[tuple[str, float, str], _Row] = {}
    with csv_text.table(path) as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise BadInput(
                f"{path}: expected the columns {', '.join(COLUMNS)}; missing: {', '.join(missing)}"
            )
        for number, cells in enumerate(reader, 2):
            row = csv_text.row_of(cells)
            try:
                order = float(row["order"])
            except ValueError:
                problems.append(f"row {number}: the order {quoted(row['order'])} is no number")
                continue
            orders.setdefault(row["conversation"], set()).add(order)
            if not row["label"].strip():
                continue
            label = class_of(row["label"], own_codes)
            if label is None or not row["text"].strip():
                what = "no text" if label else f"the label {quoted(row['label'])} is not known"
                problems.append(f"row {number}: {what}")
                continue
            key = row["conversation"], order, row["speaker"]
            held = rows.setdefault(key, _Row(row["text"], {}))
            held.labels[f"coder {len(held.labels) + 1}"] = label
    turns = []
    at = {name: places(known) for name, known in orders.items()}
    for conversation, order, _ in sorted(rows):
        held = rows[conversation, order, _]
        place = at[conversation][order]
        turns.append(Turn(conversation, conversation, place, held.text, held.labels))
    return Talk(path.stem, tuple(turns), "the coders of the table", problems=tuple(problems))
