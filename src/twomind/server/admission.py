"""Who may code: coders code gold clips first, and are let in once they agree with them well enough.

A gold clip is a recording whose agreed coding is the measure. Those that coders practise on are the first
ones of the study; the others stand unseen among the rest and show whether somebody drifts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session as Transaction

from twomind.server import audit, coding, reviewing
from twomind.server.coding_agreement import agreement_of
from twomind.server.place import Place, stamp
from twomind.server.refused import Refused, not_found
from twomind.server.tables import Audit, Coder, Coding, Gold

#: What the audit log says of a coder.
_LET_IN = "admitted a coder"
_SENT_BACK = "admission taken back"


def gold(reading: Transaction) -> list[str]:
    """Gold clips, those that were made so first at the beginning."""
    return list(reading.scalars(select(Gold.recording).order_by(Gold.at, Gold.recording)))


def practice(place: Place, reading: Transaction) -> list[str]:
    """The gold clips that decide on admission; none while there are too few, or nobody is tested."""
    wanted = place.codebook.admission
    found = gold(reading)
    if wanted is None or len(found) < wanted.clips:
        return []
    return found[: wanted.clips]


def is_in(place: Place, reading: Transaction, coder: Coder) -> bool:
    """Whether a coder may code what is assigned to them."""
    return coder.admitted is not None or not practice(place, reading)


def make_gold(place: Place, by: str, recording_id: str) -> None:
    """Make a recording a measure of coders.

    Raises:
        Refused: The team has not agreed on its coding.
    """
    with place.database.writing() as writing:
        recording, person = reviewing.here(place, writing, recording_id)
        agreed = writing.get(Coding, (recording.id, coding.TEAM))
        if agreed is None or agreed.done is None:
            raise Refused(409, "not_agreed", "Finish the agreed coding of this recording first.")
        if writing.get(Gold, recording.id) is None:
            writing.add(Gold(recording=recording.id, at=place.now(), by=by))
            audit.note(place, writing, f"researcher {by}", "made gold", person.mark)
    judge_all(place)


def drop_gold(place: Place, by: str, recording_id: str) -> None:
    """Take a recording out of the gold clips that coders are measured by."""
    with place.database.writing() as writing:
        found = writing.get(Gold, recording_id)
        if found is None:
            raise not_found()
        _recording, person = reviewing.here(place, writing, recording_id)
        writing.delete(found)
        audit.note(place, writing, f"researcher {by}", "no longer gold", person.mark)
    judge_all(place)


@dataclass(frozen=True)
class Measured:
    """How a coder agrees with gold clips: kappa over all of their frames, nan where not defined."""

    clips: int
    kappa: float


def measured(place: Place, coder_id: str, clips: list[str]) -> Measured:
    """How a coder agrees with the agreed coding of clips that they have done.

    Args:
        place: The study.
        coder_id: Who.
        clips: Which.
    """
    with place.database.reading() as reading:
        name = coding.pseudonyms(reading).get(coder_id, "")
    theirs = [one for one in coding.coded(place) if one.recording in clips]
    # The team may have opened its own coding again.
    agreed = {one.recording for one in theirs if one.coder == coding.TEAM}
    done = {one.recording for one in theirs if one.coder == name and one.recording in agreed}
    pairs = [one for one in theirs if one.recording in done and one.coder in (name, coding.TEAM)]
    if not done:
        return Measured(0, math.nan)
    found = agreement_of(place, pairs, n_bootstrap=0)
    (pair,) = found["pairs"]
    return Measured(len(done), float(pair.get("kappa", math.nan)))


def standing(place: Place, coder_id: str) -> dict[str, Any]:
    """How far somebody is with their admission; kappa is told when all clips are done."""
    with place.database.reading() as reading:
        coder = reading.get_one(Coder, coder_id)
        clips = practice(place, reading)
        inside = is_in(place, reading, coder)
    wanted = place.codebook.admission
    if inside or wanted is None:
        return {"admitted": True}
    found = measured(place, coder_id, clips)
    whole = found.clips == len(clips)
    kappa = None if not whole or math.isnan(found.kappa) else found.kappa
    return {
        "admitted": False,
        "clips": len(clips),
        "done": found.clips,
        "needed": wanted.kappa,
        "kappa": kappa,
    }


def judge(place: Place, coder_id: str) -> None:
    """Let a coder in who has done the gold clips well enough."""
    with place.database.reading() as reading:
        clips = practice(place, reading)
        coder = reading.get_one(Coder, coder_id)
    wanted = place.codebook.admission
    if wanted is None or not clips or coder.admitted is not None:
        return
    found = measured(place, coder_id, clips)
    if found.clips == len(clips) and found.kappa >= wanted.kappa:
        admit(place, "server", coder_id, True)


def judge_all(place: Place) -> None:
    """The same for every coder: what they are measured by has changed. Whom a researcher sent back
    comes in by what they code, not by what the team does.
    """
    with place.database.reading() as reading:
        coders = list(reading.scalars(select(Coder.id).where(Coder.revoked.is_(False))))
        waiting = [coder_id for coder_id in coders if not _was_sent_back(reading, coder_id)]
    for coder_id in waiting:
        judge(place, coder_id)


def _was_sent_back(reading: Transaction, coder_id: str) -> bool:
    """Whether the last that was decided about a coder is that they go back to the gold clips."""
    lines = select(Audit.what).where(Audit.about == coder_id, Audit.what.in_((_LET_IN, _SENT_BACK)))
    last = reading.scalars(lines.order_by(Audit.id.desc()).limit(1)).first()
    return last == _SENT_BACK


def admit(place: Place, by: str, coder_id: str, yes: bool) -> None:
    """Let a coder in, or back to the gold clips.

    Args:
        place: The study.
        by: For the audit log.
        coder_id: Who.
        yes: In, or out.
    """
    with place.database.writing() as writing:
        coder = writing.get(Coder, coder_id)
        if coder is None or coder.revoked:
            raise not_found()
        coder.admitted = place.now() if yes else None
        audit.note(place, writing, by, _LET_IN if yes else _SENT_BACK, coder_id)


def drift(place: Place, coder_id: str) -> list[dict[str, Any]]:
    """Each gold clip that a coder has done, in the order of time, with kappa on it alone."""
    with place.database.reading() as reading:
        clips = gold(reading)
        own = select(Coding).where(Coding.coder == coder_id, Coding.done.is_not(None))
        done = {one.recording: one.done for one in reading.scalars(own.order_by(Coding.done))}
    told = []
    for recording, at in done.items():
        if recording not in clips or at is None:
            continue
        kappa = measured(place, coder_id, [recording]).kappa
        shown = None if math.isnan(kappa) else kappa
        told.append({"recording": recording, "at": stamp(at), "kappa": shown})
    return told
