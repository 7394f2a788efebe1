"""The objective of fusion against slow references."""

from __future__ import annotations

import importlib
import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

pytest.importorskip("torch")
import torch
from tests.training.test_reference_training import FEW, MANY, SEEDS, ref

from twomind.models.fusion.net import FusionConfig
from twomind.models.fusion.run import rows_of
from twomind.training import fusion as fusion_fit
from twomind.training.fusion import FitSettings, Objective
from twomind.training.fusion_data import Item
from twomind.types import Task

world = importlib.import_module("reference.random_networks").world


# --- the objective of fusion
# -----------------------------------------------------------------------------------------


def labelled(found: Any, rng: np.random.Generator) -> list[Item]:
    """The recordings of a world with random labels, some of them none; every class is there."""
    n_classes = found.net.n_classes
    items = []
    for b, grid in enumerate(found.grids()):
        frame_y = rng.integers(-1, n_classes, len(grid))
        y = b if b < n_classes else int(rng.integers(-1, n_classes))
        frame_y[:n_classes] = np.arange(n_classes)[: len(frame_y)]
        items.append(Item(f"r{b}", f"p{b}", None, grid, y, frame_y))
    return items


def labels_of(items: list[Item], n_rows: int) -> tuple[np.ndarray, list[int]]:
    frame_y = np.full((len(items), n_rows), -1)
    for b, item in enumerate(items):
        frame_y[b, : len(item.frame_y)] = item.frame_y
    return frame_y, [i.y for i in items]


def class_weights_of(
    items: list[Item], n_classes: int, used: bool
) -> tuple[list[float], list[float]]:
    if not used:
        return [1.0] * n_classes, [1.0] * n_classes
    rows = [int(y) for i in items for y in i.frame_y if y >= 0]
    return ref.class_weights(rows, n_classes), ref.class_weights(
        [i.y for i in items if i.y >= 0], n_classes
    )


def task_of(found: Any) -> Task:
    return Task("t", tuple(f"c{i}" for i in range(found.net.n_classes)))


MODELS = st.sampled_from(["conflict", "lfan", "can"])
SHARES = st.sampled_from([0.0, 0.3, 0.5])


@MANY
@given(
    SEEDS,
    MODELS,
    st.integers(1, 2),
    st.sampled_from([0.0, 0.3, 0.5]),
    st.sampled_from(fusion_fit.IMBALANCE),
    st.booleans(),
)
def test_loss_of_recordings_as_they_are_and_in_part(
    seed: int, model: str, n_mod: int, partial: float, imbalance: str, withheld: bool
) -> None:
    found = world(model, False, True, seed, n_mod=n_mod, n_batch=4)
    rng = np.random.default_rng(seed)
    items, net = labelled(found, rng), found.net
    net.config = replace(net.config, partial=partial, question_dropout=float(withheld))
    question = torch.full_like(found.batch.question, 2) if withheld else found.batch.question
    found = replace(found, batch=found.batch._replace(question=question))
    how = FitSettings(imbalance, gamma=1.5, frame_weight=0.7, video_weight=0.4)
    objective = Objective(items, [], net.recipe, task_of(found), how)
    loss = float(objective.loss(net, range(4)).detach())

    has = np.stack([found.batch.mask[m].numpy().any(axis=(1, 2)) for m in found.names], axis=1)
    frame_y, y = labels_of(items, found.batch.frames.shape[1])
    weights = class_weights_of(items, net.n_classes, imbalance == "weights")
    gamma = 1.5 if imbalance == "focal" else 0.0

    def of(view: np.ndarray) -> float:
        answer = found.answer(keep=view[None])
        there = view.any(axis=1)  # a recording that lacks all of the view teaches nothing in it
        seen = (
            np.where(there[:, None], frame_y, -1),
            [v if t else -1 for v, t in zip(y, there, strict=True)],
        )
        return ref.fusion_loss(answer.rows, answer.video, *seen, weights, gamma, (0.7, 0.4))

    if n_mod == 1 or not partial:
        answer = found.answer()
        expected = ref.fusion_loss(
            answer.rows, answer.video, frame_y, y, weights, gamma, (0.7, 0.4)
        )
    else:
        alone = [of(has & (np.arange(n_mod) == m)[None]) for m in range(n_mod)]
        expected = (1 - partial) * of(has) + partial * sum(alone) / n_mod
    assert loss == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_of_three_modalities_two_are_also_drawn_at_random() -> None:
    found = world("conflict", False, True, 21, n_mod=3, n_batch=1)
    full = {m: torch.ones_like(v) for m, v in found.batch.mask.items()}
    found = replace(found, batch=found.batch._replace(mask=full))
    items = labelled(found, np.random.default_rng(0))
    found.net.config = replace(found.net.config, question_dropout=0.0)
    objective = Objective(
        items, [], found.net.recipe, task_of(found), FitSettings(imbalance="none")
    )
    frame_y, y = labels_of(items, found.batch.frames.shape[1])
    ones = [1.0] * found.net.n_classes

    def of(*modalities: int) -> float:
        answer = found.answer(keep=np.isin(np.arange(3), modalities)[None, None])
        return ref.fusion_loss(answer.rows, answer.video, frame_y, y, (ones, ones))

    whole, alone = of(0, 1, 2), of(0) + of(1) + of(2)
    possible = [0.5 * whole + 0.5 * (alone + of(*pair)) / 4 for pair in [(0, 1), (0, 2), (1, 2)]]
    met = set()
    for seed in range(12):
        torch.manual_seed(seed)
        loss = float(objective.loss(found.net, [0]).detach())
        met.add(int(np.argmin(np.abs(np.array(possible) - loss))))
        assert min(abs(p - loss) for p in possible) < 1e-5
    assert met == {0, 1, 2}


