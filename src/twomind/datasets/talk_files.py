"""Read coded conversations: a data set of the plug-in group ``talk`` (AnnoMI, MIBOT, those of other
packages), or a table of your own.

The table is a CSV with the columns ``conversation,speaker,order,text,label``: one row per turn, and
one more for each further coder of the same turn. Rows without a label (the counsellor's) only say
where in the conversation a turn stands, and what was said before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from twomind.core import csv_text, registry
from twomind.core.errors import BadInput, quoted
from twomind.datasets.talk import CLASSES, Talk, TalkSet, Turn, class_of, places, said_before

COLUMNS = ("conversation", "speaker", "order", "text", "label")
#: Conversation, order and speaker: what a turn is known by.
_Key = tuple[str, float, str]


def talk_sets() -> dict[str, type[TalkSet]]:
    """Data sets of coded conversations by name, built-in or installed."""
    return {name: registry.load("talk", name) for name in registry.names("talk")}


def read_talk(path: Path, own_codes: Mapping[str, str] | None = None) -> Talk:
    """Read coded conversations.

    Args:
        path: a folder of a data set of conversations (:func:`talk_sets`), or a CSV.
        own_codes: codes of another code book → class, for a CSV.

    Raises:
        BadInput: it is none of these, or has no coded turn.
    """
    path = Path(path)
    if not path.exists():
        raise BadInput(f"{path}: no such file or folder. Check the path.")
    known = talk_sets()
    fitting = [one for one in known.values() if one.fits(path)]
    if len(fitting) > 1:
        names = ", ".join(one.name for one in fitting)
        raise BadInput(
            f"{path}: fits the layouts of {names}. Give a folder that holds one of them."
        )
    if fitting:
        found = fitting[0].read(path)
    elif path.is_file():
        found = read_csv(path, own_codes)
    else:
        looked = "; ".join(f"{name}: {one.looks_for}" for name, one in known.items())
        raise BadInput(
            f"{path}: no known coded conversations lie here. Looked for {looked}; or give a CSV "
            f"with the columns {', '.join(COLUMNS)}"
        )
    if not found.turns:
        raise BadInput(f"{path}: no turn has a label of {', '.join(CLASSES)}")
    return replace(found, turns=tuple(sorted(found.turns, key=_in_order)))


def _in_order(turn: Turn) -> tuple[str, float]:
    return turn.conversation, turn.place


@dataclass
class _Table:
    """What was read so far: the coders' labels and the text of each turn, and the orders that occur
    in each conversation.
    """

    texts: dict[_Key, str]
    labels: dict[_Key, dict[str, str]]
    orders: dict[str, set[float]]
    said: dict[str, list[tuple[float, str, str]]]
    problems: list[str]

    def add(self, number: int, row: Mapping[str, str], own_codes: Mapping[str, str] | None) -> None:
        """Take one row, or say why not."""
        try:
            order = float(row["order"])
        except ValueError:
            self.problems.append(f"row {number}: the order {quoted(row['order'])} is not a number")
            return
        self.orders.setdefault(row["conversation"], set()).add(order)
        said = self.said.setdefault(row["conversation"], [])
        said.append((order, row["speaker"], row["text"]))
        if not row["label"].strip():
            return
        label = class_of(row["label"], own_codes)
        if label is None:
            self.problems.append(f"row {number}: the label {quoted(row['label'])} is not known")
            return
        if not row["text"].strip():
            self.problems.append(f"row {number}: no text")
            return
        key = row["conversation"], order, row["speaker"]
        self.texts.setdefault(key, row["text"])
        coders = self.labels.setdefault(key, {})
        coders[f"coder {len(coders) + 1}"] = label

    def turns(self) -> tuple[Turn, ...]:
        """The coded turns."""
        at = {name: places(known) for name, known in self.orders.items()}
        before = {name: said_before(every) for name, every in self.said.items()}
        found = []
        for key, labels in self.labels.items():
            conversation, order, speaker = key
            place = at[conversation][order]
            heard = before[conversation][order, speaker]
            text = self.texts[key]
            found.append(Turn(conversation, conversation, place, text, labels, heard))
        return tuple(found)


def read_csv(path: Path, own_codes: Mapping[str, str] | None = None) -> Talk:
    """A CSV with the columns ``conversation,speaker,order,text,label``.

    Args:
        path: of the file.
        own_codes: codes of another code book → class.

    Raises:
        BadInput: a column is missing.
    """
    read = _Table({}, {}, {}, {}, [])
    with csv_text.table(path) as file:
        reader = csv_text.Reader(file, path)
        missing = [name for name in COLUMNS if name not in reader.columns]
        if missing:
            raise BadInput(
                f"{path}: expected the columns {', '.join(COLUMNS)}; missing: {', '.join(missing)}"
            )
        for number, row in enumerate(reader, 2):
            read.add(number, row, own_codes)
    problems = tuple(read.problems)
    return Talk(path.stem, read.turns(), "the coders of the table", problems=problems)
