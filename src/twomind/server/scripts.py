"""Transcripts: every version is kept, sealed, with who made it and when; the last one counts.

A correction is a text. Words that stay keep their times; new ones share the time that is free between
them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session as Transaction

from twomind.reporting import tables
from twomind.server.place import Place, stamp
from twomind.server.refused import Refused
from twomind.server.tables import Recording, Transcript
from twomind.types import Timing, Word

#: Who made a version that nobody made.
MACHINE = "speech recognition"
MOST_TEXT = 200_000


@dataclass(frozen=True)
class Script:
    """What was said, as one version has it. Times in seconds."""

    words: tuple[Word, ...]
    language: str | None = None
    source: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The words of the transcript, as one text."""
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True)
class Version:
    """One version and where it comes from."""

    revision: int
    by: str
    at: str
    script: Script

    @property
    def is_corrected(self) -> bool:
        """Whether a person made it."""
        return self.by != MACHINE

    def told(self) -> dict[str, Any]:
        """The version of the transcript as the protocol writes it."""
        whole = {"revision": self.revision, "by": self.by, "at": self.at, "text": self.script.text}
        told: dict[str, Any] = tables.plain({**whole, **asdict(self.script)})
        return told


def _label(recording: str, revision: int) -> str:
    return f"transcript {recording} {revision}"


def versions(place: Place, reading: Transaction, recording: Recording) -> list[Version]:
    """All versions, the oldest first."""
    of_it = select(Transcript).where(Transcript.recording == recording.id)
    rows = reading.scalars(of_it.order_by(Transcript.revision))
    return [_version(place, recording, row) for row in rows]


def _version(place: Place, recording: Recording, row: Transcript) -> Version:
    plain = place.opened(recording.person, row.words, _label(recording.id, row.revision))
    words = tuple(_word(one) for one in plain["words"])
    script = Script(words, plain["language"], plain["source"], tuple(plain["remarks"]))
    return Version(row.revision, row.by, stamp(row.at), script)


def _word(plain: dict[str, Any]) -> Word:
    confidence = plain["confidence"]
    known = math.nan if confidence is None else confidence
    timing = Timing(plain["timing"])
    return Word(plain["text"], plain["start_s"], plain["end_s"], known, timing)


def add(
    place: Place, writing: Transaction, recording: Recording, by: str, script: Script
) -> Version:
    """Keep a new version.

    Args:
        place: The study.
        writing: The transaction.
        recording: Of which recording.
        by: Who made it.
        script: What it says.
    """
    known = versions(place, writing, recording)
    revision = known[-1].revision + 1 if known else 1
    plain = tables.plain(asdict(script))
    row = Transcript(recording=recording.id, revision=revision, at=place.now(), by=by)
    row.words = place.sealed(recording.person, plain, _label(recording.id, revision))
    writing.add(row)
    writing.flush()
    return Version(revision, by, stamp(row.at), script)


def corrected(before: Script | None, text: str, length_s: float) -> Script:
    """A version with another text.

    Args:
        before: The version that was corrected; None where there is none.
        text: All that was said.
        length_s: Length of the recording, in seconds.
    """
    old = [] if before is None else list(before.words)
    new = text.split()
    texts = [word.text for word in old]
    words: list[Word] = []
    matcher = SequenceMatcher(None, texts, new, autojunk=False)
    for tag, a0, a1, b0, b1 in matcher.get_opcodes():
        if tag == "equal":
            words += old[a0:a1]
        else:
            words += _between(old, (a0, a1), new[b0:b1], length_s)
    if before is None:
        return Script(tuple(words), source="written by hand")
    return replace(before, words=tuple(words))


def _between(
    old: Sequence[Word], place: tuple[int, int], new: Sequence[str], length_s: float
) -> list[Word]:
    """New words in the time of those that they replace, or in what is free between their neighbours."""
    if not new:
        return []
    a0, a1 = place
    start_s = old[a0 - 1].end_s if a0 else 0.0
    end_s = old[a1].start_s if a1 < len(old) else length_s
    if a1 > a0:
        start_s = old[a0].start_s
        end_s = old[a1 - 1].end_s
    end_s = max(start_s, end_s)
    step_s = (end_s - start_s) / len(new)
    edges = [start_s + k * step_s for k in range(len(new) + 1)]
    timing = Timing.SPREAD_CUE if old else Timing.SPREAD_ALL
    spans = zip(new, pairwise(edges), strict=True)
    return [Word(text, begin_s, stop_s, math.nan, timing) for text, (begin_s, stop_s) in spans]


def refuse_older(known: Sequence[Version], after: int) -> None:
    """Let nobody overwrite a version that they have not seen.

    Raises:
        Refused: There is a newer one.
    """
    last = known[-1].revision if known else 0
    if last != after:
        raise Refused(
            409,
            "differs",
            "Somebody else has corrected it meanwhile; look at their version first.",
            revision=last,
        )
