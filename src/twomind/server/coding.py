"""What coders have marked: pure reading of the tables, as ``annotations`` types.

Each action of a coder is one version of all their marks on a recording (:class:`CodingVersion`); the
table :class:`Coding` says which version counts, and when the coder was done. Times are whole
milliseconds, so a file of ELAN says the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session as Transaction

from twomind.annotations import Annotations, Mark, Tier, merge_tiers
from twomind.server import settled as settled_coding
from twomind.server.codebook import Codebook, CodedTier
from twomind.server.place import Place
from twomind.server.tables import Coder, Coding, CodingVersion, Person, Recording

#: The coder whose coding is what the team agreed on.
TEAM = "team"


@dataclass(frozen=True)
class Made:
    """One mark: the id of its tier in the codebook, whole milliseconds, a label."""

    tier: str
    start_ms: int
    end_ms: int
    label: str = ""
    certainty: str = ""


@dataclass(frozen=True)
class Coded:
    """What one coder marked on one recording.

    ``coder`` is a pseudonym (``coder01`` …), or :data:`TEAM`; ``person`` is the participant's id.
    ``annotations`` has all tiers of the codebook, also empty ones: looked at, and nothing found.
    """

    recording: str
    person: str
    item: str
    coder: str
    done: bool
    annotations: Annotations


@dataclass(frozen=True)
class Settled:
    """What counts as the coding of one recording, and how that was settled.

    ``how`` is ``adjudicated`` (the team agreed on it), ``one coder`` (nobody else coded it),
    ``coders agree`` (several coded it, all with the very same marks), or ``open``: several coded it
    otherwise and the team has not agreed yet; then ``annotations`` is None.
    """

    recording: str
    person: str
    item: str
    how: Literal["adjudicated", "one coder", "coders agree", "open"]
    annotations: Annotations | None


def coded(place: Place, *, all_states: bool = False) -> list[Coded]:
    """What coders marked in a study, in order of recordings and coders.

    Nothing of people who withdraw, of test participants, or of takes that were replaced.

    Args:
        place: The study.
        all_states: Also what is not done yet.
    """
    joined = select(Coding, Recording, Person).join(Recording, Recording.id == Coding.recording)
    people = joined.join(Person, Person.id == Recording.person)
    order = people.order_by(Recording.created, Recording.id, Coding.coder)
    found = []
    with place.database.reading() as reading:
        names = pseudonyms(reading)
        for coding, recording, person in reading.execute(order):
            left_out = recording.state != "complete" or not is_shown(place, person)
            unfinished = coding.done is None and not all_states
            if left_out or unfinished:
                continue
            who = names.get(coding.coder, coding.coder)
            marks = marks_at(place, reading, recording, coding.coder, coding.revision)
            told = annotations_of(place.codebook, recording, marks, who)
            told = replace(told, subject=person.id)
            done = coding.done is not None
            found.append(Coded(recording.id, person.id, recording.item, who, done, told))
    places = {one.recording: number for number, one in enumerate(found)}
    return sorted(found, key=lambda one: (places[one.recording], one.coder))


def settled(place: Place) -> list[Settled]:
    """What counts as the coding of each recording that somebody has coded to the end."""
    by_recording: dict[str, list[Coded]] = {}
    for one in coded(place):
        by_recording.setdefault(one.recording, []).append(one)
    return [_settled(group) for group in by_recording.values()]


def by_recording(place: Place) -> dict[str, settled_coding.Settled]:
    """What counts as the coding of each recording, as a release and prevalence take it."""
    found = {}
    for one in settled(place):
        found[one.recording] = settled_coding.Settled(one.how, one.annotations)
    return found


def _settled(group: Sequence[Coded]) -> Settled:
    first = group[0]
    agreed = [one for one in group if one.coder == TEAM]
    names = (first.recording, first.person, first.item)
    if agreed:
        return Settled(*names, "adjudicated", agreed[0].annotations)
    if len(group) == 1:
        return Settled(*names, "one coder", first.annotations)
    if all(_marks_alone(one) == _marks_alone(first) for one in group):
        return Settled(*names, "coders agree", first.annotations)
    return Settled(*names, "open", None)


def _marks_alone(one: Coded) -> set[tuple[str, str, str, Mark]]:
    """What somebody marked, without who they are."""
    found = set()
    for tier in one.annotations.tiers:
        for mark in tier.marks:
            found.add((tier.kind, tier.modality, tier.name, mark))
    return found


def is_shown(place: Place, person: Person) -> bool:
    """Whether what was marked of somebody may be looked at."""
    goes = person.state in ("withdrawing", "erasing")
    return not goes and person.kind != "test" and place.keys.has(person.id)


def pseudonyms(reading: Transaction) -> dict[str, str]:
    """Coder's id → ``coder01`` …, in the order in which they were made; also of revoked ones."""
    ids = reading.scalars(select(Coder.id).order_by(Coder.created, Coder.id))
    return {coder: f"coder{number:02d}" for number, coder in enumerate(ids, 1)}


