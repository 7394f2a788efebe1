"""How long must a neutral clip be, and what does a contaminated one do: methods on drawn studies, without films.

    OMP_NUM_THREADS=1 python benchmarks/neutral_length.py            # about eight minutes of one core

Drawn people: proves machinery only. 24 drawn people in four groups, each group held out once; the model is the plain
one of docs/personalise.md on windows of 2.5 s, fitted on the other 18 people. Some of each person's clips that were
elicited to be neutral are kept for handing over, and so are the clips that contaminate; neither is ever tested.
Answers are judged clip by clip. Which clips are handed over is drawn anew (``--draws``); a person's figure is the mean
over draws, and intervals are over people. Labels of a held-out person are looked at after the answers, for the figures.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import results
from twomind import personalise
from twomind.capture.drawn.study_layout import clips_of, person_of, take_of
from twomind.capture.drawn.study_world import StudyWorld
from twomind.describe.measured import measured
from twomind.describe.study import ClipTruth, study_features
from twomind.estimate.described import fit_described
from twomind.personalise.summary import class_means
from twomind.score import people
from twomind.score.drawn_set import TASKS
from twomind.score.windows import Windows, opaque
from twomind.types import Example, Features, Given

PEOPLE, GROUPS, SEED = 24, 4, 0
WINDOWS = Windows(2.5)
LENGTHS_S = (1.0, 3.0, 10.0, 30.0)
#: What else is in a clip of ten seconds, and how much of it.
CONTAMINATED_S = 10.0
MIXED = (("expression", 0.25), ("expression", 0.5), ("expression", 1.0), ("smile", 0.5), ("smile", 1.0), ("other", 1.0))
#: Clips kept for handing over, by how they were elicited; and those that contaminate, which show the other class.
NEUTRAL = {"biovid": ("BL1", 7), "stressid": ("Relax Breathing", 2)}
OTHER_CLASS = {"biovid": ("PA4", 2), "stressid": ("Stroop Math", 2)}
#: A smile from the first frame to the last, as in ``twomind.capture.drawn.enrol``.
SMILE = {"AU12": 0.6, "AU06": 0.35}
#: Method and how many draws it gets at most; the last trains, which costs a hundred times more.
METHODS = {"neutral-alignment": 99, "neutral-threshold": 99, "neutral-mmd": 1}
NOTE = "drawn people: proves machinery only"


@dataclass(frozen=True)
class Person:
    """One person's clips: to hand over (neutral, the same smiling, of the other class), and to test."""

    neutral: list[Features]
    smile: list[Features]
    expression: list[Features]
    test: list[Features]


def people_of(layout: str) -> tuple[dict[str, Person], dict[str, ClipTruth], list[Features]]:
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
        handed = {x.recording for xs in kept.values() for x in xs}
        smiling = [_smiling(world, clips[x.recording]) for x in kept["neutral"]]
        test = [x for x in own if x.recording not in handed]
        found[subject] = Person(kept["neutral"], smiling, kept["expression"], test)
    return found, truths, list(study.features)


def _smiling(world: StudyWorld, clip: Any) -> Features:
    take = take_of(clip, world, SEED, person=person_of(clip, world, SEED))
    held = {name: np.full(len(take.times_s), size) for name, size in SMILE.items()}
    return measured(world, replace(take, aus={**take.aus, **held}), clip.recording)


def piece(clips: list[Features], seconds: float, rng: np.random.Generator) -> list[Features]:
    """Windows of ``seconds`` of these clips: whole clips in a drawn order, a part of the last one from a drawn moment.

    Raises:
        ValueError: the clips together are shorter.
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
    if seconds > 1e-6:
        raise ValueError(f"expected clips of {seconds:.1f} s more")
    return found


def conditions() -> list[tuple[str, float, str, float]]:
    """Name, seconds, what contaminates, its share."""
    clean = [(f"neutral {s:g} s", s, "", 0.0) for s in LENGTHS_S]
    return clean + [(f"{CONTAMINATED_S:g} s, {share:.0%} {what}", CONTAMINATED_S, what, share) for what, share in MIXED]


def handed(me: Person, other: Person, seconds: float, what: str, share: float, seed: list[int]) -> tuple[Features, ...]:
    """The neutral clip as a method gets it. ``other``: the neutral clip of that person in place of one's own."""
    rng = np.random.default_rng(seed)
    own = piece(me.neutral, seconds * (1 - share), rng) if share < 1 else []
    foreign = {"smile": me.smile, "expression": me.expression, "other": other.neutral}
    return tuple(opaque(x) for x in own + (piece(foreign[what], seconds * share, rng) if what else []))


