"""What do k coded answers of a person tell about the person's other answers? BAH v1, public train
and val files.

    python -m experiments.few_coded ../shared/data/bah_v1 [--deals 2] [--draws 40]

People are dealt into five groups. For each group, everything is fitted on the other people: the
words model, and the spread between people (on their out-of-fold scores). Of each person of the
group with at least six answers, the answers are put in a random order; the first k are handed over
as coded, the ones after the fifth are judged, so every k is judged on the same answers. Pairs count
within a question and a group. Intervals: people are resampled.

Controls. ``people_shuffled``: before anything is fitted, labels are dealt anew among the people who
answered the same question, so questions keep their rates and people have nothing in common with
themselves; there is nothing to gain. ``wrong_person``: the real world, but the coded answers carry
labels that other people got: what a mix-up costs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.adaptation import load_method, stream
from twomind.adaptation.offsets import fit_sd
from twomind.core.numbers import resamples, softmax
from twomind.datasets.answers import read_answers
from twomind.evaluation import metrics
from twomind.evaluation.people import paired
from twomind.models.words.recogniser import MIN_WORDS
from twomind.training import words as wt
from twomind.types import AMBIVALENCE, Example, Features, Given, Prediction, Task

from .record import save

KS = (0, 1, 2, 3, 5)
MIN_ANSWERS = max(KS) + 1
N_FOLDS = 5


@dataclass(frozen=True)
class Scored:
    """A recogniser that looks up log-odds which a model of other people gave before; the method
    sees no difference.
    """

    logit: dict[str, float]
    task: Task = AMBIVALENCE

    def predict(self, x: Features) -> Prediction:
        z = np.array([0.0, self.logit[x.recording]])
        return Prediction(x.span_s, softmax(z), logits=z)


def two(logit: np.ndarray) -> np.ndarray:
    return np.stack([np.zeros(len(logit)), logit], axis=1)


def source(
    data: wt.Table, train: np.ndarray, test: np.ndarray, recipe: wt.Recipe
) -> tuple[np.ndarray, float]:
    """Log-odds of ``test``, and the spread between people; both from the people of
    ``train`` alone.
    """
    fold = wt.deal(data.subject[train], N_FOLDS, recipe.seed + 500)
    out = np.zeros(len(train))
    for f in range(N_FOLDS):
        model = wt.fit(data, train[fold != f], True, recipe).model
        out[fold == f] = wt.logits(model, data, train[fold == f])
    sd = fit_sd(two(out), data.y[train], data.subject[train])
    return wt.logits(wt.fit(data, train, True, recipe).model, data, test), sd


def swapped(y: np.ndarray, question: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Labels dealt anew among the people who answered the same question."""
    out = y.copy()
    for q in np.unique(question):
        here = np.flatnonzero(question == q)
        out[here] = y[rng.permutation(here)]
    return out


def judge(
    data: wt.Table,
    rows: np.ndarray,
    logit: np.ndarray,
    sd: dict[str, float],
    draws: int,
    seed: int,
    shuffled: bool,
) -> dict[str, np.ndarray]:
    """Indices of judged answers ``(draws, n)`` and their probabilities per k ``(draws, len(KS),
    n)``.
    """
    rng = np.random.default_rng(seed)
    xs = {
        i: Features(str(i), str(data.subject[i]), {}, (0.0, 1.0), str(data.question[i]))
        for i in rows
    }
    model = Scored({str(i): float(z) for i, z in zip(rows, logit, strict=True)})
    method = load_method("few-shot", prior="summary")
    index, probs = [], []
    for _ in range(draws):
        labels = data.y.copy()
        if shuffled:
            labels[rows] = swapped(data.y[rows], data.question[rows], rng)
        judged: list[int] = []
        found: list[list[float]] = [[] for _ in KS]
        for person in sd:
            order = rng.permutation(rows[data.subject[rows] == person])
            coded, rest = order[: max(KS)], order[max(KS) :]
            judged += rest.tolist()
            for j, k in enumerate(KS):
                few = tuple(Example(xs[i], int(labels[i])) for i in coded[:k])
                given = Given(few=few, summary={"person_offset_sd": np.array(sd[person])})
                steps = stream(model, method, [xs[i] for i in rest], given=given)
                found[j] += [float(s.prediction.probs[1]) for s in steps]
        index.append(judged)
        probs.append(found)
    return {"index": np.array(index), "probs": np.array(probs)}


