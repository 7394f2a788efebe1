"""Describe: a :class:`~twomind.types.Recording` → face, voice and word measures, and the cues a
coder would mark.

One pass over the media feeds everything that is not yet in the store; a second call with the same
bytes and settings reads it back. A modality that cannot be measured is absent with a reason in
``features.notes``; the others go on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.files import unchanged
from twomind.core.store import Store, content_hash, default_root
from twomind.features import profile as profiles
from twomind.features.body.cues import body_cues
from twomind.features.body.reader import of_the_face
from twomind.features.cues import CueSettings, doubtful_cues, doubtful_pace, find_cues, in_order
from twomind.features.entries import (
    keys_of,
    seen_entry,
    seen_from,
    voice_entry,
    voice_from,
    with_detector,
    words_entry,
    words_from,
)
from twomind.features.face.measures import ABSOLUTE
from twomind.features.face.reader import relative
from twomind.features.face.rest import Rest, estimate_rest
from twomind.features.inconsistency import inconsistencies
from twomind.features.one_pass import (
    Pass,
    Wanted,
    is_aligned,
    joined,
    on_alignment,
    on_recogniser,
    others_of,
    run_pass,
)
from twomind.features.own_stream import OwnStream, less_earlier
from twomind.features.profile import Profile
from twomind.features.settings import Settings
from twomind.features.voice.by_words import by_words, of_the_sound
from twomind.features.voice.unworded import ERASED, WITHOUT_WORDS
from twomind.features.words import text
from twomind.media import stream as clock
from twomind.media.recording import describe_timing
from twomind.transcripts.language import is_measured, only_english
from twomind.transcripts.plausible import fit_words
from twomind.transcripts.words import Words
from twomind.types import Cue, Features, Progress, Recording, Timing, Track, Word
from twomind.types.plain import ToDict

__all__ = ["ASK_WHO", "MODALITIES", "Description", "Settings", "describe"]

#: Modality → measure → value, neutral, relative.
WholeAnswer = Mapping[str, Mapping[str, Mapping[str, float]]]
#: The words of an answer; None where they are not known.
Said = tuple[Word, ...] | None

MODALITIES = ("face", "voice", "words")
#: How the reason ends where a transcript names several people and none was chosen.
ASK_WHO = "say which with --speaker"


@dataclass(frozen=True)
class Description(ToDict):
    """What :func:`describe` found.

    Args:
        recording: the one that was given, with duration and words completed.
        features: the tracks ``face`` and ``face_relative`` (a row per decoded frame), ``voice`` (a row per
            10 ms), ``words`` (a row per word) and, where the settings ask for it, ``body`` (a row per frame
            that was looked at), as far as they could be measured; ``features.notes`` says why one is
            missing. With a profile that has the voice there is ``voice_relative`` too.
        cues: what a coder would mark, with times.
        neutral: what the relative values of the face are relative to.
        media: what the decoder met.
        face: a summary, as plain values.
        voice: a summary, as plain values.
        content: SHA-256 of the file.
        body: a summary, as plain values, where it was asked for.
        voice_neutral: what the relative values of the voice are relative to.
        relative: whole-answer measures of voice and words: modality, measure, and its value, neutral and
            relative value.
        entries: the store's (kind, key) that this came from.

    Example:
        >>> import wave
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import twomind as tm
        >>> with TemporaryDirectory() as folder:
        ...     with wave.open(str(Path(folder) / "a1.wav"), "wb") as out:
        ...         out.setparams((1, 2, 16000, 0, "NONE", ""))
        ...         out.writeframes(bytes(2 * 16000))
        ...     found = tm.describe(Path(folder) / "a1.wav", ("voice", "words"), store=folder)
        >>> found.recording.duration_s, sorted(found.features.tracks)
        (1.0, ['voice'])
    """

    recording: Recording
    features: Features
    cues: tuple[Cue, ...]
    neutral: str
    media: Mapping[str, Any]
    face: Mapping[str, Any]
    voice: Mapping[str, Any]
    content: str
    body: Mapping[str, Any] = field(default_factory=dict)
    voice_neutral: str = ""
    relative: WholeAnswer = field(default_factory=dict)
    entries: tuple[tuple[str, str], ...] = ()


def describe(
    recording: Recording,
    using: tuple[str, ...] = MODALITIES,
    *,
    hop_s: float | None = None,
    store: Store | None = None,
    settings: Settings | None = None,
    neutral: Recording | None = None,
    profile: Profile | None = None,
    stream: OwnStream | None = None,
    progress: Progress | None = None,
) -> Description:
    """Measure one recording; what the store holds already is not measured again.

    Without a neutral clip and without a profile, relative values are against the recording's own
    median.

    Args:
        recording: what to measure.
        using: the modalities, some of :data:`MODALITIES`.
        hop_s: puts all tracks on one grid of this step in seconds; None keeps each on its own
            clock.
        store: of measured features; without it the user's own.
        settings: how to describe.
        neutral: a neutral clip of the same person.
        profile: what enrolment made of such clips.
        stream: the person's recordings before this one. The tracks ``face_stream`` and
            ``voice_stream`` are then relative to their running median.
        progress: is told how far the pass has come.

    Returns:
        What was measured; ``features.notes`` says why a modality is absent.

    Raises:
        BadInput: nothing of the media file can be decoded, ``using`` names an unknown modality, or
            both a neutral clip and a profile are given.

    Example:
        >>> import wave
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.core.store import Store
        >>> from twomind.features.describe import describe
        >>> from twomind.media.recording import open_recording
        >>> with TemporaryDirectory() as folder:
        ...     with wave.open(str(Path(folder) / "a1.wav"), "wb") as out:
        ...         out.setparams((1, 2, 16000, 0, "NONE", ""))
        ...         out.writeframes(bytes(2 * 16000))
        ...     found = describe(
        ...         open_recording(Path(folder) / "a1.wav"), ("voice", "words"), store=Store(Path(folder))
        ...     )
        >>> found.features.notes["words"]
        'no transcript was given'
    """
    _check_wish(using, neutral, profile)
    store = store or Store(default_root())
    settings = settings or Settings()
    content = content_hash(recording.media)
    store.note(recording.subject, content)
    made = _measure(recording, content, using, store, settings, progress)
    _check_decoded(recording, made)
    neutral_face = _wanted_neutral(neutral, recording, using, store, settings)
    against = Against(neutral_face, profile)
    if stream is not None:
        earlier = stream
        against = replace(
            against, more=lambda tracks: _stream_tracks(tracks, earlier, store, settings)
        )
    if "words" in using:
        told = (*recording.words_remarks, *on_recogniser(recording, settings))
        recording = replace(recording, words_remarks=told)
    measured = Measured(recording, made, using, content)
    return described(measured, against, settings, hop_s)


@dataclass(frozen=True)
class Measured:
    """What was measured of a recording, and what was asked for; ``content`` is the hash of its
    bytes.
    """

    recording: Recording
    made: Pass
    using: tuple[str, ...]
    content: str = ""


@dataclass(frozen=True)
class Against:
    """What values are relative to: rows of a neutral face, or a profile; ``more`` makes further
    tracks of those that there are.
    """

    neutral: Track | None = None
    profile: Profile | None = None
    more: Callable[[Mapping[str, Track]], Mapping[str, Track]] | None = None


def described(
    measured: Measured, against: Against, settings: Settings, hop_s: float | None = None
) -> Description:
    """Tracks, cues and words of what was measured, however it came in: from a file or live.

    Args:
        measured: the recording and what the pass over it made.
        against: what values are relative to.
        settings: how to describe.
        hop_s: puts all tracks on one grid of this step in seconds.
    """
    recording, made, using = measured.recording, measured.made, measured.using
    neutral_face, profile = against.neutral, against.profile
    was_given = recording.words is not None
    told_of_times = (*recording.words_remarks, *on_alignment(recording, settings))
    recording = replace(recording, words_remarks=told_of_times)
    recording = _complete(recording, made)
    _remark_on_voice(made, _of_everybody(recording))
    profile = _comparable(profile, made, settings)
    words = _wanted_words(recording, using, made)
    tracks, named, voice_named = _tracks(made, words, neutral_face, profile)
    if against.more is not None:
        tracks |= against.more(tracks)
    rest = None
    at_rest = tracks.get("face_relative")
    if neutral_face is None and not _is_known(profile):
        at_rest = None
        rest = _resting(made, recording.drawn, settings.cues)
    _tell_pauses(made, words, settings.voice.min_pause_s)
    voice = made.voice[0] if made.voice else None
    if voice is not None and not is_measured(recording.language):
        voice = replace(voice, front=())
    recognised = made.words is not None and not was_given
    face = tracks.get("face")
    _tell_pace(made, settings.cues)
    cues = find_cues(face, at_rest, voice, words, settings.cues, recognised, rest)
    cues = _with_more(cues, tracks, words, settings.cues)
    if recognised and words is not None:
        _tell_erased(made, cues)
    features = _features(recording, tracks, words, made, settings)
    if hop_s:
        features = features.on_grid(hop_s)
    whole_answer = _whole_answer(made, words, profile)
    return Description(
        recording=recording,
        features=features,
        cues=cues,
        neutral=named,
        media=made.media,
        face=made.face_summary,
        voice=made.voice_summary,
        body=made.body_summary,
        content=measured.content,
        voice_neutral=voice_named,
        relative=whole_answer,
        entries=made.entries,
    )


def _comparable(profile: Profile | None, made: Pass, settings: Settings) -> Profile | None:
    """The profile without what was measured otherwise than this recording; the summaries say it."""
    if profile is not None and made.voice:
        profile, told = profile.comparable(made.voice_summary["vad"])
        _remark_on_voice(made, told)
    if profile is not None and made.face:
        profile, told = profile.comparable_face(settings.face.backend)
        _remark_on_face(made, told)
    return profile


def _with_more(
    cues: tuple[Cue, ...], tracks: Mapping[str, Track], words: Said, settings: CueSettings
) -> tuple[Cue, ...]:
    """The cues with those of the body, and with those that stand on two of them."""
    if "body" in tracks:
        cues = in_order((*cues, *body_cues(tracks["body"], settings.body)))
    if words:
        across = inconsistencies(cues, words, settings.inconsistency)
        cues = in_order((*cues, *across))
    return cues


def _wanted_words(recording: Recording, using: tuple[str, ...], made: Pass) -> Said:
    """The words that are to be measured; where there are none, the notes say why."""
    if "words" not in using:
        return None
    words, why_not = _measurable(recording)
    if why_not:
        _note_words(made, recording, why_not)
    return words


def _wanted_neutral(
    neutral: Recording | None,
    recording: Recording,
    using: tuple[str, ...],
    store: Store,
    settings: Settings,
) -> Track | None:
    """The neutral face that values are relative to, where one was given."""
    if neutral is None or "face" not in using:
        return None
    return _neutral_face(neutral, recording.subject, store, settings)


def _check_decoded(recording: Recording, made: Pass) -> None:
    if not made.media.get("n_frames") and not made.media.get("n_samples"):
        raise BadInput(
            f"{recording.media}: neither a frame nor sound could be decoded; the file is cut or "
            "damaged"
        )


def _is_known(profile: Profile | None) -> bool:
    """Does the profile hold the person's neutral face?"""
    return profile is not None and bool(profile.neutral("face"))