def figure(steps: list[Any], truths: dict[str, ClipTruth], ids: list[str]) -> float:
    """Macro-F1 of one person's clips. ``ids`` are the recordings of the windows; here labels meet answers."""
    renamed = [personalise.Step(replace(s.x, recording=i), s.prediction, {}) for s, i in zip(steps, ids, strict=True)]
    answers = personalise.pool(renamed)
    y = np.array([truths[i].label for i in answers])
    return float(people.OF_ONE["macro_f1"](y, np.array([p.probs for p in answers.values()])))


def study(layout: str, draws: int) -> dict[str, Any]:
    """One layout: figures per person and condition, and what they say over people."""
    found, truths, clips = people_of(layout)
    names = sorted(found)
    group = np.random.default_rng(SEED).permutation(len(names)) % GROUPS
    plain: dict[str, float] = {}
    kept: dict[str, dict[str, dict[str, list[float]]]] = {m: {c[0]: {} for c in conditions()} for m in METHODS}
    begin_s: dict[str, list[float]] = {m: [] for m in METHODS}
    for g in range(GROUPS):
        tested = {n for n, k in zip(names, group, strict=True) if k == g}
        source = tuple(
            Example(opaque(w), truths[x.recording].label)
            for x in clips
            if x.subject not in tested
            for w in WINDOWS.cut(x)
        )
        model = fit_described(source, TASKS[layout])
        summary = class_means(model, source)
        for name in sorted(tested):
            me, k = found[name], names.index(name)
            other = found[names[(k + 1) % len(names)]]
            pairs = [(x.recording, opaque(w)) for x in me.test for w in WINDOWS.cut(x)]
            ids, xs = [i for i, _ in pairs], [x for _, x in pairs]
            plain[name] = figure(
                list(personalise.stream(model, personalise.load_method("source-only"), xs)), truths, ids
            )
            for method, most in METHODS.items():
                adapter = personalise.load_method(method)
                for condition, seconds, what, share in conditions():
                    for draw in range(min(draws, most)):
                        clip = handed(me, other, seconds, what, share, [SEED, k, draw])
                        given = Given(seed=draw, neutral=clip, source=source, summary=summary)
                        started = time.perf_counter()
                        state = adapter.begin(model, given)
                        begin_s[method].append(time.perf_counter() - started)
                        steps = [personalise.Step(x, adapter.step(model, state, x)[0], {}) for x in xs]
                        kept[method][condition].setdefault(name, []).append(figure(steps, truths, ids))
        print(f"{layout}: group {g + 1} of {GROUPS}", file=sys.stderr, flush=True)
    rows = {m: {c: _row(per, plain) for c, per in by.items()} for m, by in kept.items()}
    value = np.array([plain[n] for n in names])
    return {
        "people": len(names),
        "test_clips_per_person": float(np.mean([len(found[n].test) for n in names])),
        "no adaptation": {"macro_f1": float(value.mean()), "ci": _interval(value)},
        "begin_s": {m: float(np.median(v)) for m, v in begin_s.items()},
        "methods": rows,
        "per_person": {"no adaptation": plain, **{m: {c: _means(p) for c, p in by.items()} for m, by in kept.items()}},
    }


def _means(per: dict[str, list[float]]) -> dict[str, float]:
    return {name: float(np.mean(values)) for name, values in sorted(per.items())}


def _interval(values: np.ndarray) -> list[float]:
    """95 % percentile bootstrap of the mean; people are drawn."""
    rng = np.random.default_rng(SEED)
    means = values[rng.integers(len(values), size=(5000, len(values)))].mean(axis=1)
    return [float(v) for v in np.quantile(means, (0.025, 0.975))]


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
    """The table of docs/personalise.md."""
    lines = []
    for layout, one in found.items():
        base = one["no adaptation"]
        lines += [f"| drawn {layout} | " + " | ".join(METHODS) + " |", "|---|" + "---|" * len(METHODS)]
        low, high = base["ci"]
        lines.append(f"| no adaptation | macro-F1 {base['macro_f1']:.3f} [{low:.2f}, {high:.2f}] |" + " |" * 2)
        for condition, *_ in conditions():
            cells = []
            for method in METHODS:
                r = one["methods"][method][condition]
                cells.append(f"{r['gain']:+.3f} [{r['ci'][0]:+.2f}, {r['ci'][1]:+.2f}]; {r['harmed']}")
            lines.append(f"| {condition} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--layouts", nargs="+", default=["biovid", "stressid"], choices=sorted(NEUTRAL))
    given = parser.parse_args()
    started = time.process_time()
    found = {layout: study(layout, given.draws) for layout in given.layouts}
    head = {"note": NOTE, "drawn": True, "draws": given.draws, "seed": SEED, "window_s": WINDOWS.length_s}
    results.save("neutral-length", {**head, "cpu_s": time.process_time() - started, "studies": found})
    print(table(found))


if __name__ == "__main__":
    main()
