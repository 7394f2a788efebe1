"""What people agreed to: each text once and whole, each answer with its time, none changed later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session as Transaction

from twomind.core.errors import BadInput
from twomind.server import audit, people
from twomind.server.place import Place, stamp
from twomind.server.refused import Refused
from twomind.server.tables import ConsentGiven, ConsentText


def keep_texts(place: Place) -> None:
    """Keep the study's present texts.

    Raises:
        BadInput: A text was changed and its version was not raised.
    """
    consent = place.study.consent
    with place.database.writing() as writing:
        for language in place.study.languages:
            sha256 = consent.sha256(language)
            kept = writing.get(ConsentText, (consent.version, language))
            if kept is None:
                shown = consent.shown(language)
                row = ConsentText(version=consent.version, language=language)
                row.sha256, row.shown = sha256, shown
                writing.add(row)
            elif kept.sha256 != sha256:
                raise BadInput(
                    f"study.toml: consent.version {consent.version} in {language!r} is not the text "
                    f"that people agreed to. Set version = {consent.version + 1}; they are asked again."
                )


@dataclass(frozen=True)
class Said:
    """What somebody says to the text."""

    version: int
    sha256: str
    language: str
    answers: Mapping[str, bool]


def last(reading: Transaction, person: str) -> ConsentGiven | None:
    """The latest answer of a participant to the consent form."""
    of_them = select(ConsentGiven).where(ConsentGiven.person == person)
    return reading.scalars(of_them.order_by(ConsentGiven.id.desc()).limit(1)).first()


def is_current(place: Place, given: ConsentGiven | None) -> bool:
    """Whether it was said to the present text."""
    consent = place.study.consent
    if given is None or given.version != consent.version:
        return False
    return given.language in place.study.languages and given.sha256 == consent.sha256(
        given.language
    )


def may_record(place: Place, given: ConsentGiven | None) -> bool:
    """Whether everything that is needed got a yes, to the present text."""
    if given is None or not is_current(place, given):
        return False
    return all(given.answers.get(name) is True for name in place.study.consent.required())


def refuse_without(place: Place, reading: Transaction, person: str) -> None:
    """Let nothing in from somebody who has not agreed.

    Raises:
        Refused: They have not.
    """
    if not may_record(place, last(reading, person)):
        raise Refused(403, "no_consent", "Nothing is taken before you have agreed to the text.")


def give(place: Place, person_id: str, said: Said) -> tuple[ConsentGiven, bool]:
    """Keep a participant's answer to the consent form.

    Returns:
        What is kept, and whether it is new.

    Raises:
        Refused: The text is another by now; or an item has no answer.
    """
    consent = place.study.consent
    with place.alone_with(person_id), place.database.writing() as writing:
        person = people.acting(writing, person_id)
        _refuse_other_text(place, said)
        if set(said.answers) != {item.id for item in consent.items}:
            raise Refused(
                422,
                "invalid",
                "Each item needs yes or no, and there are no others.",
                where="answers",
            )
        before = last(writing, person_id)
        answers = dict(said.answers)
        if before is not None and _says_the_same(place, before, said):
            return before, False
        given = ConsentGiven(person=person_id, answers=answers, at=place.now())
        given.version, given.language, given.sha256 = said.version, said.language, said.sha256
        if may_record(place, given) and person.state == "invited":
            people.refuse_full(place, writing, person.kind, said.language)
            person.state = "begun"
        person.language = said.language
        person.seen = place.now()
        writing.add(given)
        what = "agreed" if may_record(place, given) else "did not agree"
        audit.note(place, writing, f"participant {person.mark}", what, f"consent {consent.version}")
        return given, True


def _says_the_same(place: Place, before: ConsentGiven, said: Said) -> bool:
    if not is_current(place, before):
        return False
    return before.answers == dict(said.answers) and before.language == said.language


def _refuse_other_text(place: Place, said: Said) -> None:
    consent = place.study.consent
    known = said.language in place.study.languages
    if not known or (said.version, said.sha256) != (
        consent.version,
        consent.sha256(said.language),
    ):
        raise Refused(
            409, "consent_changed", "The text is another by now. Please read it again.",
            version=consent.version,
        )  # fmt: skip


def take_back(place: Place, person_id: str, items: set[str]) -> None:
    """Say no, from now on, to items that are not needed to take part."""
    with place.alone_with(person_id), place.database.writing() as writing:
        person = people.acting(writing, person_id)
        before = last(writing, person_id)
        if before is None:
            raise Refused(409, "nothing_given", "There is no consent that could be taken back.")
        answers = dict(before.answers)
        answers.update(dict.fromkeys(items & set(answers), False))
        if answers == before.answers:
            return
        given = ConsentGiven(person=person_id, answers=answers, at=place.now())
        given.version, given.language, given.sha256 = (
            before.version,
            before.language,
            before.sha256,
        )
        writing.add(given)
        audit.note(
            place, writing, f"participant {person.mark}", "took back", ", ".join(sorted(items))
        )


def copy(place: Place, reading: Transaction, person: str) -> str:
    """The text with the answers, for the person to keep.

    Raises:
        Refused: They said nothing yet.
    """
    given = last(reading, person)
    kept = None if given is None else reading.get(ConsentText, (given.version, given.language))
    if given is None or kept is None:
        raise Refused(404, "not_found", "There is no consent yet.")
    shown: dict[str, Any] = json.loads(kept.shown)
    study = place.study
    language = given.language
    lines = [study.title.get(language, study.id), "", shown["text"].strip(), ""]
    for name, _required, text in shown["items"]:
        lines.append(f"[{_answer(language, given.answers.get(name) is True)}] {text}")
    lines += ["", study.contact.get(language, ""), ""]
    lines.append(f"{stamp(given.at)} · version {given.version} · SHA-256 {given.sha256}")
    return "\n".join(lines) + "\n"


def _answer(language: str, yes: bool) -> str:
    words = {"fr": ("non", "oui")}.get(language, ("no", "yes"))
    return words[yes]
