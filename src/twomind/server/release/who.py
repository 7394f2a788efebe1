"""Who is in a release, with which answers; and who is not, counted by the reason."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session as Transaction

from twomind.annotations import Annotations
from twomind.core.errors import BadInput
from twomind.server import consent, people, scripts
from twomind.server.place import Place
from twomind.server.scripts import Script
from twomind.server.settled import Settled
from twomind.server.study import Study
from twomind.server.tables import ConsentGiven, Person, Recording

#: What a cut needs a yes to, beside taking part.
CUTS: Mapping[str, tuple[str, ...]] = {
    "consented": ("research",),
    "challenges": ("research", "challenges"),
}
#: Kinds of answers in the order of BAH's seven questions.
_KINDS = ("neutral", "positive", "negative", "ambivalent", "willing", "resistant", "hesitant")
_UNDECIDED = "nobody has decided whether it is usable"


@dataclass(frozen=True)
class Cut:
    """Who is to be in a release.

    Args:
        name: One of :data:`CUTS`.
        require: Items of the consent that a yes is needed to besides.
        since_version: Of the consent; who agreed to an earlier text alone is left out.
        undecided: Also take what the quality control proposes as usable and nobody decided on.
    """

    name: str = "consented"
    require: tuple[str, ...] = ()
    since_version: int = 1
    undecided: bool = False

    def items(self, study: Study) -> tuple[str, ...]:
        """Ids of the items that a yes is needed to.

        Raises:
            BadInput: The study never asked for it.
        """
        known = {item.id for item in study.consent.items}
        stated = CUTS[self.name]
        unknown = [name for name in self.require if name not in known]
        if unknown:
            raise BadInput(
                f"--require {unknown[0]}: the consent of this study has no such item; it has: "
                f"{', '.join(sorted(known))}"
            )
        lacking = [name for name in stated if name not in known]
        if lacking and not self.require:
            raise BadInput(
                f"the consent of this study has no item {lacking[0]!r}, so nobody agreed that their "
                "recordings are given to others. Where another item says so, name it with "
                "--require ITEM; else add one to study.toml and raise consent.version: people are "
                "asked again"
            )
        wanted = [name for name in stated if name in known]
        return tuple(dict.fromkeys([*wanted, *self.require]))


@dataclass(frozen=True)
class Answer:
    """An answer that goes into the release, with its marks and its transcript."""

    recording: Recording
    question: int
    name: str
    marks: Annotations
    how: str
    script: Script


@dataclass(frozen=True)
class Participant:
    """Somebody who goes out, under a name that means nothing elsewhere."""

    person: Person
    pid: str
    told: Mapping[str, Any]
    given: ConsentGiven
    answers: tuple[Answer, ...]
    neutral: Recording | None


@dataclass
class Chosen:
    """Who goes out, and how many people and recordings do not, by the reason."""

    people: list[Participant] = field(default_factory=list)
    absent_people: Counter[str] = field(default_factory=Counter)
    absent_recordings: Counter[str] = field(default_factory=Counter)


def pseudonym(place: Place, person_id: str) -> str:
    """The name under which somebody is in every release; without the study's key it says nothing."""
    whole = f"release\0{person_id}".encode()
    return "p" + hmac.new(place.keys.secret(), whole, hashlib.sha256).hexdigest()[:10]


def question_numbers(study: Study) -> dict[str, int]:
    """The number of each prompt: 1 to 7 for the first of each kind that BAH asks for, as there; from
    8 on for others.
    """
    found: dict[str, int] = {}
    for prompt in study.prompts:
        number = _KINDS.index(prompt.response) + 1 if prompt.response in _KINDS else 0
        if number and number not in found.values():
            found[prompt.id] = number
    others = [prompt.id for prompt in study.prompts if prompt.id not in found]
    for number, name in enumerate(others, len(_KINDS) + 1):
        found[name] = number
    return found


def choose(place: Place, cut: Cut, marks: Mapping[str, Settled]) -> Chosen:
    """Choose the answers that go into a release, and note why the others do not.

    Args:
        place: The study.
        cut: Who is to be in it.
        marks: What coders settled on, by recording.
    """
    needed = cut.items(place.study)
    chosen = Chosen()
    with place.database.reading() as reading:
        everybody = list(reading.scalars(select(Person).order_by(Person.created, Person.id)))
        for person in everybody:
            given = consent.last(reading, person.id)
            why = _why_not(place, person, given, (needed, cut.since_version))
            if why or given is None:
                _note(chosen, why, people.of_person(reading, person.id))
                continue
            picker = _Picker(place, reading, cut, marks, chosen)
            found = picker.participant(person, given)
            if found.answers:
                chosen.people.append(found)
            else:
                chosen.absent_people["has no answer that can be released"] += 1
    return chosen


