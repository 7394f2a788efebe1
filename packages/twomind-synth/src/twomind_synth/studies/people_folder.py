"""The folder that ``twomind people`` writes: drawn, synthetic people.

``answers.csv`` lists the answers without labels, and ``labels.csv`` has the labels and segments.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from twomind.core.errors import BadInput
from twomind.core.store import write_text
from twomind.datasets import common, fakes
from twomind.datasets.checking import Finding
from twomind.datasets.tabled import Row, Tabled, read_rows
from twomind.types import AMBIVALENCE, Recording

MANIFEST, LABELS = "answers.csv", "labels.csv"


class People(Tabled):
    """Synthetic people. Numbers about them say that the machinery is consistent, nothing about real
    faces.
    """

    name: ClassVar[str] = "people"
    licence: ClassVar[str] = "drawn by this program; free to use"
    access: ClassVar[str] = "twomind people OUT --people 24"
    protocols: ClassVar[tuple[str, ...]] = common.WITH_QUESTIONS
    looks_for: ClassVar[str] = (
        "answers.csv and labels.csv with a column segments_s, as twomind people writes them"
    )

    @classmethod
    def fits(cls, root: Path) -> bool:
        path = Path(root) / LABELS
        if not (Path(root) / MANIFEST).is_file() or not path.is_file():
            return False
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            return "segments_s" in file.readline()

    @staticmethod
    def fake(root: Path, seed: int = 0) -> Path:
        return fake(root, seed)

    def read(self) -> list[Row]:
        answers, problems = read_rows(
            self.root / MANIFEST, ("path", "subject", "question"), AMBIVALENCE.classes
        )
        labelled, more = read_rows(
            self.root / LABELS, ("path", "label", "segments_s"), AMBIVALENCE.classes
        )
        self.problems += [Finding(MANIFEST, p) for p in problems] + [
            Finding(LABELS, p) for p in more
        ]
        by_id = {row.id: row for row in labelled}
        self.problems += [
            Finding(LABELS, f"no label of {r.path}") for r in answers if r.id not in by_id
        ]
        rows = []
        for row in answers:
            truth = by_id.get(row.id)
            if truth is not None and truth.subject != row.subject:
                raise BadInput(
                    f"{self.root}: {row.path} is of {row.subject} in answers.csv, of "
                    f"{truth.subject} in labels.csv"
                )
            row = replace(
                row,
                id=Path(row.path).stem,
                neutral=row.question == "1",
                order=_number(row.question),
            )
            rows.append(replace(row, label=truth.label, segments=truth.segments) if truth else row)
        return rows

    def may_be_shown(self, subject: str) -> bool:
        return True

    def recordings(self) -> tuple[Recording, ...]:
        """As listed; every film of this folder is of a synthetic person."""
        return tuple(replace(r, drawn=True) for r in super().recordings())


def _number(question: str | None) -> float | None:
    return float(question) if question and question.isdigit() else None


def fake(root: Path, seed: int = 0) -> Path:
    """Write a tiny folder as ``twomind people`` does, with noise for films: four people, three
    answers each.
    """
    root = Path(root)
    answers, labels = (
        ["path,subject,question,transcript"],
        ["path,subject,question,label,segments_s"],
    )
    for p, person in enumerate(("d001", "d002", "d003", "d004")):
        for q in (1, 4, 7):
            path, label = f"{person}/{person}_Question_{q}.mp4", int(q != 1)
            fakes.tiny_film(root / path, 12, 24, seed + 10 * p + q)
            write_text(
                (root / path).with_suffix(".srt"),
                "1\n00:00:00,000 --> 00:00:00,400\nwell, I am drawn\n",
            )
            answers.append(f"{path},{person},{q},{path[:-4]}.srt")
            labels.append(f"{path},{person},{q},{label},{'0.100-0.300' if label else ''}")
    write_text(root / MANIFEST, "\n".join(answers) + "\n")
    write_text(root / LABELS, "\n".join(labels) + "\n")
    fakes.mark_drawn(root, "people", seed)
    return root


PLUGIN = People
