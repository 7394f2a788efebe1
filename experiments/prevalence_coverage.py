"""Does the interval of `twomind prevalence` hold the true share, whatever the model is worth? BAH v1,
public train and val files.

    python -m experiments.prevalence_coverage ../shared/data/bah_v1 [--draws 2000]

The population is all public answers, with their codes; the truth is the share in it. A draw takes
people (with replacement, so the interval speaks of people like these) or all answers (it speaks of
these alone), hides all codes but those of a random part, and asks for the share, the differences of
questions 1 and 4 and of 2 and 3, with the model and from the codes alone.

Models. ``good``: the words model with the question, fitted on other people (five groups).
``useless``: random numbers. ``wrong``: one less the good one. ``biased``: the good one cubed.
``adjusted``: the useless one, which learns the questions' rates from the codes of other people.
``memorised``: the codes themselves where there are any, their rate elsewhere, as a model would score
that learnt them by heart: what must not be done.

``planned``: `prevalence plan` from one pilot, and the half-width that studies of that size got.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.datasets.answers import read_answers
from twomind.evaluation.prevalence import Answers, Drawn, Measured, Share, Target, estimated
from twomind.evaluation.prevalence_fit import adjusted
from twomind.evaluation.prevalence_next import draw_next
from twomind.evaluation.prevalence_plan import Wanted, planned
from twomind.training import words as wt

from .record import save

N_FOLDS = 5
MODELS = ("good", "useless", "wrong", "biased", "adjusted", "memorised")
PAIRS = (("1", "4"), ("2", "3"))


@dataclass(frozen=True)
class Scheme:
    """How a study comes about: ``people`` drawn (0: all, and the answers that are there are meant),
    ``codes`` of single answers or of whole people, drawn all alike or by `prevalence next`.
    """

    name: str
    people: int
    codes: int
    drawn: Drawn = Drawn.ANSWERS
    by_next: bool = False

    @property
    def target(self) -> Target:
        return Target.PEOPLE if self.people else Target.ANSWERS


SCHEMES = (
    Scheme("100 people, 100 codes", 100, 100),
    Scheme("40 people, 50 codes", 40, 50),
    Scheme("20 people, 25 codes", 20, 25),
    Scheme("60 people, 25 coded wholly", 60, 25, Drawn.PEOPLE),
    Scheme("100 people, 50 and 50 codes by next", 100, 100, by_next=True),
    Scheme("all answers, 150 codes", 0, 150),
    Scheme("all answers, 40 people coded wholly", 0, 40, Drawn.PEOPLE),
    Scheme("all answers, 75 and 75 codes by next", 0, 150, by_next=True),
)


@dataclass(frozen=True)
class Population:
    """All public answers: person, question, code, the good model's score ``(N,)``."""

    person: np.ndarray
    question: np.ndarray
    y: np.ndarray
    good: np.ndarray

    @classmethod
    def read(cls, folder: Path) -> Population:
        data = wt.table(read_answers(folder, ["train", "val"]).answers, 1)
        recipe = wt.Recipe()
        fold = wt.deal(data.subject, N_FOLDS, recipe.seed)
        logits = np.zeros(len(data))
        for k in range(N_FOLDS):
            model = wt.fit(data, np.flatnonzero(fold != k), True, recipe).model
            test = np.flatnonzero(fold == k)
            logits[test] = wt.logits(model, data, test)
        _, person = np.unique(data.subject, return_inverse=True)
        return cls(person, data.question, data.y.astype(float), 1 / (1 + np.exp(-logits)))

    def truths(self) -> dict[str, float]:
        rate = {q: float(self.y[self.question == q].mean()) for q in np.unique(self.question)}
        found = {"share": float(self.y.mean())}
        for one, other in PAIRS:
            found[f"question {one} less {other}"] = rate[one] - rate[other]
        return found

    def drawn(self, n_people: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Places of the answers of drawn people, and who they are now."""
        if not n_people:
            return np.arange(len(self.y)), self.person
        rows, names = [], []
        for name, k in enumerate(rng.integers(0, self.person.max() + 1, n_people)):
            own = np.flatnonzero(self.person == k)
            rows.append(own)
            names.append(np.full(len(own), name))
        return np.concatenate(rows), np.concatenate(names)


def study(
    world: Population, scheme: Scheme, rng: np.random.Generator
) -> tuple[Answers, np.ndarray]:
    """The answers of a study with the good model's scores, and all their codes."""
    rows, person = world.drawn(scheme.people, rng)
    n = len(rows)
    nothing = np.full(n, np.nan)
    answers = Answers(
        id=np.arange(n),
        person=person,
        human=nothing,
        score=world.good[rows],
        chance=nothing,
        group=np.full(n, ""),
        question=world.question[rows],
        drawn=scheme.drawn,
    )
    return answers, world.y[rows]


def scored(answers: Answers, model: str, rng: np.random.Generator) -> Answers:
    """The answers with the scores of a model that learnt from no code."""
    good = answers.score
    scores = {"wrong": 1 - good, "biased": good**3, "good": good}
    return replace(answers, score=scores.get(model, rng.random(len(good))))


def coded(answers: Answers, y: np.ndarray, scheme: Scheme, rng: np.random.Generator) -> Answers:
    """The answers with the codes of a random part."""
    n = len(y)
    if scheme.by_next:
        for _ in range(2):
            draw = draw_next(answers, answers.chance, scheme.codes // 2, int(rng.integers(2**31)))
            human = np.where(draw.chosen | answers.coded, y, np.nan)
            answers = replace(answers, human=human, chance=draw.chance)
        return answers
    unit = answers.person if scheme.drawn is Drawn.PEOPLE else np.arange(n)
    n_units = int(unit.max()) + 1
    chosen = np.isin(unit, rng.permutation(n_units)[: scheme.codes])
    chance = np.full(n, scheme.codes / n_units)
    return replace(answers, human=np.where(chosen, y, np.nan), chance=chance)


def learnt(answers: Answers, model: str) -> Answers:
    """The answers with scores that learnt from the codes, where the model does so."""
    if model == "adjusted":
        return adjusted(answers)
    if model == "memorised":
        rate = float(np.nanmean(answers.human))
        return replace(answers, score=np.where(answers.coded, answers.human, rate))
    return answers


def figures(answers: Answers, target: Target) -> tuple[Measured, dict[str, tuple[Share, Share]]]:
    """By figure: with the model, and from the codes alone."""
    asked = np.isin(answers.question, PAIRS)
    found = estimated(replace(answers, question=np.where(asked, answers.question, "")), target)
    told = {"share": (found.whole.share, found.whole.classical)}
    for one in found.differences["question"]:
        if (one.first, one.second) in PAIRS:
            name = f"question {one.first} less {one.second}"
            told[name] = (one.share, one.classical)
    return found.whole, told


def holds(share: Share, truth: float) -> bool:
    return share.interval[0] <= truth <= share.interval[1]


def one_draw(world: Population, scheme: Scheme, seed: int) -> list[tuple[str, str, list[float]]]:
    """Model, figure, and whether the intervals hold the truth, their widths, and codes saved."""
    answers, y = study(world, scheme, np.random.default_rng([seed, 0]))
    truths = world.truths()
    found = []
    for number, model in enumerate(MODELS):
        own = scored(answers, model, np.random.default_rng([seed, 1, number]))
        draw = learnt(coded(own, y, scheme, np.random.default_rng([seed, 2])), model)
        try:
            whole, told = figures(draw, scheme.target)
        except BadInput:
            continue
        for name, (share, classical) in told.items():
            if share.reason:
                continue
            truth = truths[name]
            saved = whole.codes_saved if name == "share" else np.nan
            row = [holds(share, truth), share.width, holds(classical, truth), classical.width]
            found.append((model, name, [*map(float, row), saved]))
    return found


def many_draws(world: Population, scheme: Scheme, seeds: range) -> dict[str, np.ndarray]:
    """By model and figure, one row per draw ``(B, 5)``."""
    found: dict[str, list[list[float]]] = {}
    for seed in seeds:
        for model, name, row in one_draw(world, scheme, seed):
            found.setdefault(f"{model}/{name}", []).append(row)
    return {name: np.array(rows) for name, rows in found.items()}


def of_scheme(
    world: Population, scheme: Scheme, n: int, pool: ProcessPoolExecutor
) -> dict[str, Any]:
    """Coverage and width of every model and figure."""
    parts = [range(first, min(first + 100, n)) for first in range(0, n, 100)]
    found = list(pool.map(partial(many_draws, world, scheme), parts))
    told: dict[str, Any] = {}
    for key in found[0]:
        rows = np.concatenate([part[key] for part in found if key in part])
        mean = rows.mean(axis=0)
        model, name = key.split("/")
        told.setdefault(model, {})[name] = {
            "draws_told": len(rows),
            "coverage": mean[0],
            "coverage_classical": mean[2],
            "width": mean[1],
            "width_over_classical": mean[1] / mean[3],
        }
        if name == "share":
            told[model][name]["codes_saved"] = mean[4]
    return told


def of_plan(world: Population, n: int) -> dict[str, Any]:
    """What a plan promises, and the half-width that such studies get."""
    rng = np.random.default_rng(0)
    pilot_scheme = Scheme("pilot", 60, 100)
    answers, y = study(world, pilot_scheme, rng)
    pilot = coded(answers, y, pilot_scheme, rng)
    plan = planned(pilot, Wanted(0.07, people=120))
    one = plan.possibilities[0]
    scheme = Scheme("planned", one.people, one.codes)
    got = []
    for seed in range(n):
        rng = np.random.default_rng([1, seed])
        answers, y = study(world, scheme, rng)
        whole, _ = figures(coded(answers, y, scheme, rng), Target.PEOPLE)
        got.append(whole.share.width / 2)
    return {"half_width": 0.07, "people": one.people, "codes": one.codes, "got": np.mean(got)}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args(argv)
    world = Population.read(asked.data)
    schemes = {}
    with ProcessPoolExecutor(asked.workers) as pool:
        for scheme in SCHEMES:
            schemes[scheme.name] = of_scheme(world, scheme, asked.draws, pool)
            print(json.dumps({scheme.name: schemes[scheme.name]}), file=sys.stderr)
    numbers = {
        "draws": asked.draws,
        "answers": len(world.y),
        "people_in_all": int(world.person.max()) + 1,
        "share": float(world.y.mean()),
        "schemes": schemes,
        "planned": of_plan(world, min(asked.draws, 400)),
    }
    save("prevalence-coverage", numbers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
