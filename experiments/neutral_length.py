"""How long must a neutral clip be, and what does a contaminated one do: methods on drawn studies.

    OMP_NUM_THREADS=1 python -m experiments.neutral_length            # about a quarter of an hour
    of one core

Drawn people: proves machinery only. 24 drawn people in four groups, each group held out once; the
model is the plain one of experiments/reports/adaptation-synthetic.md on windows of 2.5 s, fitted on
the other 18 people.
Some of each person's clips that were elicited to be neutral are kept for handing over, and so are
the clips that contaminate; neither is ever tested. Answers are judged clip by clip, of BAH window
by window. Which clips are handed over is drawn anew (``--draws``); a person's figure is the mean
over draws, and intervals are over people. Labels of a held-out person are looked at after the
answers, for the figures; that a clip shows the other class is how the condition is made, and no
method is told.

Features are made without films. What bad light does is measured on films: each person's neutral
face is filmed in their own light and in bad light, both films go through the real chain, and the
difference of every measure and the share of frames without a face are put on the handed clip. A
method that refuses a clip leaves the model as it is.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from twomind import adaptation as personalise
from twomind.adaptation.summary import class_means
from twomind.core import numbers
from twomind.core.errors import BadInput
from twomind.core.store import Store
from twomind.evaluation import people
from twomind.evaluation.windows import Windows, opaque
from twomind.features.describe import describe
from twomind.features.face.reader import relative
from twomind.models.described import fit_described
from twomind.training import pft
from twomind.types import Example, Features, Given, Recording, Track
from twomind_synth import behaviour
from twomind_synth.studies.dataset import TASKS
from twomind_synth.studies.features import ClipTruth, study_features
from twomind_synth.studies.measured import LOST, measured
from twomind_synth.study_film import film_settings, film_take
from twomind_synth.study_layout import clips_of, person_of, take_of
from twomind_synth.study_people import StudyPerson, study_person
from twomind_synth.study_script import write_study_answer
from twomind_synth.study_take import Take, biovid_take, say, silence
from twomind_synth.study_world import StudyWorld

from . import record

PEOPLE, GROUPS, SEED = 24, 4, 0
WINDOWS = Windows(2.5)
LENGTHS_S = (1.0, 3.0, 10.0, 30.0)
#: What else is in a clip of ten seconds, and how much of it; ``silent``: of an interview in which
#: everybody talks.
CONTAMINATED_S = 10.0
MIXED = (
    *(
        ("expression", 0.25),
        ("expression", 0.5),
        ("expression", 1.0),
        ("smile", 0.5),
        ("smile", 1.0),
    ),
    *(
        ("talking", 0.5),
        ("talking", 1.0),
        ("silent", 1.0),
        ("dark", 1.0),
        ("bright", 1.0),
        ("other", 1.0),
    ),
)
#: Clips kept for handing over, by how they were elicited; and those that contaminate, which show
#: the other class.
NEUTRAL = {"biovid": ("BL1", 7), "stressid": ("Relax Breathing", 2), "bah": ("1", 1)}
OTHER_CLASS = {"biovid": ("PA4", 2), "stressid": ("Stroop Math", 2), "bah": ("4 7", 2)}
#: A smile from the first frame to the last, as in ``twomind_synth.enrol``.
SMILE = {"AU12": 0.6, "AU06": 0.35}
LIPS = ("mouth_open", "mouth_wide", "mouth_round")
#: Exposure of the camera. ``bright`` is that of the check at enrolment (docs/profile.md); at its
#: ``dark`` no face is found in anybody, here it is in some. Films of four seconds, ten frames a
#: second.
LIGHT = {"dark": 0.2, "bright": 6.0}
LIGHT_S, LIGHT_FPS = 4.0, 10
#: Method and how many draws it gets at most. ``neutral-mmd`` trains on source windows.
METHODS = {"neutral-alignment": 99, "neutral-threshold": 99, "sfda-pft": 99, "neutral-mmd": 1}
#: Conditions that ``neutral-mmd`` is spared, for its cost.
SPARED = {"neutral-mmd": (0.25, 0.5)}
NOTE = "drawn people: proves machinery only"


@dataclass(frozen=True)
class Unit:
    """What is judged as one (a clip; of BAH a window): its id, label and windows."""

    id: str
    label: int
    windows: list[Features]


@dataclass(frozen=True)
class Person:
    """One person's clips: ``handed`` by what they show (``neutral``, ``smile`` …), and what is
    tested.
    """

    handed: dict[str, list[Features]]
    test: list[Unit]


class Once:
    """A model's reader that reads each window once: every method and condition looks at the same
    ones.
    """

    def __init__(self, reader: Callable[[Features], np.ndarray | None]) -> None:
        self._reader = reader
        self._read: dict[int, tuple[Features, np.ndarray | None]] = {}

    def __call__(self, x: Features) -> np.ndarray | None:
        if id(x) not in self._read:
            self._read[id(x)] = (x, self._reader(x))  # the window too, so that its id stays its own
        return self._read[id(x)][1]


@dataclass(frozen=True)
class Light:
    """What bad light does to one person's face: shift of every column ``(M,)``, share of frames
    without a face.
    """

    shift: np.ndarray
    lost: float


def people_of(
    layout: str, light: dict[str, list[Light]]
) -> tuple[dict[str, Person], dict[str, ClipTruth], list[Features]]:
    """Everybody's clips by use, the truths by recording, and all clips."""
    world = StudyWorld()
    study = study_features(layout, PEOPLE, SEED, world)
    truths = {t.recording: t for t in study.truths}
    clips = {c.recording: c for c in clips_of(layout, PEOPLE, SEED, world)}
    found = {}
    for subject in dict.fromkeys(x.subject for x in study.features):
        own = [x for x in study.features if x.subject == subject]
        kept = {}
        for use, (tasks, n) in (("neutral", NEUTRAL[layout]), ("expression", OTHER_CLASS[layout])):
            kept[use] = [x for x in own if truths[x.recording].task in tasks.split()][:n]
        away = {x.recording for xs in kept.values() for x in xs}
        takes = [clips[x.recording] for x in kept["neutral"]]
        kept["smile"] = [_measured(world, c, _smiling) for c in takes]
        if layout == "bah":  # everybody talks; of the answers with A/H, the moments of it
            kept["silent"] = [_measured(world, c, _silent) for c in takes]
            kept["expression"] = [
                x.between(a, b) for x in kept["expression"] for a, b in truths[x.recording].segments
            ]
        else:
            kept["talking"] = [_measured(world, c, _talking) for c in takes]
        for kind, by_person in light.items():
            kept[kind] = [_lit(x, by_person[takes[0].index]) for x in kept["neutral"]]
        found[subject] = Person(
            kept, [u for x in own if x.recording not in away for u in units(layout, x, truths)]
        )
    return found, truths, list(study.features)


