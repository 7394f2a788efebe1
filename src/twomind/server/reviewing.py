"""What a researcher sees of recordings, and decides on them. Participants never see any of it, but that
an answer is asked for once more.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session as Transaction

from twomind.server import audit, people, scripts, uploads
from twomind.server.measured import findings_label, result_label
from twomind.server.place import Place, stamp
from twomind.server.refused import Refused, not_found
from twomind.server.tables import Decision, Person, Recording

Verdict = Literal["usable", "again", "exclude"]
Shown = Literal["waiting", "usable", "again", "exclude", "open", "all"]
#: So many recordings of a list are told at once.
PAGE = 200
_REASON = "reason"


# --- finding


def here(place: Place, reading: Transaction, recording_id: str) -> tuple[Recording, Person]:
    """A recording and whose it is.

    Raises:
        Refused: There is none, or its person is being erased.
    """
    recording = reading.get(Recording, recording_id)
    person = None if recording is None else reading.get(Person, recording.person)
    gone = person is None or person.state == "erasing" or not place.keys.has(person.id)
    if recording is None or person is None or gone:
        raise not_found()
    return recording, person


def _of(shown: Shown, recording: Recording) -> bool:
    if recording.state == "open":
        return shown in ("open", "all") and bool(recording.size)
    if recording.state == "replaced":
        return False
    return shown in (recording.quality, "all")


# --- the queue


def queue(place: Place, shown: Shown, start: int = 0) -> dict[str, Any]:
    """Recordings to decide on, those that came first at the top.

    Args:
        place: The study.
        shown: What was decided: ``waiting`` for nothing yet; ``open``: their end did not come.
        start: How many to leave out.
    """
    joined = select(Recording, Person).join(Person, Person.id == Recording.person)
    oldest = joined.where(Person.state != "erasing").order_by(Recording.created, Recording.id)
    with place.database.reading() as reading:
        rows = [(one, whose) for one, whose in reading.execute(oldest) if place.keys.has(whose.id)]
        wanted = [(one, whose) for one, whose in rows if _of(shown, one)]
        some = wanted[start : start + PAGE]
        told = [_told(place, one, whose) for one, whose in some]
    counts = Counter(_group(one) for one, _whose in rows)
    unmeasured = [one for one, _whose in rows if one.state == "complete" and not one.measured]
    return {
        "recordings": told,
        "more": len(wanted) > start + PAGE,
        "counts": {
            name: counts[name] for name in ("waiting", "usable", "again", "exclude", "open")
        },
        "measuring": len(unmeasured),
    }


def _group(recording: Recording) -> str:
    if recording.state == "open":
        return "open" if recording.size else ""
    return "" if recording.state == "replaced" else recording.quality


def _told(place: Place, recording: Recording, person: Person) -> dict[str, Any]:
    private = place.opened(person.id, person.private, people.PRIVATE)
    return {
        "id": recording.id,
        "person": person.id,
        "external_id": private["external_id"],
        "test": person.kind == "test",
        "item": recording.item,
        "state": recording.state,
        "bytes": recording.size,
        "at": stamp(recording.created),
        "quality": recording.quality,
        "proposal": recording.proposal,
        "measured": None if recording.measured is None else stamp(recording.measured),
        "findings": _findings(place, recording),
    }


def _findings(place: Place, recording: Recording) -> dict[str, Any] | None:
    if recording.findings is None:
        return None
    return place.opened(recording.person, recording.findings, findings_label(recording.id))


# --- one recording


def detail(place: Place, recording_id: str) -> dict[str, Any]:
    """Everything of a recording but its bytes, its words and what a model said."""
    with place.database.reading() as reading:
        recording, person = here(place, reading, recording_id)
        own = people.of_person(reading, person.id)
        takes = [one for one in own if one.item == recording.item]
        told = _told(place, recording, person)
        told |= {
            "manifest": uploads.manifest(place, reading, recording),
            "decisions": _decisions(place, reading, recording),
            "takes": [_take(one) for one in takes],
            "may_ask_again": takes[-1].id == recording.id and recording.state == "complete",
            "revisions": len(scripts.versions(place, reading, recording)),
        }
    item = place.study.item(recording.item)
    told["prompt"] = {} if item is None else item.text
    told["response"] = "" if item is None else item.response
    return told


def _take(recording: Recording) -> dict[str, Any]:
    return {
        "id": recording.id,
        "state": recording.state,
        "quality": recording.quality,
        "stop_reason": recording.stop_reason,
        "at": stamp(recording.created),
    }


def _decisions(place: Place, reading: Transaction, recording: Recording) -> list[dict[str, Any]]:
    of_it = select(Decision).where(Decision.recording == recording.id).order_by(Decision.id)
    told = []
    for row in reading.scalars(of_it):
        opened = place.opened(recording.person, row.reason, _label(recording.id))
        told.append(
            {
                "at": stamp(row.at),
                "by": row.by,
                "verdict": row.verdict,
                "reason": opened[_REASON],
            }
        )
    return told


def _label(recording: str) -> str:
    return f"decision {recording}"


def decide(
    place: Place, by: str, recording_id: str, verdict: Verdict, reason: str
) -> dict[str, Any]:
    """Keep a decision; ``again`` opens the prompt for the participant once more.

    Args:
        place: The study.
        by: The researcher.
        recording_id: On which recording.
        verdict: What was decided.
        reason: Why; needed but for ``usable``.

    Returns:
        The recording, as :func:`detail` tells it.

    Raises:
        Refused: It is not complete, is no longer the last take, or a reason is missing.
    """
    if verdict != "usable" and not reason.strip():
        raise Refused(422, "invalid", "Give a reason.", where="reason")
    with place.database.writing() as writing:
        recording, person = here(place, writing, recording_id)
        _refuse_undecidable(writing, recording, person, verdict)
        row = Decision(recording=recording.id, at=place.now(), by=by, verdict=verdict)
        row.reason = place.sealed(person.id, {_REASON: reason.strip()}, _label(recording.id))
        writing.add(row)
        recording.quality = verdict
        audit.note(place, writing, f"researcher {by}", f"decided: {verdict}", person.mark)
    return detail(place, recording_id)


def _refuse_undecidable(
    reading: Transaction, recording: Recording, person: Person, verdict: Verdict
) -> None:
    if person.state == "withdrawing":
        raise Refused(409, "withdrawing", "This person withdraws; nothing of theirs is used.")
    if recording.state == "open":
        raise Refused(409, "open", "This recording is not complete.")
    takes = [one for one in people.of_person(reading, person.id) if one.item == recording.item]
    is_last = takes[-1].id == recording.id and recording.state == "complete"
    if verdict == "again" and not is_last:
        raise Refused(409, "replaced", "There is a later take of this answer.")


def measure_again(place: Place, by: str, recording_id: str) -> None:
    """Let the worker look once more: something was installed, or the study's limits are others.

    Raises:
        Refused: It is not complete.
    """
    with place.database.writing() as writing:
        recording, person = here(place, writing, recording_id)
        if recording.state != "complete":
            raise Refused(409, "open", "This recording is not complete.")
        recording.measured = None
        recording.tries = 0
        audit.note(place, writing, f"researcher {by}", "measure again", person.mark)


def watched(place: Place, by: str, recording_id: str) -> Recording:
    """A recording that a researcher plays; who looked is kept."""
    with place.database.writing() as writing:
        recording, person = here(place, writing, recording_id)
        audit.note(place, writing, f"researcher {by}", "watched", person.mark)
        return recording


# --- words


def transcript(place: Place, recording_id: str) -> dict[str, Any]:
    """All versions of what was said, the newest first."""
    with place.database.reading() as reading:
        recording, _person = here(place, reading, recording_id)
        known = scripts.versions(place, reading, recording)
    return {"versions": [one.told() for one in reversed(known)]}


def correct(place: Place, by: str, recording_id: str, after: int, text: str) -> dict[str, Any]:
    """Keep a corrected version; what is measured in words is measured anew.

    Args:
        place: The study.
        by: The researcher.
        recording_id: Of which recording.
        after: The version that was corrected; 0 where there was none.
        text: All that was said.

    Returns:
        The new version.

    Raises:
        Refused: Somebody else corrected it meanwhile, it says the same, or the person withdraws.
    """
    with place.database.writing() as writing:
        recording, person = here(place, writing, recording_id)
        # Two who correct at once take turns.
        writing.get_one(Person, person.id, with_for_update=True)
        if person.state == "withdrawing":
            raise Refused(409, "withdrawing", "This person withdraws; nothing of theirs is used.")
        known = scripts.versions(place, writing, recording)
        scripts.refuse_older(known, after)
        before = known[-1].script if known else None
        new = scripts.corrected(before, text, (recording.duration_ms or 0) / 1000)
        if before is not None and new.text == before.text:
            raise Refused(409, "same", "The text is the same.")
        version = scripts.add(place, writing, recording, by, new)
        recording.measured = None
        recording.tries = 0
        audit.note(place, writing, f"researcher {by}", "corrected a transcript", person.mark)
    return version.told()


# --- what a model said


def result(place: Place, by: str, recording_id: str) -> dict[str, Any]:
    """What a model said of an answer, with its limits; for researchers only.

    Args:
        place: The study.
        by: The researcher; who looked is kept.
        recording_id: Of which recording.
    """
    with place.database.writing() as writing:
        recording, person = here(place, writing, recording_id)
        audit.note(place, writing, f"researcher {by}", "looked at a result", person.mark)
    kept = place.opened(recording.person, recording.result, result_label(recording.id))
    told = {"measured": None if recording.measured is None else stamp(recording.measured)}
    return told | _with_limits(kept)


def _with_limits(kept: dict[str, Any]) -> dict[str, Any]:
    prediction = kept.get("prediction", {})
    model = kept.get("model", {})
    card = model.get("card", {})
    limits = {
        "population": card.get("population", ""),
        "not_for": card.get("not_for", []),
        "when": kept.get("located", {}).get("reason", ""),
    }
    names = ("status", "reason", "probability", "band_95", "band_95_reason", "meaning")
    return {
        "model": {"name": model.get("name", ""), "variant": model.get("variant", "")},
        "limits": limits,
        "prediction": {name: prediction.get(name) for name in names},
        "cues": kept.get("cues", {}),
        "words": kept.get("words", {}),
        "not_measured": kept.get("not_measured", []),
        "versions": kept.get("provenance", {}).get("versions", {}),
    }
