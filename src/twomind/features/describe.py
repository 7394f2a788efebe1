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
from threading import Thread
from typing import Any

import numpy as np

from twomind.core.errors import BadInput, TwomindError
from twomind.core.source_mark import source_mark, weights_mark
from twomind.core.store import Store, content_hash, default_root
from twomind.core.track_entries import track_arrays, track_from, track_meta
from twomind.features import profile as profiles
from twomind.features.cues import CueSettings, find_cues
from twomind.features.face.reader import FaceReader, FaceSettings, relative
from twomind.features.face.tracker_mesh import model_files
from twomind.features.profile import Profile
from twomind.features.voice.speech_activity import detector_files
from twomind.features.voice.track import VoiceResult, VoiceSettings, describe_voice
from twomind.features.words import text
from twomind.media import stream as clock
from twomind.transcripts.words import Words
from twomind.types import Cue, Features, Progress, Recording, Timing, Track, Word

#: Arrays and plain values, as the store keeps them.
Entry = tuple[dict[str, np.ndarray], dict[str, Any]]

MODALITIES = ("face", "voice", "words")


@dataclass(frozen=True)
class Settings:
    """How to describe. ``speech_model`` (a name or a folder) recognises words where no transcript
    is given.
    """

    face: FaceSettings = field(default_factory=FaceSettings)
    voice: VoiceSettings = field(default_factory=VoiceSettings)
    cues: CueSettings = field(default_factory=CueSettings)
    speech_model: str | None = None
    language: str | None = None
    offline: bool = False


@dataclass(frozen=True)
class Description:
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
    relative: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    entries: tuple[tuple[str, str], ...] = ()


@dataclass
class _Pass:
    """What one pass over the media made; everything as plain arrays and values, so that it can be
    stored.
    """

    face: tuple[Track, dict[str, Any]] | None = None
    voice: tuple[VoiceResult, dict[str, Any]] | None = None
    words: Words | None = None
    notes: dict[str, str] = field(default_factory=dict)
    media: dict[str, Any] = field(default_factory=dict)
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
    progress: Progress | None = None,
) -> Description:
    """Measure one recording; what the store holds already is not measured again.

    ``hop_s`` puts all tracks on one grid; None keeps each on its own clock. ``neutral`` is a
    neutral clip of the same person, ``profile`` what enrolment made of such clips; without either,
    relative values are against the recording's own median.

    Raises: BadInput: nothing of the media file can be decoded, ``using`` names an unknown modality,
        or both a neutral clip
            and a profile are given.
    """
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
    store = store or Store(default_root())
    settings = settings or Settings()
    content = content_hash(recording.media)
    store.note(recording.subject, content)
    made = _measure(recording, content, using, store, settings, progress)
    if not made.media.get("n_frames") and not made.media.get("n_samples"):
        raise BadInput(
            f"{recording.media}: neither a frame nor sound could be decoded; the file is cut or "
            "damaged"
        )
    neutral_face = (
        _neutral_face(neutral, recording.subject, store, settings)
        if neutral and "face" in using
        else None
    )

    recording = _complete(recording, made)
    tracks: dict[str, Track] = {}
    named = ""
    if made.face:
        tracks["face"] = made.face[0]
        tracks["face_relative"], named = relative(made.face[0], neutral_face)
        if profile is not None:
            tracks["face_relative"], named = _against(
                profile, made.face[0], tracks["face_relative"], named
            )
    voice_named = ""
    if made.voice:
        tracks["voice"] = made.voice[0].track
        if profile is not None and (rest := profile.neutral("voice")):
            tracks["voice_relative"] = profiles.relative_to(
                tracks["voice"], rest, ("speech", "syllable")
            )
            voice_named = profile.named("voice")
    words = recording.words if "words" in using else None
    if words is None and "words" in using:
        made.notes.setdefault("words", recording.words_reason)
    if words is not None:
        tracks["words"] = text.describe_words(words)
    cues = find_cues(
        tracks.get("face"),
        tracks.get("face_relative"),
        made.voice[0] if made.voice else None,
        words,
        settings.cues,
    )
    duration_s = recording.duration_s
    features = Features(
        recording=recording.id,
        subject=recording.subject,
        tracks=tracks,
        span_s=(0.0, 0.0 if math.isnan(duration_s) else duration_s),
        question=recording.question,
        words=words,
        notes=made.notes,
        drawn=recording.drawn,
    )
    return Description(
        recording,
        features.on_grid(hop_s) if hop_s else features,
        cues,
        named,
        made.media,
        made.face[1] if made.face else {},
        made.voice[1] if made.voice else {},
        content,
        voice_named,
        _whole_answer(made, words, profile) if profile is not None else {},
        made.entries,
    )