def units(layout: str, x: Features, truths: dict[str, ClipTruth]) -> list[Unit]:
    """What is judged of one clip."""
    truth, windows = truths[x.recording], WINDOWS.cut(x)
    if layout != "bah":
        return [Unit(x.recording, truth.label, windows)]
    return [Unit(f"{x.recording} {k}", truth.at(*w.span_s), [w]) for k, w in enumerate(windows)]


def _measured(world: StudyWorld, clip: Any, change: Any) -> Features:
    person = person_of(clip, world, SEED)
    return measured(
        world, change(world, person, take_of(clip, world, SEED, person=person)), clip.recording
    )


def _smiling(world: StudyWorld, person: StudyPerson, take: Take) -> Take:
    held = {name: np.full(len(take.times_s), size) for name, size in SMILE.items()}
    return replace(take, aus={**take.aus, **held})


def _talking(world: StudyWorld, person: StudyPerson, take: Take) -> Take:
    """Lips and voice of an answer to question 1 of the person, from its beginning on."""
    speech = say(world, person, write_study_answer(world, person, 1), 1, sound=False)
    columns = {**take.columns, **{name: take.columns[name].copy() for name in LIPS}}
    behaviour.add_lips(columns, speech, take.times_s)
    until_s = take.duration_s
    rows = round(until_s * 100)
    assert speech.level_db is not None
    assert speech.f0_hz is not None
    speech = replace(
        speech,
        values=speech.values[: round(until_s * speech.sample_rate_hz)],
        words=tuple(w for w in speech.words if w.end_s <= until_s),
        level_db=speech.level_db[:rows],
        f0_hz=speech.f0_hz[:rows],
    )
    # A film of BioVid has no sound; of StressID some have.
    return replace(
        take, columns=columns, speech=speech if take.layout == "stressid" else take.speech
    )


