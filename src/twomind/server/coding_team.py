"""What the team sees of coding: who coded what, how far coders agree, codings side by side, files."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session as Transaction

from twomind.annotations import Annotations, merge_tiers
from twomind.annotations.eaf_write import eaf_text
from twomind.annotations.tables import to_csv
from twomind.server import admission, audit, coders, coding, coding_work, reviewing
from twomind.server.coding import TEAM
from twomind.server.export import ending
from twomind.server.place import Place, stamp
from twomind.server.refused import Refused
from twomind.server.tables import Assignment, Coder, Coding, Person, Recording


def hand(by: str) -> coding_work.Hand:
    """The coding that the team agrees on, in the hand of a researcher."""
    return coding_work.Hand(TEAM, f"researcher {by}", TEAM)


# --- who codes what


def overview(place: Place) -> dict[str, Any]:
    """The codebook, coders with their admission and drift, and the state of each recording."""
    with place.database.reading() as reading:
        names = coding.pseudonyms(reading)
        team = list(reading.scalars(select(Coder).where(Coder.revoked.is_(False))))
        inside = {one.id: admission.is_in(place, reading, one) for one in team}
        gold = admission.gold(reading)
        rows = _recordings(place, reading)
        assigned = list(reading.execute(select(Assignment.recording, Assignment.coder)))
        states = list(reading.scalars(select(Coding)))
    settled = {one.recording for one in coding.settled(place) if one.annotations is not None}
    known = {recording.id: (recording, person) for recording, person in rows}
    told = []
    for recording, _ in known.values():
        own = [one for one in states if one.recording == recording.id]
        theirs = [coder for name, coder in assigned if name == recording.id]
        line = _recording_told(recording, own, theirs, names, recording.id in gold)
        several = sum(coder["state"] == "done" for coder in line["coders"]) > 1
        line["agreed"] = line["agreed"] or (several and recording.id in settled)
        told.append(line)
    people = []
    for one in sorted(team, key=lambda coder: names[coder.id]):
        person: dict[str, Any] = {"id": one.id, "name": one.name, "pseudonym": names[one.id]}
        person |= {"outside": one.outside, "admitted": inside[one.id]}
        person |= {"gold": admission.drift(place, one.id)}
        people.append(person)
    wanted = place.codebook.admission
    needed = None if wanted is None else wanted.clips
    return {
        "codebook": place.codebook.model_dump(),
        "admission": {"gold": len(gold), "needed": needed},
        "coders": people,
        "recordings": told,
    }


def _recording_told(
    recording: Recording,
    own: Sequence[Coding],
    assigned: Sequence[str],
    names: dict[str, str],
    is_gold: bool,
) -> dict[str, Any]:
    done = {one.coder for one in own if one.done is not None}
    begun = {one.coder for one in own if one.revision and one.done is None}
    coders_of = []
    for coder in dict.fromkeys([*assigned, *sorted(done | begun)]):
        if coder == TEAM:
            continue
        state = "assigned"
        if coder in done:
            state = "done"
        elif coder in begun:
            state = "begun"
        coders_of.append({"id": coder, "pseudonym": names.get(coder, ""), "state": state})
    return {
        "id": recording.id,
        "item": recording.item,
        "at": stamp(recording.created),
        "coders": sorted(coders_of, key=lambda one: one["pseudonym"]),
        "agreed": TEAM in done,
        "gold": is_gold,
    }


def _recordings(place: Place, reading: Transaction) -> list[tuple[Recording, Person]]:
    """Recordings that may be coded, the oldest first: answers that a researcher found usable."""
    joined = select(Recording, Person).join(Person, Person.id == Recording.person)
    usable = joined.where(Recording.state == "complete", Recording.quality == "usable")
    rows = reading.execute(usable.order_by(Recording.created, Recording.id))
    neutral = place.study.neutral
    found = []
    for recording, person in rows:
        is_rest = neutral is not None and recording.item == neutral.id
        if coding.is_shown(place, person) and not is_rest:
            found.append((recording, person))
    return found


@dataclass(frozen=True)
class Plan:
    """How recordings are shared out: this many coders for ``share`` of them, one for the others."""

    coders: int = 2
    share: float = 1.0
    seed: int = 0


@dataclass
class _Sharing:
    """Gives recordings to those who have the fewest."""

    place: Place
    writing: Transaction
    team: Sequence[Coder]
    load: Counter[str]

    def give(
        self, recording: Recording, person: Person, wanted: int, chance: random.Random
    ) -> tuple[int, int]:
        """Assign one recording.

        Args:
            recording: Which.
            person: Whose it is.
            wanted: How many coders it shall have.
            chance: Chooses among those with the same load.

        Returns:
            How many coders it was given, and how many are missing.
        """
        theirs = select(Assignment.coder).where(Assignment.recording == recording.id)
        has = set(self.writing.scalars(theirs))
        allowed = []
        for one in self.team:
            if one.id not in has and coders.may_see(self.place, self.writing, one, person.id):
                allowed.append(one.id)
        chance.shuffle(allowed)
        allowed.sort(key=lambda coder: self.load[coder])
        missing = max(wanted - len(has), 0)
        chosen = allowed[:missing]
        for coder in chosen:
            row = Assignment(coder=coder, recording=recording.id, at=self.place.now())
            self.writing.add(row)
            self.load[coder] += 1
        self.writing.flush()
        return len(chosen), missing - len(chosen)


def share_out(place: Place, by: str, plan: Plan) -> dict[str, Any]:
    """Assign all usable recordings, evenly; what is assigned already stays.

    Args:
        place: The study.
        by: The researcher.
        plan: How many coders for how many of them.

    Returns:
        How many were assigned, and recordings for which there were too few coders whom the consent
        allows.
    """
    with place.database.writing() as writing:
        team = list(writing.scalars(select(Coder).where(Coder.revoked.is_(False))))
        sharing = _Sharing(place, writing, team, Counter(writing.scalars(select(Assignment.coder))))
        gold = set(admission.gold(writing))
        new = 0
        too_few = []
        for recording, person in _recordings(place, writing):
            if recording.id in gold:
                continue
            chance = random.Random(f"{plan.seed} {recording.id}")
            wanted = plan.coders if chance.random() < plan.share else 1
            given, missing = sharing.give(recording, person, wanted, chance)
            new += given
            if missing:
                too_few.append(recording.id)
        what = f"shared out to {plan.coders}, share {plan.share:g}, seed {plan.seed}"
        audit.note(place, writing, f"researcher {by}", what[:40])
    return {"assigned": new, "too_few": too_few}


# --- side by side


def side_by_side(place: Place, by: str, recording_id: str) -> dict[str, Any]:
    """A recording to agree on: the page's parts, and what each coder marked.

    Args:
        place: The study.
        by: The researcher; who looked is kept.
        recording_id: Which.
    """
    told = coding_work.page(place, hand(by), recording_id)
    others: list[dict[str, Any]] = []
    with place.database.writing() as writing:
        recording, person = reviewing.here(place, writing, recording_id)
        names = coding.pseudonyms(writing)
        theirs = select(Coding).where(Coding.recording == recording_id, Coding.coder != TEAM)
        for one in writing.scalars(theirs):
            # What somebody is still at is nobody's business yet.
            if one.done is None:
                continue
            marks = coding.marks_at(place, writing, recording, one.coder, one.revision)
            name = names.get(one.coder, one.coder)
            others.append({"coder": name, "marks": coding.plain(marks)})
        is_gold = recording_id in admission.gold(writing)
        audit.note(place, writing, f"researcher {by}", "compared codings", person.mark)
    others.sort(key=lambda one: str(one["coder"]))
    return {**told, "others": others, "gold": is_gold}


# --- files


def eaf_of(place: Place, recording_id: str) -> str:
    """All that was coded of a recording, and its words, as one file of ELAN.

    Raises:
        Refused: Nobody has coded it to the end.
    """
    own = [one for one in coding.coded(place) if one.recording == recording_id]
    if not own:
        raise Refused(404, "not_found", "Nobody has coded this recording to the end.")
    with place.database.reading() as reading:
        recording, _person = reviewing.here(place, reading, recording_id)
        words = coding_work.words_tier(place, reading, recording)
    tiers = [tier for one in own for tier in one.annotations.tiers]
    together = replace(own[0].annotations, tiers=merge_tiers([*tiers, *words]))
    named = replace(together, media=f"{recording.id}.{ending(recording.mime)}")
    return eaf_text(named, author="twomind")


def table_of(place: Place) -> str:
    """Everything that was coded in a study, as one table; ``twomind agree`` reads it."""
    by_recording: dict[str, Annotations] = {}
    for one in coding.coded(place):
        before = by_recording.get(one.recording)
        found = one.annotations
        if before is not None:
            found = replace(before, tiers=merge_tiers([*before.tiers, *found.tiers]))
        by_recording[one.recording] = found
    return to_csv(by_recording.values())