def test_shares_and_rates_that_the_documentation_names() -> None:
    assert (FitSettings().frame_weight, FitSettings().video_weight, FitSettings().select) == (
        1.0,
        0.3,
        "ap",
    )
    config = FusionConfig()
    assert (config.partial, config.question_dropout, config.modality_dropout) == (0.5, 0.3, 0.2)
    assert {FusionConfig(m).lr for m in ("lfan", "mt", "jmt")} == {3e-3}
    assert {FusionConfig(m).lr for m in ("conflict", "plain", "can")} == {1e-2}


@FEW
@given(SEEDS, MODELS, st.sampled_from(fusion_fit.SELECT))
def test_figures_of_validation_people(seed: int, model: str, select: str) -> None:
    found = world(model, False, True, seed, n_batch=5)
    rng = np.random.default_rng(seed)
    items = labelled(found, rng)
    objective = Objective(
        items[:3], items, found.net.recipe, task_of(found), FitSettings(select=select)
    )
    with torch.no_grad():
        got = objective.validate(found.net)
    answer, n = found.answer(), found.net.n_classes
    frame_y, y = labels_of(items, found.batch.frames.shape[1])
    weights = class_weights_of(items[:3], n, True)  # of the training people
    assert got["loss_val"] == pytest.approx(
        ref.fusion_loss(answer.rows, answer.video, frame_y, y, weights), rel=1e-4
    )
    expected = {}
    places = [(b, t) for b in range(5) for t in range(frame_y.shape[1]) if frame_y[b, t] >= 0]
    videos = [b for b in range(5) if y[b] >= 0]
    for name, logits, labels in (
        ("frame", [answer.rows[at] for at in places], [int(frame_y[at]) for at in places]),
        ("video", [answer.video[b] for b in videos], [y[b] for b in videos]),
    ):
        p = [ref.softmax(row) for row in logits]
        # Scores that single precision cannot tell apart have no order.
        scores = sorted(1 - row[0] for row in p)
        assume(all(b - a > 1e-6 for a, b in pairwise(scores)))
        expected[f"macro_f1_{name}"] = ref.macro_f1(labels, [int(np.argmax(row)) for row in p], n)
        expected[f"ap_{name}"] = ref.average_precision(
            [int(v > 0) for v in labels], [1 - row[0] for row in p]
        )
    for name, value in expected.items():
        assert got[name] == pytest.approx(value, abs=1e-6), name
    chosen = [v for k, v in expected.items() if k.startswith(select)]
    assert got["score"] == pytest.approx(
        -got["loss_val"] if select == "loss" else sum(chosen) / len(chosen), abs=1e-6
    )


