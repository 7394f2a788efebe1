"""Describe: a :class:`~twomind.types.Recording` → face, voice and word measures, and the cues a
coder would mark.

One pass over the media feeds everything that is not yet in the store; a second call with the same
bytes and settings reads it back. A modality that cannot be measured is absent with a reason in
``features.notes``; the others go on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from itertools import pairwise
from threading import Thread
from typing import Any

import numpy as np

from twomind.core.errors import BadInput, TwomindError
from twomind.core.files import unchanged
from twomind.core.source_mark import source_mark, weights_mark
from twomind.core.store import Store, content_hash, default_root
from twomind.core.track_entries import track_arrays, track_from, track_meta
from twomind.features import profile as profiles
from twomind.features.cues import CueSettings, doubtful_cues, find_cues
from twomind.features.face.back_ends import model_files
from twomind.features.face.measures import ABSOLUTE
from twomind.features.face.reader import FaceReader, FaceSettings, relative
from twomind.features.face.rest import Rest, estimate_rest
from twomind.features.own_stream import OwnStream, less_earlier
from twomind.features.profile import Profile
from twomind.features.voice.speech_activity import choose_detector, detector_files
from twomind.features.voice.track import Spans, VoiceResult, VoiceSettings, describe_voice
from twomind.features.voice.unworded import ERASED, WITHOUT_WORDS
from twomind.features.words import text
from twomind.media import stream as clock
from twomind.media.recording import describe_timing
from twomind.transcripts.align import NOT_AS_LEARNT, SWITCHED_OFF, can_align, why_not
from twomind.transcripts.language import is_measured, only_english
from twomind.transcripts.plausible import fit_words
from twomind.transcripts.speech import SpeechSettings
from twomind.transcripts.words import Words
from twomind.types import Cue, Features, Progress, Recording, Segment, Timing, Track, Word
from twomind.types.plain import ToDict

#: Plain values by name.
Plain = dict[str, Any]
#: Arrays and plain values, as the store keeps them.
Entry = tuple[dict[str, np.ndarray], Plain]
#: A track of the face with its summary, and the voice with its own.
Face = tuple[Track, Plain]
Voice = tuple[VoiceResult, Plain]
#: Modality → measure → value, neutral, relative.
WholeAnswer = Mapping[str, Mapping[str, Mapping[str, float]]]
#: Modality → whether it is still to be measured.
Wanted = dict[str, bool]
#: The words of an answer; None where they are not known.
Said = tuple[Word, ...] | None

MODALITIES = ("face", "voice", "words")
#: How the reason ends where a transcript names several people and none was chosen.
ASK_WHO = "say which with --speaker"

#: Samples per second at which sound is decoded here.
_SOUND_HZ = 16000


@dataclass(frozen=True)
class Settings:
    """How to describe. ``speech_model`` (a name or a folder) recognises words where no transcript
    is given.
    """

    face: FaceSettings = field(default_factory=FaceSettings)
    voice: VoiceSettings = field(default_factory=VoiceSettings)
    cues: CueSettings = field(default_factory=CueSettings)
    speech_model: str | None = None
    speech: SpeechSettings = field(default_factory=SpeechSettings)
    language: str | None = None
    offline: bool = False


@dataclass(frozen=True)
class Description(ToDict):
    """What :func:`describe` found.

    ``features`` has the tracks ``face`` and ``face_relative`` (a row per decoded frame), ``voice``
    (a row per 10 ms) and ``words`` (a row per word), as far as they could be measured;
    ``features.notes`` says why one is missing. With a profile that has the voice there is
    ``voice_relative`` too, and ``relative`` has whole-answer measures of voice and words: modality
    → measure → value, neutral, relative. ``recording`` is the one that was given, with duration and
    words completed. ``neutral`` names what the relative values of the face are relative to,
    ``voice_neutral`` those of the voice. ``face`` and ``voice`` are summaries as plain values,
    ``media`` what the decoder met, ``entries`` the store's (kind, key) that this came from.
    """

    recording: Recording
    features: Features
    cues: tuple[Cue, ...]
    neutral: str
    media: Mapping[str, Any]
    face: Mapping[str, Any]
    voice: Mapping[str, Any]
    content: str
    voice_neutral: str = ""
    relative: WholeAnswer = field(default_factory=dict)
    entries: tuple[tuple[str, str], ...] = ()


@dataclass
class _Pass:
    """What one pass over the media made; everything as plain arrays and values, so that it can be
    stored.
    """

    face: Face | None = None
    voice: Voice | None = None
    words: Words | None = None
    notes: dict[str, str] = field(default_factory=dict)
    media: Plain = field(default_factory=dict)
    entries: tuple[tuple[str, str], ...] = ()

    @property
    def face_summary(self) -> Plain:
        return self.face[1] if self.face else {}

    @property
    def voice_summary(self) -> Plain:
        return self.voice[1] if self.voice else {}


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

    Raises:
        BadInput: nothing of the media file can be decoded, ``using`` names an unknown modality, or
            both a neutral clip and a profile are given.
    """
    _check_wish(using, neutral, profile)
    store = store or Store(default_root())
    settings = settings or Settings()
    content = content_hash(recording.media)
    store.note(recording.subject, content)
    made = _measure(recording, content, using, store, settings, progress)
    _check_decoded(recording, made)
    neutral_face = _wanted_neutral(neutral, recording, using, store, settings)
    was_given = recording.words is not None
    told_of_times = (*recording.words_remarks, *_on_alignment(recording, settings))
    recording = replace(recording, words_remarks=told_of_times)
    recording = _complete(recording, made)
    _remark_on_voice(made, _of_everybody(recording))
    if profile is not None and made.voice:
        profile, told = profile.comparable(made.voice_summary["vad"])
        _remark_on_voice(made, told)
    words = _wanted_words(recording, using, made)
    tracks, named, voice_named = _tracks(made, words, neutral_face, profile)
    if stream is not None:
        tracks |= _stream_tracks(tracks, stream, store, settings)
    rest = None
    at_rest = tracks.get("face_relative")
    if neutral_face is None and not _is_known(profile):
        at_rest = None
        rest = _resting(made, recording.drawn, settings.cues)
    voice = made.voice[0] if made.voice else None
    if voice is not None and not is_measured(recording.language):
        voice = replace(voice, front=())
    recognised = made.words is not None and not was_given
    face = tracks.get("face")
    cues = find_cues(face, at_rest, voice, words, settings.cues, recognised, rest)
    if recognised and words is not None:
        _tell_erased(made, cues)
    features = _features(recording, tracks, words, made)
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
        content=content,
        voice_neutral=voice_named,
        relative=whole_answer,
        entries=made.entries,
    )