# --- one coding


def label_of(recording: str, coder: str, revision: int) -> str:
    """What a sealed version is."""
    return f"coding {recording} {coder} {revision}"


def marks_at(
    place: Place, reading: Transaction, recording: Recording, coder: str, revision: int
) -> list[Made]:
    """The marks of one version; none where nothing was marked yet.

    Args:
        place: The study.
        reading: The transaction.
        recording: Of which recording.
        coder: A coder's id, or :data:`TEAM`.
        revision: Which version; 0 for the beginning.
    """
    row = reading.get(CodingVersion, (recording.id, coder, revision))
    if row is None:
        return []
    label = label_of(recording.id, coder, revision)
    kept = place.opened(recording.person, row.marks, label)
    return [Made(**one) for one in kept["marks"]]


def plain(marks: Iterable[Made]) -> list[dict[str, Any]]:
    """Marks as the protocol and the database write them."""
    return [asdict(mark) for mark in marks]


def annotations_of(
    codebook: Codebook, recording: Recording, marks: Iterable[Made], coder: str
) -> Annotations:
    """Marks as annotations, with every tier of the codebook.

    Args:
        codebook: What its tiers are.
        recording: Of which recording.
        marks: What was marked; marks of tiers that the codebook has no more go into tiers of their
            own name.
        coder: Under which name.
    """
    by_tier: dict[str, list[Mark]] = {}
    for mark in marks:
        span = Mark(mark.start_ms / 1000, mark.end_ms / 1000, mark.label, mark.certainty)
        by_tier.setdefault(mark.tier, []).append(span)
    tiers = []
    for tier in codebook.tiers:
        found = tuple(by_tier.pop(tier.id, ()))
        tiers.append(Tier(tier.kind, found, tier.modality, coder, tier.name))
    for name, left in by_tier.items():
        tiers.append(Tier("other", tuple(left), coder=coder, name=name))
    return Annotations(
        recording=recording.id,
        tiers=merge_tiers(tiers),
        duration_s=_length_s(recording),
    )


def _length_s(recording: Recording) -> float:
    length_ms = recording.duration_ms
    return math.nan if length_ms is None else length_ms / 1000


def with_more(annotations: Annotations, tiers: Iterable[Tier], media: str) -> Annotations:
    """The same with further tiers, and with the name of the film.

    Args:
        annotations: What was marked.
        tiers: For example the words.
        media: The film's name.
    """
    together = merge_tiers([*annotations.tiers, *tiers])
    return replace(annotations, tiers=together, media=media)


def marks_of(codebook: Codebook, annotations: Annotations, coder: str) -> list[Made]:
    """The marks of one coder in annotations, by the codebook's tiers.

    Args:
        codebook: What its tiers are; tiers that it has not are left out.
        annotations: For example read from a file of ELAN.
        coder: Whose; tiers without a coder are theirs too.
    """
    made = []
    for tier in annotations.tiers:
        ours = _tier_of(codebook, tier)
        if ours is None or tier.coder not in ("", coder):
            continue
        for mark in tier.marks:
            start_ms = round(mark.start_s * 1000)
            end_ms = round(mark.end_s * 1000)
            made.append(Made(ours.id, start_ms, end_ms, mark.label, mark.certainty))
    return made


def _tier_of(codebook: Codebook, tier: Tier) -> CodedTier | None:
    for one in codebook.tiers:
        if (one.kind, one.modality, one.name) == (tier.kind, tier.modality, tier.name):
            return one
    return None