def figures(
    worlds: Sequence[wt.Table], runs: Sequence[dict[str, Any]], n_bootstrap: int, seed: int
) -> dict[str, Any]:
    """Per k: mean over draws of each figure, person-bootstrap intervals, gains over k = 0, harm per
    person.
    """
    people = np.unique(
        np.concatenate([d.subject[r["index"][0]] for d, r in zip(worlds, runs, strict=True)])
    )
    times = resamples(len(people), n_bootstrap, seed)
    names = ("within_question_auc", "brier", "ece", "auc")
    value: dict[str, list[np.ndarray]] = {n: [] for n in names}
    spread: dict[str, list[np.ndarray]] = {n: [] for n in names}
    per: dict[int, dict[str, list[float]]] = {
        j: {str(p): [] for p in people} for j in range(len(KS))
    }
    for data, run in zip(worlds, runs, strict=True):
        for index, probs in zip(run["index"], run["probs"], strict=True):
            y, question, fold = data.y[index], data.question[index], run["fold"][index]
            who = np.searchsorted(people, data.subject[index])
            weights = times[:, who].astype(float)
            bound = [metrics.bound(y, p, question, fold) for p in probs]
            for n in names:
                value[n].append(np.array([b[n]() for b in bound]))
                spread[n].append(np.stack([b[n](weights) for b in bound]))
            for j, p in enumerate(probs):
                for w, error in zip(who, (y - p) ** 2, strict=True):
                    per[j][str(people[w])].append(float(error))
    means = {n: np.nanmean(value[n], axis=0) for n in names}
    boots = {n: np.nanmean(spread[n], axis=0) for n in names}
    out: dict[str, Any] = {}
    for j, k in enumerate(KS):
        row: dict[str, Any] = {}
        for n in names:
            row[n] = {"value": means[n][j], "ci": metrics.interval(boots[n][j])}
            gain = {
                "value": means[n][j] - means[n][0],
                "ci": metrics.interval(boots[n][j] - boots[n][0]),
            }
            row[n]["gain_over_0"] = gain
        if k:
            mine, before = ({s: -float(np.mean(e)) for s, e in per[i].items()} for i in (j, 0))
            harm = paired(mine, before, harm=0.01, seed=seed)
            row["per_person_brier"] = {
                "what": "minus the Brier score of a person's judged answers, mean over draws; "
                "harmed: worse by > .01",
                **harm.plain(),
            }
        out[str(k)] = row
    out["n_people"] = len(people)
    out["ece_all_draws"] = dict(zip(map(str, KS), pooled_ece(worlds, runs), strict=True))
    out["n_judged_answers_per_draw"] = int(np.mean([r["index"].shape[1] for r in runs]))
    return out


def pooled_ece(worlds: Sequence[wt.Table], runs: Sequence[dict[str, Any]]) -> list[float]:
    """ECE over all judged answers of all draws together: that of single draws is mostly noise of
    small bins.
    """
    y = np.concatenate([d.y[r["index"].ravel()] for d, r in zip(worlds, runs, strict=True)])
    probs = [np.concatenate([r["probs"][:, j].ravel() for r in runs]) for j in range(len(KS))]
    return [float(metrics.ece(y, p)) for p in probs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--deals", type=int, default=2)
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--bootstrap", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    data = wt.table(read_answers(given.data, ["train", "val"]).answers, MIN_WORDS)
    n_train = len(wt.table(read_answers(given.data, ["train"]).answers, MIN_WORDS))
    recipe = wt.Recipe(seed=given.seed)
    names, counts = np.unique(data.subject, return_counts=True)
    enough = {str(s) for s in names[counts >= MIN_ANSWERS]}
    kinds: dict[str, list[dict[str, Any]]] = {
        "coded": [],
        "wrong_person": [],
        "people_shuffled": [],
    }
    worlds: dict[str, list[wt.Table]] = {k: [] for k in kinds}
    sds: dict[str, list[float]] = {"real": [], "people_shuffled": []}
    for deal in range(given.deals):
        fold = wt.deal(data.subject, N_FOLDS, given.seed + 900 + deal)
        dealt = swapped(data.y, data.question, np.random.default_rng(given.seed + 700 + deal))
        mixed = replace(data, y=dealt)
        parts: dict[str, list[dict[str, Any]]] = {k: [] for k in kinds}
        for f in range(N_FOLDS):
            train, test = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
            seed = given.seed + 10_000 * deal + 100 * f
            for world, name in ((data, "real"), (mixed, "people_shuffled")):
                logit, sd = source(world, train, test, recipe)
                sds[name].append(sd)
                own = {str(s): sd for s in np.unique(data.subject[test]) if str(s) in enough}
                for kind in ("coded", "wrong_person") if name == "real" else ("people_shuffled",):
                    parts[kind].append(
                        judge(world, test, logit, own, given.draws, seed, kind == "wrong_person")
                    )
            print(
                f"deal {deal} group {f}: {[v[-1] for v in sds.values()]}",
                file=sys.stderr,
                flush=True,
            )
        for kind in kinds:
            index = np.concatenate([p["index"] for p in parts[kind]], axis=1)
            probs = np.concatenate([p["probs"] for p in parts[kind]], axis=2)
            kinds[kind].append({"index": index, "probs": probs, "fold": fold})
            worlds[kind].append(mixed if kind == "people_shuffled" else data)
    result: dict[str, Any] = {
        "ks": KS,
        "min_answers": MIN_ANSWERS,
        "deals": given.deals,
        "draws": given.draws,
    }
    result["spread_between_people"] = {
        k: {"mean": float(np.mean(v)), "min": min(v), "max": max(v)} for k, v in sds.items()
    }
    for kind, runs in kinds.items():
        result[kind] = figures(worlds[kind], runs, given.bootstrap, given.seed)
    train, test = np.arange(n_train), np.arange(n_train, len(data))
    logit, sd = source(data, train, test, recipe)
    own = {str(s): sd for s in np.unique(data.subject[test]) if str(s) in enough}
    run = judge(data, test, logit, own, given.draws, given.seed, False) | {
        "fold": np.zeros(len(data), int)
    }
    result["official_train_to_val"] = figures([data], [run], given.bootstrap, given.seed) | {
        "spread": sd
    }
    save("few-coded", result)


if __name__ == "__main__":
    main()