def _wanted_words(recording: Recording, using: tuple[str, ...], made: _Pass) -> Said:
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


def _check_decoded(recording: Recording, made: _Pass) -> None:
    if not made.media.get("n_frames") and not made.media.get("n_samples"):
        raise BadInput(
            f"{recording.media}: neither a frame nor sound could be decoded; the file is cut or "
            "damaged"
        )


def _is_known(profile: Profile | None) -> bool:
    """Does the profile hold the person's neutral face?"""
    return profile is not None and bool(profile.neutral("face"))


def _resting(made: _Pass, drawn: bool, settings: CueSettings) -> Rest | None:
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
    made: _Pass,
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
            own, face_named = _against(profile, face, own, face_named)
        tracks["face"] = face
        tracks["face_relative"] = own
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
    made: _Pass,
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
    )


def _against(profile: Profile, face: Track, own: Track, own_name: str) -> tuple[Track, str]:
    """The face relative to the profile; to its own median, and called so, where the profile has no
    face.
    """
    rest = profile.neutral("face")
    if not rest:
        return own, f"{own_name} (no face in the profile of {profile.person})"
    return profiles.relative_to(face, rest), profile.named("face")


def _whole_answer(made: _Pass, words: Said, profile: Profile | None) -> WholeAnswer:
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


def others_of(recording: Recording) -> Spans:
    """When other people speak, as (begin, end) in seconds. Words that have no times of their own
    stand beside turns that have none either: then nothing is known.
    """
    for word in recording.words or ():
        if word.timing is Timing.SPREAD_ALL:
            return ()
    spans = [(turn.start_s, turn.end_s) for turn in recording.others]
    return tuple(sorted(spans))


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


def _remark_on_voice(made: _Pass, remark: str) -> None:
    """Say it beside the measures of the voice, where there are any."""
    if made.voice is None or not remark:
        return
    result, summary = made.voice
    made.voice = (result, {**summary, "remarks": [*summary["remarks"], remark]})


def _tell_erased(made: _Pass, cues: tuple[Cue, ...]) -> None:
    """The voice's summary says for how long somebody spoke where the recogniser wrote nothing."""
    if made.voice is None:
        return
    result, summary = made.voice
    erased_s = sum(cue.value for cue in cues if cue.kind == WITHOUT_WORDS)
    made.voice = (result, {**summary, ERASED: round(erased_s, 3)})


def _complete(recording: Recording, made: _Pass) -> Recording:
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
    source = f"{recording.words_source}; {describe_timing(said.timing)}"
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


