"""The lists of a release: splits, labels of frames, annotations, people, one table of all answers."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from twomind.core import csv_text
from twomind.core.files import content_hash, write_text
from twomind.server.release.answers import Written
from twomind.server.release.ledger import SPLITS, Member
from twomind.server.release.who import Participant

TABLE = "bah-video.csv"
#: Columns of the table, and what each holds.
COLUMNS: Mapping[str, str] = {
    "video": "path of the film, in the folder data",
    "label": "1: ambivalence or hesitancy is present, 0: it is not",
    "split": "train, val or test; nobody is in two",
    "participant": "whose answer it is",
    "question": "1 to 7: neutral, positive, negative, ambivalent, willing, resistant, hesitant; from 8 on: others",
    "prompt": "id of the prompt, see README.md",
    "language": "of the participant's page",
    "duration_s": "length in seconds",
    "frames": "pictures in the film",
    "crops": "pictures with an aligned face",
    "coded": "how the label was settled: one coder, coders agree, or adjudicated",
    "sha256": "of the film",
}


@dataclass(frozen=True)
class Out:
    """Somebody with everything of theirs that lies in the release."""

    participant: Participant
    answers: tuple[Written, ...]
    split: str
    neutral: str


@dataclass(frozen=True)
class Lists:
    """Writes the lists into the folder ``data``.

    Args:
        data: Where films and crops lie already.
        people: Everybody in the release.
        leave_out: Questions of the form that do not go out.
    """

    data: Path
    people: Sequence[Out]
    leave_out: frozenset[str] = frozenset()

    def write(self) -> dict[str, Member]:
        """Write all lists.

        Returns:
            Everybody, as the list of releases keeps them.
        """
        answers = [(one, out) for out in self.people for one in out.answers]
        for split in SPLITS:
            of_it = [one for one, out in answers if out.split == split]
            if of_it:
                self._split(split, of_it)
        self._annotations(one for one, _out in answers)
        self._table([self._row(one, out) for one, out in answers])
        self._metadata()
        return {out.participant.pid: self._member(out) for out in self.people}

    def _split(self, split: str, answers: Sequence[Written]) -> None:
        lines = [f"{one.path},{int(one.entry.present)},{one.said}\n" for one in answers]
        write_text(self.data / "split" / f"{split}.txt", "".join(lines))
        frames = []
        for one in answers:
            labels = one.labels
            if labels:
                frames += [f"{one.path}/frame-{n}.jpg,{labels[n]}\n" for n in one.numbers]
        if frames:
            write_text(self.data / "split-frames" / f"{split}.txt", "".join(frames))

    def _annotations(self, answers: Iterable[Written]) -> None:
        text = "".join(map(annotation_of, answers))
        write_text(self.data / "video_annotation_transcript.yaml", text)

    def _row(self, one: Written, out: Out) -> dict[str, Any]:
        return {
            "video": one.path,
            "label": int(one.entry.present),
            "split": out.split,
            "participant": out.participant.pid,
            "question": one.answer.question,
            "prompt": one.answer.recording.item,
            "language": out.participant.person.language,
            "duration_s": f"{one.duration_s:.3f}",
            "frames": len(one.times_s),
            "crops": len(one.numbers),
            "coded": one.answer.how,
            "sha256": content_hash(self.data / one.path),
        }

    def _table(self, rows: Iterable[Mapping[str, Any]]) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(COLUMNS), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: csv_text.cell(value) for name, value in row.items()})
        write_text(self.data / TABLE, text.getvalue())

    def _metadata(self) -> None:
        known = {out.participant.pid: self._known(out.participant) for out in self.people}
        text = yaml.safe_dump(known, allow_unicode=True, sort_keys=True)
        write_text(self.data / "meta_data.yml", text)

    def _known(self, participant: Participant) -> dict[str, Any]:
        """What somebody told of themselves, and whether they may be shown."""
        told = participant.told.items()
        found: dict[str, Any] = {name: one for name, one in told if name not in self.leave_out}
        answers = participant.given.answers
        found["language"] = participant.person.language
        found["consent version"] = participant.given.version
        found["consent for publication"] = _yes(answers.get("pictures"))
        found["consent for challenges"] = _yes(answers.get("challenges"))
        return found

    def _member(self, out: Out) -> Member:
        """A hash over every file and every line of somebody's."""
        told = hashlib.sha256()
        for folder in folders_of(self.data, out.participant.pid):
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    where = path.relative_to(self.data).as_posix()
                    told.update(f"{where} {content_hash(path)}\n".encode())
        told.update(json.dumps(self._known(out.participant), sort_keys=True).encode())
        for one in out.answers:
            told.update(annotation_of(one).encode())
        return Member(out.split, len(out.answers), told.hexdigest())


def folders_of(data: Path, pid: str) -> list[Path]:
    """Where something of somebody's may lie, below ``data``."""
    parts = ("Videos", "cropped-aligned-faces/Videos", "transcription/Videos", "elan", "neutral")
    return [data / part / pid for part in parts]


def _yes(said: object) -> str:
    return "Yes" if said is True else "No"


def annotation_of(one: Written) -> str:
    """The entry of an answer in the annotation file, with the label of every frame."""
    values = one.entry.plain()
    values["transcript"] = one.said
    plain = yaml.safe_dump({one.path: values}, allow_unicode=True, sort_keys=False, width=100_000)
    labels = one.labels
    if not labels:
        return plain
    frames = ["  frame_annotation:\n"]
    for number, label in enumerate(labels):
        frames.append(f"  - !!python/tuple\n    - {one.path}/frame-{number}.jpg\n    - {label}\n")
    return plain + "".join(frames)