def _silent(world: StudyWorld, person: StudyPerson, take: Take) -> Take:
    still = {name: np.zeros(len(take.times_s)) for name in LIPS}
    return replace(
        take, columns={**take.columns, **still}, speech=silence(take.duration_s), answer=None
    )


def _lit(x: Features, light: Light) -> Features:
    """The clip in bad light: its face track moved, and frames at random without a face."""
    face = x.tracks["face"]
    lost = np.random.default_rng(SEED).random(len(face)) < light.lost
    values = np.where(lost[:, None], np.nan, face.values + light.shift).astype(np.float32)
    valid = face.valid & ~lost
    moved = Track(
        values, face.times_s, valid, face.names, face.units, ("", LOST), (~valid).astype(np.uint8)
    )
    return replace(x, tracks={**x.tracks, "face": moved, "face_relative": relative(moved)[0]})


def light_of(index: int) -> dict[str, Light]:
    """Bad light measured on films of one person: the same moments in the person's own light and in
    bad light.
    """
    world = replace(StudyWorld(), clip_s=LIGHT_S)
    person = study_person(world, SEED, index, f"p{index}")
    take = biovid_take(world, person, 0, 81, LIGHT_FPS)
    own = _filmed(world, take)
    found = {}
    for kind, exposure in LIGHT.items():
        camera = replace(person.camera, exposure=exposure)
        bad = _filmed(
            world, replace(take, person=replace(person, camera=camera), name=f"{take.name}-{kind}")
        )
        both = np.isfinite(bad) & np.isfinite(own)
        apart = np.where(both, bad - own, 0.0).sum(axis=0) / np.maximum(both.sum(axis=0), 1)
        faces = np.isfinite(own).any(axis=1)
        found[kind] = Light(apart, 1 - float(np.isfinite(bad[faces]).any(axis=1).mean()))
    return found


def _filmed(world: StudyWorld, take: Take) -> np.ndarray:
    """Columns ``(T, M)`` of the face as the real chain measures the film; nan where there
    is none.
    """
    with tempfile.TemporaryDirectory() as folder:
        media = Path(folder) / "film.mp4"
        film_take(media, take, world, film_settings(LIGHT_FPS))
        made = describe(
            Recording(take.name, take.person.subject, media, drawn=True),
            ("face",),
            store=Store(Path(folder)),
        )
    face = made.features.tracks["face"]
    return np.where(face.valid[:, None], face.values, np.nan)


def piece(clips: list[Features], seconds: float, rng: np.random.Generator) -> list[Features]:
    """Windows of ``seconds`` of these clips: whole clips in a drawn order, a part of the last one
    from a drawn moment.

    All of them where they are shorter together.
    """
    found: list[Features] = []
    for i in rng.permutation(len(clips)):
        if seconds <= 1e-6:
            break
        start_s, end_s = clips[i].span_s
        length_s = min(seconds, end_s - start_s)
        begin_s = start_s + rng.uniform(0, end_s - start_s - length_s)
        found += WINDOWS.cut(clips[i].between(begin_s, begin_s + length_s))
        seconds -= length_s
    return found


