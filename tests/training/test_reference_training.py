"""Training, calibration, the words model and CLIP-AU against slow loops (``reference``), on random
inputs.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch
from torch.nn import functional as F

from twomind.core.errors import BadInput
from twomind.features.words.lexicon import lexicon
from twomind.models import calibration
from twomind.models.clip_au.clips import clips_of
from twomind.models.clip_au.parts import TRAINED
from twomind.models.fusion.net import FusionConfig
from twomind.training import clip_au as clip_au_train
from twomind.training import loop
from twomind.training import words as words_train
from twomind.training.fusion import settings_for
from twomind.training.loop import TrainSettings
from twomind.types import Example, Features, Track

ref = importlib.import_module("reference.training")
words = importlib.import_module("reference.words")

FEW = settings(deadline=None, derandomize=True, max_examples=6, database=None)
MANY = settings(deadline=None, derandomize=True, max_examples=25, database=None)
SEEDS = st.integers(0, 2**32 - 1)


# --- the training loop
# -----------------------------------------------------------------------------------------------


class Straight(torch.nn.Module):
    """Logistic regression with three weights in float64."""

    def __init__(self, b: np.ndarray) -> None:
        super().__init__()
        self.b = torch.nn.Parameter(torch.from_numpy(b.copy()))


@MANY
@given(SEEDS)
def test_every_step_and_what_is_kept(seed: int) -> None:
    """Weights of the kept epoch after steps of AdamW or Nesterov by hand; early stopping by
    scripted figures.
    """
    rng = np.random.default_rng(seed)
    n, epochs = int(rng.integers(3, 12)), int(rng.integers(1, 25))
    optimiser = "adamw" if rng.random() < 0.7 else "sgd"
    how = TrainSettings(
        epochs,
        batch=int(rng.integers(1, 6)),
        optimiser=optimiser,
        lr=float(rng.choice([0.01, 0.1])),
        weight_decay=float(rng.choice([0.0, 0.05, 0.5])),
        clip=float(rng.choice([0.1, 10.0])),
        patience=int(rng.integers(1, 7)),
        smooth=int(rng.integers(1, 6)),
        seed=int(rng.integers(100)),
    )
    x, y, start = 3 * rng.normal(size=(n, 3)), rng.integers(0, 2, n), rng.normal(size=3)
    figures = [float(f) for f in rng.integers(0, 6, epochs)]  # ties happen
    told = iter(figures)
    taken: list[list[int]] = []

    def loss(module: Any, items: Any) -> torch.Tensor:
        taken.append(list(items))
        z = torch.from_numpy(x[items]) @ module.b
        return F.binary_cross_entropy_with_logits(z, torch.from_numpy(y[items]).double())

    goal = loop.Goal(n, loss, lambda _: {"score": next(told)})
    done = loop.train(Straight(start), goal, how, mark={})

    warm = 0 if optimiser == "sgd" else min(epochs // 10, epochs - 1)
    n_run, kept, best = ref.stopping(figures, epochs, how.patience, how.smooth, warm)
    assert (len(done.history), done.best_epoch) == (n_run, kept)
    assert done.best == pytest.approx(best)

    n_steps = math.ceil(n / how.batch)
    assert len(taken) == n_run * n_steps
    b, after = start.copy(), []
    walk = ref.Nesterov(how.weight_decay) if optimiser == "sgd" else ref.AdamW(how.weight_decay)
    for epoch in range(n_run):
        batches = taken[epoch * n_steps : (epoch + 1) * n_steps]
        assert sorted(i for items in batches for i in items) == list(range(n))
        assert [len(items) for items in batches[:-1]] == [how.batch] * (n_steps - 1)
        for k, items in enumerate(batches):
            gradient = np.zeros(3)
            for i in items:
                gradient += (1 / (1 + math.exp(-float(x[i] @ b))) - y[i]) * x[i] / len(items)
            rate = ref.learning_rate(optimiser, how.lr, epochs, n_steps, epoch * n_steps + k)
            b = walk.step(b, ref.clipped(gradient, how.clip), rate)
        after.append(b)
    # torch cuts a gradient to a norm with 1e-6 to spare.
    np.testing.assert_allclose(done.weights["b"].numpy(), after[kept], rtol=1e-4, atol=1e-5)


def test_fusion_stops_on_the_mean_of_five_epochs() -> None:
    """One high figure of a few people does not decide; by an epoch's own figure it would."""
    assert settings_for(FusionConfig("conflict")).smooth == 5
    figures = [0, 0, 0, 9, 0, 2, 3, 4, 5, 6, 7, 8, 8]
    one = ref.stopping(figures, 13, 20, 1, 1)[1]
    told = iter(figures)
    how = settings_for(FusionConfig("conflict"), epochs=13, patience=20)
    net = torch.nn.Linear(1, 1)
    goal = loop.Goal(1, lambda m, _: m.weight.sum() ** 2, lambda _: {"score": next(told)})
    done = loop.train(net, goal, how, mark={})
    assert (one, done.best_epoch, done.best) == (3, 12, pytest.approx((5 + 6 + 7 + 8 + 8) / 5))