def _resting(made: Pass, drawn: bool, settings: CueSettings) -> Rest | None:
    """The resting face that cues are relative to; the summary says how sure it is."""
    if made.face is None:
        return None
    face, summary = made.face
    rest = estimate_rest(face, drawn)
    doubts = doubtful_cues(rest, settings)
    told = {**rest.plain(), "doubtful_cues": doubts}
    made.face = (face, {**summary, "rest": told})
    return rest


def _check_wish(using: tuple[str, ...], neutral: Recording | None, profile: Profile | None) -> None:
    if neutral is not None and profile is not None:
        raise BadInput(
            "expected a neutral clip or a profile, got both; enrol the clip to add it to the "
            "profile"
        )
    unknown = sorted(set(using) - set(MODALITIES))
    if unknown:
        raise BadInput(
            f"unknown modality {', '.join(unknown)}; expected some of {', '.join(MODALITIES)}"
        )


def _tracks(
    made: Pass,
    words: Said,
    neutral_face: Track | None,
    profile: Profile | None,
) -> tuple[dict[str, Track], str, str]:
    """All tracks by name, and what the face and the voice are relative to."""
    tracks: dict[str, Track] = {}
    face_named = voice_named = ""
    if made.face:
        face, _ = made.face
        own, face_named = relative(face, neutral_face)
        if profile is not None:
            own, face_named = _against(profile, made, own, face_named)
        tracks["face"] = face
        tracks["face_relative"] = own
    if made.body:
        tracks["body"] = _of_the_person(made)
    if made.voice:
        result, _ = made.voice
        tracks["voice"] = result.track
        rest = profile.neutral("voice") if profile is not None else {}
        if profile is not None and rest:
            raw = ("speech", "syllable")
            tracks["voice_relative"] = profiles.relative_to(result.track, rest, raw)
            voice_named = profile.named("voice")
    if words is not None:
        tracks["words"] = text.describe_words(words)
    return tracks, face_named, voice_named