def conditions(layout: str) -> list[tuple[str, float, str, float]]:
    """Name, seconds, what contaminates, its share."""
    never = "talking" if layout == "bah" else "silent"
    clean = [(f"neutral {s:g} s", s, "", 0.0) for s in LENGTHS_S]
    return clean + [
        (f"{CONTAMINATED_S:g} s, {share:.0%} {what}", CONTAMINATED_S, what, share)
        for what, share in MIXED
        if what != never
    ]


def handed(
    me: Person, other: Person, seconds: float, what: str, share: float, seed: list[int]
) -> tuple[Features, ...]:
    """The neutral clip as a method gets it. ``other``: the neutral clip of that person in place of
    one's own.
    """
    rng = np.random.default_rng(seed)
    own = piece(me.handed["neutral"], seconds * (1 - share), rng) if share < 1 else []
    foreign = other.handed["neutral"] if what == "other" else me.handed.get(what, [])
    return tuple(opaque(x) for x in own + piece(foreign, seconds * share, rng))


def figure(predictions: list[Any], test: list[Unit]) -> float:
    """Macro-F1 of one person, from a prediction per window in order; here labels meet answers."""
    windows = [replace(w, recording=u.id) for u in test for w in u.windows]
    answers = personalise.pool(
        [personalise.Step(w, p, {}) for w, p in zip(windows, predictions, strict=True)]
    )
    y = np.array([u.label for u in test])
    return float(people.OF_ONE["macro_f1"](y, np.array([answers[u.id].probs for u in test])))


def study(layout: str, draws: int, light: dict[str, list[Light]]) -> dict[str, Any]:
    """One layout: figures per person and condition, and what they say over people."""
    torch.set_num_threads(1)
    found, truths, clips = people_of(layout, light)
    names = sorted(found)
    group = np.random.default_rng(SEED).permutation(len(names)) % GROUPS
    plain: dict[str, float] = {}
    kept: dict[str, dict[str, dict[str, list[float]]]] = {m: {} for m in METHODS}
    refused: dict[str, dict[str, set[str]]] = {m: {} for m in METHODS}
    seconds_of: dict[str, list[float]] = {}
    for g in range(GROUPS):
        tested = {n for n, k in zip(names, group, strict=True) if k == g}
        source = tuple(
            Example(opaque(w), u.label)
            for x in clips
            if x.subject not in tested
            for u in units(layout, x, truths)
            for w in u.windows
        )
        model = fit_described(source, TASKS[layout])
        assert model.reader is not None
        model = replace(model, reader=Once(model.reader))
        summary = {**class_means(model, source), **pft.source_summary(model)(source)}
        for name in sorted(tested):
            me, k = found[name], names.index(name)
            other = found[names[(k + 1) % len(names)]]
            xs = [opaque(w) for u in me.test for w in u.windows]
            plain[name] = figure([model.predict(x) for x in xs], me.test)
            for condition, seconds, what, share in conditions(layout):
                for draw in range(draws):
                    clip = handed(me, other, seconds, what, share, [SEED, k, draw])
                    seconds_of.setdefault(condition, []).append(
                        sum(x.span_s[1] - x.span_s[0] for x in clip)
                    )
                    given = Given(seed=draw, neutral=clip, source=source, summary=summary)
                    for method, most in METHODS.items():
                        if draw >= most or share in SPARED.get(method, ()):
                            continue
                        adapter = personalise.load_method(method)
                        try:
                            state = adapter.begin(model, given)
                        except BadInput:
                            refused[method].setdefault(condition, set()).add(name)
                            value = plain[name]
                        else:
                            value = figure([adapter.step(model, state, x)[0] for x in xs], me.test)
                        kept[method].setdefault(condition, {}).setdefault(name, []).append(value)
        print(
            f"{layout}: group {g + 1} of {GROUPS}, {time.process_time():.0f} s",
            file=sys.stderr,
            flush=True,
        )
    rows = {
        m: {c: {**_row(per, plain), "refused": len(refused[m].get(c, ()))} for c, per in by.items()}
        for m, by in kept.items()
    }
    value = np.array([plain[n] for n in names])
    return {
        "people": len(names),
        "judged": "window" if layout == "bah" else "clip",
        "judged_per_person": float(np.mean([len(found[n].test) for n in names])),
        "no adaptation": {"macro_f1": float(value.mean()), "ci": _interval(value)},
        "handed_s": {
            c: [float(f(v)) for f in (np.min, np.mean, np.max)] for c, v in seconds_of.items()
        },
        "methods": rows,
        "per_person": {
            "no adaptation": plain,
            **{m: {c: _means(p) for c, p in by.items()} for m, by in kept.items()},
        },
    }