@FEW
@given(SEEDS)
def test_calibration_of_a_fusion_model(seed: int) -> None:
    """Class weights are taken out, and the slope is the one that validation people bear
    out best.
    """
    found = world("conflict", False, True, seed, n_mod=2, n_batch=8)
    rng = np.random.default_rng(seed)
    net, n = found.net, found.net.n_classes
    items = [replace(item, y=b % n) for b, item in enumerate(labelled(found, rng))]
    with torch.no_grad():  # as it is at the end of a training
        net.frame_slope.fill_(1.0)
        net.frame_offset.zero_()
    found.weights.update(frame_slope=np.array(1.0), frame_offset=np.zeros(n))
    before = found.answer()
    train, val = items[:4], items[3:]
    weights = class_weights_of(train, n, True)
    done = fusion_fit.calibrate(
        net, train, val, Objective(train, val, net.recipe, task_of(found), FitSettings()).weights
    )

    # Whole recordings.
    known = list(range(3, 8))
    y = [items[b].y for b in known]
    prior = ref.log_prior([i.y for i in train], n)
    raw = before.video[known]

    def loss(slope: float) -> float:
        return ref.cross_entropy(ref.tempered(raw, slope, prior, weights[1]), y, [1.0] * n)

    slope = done["video"]["slope"]
    assert 0.1 <= slope <= 5
    assert loss(slope) <= loss(ref.lowest(loss, 0.1, 5.0)) + 1e-3
    after = [rows_of(net, items[b].grid)[1].logits() for b in known]
    np.testing.assert_allclose(
        after, ref.tempered(raw, slope, prior, weights[1]), rtol=1e-4, atol=1e-4
    )

    # Rows: half by whole recordings, half by each modality alone, with a level per class that is
    # kept small.
    frame_prior = ref.log_prior([int(v) for i in train for v in i.frame_y if v >= 0], n)
    whole, whole_y, alone, alone_y = [], [], [], []
    for b in range(3, 8):
        for t, label in enumerate(items[b].frame_y):
            if label >= 0:
                whole.append(before.rows[b, t])
                whole_y.append(int(label))
    for m in range(2):
        mask = {
            k: v if k == found.names[m] else torch.zeros_like(v)
            for k, v in found.batch.mask.items()
        }
        one = replace(found, batch=found.batch._replace(mask=mask)).answer()
        for b in range(3, 8):
            for t, label in enumerate(items[b].frame_y):
                if label >= 0 and one.present[b, t].any():
                    alone.append(one.rows[b, t])
                    alone_y.append(int(label))

    def frame_loss(slope: float, level: np.ndarray) -> float:
        parts = []
        for logits, labels in ((whole, whole_y), (alone, alone_y)):
            if labels:
                moved = ref.tempered(np.array(logits), slope, frame_prior, weights[0]) + level
                parts.append(ref.cross_entropy(moved, labels, [1.0] * n))
        size = math.log(slope) ** 2 + sum(v * v for v in level)
        return sum(parts) / len(parts) + 1e-3 * size

    slope, level = done["frame"]["slope"], np.array(done["frame"]["level"])
    lowest = frame_loss(slope, level)
    assert level[0] == 0
    for step in (-0.05, 0.05):
        if 0.1 <= slope * (1 + step) <= 5:
            assert frame_loss(slope * (1 + step), level) >= lowest - 1e-4
        for c in range(1, n):
            moved = level + step * (np.arange(n) == c)
            if abs(moved[c]) <= 3:
                assert frame_loss(slope, moved) >= lowest - 1e-4
    expected = ref.tempered(np.array(whole), slope, frame_prior, weights[0]) + level
    got = [
        rows_of(net, items[b].grid)[0].logits[t]
        for b in range(3, 8)
        for t in np.flatnonzero(items[b].frame_y >= 0)
    ]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)

    odds = [1 - ref.softmax(row)[0] for row in expected]
    marked = [int(v > 0) for v in whole_y]

    def f1_from(threshold: float) -> float:
        return ref.macro_f1(marked, [int(o > threshold + 1e-7) for o in odds], 2)

    tried = [f1_from(c) for c in np.quantile(odds, np.linspace(0.02, 0.98, 49))]
    assert (
        f1_from(done["frame"]["threshold"]) >= max(tried) - 0.12
    )  # a threshold at a row may fall on either side of it