def _of_the_person(made: Pass) -> Track:
    """The body, where it is known to be that of the person: their face is seen at the time, and
    nobody else's ever.
    """
    assert made.body is not None
    body, _ = made.body
    if made.face is None:
        return body
    face, summary = made.face
    return of_the_face(body, face, int(summary.get("max_people", 1)))


#: Tracks that a stream of recordings is compared by, with the columns that stay raw.
_STREAMED = {"face": ABSOLUTE, "voice": ("speech", "syllable")}


def _stream_tracks(
    tracks: Mapping[str, Track], stream: OwnStream, store: Store, settings: Settings
) -> dict[str, Track]:
    """Tracks relative to the person's recordings before this one; what cannot be measured in one
    of them does not count there.
    """
    earlier: dict[str, list[Track]] = {}
    using = tuple(name for name in _STREAMED if name in tracks)
    for recording in stream.before:
        content = content_hash(recording.media)
        store.note(recording.subject, content)
        made = _measure(recording, content, using, store, settings, None)
        if made.face is not None:
            earlier.setdefault("face", []).append(made.face[0])
        if made.voice is not None:
            voice, _ = made.voice
            earlier.setdefault("voice", []).append(_while_speaking(voice.track))
    found = {}
    for name in using:
        before = earlier.get(name, [])
        found[f"{name}_stream"] = less_earlier(tracks[name], before, _STREAMED[name])
    return found


