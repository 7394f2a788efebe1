"""People enrolled in a folder: ``DIR/<person>/profile.json``, and the states that methods saved
beside it.

Enrolling measures clips, checks that they are neutral, and adds them as visits;
:mod:`twomind.pipeline.erasure` removes people. Which consent there is, is not known here and not
invented.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from twomind.core import names
from twomind.core.errors import BadInput
from twomind.core.store import Store
from twomind.features.describe import ASK_WHO, Description, Settings, describe
from twomind.features.neutral_check import (
    NeutralLimits,
    advice,
    doubts,
    measure_clip,
    remarks,
)
from twomind.features.profile import (
    Profile,
    Visit,
    face_neutral,
    read_profile,
    voice_neutral,
    words_neutral,
    write_profile,
)
from twomind.media.recording import open_recording
from twomind.pipeline.kept_states import kept_below, look_below
from twomind.types import Progress

_NAME = re.compile(r"\w[\w.-]*")
_SHA256 = re.compile("[0-9a-f]{64}")


def of_study(profiles: Path, study: str) -> Path:
    """Where the people of a study lie: below ``@<study>``, which nobody can be called; of no study,
    ``profiles``.
    """
    return profiles / f"@{study}" if study else profiles


def studies(profiles: Path) -> list[str]:
    """Studies that have a folder of their own there."""
    return sorted(p.name[1:] for p in profiles.glob("@*") if p.is_dir())


def is_name(person: str) -> bool:
    """Whether somebody can be enrolled under this name."""
    return _NAME.fullmatch(person) is not None and not names.problem(person)


def folder_of(profiles: Path, person: str) -> Path:
    """Where everything about one person lies.

    Raises:
        BadInput: the name cannot be a folder's.
    """
    if not is_name(person):
        raise BadInput(
            f"person {person!r}: expected a pseudonym of letters, digits, '_', '-' and '.', as in "
            "P017"
        )
    return profiles / person


def path_of(profiles: Path, person: str) -> Path:
    return folder_of(profiles, person) / "profile.json"


def state_path(profiles: Path, person: str, name: str) -> Path:
    """Where a method's saved state of a person belongs, so that erasing finds it."""
    if not is_name(name):
        raise BadInput(f"state {name!r}: expected letters, digits, '_', '-' and '.'")
    return folder_of(profiles, person) / "states" / f"{name}.safetensors"


def load(profiles: Path, person: str) -> Profile:
    """An enrolled person's profile.

    Raises:
        BadInput: nobody of that name is enrolled there; the message says who is.
    """
    path = path_of(profiles, person)
    if path.is_file():
        return read_profile(path)
    known = ", ".join(people(profiles)) or "nobody"
    there = [s for s in studies(profiles) if path_of(of_study(profiles, s), person).is_file()]
    hint = f", or name the study ({', '.join(there)}) with --study" if there else ""
    raise BadInput(
        f"{person!r} is not enrolled in {profiles} (enrolled: {known}); see `twomind enrol`{hint}"
    )


def _refuse_other_spelling(profiles: Path, person: str) -> None:
    """One person has one spelling: `p1` beside `P1` is one folder on some systems, and two people
    on others.

    Raises:
        BadInput: somebody is enrolled under another spelling of the name.
    """
    for known in people(profiles):
        if known != person and names.same(known) == names.same(person):
            raise BadInput(
                f"person {person!r}: {known!r} is enrolled in {profiles}, and names that differ in "
                "capitals or accents alone count as one; write it so, or use another pseudonym"
            )


def people(profiles: Path) -> list[str]:
    """Everybody enrolled in a folder."""
    return sorted(p.parent.name for p in profiles.glob("*/profile.json"))