def _note_words(made: _Pass, recording: Recording, why_not: str) -> None:
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


#: The functions of this module that make and read an entry.
_FACE_PASS = (
    "_run_pass",
    "_joined",
    "_open_reader",
    "_pushed",
    "_finish_face",
    "_face_entry",
    "_face_from",
)
_VOICE_PASS = ("_run_pass", "_joined", "_sound", "_voice_entry", "_voice_from", "_spans")
_WORDS_PASS = ("_run_pass", "_sound", "_recognise", "_align", "_words_entry", "_words_from")


def _recipe(modules: tuple[str, ...], functions: tuple[str, ...]) -> str:
    """What an entry is made by: changed code never reads old entries."""
    own = [f"{__name__}:{name}" for name in functions]
    return source_mark(*modules, "twomind.media.stream", *own)


def _face_recipe(settings: FaceSettings) -> list[str]:
    code = _recipe(("twomind.features.face.reader",), _FACE_PASS)
    return [code, weights_mark(model_files(settings.backend, settings.landmarker_path))]


def _voice_recipe(settings: VoiceSettings) -> list[str]:
    code = _recipe(("twomind.features.voice.track",), _VOICE_PASS)
    return [code, weights_mark(detector_files(settings.vad))]


def with_detector(settings: VoiceSettings, drawn: bool) -> VoiceSettings:
    """The settings with the detector that will run, by name.

    Silero was made for people; the built-in voice of synthetic people is no speech to it. Where
    nobody asked for it, their films keep the detector that hears them.

    Args:
        settings: What was asked for.
        drawn: The people are synthetic.

    Raises:
        BadInput, MissingExtra, MissingWeights: the detector cannot be used.
    """
    if settings.vad == "auto" and drawn:
        return replace(settings, vad="energy")
    return replace(settings, vad=choose_detector(settings.vad, _SOUND_HZ))


def _words_recipe(speech_model: str | None) -> list[str]:
    from twomind.transcripts.speech_models import model_mark

    modules = ("twomind.transcripts.speech", "twomind.transcripts.align")
    code = _recipe(modules, _WORDS_PASS)
    return [code, model_mark(speech_model)]


def _measure(
    recording: Recording,
    content: str,
    using: tuple[str, ...],
    store: Store,
    settings: Settings,
    progress: Progress | None,
) -> _Pass:
    """Read from the store what is there; make the rest in one pass and store it."""
    made = _Pass()
    settings = replace(settings, voice=with_detector(settings.voice, recording.drawn))
    face = {"face": asdict(settings.face), "recipe": _face_recipe(settings.face)}
    voice = _voice_settings(recording, settings)
    speech: Plain = {"language": settings.language, "recipe": _words_recipe(settings.speech_model)}
    speech["settings"] = asdict(settings.speech)
    face_key = store.key(content, face)
    voice_key = store.key(content, voice)
    given = recording.words if _is_aligned(recording, settings) else None
    if given is not None:
        speech["given"] = asdict(Words(given, "", others=recording.others))
    words_key = store.key(content, {"words": speech})
    keys = (("face", face_key), ("voice", voice_key), ("words", words_key))
    made.entries = tuple((kind, key) for kind, key in keys if kind in using)

    wanted = {m: m in using for m in ("face", "voice")}
    # A transcript that was refused is no reason to let a recogniser mix its speakers.
    no_transcript = recording.words is None and not recording.words_source
    may_recognise = no_transcript and settings.speech_model is not None
    wanted["words"] = "words" in using and (may_recognise or given is not None)
    key_of = dict(keys)
    _read_entries(wanted, key_of, store, made)
    _drop_absent(recording, wanted, made)
    if any(wanted.values()) or not made.media:
        with unchanged(recording.media, content):
            _run_pass(recording, wanted, settings, made, progress)
        _write_entries(wanted, key_of, store, made)
    return made


def _voice_settings(recording: Recording, settings: Settings) -> Plain:
    """What an entry of the voice depends on besides the media's bytes."""
    found: Plain = {"voice": asdict(settings.voice), "recipe": _voice_recipe(settings.voice)}
    others = others_of(recording)
    if others:
        found["others"] = others
    return found


def _read_entries(wanted: Wanted, key_of: Mapping[str, str], store: Store, made: _Pass) -> None:
    """Take what the store has; it is no longer wanted."""
    if wanted["face"] and (entry := store.get("face", key_of["face"])):
        made.face, media = _face_from(entry)
        made.media = _joined(made.media, media)
        wanted["face"] = False
    if wanted["voice"] and (entry := store.get("voice", key_of["voice"])):
        made.voice, media = _voice_from(entry)
        made.media = _joined(made.media, media)
        wanted["voice"] = False
    if wanted["words"] and (entry := store.get("words", key_of["words"])):
        _, meta = entry
        made.words = _words_from(meta)
        wanted["words"] = False


