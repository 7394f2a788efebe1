"""Entries of the store: what each is made of (its key), and how a measure becomes one and comes
back.

An entry is named by the content of the media file, the settings, and a mark of the code and the
networks that made it, so that changed code never reads old entries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from twomind.core.source_mark import source_mark, weights_mark
from twomind.core.store import Store
from twomind.core.track_entries import track_arrays, track_from, track_meta
from twomind.features import one_pass
from twomind.features.body import finder as body_finder
from twomind.features.face.back_ends import model_files
from twomind.features.face.reader import FaceSettings
from twomind.features.one_pass import SOUND_HZ, Face, Pass, Plain, Voice, is_aligned, others_of
from twomind.features.settings import Settings
from twomind.features.voice.speech_activity import choose_detector, detector_files
from twomind.features.voice.track import VoiceResult, VoiceSettings
from twomind.transcripts.words import Words
from twomind.types import Recording, Segment, Timing, Word

#: Kinds of entries.
KINDS = ("face", "body", "voice", "words")
#: Arrays and plain values, as the store keeps them.
Entry = tuple[dict[str, np.ndarray], Plain]

#: The functions that make and read an entry: those of the pass, and those of this module.
_SEEN_PARTS = (
    f"{one_pass.__name__}:run_pass",
    f"{one_pass.__name__}:Measuring",
    f"{one_pass.__name__}:joined",
    f"{one_pass.__name__}:_open_readers",
    f"{one_pass.__name__}:_push",
    f"{one_pass.__name__}:_finish",
    f"{__name__}:seen_entry",
    f"{__name__}:seen_from",
)
_VOICE_PARTS = (
    f"{one_pass.__name__}:run_pass",
    f"{one_pass.__name__}:Measuring",
    f"{one_pass.__name__}:joined",
    f"{one_pass.__name__}:_sound",
    f"{__name__}:voice_entry",
    f"{__name__}:voice_from",
    f"{__name__}:_spans",
)
_WORDS_PARTS = (
    f"{one_pass.__name__}:run_pass",
    f"{one_pass.__name__}:Measuring",
    f"{one_pass.__name__}:_sound",
    f"{one_pass.__name__}:_recognise",
    f"{one_pass.__name__}:_align",
    f"{__name__}:words_entry",
    f"{__name__}:words_from",
)


def keys_of(
    recording: Recording,
    content: str,
    settings: Settings,
    store: Store,
    kinds: tuple[str, ...] = KINDS,
) -> tuple[tuple[str, str], ...]:
    """The store's (kind, key) of measures of a recording. What makes an entry is read to name it, so
    only those that are wanted are named.

    Args:
        recording: what is measured.
        content: hash of its media file.
        settings: how it is described; the voice's detector by the name of the one that runs.
        store: that holds the entries.
        kinds: which, some of :data:`KINDS`.
    """
    wishes: dict[str, Callable[[], Plain]] = {
        "face": lambda: {"face": asdict(settings.face), "recipe": face_recipe(settings.face)},
        "body": lambda: {"body": asdict(settings.body), "recipe": body_recipe()},
        "voice": lambda: _voice_wish(recording, settings),
        "words": lambda: {"words": _words_wish(recording, settings)},
    }
    return tuple((kind, store.key(content, wishes[kind]())) for kind in KINDS if kind in kinds)


def _words_wish(recording: Recording, settings: Settings) -> Plain:
    """What an entry of the words depends on besides the media's bytes."""
    found: Plain = {"language": settings.language, "recipe": words_recipe(settings.speech_model)}
    found["settings"] = asdict(settings.speech)
    if is_aligned(recording, settings) and recording.words is not None:
        given = Words(recording.words, "", others=recording.others)
        found["given"] = asdict(given)
    return found


def recipe_of(modules: tuple[str, ...], parts: tuple[str, ...]) -> str:
    """What an entry is made by: changed code never reads old entries.

    Args:
        modules: that measure; all that they import counts.
        parts: functions, as ``module:name``, that count by themselves.
    """
    return source_mark(*modules, "twomind.media.stream", *parts)


def face_recipe(settings: FaceSettings) -> list[str]:
    code = recipe_of(("twomind.features.face.reader",), _SEEN_PARTS)
    return [code, weights_mark(model_files(settings.backend, settings.landmarker_path))]


def body_recipe() -> list[str]:
    code = recipe_of(("twomind.features.body.reader",), _SEEN_PARTS)
    return [code, weights_mark(body_finder.model_files())]


def voice_recipe(settings: VoiceSettings) -> list[str]:
    code = recipe_of(("twomind.features.voice.track",), _VOICE_PARTS)
    return [code, weights_mark(detector_files(settings.vad))]


def with_detector(settings: VoiceSettings, drawn: bool) -> VoiceSettings:
    """The settings with the detector that will run, by name.

    Silero was made for people; the built-in voice of synthetic people is not speech to it. Where
    nobody asked for it, their films keep the detector that hears them.

    Args:
        settings: What was asked for.
        drawn: The people are synthetic.

    Raises:
        BadInput, MissingExtra, MissingWeights: the detector cannot be used.
    """
    if settings.vad == "auto" and drawn:
        return replace(settings, vad="energy")
    return replace(settings, vad=choose_detector(settings.vad, SOUND_HZ))


def words_recipe(speech_model: str | None) -> list[str]:
    from twomind.transcripts.speech_models import model_mark

    modules = ("twomind.transcripts.speech", "twomind.transcripts.align")
    code = recipe_of(modules, _WORDS_PARTS)
    return [code, model_mark(speech_model)]


def _voice_wish(recording: Recording, settings: Settings) -> Plain:
    """What an entry of the voice depends on besides the media's bytes."""
    found: Plain = {"voice": asdict(settings.voice), "recipe": voice_recipe(settings.voice)}
    others = others_of(recording)
    if others:
        found["others"] = others
    return found


def seen_entry(found: Face, media: Plain) -> Entry:
    """A face or a body, with what the pass met in the file."""
    track, summary = found
    meta = {**track_meta(track), "summary": summary, "media": media}
    return track_arrays(track), meta


def seen_from(entry: Entry) -> tuple[Face, Plain]:
    """What :func:`seen_entry` made an entry of."""
    arrays, meta = entry
    track = track_from(arrays, meta)
    return (track, meta["summary"]), meta["media"]


def voice_entry(made: Pass) -> Entry:
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


def voice_from(entry: Entry) -> tuple[Voice, Plain]:
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


def words_entry(words: Words) -> Plain:
    return asdict(words)


def words_from(meta: Mapping[str, Any]) -> Words:
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