def still_there(place: Place, participant: Participant, cut: Cut) -> bool:
    """Whether somebody still agrees, a moment before their data go out."""
    needed = cut.items(place.study)
    person_id = participant.person.id
    with place.database.reading() as reading:
        person = reading.get(Person, person_id)
        given = consent.last(reading, person_id)
        if person is None:
            return False
        return not _why_not(place, person, given, (needed, cut.since_version))


def _note(chosen: Chosen, why: str, recordings: list[Recording]) -> None:
    chosen.absent_people[why] += 1
    if recordings:
        chosen.absent_recordings[f"their person {why}"] += len(recordings)


def _why_not(
    place: Place, person: Person, given: ConsentGiven | None, asked: tuple[tuple[str, ...], int]
) -> str:
    """Why somebody is not in the release; empty where they are."""
    needed, since_version = asked
    if person.kind == "test":
        return "is a test participant"
    if person.state in ("withdrawing", "erasing") or not place.keys.has(person.id):
        return "withdraws"
    if given is None:
        return "never agreed"
    study_needs = [item for item in needed if given.answers.get(item) is not True]
    if study_needs:
        return f"did not agree to {study_needs[0]!r}"
    if given.version < since_version:
        return f"agreed to a text before version {since_version}"
    if person.state != "finished":
        return "has not finished"
    return ""


@dataclass
class _Picker:
    """Picks the answers of one person."""

    place: Place
    reading: Transaction
    cut: Cut
    marks: Mapping[str, Settled]
    chosen: Chosen

    def participant(self, person: Person, given: ConsentGiven) -> Participant:
        place = self.place
        own = people.of_person(self.reading, person.id)
        usable = [one for one in own if self._usable(one)]
        first = min((one.created for one in usable), default=person.created)
        pid = pseudonym(place, person.id)
        numbers = question_numbers(place.study)
        answers = []
        for recording in usable:
            number = numbers.get(recording.item)
            settled = self._settled(recording) if number else None
            if number and settled is not None and settled.annotations is not None:
                elapsed = recording.created - first
                name = _name(pid, number, elapsed.days, elapsed.seconds)
                script = self._script(recording)
                marked = settled.annotations
                answers.append(Answer(recording, number, name, marked, settled.how, script))
        private = place.opened(person.id, person.private, people.PRIVATE)
        answers.sort(key=lambda one: one.name)
        told = private["metadata"]
        return Participant(person, pid, told, given, tuple(answers), self._neutral(usable))

    def _neutral(self, usable: list[Recording]) -> Recording | None:
        neutral = self.place.study.neutral
        found = [one for one in usable if neutral is not None and one.item == neutral.id]
        return found[-1] if found else None

    def _usable(self, recording: Recording) -> bool:
        why = _why_not_it(recording, self.cut.undecided)
        known = self.place.study.item(recording.item) is not None
        if not why and not known:
            why = "its prompt is no longer in study.toml"
        if why:
            self.chosen.absent_recordings[why] += 1
        return not why

    def _settled(self, recording: Recording) -> Settled | None:
        found = self.marks.get(recording.id)
        if found is None:
            self.chosen.absent_recordings["nobody has coded it"] += 1
        elif found.annotations is None:
            self.chosen.absent_recordings["coders are not settled"] += 1
        return found

    def _script(self, recording: Recording) -> Script:
        known = scripts.versions(self.place, self.reading, recording)
        return known[-1].script if known else Script(())


def _why_not_it(recording: Recording, undecided: bool) -> str:
    if recording.state == "open" or recording.stop_reason not in people.MEANT_TO_END:
        return "incomplete"
    if recording.state == "replaced":
        return "a later take replaced it"
    if recording.quality == "usable":
        return ""
    if recording.quality == "waiting":
        return "" if undecided and recording.proposal == "usable" else _UNDECIDED
    return f"a researcher decided: {recording.quality}"


def _name(pid: str, question: int, days: int, seconds: int) -> str:
    """The name of a recording; its date and time count from the person's first recording."""
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    month, day = divmod(days, 28)
    year, month = divmod(month, 12)
    date = f"{2000 + year}-{month + 1:02d}-{day + 1:02d}"
    return f"{pid}_Question_{question}_{date}_{hour:02d}-{minute:02d}-{second:02d}_Video"
