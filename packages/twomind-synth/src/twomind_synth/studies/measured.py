"""Features of synthetic people without drawing them: the known truth through a model of what the real
chain measures.

The tracks have the columns, units and clocks of :func:`twomind.features.describe.describe`, so that
one model runs on both. The measurement model (which action unit leaks into which column, how face
shape shifts a column, noise, loss) was fitted to films that went through the real chain;
``measured.json`` names the command. It holds for synthetic faces only.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.features.face.blinks import find_blinks
from twomind.features.face.gaze import MIN_OPENING
from twomind.features.face.measures import NAMES, UNITS
from twomind.features.face.reader import relative
from twomind.features.voice import track as voice
from twomind.features.words import text
from twomind.types import Features, Timing, Track, Word
from twomind_synth.identity import AU_NAMES
from twomind_synth.study_film import transcript_indices
from twomind_synth.study_people import StudyPerson
from twomind_synth.study_take import Take, drawn_aus
from twomind_synth.study_world import StudyWorld
from twomind_synth.world import stream

MODEL = Path(__file__).with_name("measured.json")
_POSE = ("yaw", "pitch", "roll", "gaze_yaw", "gaze_pitch", "z_cm")
_SPEEDS = ("mouth_open", "mouth_wide", "mouth_round", "AU12", "AU26")
#: what moves a column, frame by frame
INPUTS = (*AU_NAMES, "AU12_lean", *_POSE, "yaw_size", *(f"{name}_speed" for name in _SPEEDS))
#: what shifts a column for a person as a whole
SHAPE = (
    *(
        "face_width",
        "face_height",
        "jaw",
        "chin",
        "eye_distance",
        "eye_size",
        "eye_tilt",
        "nose_width",
        "nose_length",
    ),
    *("mouth_width", "lip_fullness", "brow_height", "brow_thickness", "brow_arch", "age"),
    *(
        "thin_glasses",
        "thick_glasses",
        "beard",
        "face_px",
        "skin_light",
        "exposure",
        "light_strength",
        "noise",
    ),
)
_COLUMN = {name: k for k, name in enumerate(NAMES)}
_DARK_BLINK = ("AU05", "AU07")
LOST = "no face"


def truth_rows(take: Take) -> dict[str, np.ndarray]:
    """Inputs ``(T, len(INPUTS))`` and the person's shape ``(len(SHAPE),)`` of one take."""
    drawn = drawn_aus(take)
    step_s = float(np.median(np.diff(take.times_s))) if len(take.times_s) > 1 else 1.0
    columns = {au: values.mean(axis=1) for au, values in drawn.items()}
    columns["AU12_lean"] = (drawn["AU12"][:, 0] - drawn["AU12"][:, 1]) / 2
    columns |= {name: take.columns[name] for name in _POSE}
    columns["yaw_size"] = np.abs(take.columns["yaw"])
    for name in _SPEEDS:
        course = columns[name] if name in columns else take.columns[name]
        columns[f"{name}_speed"] = np.abs(np.diff(course, prepend=course[:1])) / step_s
    return {
        "inputs": np.stack([columns[name] for name in INPUTS], axis=1),
        "shape": shape_row(take.person),
    }


def shape_row(person: StudyPerson) -> np.ndarray:
    """The person's constants ``(len(SHAPE),)`` that shift measured columns."""
    look, camera = person.look, person.camera
    skin = float(np.dot(look.skin, (0.299, 0.587, 0.114))) / 255
    extra = {
        "thin_glasses": float(look.glasses == "thin"),
        "thick_glasses": float(look.glasses == "thick"),
        "beard": float(look.beard not in ("none", "stubble")),
        "face_px": camera.face_size * camera.height_px * look.face_width / 100,
        "skin_light": skin * camera.exposure,
        "exposure": camera.exposure,
        "light_strength": camera.light_strength,
        "noise": camera.noise / 4,
    }
    return np.array(
        [extra[name] if name in extra else float(getattr(look, name)) for name in SHAPE]
    )


@cache
def model() -> dict[str, Any]:
    """The fitted measurement model.

    Raises:
        BadInput: ``measured.json`` is absent or was fitted for other columns.
    """
    try:
        found: dict[str, Any] = json.loads(MODEL.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{MODEL}: expected the measurement model; run python -m experiments.study_calibrate"
        ) from error
    if (
        found["names"] != list(NAMES)
        or found["inputs"] != list(INPUTS)
        or found["shape"] != list(SHAPE)
    ):
        raise BadInput(
            f"{MODEL}: fitted for other columns than today's; run python -m "
            "experiments.study_calibrate"
        )
    return {
        k: np.array(v) if isinstance(v, list) and k not in ("names", "inputs", "shape") else v
        for k, v in found.items()
    }


