"""Participants: how they come, who they are, how far they are."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import quote

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session as Transaction

from twomind.server import access, audit
from twomind.server.place import Place
from twomind.server.refused import Refused, not_found, too_many, withdrawn
from twomind.server.study import Prompt, Question, Study
from twomind.server.tables import Invitation, Person, Recording, Session

PRIVATE = "person"
Kind = Literal["participant", "test"]
#: An answer recorded to its end. What ended by itself uses up none of the takes.
MEANT_TO_END = ("button", "time_limit")
#: Recordings that ended by themselves, besides the takes: more is no bad luck.
_MISHAPS = 20


@dataclass(frozen=True)
class New:
    """A participant who is about to be made.

    Args:
        kind: ``test`` is never counted and never released.
        external: A panel's id, or the name on the researcher's list; empty for none.
    """

    kind: Kind = "participant"
    external: str = ""


def make(place: Place, writing: Transaction, new: New) -> Person:
    """A new participant with a key of their own.

    Args:
        place: The study.
        writing: The transaction.
        new: Whom to make.
    """
    study = place.study
    person_id = secrets.token_hex(6)
    place.keys.make(person_id)
    private = {"external_id": new.external, "metadata": {}, "check": {}}
    person = Person(
        id=person_id,
        kind=new.kind,
        mark=secrets.token_hex(6),
        state="invited",
        external=access.external_mark(place, new.external) if new.external else None,
        language=study.languages[0],
        order=_order(study),
        created=place.now(),
        seen=place.now(),
        private=place.sealed(person_id, private, PRIVATE),
    )
    writing.add(person)
    writing.flush()
    return person


def _order(study: Study) -> list[str]:
    order = [prompt.id for prompt in study.prompts]
    if study.shuffle:
        random.SystemRandom().shuffle(order)
    return order


def find(reading: Transaction, person_id: str) -> Person:
    """A person who is there.

    Raises:
        Refused: They have withdrawn and are erased, or are being erased.
    """
    person = reading.get(Person, person_id)
    if person is None or person.state == "erasing":
        raise withdrawn()
    return person


def acting(reading: Transaction, person_id: str) -> Person:
    """A person who takes part: not one who is about to be erased."""
    person = find(reading, person_id)
    if person.state == "withdrawing":
        raise withdrawn()
    return person


# --- coming in


@dataclass(frozen=True)
class Entry:
    """What somebody opens a study with."""

    token: str
    external_id: str = ""
    #: Asked before somebody new is made of a link for many: how many seconds to wait; 0: none.
    wait_s: Callable[[], float] = lambda: 0.0


def enter(place: Place, entry: Entry, already: str | None) -> str:
    """The person whom a link opens; a panel's link makes one at the first time.

    Args:
        place: The study.
        entry: The link's token, and the panel's id of the person.
        already: Who is in this browser by now, if anybody is.

    Returns:
        The person's id.

    Raises:
        Refused: Forged, too old, revoked; the study takes nobody more; or this person has begun and
            asks from elsewhere.
    """
    try:
        person_id = access.read_token(place, "person", entry.token)
    except Refused:
        invitation = access.read_token(place, "panel", entry.token)
        return _enter_panel(place, invitation, entry, already)
    with place.database.writing() as writing:
        person = find(writing, person_id)
        if person.state == "invited":
            refuse_full(place, writing, person.kind)
        person.seen = place.now()
    return person_id


def _enter_panel(place: Place, invitation: str, entry: Entry, already: str | None) -> str:
    external = entry.external_id
    with place.database.writing() as writing:
        found = writing.get(Invitation, invitation)
        if found is None or found.revoked:
            raise access.bad_link()
        if not external:
            raise Refused(422, "external_id_needed", "This link needs the panel's id of a person.")
        mark = access.external_mark(place, external)
        person = writing.scalars(select(Person).where(Person.external == mark)).first()
        if person is not None:
            if person.id == already and person.state != "erasing":
                return person.id
            if person.state != "invited":
                raise Refused(
                    409,
                    "already_begun",
                    "You have begun. Go on with your own link, or in the browser where you began.",
                )
        refuse_full(place, writing, "participant")
        if wait := entry.wait_s():
            raise too_many(wait)
        if person is not None:
            # Whoever came first gave nothing yet. Their way in ends, in case it was somebody else.
            _drop(place, writing, person)
        new = make(place, writing, New(external=external))
        audit.note(place, writing, f"participant {new.mark}", "came", f"invitation {found.label}")
        return new.id


def _drop(place: Place, writing: Transaction, person: Person) -> None:
    place.keys.destroy(person.id)
    writing.execute(delete(Session).where(Session.subject == person.id))
    writing.execute(delete(Person).where(Person.id == person.id))
    writing.flush()


def counted(place: Place, reading: Transaction, language: str | None = None) -> int:
    """How many people count for the quota: those who finished, and those who still may.

    Args:
        place: The study.
        reading: A transaction.
        language: Of this language alone; None: of all.
    """
    oldest = place.now() - timedelta(days=place.study.retention.partial_days)
    begun = (Person.state == "begun") & (Person.seen >= oldest)
    counts = (Person.kind == "participant") & ((Person.state == "finished") | begun)
    if language is not None:
        counts &= Person.language == language
    return reading.scalars(select(func.count()).select_from(Person).where(counts)).one()


def refuse_full(place: Place, reading: Transaction, kind: str, language: str | None = None) -> None:
    """Let nobody new in when a quota is reached.

    Args:
        place: The study.
        reading: A transaction.
        kind: Of the person; who tries the study is always let in.
        language: Of the person; None where it is not known yet.

    Raises:
        Refused: It is.
    """
    if kind == "test":
        return
    recruiting = place.study.recruiting
    of_language = None if language is None else recruiting.language_quotas.get(language)
    whole = recruiting.quota is not None and counted(place, reading) >= recruiting.quota
    of_it = of_language is not None and counted(place, reading, language) >= of_language
    if whole or of_it:
        raise Refused(
            410, "closed", "The study has as many people as it needs. Thank you.", reason="quota"
        )


# --- how far they are


@dataclass(frozen=True)
class Item:
    """How far somebody is with one item."""

    prompt: Prompt
    state: str
    takes_left: int

    def told(self) -> dict[str, Any]:
        return {"id": self.prompt.id, "state": self.state, "takes_left": self.takes_left}

    @property
    def open(self) -> bool:
        return self.state not in ("complete", "interrupted")


def items(place: Place, reading: Transaction, person: Person) -> list[Item]:
    """How far somebody is with each item, in their own order."""
    recordings = of_person(reading, person.id)
    study = place.study
    names = [] if study.neutral is None else [study.neutral.id]
    found = []
    for name in names + person.order:
        prompt = study.item(name)
        if prompt is not None:
            own = [recording for recording in recordings if recording.item == name]
            found.append(_item(prompt, own))
    return found


def _item(prompt: Prompt, own: Iterable[Recording]) -> Item:
    recordings = list(own)
    ended = [one for one in recordings if one.stop_reason]
    meant = [one for one in ended if one.stop_reason in MEANT_TO_END]
    mishaps = [one for one in recordings if one not in meant and one.size]
    again = bool(ended) and ended[-1].quality == "again"
    asked = sum(one.quality == "again" for one in ended)
    left = max(prompt.takes + asked - len(meant), 0)
    if len(mishaps) >= _MISHAPS:
        left = 0
    return Item(prompt, _state(again, meant, ended, recordings), left)


def _state(
    again: bool, meant: list[Recording], ended: list[Recording], recordings: list[Recording]
) -> str:
    if again:
        return "again"
    if meant:
        return "complete"
    if ended:
        return "interrupted"
    return "uploading" if any(one.size for one in recordings) else "none"


def of_person(reading: Transaction, person: str) -> list[Recording]:
    """A person's recordings, the oldest first."""
    of_them = select(Recording).where(Recording.person == person)
    return list(reading.scalars(of_them.order_by(Recording.created, Recording.id)))