def _while_speaking(voice: Track) -> Track:
    """The voice with the rows of speech alone valid."""
    return replace(voice, valid=voice.valid & (voice.column("speech") == 1))


def _features(
    recording: Recording,
    tracks: dict[str, Track],
    words: Said,
    made: Pass,
    settings: Settings,
) -> Features:
    duration_s = 0.0 if math.isnan(recording.duration_s) else recording.duration_s
    span_s = (0.0, duration_s)
    return Features(
        recording=recording.id,
        subject=recording.subject,
        tracks=tracks,
        span_s=span_s,
        question=recording.question,
        words=words,
        notes=made.notes,
        drawn=recording.drawn,
        speech_detector=made.voice_summary.get("vad", ""),
        face_backend=settings.face.backend if made.face else "",
    )


def _against(profile: Profile, made: Pass, own: Track, own_name: str) -> tuple[Track, str]:
    """The face relative to the profile; to its own median, and called so, where the profile has no
    face, or only one that another back end measured.
    """
    assert made.face is not None
    face, summary = made.face
    rest = profile.neutral("face")
    if not rest:
        remarks = summary.get("remarks") or [f"no face in the profile of {profile.person}"]
        return own, f"{own_name} ({remarks[-1]})"
    return profiles.relative_to(face, rest), profile.named("face")


def _whole_answer(made: Pass, words: Said, profile: Profile | None) -> WholeAnswer:
    """Whole-answer measures of voice and words beside the person's neutral ones."""
    if profile is None:
        return {}
    measured = {}
    if made.voice:
        result, summary = made.voice
        measured["voice"] = profiles.voice_neutral(result.track, summary)
    if words:
        measured["words"] = profiles.words_neutral(words)
    found = {}
    for modality, values in measured.items():
        rows = profiles.answer_relative(values, profile.neutral(modality))
        if rows:
            found[modality] = rows
    return found


def _of_everybody(recording: Recording) -> str:
    """What to say of a voice that may be of several people; empty where one is known."""
    if recording.words is None and ASK_WHO in recording.words_reason:
        return (
            "measured on all speakers: the transcript names several people, and none was chosen; "
            "say which with --speaker"
        )
    if recording.others and not others_of(recording):
        return (
            "measured on all speakers: the transcript has no times, so it is not known when "
            "other people speak"
        )
    return ""


