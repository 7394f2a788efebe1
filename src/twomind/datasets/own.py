"""Your own study: a folder of recordings and ``recordings.csv``.

Columns ``path,subject`` and any of
``id,question,label,transcript,speaker,segments,neutral,order,split,environment``; further ones are
kept in ``annotation_entry``. ``segments`` are seconds (``1.25-3.5;7-8``); ``transcript`` is a file or
the text itself; ``speaker`` is what the person is called in a transcript of several people
(``longest``: whoever says most words). Coders' marks may lie in ``annotations.csv`` (the tidy table
that ELAN files are turned into), or in an ELAN file beside a film and of its name; people in
``people.csv``. Another question than ambivalence is named in ``task.json``:
``{"name": "pain", "classes": ["neutral", "pain"]}``. Where several coders looked at one recording,
``"coders"`` there says whose marks count: ``any`` (the default), ``majority``, ``all``, or the name
of one.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from twomind.core.errors import BadInput
from twomind.core.files import read_json
from twomind.core.store import write_text
from twomind.datasets import fakes
from twomind.datasets.checking import Finding
from twomind.datasets.coders import ANNOTATIONS
from twomind.datasets.surroundings import TABLE
from twomind.datasets.tabled import Row, Tabled, read_rows
from twomind.types import Task


class Own(Tabled):
    """A folder with ``recordings.csv``."""

    name: ClassVar[str] = "own"
    licence: ClassVar[str] = "yours: what the people in it consented to"
    access: ClassVar[str] = "your own recordings; write recordings.csv beside them"
    looks_for: ClassVar[str] = "recordings.csv with the columns path and subject"

    def __init__(self, root: Path | str, coders: str | None = None) -> None:
        """``coders`` goes before what ``task.json`` says of them."""
        super().__init__(root)
        tasks, stated = _stated(self.root / "task.json")
        self.tasks = tasks or self.tasks
        self.coders = coders or stated or self.coders

    @classmethod
    def fits(cls, root: Path) -> bool:
        return (Path(root) / TABLE).is_file()

    @staticmethod
    def fake(root: Path, seed: int = 0) -> Path:
        return fake(root, seed)

    def read(self) -> list[Row]:
        rows, problems = read_rows(self.root / TABLE, ("path", "subject"), self.tasks[0].classes)
        self.problems += [Finding(TABLE, p) for p in problems]
        return rows


def _stated(path: Path) -> tuple[tuple[Task, ...], str]:
    """The task of ``task.json`` by answer and by frame, and the coders who count; empty where it
    does not say.
    """
    if not path.is_file():
        return (), ""
    try:
        stated = read_json(path)
        coders = stated.get("coders", "")
        if not isinstance(coders, str):
            raise TypeError(f"coders: expected a text, got {coders!r}")
        if coders and not {"name", "classes"} & set(stated):
            return (), coders
        name, classes = str(stated["name"]), tuple(map(str, stated["classes"]))
        return (Task(name, classes, "clip"), Task(f"{name}_frames", classes, "frame")), coders
    except (AttributeError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f'{path}: expected {{"name": ..., "classes": [...]}}, {{"coders": ...}} or all three '
            f"({error})"
        ) from error


def fake(root: Path, seed: int = 0) -> Path:
    """Write a tiny study: four people, three answers in two rooms, transcripts as file and text, a
    coder's marks.
    """
    root = Path(root)
    table = ["path,subject,question,label,transcript,neutral,order,environment"]
    marks = ["recording,subject,tier,modality,label,start_s,end_s,certainty,coder"]
    for p, person in enumerate(("ada", "bo", "cy", "di")):
        for q in range(4):
            recording = f"{person} answer {q}"
            path = f"{person}/{recording}.mp4"
            fakes.tiny_film(root / path, 12, 24, seed + 10 * p + q)
            if q == 0:
                spoken = f"{person}/{recording}.txt"
                write_text(root / spoken, f"hello from {person}\n")
            else:
                spoken = f"this is made up by {person}"
            neutral = "yes" if q == 0 else ""
            label = int(q >= 2)
            room = "room a" if q < 2 else "room b"
            table.append(f"{path},{person},{q},{label},{spoken},{neutral},{q},{room}")
            marked = "A/H,0.100,0.300" if label else ",,"
            marks.append(f"{recording},{person},ah,,{marked},,coder")
    people = "subject,sex,age,consent_publication\nada,female,30,yes\nbo,male,40,no\n"
    write_text(root / TABLE, "\n".join(table) + "\n")
    write_text(root / ANNOTATIONS, "\n".join(marks) + "\n")
    write_text(root / "people.csv", people)
    fakes.mark_drawn(root, "own", seed)
    return root


PLUGIN = Own
