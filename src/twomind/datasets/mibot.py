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
from twomind.datasets.talk import CLASSES, Talk, Turn, class_of, places

LOOKS_FOR = "data.csv beside transcripts/*.json or conversations.csv"
OUTCOME = "WeekLaterRulerReadiness"
_PERSON = "ParticipantID"
_CODER = "AutoMISC (a language model)"

#: Speaker, text, code of one utterance.
_Said = tuple[str, str, str]


def fits(path: Path) -> bool:
    """Whether a folder has the layout of MIBOT."""
    has_talk = (path / "transcripts").is_dir() or (path / "conversations.csv").is_file()
    return has_talk and (path / "data.csv").is_file()


def read(path: Path) -> Talk:
    """The smokers' utterances.

    Raises:
        BadInput: a file cannot be read.
    """
    problems: list[str] = []
    turns: list[Turn] = []
    for person, said in _conversations(path, problems):
        turns += _turns(person, said)
    return Talk(
        name="MIBOT",
        turns=tuple(turns),
        labelled_by="a language model (AutoMISC)",
        licence="CC BY-SA 4.0",
        population="smokers in a typed chat with a counselling bot, in English",
        unit="an utterance",
        outcome=_outcome(path / "data.csv"),
        outcome_name="readiness to stop smoking a week later (0 to 10)",
        problems=tuple(problems),
    )


def _turns(person: str, said: Sequence[_Said]) -> Iterator[Turn]:
    at = places(range(len(said)))
    for i, (speaker, text, code) in enumerate(said):
        label = class_of(code)
        if speaker == "client" and label in CLASSES and text.strip():
            yield Turn(person, person, at[i], text, {_CODER: label})


def _conversations(path: Path, problems: list[str]) -> Iterator[tuple[str, Sequence[_Said]]]:
    if not (path / "transcripts").is_dir():
        yield from _of_table(path / "conversations.csv").items()
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
        for cells in csv.DictReader(file):
            row = csv_text.row_of(cells)
            said = row["Speaker"], row["Utterance"], row["AutoMISCLabel"]
            found[row[_PERSON]].append(said)
    return found


def _outcome(path: Path) -> dict[str, float]:
    """Person → readiness a week later."""
    found = {}
    with csv_text.table(path) as file:
        reader = csv.DictReader(file)
        if _PERSON not in (reader.fieldnames or ()):
            raise BadInput(f"{path}: expected the column {_PERSON}")
        for cells in reader:
            row = csv_text.row_of(cells)
            try:
                found[row[_PERSON]] = float(row.get(OUTCOME, ""))
            except ValueError:
                continue  # who did not answer has no rating
    return found