def _remark_on_voice(made: Pass, remark: str) -> None:
    """Say it beside the measures of the voice, where there are any."""
    if made.voice is None or not remark:
        return
    result, summary = made.voice
    made.voice = (result, {**summary, "remarks": [*summary["remarks"], remark]})


def _remark_on_face(made: Pass, remark: str) -> None:
    """Say it beside the measures of the face, where there are any."""
    if made.face is None or not remark:
        return
    track, summary = made.face
    made.face = (track, {**summary, "remarks": [*summary.get("remarks", []), remark]})


def _tell_pauses(made: Pass, words: Said, min_pause_s: float) -> None:
    """The voice's pauses go by the times of the words, where these can tell; the summary says by
    what they go.
    """
    if made.voice is not None:
        voice, summary = made.voice
        pauses, told = by_words(voice.track, of_the_sound(summary), words, min_pause_s)
        if pauses is not None:
            voice = replace(voice, pauses=pauses)
        made.voice = (voice, told)


def _tell_pace(made: Pass, settings: CueSettings) -> None:
    """The voice's summary says which cues of pace were not looked for."""
    if made.voice is not None:
        voice, summary = made.voice
        made.voice = (voice, {**summary, "doubtful_cues": doubtful_pace(voice, settings)})


def _tell_erased(made: Pass, cues: tuple[Cue, ...]) -> None:
    """The voice's summary says for how long somebody spoke where the recogniser wrote nothing."""
    if made.voice is None:
        return
    result, summary = made.voice
    erased_s = sum(cue.value for cue in cues if cue.kind == WITHOUT_WORDS)
    made.voice = (result, {**summary, ERASED: round(erased_s, 3)})


def _complete(recording: Recording, made: Pass) -> Recording:
    """Fill in what only the pass could tell: the duration, recognised words, words spread over the
    real duration.
    """
    duration_s = made.media.get("duration_s", math.nan)
    was_known = math.isfinite(recording.duration_s)
    if math.isfinite(duration_s):
        recording = replace(recording, duration_s=float(duration_s))
    if made.words is not None:
        recording = _with_words(recording, made.words)
    words = recording.words
    known_s = math.isfinite(recording.duration_s)
    spread = bool(words) and all(word.timing is Timing.SPREAD_ALL for word in words or ())
    if words and spread and known_s:
        recording = replace(recording, words=_spread(words, recording.duration_s))
    if known_s and not was_known:
        recording = _held_against_length(recording)
    if made.media.get("truncated") and recording.words is not None:
        made.notes["words"] = (
            "truncated: the media file is cut or damaged, so the answer may not be whole"
        )
    return recording


def _with_words(recording: Recording, said: Words) -> Recording:
    """The recording with the words that the pass recognised, or whose times it found."""
    if recording.words is None:
        passed_over = recording.words_remarks
        told = said.of(recording, said.source)
        return replace(told, words_remarks=(*passed_over, *told.words_remarks))
    # What was said of the times that the transcript came with holds no longer.
    kept = [text for text in recording.words_remarks if not text.startswith("no times")]
    remarks = (*kept, *said.problems)
    source = recording.words_source
    if said.timing is Timing.ALIGNED:
        source = f"{source}; in place of these times: {describe_timing(said.timing)}"
    return replace(recording, words=said.words, words_source=source, words_remarks=remarks)


def _held_against_length(recording: Recording) -> Recording:
    """The recording with those words that its length, which only the pass told, allows."""
    if not recording.words:
        return recording
    words, judged = fit_words(recording.words, recording.duration_s)
    remarks = (*recording.words_remarks, *judged.problems)
    if judged.not_measured:
        return replace(
            recording, words=None, words_reason=judged.not_measured, words_remarks=remarks
        )
    return replace(recording, words=words, words_remarks=remarks)


def _measurable(recording: Recording) -> tuple[Said, str]:
    """The words that can be measured; None, and why, where there are none."""
    if recording.words is None:
        return None, recording.words_reason
    if not is_measured(recording.language):
        return None, only_english(recording.language)
    return recording.words, ""


def _note_words(made: Pass, recording: Recording, why_not: str) -> None:
    """Why the words are not measured. That comes before what else is known of a transcript; a
    recogniser that failed has said it better.
    """
    note = made.notes.get("words", "")
    if not note:
        made.notes["words"] = why_not
    elif recording.words is not None:
        made.notes["words"] = f"{why_not}; {note}"


