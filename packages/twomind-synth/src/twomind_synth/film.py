"""One answer of one synthetic person as real files: MP4 with sound, SRT with one cue per word, and the
truth as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import TwomindError
from twomind.core.store import content_hash, replacing, settings_hash, write_text
from twomind_synth import behaviour, phrases, voice
from twomind_synth.camera import Camera
from twomind_synth.face import draw
from twomind_synth.identity import AU_NAMES, Person, effective
from twomind_synth.script import Answer, write_answer
from twomind_synth.world import Factors, World, person_factors, stream

#: Container tag by which a synthetic film is known for what it is.
TAG = "twomind drawn person"
#: Sound is stored at twice the voice's rate: AAC smears a sound over some 1,000 samples, which are
#: then 21 ms.
STORED_RATE_HZ = 48_000


@dataclass(frozen=True)
class FilmSettings:
    """How films are recorded."""

    #: picture size (px)
    width_px: int = 640
    height_px: int = 480
    #: constant frame rate (frames per second)
    fps: int = 25
    #: ``espeak``, ``builtin`` or ``auto`` (espeak-ng where installed)
    voice: str = "auto"
    #: x264 quality: smaller is better and larger
    crf: int = 20
    #: x264 speed: ``ultrafast`` takes half the time for twice the bytes
    preset: str = "veryfast"


@dataclass(frozen=True)
class Film:
    """The files of one answer and what a manifest says of them. ``drawn_now`` is False when they
    were there already.
    """

    media: Path
    transcript: Path
    truth: Path
    subject: str
    question: int
    label: int
    segments: tuple[tuple[float, float], ...]
    drawn_now: bool


def draw_person(
    out: Path,
    seed: int,
    question: int = 7,
    world: World | None = None,
    settings: FilmSettings | None = None,
) -> Film:
    """Film one answer of the first person of a world into the folder ``out``."""
    return film_answer(out, world or World(), seed, 0, question, settings or FilmSettings())


def film_answer(
    folder: Path, world: World, seed: int, index: int, question: int, settings: FilmSettings
) -> Film:
    """Write ``<person>_Question_<q>.mp4``, ``.srt`` and ``.truth.json`` into ``folder``, if not
    complete there.

    Complete means: the truth file names the same settings, and the film and transcript have the
    hashes that it names.
    """
    person = person_factors(seed, index)
    stem = folder / f"{person.name}_Question_{question}"
    media, transcript, truth_path = (
        stem.with_name(stem.name + end) for end in (".mp4", ".srt", ".truth.json")
    )
    engine = voice.resolve_engine(settings.voice)
    wanted = _settings(world, seed, index, question, settings, engine)
    truth = _complete(media, transcript, truth_path, settings_hash(wanted))
    drawn_now = truth is None
    if truth is None:
        truth = _make(
            media, transcript, truth_path, world, person, question, settings, engine, wanted
        )
    spans = tuple((float(s["start_s"]), float(s["end_s"])) for s in truth["segments"])
    return Film(
        media, transcript, truth_path, person.name, question, int(truth["label"]), spans, drawn_now
    )


def _settings(
    world: World, seed: int, index: int, question: int, settings: FilmSettings, engine: str
) -> dict[str, Any]:
    """All that decides what a film shows, as plain values."""
    recording = {**asdict(settings), "voice": engine}
    return {
        "code": code_digest(),
        "seed": seed,
        "person": index,
        "question": question,
        "world": world.plain(),
        "film": recording,
    }


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Hash of the code that draws: a film of older code is not what the same seed gives now."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return settings_hash({source.name: content_hash(source) for source in sources})[:16]


def _complete(
    media: Path, transcript: Path, truth_path: Path, wanted_hash: str
) -> dict[str, Any] | None:
    """The truth of a film that needs no drawing; None when anything is absent, damaged or of other
    settings.
    """
    try:
        truth: dict[str, Any] = json.loads(truth_path.read_text(encoding="utf-8"))
        same = truth["settings_hash"] == wanted_hash
        whole = truth["media_sha256"] == content_hash(media) and truth[
            "transcript_sha256"
        ] == content_hash(transcript)
    except (TwomindError, OSError, ValueError, KeyError, TypeError):
        return None
    return truth if same and whole else None


def _make(
    media: Path,
    transcript: Path,
    truth_path: Path,
    world: World,
    person: Factors,
    question: int,
    settings: FilmSettings,
    engine: str,
    wanted: dict[str, Any],
) -> dict[str, Any]:
    look = Person.random(stream(person.seed, "look", person.index), person.name)
    camera = Camera.random(
        stream(person.seed, "camera", person.index), settings.width_px, settings.height_px
    )
    answer = write_answer(world, person, question)
    speech = voice.speak(
        answer.tokens,
        person,
        stream(person.seed, "voice", person.index, question),
        engine,
        world.noise_db,
    )
    times_s = np.arange(int(np.ceil(speech.duration_s * settings.fps))) / settings.fps
    rng = stream(person.seed, "behaviour", person.index, question)
    moves = behaviour.behave(world, person, answer, speech, times_s, rng)
    frames = (draw(look, state, camera, i) for i, state in enumerate(moves.states))
    with replacing(media) as temporary:
        encode(temporary, frames, speech, settings)
    write_text(transcript, srt(speech))
    truth = {
        "what": TAG,
        "settings_hash": settings_hash(wanted),
        "settings": wanted,
        "media_sha256": content_hash(media),
        "transcript_sha256": content_hash(transcript),
        "person": person.plain(),
        "look": look.plain(),
        "camera": camera.plain(),
        **_said(answer, speech),
        **_shown(look, answer, speech, moves),
    }
    # The truth is written last: a film without it counts as not drawn.
    write_text(truth_path, json.dumps(truth, allow_nan=False) + "\n")
    return truth


def srt(speech: voice.Speech) -> str:
    """SubRip text with one cue per word; all times are whole milliseconds, so nothing is
    rounded.
    """
    cues = (
        f"{i}\n{_stamp(word.start_s)} --> {_stamp(word.end_s)}\n{word.text}\n"
        for i, word in enumerate(speech.words, start=1)
    )
    return "\n".join(cues)


def _stamp(time_s: float) -> str:
    ms = round(time_s * 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


def _said(answer: Answer, speech: voice.Speech) -> dict[str, Any]:
    f0 = speech.f0_hz
    return {
        "question": answer.question,
        "meaning": phrases.MEANING[answer.question],
        "topic": answer.topic,
        "label": answer.label,
        "text": answer.text,
        "duration_s": speech.duration_s,
        "voice": speech.engine,
        "words": [asdict(word) for word in speech.words],
        "pauses": [list(pause) for pause in speech.pauses],
        "breaths": [list(breath) for breath in speech.breaths],
        "f0": {
            "hop_s": 0.01,
            "hz": None if f0 is None else [None if np.isnan(v) else round(float(v), 2) for v in f0],
            "reason": speech.f0_reason,
        },
    }


def _shown(
    look: Person, answer: Answer, speech: voice.Speech, moves: behaviour.Behaviour
) -> dict[str, Any]:
    spans = behaviour.segment_spans(answer, speech)
    drawn = [effective(look, state) for state in moves.states]
    frames: dict[str, list[float]] = {"time_s": [round(float(t), 6) for t in moves.times_s]}
    for au in AU_NAMES:
        frames[au] = [round(float(row[au]), 4) for row in drawn]
    for au in AU_NAMES:
        frames[f"asked_{au}"] = [float(state.aus.get(au, 0.0)) for state in moves.states]
    for name in ("blink", "breath", *behaviour.COLUMNS):
        frames[name] = [float(getattr(state, name)) for state in moves.states]
    frames["closed"] = [int(flag) for flag in moves.closed]
    return {
        "segments": [
            {"start_s": start, "end_s": end, "cues": {k: list(v) for k, v in plan.cues.items()}}
            for plan, (start, end) in zip(answer.segments, spans, strict=True)
        ],
        "cues": _cues(speech, moves),
        "movements": [movement.plain() for movement in moves.movements],
        "blinks": [list(blink) for blink in moves.blinks],
        "frames": frames,
    }


def _cues(speech: voice.Speech, moves: behaviour.Behaviour) -> list[dict[str, Any]]:
    """Everything that a coder could mark, in time order."""
    head = ("look_away", "tilt", "posture", "shrug", "head_shake", "nod")
    found = [("long_pause", "voice", a, b) for a, b in speech.pauses if b - a >= 0.6]
    found += [("breath", "voice", a, b) for a, b in speech.breaths]
    found += [(word.kind, "words", word.start_s, word.end_s) for word in speech.words if word.kind]
    found += [
        (m.kind, "head" if m.kind in head else "face", m.start_s, m.end_s) for m in moves.movements
    ]
    return [
        {"kind": kind, "modality": modality, "start_s": round(start, 4), "end_s": round(end, 4)}
        for kind, modality, start, end in sorted(found, key=lambda cue: cue[2:])
    ]


def encode(
    path: Path, frames: Iterable[np.ndarray], speech: voice.Speech | None, settings: FilmSettings
) -> None:
    """h264 and AAC in MP4; None for a film without sound.

    No B-frames: every presentation time is then a plain multiple of the frame time.
    """
    import av

    if speech is None:
        sound = np.zeros(0, np.float32)
    else:
        from scipy.signal import resample_poly

        sound = resample_poly(speech.values, STORED_RATE_HZ // speech.sample_rate_hz, 1).astype(
            np.float32
        )
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        container.metadata["comment"] = TAG
        video = container.add_stream("libx264", rate=settings.fps)
        video.width, video.height, video.pix_fmt = settings.width_px, settings.height_px, "yuv420p"
        video.options = {
            "preset": settings.preset,
            "crf": str(settings.crf),
            "bf": "0",
            "threads": "1",
        }
        audio = None
        if speech is not None:
            audio = container.add_stream(
                "aac", rate=STORED_RATE_HZ, layout="mono", options={"b": "128k"}
            )
            audio.bit_rate = 128_000
        per_frame = STORED_RATE_HZ // settings.fps

        def write_sound(start: int, stop: int) -> None:
            piece = sound[start:stop]
            if len(piece) and audio is not None:
                chunk = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(piece[None]), format="fltp", layout="mono"
                )
                chunk.sample_rate, chunk.pts, chunk.time_base = (
                    STORED_RATE_HZ,
                    start,
                    Fraction(1, STORED_RATE_HZ),
                )
                container.mux(audio.encode(chunk))

        n_frames = 0
        for i, rgb in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            picture.pts, picture.time_base = i, Fraction(1, settings.fps)
            container.mux(video.encode(picture))
            write_sound(i * per_frame, (i + 1) * per_frame)
            n_frames = i + 1
        write_sound(n_frames * per_frame, len(sound))
        container.mux(video.encode(None))
        if audio is not None:
            container.mux(audio.encode(None))