@dataclass(frozen=True)
class _Bend:
    """How the chain misreads one person: shift ``(M,)`` and gain ``(M,)`` of every column, and size
    of the noise.
    """

    shift: np.ndarray
    gain: np.ndarray
    noise: np.ndarray


def _bend(world: StudyWorld, person: StudyPerson) -> _Bend:
    """A property of the face (not of the day): part of the person shift, so ``world.shape`` sizes
    it.
    """
    m = model()
    rng = stream(person.factors.seed, "measured", person.index)
    n = len(NAMES)
    shift = m["shift_sd"] * (m["shift_mix"] @ rng.normal(0, 1, n)) * world.shape
    gain = np.clip(1 + m["gain_sd"] * rng.normal(0, 1, n) * world.shape, 0.2, 2.0)
    noise = (
        np.exp(m["noise_log_mean"] + m["noise_log_sd"] * rng.normal(0, 1, n) * world.shape)
        * world.noise
    )
    day = stream(person.factors.seed, "measured day", person.index, person.visit)
    shift = shift + 0.3 * m["shift_sd"] * day.normal(0, 1, n) * world.camera
    return _Bend(shift, gain, noise)


def measured_face(world: StudyWorld, take: Take) -> Track:
    """The face track of a take, one row per frame, as the real chain would give it."""
    m = model()
    rows = truth_rows(take)
    bend = _bend(world, take.person)
    rng = stream(
        take.person.factors.seed, "measured take", take.layout, take.name, take.person.visit
    )
    n = len(take.times_s)
    base = rows["shape"] @ m["shape_weights"] + m["intercept"]
    moved = (rows["inputs"] - m["input_middle"]) @ m["weights"]
    noise = _coloured(n, m["noise_mix"], m["noise_memory"], rng) * bend.noise
    values = base + bend.shift + moved * bend.gain + noise
    values[:, _COLUMN["mouth_motion"]] = np.maximum(values[:, _COLUMN["mouth_motion"]], 0.0)
    for name in (
        "blur",
        "light",
        "occlusion",
        "quality",
        "eye_opening_left",
        "eye_opening_right",
        "mouth_opening",
    ):
        values[:, _COLUMN[name]] = np.clip(values[:, _COLUMN[name]], 0.0, 1.0)
    values[:, _COLUMN["face_size"]] = np.maximum(values[:, _COLUMN["face_size"]], 1.0)
    values[:, _COLUMN["AU25"]] = np.maximum(values[:, _COLUMN["AU25"]], 0.0)
    opening = values[:, [_COLUMN["eye_opening_right"], _COLUMN["eye_opening_left"]]]
    shut = (opening < MIN_OPENING).all(axis=1)
    values[np.ix_(shut, [_COLUMN["gaze_yaw"], _COLUMN["gaze_pitch"]])] = np.nan
    lost = _lost(
        n, float(m["lost_share"]) * world.noise + world.lost, max(float(m["lost_rows"]), 4.0), rng
    )
    blink, _ = find_blinks(take.times_s, np.where(lost, np.nan, opening.mean(axis=1)))
    values[:, _COLUMN["blink"]] = blink
    values[np.ix_(blink == 1, [_COLUMN[name] for name in _DARK_BLINK])] = np.nan
    if n:
        values[0, _COLUMN["mouth_motion"]] = np.nan
    values[lost] = np.nan
    codes = lost.astype(np.uint8)
    return Track(values.astype(np.float32), take.times_s, ~lost, NAMES, UNITS, ("", LOST), codes)


