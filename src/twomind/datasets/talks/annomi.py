"""AnnoMI: motivational interviews from the web, turns coded by experts (Wu et al. 2022, 2023).

For research; it comes without a licence file, so no model made from it may be passed on before its
authors were asked. Videos of one address are one group: some hold several conversations.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

from twomind.core import csv_text
from twomind.core.errors import BadInput
from twomind.datasets.talk import CLASSES, Talk, Turn, made_up, places, said_before

FILES = ("annomi_full.csv", "AnnoMI-full.csv", "AnnoMI-simple.csv", "annomi_simple.csv")
LOOKS_FOR = "AnnoMI-full.csv or AnnoMI-simple.csv"
_NEEDED = ("transcript_id", "video_url", "utterance_id", "interlocutor", "utterance_text")
_LABEL = "client_talk_type"


_HEADER = (*_NEEDED, "annotator_id", _LABEL)


def _file(path: Path) -> Path | None:
    if path.is_file():
        return path
    return next((path / name for name in FILES if (path / name).is_file()), None)


class AnnoMI:
    """The clients' turns of AnnoMI."""

    name = "annomi"
    licence = "none stated; offered to the research community"
    looks_for = LOOKS_FOR

    @staticmethod
    def fits(path: Path) -> bool:
        """Whether a folder, or a CSV, has the layout of AnnoMI."""
        found = _file(path)
        if found is None:
            return False
        try:
            with csv_text.table(found) as file:
                columns = next(csv.reader(file), [])
        except (BadInput, OSError):
            return False
        return {*_NEEDED, _LABEL} <= set(columns)

    @staticmethod
    def read(path: Path) -> Talk:
        """The clients' turns.

        Raises:
            BadInput: the file cannot be read.
        """
        return _read(path)

    @staticmethod
    def fake(root: Path, seed: int = 0) -> Path:
        """A tiny folder in this layout; nothing in it was said by anybody."""
        root.mkdir(parents=True, exist_ok=True)
        with (root / FILES[0]).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(_HEADER)
            for turn in made_up(seed):
                speaker = turn.speaker if turn.speaker == "client" else "therapist"
                label = turn.label if turn.speaker == "client" else "n/a"
                video = f"https://example.org/{turn.conversation}"
                told = (turn.conversation, video, turn.order, speaker, turn.text, "1", label)
                writer.writerow([csv_text.cell(value) for value in told])
        return root


PLUGIN = AnnoMI


def _read(path: Path) -> Talk:
    found = _file(path)
    assert found is not None
    problems: list[str] = []
    orders: dict[str, set[float]] = defaultdict(set)
    said: dict[str, list[tuple[float, str, str]]] = defaultdict(list)
    texts: dict[tuple[str, float], tuple[str, str]] = {}
    labels: dict[tuple[str, float], dict[str, str]] = defaultdict(dict)
    with csv_text.table(found) as file:
        for number, row in enumerate(csv_text.Reader(file, found), 2):
            try:
                order = float(row["utterance_id"])
            except ValueError:
                problems.append(f"row {number}: the utterance_id is not a number")
                continue
            conversation = row["transcript_id"]
            orders[conversation].add(order)
            said[conversation].append((order, row["interlocutor"], row["utterance_text"]))
            if row["interlocutor"] != "client":
                continue
            if row[_LABEL] not in CLASSES:
                problems.append(f"row {number}: no talk type")
                continue
            key = conversation, order
            texts.setdefault(key, (row["video_url"], row["utterance_text"]))
            coder = row.get("annotator_id") or str(len(labels[key]) + 1)
            labels[key][coder] = row[_LABEL]
    at = {name: places(known) for name, known in orders.items()}
    before = {name: said_before(every) for name, every in said.items()}
    turns = []
    for (conversation, order), (video, text) in texts.items():
        place = at[conversation][order]
        coded = labels[conversation, order]
        heard = before[conversation][order, "client"]
        turns.append(Turn(conversation, video, place, text, coded, heard))
    return Talk(
        name="AnnoMI",
        turns=tuple(turns),
        labelled_by="experts in motivational interviewing",
        licence=AnnoMI.licence,
        population="counselling demonstrations from the web, in English",
        problems=tuple(problems),
    )
