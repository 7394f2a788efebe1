"""The fusion networks against slow loops (``reference/fusion.py``), on random rows with random
weights.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch

from twomind.models.fusion.heads import CAN, LFAN, Conflict, Seen, Streams
from twomind.models.fusion.input import Recipe
from twomind.models.fusion.net import FusionConfig, FusionNet, published
from twomind.models.fusion.tcn import (
    TCN,
    Attention,
    CausalConv,
    EncoderLayer,
    MaskedBatchNorm,
    lately,
)
from twomind.models.fusion.tcn import receptive_field as library_field

ref = importlib.import_module("reference.fusion")
made = importlib.import_module("reference.random_networks")
SOURCES, shake, tensor, world = made.SOURCES, made.shake, made.tensor, made.world

FEW = settings(deadline=None, derandomize=True, max_examples=6, database=None)
MANY = settings(deadline=None, derandomize=True, max_examples=15, database=None)
SEEDS = st.integers(0, 2**32 - 1)
HEADS = [
    ("conflict", False, True),
    ("plain", False, True),
    ("lfan", False, True),
    ("can", False, True),
    ("mt", False, True),
    ("mt", False, False),
    ("jmt", False, True),
    ("jmt", False, False),
    ("mt", True, True),
    ("jmt", True, True),
]


def agree(
    found: torch.Tensor, expected: np.ndarray, where: np.ndarray | None = None, atol: float = 1e-9
) -> None:
    found = found.detach().numpy()
    assert found.shape == expected.shape
    where = np.ones(found.shape[:1], bool) if where is None else where
    np.testing.assert_allclose(
        found[where], expected[where], atol=atol, rtol=1e-7 if atol < 1e-6 else 1e-4
    )


# --- parts
# -----------------------------------------------------------------------------------------------------------


@MANY
@given(SEEDS)
def test_causal_convolution(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_in, n_out, kernel, dilation = (int(rng.integers(1, 5)) for _ in range(4))
    layer = CausalConv(n_in, n_out, kernel, dilation)
    w = shake(layer, rng)
    x = rng.normal(size=(2, 9, n_in))
    y, _ = layer(tensor(x.transpose(0, 2, 1)), None)
    expected = [
        ref.causal_convolution({f"c.{k}": v for k, v in w.items()}, "c", rows, dilation)
        for rows in x
    ]
    agree(y.transpose(1, 2), np.array(expected))


@FEW
@given(SEEDS)
def test_temporal_network(seed: int) -> None:
    rng = np.random.default_rng(seed)
    channels = [int(c) for c in rng.integers(2, 5, int(rng.integers(1, 4)))]
    layer = TCN(3, channels, int(rng.integers(2, 6)), 0.0).eval()
    w = {f"n.{k}": v for k, v in shake(layer, rng).items()}
    x, frames = rng.normal(size=(2, 10, 3)), np.ones((2, 10), bool)
    y, _ = layer(tensor(x.transpose(0, 2, 1)), tensor(frames))
    agree(y, ref.tcn(w, "n", x, len(channels), frames, training=False))


@pytest.mark.parametrize(("n_blocks", "kernel"), [(1, 2), (2, 3), (2, 5), (3, 3)])
def test_receptive_field_is_what_a_row_sees_and_no_more(n_blocks: int, kernel: int) -> None:
    field = library_field(n_blocks, kernel)
    assert field == ref.receptive_field(n_blocks, kernel)
    rng = np.random.default_rng(0)
    layer = TCN(1, [4] * n_blocks, kernel, 0.0).eval()
    shake(layer, rng)
    x = tensor(rng.normal(size=(1, 1, field + 5)))
    x.requires_grad_()
    layer(x, torch.ones(1, field + 5, dtype=torch.bool))[0][0, field + 1].square().sum().backward()
    moved = np.flatnonzero(x.grad[0, 0].numpy())
    assert moved.min() == 2  # the row and the ``field - 1`` before it
    assert moved.max() == field + 1


def test_receptive_fields_of_the_published_baselines() -> None:
    # 121 rows with four blocks and 249 with five (BAH, supervised baselines): 5 and 10.4 s of video
    # at 24 frames/s.
    assert library_field(4, 5) == 121
    assert library_field(5, 5) == 249
    three = ("face", "voice", "words")
    lfan, others = published("lfan", three), published("can", three)
    assert dict(lfan.channels) == {
        "face": (256, 256, 128, 128),
        "voice": (64, 64, 32, 32),
        "words": (256, 256, 128, 128),
    }
    assert dict(others.channels)["face"] == (256, 256, 128, 128, 128)
    assert dict(others.channels)["voice"] == (128, 128, 64, 64)
    assert (lfan.kernel, lfan.dropout, others.dropout, others.width) == (5, 0.1, 0.2, 128)


@MANY
@given(SEEDS)
def test_batch_norm_counts_real_entries_only(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layer = MaskedBatchNorm(3).train()
    w = {f"n.{k}": v for k, v in shake(layer, rng).items()}
    x = rng.normal(1, 2, size=(2, 6, 3))
    per_column = bool(rng.integers(2))
    rows = rng.random((2, 6)) < 0.7
    counted = (
        rng.random((2, 6, 3)) < rng.choice([0.1, 0.6]) if per_column else ref.every_column(rows, 3)
    )
    y = layer(tensor(x), tensor(counted if per_column else rows))
    usual = [d for d in range(3) if ref.moments(x, counted, d)[2] > 1]
    expected = ref.batch_norm(w, "n", x, counted, training=True)
    np.testing.assert_allclose(
        y.detach().numpy()[..., usual], expected[..., usual], rtol=1e-4, atol=1e-4
    )
    for d in range(3):
        mean, variance, n = ref.moments(x, counted, d)
        pace = 0.1 if n > 1 else 0.0  # a column that nobody in the batch has teaches nothing
        old_mean, old_variance = w["n.running_mean"][d], w["n.running_var"][d]
        assert float(layer.running_mean[d]) == pytest.approx(
            old_mean + pace * (mean - old_mean), abs=1e-5
        )
        assert float(layer.running_var[d]) == pytest.approx(
            old_variance + pace * (variance - old_variance), abs=1e-5
        )
    layer.eval()
    agree(
        layer(tensor(x), tensor(rows)),
        ref.batch_norm(
            {f"n.{k}": v.numpy() for k, v in layer.state_dict().items()}, "n", x, counted, False
        ),
    )


@MANY
@given(SEEDS)
def test_attention_over_time(seed: int) -> None:
    rng = np.random.default_rng(seed)
    window = None if rng.random() < 0.3 else int(rng.integers(1, 6))
    layer, encoder = Attention(3, window), EncoderLayer(3, window, 0.0).eval()
    w = {f"a.{k}": v for k, v in shake(layer, rng).items()} | {
        f"e.{k}": v for k, v in shake(encoder, rng).items()
    }
    q, kv = rng.normal(size=(2, 8, 3)), rng.normal(size=(2, 8, 3))
    agree(
        layer(tensor(q), tensor(kv))[0],
        np.array([ref.over_time(w, "a", a, b, window) for a, b in zip(q, kv, strict=True)]),
    )
    expected = []
    for rows in q:
        attended = ref.over_time(w, "e.attention", rows, rows, window)
        expected.append(
            [ref.after_attention(w, "e", r, a) for r, a in zip(rows, attended, strict=True)]
        )
    agree(encoder(tensor(q))[0], np.array(expected))


@MANY
@given(SEEDS, st.integers(2, 6))
def test_a_modality_is_held_for_some_rows(seed: int, hold: int) -> None:
    measured = np.random.default_rng(seed).random((2, 12)) < 0.3
    found, _ = lately(tensor(measured), hold, None)
    assert (found.numpy() == ref.seen_lately(measured, hold)).all()


# --- heads
# -----------------------------------------------------------------------------------------------------------


def rows_of_modalities(
    rng: np.random.Generator,
) -> tuple[list[int], list[np.ndarray], np.ndarray, np.ndarray]:
    """Widths, rows, presence (sometimes of nothing), and which rows are real."""
    widths = [int(d) for d in rng.integers(2, 5, int(rng.integers(1, 4)))]
    hs = [rng.normal(size=(2, 6, d)) for d in widths]
    return widths, hs, rng.random((2, 6, len(widths))) < 0.7, rng.random((2, 6)) < 0.8


def run(
    head: Any, hs: list[np.ndarray], present: np.ndarray, frames: np.ndarray, anchors: Any = None
) -> torch.Tensor:
    rows = [tensor(h) for h in hs]
    z, _ = head(Seen(rows, tensor(present), tensor(frames), anchors))
    assert z.shape[-1] == head.width
    return z


@MANY
@given(SEEDS)
def test_leader_follower_attention(seed: int) -> None:
    rng = np.random.default_rng(seed)
    widths, hs, present, frames = rows_of_modalities(rng)
    head = LFAN(widths, 4, 0.0).eval()
    w = shake(head, rng)
    agree(run(head, hs, present, frames), ref.lfan(w, hs, present))


@MANY
@given(SEEDS)
def test_channel_attention(seed: int) -> None:
    rng = np.random.default_rng(seed)
    widths, hs, present, frames = rows_of_modalities(rng)
    head = CAN(widths, 3, 0.0).eval()
    w = shake(head, rng)
    agree(run(head, hs, present, frames), ref.can(w, hs, present, frames))


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize(("released", "residual"), [(False, True), (False, False), (True, True)])
@FEW
@given(seed=SEEDS)
def test_attention_between_streams(joint: bool, released: bool, residual: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    widths, hs, present, frames = rows_of_modalities(rng)
    if released and len(widths) < 2:
        return
    window = int(rng.integers(2, 7))
    head = Streams(widths, 4, 0.0, window, joint, released, residual).eval()
    w = shake(head, rng)
    options = {"joint": joint, "released": released, "residual": residual, "window": window}
    agree(run(head, hs, present, frames), ref.streams(w, hs, present, frames, **options))


@pytest.mark.parametrize("terms", [True, False])
@MANY
@given(seed=SEEDS)
def test_conflict_and_plain_fusion(terms: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    widths, hs, present, frames = rows_of_modalities(rng)
    head = Conflict(
        [f"m{i}" for i in range(len(widths))], widths, 4, 0.0, int(rng.integers(1, 4)), terms
    ).eval()
    w = shake(head, rng)
    anchors = [None if rng.random() < 0.5 else tuple(rng.random((2, 2, 6))) for _ in widths]
    given_anchors = [a and tuple(tensor(v)[..., None] for v in a) for a in anchors]
    agree(
        run(head, hs, present, frames, given_anchors),
        ref.conflict(w, hs, present, frames, anchors, terms=terms),
    )


def test_conflict_head_names_its_terms_in_their_order() -> None:
    """The evidence of a prediction reads terms by these places, so a term must lie where its name
    says.
    """
    rng = np.random.default_rng(3)
    head = Conflict(["face", "words"], [3, 3], 4, 0.0, 2, True).eval()
    w = shake(head, rng)
    hs, present = [rng.normal(size=(1, 1, 3)) for _ in range(2)], np.ones((1, 1, 2), bool)
    z = run(head, hs, present, np.ones((1, 1), bool))[0, 0].detach().numpy()
    at = {(kind, name): place for kind, name, place in head.groups}
    face, words = (
        [ref.sigmoid(v) for v in ref.linear(w, f"sides.{m}", hs[m][0, 0])] for m in range(2)
    )
    first = at["own", "face"].start

    def scaled(value: float, place: int) -> float:
        k = place - first
        spread = np.sqrt(w["term_norm.running_var"][k] + 1e-3)
        return (value - w["term_norm.running_mean"][k]) / spread * w["term_norm.weight"][k] + w[
            "term_norm.bias"
        ][k]

    pro, con = [face[0], words[0]], [face[1], words[1]]
    expected = {
        ("own", "face"): pro[0],
        ("own", "words"): pro[1],
        ("conflict within", "face"): pro[0] * con[0],
        ("conflict within", "words"): pro[1] * con[1],
        ("conflict", "face and words"): pro[0] * con[1] + con[0] * pro[1],
        ("agreement", "face and words"): pro[0] * pro[1] + con[0] * con[1],
    }
    for key, value in expected.items():
        assert z[at[key].start] == pytest.approx(scaled(value, at[key].start), abs=1e-9), key
    assert z[at["present", ""]].tolist() == [1, 1]


# --- whole networks
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "released", "residual"), HEADS)
@FEW
@given(seed=SEEDS)
def test_network(model: str, released: bool, residual: bool, seed: int) -> None:
    found = world(model, released, residual, seed)
    out, expected, real = found.net(found.batch), found.answer(), found.batch.frames.numpy()
    assert (out.present.numpy() == expected.present)[real].all()
    agree(out.z, expected.z, real)
    agree(out.frame, expected.frame, real)
    agree(out.log_weight, expected.log_weight, real)
    agree(found.net.pooled(out, found.batch.frames), expected.pooled)
    agree(found.net.video(out, found.batch)[1], expected.video)
    agree(found.net.frame_logits(out.frame, found.batch.question), expected.rows, real)


@pytest.mark.parametrize(("model", "released", "residual"), HEADS)
@settings(FEW, max_examples=4)
@given(seed=SEEDS)
def test_network_in_training(model: str, released: bool, residual: bool, seed: int) -> None:
    """Batch norm then takes the batch's own numbers, of the rows that count; it works in single
    precision.
    """
    found = world(model, released, residual, seed, n_batch=3)
    found.net.train()
    out, expected = found.net(found.batch), found.answer(training=True)
    agree(out.z, expected.z, found.batch.frames.numpy(), atol=2e-3)


@pytest.mark.parametrize("model", ["conflict", "plain", "lfan", "can", "mt", "jmt"])
@FEW
@given(seed=SEEDS)
def test_network_that_sees_a_recording_in_part(model: str, seed: int) -> None:
    found = world(model, False, True, seed)
    keep = np.random.default_rng(seed).random((3, 2, len(found.names))) < 0.6
    real = np.concatenate([found.batch.frames.numpy()] * 3)
    agree(found.net(found.batch, keep=tensor(keep)).z, found.answer(keep=keep).z, real)
    found.net.train()
    out, expected = (
        found.net(found.batch, keep=tensor(keep)),
        found.answer(keep=keep, training=True),
    )
    agree(out.z, expected.z, real, atol=2e-3)


def test_conflict_terms_begin_without_weight() -> None:
    recipe = Recipe(SOURCES, 0.2, ("1",), "")
    net = FusionNet(FusionConfig("conflict"), recipe, 2)
    weight = net.frame.weight.detach().numpy()
    for kind, name, at in net.head.groups:
        silent = kind in ("conflict within", "conflict", "agreement")
        assert (weight[:, at] == 0).all() == silent, (kind, name)


def test_released_variants_depend_on_the_others_in_the_batch_and_corrected_ones_do_not() -> None:
    for released in (True, False):
        found = world("mt", released, True, 11, n_mod=2)
        changed = {m: v.clone() for m, v in found.batch.values.items()}
        for m in found.names:
            changed[m][1] += 1.0
        other = found.net(found.batch._replace(values=changed))
        same = torch.allclose(found.net(found.batch).z[0], other.z[0], atol=1e-12)
        assert same != released
