"""One answer in the layout of BAH: film, aligned faces, transcript, marks."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from twomind.annotations import write_eaf
from twomind.annotations.bah_write import Entry, to_bah
from twomind.core.errors import BadInput
from twomind.core.files import write_text
from twomind.media.probe import probe
from twomind.pipeline.export_crops import CropSettings
from twomind.server import uploads
from twomind.server.export import ending
from twomind.server.place import Place
from twomind.server.release import films, marks
from twomind.server.release.crops import Crops, crops_of
from twomind.server.release.who import Answer, Participant
from twomind.server.scripts import Script
from twomind.server.tables import Recording
from twomind.types import Timing, Word

VISIT = "Visite_1"
#: Words whose own times nobody knows.
_SPREAD = (Timing.SPREAD_CUE, Timing.SPREAD_ALL)
#: The date in ELAN files: the same whenever they are written.
_DATE = "2000-01-01T00:00:00+00:00"


class NoFace(BadInput):
    """No frame of a film has a face that could be aligned."""


@dataclass(frozen=True)
class Written:
    """An answer as it lies in the release.

    Args:
        path: Of its film, relative to ``data``.
        entry: Its marks.
        numbers: Of the frames of which there is a crop.
        times_s: Of every frame of the film.
        said: What was said, on one line.
        is_drawn: Whether the film shows a synthetic person.
    """

    answer: Answer
    path: str
    entry: Entry
    numbers: tuple[int, ...]
    times_s: tuple[float, ...]
    said: str
    duration_s: float
    is_drawn: bool

    @property
    def labels(self) -> list[int]:
        """Of every frame of the film; empty where they are not known."""
        return self.entry.labels(len(self.times_s)) if self.entry.knows_frames else []


@dataclass(frozen=True)
class Writer:
    """Writes answers into the folder ``data`` of a release.

    Args:
        place: The study.
        data: Gets the parts of BAH's layout.
        crops: What a crop is.
    """

    place: Place
    data: Path
    crops: CropSettings = field(default_factory=CropSettings)

    def answer(self, participant: Participant, answer: Answer) -> Written:
        """Write one answer.

        Raises:
            BadInput: Its film cannot be read, has no face, or its marks contradict each other; then
                nothing of it is left.
        """
        ends = ending(answer.recording.mime)
        path = f"Videos/{participant.pid}/{VISIT}/{answer.name}.{ends}"
        film = self.data / path
        try:
            return self._written(participant, answer, path)
        except BadInput:
            film.unlink(missing_ok=True)
            raise

    def _written(self, participant: Participant, answer: Answer, path: str) -> Written:
        film = self.data / path
        self._film(answer.recording, film)
        found = crops_of(self.place, participant.person.id, film, self.crops)
        if not found.pictures:
            raise NoFace(f"{answer.name}: no face could be aligned in any frame")
        entry = to_bah(answer.marks, found.times_s)
        found.write(self.data / "cropped-aligned-faces" / path)
        self._transcript(participant, answer, path)
        self._elan(participant, answer, path)
        numbers = tuple(sorted(found.pictures))
        said = _one_line(answer.script.text)
        return Written(
            answer=answer,
            path=path,
            entry=entry,
            numbers=numbers,
            times_s=found.times_s,
            said=said,
            duration_s=_duration_s(answer, found),
            is_drawn=probe(film).drawn,
        )

    def neutral(self, participant: Participant) -> str:
        """Write the clip at rest, if there is one; its path relative to ``data``, or nothing."""
        recording = participant.neutral
        if recording is None:
            return ""
        path = f"neutral/{participant.pid}/{participant.pid}_neutral.{ending(recording.mime)}"
        self._film(recording, self.data / path)
        return path

    def _film(self, recording: Recording, path: Path) -> None:
        with self.place.database.reading() as reading:
            film = uploads.film(self.place, reading, recording)
        films.write(film, path)

    def _transcript(self, participant: Participant, answer: Answer, path: str) -> None:
        language = answer.script.language or participant.person.language
        file = self.data / "transcription" / path / f"{answer.name}.yml"
        write_text(file, whisper_yaml(answer.script, language))

    def _elan(self, participant: Participant, answer: Answer, path: str) -> None:
        file = self.data / "elan" / participant.pid / f"{answer.name}.eaf"
        to_film = f"../../{path}"
        named = {"recording": answer.name, "subject": participant.pid, "media": to_film}
        file.parent.mkdir(parents=True, exist_ok=True)
        write_eaf(marks.plain(answer.marks, named), file, date=_DATE)


def _duration_s(answer: Answer, found: Crops) -> float:
    by_manifest = answer.recording.duration_ms
    if by_manifest is not None:
        return by_manifest / 1000
    return found.times_s[-1] if found.times_s else math.nan


def _one_line(text: str) -> str:
    return " ".join(text.split())


def whisper_yaml(script: Script, language: str) -> str:
    """A transcript as BAH has it: the text, and each word with its times in seconds.

    Args:
        script: What was said.
        language: Its code.
    """
    lines = [f"text: {_quoted(_one_line(script.text))}", f"language: {language}"]
    spans = _spans(script.words)
    if not spans:
        return "\n".join([*lines, "chunks: []", ""])
    lines.append("chunks:")
    for text, start_s, end_s in spans:
        lines += [
            f"- language: {language}",
            f"  text: {_quoted(text)}",
            "  timestamp: !!python/tuple",
            f"  - {start_s:.3f}",
            f"  - {end_s:.3f}",
        ]
    return "\n".join([*lines, ""])


def _spans(words: Sequence[Word]) -> list[tuple[str, float, float]]:
    """Text with its times: a word where its own are known, else all those that share theirs; none
    where a time is not known at all.
    """
    if not all(math.isfinite(word.start_s + word.end_s) for word in words):
        return []
    found = []
    for is_spread, group in groupby(words, key=lambda word: word.timing in _SPREAD):
        of_it = list(group)
        runs = [of_it] if is_spread else [[word] for word in of_it]
        for run in runs:
            text = " ".join(word.text for word in run)
            found.append((text, run[0].start_s, run[-1].end_s))
    return found


def _quoted(text: str) -> str:
    whole = text.encode("utf-8", "replace").decode()
    return json.dumps(whole, ensure_ascii=False)