def own_recording(reading: Transaction, person: str, recording: str) -> Recording:
    """A recording of this person.

    Raises:
        Refused: There is none of this id, or it is somebody else's.
    """
    found = reading.get(Recording, recording)
    if found is None or found.person != person:
        raise not_found()
    return found


# --- what they tell


def tell(place: Place, person_id: str, part: str, values: Mapping[str, Any]) -> None:
    """Keep a part of what somebody told, sealed.

    Args:
        place: The study.
        person_id: Who.
        part: ``metadata`` or ``check``.
        values: It replaces what was told before.
    """
    with place.alone_with(person_id), place.database.writing() as writing:
        person = acting(writing, person_id)
        private = place.opened(person_id, person.private, PRIVATE)
        private[part] = dict(values)
        person.private = place.sealed(person_id, private, PRIVATE)
        person.seen = place.now()
        if part == "check":
            person.checked = values.get("passed") is True


def checked_answers(study: Study, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Answers to the form that fit its questions; what is empty is left out.

    Raises:
        Refused: An answer to no question, or of another kind.
    """
    questions = {question.id: question for question in study.metadata}
    kept = {}
    for name, value in answers.items():
        question = questions.get(name)
        if question is None or not (value is None or _fits(question, value)):
            raise Refused(422, "invalid", "This answer does not fit its question.", where=name)
        if value not in (None, ""):
            kept[name] = value
    return kept


def _fits(question: Question, value: Any) -> bool:
    if value == "":
        return True
    if question.kind == "choice":
        return value in [choice.id for choice in question.choices]
    if question.kind == "text":
        return isinstance(value, str) and len(value) <= 500
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    above = question.min is None or value >= question.min
    below = question.max is None or value <= question.max
    return above and below


def finish(place: Place, person_id: str) -> dict[str, Any]:
    """All is there: where to go from here.

    Raises:
        Refused: Something is not complete.
    """
    with place.database.writing() as writing:
        person = acting(writing, person_id)
        external = place.opened(person_id, person.private, PRIVATE)["external_id"]
        unfinished = [item.prompt.id for item in items(place, writing, person) if item.open]
        if unfinished:
            raise Refused(409, "open", "Some answers are not complete yet.", open=unfinished)
        if person.state != "finished":
            person.state = "finished"
            person.finished = place.now()
            audit.note(place, writing, f"participant {person.mark}", "finished")
    recruiting = place.study.recruiting
    address = recruiting.completion_url.replace("{ID}", quote(external, safe=""))
    return {
        "redirect": address or None,
        "code": recruiting.completion_code or None,
    }
