"""The spoken texts of three public data sets, line by line, for judging word cues.

Each line is what one person says at one go: an answer of BAH v1, a client turn of AnnoMI, a client
message of MIBOT. ``half`` parts people, not lines: rules are written on ``develop`` alone, and
judged on ``judge``.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Line:
    """One line: file below ``shared/data``, row in it (from 1; a CSV's header is not counted)."""

    source: str
    row: int
    person: str
    text: str

    @property
    def half(self) -> str:
        name = f"cues:{self.source.split('/')[0]}:{self.person}"
        first = hashlib.sha256(name.encode()).digest()[0]
        return "develop" if first % 2 else "judge"

    @property
    def words(self) -> list[str]:
        return self.text.split()


def lines(data: Path) -> list[Line]:
    """All lines, in the order of the files."""
    found = [*_bah(data), *_annomi(data), *_mibot(data)]
    return [line for line in found if line.words]


def _bah(data: Path) -> Iterator[Line]:
    for name in ("train", "val"):
        source = f"bah_v1/{name}.txt"
        rows = (data / source).read_text(encoding="utf-8").splitlines()
        for i, row in enumerate(rows, 1):
            path, _, rest = row.partition(",")
            _, _, text = rest.partition(",")
            yield Line(source, i, path.split("/")[1], text)


def _annomi(data: Path) -> Iterator[Line]:
    """The client's turns, each once: a turn has a row for each of its annotators."""
    source = "annomi/annomi_full.csv"
    seen = set()
    with (data / source).open(encoding="utf-8", newline="") as stream:
        for i, row in enumerate(csv.DictReader(stream), 1):
            turn = row["transcript_id"], row["utterance_id"]
            if row["interlocutor"] != "client" or turn in seen:
                continue
            seen.add(turn)
            yield Line(source, i, row["transcript_id"], row["utterance_text"])


def _mibot(data: Path) -> Iterator[Line]:
    for path in sorted((data / "mibot" / "transcripts").glob("*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        source = f"mibot/transcripts/{path.name}"
        for i, said in enumerate(told["utterances"], 1):
            if said["speaker"] == "client":
                yield Line(source, i, path.stem, said["text"])
