"""Figures of ``fusion_study.py``: held-out answers and moments of all folds pooled, every gain
paired by person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from twomind.evaluation import metrics, people
from twomind.evaluation.deletion import bites, falls
from twomind.evaluation.located_frames import STEP_S, Moments, shortcuts
from twomind.models.fusion.run import rows_of, softmax
from twomind.training.fusion_data import Item

from .fusion_study import ALL, World, narrowed

if TYPE_CHECKING:
    from twomind.models.fusion.recogniser import FusionRecogniser

#: Kinds of marked moments: in a segment whose modalities contradict each other, in one where a
#: modality also contradicts itself, and in every other segment. Invented segments (label noise) are
#: none of them.
KINDS = ("conflict", "within", "rest")
#: A marked moment belongs to the true span that it lies in, or misses by no more than the error of
#: a boundary (s).
NEAR_S = 1.0
#: Modalities that are taken away: each, and every two.
GONE = tuple(c for n in (1, 2) for c in combinations(ALL, n))
ORDER = ("prevalence", "question", "length_question", "position", "question_position")


@dataclass(frozen=True)
class Said:
    """What a row says: probability per answer ``(N,)``, log-odds per moment ``(F,)`` relative to
    its own threshold.
    """

    video: np.ndarray | None
    frame: np.ndarray | None


@dataclass(frozen=True)
class Held:
    """All held-out answers ``(N,)`` and their moments ``(F,)``, fold after fold."""

    items: tuple[Item, ...]
    fold: np.ndarray
    y: np.ndarray
    subject: np.ndarray
    question: np.ndarray
    rows: tuple[np.ndarray, ...]  # per answer: which rows of the grid are looked at
    answer: np.ndarray  # (F,) index of the answer
    present: np.ndarray
    position: np.ndarray
    kind: np.ndarray

    @classmethod
    def of(cls, world: World) -> Held:
        pairs = [
            (world.items[r], k)
            for k, f in enumerate(world.folds)
            for r in f.test
            if r in world.items
        ]
        items = tuple(i for i, _ in pairs)
        step = max(round(STEP_S / world.recipe.hop_s), 1)
        rows = tuple(np.arange(0, len(i.grid), step) for i in items)
        times = [
            i.grid.times_s[at] + world.recipe.hop_s / 2 for i, at in zip(items, rows, strict=True)
        ]
        kinds = [kinds_of(world.truths[i.recording], t) for i, t in zip(items, times, strict=True)]
        present = np.concatenate([i.frame_y[at] for i, at in zip(items, rows, strict=True)])
        return cls(
            items,
            np.array([k for _, k in pairs]),
            np.array([i.y for i in items]),
            np.array([i.subject for i in items]),
            np.array([i.question or "" for i in items]),
            rows,
            np.concatenate([np.full(len(at), n) for n, at in enumerate(rows)]),
            present,
            np.concatenate([at / len(i.grid) for i, at in zip(items, rows, strict=True)]),
            np.where(present > 0, np.concatenate(kinds), ""),
        )


def kinds_of(truth: Any, times_s: np.ndarray) -> np.ndarray:
    """Kind of the nearest true span for every time ``(T,)``, "" where none is near."""
    found = np.full(len(times_s), "", dtype="<U8")
    best = np.full(len(times_s), NEAR_S)
    for (a, b), pair, within in zip(truth.spans, truth.conflict, truth.within, strict=True):
        away = np.maximum(np.maximum(a - times_s, times_s - b), 0.0)
        nearer = away < best
        found[nearer] = "within" if within else "conflict" if pair else "rest"
        best[nearer] = away[nearer]
    return found


# --- what the rows say
# -----------------------------------------------------------------------------------------------


def predictions(
    world: World,
    held: Held,
    models: Sequence[Sequence[FusionRecogniser]],
    modalities: Sequence[str] = ALL,
    without: Sequence[str] = (),
) -> Said:
    """Mean over seeds (``models[seed][fold]``) of what the model of each answer's fold says."""
    videos, frames = [], []
    for folds in models:
        video, frame = [], []
        for item, k, at in zip(held.items, held.fold, held.rows, strict=True):
            model = folds[k]
            grid = narrowed(item, modalities).grid.without(*without)
            rows, runner = rows_of(model.net, grid)
            video.append(1 - softmax(runner.logits())[0])
            odds = rows.logits[at, 1] - rows.logits[at, 0]
            level = float(model.card["calibration"]["frame"]["threshold"])
            # Nothing measured lately: as likely as the threshold says.
            frame.append(np.where(rows.valid[at], odds - np.log(level / (1 - level)), 0.0))
        videos.append(np.array(video))
        frames.append(np.concatenate(frame))
    return Said(np.mean(videos, axis=0), np.mean(frames, axis=0))