def _against(profile: Profile, face: Track, own: Track, own_name: str) -> tuple[Track, str]:
    """The face relative to the profile; to its own median, and called so, where the profile has no
    face.
    """
    rest = profile.neutral("face")
    if not rest:
        return own, f"{own_name} (no face in the profile of {profile.person})"
    return profiles.relative_to(face, rest), profile.named("face")


def _whole_answer(
    made: _Pass, words: tuple[Word, ...] | None, profile: Profile
) -> dict[str, dict[str, dict[str, float]]]:
    """Whole-answer measures of voice and words beside the person's neutral ones."""
    found = {}
    if made.voice:
        found["voice"] = profiles.voice_neutral(made.voice[0].track, made.voice[1])
    if words:
        found["words"] = profiles.words_neutral(words)
    both = {
        m: profiles.answer_relative(measured, profile.neutral(m)) for m, measured in found.items()
    }
    return {m: rows for m, rows in both.items() if rows}


def _complete(recording: Recording, made: _Pass) -> Recording:
    """Fill in what only the pass could tell: the duration, recognised words, words spread over the
    real duration.
    """
    duration_s = made.media.get("duration_s", math.nan)
    if math.isfinite(duration_s):
        recording = replace(recording, duration_s=float(duration_s))
    if recording.words is None and made.words is not None:
        recording = replace(
            recording, words=made.words.words, words_source=made.words.source, words_reason=""
        )
    if (
        recording.words
        and recording.words[0].timing is Timing.SPREAD_ALL
        and math.isfinite(recording.duration_s)
    ):
        recording = replace(recording, words=_spread(recording.words, recording.duration_s))
    if made.media.get("truncated") and recording.words is not None:
        made.notes["words"] = (
            "truncated: the media file is cut or damaged, so the answer may not be whole"
        )
    return recording


