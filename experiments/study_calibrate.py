"""How the real chain sees a drawn face and voice: draw → encode → decode → track → measure, against
the drawn truth.

Draws people who move every action unit, head and eyes at random, films them, measures the films
with ``describe`` and fits the measurement model of ``twomind_synth/studies/measured.py``. Writes
``twomind_synth/studies/measured.json`` and prints how well the model explains the measured columns
on people it has not seen:

    OMP_NUM_THREADS=1 python -m experiments.study_calibrate --people 24 --seconds 12
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import engine
from twomind.core.store import Store
from twomind.features.describe import Settings, describe
from twomind.types import Recording
from twomind_synth import behaviour
from twomind_synth.identity import AU_NAMES
from twomind_synth.studies.measured import MODEL, truth_rows
from twomind_synth.studies.measured_fit import calibrate
from twomind_synth.study_film import film_settings, film_take
from twomind_synth.study_people import study_person
from twomind_synth.study_take import Take, bah_take, silence
from twomind_synth.study_world import StudyWorld
from twomind_synth.world import stream

FPS = 15


def exercise(world: StudyWorld, index: int, seconds: float) -> Take:
    """One clip in which everything moves: each action unit rises and falls by itself, now and then
    in pairs.
    """
    person = study_person(world, 77, index, f"cal{index:03d}", size=(320, 240))
    rng = stream(77, "exercise", index)
    times_s = np.arange(round(seconds * FPS)) / FPS
    speech = silence(seconds)
    columns = {name: np.zeros(len(times_s)) for name in behaviour.COLUMNS}
    behaviour.add_idle(columns, person.factors, times_s, rng)

    def bumps(rate_per_s: float, height: float) -> np.ndarray:
        course = np.zeros(len(times_s))
        for _ in range(int(rng.poisson(rate_per_s * seconds))):
            middle, width = rng.uniform(0, seconds), rng.uniform(0.3, 0.9)
            course = np.maximum(
                course, rng.uniform(0.3, 1) * np.exp(-0.5 * ((times_s - middle) / width) ** 2)
            )
        return height * course

    aus = {au: bumps(0.12, 1.0) for au in AU_NAMES}
    for name, height in (
        ("yaw", 14),
        ("pitch", 9),
        ("roll", 9),
        ("gaze_yaw", 17),
        ("gaze_pitch", 14),
    ):
        columns[name] = columns[name] + bumps(0.12, height) - bumps(0.12, height)
    for name in ("mouth_open", "mouth_wide", "mouth_round"):
        columns[name] = bumps(0.3, 0.9)
    starts = behaviour.blink_starts(person.factors, seconds, rng)
    blink = behaviour.blink_course(starts, times_s)
    return Take(
        layout="biovid",
        person=person,
        name=f"cal{index:03d}",
        task="exercise",
        label=0,
        noted=0,
        duration_s=seconds,
        times_s=times_s,
        aus=aus,
        columns=columns,
        blink=blink,
        chest=np.zeros(len(times_s)),
        movements=(),
        blinks=behaviour.runs(blink >= 0.5, times_s),
        speech=speech,
    )


def measure(job: tuple[int, float, str, bool]) -> dict[str, Any]:
    """Film and measure one clip; the truth and the measured columns at the same frames."""
    index, seconds, folder, spoken = job
    world = StudyWorld()
    if spoken:
        take = bah_take(
            replace(world, answer_s=(seconds, 0.3)),
            study_person(world, 77, index, f"cal{index:03d}"),
            4,
            FPS,
        )
    else:
        take = exercise(world, index, seconds)
    media = Path(folder) / f"{take.name}-{int(spoken)}.mp4"
    film_take(media, take, world, film_settings(FPS))
    recording = Recording(id=take.name, subject=take.person.subject, media=media, drawn=True)
    found = describe(
        recording,
        ("face", "voice") if spoken else ("face",),
        store=Store(Path(folder)),
        settings=Settings(),
    )
    track = found.features.tracks["face"]
    out = {
        "index": index,
        "truth": truth_rows(take),
        "face": np.where(track.valid[:, None], track.values, np.nan),
        "raw": np.asarray(track.values),
        "codes": track.reason_code,
        "reasons": track.reasons,
        "times_s": track.times_s,
        "spoken": spoken,
        "glasses": take.person.look.glasses,
    }
    if spoken and "voice" in found.features.tracks:
        voice = found.features.tracks["voice"]
        out["voice"] = voice.values
        out["take"] = take
    return out


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        jobs = [
            (i, given.seconds, folder, spoken)
            for i in range(given.people)
            for spoken in (False, i % 4 == 0)
        ]
        jobs = sorted(set(jobs))
        done = []
        for outcome in engine.run(measure, jobs, given.workers):
            if outcome.result is None:
                raise SystemExit(f"clip {outcome.item[0]} failed: {outcome.error}\n{outcome.trace}")
            done.append(outcome.result)
    done.sort(key=lambda row: (row["index"], row["spoken"]))
    model, report = calibrate(done)
    model["command"] = (
        f"python -m experiments.study_calibrate --people {given.people} --seconds {given.seconds:g}"
    )
    MODEL.write_text(json.dumps(model, indent=None) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1, default=lambda v: np.round(v, 4).tolist()))


if __name__ == "__main__":
    main()