def shortcut_rows(world: World, held: Held) -> Iterator[tuple[str, Said]]:
    """What prevalence, question, length and position say, each learnt on the training people of its
    fold.
    """
    from sklearn.linear_model import LogisticRegression

    video = {k: np.zeros(len(held.y)) for k in ORDER[:3]}
    frame = {k: np.zeros(len(held.present)) for k in ("question", "position", "question_position")}
    for k, fold in enumerate(world.folds):
        train = [world.items[r] for r in (*fold.train, *fold.val) if r in world.items]
        y = np.array([i.y for i in train])
        here = held.fold == k
        test = [i for i, is_it in zip(held.items, here, strict=True) if is_it]
        video["prevalence"][here] = y.mean()
        rates = {q: (y[at].sum() + y.mean()) / (at.sum() + 1) for q, at in _asked(train).items()}
        video["question"][here] = [rates.get(i.question or "", y.mean()) for i in test]
        names = sorted(rates)
        model = LogisticRegression(max_iter=500).fit(_columns(train, names), y)
        video["length_question"][here] = model.predict_proba(_columns(test, names))[:, 1]
        coded = [_moments(i) for i in train]
        known = shortcuts(coded)
        truth = np.concatenate([m.present for m in coded])
        for row in frame:
            level = _threshold(truth, np.concatenate([known.score(m, row) for m in coded]))
            for n in np.flatnonzero(here):
                i, at = held.items[n], held.answer == n
                asked = Moments(
                    i.subject,
                    i.question or "",
                    held.position[at],
                    held.present[at],
                    np.zeros(int(at.sum())),
                )
                frame[row][at] = known.score(asked, row) - level
    for name in ORDER:
        yield name, Said(video.get(name), frame.get(name))


def _asked(items: Sequence[Item]) -> dict[str, np.ndarray]:
    question = np.array([i.question or "" for i in items])
    return {str(q): question == q for q in np.unique(question)}


def _columns(items: Sequence[Item], questions: Sequence[str]) -> np.ndarray:
    length = np.log([max(len(i.grid), 1) * i.grid.hop_s for i in items]) - np.log(25.0)
    return np.column_stack(
        [length, *([(i.question or "") == q for i in items] for q in questions)]
    ).astype(float)


def _moments(item: Item) -> Moments:
    at = np.arange(0, len(item.grid), max(round(STEP_S / item.grid.hop_s), 1))
    return Moments(
        item.subject,
        item.question or "",
        at / len(item.grid),
        (item.frame_y[at] > 0).astype(int),
        np.zeros(len(at)),
    )


def _threshold(y: np.ndarray, odds: np.ndarray) -> float:
    """Of the training people's scores, the one above which saying "present" has the best
    macro-F1.
    """
    levels = np.unique(odds)
    return float(max(levels, key=lambda v: metrics.macro_f1(y, (odds > v).astype(float))))


# --- figures
# ---------------------------------------------------------------------------------------------------------

Spread = tuple[float, np.ndarray]  # a figure, and the same of every resample (B,)


def spreads(held: Held, said: Said, n_bootstrap: int) -> dict[str, Spread]:
    """Every figure of a row with its resamples of people; the same people are drawn for
    every row.
    """
    found: dict[str, Spread] = {}
    names, index = np.unique(held.subject, return_inverse=True)
    person = metrics.person_weights(names, n_bootstrap, 0)  # (B, people)
    if said.video is not None:
        w = person[:, index]
        for name, f in metrics.bound(held.y, said.video, held.question, held.fold).items():
            if name in ("macro_f1", "ap", "auc", "within_question_auc", "brier"):
                found[f"video_{name}"] = float(f()), np.asarray(f(w))
    if said.frame is None:
        return found
    p = 1 / (1 + np.exp(-np.clip(said.frame, -30, 30)))
    at = index[held.answer]
    parts = {"": np.ones(len(p), bool)} | {
        f"_{k}": (held.present == 0) | (held.kind == k) for k in KINDS
    }
    for suffix, sel in parts.items():
        if not held.present[sel].any():
            continue
        for name, f in (
            ("auc", metrics.auc),
            ("ap", metrics.average_precision),
            ("macro_f1", metrics.macro_f1),
        ):
            blocks = [
                f(held.present[sel], p[sel], b[:, at[sel]]) for b in np.array_split(person, 10)
            ]
            found[f"frame_{name}{suffix}"] = (
                float(f(held.present[sel], p[sel])),
                np.concatenate(blocks),
            )
    pairs = inside(held, said.frame)
    w = person[:, index]
    found["frame_auc_inside"] = (
        float(pairs[:, 0].sum() / max(pairs[:, 1].sum(), 1)),
        (w @ pairs[:, 0]) / np.maximum(w @ pairs[:, 1], 1e-9),
    )
    return found