def _coloured(n: int, mix: np.ndarray, memory: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise ``(n, M)`` of unit size that remembers (first-order) and that columns share."""
    from scipy.signal import lfilter

    fresh = rng.normal(0, 1, (n, len(mix))) @ mix.T
    out = np.empty_like(fresh)
    for k, rho in enumerate(memory):
        fresh[1:, k] *= math.sqrt(1 - rho**2)
        out[:, k] = lfilter([1.0], [1.0, -rho], fresh[:, k])
    return out


def _lost(n: int, share: float, usual_rows: float, rng: np.random.Generator) -> np.ndarray:
    """Rows ``(n,)`` in which the face is lost: runs of a geometric length."""
    lost = np.zeros(n, bool)
    if n and share > 0:
        for start in np.flatnonzero(rng.random(n) < share / max(usual_rows, 1.0)):
            lost[start : start + int(rng.geometric(1 / max(usual_rows, 1.0)))] = True
    return lost


def measured_voice(world: StudyWorld, take: Take) -> Track | None:
    """The voice track of a take, one row per 10 ms; None where the film has no sound."""
    speech = take.speech
    if speech is None or not speech.words or speech.level_db is None or speech.f0_hz is None:
        return None
    m = model()
    rng = stream(
        take.person.factors.seed, "measured voice", take.layout, take.name, take.person.visit
    )
    n = min(len(speech.level_db), int(speech.duration_s * 100 + 0.5))
    times_s = np.arange(n) * 0.01
    spoken = np.zeros(n, bool)
    late, soon = float(m["voice_late_s"]), float(m["voice_soon_s"])
    for word in speech.words:
        a, b = np.array([word.start_s + late, word.end_s + soon]) + rng.normal(
            0, m["voice_edge_sd_s"] * world.noise, 2
        )
        spoken[max(0, round(a * 100)) : max(0, round(b * 100))] = True
    spoken = _closed(spoken, round(float(m["voice_closed_s"]) * 100))
    floor = world.noise_db + float(m["voice_floor_db"])
    power = 10 ** (speech.level_db[:n] / 10) + 10 ** (floor / 10)
    energy = 10 * np.log10(
        np.convolve(np.pad(power, 1, mode="edge"), (0.3, 0.4, 0.3), mode="valid")
    )
    energy = energy * float(m["voice_energy"][1]) + float(m["voice_energy"][0])
    energy = energy + rng.normal(0, m["voice_energy_sd"] * world.noise, n)
    f0_hz = speech.f0_hz[:n] * 2 ** (rng.normal(0, m["voice_pitch_sd_st"] * world.noise, n) / 12)
    kept = rng.random(n) >= float(m["voice_pitch_lost"]) * world.noise
    pitch = np.where(spoken & kept, f0_hz, np.nan)
    syllable = np.zeros(n)
    for at_s in speech.nuclei_s:
        row = int(at_s * 100)
        if row < n and spoken[row] and rng.random() < float(m["voice_syllable_found"]):
            syllable[row] = 1.0
    values = np.stack([spoken, pitch, energy, syllable], axis=1).astype(np.float32)
    return Track(
        values,
        times_s,
        np.ones(n, bool),
        voice.NAMES,
        voice.UNITS,
        voice.REASONS,
        np.zeros(n, np.uint8),
    )


def _closed(spoken: np.ndarray, rows: int) -> np.ndarray:
    """Speech with its gaps of at most ``rows`` filled."""
    out = spoken.copy()
    edges = np.flatnonzero(np.diff(np.concatenate(([0], spoken.astype(np.int8), [0]))))
    for stop, start in zip(edges[1:-1:2], edges[2::2], strict=False):
        if start - stop <= rows:
            out[stop:start] = True
    return out


def words_of(world: StudyWorld, take: Take) -> tuple[Word, ...] | None:
    """The transcribed words of a BAH answer with their true times; the other layouts have no
    transcript.
    """
    if take.answer is None or take.speech is None:
        return None
    said = [take.speech.words[i] for i in transcript_indices(take, world)]
    return tuple(Word(w.text, w.start_s, w.end_s, timing=Timing.GIVEN) for w in said)


def measured(world: StudyWorld, take: Take, recording: str, hop_s: float | None = None) -> Features:
    """Features of one take; ``recording`` is its id. Deterministic: the same take gives the same
    bytes.
    """
    face = measured_face(world, take)
    tracks = {"face": face, "face_relative": relative(face)[0]}
    notes: dict[str, str] = {}
    sound = measured_voice(world, take)
    if sound is None:
        notes["voice"] = "the file has no sound"
    else:
        tracks["voice"] = sound
    words = words_of(world, take)
    if words is None:
        notes["words"] = "no transcript was given"
    else:
        tracks["words"] = text.describe_words(words)
    features = Features(
        recording=recording,
        subject=take.person.subject,
        tracks=tracks,
        span_s=(0.0, take.duration_s),
        question=take.task if take.layout == "bah" else None,
        words=words,
        notes=notes,
        drawn=True,
    )
    return features.on_grid(hop_s) if hop_s else features
