"""The work of coding one recording: every action is a version on the disk before it is answered, and can
be undone. Coders and the team, who agree on one coding, work in the same way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session as Transaction

from twomind.annotations import Mark, Tier
from twomind.annotations.eaf_read import eaf_from
from twomind.annotations.eaf_write import eaf_text
from twomind.core.errors import BadInput
from twomind.server import audit, coding, coding_media, reviewing, scripts
from twomind.server.coding import Made
from twomind.server.export import ending
from twomind.server.place import Place, stamp
from twomind.server.refused import Refused
from twomind.server.tables import Coding, CodingVersion, Person, Recording

MOST_MARKS = 5000
NO_MARK = -1
#: A mark may end so much after the film, whose last picture has no known length.
_BEYOND_MS = 1000


@dataclass(frozen=True)
class Hand:
    """Whose coding is changed, and by whom.

    Args:
        coder: A coder's id, or :data:`coding.TEAM`.
        by: For the audit log and the version.
        file_name: Under which name a coder's marks stand in files.
    """

    coder: str
    by: str
    file_name: str


@dataclass(frozen=True)
class _Open:
    """One coding in a transaction, alone."""

    place: Place
    transaction: Transaction
    recording: Recording
    person: Person
    coding: Coding
    hand: Hand

    def marks(self, revision: int) -> list[Made]:
        return coding.marks_at(
            self.place, self.transaction, self.recording, self.hand.coder, revision
        )

    def version(self, revision: int) -> CodingVersion | None:
        key = (self.recording.id, self.hand.coder, revision)
        return self.transaction.get(CodingVersion, key)


def _opened(place: Place, writing: Transaction, hand: Hand, recording_id: str) -> _Open:
    recording, person = reviewing.here(place, writing, recording_id)
    # Two tabs that write at once take turns.
    writing.get_one(Person, person.id, with_for_update=True)
    if person.state == "withdrawing":
        raise Refused(409, "withdrawing", "This person withdraws; nothing of theirs is used.")
    found = writing.get(Coding, (recording.id, hand.coder))
    if found is None:
        found = Coding(recording=recording.id, coder=hand.coder, revision=0, done=None)
        writing.add(found)
    return _Open(place, writing, recording, person, found, hand)


def _refuse_older(work: _Open, after: int) -> None:
    if work.coding.done is not None:
        raise Refused(409, "done", "This recording is coded to the end.")
    if work.coding.revision != after:
        raise Refused(
            409,
            "differs",
            "It was changed in another window meanwhile; load it again.",
            revision=work.coding.revision,
        )


def _keep(work: _Open, marks: Sequence[Made], before: int, after: int) -> None:
    """One more version, which counts from now on."""
    revision = work.coding.revision + 1
    label = coding.label_of(work.recording.id, work.hand.coder, revision)
    plain = {"marks": coding.plain(marks)}
    row = CodingVersion(
        recording=work.recording.id,
        coder=work.hand.coder,
        revision=revision,
        at=work.place.now(),
        by=work.hand.by,
        before=before,
        after=after,
        marks=work.place.sealed(work.person.id, plain, label),
    )
    work.transaction.add(row)
    work.coding.revision = revision
    work.transaction.flush()


def _told(work: _Open) -> dict[str, Any]:
    revision = work.coding.revision
    row = work.version(revision)
    done = work.coding.done
    return {
        "revision": revision,
        "marks": coding.plain(work.marks(revision)),
        "may_undo": row is not None and row.before != NO_MARK,
        "may_redo": row is not None and row.after != NO_MARK,
        "done": None if done is None else stamp(done),
    }


# --- what is asked


def state(place: Place, hand: Hand, recording_id: str) -> dict[str, Any]:
    """The marks of one hand and what can be done with them."""
    with place.database.reading() as reading:
        recording, person = reviewing.here(place, reading, recording_id)
        found = reading.get(Coding, (recording_id, hand.coder))
        if found is None:
            found = Coding(recording=recording_id, coder=hand.coder, revision=0, done=None)
        return _told(_Open(place, reading, recording, person, found, hand))


def save(
    place: Place, hand: Hand, recording_id: str, after: int, marks: Sequence[Made]
) -> dict[str, Any]:
    """Keep all marks after one action.

    Args:
        place: The study.
        hand: Whose marks, and who did it.
        recording_id: Of which recording.
        after: The version that was changed.
        marks: All marks, as they are now.

    Raises:
        Refused: It is done, was changed meanwhile, or a mark does not fit.
    """
    with place.database.writing() as writing:
        work = _opened(place, writing, hand, recording_id)
        _refuse_older(work, after)
        _refuse_unfit(work, marks)
        _refuse_twice(work.marks(after), marks)
        _keep(work, _in_order(place, marks), after, NO_MARK)
        return _told(work)


def undo(place: Place, hand: Hand, recording_id: str, after: int) -> dict[str, Any]:
    """Go back to what was before the last action that is not undone yet."""

    def previous(work: _Open, row: CodingVersion) -> tuple[int, int, int]:
        earlier = work.version(row.before)
        return row.before, NO_MARK if earlier is None else earlier.before, row.revision

    return _moved(place, hand, recording_id, after, previous)


def redo(place: Place, hand: Hand, recording_id: str, after: int) -> dict[str, Any]:
    """Do once more what was undone last."""

    def following(work: _Open, row: CodingVersion) -> tuple[int, int, int]:
        later = work.version(row.after)
        return row.after, row.revision, NO_MARK if later is None else later.after

    return _moved(place, hand, recording_id, after, following)


#: Of the version that counts: which one's marks to take, and what undoing and redoing lead to then.
_Move = Callable[[_Open, CodingVersion], tuple[int, int, int]]


def _moved(place: Place, hand: Hand, recording_id: str, after: int, move: _Move) -> dict[str, Any]:
    with place.database.writing() as writing:
        work = _opened(place, writing, hand, recording_id)
        _refuse_older(work, after)
        row = work.version(after)
        if row is not None:
            source, before, redo_to = move(work, row)
            if source != NO_MARK:
                _keep(work, work.marks(source), before, redo_to)
        return _told(work)


def finish(place: Place, hand: Hand, recording_id: str, after: int) -> dict[str, Any]:
    """The recording is coded to the end.

    Raises:
        Refused: Something is missing or contradicts itself.
    """
    with place.database.writing() as writing:
        work = _opened(place, writing, hand, recording_id)
        _refuse_older(work, after)
        _refuse_incomplete(place, work.marks(after))
        if not work.coding.revision:
            _keep(work, [], NO_MARK, NO_MARK)
        work.coding.done = place.now()
        audit.note(place, writing, hand.by, "coded", work.person.mark)
        return _told(work)


def reopen(place: Place, by: str, coder: str, recording_id: str) -> None:
    """Let somebody go on with a recording that was done."""
    with place.database.writing() as writing:
        work = _opened(place, writing, Hand(coder, by, ""), recording_id)
        work.coding.done = None
        audit.note(place, writing, by, f"opened again for {coder}", work.person.mark)


# --- what fits


def _refuse_unfit(work: _Open, marks: Sequence[Made]) -> None:
    length_ms = work.recording.duration_ms
    last_ms = None if not length_ms else length_ms + _BEYOND_MS
    codebook = work.place.codebook
    for number, mark in enumerate(marks):
        where = f"marks.{number}"
        tier = codebook.tier(mark.tier)
        if tier is None:
            raise _unfit("unknown_tier", f"The codebook has no tier {mark.tier!r}.", mark, where)
        if mark.end_ms <= mark.start_ms:
            raise _unfit("no_length", "A mark ends after it begins.", mark, where)
        if last_ms is not None and mark.end_ms > last_ms:
            raise _unfit("beyond", "A mark ends after the recording.", mark, where)
    for tier in codebook.tiers:
        own = [mark for mark in marks if mark.tier == tier.id]
        if tier.kind == "answer" and len(own) > 1:
            raise _unfit("several_answers", "A recording has one answer.", own[1], "marks")


def _refuse_twice(before: Sequence[Made], marks: Sequence[Made]) -> None:
    """No action marks the very same twice; what stands twice already may be mended."""
    earlier = Counter(_what(mark) for mark in before)
    now: Counter[tuple[str, int, int, str]] = Counter()
    for number, mark in enumerate(marks):
        what = _what(mark)
        now[what] += 1
        if now[what] > max(1, earlier[what]):
            raise _unfit("twice", "The same is marked twice.", mark, f"marks.{number}")


def _what(mark: Made) -> tuple[str, int, int, str]:
    return mark.tier, mark.start_ms, mark.end_ms, mark.label


def _unfit(why: str, message: str, mark: Made, where: str) -> Refused:
    """The refusal of a mark; a page says ``why`` in its own language."""
    named = {"why": why, "tier": mark.tier, "label": mark.label, "at_ms": mark.start_ms}
    return Refused(422, "invalid", message, where=where, **named)


def _in_order(place: Place, marks: Sequence[Made]) -> list[Made]:
    places = {tier.id: number for number, tier in enumerate(place.codebook.tiers)}
    return sorted(marks, key=lambda one: (places[one.tier], one.start_ms, one.end_ms, one.label))


def _refuse_incomplete(place: Place, marks: Sequence[Made]) -> None:
    """An answer is there, cues say which, and answer and segments do not contradict each other."""
    present: dict[str, bool] = {}
    for tier in place.codebook.tiers:
        own = [mark for mark in marks if mark.tier == tier.id]
        if tier.kind == "answer":
            if not own:
                missing = "The answer for the whole recording is missing."
                raise Refused(422, "incomplete", missing, why="no_answer")
            present["answer"] = _says_present(own[0])
        elif tier.kind == "ah":
            present["ah"] = any(_says_present(mark) for mark in own)
        elif tier.labels:
            name = next(iter(tier.text.values()), tier.id)
            for mark in own:
                if not mark.label:
                    at = f"{mark.start_ms / 1000:.3f} s"
                    message = f"{name}: the mark at {at} has no label."
                    named = {"why": "no_label", "tier": tier.id, "at_ms": mark.start_ms}
                    raise Refused(422, "incomplete", message, **named)
    if present.get("ah") and present.get("answer") is False:
        raise Refused(422, "contradicts", "The answer says no, and there are segments.")


def _says_present(mark: Made) -> bool:
    return Mark(0, 0, mark.label).present


# --- files of ELAN


def to_eaf(place: Place, hand: Hand, recording_id: str) -> str:
    """The marks of one hand, with the words, as a file of ELAN."""
    with place.database.reading() as reading:
        recording, _person = reviewing.here(place, reading, recording_id)
        found = reading.get(Coding, (recording_id, hand.coder))
        revision = 0 if found is None else found.revision
        marks = coding.marks_at(place, reading, recording, hand.coder, revision)
        words = words_tier(place, reading, recording)
    told = coding.annotations_of(place.codebook, recording, marks, hand.file_name)
    media = f"{recording.id}.{ending(recording.mime)}"
    return eaf_text(coding.with_more(told, words, media), author=hand.file_name)


def words_tier(place: Place, reading: Transaction, recording: Recording) -> tuple[Tier, ...]:
    """The words of the last version of the transcript as a tier; none without a transcript."""
    known = scripts.versions(place, reading, recording)
    if not known:
        return ()
    words = known[-1].script.words
    return (Tier("word", tuple(Mark(one.start_s, one.end_s, one.text) for one in words)),)


def from_eaf(
    place: Place, hand: Hand, recording_id: str, after: int, content: bytes
) -> dict[str, Any]:
    """Take the marks of a file of ELAN in place of those that are there; it can be undone.

    Args:
        place: The study.
        hand: Whose marks.
        recording_id: Of which recording.
        after: The version that they replace.
        content: The file.

    Raises:
        Refused: It is no file of ELAN, is of another recording, or its marks do not fit.
    """
    try:
        found = eaf_from(content, Path("the file.eaf"), coder=hand.file_name)
    except BadInput as error:
        named = {"where": "file", "why": "no_eaf", "details": str(error)}
        raise Refused(422, "invalid", f"{error}.", **named) from error
    if recording_id not in (found.recording, Path(found.media).stem):
        raise Refused(409, "another", "This file is of another recording.")
    marks = coding.marks_of(place.codebook, found, hand.file_name)
    if len(marks) > MOST_MARKS:
        message = f"The file has more than {MOST_MARKS} marks."
        named = {"where": "file", "why": "most_marks", "most": str(MOST_MARKS)}
        raise Refused(422, "invalid", message, **named)
    return save(place, hand, recording_id, after, marks)


# --- the whole page


def page(place: Place, hand: Hand, recording_id: str) -> dict[str, Any]:
    """All that a page needs to code a recording; nothing of who it is, and nobody else's marks.

    Args:
        place: The study.
        hand: Whose marks.
        recording_id: Of which recording.
    """
    with place.database.reading() as reading:
        recording, _person = reviewing.here(place, reading, recording_id)
        known = scripts.versions(place, reading, recording)
    if recording.state == "open":
        raise Refused(409, "open", "This recording is not complete.")
    clip = coding_media.clip(place, recording)
    words = known[-1].script.words if known else ()
    item = place.study.item(recording.item)
    spoken = [{"text": one.text, "start_s": one.start_s, "end_s": one.end_s} for one in words]
    return {
        "id": recording.id,
        "item": recording.item,
        "prompt": {} if item is None else item.text,
        "length_ms": clip.length_ms,
        "times_ms": clip.times_ms,
        "peaks": clip.peaks,
        "peaks_per_s": coding_media.PEAKS_PER_S,
        "words": spoken,
        "coding": state(place, hand, recording_id),
    }