def _means(per: dict[str, list[float]]) -> dict[str, float]:
    return {name: float(np.mean(values)) for name, values in sorted(per.items())}


def _interval(values: np.ndarray) -> list[float]:
    """95 % percentile bootstrap of the mean; people are drawn."""
    return numbers.interval(numbers.resampled_means(values, 5000, SEED))


def _row(per: dict[str, list[float]], plain: dict[str, float]) -> dict[str, Any]:
    """Mean gain of the people with its interval, and how many lost more than a point."""
    mean = _means(per)
    found = people.paired(mean, plain)
    return {
        "macro_f1": float(np.mean(list(mean.values()))),
        "gain": found.mean,
        "ci": list(found.ci),
        "harmed": found.n_harmed,
        "helped": found.n_helped,
        "between_draws_sd": float(np.mean([np.std(v) for v in per.values()])),
    }


def table(found: dict[str, Any]) -> str:
    """The table of experiments/reports/adaptation-synthetic.md."""
    lines = []
    for layout, one in found.items():
        base = one["no adaptation"]
        lines += [
            f"| drawn {layout} | " + " | ".join(METHODS) + " |",
            "|---|" + "---|" * len(METHODS),
        ]
        low, high = base["ci"]
        lines.append(
            f"| no adaptation | macro-F1 {base['macro_f1']:.3f} [{low:.2f}, {high:.2f}] |"
            + " |" * 3
        )
        for condition, *_ in conditions(layout):
            cells = []
            for method in METHODS:
                r = one["methods"][method].get(condition)
                if r is None:
                    cells.append("–")
                    continue
                said = f", {r['refused']} refused" if r["refused"] else ""
                cells.append(
                    f"{r['gain']:+.3f} [{r['ci'][0]:+.2f}, {r['ci'][1]:+.2f}]; {r['harmed']}{said}"
                )
            lines.append(f"| {condition} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--layouts", nargs="+", default=list(NEUTRAL), choices=sorted(NEUTRAL))
    parser.add_argument(
        "--workers", type=int, default=1, help="layouts at a time, each in a process of its own"
    )
    given = parser.parse_args()
    with ProcessPoolExecutor(given.workers, multiprocessing.get_context("spawn")) as pool:
        light = list(pool.map(light_of, range(PEOPLE)))
        by_kind = {kind: [one[kind] for one in light] for kind in LIGHT}
        print("films in bad light: done", file=sys.stderr, flush=True)
        asked = {
            layout: pool.submit(study, layout, given.draws, by_kind) for layout in given.layouts
        }
        found = {layout: one.result() for layout, one in asked.items()}
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_s = sum(u.ru_utime + u.ru_stime for u in used)
    head = {
        "note": NOTE,
        "drawn": True,
        "draws": given.draws,
        "seed": SEED,
        "window_s": WINDOWS.length_s,
    }
    head["light_frames_lost"] = {kind: [round(v.lost, 3) for v in by_kind[kind]] for kind in LIGHT}
    record.save("neutral-length", {**head, "cpu_s": cpu_s, "studies": found})
    print(table(found))


if __name__ == "__main__":
    main()