def _spread(words: tuple[Word, ...], duration_s: float) -> tuple[Word, ...]:
    """Words without any time, laid evenly over the duration that was measured."""
    edges_s = np.linspace(0.0, duration_s, len(words) + 1).tolist()
    laid = []
    for word, (start_s, end_s) in zip(words, pairwise(edges_s), strict=True):
        laid.append(replace(word, start_s=start_s, end_s=end_s))
    return tuple(laid)


def _neutral_face(neutral: Recording, subject: str, store: Store, settings: Settings) -> Track:
    """The face track of the neutral clip of ``subject``.

    Raises:
        BadInput: there is no measurable face in it; a neutral that was asked for is never silently
            left out.
    """
    content = content_hash(neutral.media)
    store.note(subject, content)
    made = _measure(neutral, content, ("face",), store, settings, None)
    if made.face is None or not made.face[0].valid.any():
        reason = made.notes.get("face", "no measurable face in it")
        raise BadInput(
            f"{neutral.media}: expected a clip of the person's neutral face, but: {reason}"
        )
    track, _ = made.face
    return track


def _measure(
    recording: Recording,
    content: str,
    using: tuple[str, ...],
    store: Store,
    settings: Settings,
    progress: Progress | None,
) -> Pass:
    """Read from the store what is there; make the rest in one pass and store it."""
    made = Pass()
    settings = replace(settings, voice=with_detector(settings.voice, recording.drawn))
    kinds = (*using, "body") if settings.body.measure and "face" in using else using
    wanted = {m: m in kinds for m in ("face", "body", "voice")}
    # A transcript that was refused is no reason to let a recogniser mix its speakers.
    no_transcript = recording.words is None and not recording.words_source
    may_recognise = no_transcript and settings.speech_model is not None
    wanted["words"] = "words" in using and (may_recognise or is_aligned(recording, settings))
    named = tuple(kind for kind, is_wanted in wanted.items() if is_wanted)
    made.entries = keys_of(recording, content, settings, store, named)
    key_of = dict(made.entries)
    _read_entries(wanted, key_of, store, made)
    _drop_absent(recording, wanted, made)
    if any(wanted.values()) or not made.media:
        with unchanged(recording.media, content):
            run_pass(recording, wanted, settings, made, progress)
        _write_entries(wanted, key_of, store, made)
    return made


def _read_entries(wanted: Wanted, key_of: Mapping[str, str], store: Store, made: Pass) -> None:
    """Take what the store has; it is no longer wanted."""
    if wanted["face"] and (entry := store.get("face", key_of["face"])):
        made.face, media = seen_from(entry)
        made.media = joined(made.media, media)
        wanted["face"] = False
    if wanted["body"] and (entry := store.get("body", key_of["body"])):
        made.body, media = seen_from(entry)
        made.media = joined(made.media, media)
        wanted["body"] = False
    if wanted["voice"] and (entry := store.get("voice", key_of["voice"])):
        made.voice, media = voice_from(entry)
        made.media = joined(made.media, media)
        wanted["voice"] = False
    if wanted["words"] and (entry := store.get("words", key_of["words"])):
        _, meta = entry
        made.words = words_from(meta)
        wanted["words"] = False


def _drop_absent(recording: Recording, wanted: Wanted, made: Pass) -> None:
    """What the file does not hold is noted and no longer wanted."""
    info = clock.probe(recording.media)
    for name in ("face", "body"):
        if wanted[name] and not info.has_video:
            made.notes[name] = "the file has no video"
            wanted[name] = False
    for name in ("voice", "words"):
        if wanted[name] and not info.has_audio:
            made.notes[name] = "the file has no sound"
            wanted[name] = False


def _write_entries(wanted: Wanted, key_of: Mapping[str, str], store: Store, made: Pass) -> None:
    if wanted["face"] and made.face:
        store.put("face", key_of["face"], *seen_entry(made.face, made.media))
    if wanted["body"] and made.body:
        store.put("body", key_of["body"], *seen_entry(made.body, made.media))
    if wanted["voice"] and made.voice:
        store.put("voice", key_of["voice"], *voice_entry(made))
    if wanted["words"] and made.words:
        count = np.array([len(made.words.words)])
        store.put("words", key_of["words"], {"count": count}, words_entry(made.words))
