"""How much a person's own labels are worth on drawn studies, and which factor makes the gap.

For every layout, a logistic regression on window means of the features: without adaptation (trained
on other people), with the person's own median taken off (the simplest adaptation), and as an oracle
(the same model trained with that person's labelled *other* clips as well). Each person is tested
once, people are split into three groups.

    OMP_NUM_THREADS=1 python -m experiments.study_gap                 # defaults, all layouts
    OMP_NUM_THREADS=1 python -m experiments.study_gap --knobs         # one row per knob and layout
    OMP_NUM_THREADS=1 python -m experiments.study_gap --controls      # negative controls

Drawn people: consistency of the machinery, not validity on people.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from twomind.core.numbers import interval, resampled_means
from twomind.types import Features
from twomind_synth.studies.features import StudyFeatures, study_features
from twomind_synth.study import MEANING
from twomind_synth.study_world import PERSON_KNOBS, StudyWorld

from . import record

#: window length (s) per layout; None is the whole clip
WINDOW_S = {"bah": 2.0, "biovid": None, "stressid": 4.0}
#: how much all of the person's own windows weigh against all of the sources', for the oracle
TARGET_WEIGHT = 0.3
GROUPS = 3
#: inverse strength of the penalty, of both models
STRENGTH = 0.02
MEASURES = ("uar", "f1", "auc")


@dataclass(frozen=True)
class Windows:
    """``x (n, D)``, ``y (n,)``, and whose window it is, from which clip."""

    x: np.ndarray
    y: np.ndarray
    person: np.ndarray
    clip: np.ndarray
    task: np.ndarray


def row(window: Features, face: str = "face") -> np.ndarray:
    """Mean of every column of face and voice; words per second, in all and per category."""
    parts = []
    for name in (face, "voice"):
        track = window.tracks.get(name)
        if track is None or not len(track):
            continue
        values = np.where(track.valid[:, None], track.values, np.nan)
        keep = [
            k
            for k, n in enumerate(track.names)
            if n not in ("blur", "light", "occlusion", "quality", "face_size")
        ]
        values = values[:, keep]
        if name == "voice":
            values[:, 1] = 12 * np.log2(np.maximum(values[:, 1], 1.0))
        with np.errstate(all="ignore"):
            full = np.isfinite(values).any(axis=0)
            mean = np.full(values.shape[1], np.nan)
            mean[full] = np.nanmean(values[:, full], axis=0)
        parts.append(mean)
    words = window.tracks.get("words")
    if words is not None:
        length_s = window.span_s[1] - window.span_s[0]
        parts += [np.array([len(words) / length_s]), words.values.sum(axis=0) / length_s]
    return np.concatenate(parts)


def windows_of(study: StudyFeatures, face: str = "face") -> Windows:
    xs, ys, people, clips, tasks = [], [], [], [], []
    for k, (x, truth) in enumerate(zip(study.features, study.truths, strict=True)):
        length_s = WINDOW_S[study.layout] or x.span_s[1]
        for start_s in np.arange(0, max(x.span_s[1] - length_s + 1e-6, 0.01), length_s):
            ys.append(
                truth.at(start_s, start_s + length_s) if study.layout == "bah" else truth.label
            )
            xs.append(row(x.between(float(start_s), float(start_s + length_s)), face))
            people.append(x.subject)
            clips.append(k)
            tasks.append(truth.task)
    width = max(len(v) for v in xs)
    # Tasks without sound have no voice columns.
    xs = [np.concatenate([v, np.full(width - len(v), np.nan)]) for v in xs]
    return Windows(np.array(xs), np.array(ys), np.array(people), np.array(clips), np.array(tasks))


def balanced(y: np.ndarray) -> np.ndarray:
    """Weights ``(n,)`` with the same total for every class there is, ``n`` in all."""
    weight = np.ones(len(y))
    classes = np.unique(y)
    for c in classes:
        weight[y == c] = len(y) / (len(classes) * (y == c).sum())
    return weight


class Model:
    """Standardisation, missing values at the mean, logistic regression; both classes weigh the
    same.
    """

    def __init__(
        self, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None, start: Any = None
    ) -> None:
        self.middle = np.nan_to_num(np.nanmean(x, axis=0))
        self.scale = np.maximum(np.nan_to_num(np.nanstd(x, axis=0)), 1e-6)
        self.fitted = LogisticRegression(C=STRENGTH, max_iter=150, tol=1e-3)
        self.fitted.fit(self.prepare(x), y, sample_weight=balanced(y) if weight is None else weight)

    def prepare(self, x: np.ndarray) -> np.ndarray:
        return np.clip(np.nan_to_num((x - self.middle) / self.scale), -6, 6)

    def scores(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.fitted.decision_function(self.prepare(x)))


def judged(scores: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Balanced accuracy and macro-F1 at the model's own threshold, and AUC, within one person."""
    guess = scores > 0
    return (
        float(balanced_accuracy_score(y, guess)),
        float(f1_score(y, guess, average="macro")),
        float(roc_auc_score(y, scores)),
    )


