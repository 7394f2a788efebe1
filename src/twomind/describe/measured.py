"""Features of drawn people without drawing them: the known truth through a model of what the real chain measures.

The tracks have the columns, units and clocks of :func:`twomind.describe.describe`, so that one model runs on both. The
measurement model (which action unit leaks into which column, how face shape shifts a column, noise, loss) was fitted to
films that went through the real chain; ``measured.json`` names the command. It holds for drawn faces only.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from twomind.capture.drawn.identity import AU_NAMES
from twomind.capture.drawn.study_film import transcript_indices
from twomind.capture.drawn.study_people import StudyPerson
from twomind.capture.drawn.study_take import Take, drawn_aus
from twomind.capture.drawn.study_world import StudyWorld
from twomind.capture.drawn.world import stream
from twomind.describe import text, voice
from twomind.describe.blinks import find_blinks
from twomind.describe.face import relative
from twomind.describe.gaze import MIN_OPENING
from twomind.describe.measures import NAMES, UNITS
from twomind.errors import BadInput
from twomind.types import Features, Timing, Track, Word

MODEL = Path(__file__).with_name("measured.json")
_POSE = ("yaw", "pitch", "roll", "gaze_yaw", "gaze_pitch", "z_cm")
_SPEEDS = ("mouth_open", "mouth_wide", "mouth_round", "AU12", "AU26")
#: what moves a column, frame by frame
INPUTS = (*AU_NAMES, "AU12_lean", *_POSE, "yaw_size", *(f"{name}_speed" for name in _SPEEDS))
#: what shifts a column for a person as a whole
SHAPE = (
    *("face_width", "face_height", "jaw", "chin", "eye_distance", "eye_size", "eye_tilt", "nose_width", "nose_length"),
    *("mouth_width", "lip_fullness", "brow_height", "brow_thickness", "brow_arch", "age"),
    *("thin_glasses", "thick_glasses", "beard", "face_px", "skin_light", "exposure", "light_strength", "noise"),
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
    return {"inputs": np.stack([columns[name] for name in INPUTS], axis=1), "shape": shape_row(take.person)}


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
    return np.array([extra[name] if name in extra else float(getattr(look, name)) for name in SHAPE])


@cache
def model() -> dict[str, Any]:
    """The fitted measurement model.

    Raises:
        BadInput: ``measured.json`` is absent or was fitted for other columns.
    """
    try:
        found: dict[str, Any] = json.loads(MODEL.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{MODEL}: expected the measurement model; run benchmarks/study_calibrate.py") from error
    if found["names"] != list(NAMES) or found["inputs"] != list(INPUTS) or found["shape"] != list(SHAPE):
        raise BadInput(f"{MODEL}: fitted for other columns than there are now; run benchmarks/study_calibrate.py")
    return {
        k: np.array(v) if isinstance(v, list) and k not in ("names", "inputs", "shape") else v for k, v in found.items()
    }


@dataclass(frozen=True)
class _Bend:
    """How the chain misreads one person: shift ``(M,)`` and gain ``(M,)`` of every column, and size of the noise."""

    shift: np.ndarray
    gain: np.ndarray
    noise: np.ndarray


def _bend(world: StudyWorld, person: StudyPerson) -> _Bend:
    """A property of the face (not of the day): part of the person shift, so ``world.shape`` sizes it."""
    m = model()
    rng = stream(person.factors.seed, "measured", person.index)
    n = len(NAMES)
    shift = m["shift_sd"] * (m["shift_mix"] @ rng.normal(0, 1, n)) * world.shape
    gain = np.clip(1 + m["gain_sd"] * rng.normal(0, 1, n) * world.shape, 0.2, 2.0)
    noise = np.exp(m["noise_log_mean"] + m["noise_log_sd"] * rng.normal(0, 1, n) * world.shape) * world.noise
    day = stream(person.factors.seed, "measured day", person.index, person.visit)
    shift = shift + 0.3 * m["shift_sd"] * day.normal(0, 1, n) * world.camera
    return _Bend(shift, gain, noise)


def measured_face(world: StudyWorld, take: Take) -> Track:
    """The face track of a take, one row per frame, as the real chain would give it."""
    m = model()
    rows = truth_rows(take)
    bend = _bend(world, take.person)
    rng = stream(take.person.factors.seed, "measured take", take.layout, take.name, take.person.visit)
    n = len(take.times_s)
    base = rows["shape"] @ m["shape_weights"] + m["intercept"]
    moved = (rows["inputs"] - m["input_middle"]) @ m["weights"]
    noise = _coloured(n, m["noise_mix"], m["noise_memory"], rng) * bend.noise
    values = base + bend.shift + moved * bend.gain + noise
    values[:, _COLUMN["mouth_motion"]] = np.maximum(values[:, _COLUMN["mouth_motion"]], 0.0)
    for name in ("blur", "light", "occlusion", "quality", "eye_opening_left", "eye_opening_right", "mouth_opening"):
        values[:, _COLUMN[name]] = np.clip(values[:, _COLUMN[name]], 0.0, 1.0)
    values[:, _COLUMN["face_size"]] = np.maximum(values[:, _COLUMN["face_size"]], 1.0)
    values[:, _COLUMN["AU25"]] = np.maximum(values[:, _COLUMN["AU25"]], 0.0)
    opening = values[:, [_COLUMN["eye_opening_right"], _COLUMN["eye_opening_left"]]]
    shut = (opening < MIN_OPENING).all(axis=1)
    values[np.ix_(shut, [_COLUMN["gaze_yaw"], _COLUMN["gaze_pitch"]])] = np.nan
    lost = _lost(n, float(m["lost_share"]) * world.noise + world.lost, max(float(m["lost_rows"]), 4.0), rng)
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
    rng = stream(take.person.factors.seed, "measured voice", take.layout, take.name, take.person.visit)
    n = min(len(speech.level_db), int(speech.duration_s * 100 + 0.5))
    times_s = np.arange(n) * 0.01
    spoken = np.zeros(n, bool)
    late, soon = float(m["voice_late_s"]), float(m["voice_soon_s"])
    for word in speech.words:
        a, b = np.array([word.start_s + late, word.end_s + soon]) + rng.normal(0, m["voice_edge_sd_s"] * world.noise, 2)
        spoken[max(0, round(a * 100)) : max(0, round(b * 100))] = True
    spoken = _closed(spoken, round(float(m["voice_closed_s"]) * 100))
    floor = world.noise_db + float(m["voice_floor_db"])
    power = 10 ** (speech.level_db[:n] / 10) + 10 ** (floor / 10)
    energy = 10 * np.log10(np.convolve(np.pad(power, 1, mode="edge"), (0.3, 0.4, 0.3), mode="valid"))
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
    return Track(values, times_s, np.ones(n, bool), voice.NAMES, voice.UNITS, voice.REASONS, np.zeros(n, np.uint8))


def _closed(spoken: np.ndarray, rows: int) -> np.ndarray:
    """Speech with its gaps of at most ``rows`` filled."""
    out = spoken.copy()
    edges = np.flatnonzero(np.diff(np.concatenate(([0], spoken.astype(np.int8), [0]))))
    for stop, start in zip(edges[1:-1:2], edges[2::2], strict=False):
        if start - stop <= rows:
            out[stop:start] = True
    return out


def words_of(world: StudyWorld, take: Take) -> tuple[Word, ...] | None:
    """The transcribed words of a BAH answer with their true times; the other layouts have no transcript."""
    if take.answer is None or take.speech is None:
        return None
    said = [take.speech.words[i] for i in transcript_indices(take, world)]
    return tuple(Word(w.text, w.start_s, w.end_s, timing=Timing.GIVEN) for w in said)


def measured(world: StudyWorld, take: Take, recording: str, hop_s: float | None = None) -> Features:
    """Features of one take; ``recording`` is its id. Deterministic: the same take gives the same bytes."""
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


# --- fitting -----------------------------------------------------------------------------------------------------


def calibrate(clips: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The model and a report, from clips with ``truth`` (:func:`truth_rows`), ``face (T, M)`` (nan where not valid).

    Every fourth person is held out for the report.
    """
    held = [c for c in clips if c["index"] % 4 == 1]
    fitted = _fit([c for c in clips if c["index"] % 4 != 1])
    report = {
        "clips": len(clips),
        "held_out_clips": len(held),
        "held_out_r2_within_person": _explained(fitted, held),
    }
    final = _fit(clips)
    final |= _fit_voice([c for c in clips if "voice" in c])
    report["voice"] = {k: v for k, v in final.items() if k.startswith("voice")}
    report["lost_share"] = final["lost_share"]
    final["held_out_r2_within_person"] = report["held_out_r2_within_person"]
    plain: dict[str, Any] = {k: _rounded(v) if isinstance(v, np.ndarray) else v for k, v in final.items()}
    return plain | {"names": list(NAMES), "inputs": list(INPUTS), "shape": list(SHAPE)}, report


