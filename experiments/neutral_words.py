"""Does a person's neutral answer (question 1) help the words recogniser on questions 2 to 7? BAH
v1, public files.

    python -m experiments.neutral_words ../shared/data/bah_v1

Three models of the same form (question, length, eight kinds of words; the recipe of the words
recogniser), fitted on answers 2 to 7 of the training people: ``plain`` as it is; ``relative``,
length and kinds of words less those of the person's own question 1; ``beside``, the plain ones and
those of question 1 as further inputs. The penalty is chosen by cross-validation over training
people. Judged on the val people (official split), and by cross-validation over the training people,
choices inside each part. People without a scored question 1 are left out of all three. Intervals:
people are resampled; a gain is paired.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from twomind.datasets.answers import read_answers
from twomind.evaluation import metrics
from twomind.features.words.lexicon import lexicon
from twomind.models.calibration import log_loss, sigmoid
from twomind.models.words.additive import excess
from twomind.models.words.recogniser import MIN_WORDS
from twomind.training import words as wt

from .record import save

MODELS = ("plain", "relative", "beside")
N_FOLDS = 5


def read(folder: Path, split: str) -> dict[str, np.ndarray]:
    """Answers 2 to 7 of people who also answered question 1: ``y, subject, question``, own and
    neutral words.
    """
    data = wt.table(read_answers(folder, [split]).answers, MIN_WORDS)
    first = {
        str(s): i
        for i, (s, q) in enumerate(zip(data.subject, data.question, strict=True))
        if q == "1"
    }
    keep = np.array(
        [i for i, q in enumerate(data.question) if q != "1" and str(data.subject[i]) in first]
    )
    base = np.array([first[str(data.subject[i])] for i in keep])
    columns = [lexicon().names.index(c) for c in wt.CONTENT]
    found = {"y": data.y[keep], "subject": data.subject[keep], "question": data.question[keep]}
    for name, rows in (("own", keep), ("neutral", base)):
        found[f"{name}_n"], found[f"{name}_counts"] = (
            data.n_words[rows],
            data.counts[np.ix_(rows, columns)],
        )
    return found


def inputs(data: dict[str, np.ndarray], rates: np.ndarray, model: str) -> np.ndarray:
    """Length and kinds of words ``(N, 9)``, or ``(N, 18)`` with the neutral answer's beside."""
    own, rest = (
        np.column_stack(
            [np.log1p(data[f"{k}_n"]), excess(data[f"{k}_counts"], data[f"{k}_n"], rates)]
        )
        for k in ("own", "neutral")
    )
    return {"plain": own, "relative": own - rest, "beside": np.hstack([own, rest])}[model]


def some(data: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: values[rows] for name, values in data.items()}


def fitted(
    train: dict[str, np.ndarray], test: dict[str, np.ndarray], model: str, penalty: float
) -> np.ndarray:
    """Log-odds of ``test`` from a model of ``train``; scales and averages are the training
    people's.
    """
    from sklearn.linear_model import LogisticRegression

    recipe = wt.Recipe()
    levels = np.unique(train["question"])
    rates = train["own_counts"].sum(axis=0) / train["own_n"].sum()
    x, z = inputs(train, rates, model), inputs(test, rates, model)
    middle, spread = x.mean(axis=0), np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    of_words = np.tile(
        [recipe.length_penalty, *[penalty] * len(wt.CONTENT)], x.shape[1] // (1 + len(wt.CONTENT))
    )
    scale = 1 / np.sqrt(np.r_[np.full(len(levels), recipe.question_penalty), of_words])
    a, b = (
        np.column_stack([d["question"][:, None] == levels, (v - middle) / spread]) * scale
        for d, v in ((train, x), (test, z))
    )
    fit = LogisticRegression(
        C=1.0, fit_intercept=False, solver="newton-cholesky", tol=1e-8, max_iter=2000
    )
    return np.asarray(b @ fit.fit(a, train["y"]).coef_[0])


def chosen(train: dict[str, np.ndarray], test: dict[str, np.ndarray], model: str) -> np.ndarray:
    """As :func:`fitted`, the penalty chosen by cross-validation over the people of ``train``."""
    fold = wt.deal(train["subject"], N_FOLDS, 1)
    losses = []
    for penalty in wt.Recipe().penalties:
        out = np.zeros(len(fold))
        for f in range(N_FOLDS):
            out[fold == f] = fitted(some(train, fold != f), some(train, fold == f), model, penalty)
        losses.append(log_loss(train["y"], out))
    return fitted(train, test, model, wt.Recipe().penalties[int(np.argmin(losses))])


def judged(
    data: dict[str, np.ndarray], logit: dict[str, np.ndarray], fold: np.ndarray | None
) -> dict[str, Any]:
    weights = metrics.person_weights(data["subject"], 2000, 0)
    bound = {
        m: metrics.bound(data["y"], sigmoid(z), data["question"], fold) for m, z in logit.items()
    }
    names = ("within_question_auc", "auc", "macro_f1", "brier", "ece")
    out: dict[str, Any] = {"n": len(data["y"]), "n_people": len(np.unique(data["subject"]))}
    for model in MODELS:
        out[model] = {
            n: {"value": bound[model][n](), "ci": metrics.interval(bound[model][n](weights))}
            for n in names
        }
        if model != "plain":
            out[model]["gain_over_plain"] = {
                n: {
                    "value": bound[model][n]() - bound["plain"][n](),
                    "ci": metrics.interval(bound[model][n](weights) - bound["plain"][n](weights)),
                }
                for n in names
            }
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    given = parser.parse_args()
    train, val = read(given.data, "train"), read(given.data, "val")
    official = {m: chosen(train, val, m) for m in MODELS}
    fold = wt.deal(train["subject"], N_FOLDS, 100)
    crossed = {m: np.zeros(len(fold)) for m in MODELS}
    for f in range(N_FOLDS):
        for m in MODELS:
            crossed[m][fold == f] = chosen(some(train, fold != f), some(train, fold == f), m)

    found = {"val_people_official_split": judged(val, official, None), "train_people_held_out": {}}
    found["train_people_held_out"] = judged(train, crossed, fold)
    save("neutral-words", found)


if __name__ == "__main__":
    main()