def inside(held: Held, score: np.ndarray) -> np.ndarray:
    """Per answer: pairs (marked, unmarked) of its moments in the right order, and all pairs, ``(N,
    2)``.
    """
    rows = np.zeros((len(held.items), 2))
    for n in range(len(rows)):
        at = held.answer == n
        y = held.present[at]
        k = float(y.sum() * (1 - y).sum())
        if k:
            rows[n] = metrics.auc(y, score[at]) * k, k
    return rows


def scored(held: Held, said: Mapping[str, Said], n_bootstrap: int) -> dict[str, Any]:
    """Rows, gains over shortcuts, over the best single modality, of ``conflict`` over ``plain``;
    what was held out.
    """
    all_of = {name: spreads(held, s, n_bootstrap) for name, s in said.items()}
    marked = held.present > 0
    found: dict[str, Any] = {
        "held_out": {
            **{
                "answers": len(held.y),
                "people": len(np.unique(held.subject)),
                "with_ah": int(held.y.sum()),
            },
            **{"moments": len(marked), "marked": int(marked.sum())},
            "marked_by_kind": {k: int((held.kind == k).sum()) for k in KINDS},
        },
        "rows": {n: {k: with_ci(v) for k, v in s.items()} for n, s in all_of.items()},
    }
    models = [n for n in said if n not in ORDER]
    gains: dict[str, Any] = {}
    for n in models:
        for other in ("question", "length_question"):
            gains[f"{n} - {other}"] = differences(all_of[n], all_of[other], "video")
        gains[f"{n} - question_position"] = differences(
            all_of[n], all_of["question_position"], "frame"
        )
        gains[f"{n} - position"] = differences(all_of[n], all_of["position"], "frame")
        for single in ALL:
            if single in all_of and n != single:
                gains[f"{n} - {single}"] = differences(all_of[n], all_of[single])
        if n != "plain" and "plain" in all_of:
            gains[f"{n} - plain"] = differences(all_of[n], all_of["plain"])
    found["gains"] = gains
    singles = [s for s in ALL if s in all_of]
    if singles:
        found["best_single"] = {
            k: max(singles, key=lambda s: all_of[s][k][0])
            for k in ("video_auc", "video_ap", "frame_ap", "frame_auc")
        }
    found["locates"] = {n: _locates(all_of[n], gains, n) for n in models}
    if {"conflict", "plain"} <= set(said):
        a, b = (_per_person(held, said[n]) for n in ("conflict", "plain"))
        found["conflict_vs_plain_by_person"] = people.paired(a, b).plain() if a else None
    return found


def with_ci(v: Spread) -> dict[str, Any]:
    """A figure and its 95 % interval."""
    return {"value": v[0], "ci": metrics.interval(v[1])}


def differences(a: Mapping[str, Spread], b: Mapping[str, Spread], kind: str = "") -> dict[str, Any]:
    """What ``a`` has more than ``b``, of the same resamples of people."""
    return {
        k: with_ci((a[k][0] - b[k][0], a[k][1] - b[k][1]))
        for k in a
        if k in b and k.startswith(kind)
    }


def _locates(own: Mapping[str, Spread], gains: Mapping[str, Any], name: str) -> bool:
    """The rule of ``evaluation.located_frames``, over all folds at once."""
    return bool(
        metrics.interval(own["frame_auc_inside"][1])[0] > 0.5
        and gains[f"{name} - position"]["frame_auc_inside"]["ci"][0] > 0
        and gains[f"{name} - question_position"]["frame_auc"]["ci"][0] > 0
    )


def _per_person(held: Held, said: Said) -> dict[str, float]:
    """AUC over all moments of each person who has marked and unmarked ones."""
    assert said.frame is not None
    who = held.subject[held.answer]
    return {
        str(s): float(metrics.auc(held.present[who == s], said.frame[who == s]))
        for s in np.unique(who)
        if 0 < held.present[who == s].sum() < (who == s).sum()
    }