def _rounded(values: np.ndarray) -> list[Any]:
    found: list[Any] = np.round(values, 5).tolist()
    return found


def _demeaned(clip: dict[str, Any], k: int, middle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y = clip["face"][:, k]
    ok = np.isfinite(y)
    x = clip["truth"]["inputs"][ok] - middle
    return x, y[ok]


def _fit(clips: list[dict[str, Any]]) -> dict[str, Any]:
    middle = np.mean(np.concatenate([c["truth"]["inputs"] for c in clips]), axis=0)
    n_in, n_out = len(INPUTS), len(NAMES)
    weights, intercept = np.zeros((n_in, n_out)), np.zeros(n_out)
    shape_weights = np.zeros((len(SHAPE), n_out))
    shift_sd, gain_sd = np.zeros(n_out), np.zeros(n_out)
    log_mean, log_sd, memory = np.full(n_out, -12.0), np.zeros(n_out), np.zeros(n_out)
    residuals: list[list[np.ndarray]] = [[] for _ in clips]
    shifts = np.zeros((len(clips), n_out))
    for k, name in enumerate(NAMES):
        if name == "blink":
            continue
        pairs = [_demeaned(c, k, middle) for c in clips]
        xs = np.concatenate([x - x.mean(axis=0) for x, _ in pairs if len(x)])
        ys = np.concatenate([y - y.mean() for _, y in pairs if len(y)])
        w = np.linalg.solve(xs.T @ xs + 0.5 * np.diag(xs.var(axis=0) * 30 + 1e-3), xs.T @ ys)
        weights[:, k] = w
        offsets = np.array([float((y - x @ w).mean()) if len(y) else np.nan for x, y in pairs])
        shapes = np.array([c["truth"]["shape"] for c in clips])
        known = np.isfinite(offsets)
        s, b, left = _ridge(shapes[known], offsets[known])
        shape_weights[:, k], intercept[k] = s, b
        shift_sd[k] = float(left.std())
        shifts[known, k] = left / max(left.std(), 1e-9)
        gains, sizes, memories = [], [], []
        for i, (x, y) in enumerate(pairs):
            if len(y) < 30:
                residuals[i].append(np.zeros(len(clips[i]["face"])))
                continue
            expected = (x - x.mean(axis=0)) @ w
            spread = float(expected @ expected)
            slope = float(expected @ (y - y.mean()) / spread) if spread > 1e-9 else 1.0
            rest = y - y.mean() - slope * expected
            # What the noise alone does to a slope is taken off again.
            gains.append((slope - 1, rest.var() * 4 / max(spread, 1e-9)))
            sizes.append(math.log(max(rest.std(), 1e-6)))
            memories.append(float(np.corrcoef(rest[1:], rest[:-1])[0, 1]) if rest.std() > 1e-9 else 0.0)
            full = np.zeros(len(clips[i]["face"]))
            full[np.isfinite(clips[i]["face"][:, k])] = rest / max(rest.std(), 1e-9)
            residuals[i].append(full)
        slopes = np.array(gains)
        gain_sd[k] = min(0.5, math.sqrt(max(float(np.mean(slopes[:, 0] ** 2) - np.mean(slopes[:, 1])), 0.0)))
        log_mean[k], log_sd[k] = float(np.mean(sizes)), float(np.std(sizes))
        memory[k] = float(np.clip(np.median(memories), 0, 0.95))
    noise_mix = _mixer(np.concatenate([np.stack(_with_blink(r), axis=1) for r in residuals]))
    lost = np.concatenate([~np.isfinite(c["face"][:, _COLUMN["AU12"]]) for c in clips])
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate(([0], lost.astype(int), [0])))))[::2]
    return {
        "input_middle": middle,
        "weights": weights,
        "intercept": intercept,
        "shape_weights": shape_weights,
        "shift_sd": shift_sd,
        "shift_mix": _mixer(shifts, 0.5),
        "gain_sd": gain_sd,
        "noise_log_mean": log_mean,
        "noise_log_sd": log_sd,
        "noise_memory": memory,
        "noise_mix": noise_mix,
        "lost_share": float(lost.mean()),
        "lost_rows": float(runs.mean()) if len(runs) else 1.0,
    }


