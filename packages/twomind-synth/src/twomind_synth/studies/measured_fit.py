"""Fits the measurement model of :mod:`.measured` to films of the real chain: see
``experiments/study_calibrate.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twomind.features.face.measures import NAMES
from twomind_synth.studies.measured import INPUTS, SHAPE

_COLUMN = {name: k for k, name in enumerate(NAMES)}
#: the room's noise in the calibration films (dBFS)
_NOISE_DB = -66.0


def calibrate(clips: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The model and a report, from clips with ``truth`` (:func:`truth_rows`), ``face (T, M)`` (nan
    where not valid).

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
    plain: dict[str, Any] = {
        k: _rounded(v) if isinstance(v, np.ndarray) else v for k, v in final.items()
    }
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
            memories.append(
                float(np.corrcoef(rest[1:], rest[:-1])[0, 1]) if rest.std() > 1e-9 else 0.0
            )
            full = np.zeros(len(clips[i]["face"]))
            full[np.isfinite(clips[i]["face"][:, k])] = rest / max(rest.std(), 1e-9)
            residuals[i].append(full)
        slopes = np.array(gains)
        gain_sd[k] = min(
            0.5, math.sqrt(max(float(np.mean(slopes[:, 0] ** 2) - np.mean(slopes[:, 1])), 0.0))
        )
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
            y[i]
            - y[np.arange(len(y)) != i].mean()
            - z[i] @ solve(np.delete(z, i, 0), np.delete(y, i))
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
    """Share of the within-person variance of each column that the truth explains, on people not
    fitted.
    """
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
        "voice_edge_sd_s": float(
            np.std(np.concatenate([late - np.median(late), soon - np.median(soon)]))
        ),
        "voice_closed_s": float(edges[int(np.argmin(wrong))]),
        "voice_floor_db": float(np.median(np.concatenate(floors))) - _NOISE_DB,
        "voice_energy": np.array([intercept, slope]),
        "voice_energy_sd": float(np.std(left)),
        "voice_pitch_sd_st": float(np.median(np.abs(deviation))) * 1.48,
        "voice_pitch_lost": float(np.mean(np.concatenate(voiced))),
        "voice_syllable_found": found / max(n_nuclei, 1),
    }
