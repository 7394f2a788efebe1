"""MIBOT: smokers in a chat with a counselling bot (Mahmood et al. 2025), CC BY-SA 4.0.

Utterances were coded by a language model (AutoMISC), not by people. The smokers rated how ready
they were to stop before, after and a week later.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from twomind.core import csv_text
from twomind.core.errors import BadInput
from twomind.core.files import read_json
from twomind.datasets.talk import (
    CHANGE,
    CLASSES,
    NEUTRAL,
    SUSTAIN,
    Talk,
    Turn,
    class_of,
    made_up,
    places,
    said_before,
)

LOOKS_FOR = "data.csv beside transcripts/*.json or conversations.csv"
OUTCOME = "WeekLaterRulerReadiness"
_PERSON = "ParticipantID"
_TABLE = "conversations.csv"
_CODE_OF = {CHANGE: "C", SUSTAIN: "S", NEUTRAL: "N"}
_CODER = "AutoMISC (a language model)"

_COLUMNS = (_PERSON, "Speaker", "Utterance", "AutoMISCLabel")

#: Speaker, text, code of one utterance.
_Said = tuple[str, str, str]


class MIBOT:
    """The smokers' utterances of MIBOT."""

    name = "mibot"
    licence = "CC BY-SA 4.0"
    looks_for = LOOKS_FOR

    @staticmethod
    def fits(path: Path) -> bool:
        """Whether a folder has the layout of MIBOT."""
        has_talk = (path / "transcripts").is_dir() or (path / _TABLE).is_file()
        return has_talk and (path / "data.csv").is_file()

    @staticmethod
    def read(path: Path) -> Talk:
        """The smokers' utterances.

        Raises:
            BadInput: a file cannot be read.
        """
        return _read(path)

    @staticmethod
    def fake(root: Path, seed: int = 0) -> Path:
        """A tiny folder in this layout; nothing in it was said by anybody."""
        root.mkdir(parents=True, exist_ok=True)
        people: dict[str, None] = {}
        with (root / _TABLE).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(_COLUMNS)
            for turn in made_up(seed):
                people[turn.conversation] = None
                code = _CODE_OF[turn.label] if turn.speaker == "client" else "O"
                told = (turn.conversation, turn.speaker, turn.text, code)
                writer.writerow([csv_text.cell(value) for value in told])
        with (root / "data.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow((_PERSON, OUTCOME))
            writer.writerows((person, 3 + k) for k, person in enumerate(people))
        return root


PLUGIN = MIBOT


def _read(path: Path) -> Talk:
    problems: list[str] = []
    turns: list[Turn] = []
    for person, said in _conversations(path, problems):
        turns += _turns(person, said)
    return Talk(
        name="MIBOT",
        turns=tuple(turns),
        labelled_by="a language model (AutoMISC)",
        licence=MIBOT.licence,
        population="smokers in a typed chat with a counselling bot, in English",
        unit="an utterance",
        outcome=_outcome(path / "data.csv"),
        outcome_name="readiness to stop smoking a week later (0 to 10)",
        problems=tuple(problems),
    )


def _turns(person: str, said: Sequence[_Said]) -> Iterator[Turn]:
    at = places(range(len(said)))
    before = said_before((i, speaker, text) for i, (speaker, text, _) in enumerate(said))
    for i, (speaker, text, code) in enumerate(said):
        label = class_of(code)
        if speaker == "client" and label in CLASSES and text.strip():
            heard = before[i, speaker]
            yield Turn(person, person, at[i], text, {_CODER: label}, heard)


def _conversations(path: Path, problems: list[str]) -> Iterator[tuple[str, Sequence[_Said]]]:
    if not (path / "transcripts").is_dir():
        yield from _of_table(path / _TABLE).items()
        return
    for file in sorted((path / "transcripts").glob("*.json")):
        try:
            yield _of_file(read_json(file))
        except (OSError, ValueError, KeyError, TypeError) as error:
            problems.append(f"{file.name}: expected a conversation of MIBOT ({error!r})")


def _of_file(entry: Mapping[str, Any]) -> tuple[str, list[_Said]]:
    said = []
    for one in entry["utterances"]:
        said.append((str(one["speaker"]), str(one["text"]), str(one["auto_misc_label"])))
    return str(entry["participant_id"]), said


def _of_table(path: Path) -> Mapping[str, list[_Said]]:
    found: dict[str, list[_Said]] = defaultdict(list)
    with csv_text.table(path) as file:
        reader = csv_text.Reader(file, path)
        absent = [name for name in _COLUMNS if name not in reader.columns]
        if absent:
            raise BadInput(
                f"{path}: expected the columns {', '.join(_COLUMNS)}; missing: {absent[0]}"
            )
        for row in reader:
            said = row["Speaker"], row["Utterance"], row["AutoMISCLabel"]
            found[row[_PERSON]].append(said)
    return found


def _outcome(path: Path) -> dict[str, float]:
    """Person → readiness a week later."""
    found = {}
    with csv_text.table(path) as file:
        reader = csv_text.Reader(file, path)
        if _PERSON not in reader.columns:
            raise BadInput(f"{path}: expected the column {_PERSON}")
        for row in reader:
            try:
                found[row[_PERSON]] = float(row.get(OUTCOME, ""))
            except ValueError:
                continue  # who did not answer has no rating
    return found