def _spread(words: tuple[Word, ...], duration_s: float) -> tuple[Word, ...]:
    """Words without any time, laid evenly over the duration that was measured."""
    edges = np.linspace(0.0, duration_s, len(words) + 1)
    spans = zip(words, edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    return tuple(replace(word, start_s=start_s, end_s=end_s) for word, start_s, end_s in spans)


def _neutral_face(neutral: Recording, subject: str, store: Store, settings: Settings) -> Track:
    """The face track of the neutral clip of ``subject``.

    Raises: BadInput: there is no measurable face in it; a neutral that was asked for is never
        silently left out.
    """
    content = content_hash(neutral.media)
    store.note(subject, content)
    made = _measure(neutral, content, ("face",), store, settings, None)
    if made.face is None or not made.face[0].valid.any():
        reason = made.notes.get("face", "no measurable face in it")
        raise BadInput(
            f"{neutral.media}: expected a clip of the person's neutral face, but: {reason}"
        )
    return made.face[0]


#: The functions of this module that make and read an entry.
_FACE_PASS = ("_run_pass", "_face_entry", "_face_from")
_VOICE_PASS = ("_run_pass", "_sound", "_voice_entry", "_voice_from")
_WORDS_PASS = ("_run_pass", "_sound", "_words_entry", "_words_from")


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


def _words_recipe(speech_model: str | None) -> list[str]:
    from twomind.transcripts.speech import model_mark

    code = _recipe(("twomind.transcripts.speech",), _WORDS_PASS)
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
    face_key = store.key(
        content, {"face": asdict(settings.face), "recipe": _face_recipe(settings.face)}
    )
    voice_key = store.key(
        content, {"voice": asdict(settings.voice), "recipe": _voice_recipe(settings.voice)}
    )
    speech = {"language": settings.language, "recipe": _words_recipe(settings.speech_model)}
    words_key = store.key(content, {"words": speech})
    keys = (("face", face_key), ("voice", voice_key), ("words", words_key))
    made.entries = tuple((kind, key) for kind, key in keys if kind in using)

    wanted = {"face": "face" in using, "voice": "voice" in using}
    wanted["words"] = (
        "words" in using and recording.words is None and settings.speech_model is not None
    )
    if wanted["face"] and (entry := store.get("face", face_key)):
        made.face, made.media = _face_from(entry)
        wanted["face"] = False
    if wanted["voice"] and (entry := store.get("voice", voice_key)):
        made.voice, media = _voice_from(entry)
        made.media = {**media, **made.media}
        wanted["voice"] = False
    if wanted["words"] and (entry := store.get("words", words_key)):
        made.words = _words_from(entry[1])
        wanted["words"] = False

    info = clock.probe(recording.media)
    if wanted["face"] and not info.has_video:
        made.notes["face"], wanted["face"] = "the file has no video", False
    for name in ("voice", "words"):
        if wanted[name] and not info.has_audio:
            made.notes[name], wanted[name] = "the file has no sound", False
    if any(wanted.values()) or not made.media:
        _run_pass(recording, wanted, settings, made, progress)
        if wanted["face"] and made.face:
            store.put("face", face_key, *_face_entry(made))
        if wanted["voice"] and made.voice:
            store.put("voice", voice_key, *_voice_entry(made))
        if wanted["words"] and made.words:
            store.put(
                "words",
                words_key,
                {"count": np.array([len(made.words.words)])},
                _words_entry(made.words),
            )
    return made


def _run_pass(
    recording: Recording,
    wanted: dict[str, bool],
    settings: Settings,
    made: _Pass,
    progress: Progress | None,
) -> None:
    """One streamed pass: frames to the face reader, sound to the spool; then voice and words from
    the spool.
    """
    reader: FaceReader | None = None
    if wanted["face"]:
        try:
            reader = FaceReader(settings.face)
        except TwomindError as error:
            made.notes["face"] = str(error)
    sound = wanted["voice"] or wanted["words"]
    spool = clock.AudioSpool()
    if sound:
        # Needed for the voice after the pass, and slow to import; the tracker leaves the
        # interpreter idle meanwhile.
        Thread(target=import_module, args=("scipy.signal",), daemon=True).start()
    try:
        # Without a face reader the frames are still decoded: their count and stamps are part of the
        # answer.
        stream = clock.stream(recording.media, video=wanted["face"] or not made.media, audio=sound)
        for item in clock.prefetch(stream):
            if isinstance(item, clock.Samples):
                spool.push(item)
            elif reader is not None:
                try:
                    reader.push(item)
                except Exception as error:
                    # A tracking back end that breaks must not cost the voice and the words.
                    made.notes["face"] = f"the face tracker failed: {type(error).__name__}: {error}"
                    reader = None
            if progress is not None:
                progress(f"measure {recording.id}", item.time_s, recording.duration_s)
        report = asdict(stream.report)
        made.media = (
            {**made.media, **report}
            if wanted["face"] or not made.media
            else {**report, **made.media}
        )
        if reader is not None:
            try:
                result = reader.finish()
                made.face = (result.track, dict(result.summary))
            except Exception as error:
                made.notes["face"] = f"the face tracker failed: {type(error).__name__}: {error}"
        if sound:
            _sound(spool.waveform(), wanted, settings, made)
    finally:
        spool.close()


def _sound(
    waveform: clock.Waveform, wanted: dict[str, bool], settings: Settings, made: _Pass
) -> None:
    if not len(waveform.values):
        for name in ("voice", "words"):
            if wanted[name]:
                made.notes[name] = "no sound could be decoded"
        return
    if wanted["voice"]:
        result = describe_voice(waveform, settings.voice)
        made.voice = (result, dict(result.summary))
    if wanted["words"]:
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
            )
        except TwomindError as error:
            made.notes["words"] = f"speech recognition: {error}"


def _face_entry(made: _Pass) -> Entry:
    assert made.face is not None
    track, summary = made.face
    return track_arrays(track), {**track_meta(track), "summary": summary, "media": made.media}


def _face_from(entry: Entry) -> tuple[tuple[Track, dict[str, Any]], dict[str, Any]]:
    arrays, meta = entry
    return (track_from(arrays, meta), meta["summary"]), meta["media"]


def _voice_entry(made: _Pass) -> Entry:
    assert made.voice is not None
    result, summary = made.voice
    meta = {
        **track_meta(result.track),
        "pauses": result.pauses,
        "summary": summary,
        "media": made.media,
    }
    return track_arrays(result.track), meta


def _voice_from(entry: Entry) -> tuple[tuple[VoiceResult, dict[str, Any]], dict[str, Any]]:
    arrays, meta = entry
    pauses = tuple((float(a), float(b)) for a, b in meta["pauses"])
    result = VoiceResult(track=track_from(arrays, meta), pauses=pauses, summary=meta["summary"])
    return (result, meta["summary"]), meta["media"]


def _words_entry(words: Words) -> dict[str, Any]:
    return asdict(words)


def _words_from(meta: Mapping[str, Any]) -> Words:
    words = tuple(Word(**{**w, "timing": Timing(w["timing"])}) for w in meta["words"])
    return Words(
        words, meta["source"], Timing(meta["timing"]), tuple(meta["problems"]), meta["language"]
    )