def _drop_absent(recording: Recording, wanted: Wanted, made: _Pass) -> None:
    """What the file does not hold is noted and no longer wanted."""
    info = clock.probe(recording.media)
    if wanted["face"] and not info.has_video:
        made.notes["face"] = "the file has no video"
        wanted["face"] = False
    for name in ("voice", "words"):
        if wanted[name] and not info.has_audio:
            made.notes[name] = "the file has no sound"
            wanted[name] = False


def _write_entries(wanted: Wanted, key_of: Mapping[str, str], store: Store, made: _Pass) -> None:
    if wanted["face"] and made.face:
        store.put("face", key_of["face"], *_face_entry(made))
    if wanted["voice"] and made.voice:
        store.put("voice", key_of["voice"], *_voice_entry(made))
    if wanted["words"] and made.words:
        count = np.array([len(made.words.words)])
        store.put("words", key_of["words"], {"count": count}, _words_entry(made.words))


def _run_pass(
    recording: Recording,
    wanted: Wanted,
    settings: Settings,
    made: _Pass,
    progress: Progress | None,
) -> None:
    """One streamed pass: frames to the face reader, sound to the spool; then voice and words from
    the spool.
    """
    reader = _open_reader(settings, made) if wanted["face"] else None
    sound = wanted["voice"] or wanted["words"]
    # Without a face reader the frames are still decoded: their count and stamps are part of the
    # answer.
    info = clock.probe(recording.media)
    frames = info.has_video and (wanted["face"] or not made.media)
    # Of a file of sound alone, the sound tells what else the pictures would.
    heard = sound or not info.has_video
    spool = clock.AudioSpool(_SOUND_HZ)
    if sound:
        # Needed for the voice after the pass, and slow to import; the tracker leaves the
        # interpreter idle meanwhile.
        Thread(target=import_module, args=("scipy.signal",), daemon=True).start()
    try:
        stream = clock.stream(recording.media, frames, heard, _SOUND_HZ)
        for item in clock.prefetch(stream):
            if isinstance(item, clock.Samples):
                spool.push(item)
            elif reader is not None and not _pushed(reader, item, made):
                reader = None
            if progress is not None:
                progress(f"measure {recording.id}", item.time_s, recording.duration_s)
        report = asdict(stream.report)
        if reader is not None:
            _finish_face(reader, made)
        if sound:
            waveform = spool.waveform()
            remark = (waveform.remark,) if waveform.remark else ()
            report["problems"] = (*report["problems"], *remark)
            _sound(waveform, wanted, settings, made, recording)
        made.media = _joined(made.media, report)
    finally:
        spool.close()


#: What a pass says of the pictures, and of the sound; the rest is of both.
_OF_PICTURES = ("n_frames", "first_frame_s", "last_frame_s", "n_left_out")
_OF_SOUND = ("n_samples", "audio_start_s", "audio_end_s", "gaps")


def _joined(first: Plain, second: Plain) -> Plain:
    """What two passes over the same file met, where one may have decoded less than the other.

    A pass that did not decode the sound knows nothing of it, and its zero is no count.
    """
    if not first or not second:
        return {**first, **second}
    joined = dict(first)
    for count, *others in (_OF_PICTURES, _OF_SOUND):
        if not first[count]:
            joined |= {name: second[name] for name in (count, *others)}
    joined["n_bad_packets"] = max(first["n_bad_packets"], second["n_bad_packets"])
    joined["truncated"] = first["truncated"] or second["truncated"]
    duration_s = np.fmax(first["duration_s"], second["duration_s"])
    joined["duration_s"] = float(duration_s)
    new = [told for told in second["problems"] if told not in first["problems"]]
    joined["problems"] = (*first["problems"], *new)
    return joined


def _open_reader(settings: Settings, made: _Pass) -> FaceReader | None:
    try:
        return FaceReader(settings.face)
    except TwomindError as error:
        made.notes["face"] = str(error)
        return None


def _pushed(reader: FaceReader, frame: clock.Frame, made: _Pass) -> bool:
    """Did the reader take the frame? A tracking back end that breaks must not cost the voice and
    the words.
    """
    try:
        reader.push(frame)
    except Exception as error:
        made.notes["face"] = _tracker_failed(error)
        return False
    return True