def compare(data: Windows, seed: int = 0) -> dict[str, Any]:
    """AUC and macro-F1, mean over people, of the source model and of the oracle; and what separates
    them.
    """
    people = np.unique(data.person)
    group = np.random.default_rng(seed).permutation(len(people)) % GROUPS
    found: dict[str, list[tuple[float, float, float]]] = {"source": [], "oracle": []}
    for g in range(GROUPS):
        tested = people[group == g]
        source = ~np.isin(data.person, tested)
        model = Model(data.x[source], data.y[source])
        for person in tested:
            own = data.person == person
            if len(np.unique(data.y[own])) < 2:
                continue
            found["source"].append(judged(model.scores(data.x[own]), data.y[own]))
            found["oracle"].append(judged(_oracle(data, source, own), data.y[own]))
    out: dict[str, Any] = {
        "n_people": len(found["source"]),
        "n_windows": len(data.y),
        "positive": float(data.y.mean()),
    }
    for name, values in found.items():
        out |= {
            f"{name}_{m}": float(v) for m, v in zip(MEASURES, np.mean(values, axis=0), strict=True)
        }
    gaps = np.array(found["oracle"]) - np.array(found["source"])
    out |= {f"gap_{m}": float(v) for m, v in zip(MEASURES, gaps.mean(axis=0), strict=True)}
    out["gap_uar_95"] = interval(resampled_means(gaps[:, 0], 2000, 1))
    return out


def _oracle(data: Windows, source: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Scores of a person's windows, each from a model that saw the sources and that person's
    labelled other clips.
    """
    scores = np.full(len(data.y), np.nan)
    clips = np.unique(data.clip[own])
    # As many parts as clips, eleven at most; a clip is never on both sides.
    parts = np.random.default_rng(0).permutation(np.arange(len(clips)) % min(len(clips), 11))
    for part in range(parts.max() + 1):
        test = own & np.isin(data.clip, clips[parts == part])
        train = own & ~test
        weight = np.zeros(len(data.y))
        # Classes are balanced among the sources and among the person's own windows, else leaving
        # out a clip of one class would lean the model towards the other.
        weight[source] = balanced(data.y[source])
        weight[train] = balanced(data.y[train]) * TARGET_WEIGHT * source.sum() / max(train.sum(), 1)
        use = source | train
        scores[test] = Model(data.x[use], data.y[use], weight[use]).scores(data.x[test])
    return scores[own]


def measure(
    layout: str, n_people: int, seeds: list[int], world: StudyWorld, face: str = "face"
) -> dict[str, Any]:
    rows = [
        compare(windows_of(study_features(layout, n_people, seed, world), face), seed)
        for seed in seeds
    ]
    out = {
        k: float(np.mean([r[k] for r in rows])) for k in rows[0] if not isinstance(rows[0][k], list)
    }
    out["gap_uar_95"] = np.mean([r["gap_uar_95"] for r in rows], axis=0).tolist()
    return out


def show(name: str, r: dict[str, Any]) -> None:
    low, high = r["gap_uar_95"]
    print(
        f"{name:36s} UAR {r['source_uar']:.3f} -> {r['oracle_uar']:.3f}, gap {r['gap_uar']:+.3f} "
        f"[{low:+.3f}, {high:+.3f}]  F1 {r['source_f1']:.3f} -> {r['oracle_f1']:.3f}  "
        f"AUC {r['source_auc']:.3f} -> {r['oracle_auc']:.3f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--layouts", nargs="*", default=["bah", "biovid", "stressid"])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--knobs", action="store_true")
    parser.add_argument(
        "--zero", nargs="*", default=[], help="only these knobs at zero, one at a time"
    )
    parser.add_argument(
        "--only", action="store_true", help="one knob at its default, all others at zero"
    )
    parser.add_argument("--controls", action="store_true")
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args()
    base = StudyWorld()
    cases: list[tuple[str, StudyWorld, str]] = [
        ("defaults", base, "face"),
        ("own median taken off", base, "face_relative"),
    ]
    if given.controls:
        cases += [
            ("person shift at zero", base.alike(), "face"),
            ("subtlety 1 (nothing shows)", replace(base, subtlety=1.0), "face"),
        ]
        cases += [("conflict at zero", replace(base, conflict=0.0), "face")]
    cases += [(f"{knob} = 0", replace(base, **{knob: 0.0}), "face") for knob in given.zero]
    if given.knobs:
        cases += [(f"{knob} = 0", replace(base, **{knob: 0.0}), "face") for knob in PERSON_KNOBS]
    if given.only:
        cases += [
            (f"only {knob}", replace(base.alike(), **{knob: 1.0}), "face") for knob in PERSON_KNOBS
        ]
    if given.knobs:
        cases += [(f"subtlety = {v}", replace(base, subtlety=v), "face") for v in (0.0, 0.7)]
        cases += [(f"noise = {v}", replace(base, noise=v), "face") for v in (0.0, 2.0)]
        cases += [("label_noise = 0.2", replace(base, label_noise=0.2), "face")]
    table: dict[str, Any] = {}
    started = time.time()
    for layout in given.layouts:
        for name, world, face in cases:
            table[f"{layout}: {name}"] = measure(layout, given.people, given.seeds, world, face)
            show(f"{layout}: {name}", table[f"{layout}: {name}"])
    if given.save:
        record.save(
            f"study-gap-{'-'.join(given.layouts)}",
            {
                "means": MEANING,
                "command": " ".join(["python -m experiments.study_gap", *sys.argv[1:]]),
                "seconds": time.time() - started,
                "rows": table,
            },
        )


if __name__ == "__main__":
    main()