def _with_blink(columns: list[np.ndarray]) -> list[np.ndarray]:
    """The blink column is not modelled (it follows from the eyes' opening); it gets no noise."""
    at = _COLUMN["blink"]
    return [*columns[:at], np.zeros(len(columns[0])), *columns[at:]]


def _ridge(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Weights, intercept and left-out residuals of a ridge regression on standardised columns."""
    middle, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    z = (x - middle) / scale

    def solve(z: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.solve(z.T @ z + 4.0 * np.eye(z.shape[1]), z.T @ (y - y.mean())))

    left = np.array(
        [
            y[i] - y[np.arange(len(y)) != i].mean() - z[i] @ solve(np.delete(z, i, 0), np.delete(y, i))
            for i in range(len(y))
        ]
    )
    w = solve(z, y) / scale
    return w, float(y.mean() - middle @ w), left


def _mixer(rows: np.ndarray, shrink: float = 0.2) -> np.ndarray:
    """A square root of the (shrunk) correlation of the columns."""
    rows = rows - rows.mean(axis=0)
    scale = np.maximum(rows.std(axis=0), 1e-9)
    correlation = np.nan_to_num((rows / scale).T @ (rows / scale) / len(rows))
    correlation = (1 - shrink) * correlation + shrink * np.eye(len(correlation))
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(np.linalg.cholesky(correlation + 1e-6 * np.eye(len(correlation))))


def _explained(fitted: dict[str, Any], clips: list[dict[str, Any]]) -> dict[str, float]:
    """Share of the within-person variance of each column that the truth explains, on people not fitted."""
    out = {}
    for k, name in enumerate(NAMES):
        if name == "blink":
            continue
        error = total = 0.0
        for clip in clips:
            x, y = _demeaned(clip, k, fitted["input_middle"])
            if len(y) >= 30:
                guess = (x - x.mean(axis=0)) @ fitted["weights"][:, k]
                error += float(((y - y.mean() - guess) ** 2).sum())
                total += float(((y - y.mean()) ** 2).sum())
        out[name] = round(1 - error / total, 3) if total else math.nan
    return out


def _fit_voice(clips: list[dict[str, Any]]) -> dict[str, Any]:
    late, soon, energies, pitch, voiced, found, n_nuclei, floors = [], [], [], [], [], 0, 0, []
    closed: list[tuple[float, bool]] = []
    for clip in clips:
        take, rows = clip["take"], clip["voice"]
        speech = take.speech
        spoken = rows[:, 0] == 1
        n = min(len(rows), len(speech.level_db))
        for before, after in zip(speech.words, speech.words[1:], strict=False):
            gap = slice(round(before.end_s * 100), round(after.start_s * 100))
            inside = spoken[gap]
            if len(inside):
                closed.append((after.start_s - before.end_s, bool(inside.all())))
            if len(inside) >= 30 and not inside.all():
                silent = np.flatnonzero(~inside)
                soon.append(silent[0] * 0.01)
                late.append((silent[-1] + 1 - len(inside)) * 0.01)
        level, energy = speech.level_db[:n], rows[:n, 2]
        loud = (level > -60) & np.isfinite(energy)
        energies.append(np.stack([level[loud], energy[loud]], axis=1))
        quiet = ~loud & np.isfinite(energy) & (level <= -119)
        floors.append(energy[quiet])
        f0 = speech.f0_hz[:n]
        both = np.isfinite(f0) & spoken[:n]
        measured_f0 = rows[:n, 1]
        voiced.append(np.isnan(measured_f0[both]))
        ok = both & np.isfinite(measured_f0)
        pitch.append(12 * np.log2(measured_f0[ok] / f0[ok]))
        for at_s in speech.nuclei_s:
            near = rows[max(0, int(at_s * 100) - 6) : int(at_s * 100) + 7, 3]
            found += int(np.nansum(near) > 0)
            n_nuclei += 1
    pairs = np.concatenate(energies)
    slope, intercept = np.polyfit(pairs[:, 0], pairs[:, 1], 1)
    left = pairs[:, 1] - slope * pairs[:, 0] - intercept
    deviation = np.concatenate(pitch)
    lengths = np.array([g for g, _ in closed])
    shut = np.array([c for _, c in closed])
    edges = np.arange(0.03, 0.4, 0.01)
    wrong = [float(np.mean(shut != (lengths <= e))) for e in edges]
    return {
        "voice_late_s": float(np.median(late)),
        "voice_soon_s": float(np.median(soon)),
        "voice_edge_sd_s": float(np.std(np.concatenate([late - np.median(late), soon - np.median(soon)]))),
        "voice_closed_s": float(edges[int(np.argmin(wrong))]),
        "voice_floor_db": float(np.median(np.concatenate(floors))) + 66.0,
        "voice_energy": np.array([intercept, slope]),
        "voice_energy_sd": float(np.std(left)),
        "voice_pitch_sd_st": float(np.median(np.abs(deviation))) * 1.48,
        "voice_pitch_lost": float(np.mean(np.concatenate(voiced))),
        "voice_syllable_found": found / max(n_nuclei, 1),
    }