@MANY
@given(SEEDS)
def test_order_of_items_is_another_in_every_epoch_and_the_same_again(seed: int) -> None:
    orders = [tuple(loop.order_of(20, seed, epoch)) for epoch in range(3)]
    assert len(set(orders)) == 3
    assert orders[1] == tuple(loop.order_of(20, seed, 1))


# --- losses and figures
# ----------------------------------------------------------------------------------------------


@MANY
@given(SEEDS)
def test_losses(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, n_classes = int(rng.integers(1, 12)), int(rng.integers(2, 5))
    y, logits = rng.integers(0, n_classes, n), rng.normal(0, 2, (n, n_classes))
    weights = loop.class_weights(y, n_classes)
    np.testing.assert_allclose(weights, ref.class_weights(y.tolist(), n_classes))
    gamma = float(rng.choice([0.0, 0.5, 2.0]))
    args = torch.from_numpy(logits), torch.from_numpy(y)
    found = float(loop.weighted_loss(*args, torch.from_numpy(weights), gamma))
    assert found == pytest.approx(
        ref.cross_entropy(logits, y.tolist(), weights, gamma), rel=1e-5, abs=1e-7
    )
    found = float(loop.weighted_loss(*args, None, gamma))
    assert found == pytest.approx(
        ref.cross_entropy(logits, y.tolist(), [1.0] * n_classes, gamma), rel=1e-5, abs=1e-7
    )


@MANY
@given(SEEDS)
def test_figures(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, n_classes = int(rng.integers(1, 15)), int(rng.integers(2, 5))
    y, p = rng.integers(0, 2, n), rng.integers(0, 6, n) / 5  # ties
    expected = ref.average_precision(y.tolist(), p.tolist())
    assert loop.average_precision(y, p) == pytest.approx(expected, nan_ok=True)
    y, said = rng.integers(0, n_classes, n), rng.integers(0, n_classes, n)
    assert loop.macro_f1(y, said, n_classes) == pytest.approx(
        ref.macro_f1(y.tolist(), said.tolist(), n_classes)
    )
    assert clip_au_train.rates(y, said, n_classes) == pytest.approx(
        ref.rates(y.tolist(), said.tolist(), n_classes)
    )


# --- calibration
# -----------------------------------------------------------------------------------------------------


@MANY
@given(SEEDS)
def test_slope_of_held_out_log_odds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, logit, offset = rng.integers(0, 2, 30), rng.normal(0, 2, 30), rng.normal(0, 0.5, 30)
    logit = np.where(rng.random(30) < 0.7, np.abs(logit) * (2 * y - 1), logit)
    assert calibration.log_loss(y, logit) == pytest.approx(ref.log_loss(y, logit))
    expected = ref.lowest(lambda s: ref.log_loss(y, offset + s * logit), 0.25, 2.0)
    assert calibration.temperature(y, logit, offset) == pytest.approx(expected, abs=1e-3)


@MANY
@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_another_prevalence_is_bayes_rule(p: float, new: float, trained: float) -> None:
    moved = calibration.sigmoid(math.log(p / (1 - p)) + calibration.prevalence_shift(new, trained))
    assert float(moved) == pytest.approx(ref.shifted(p, new, trained))


@MANY
@given(SEEDS)
def test_abstention(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 60))
    y, p = rng.integers(0, 2, n), rng.random(n)
    p = np.clip(np.where(rng.random(n) < 0.6, 0.5 + np.abs(p - 0.5) * (2 * y - 1), p), 0.001, 0.999)
    risk, expected = calibration.risk_curve(y, p, 10), ref.risk_curve(y.tolist(), p.tolist(), 10)
    rows = list(zip(risk.half_width, risk.coverage, risk.error, strict=True))
    np.testing.assert_allclose(rows, expected, atol=6e-5)
    for asked in (0.05, 0.1, 0.2, 0.3):
        enough = [row for row in rows if row[2] <= asked]
        if enough:
            assert risk.zone(asked) == min(enough)
        else:
            with pytest.raises(BadInput, match="not reached"):
                risk.zone(asked)
    assert risk.n == n
    band = calibration.Reliability((0.2, 0.6), (0.3, 0.5), (0.1, 0.4), (0.5, 0.8), 10)
    assert band.band(0.3) == pytest.approx((0.1 + 0.25 * 0.3, 0.5 + 0.25 * 0.3))
    assert band.band(0.15) == (0.1, 0.5)
    assert band.band(0.01) is None
    assert band.band(0.99) is None


# --- the words model
# -------------------------------------------------------------------------------------------------

NAMES = ("hedge", "negation", "desire")


def random_table(rng: np.random.Generator, n: int) -> words_train.Table:
    """Counted answers of some people to three questions, unevenly asked."""
    n_words = rng.integers(5, 120, n)
    rates = rng.uniform(0.0, 0.08, len(lexicon().names))
    counts = rng.binomial(n_words[:, None], rates)
    question = rng.choice(["1", "4", "7"], n, p=[0.6, 0.25, 0.15])
    question[:3] = ["1", "4", "7"]
    y = (rng.random(n) < 0.3 + 0.3 * (question == "4") + 0.004 * n_words - 0.1).astype(int)
    y[:2] = [0, 1]
    subject = np.array([f"p{i % (n // 3)}" for i in range(n)])
    return words_train.Table(y, subject, question, n_words, counts.astype(float), (), ())


def counts_of(data: words_train.Table, rows: np.ndarray) -> np.ndarray:
    return data.counts[np.ix_(rows, [lexicon().names.index(c) for c in NAMES])]


def slow_fit(
    data: words_train.Table, rows: np.ndarray, with_question: bool, penalty: float, **options: Any
) -> Any:
    return words.fit(
        data.y[rows].tolist(),
        data.question[rows].tolist(),
        data.n_words[rows].tolist(),
        counts_of(data, rows),
        with_question=with_question,
        penalty=penalty,
        **options,
    )


def slow_logits(
    model: Any, data: words_train.Table, rows: np.ndarray, said: Any = None
) -> np.ndarray:
    counts = counts_of(data, rows)
    return np.array(
        [
            model.logit(data.question[i], data.n_words[i], counts[k], said[i] if said else ())
            for k, i in enumerate(rows)
        ]
    )


@pytest.mark.parametrize("with_question", [True, False])
@FEW
@given(seed=SEEDS)
def test_words_model(with_question: bool, seed: int) -> None:
    """Log-odds of answers in the fit and of others, one of them to a question that nobody in the
    fit answered.
    """
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(seed)
    data, penalty = random_table(rng, 36), float(rng.choice([1.0, 30.0, 200.0]))
    recipe = words_train.Recipe(content=NAMES)
    rows = (
        np.flatnonzero((np.arange(36) < 28) & (data.question != "7"))
        if rng.random() < 0.5
        else np.arange(28)
    )
    model = words_train.fit_once(data, rows, with_question, recipe, (penalty, None))
    slow = slow_fit(data, rows, with_question, penalty)
    everyone = np.arange(36)
    np.testing.assert_allclose(
        words_train.logits(model, data, everyone),
        slow_logits(slow, data, everyone),
        rtol=1e-4,
        atol=2e-4,
    )
    for name, (weight, rate) in zip(NAMES, slow.content, strict=True):
        assert model.content[name] == pytest.approx((weight, rate), rel=1e-3, abs=1e-5)
    assert model.length_weight == pytest.approx(slow.length_weight, abs=1e-4)


def test_penalties_of_the_recipe() -> None:
    recipe = words_train.Recipe()
    assert recipe.candidates() == [(30.0, None), (60.0, None), (100.0, None), (200.0, None)]
    assert (recipe.question_penalty, recipe.length_penalty, recipe.min_people) == (0.3, 0.5, 3)
    grams = replace(recipe, variant="ngram")
    assert grams.candidates() == [(60.0, 0.5), (60.0, 1.0), (60.0, 2.0), (60.0, 4.0)]
    assert grams.candidates(with_question=False) == [(60.0, 4.0)]


@pytest.mark.parametrize("with_question", [True, False])
@FEW
@given(seed=SEEDS)
def test_words_model_with_n_grams(with_question: bool, seed: int) -> None:
    """The library solves for one number per answer; the loops solve for one weight per n-gram."""
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(seed)
    vocabulary = [
        "table",
        "garden",
        "river",
        "window",
        "bread",
        "paper",
        "music",
        "stone",
        "cloud",
        "train",
    ]
    answers = []
    for i in range(24):
        first, second = (
            rng.permutation(vocabulary)[: rng.integers(4, 9)],
            rng.permutation(vocabulary)[:3],
        )
        text = " ".join([*first, "maybe", *second])
        label, question = int(i % 2 if i < 4 else rng.integers(2)), str(rng.choice(["1", "4"]))
        answers.append(words_train.Answer(f"a{i}", f"p{i % 8}", question, label, text))
    data = words_train.table(answers, 1)
    said = []
    for text, counted in zip(data.texts, data.counted, strict=True):
        spoken = [t for t, ok in zip(text, counted.is_counted, strict=True) if ok]
        said.append([*spoken, *(" ".join(two) for two in pairwise(spoken))])
    rows, everyone = np.arange(18), np.arange(24)
    recipe = words_train.Recipe(variant="ngram", content=NAMES)
    model = words_train.fit_once(data, rows, with_question, recipe, (60.0, 2.0))
    options = {
        "said": [said[i] for i in rows],
        "people": data.subject[rows].tolist(),
        "ngram_penalty": 2.0,
    }
    slow = slow_fit(data, rows, with_question, 60.0, **options)
    assert model.ngrams is not None
    assert set(model.ngrams.terms) == set(slow.terms)
    expected = slow_logits(slow, data, everyone, said)
    np.testing.assert_allclose(
        words_train.logits(model, data, everyone), expected, rtol=1e-3, atol=5e-4
    )
    for i in everyone:  # the same number from the text alone, word by word
        asked = data.question[i] if with_question else None
        assert model.parts(data.texts[i], asked).logit == pytest.approx(
            expected[i], rel=1e-3, abs=5e-4
        )


@pytest.mark.parametrize("with_question", [True, False])
@settings(FEW, max_examples=3)
@given(seed=SEEDS)
def test_penalty_and_slope_are_chosen_on_other_people(with_question: bool, seed: int) -> None:
    """Grouped cross-validation: the least log loss on people (without the question: and questions)
    left out.
    """
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(seed)
    data = random_table(rng, 36)
    recipe = words_train.Recipe(content=NAMES, penalties=(1.0, 20.0, 300.0), n_folds=4)
    rows = np.arange(36)
    chosen = words_train.fit(data, rows, with_question, recipe)

    fold = words_train.deal(data.subject, 4 if with_question else 3, recipe.seed + 1)
    for person in set(data.subject):
        assert len(set(fold[data.subject == person])) == 1
    parts = []
    for f in sorted(set(fold)):
        for question in [None] if with_question else sorted(set(data.question)):
            test = [i for i in rows if fold[i] == f and question in (None, data.question[i])]
            train = [
                i
                for i in rows
                if fold[i] != f and (question is None or data.question[i] != question)
            ]
            if test and len({data.y[i] for i in train}) == 2:
                parts.append((np.array(train), np.array(test)))
    tried = []
    for penalty in recipe.penalties:
        y, out, fixed = [], [], []
        for train, test in parts:
            model = slow_fit(data, train, with_question, penalty)
            y += data.y[test].tolist()
            out += slow_logits(model, data, test).tolist()
            fixed += [0.0 if with_question else model.constant] * len(test)
        tried.append((ref.log_loss(y, out), penalty, y, np.array(out), np.array(fixed)))
    _, penalty, y, out, fixed = min(tried, key=lambda t: t[0])
    assert chosen.penalty == (penalty, None)
    slope = ref.lowest(lambda s: ref.log_loss(y, fixed + s * (out - fixed)), 0.25, 2.0)
    assert chosen.slope == pytest.approx(slope, abs=2e-3)
    model = slow_fit(data, rows, with_question, penalty)
    held = 0.0 if with_question else model.constant
    expected = held + chosen.slope * (slow_logits(model, data, rows) - held)
    np.testing.assert_allclose(
        words_train.logits(chosen.model, data, rows), expected, rtol=1e-3, atol=5e-4
    )


# --- CLIP-AU
# ---------------------------------------------------------------------------------------------------------

random_clips = importlib.import_module("reference.random_clips")
DIM, clip_model = random_clips.DIM, random_clips.clip_model


def window(rng: np.random.Generator, n: int, person: str = "p") -> Features:
    values = rng.normal(size=(n, DIM)).astype(np.float32)
    track = Track(values, 0.08 * np.arange(n), np.ones(n, bool))
    return Features("r", person, {"clip": track}, (0.0, 0.08 * n + 1), drawn=True)


@FEW
@given(SEEDS)
def test_clip_au_forward(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model, w = clip_model(rng)
    xs = [window(rng, n) for n in (10, 4, 2)]  # several clips, one, one short one
    _, logits = model.run(xs)
    for x, found in zip(xs, logits.numpy(), strict=True):
        track = x.tracks["clip"]
        clips = [track.values[rows].astype(float) for rows in clips_of(track, model.clips)]
        each = [ref.clip_logits(w, c) for c in clips]
        np.testing.assert_allclose(found, sum(each) / len(each), rtol=1e-4, atol=1e-5)
        cosines = [row for _, _, row in model.clip_cosines(x)]
        np.testing.assert_allclose(
            cosines, [ref.clip_cosines(w, c) for c in clips], rtol=1e-4, atol=1e-5
        )


@FEW
@given(SEEDS, st.booleans())
def test_clip_au_step(seed: int, weighted: bool) -> None:
    """The loss before the step, gradients by differences, and AdamW's first step."""
    rng = np.random.default_rng(seed)
    model, w = clip_model(rng)
    how = clip_au_train.TrainSettings(learning_rate=0.01, weight_decay=0.3)
    leaves, _ = clip_au_train.leaves({k: v.double() for k, v in model.weights.items()}, how)
    trained = [leaves[name] for name in TRAINED]
    _, optimiser = clip_au_train.leaves(model.weights, how)
    defaults = {k: optimiser.defaults[k] for k in ("lr", "weight_decay")}
    assert defaults == {"lr": 0.01, "weight_decay": 0.3}
    optimiser = torch.optim.AdamW(trained, lr=0.01, weight_decay=0.3)
    lengths, y = [4, 3, 1], [0, 1, 0]
    frames = np.zeros((3, 4, DIM))
    for b, n in enumerate(lengths):
        frames[b, :n] = rng.normal(size=(n, DIM))
    classes = [0.5, 2.0] if weighted else [1.0, 1.0]
    weight = torch.tensor(classes).double() if weighted else None
    args = torch.from_numpy(frames), torch.tensor(lengths), torch.tensor(y)
    loss, logits = clip_au_train.training_step(leaves, optimiser, *args, weight)

    def slow(w: dict[str, np.ndarray]) -> tuple[float, np.ndarray]:
        rows = np.array([ref.clip_logits(w, frames[b, :n]) for b, n in enumerate(lengths)])
        return ref.cross_entropy(rows, y, classes), rows

    expected, rows = slow(w)
    assert loss == pytest.approx(expected, abs=1e-8)
    np.testing.assert_allclose(logits.numpy(), rows, atol=1e-8)
    for name in TRAINED:
        at = tuple(int(rng.integers(size)) for size in w[name].shape)
        ends = []
        for sign in (1, -1):
            moved = {**w, name: w[name].copy()}
            moved[name][at] += sign * 1e-5
            ends.append(slow(moved)[0])
        gradient = (ends[0] - ends[1]) / 2e-5
        assert float(leaves[name].grad[at]) == pytest.approx(gradient, abs=1e-6), name
        walk = ref.AdamW(0.3).step(w[name], leaves[name].grad.numpy(), 0.01)
        np.testing.assert_allclose(leaves[name].detach().numpy(), walk, atol=1e-9)


@settings(FEW, max_examples=4)
@given(SEEDS, st.booleans(), st.booleans())
def test_clip_au_training_weighs_classes_and_keeps_an_epoch_by_its_rule(
    seed: int, weighted: bool, own: bool
) -> None:
    rng = np.random.default_rng(seed)
    model, w = clip_model(rng)
    # Windows of exactly one clip: no time is drawn.
    examples = [Example(window(rng, 4, f"p{i}"), int(i in (0, 1))) for i in range(8)]
    held = [Example(window(rng, 4, f"q{i}"), i % 2) for i in range(6)]
    keep_by = "training" if own else "validation"
    how = clip_au_train.TrainSettings(
        0.02, epochs=6, class_weights=weighted, keep_by=keep_by, seed=seed % 1000
    )
    done = clip_au_train.train(model, examples, how, validation=held)
    card = done.card["training"]
    history = card["history"]
    logits = [ref.clip_logits(w, e.x.tracks["clip"].values.astype(float)) for e in examples]
    y = [e.y for e in examples]
    classes = ref.class_weights(y, 2) if weighted else [1.0, 1.0]
    assert history[0]["loss"] == pytest.approx(ref.cross_entropy(logits, y, classes), rel=1e-4)
    said = [int(np.argmax(row)) for row in logits]
    assert history[0]["training"] == pytest.approx(ref.rates(y, said, 2))

    kept = 0
    if own:  # released: the last epoch that improved accuracy or macro-F1 in training
        for epoch in range(1, 6):
            earlier = [row["training"] for row in history[:epoch]]
            accuracy, _, f1 = history[epoch]["training"]
            if accuracy > max(e[0] for e in earlier) or f1 > max(e[2] for e in earlier):
                kept = epoch
    else:  # the best macro-F1 in validation; of equal ones the lower cross-entropy
        for epoch in range(1, 6):
            _, _, f1, loss = history[epoch]["validation"]
            _, _, best_f1, best_loss = history[kept]["validation"]
            if f1 > best_f1 or (f1 == best_f1 and loss < best_loss):
                kept = epoch
    assert card["epoch"] == kept
    now = {k: v.numpy().astype(float) for k, v in done.weights.items()}
    logits = [ref.clip_logits(now, e.x.tracks["clip"].values.astype(float)) for e in held]
    y = [e.y for e in held]
    found = (
        *ref.rates(y, [int(np.argmax(row)) for row in logits], 2),
        ref.cross_entropy(logits, y, [1.0, 1.0]),
    )
    assert history[kept]["validation"] == pytest.approx(found, abs=1e-4)


def test_clip_au_splits_people() -> None:
    rng = np.random.default_rng(0)
    examples = [Example(window(rng, 4, f"p{i % 10}"), i % 2) for i in range(30)]
    train, held = clip_au_train.split_people(examples, 0.2, 3)
    assert len(train) + len(held) == 30
    assert len({e.x.subject for e in held}) == 2
    assert not {e.x.subject for e in train} & {e.x.subject for e in held}
