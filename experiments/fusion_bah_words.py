"""Words and question of BAH v1, train → val, through the fusion loop, beside the logistic default.
Public files only.

    python -m experiments.fusion_bah_words ../shared/data/bah_v1 [--seeds 3]

The public files have no media and no word times: words are spread evenly over the answer, so *when*
can at best be learnt from their order. Frame numbers become seconds at 24 per second (the data
set's mean). A fifth of the training people is set aside for stopping and calibration; ``val.txt``
is scored and decides nothing.
"""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.datasets.answers import read_answers
from twomind.datasets.bah_splits import Answer, video_id
from twomind.evaluation.fusion_card import card_figures
from twomind.evaluation.fusion_folds import with_validation
from twomind.evaluation.words import score_words
from twomind.features.words.text import describe_words
from twomind.models.fusion.input import Recipe, default_recipe
from twomind.models.fusion.net import FusionConfig
from twomind.training.fusion import fit, settings_for, with_card
from twomind.training.fusion_data import Item, item_of, middles
from twomind.types import AMBIVALENCE, Features, Fold, Timing, Word

from .record import save

FPS = 24.0
Spans = dict[str, list[tuple[float, float, int]]]


def read_spans(path: Path) -> Spans:
    """Seconds and label of every annotated span by recording."""
    found: Spans = {}
    with open(path, newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            span = (
                int(row["start_frame"]) / FPS,
                (int(row["end_frame"]) + 1) / FPS,
                int(row["label"]),
            )
            found.setdefault(video_id(row["video"]), []).append(span)
    return found


def item(answer: Answer, spans: Spans, recipe: Recipe) -> Item | None:
    """One answer on the grid; None when it has no words or no annotated length."""
    said, own = answer.transcript.split(), spans.get(answer.id)
    if not said or not own:
        return None
    end_s = max(b for _, b, _ in own)
    edges = np.linspace(0.0, end_s, len(said) + 1).tolist()
    words = tuple(
        Word(w, a, b, timing=Timing.SPREAD_ALL)
        for w, a, b in zip(said, edges[:-1], edges[1:], strict=True)
    )
    tracks = {"words": describe_words(words)}
    x = Features(answer.id, answer.subject, tracks, (0.0, end_s), answer.question, words)
    times_s = middles(x, recipe)
    label = np.full(len(times_s), -1)
    for a, b, value in own:
        label[(times_s >= a) & (times_s < b)] = value
    return item_of(x, recipe, answer.label, label, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=15)
    given = parser.parse_args()
    recipe = default_recipe(("words",))
    parts: dict[str, list[Item]] = {}
    for split in ("train", "val"):
        spans = read_spans(given.data / f"segments_{split}.csv")
        found = (item(a, spans, recipe) for a in read_answers(given.data, [split]).answers)
        parts[split] = [i for i in found if i is not None]
    by_id = {i.recording: i for part in parts.values() for i in part}
    subjects = {i.recording: i.subject for i in by_id.values()}
    fold = Fold(
        "v1", "train to val", *(tuple(i.recording for i in parts[s]) for s in ("train", "val"))
    )
    fold = with_validation(fold, subjects)
    train, stop, test = ([by_id[i] for i in ids] for ids in (fold.train, fold.val, fold.test))
    rows: list[dict[str, Any]] = []
    for no_question in (False, True):
        for seed in range(given.seeds):
            asked = recipe if not no_question else replace(recipe, questions=())
            if no_question:
                train, stop, test = ([_unasked(i) for i in part] for part in (train, stop, test))
            config = FusionConfig("conflict")
            settings = settings_for(config, epochs=given.epochs, seed=seed, batch=8)
            model = fit(train, stop, AMBIVALENCE, asked, config, settings)
            card = with_card(model, card_figures(model, train, test, n_bootstrap=1000)).card
            rows.append(
                {
                    "question": not no_question,
                    "seed": seed,
                    "seconds": card["training"]["seconds"],
                    "best_epoch": card["training"]["best_epoch"],
                    "rows": card["held_out_people"]["rows"],
                    "gain_over_question": card["held_out_people"]["gain_over_question"],
                    "located": {k: v for k, v in card["located"].items() if k != "how"},
                }
            )
            print(
                rows[-1]["question"],
                seed,
                rows[-1]["rows"]["model"]["auc"],
                file=sys.stderr,
                flush=True,
            )
    default = score_words(given.data, split="val", n_bootstrap=1000)
    keep = ("auc", "macro_f1", "ap", "ap_bah", "within_question_auc", "brier", "ece", "ci")
    save(
        "fusion-bah-words",
        {
            "n": {k: len(v) for k, v in (("train", train), ("stopping", stop), ("val", test))},
            "fusion": rows,
            "logistic_default": {k: default.get(k) for k in keep},
        },
    )


def _unasked(one: Item) -> Item:
    return replace(one, grid=replace(one.grid, question=0))


if __name__ == "__main__":
    main()