def by_seed(
    world: World,
    held: Held,
    models: Mapping[str, Sequence[Sequence[FusionRecogniser]]],
    n_bootstrap: int,
) -> dict[str, Any]:
    """What the conflict terms and the other modalities add, seed by seed: intervals over people
    know nothing of it.
    """
    found: dict[str, Any] = {}
    pairs = [
        (a, b)
        for a, b in (("conflict", "plain"), ("conflict", "face"), ("plain", "face"))
        if {a, b} <= set(models)
    ]
    rows = {n for pair in pairs for n in pair}
    for seed in range(len(next(iter(models.values())))):
        each = {
            n: spreads(
                held,
                predictions(world, held, [models[n][seed]], (n,) if n in ALL else ALL),
                n_bootstrap,
            )
            for n in sorted(rows)
        }
        found[str(seed)] = {f"{a} - {b}": differences(each[a], each[b]) for a, b in pairs}
    return found


def absences(
    world: World,
    held: Held,
    models: Mapping[str, Sequence[Sequence[FusionRecogniser]]],
    said: Mapping[str, Said],
    n_bootstrap: int,
) -> dict[str, Any]:
    """Every model of three modalities without one or two of them.

    What it loses; and what it has more than the ``plain`` network trained on just what is left, and
    than the shortcut.
    """
    found: dict[str, Any] = {}
    keys = ("video_auc", "video_macro_f1", "frame_auc", "frame_ap")
    trained = {
        n: spreads(held, said[n], n_bootstrap)
        for n in said
        if n in ORDER or set(n.split(" + ")) < set(ALL)
    }
    for name, ms in models.items():
        whole = spreads(held, said[name], n_bootstrap)
        found[name] = {}
        for gone in GONE:
            left = spreads(held, predictions(world, held, ms, without=gone), n_bootstrap)
            own = " + ".join(m for m in ALL if m not in gone)
            entry = {k: {**with_ci(left[k]), "change": differences(left, whole)[k]} for k in keys}
            for k in keys:
                for label, other in (("less_trained", own), ("less_shortcut", shortcut_of(k))):
                    if k in trained.get(other, {}):
                        entry[k][label] = differences(left, trained[other])[k]
            found[name][" + ".join(gone)] = entry
    return found


def shortcut_of(key: str) -> str:
    return "question_position" if key.startswith("frame") else "question"


def deletion(
    world: World, models: Sequence[Sequence[FusionRecogniser]], n_bootstrap: int
) -> dict[str, Any]:
    """The deletion test over the held-out people of all folds (first seed), 3 s, four random spans
    each.
    """
    values, who = [], []
    for k, fold in enumerate(world.folds):
        v, p = falls(models[0][k], [world.features[r] for r in fold.test], n_random=4, seed=k)
        values.append(v)
        who.append(p)
    return bites(np.concatenate(values), np.concatenate(who), 0, n_bootstrap)


def conflict_signal(world: World) -> dict[str, Any]:
    """How plainly a face-against-words conflict is in the features, told where the segments are.

    Per true segment: smile less frown against the recording's mean (in its deviations), and words
    for less words against. Their product, negated, is high in a conflict. AUC of telling segments
    drawn with a conflict of face and words from segments drawn without any. No model could use it:
    it knows the segments.
    """
    face_names, source = world.recipe.sources["face"].names, world.recipe.sources["words"]
    score, truth, sides = [], [], []
    for r, item in world.items.items():
        t, grid = world.truths[r], item.grid
        z = grid.values["face"][:, [face_names.index("AU12"), face_names.index("AU04")]]
        z = (z - z.mean(axis=0)) / np.maximum(z.std(axis=0), 1e-6)
        words = grid.values["words"]
        tone = words[:, source.at(source.approach)].sum(axis=1) - words[
            :, source.at(source.avoid)
        ].sum(axis=1)
        for (a, b), pair in zip(t.spans, t.conflict, strict=True):
            at = (grid.times_s >= a) & (grid.times_s < b)
            if at.any() and (not pair or set(pair) == {"facial", "language"}):
                smile, said = float((z[at, 0] - z[at, 1]).mean()), float(np.sign(tone[at].sum()))
                score.append(-smile * said)
                truth.append(int(bool(pair)))
                sides.append(said != 0)
    y, p = np.array(truth), np.array(score)
    return {
        **{"segments_with_conflict": int(y.sum()), "segments_without": int((1 - y).sum())},
        "auc": float(metrics.auc(y, p)) if 0 < y.sum() < len(y) else None,
        "share_whose_words_take_a_side": float(np.mean(sides)) if sides else None,
    }