def _finish_face(reader: FaceReader, made: _Pass) -> None:
    try:
        result = reader.finish()
        made.face = (result.track, dict(result.summary))
    except Exception as error:
        made.notes["face"] = _tracker_failed(error)


def _tracker_failed(error: Exception) -> str:
    return f"the face tracker failed: {type(error).__name__}: {error}"


def _sound(
    waveform: clock.Waveform,
    wanted: Wanted,
    settings: Settings,
    made: _Pass,
    recording: Recording,
) -> None:
    if not len(waveform.values):
        for name in ("voice", "words"):
            if wanted[name]:
                made.notes[name] = "no sound could be decoded"
        return
    if wanted["voice"]:
        result = describe_voice(waveform, settings.voice, others_of(recording))
        made.voice = (result, dict(result.summary))
    if wanted["words"] and recording.words is not None:
        _align(waveform, recording, settings, made)
    elif wanted["words"]:
        _recognise(waveform, settings, made)


def _is_aligned(recording: Recording, settings: Settings) -> bool:
    """Whether the words of a transcript are put at the times at which they are heard."""
    return settings.speech.align.use and _wants_alignment(recording) and can_align()


def _wants_alignment(recording: Recording) -> bool:
    return bool(recording.words) and not why_not(recording.words or (), recording.language)


def _on_alignment(recording: Recording, settings: Settings) -> tuple[str, ...]:
    """What is to be said of words that are not aligned."""
    align = settings.speech.align
    if not _wants_alignment(recording):
        return ()
    if not align.use:
        return (SWITCHED_OFF,)
    return (NOT_AS_LEARNT,) if align.expected and not can_align() else ()


def _align(waveform: clock.Waveform, recording: Recording, settings: Settings, made: _Pass) -> None:
    from twomind.transcripts.align import align_words

    assert recording.words is not None
    given = Words(
        recording.words,
        recording.words_source,
        language=recording.language,
        marks=recording.marks,
        others=recording.others,
    )
    made.words = align_words(
        waveform.values,
        waveform.sample_rate_hz,
        waveform.start_s,
        given,
        settings.speech.align,
    )


def _recognise(waveform: clock.Waveform, settings: Settings, made: _Pass) -> None:
    from twomind.transcripts.speech import recognise_words

    assert settings.speech_model is not None
    try:
        made.words = recognise_words(
            waveform.values,
            waveform.sample_rate_hz,
            waveform.start_s,
            settings.speech_model,
            offline=settings.offline,
            language=settings.language,
            settings=settings.speech,
        )
    except TwomindError as error:
        made.notes["words"] = f"speech recognition: {error}"


def _face_entry(made: _Pass) -> Entry:
    assert made.face is not None
    track, summary = made.face
    meta = {**track_meta(track), "summary": summary, "media": made.media}
    return track_arrays(track), meta


def _face_from(entry: Entry) -> tuple[Face, Plain]:
    arrays, meta = entry
    track = track_from(arrays, meta)
    return (track, meta["summary"]), meta["media"]


def _voice_entry(made: _Pass) -> Entry:
    assert made.voice is not None
    result, summary = made.voice
    meta = {
        **track_meta(result.track),
        "pauses": result.pauses,
        "held": result.held,
        "front": result.front,
        "summary": summary,
        "media": made.media,
    }
    return track_arrays(result.track), meta


def _voice_from(entry: Entry) -> tuple[Voice, Plain]:
    arrays, meta = entry
    track = track_from(arrays, meta)
    pauses = _spans(meta["pauses"])
    held = _spans(meta["held"])
    front = _spans(meta["front"])
    result = VoiceResult(track, pauses, meta["summary"], held, front)
    return (result, meta["summary"]), meta["media"]


def _spans(entries: list[list[float]]) -> tuple[tuple[float, float], ...]:
    spans = []
    for begin_s, end_s in entries:
        spans.append((float(begin_s), float(end_s)))
    return tuple(spans)


def _words_entry(words: Words) -> Plain:
    return asdict(words)


def _words_from(meta: Mapping[str, Any]) -> Words:
    said = {
        "words": _word_tuple(meta["words"]),
        "marks": _word_tuple(meta["marks"]),
        "others": tuple(Segment(**other) for other in meta["others"]),
        "timing": Timing(meta["timing"]),
        "problems": tuple(meta["problems"]),
    }
    return Words(**{**meta, **said})


def _word_tuple(entries: list[Plain]) -> tuple[Word, ...]:
    words = []
    for plain in entries:
        timing = Timing(plain["timing"])
        words.append(Word(**{**plain, "timing": timing}))
    return tuple(words)