@dataclass(frozen=True)
class Checked:
    """One clip as measured, why it is not neutral, and what there is to know besides."""

    clip: Path
    made: Description
    measured: dict[str, float]
    doubts: tuple[str, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clips:
    """How neutral clips are taken.

    ``spoken``: the person talks in them, so that voice and words count too. ``force`` keeps a clip
    that does not look neutral, marked as such. ``limits`` says when one does. ``speaker`` is who the
    person is in the transcripts of clips in which several people speak.
    """

    spoken: bool = False
    force: bool = False
    limits: NeutralLimits | None = None
    settings: Settings | None = None
    speaker: str | None = None


def check_clip(
    clip: Path,
    store: Store,
    how: Clips | None = None,
    person: str | None = None,
    progress: Progress | None = None,
) -> Checked:
    """Measure a clip, and say what speaks against its being neutral.

    Args:
        clip: the media file.
        store: computed features.
        how: how clips are taken.
        person: whose it is, if that is known.
        progress: is told how far the measuring is.

    Raises:
        BadInput: the file cannot be read.
    """
    how = how or Clips()
    recording = open_recording(clip, subject=person, speaker=how.speaker)
    made = describe(recording, store=store, settings=how.settings, progress=progress)
    measured = measure_clip(made.features.tracks.get("face"), made.voice)
    against = doubts(measured, how.limits, how.spoken)
    besides = remarks(measured, how.limits, how.spoken)
    if how.spoken and ASK_WHO in recording.words_reason:
        against = (*against, f"the voice is that of {recording.words_reason}")
    return Checked(clip, made, measured, against, besides)


def visit_of(checked: Checked, spoken: bool) -> Visit:
    """The clip as a visit: its statistics by modality, empty ones left out."""
    made = checked.made
    stats = _statistics(made, spoken)
    return Visit(
        content=made.content,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        stats={name: rows for name, rows in stats.items() if rows},
        spoken=spoken,
        doubts=checked.doubts,
        entries=made.entries,
        drawn=made.recording.drawn,
        speech_detector=made.features.speech_detector,
        face_backend=made.features.face_backend,
    )


def _statistics(made: Description, spoken: bool) -> dict[str, Any]:
    tracks = made.features.tracks
    found: dict[str, Any] = {"face": {}, "voice": {}, "words": {}}
    if "face" in tracks:
        found["face"] = face_neutral(tracks["face"])
    if not spoken:
        # What is heard in a clip that should be silent is not how the person talks.
        return found
    if "voice" in tracks:
        found["voice"] = voice_neutral(tracks["voice"], made.voice)
    found["words"] = words_neutral(made.features.words or ())
    return found


def enrol(
    profiles: Path,
    person: str,
    clips: Sequence[Path],
    store: Store,
    how: Clips | None = None,
    progress: Progress | None = None,
) -> tuple[Profile, list[Checked]]:
    """Add neutral clips to a person's profile; all or none.

    Args:
        profiles: folder of the study's enrolled people.
        person: a pseudonym.
        clips: media files; each is one visit.
        store: computed features.
        how: how clips are taken.
        progress: is told how far the measuring is.

    Returns:
        The profile, and each clip as measured.

    Raises:
        BadInput: a clip is not neutral (and not ``how.force``), nothing of it can be measured, or
            the person is enrolled under another spelling; nothing is written.
    """
    path = path_of(profiles, person)
    _refuse_other_spelling(profiles, person)
    how = how or Clips()
    if not clips:
        raise BadInput("give at least one neutral clip of the person")
    checked = [check_clip(clip, store, how, person, progress) for clip in clips]
    if not how.force:
        _refuse_not_neutral(checked, how)
    visits = {c.made.content: visit_of(c, how.spoken) for c in checked}
    empty = [str(c.clip) for c in checked if not visits[c.made.content].stats]
    if empty:
        raise BadInput(
            f"{', '.join(empty)}: nothing of the person could be measured; a profile cannot be "
            "made of it"
        )
    profile = Profile(person, tuple(visits.values()))
    if path.is_file():
        profile = read_profile(path).merged(profile)
    write_profile(profile, path)
    look_below([profiles], store)
    return profile, checked


def _refuse_not_neutral(checked: Sequence[Checked], how: Clips) -> None:
    refused = [c for c in checked if c.doubts]
    if not refused:
        return
    lines: list[str] = []
    told: list[str] = []
    for c in refused:
        lines += [f"{c.clip}: {reason}" for reason in c.doubts]
        told += c.doubts
    lines += ["What to change:", *(f"  {text}" for text in advice(told))]
    if not how.spoken and not any(doubts(c.measured, how.limits, True) for c in refused):
        lines.append("  or, if the person answers a neutral question here: add --spoken")
    listed = "\n".join(lines)
    raise BadInput(
        f"expected a neutral clip, {len(refused)} of {len(checked)} is none; nothing was "
        "enrolled. Record it anew, or keep it with --force, marked as not neutral:\n"
        f"{listed}"
    )


def import_profile(profiles: Path, source: Path, person: str) -> Profile:
    """Take in an exported profile, merged with what is there of the person.

    Raises:
        BadInput: it is not a profile, or of another person, or a visit in it cannot be one; what is
            there of the person stays as it was.
    """
    found = read_profile(source)
    if found.person != person:
        raise BadInput(
            f"{source}: expected the profile of {person!r}, got that of {found.person!r}"
        )
    _refuse_odd_visits(found, source)
    path = path_of(profiles, person)
    _refuse_other_spelling(profiles, person)
    merged = read_profile(path).merged(found) if path.is_file() else found
    write_profile(merged, path)
    return merged


def _refuse_odd_visits(profile: Profile, source: Path) -> None:
    """Refuse visits that `twomind enrol` cannot have made.

    Raises:
        BadInput: no visit, one that is not named by a SHA-256, or one without a date or of a day
            that has not come yet.
    """
    if not profile.visits:
        raise BadInput(f"{source}: the profile holds no visit, so there is nothing to take in")
    # A clock may be another time zone's.
    latest = datetime.now(UTC) + timedelta(days=1)
    for visit in profile.visits:
        if not _SHA256.fullmatch(visit.content):
            raise BadInput(
                f"{source}: visit {visit.id!r}: expected the SHA-256 of a clip, 64 digits from 0 "
                f"to f; got {len(visit.content)} characters"
            )
        if _moment(visit, source) > latest:
            raise BadInput(
                f"{source}: visit {visit.id} was made on {visit.made}, a day that has not come "
                "yet; look at the clock of the machine that made it, and at this one's"
            )


def _moment(visit: Visit, source: Path) -> datetime:
    """When a visit was made."""
    try:
        moment = datetime.fromisoformat(visit.made)
    except ValueError as error:
        raise BadInput(
            f"{source}: visit {visit.id}: expected a date such as 2026-01-31, got {visit.made!r}"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _states(profiles: Path, person: str, study: str) -> list[Path]:
    """Saved states in the person's folder, and those elsewhere below ``profiles`` whose meta names
    the person.
    """
    own = folder_of(profiles, person)
    named = [k.path for k in kept_below([profiles]) if k.names(person, study)]
    return sorted({*named, *(p.resolve() for p in own.rglob("*.safetensors"))})


def stored(profile: Profile, profiles: Path, study: str = "") -> dict[str, Any]:
    """What is kept of a person, in plain values, for them to read.

    Args:
        profile: the person's.
        profiles: the folder of the study's people.
        study: its name.
    """
    states = _states(profiles, profile.person, study)
    neutral = {}
    for modality in ("face", "voice", "words"):
        rows = _neutral_rows(profile, modality)
        if rows:
            neutral[modality] = rows
    return {
        "person": profile.person,
        "study": study,
        "file": path_of(profiles, profile.person),
        "states": [path.name for path in states],
        "visits": [_visit_row(visit) for visit in profile.visits],
        "neutral": neutral,
    }


def _visit_row(visit: Visit) -> dict[str, Any]:
    return {
        "id": visit.id,
        "made": visit.made,
        "spoken": visit.spoken,
        "drawn": visit.drawn,
        "not_neutral": list(visit.doubts),
        "seconds": {name: round(visit.seconds(name), 2) for name in visit.stats},
        "measures": {name: len(rows) for name, rows in visit.stats.items()},
    }


def _neutral_rows(profile: Profile, modality: str) -> dict[str, dict[str, Any]]:
    """Each measure at rest, and how far it lies apart between visits."""
    found = {}
    for name, neutral in profile.neutral(modality).items():
        between = profile.between(modality)[name]
        found[name] = {**asdict(neutral), "between_visits": between}
    return found
