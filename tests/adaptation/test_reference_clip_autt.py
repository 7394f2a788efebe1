"""CLIP-AUTT against plain loops written from its equations, with gradients by finite differences.

A random CLIP-AU of three phrases on a random text tower of two layers. Procedures are compared one
window at a time, each from the library's own state before it: a step of AdamW is nearly the sign of
the gradient, so rounding would grow.
"""

from __future__ import annotations

import importlib
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
import torch

from twomind.adaptation import clip_autt_parts as autt
from twomind.adaptation.methods.clip_autt import ClipAutt, windows_of
from twomind.encoders.clip_towers import encode_ids, new_text_weights, text_tower
from twomind.models.clip_au import parts
from twomind.models.clip_au.clips import ClipSettings
from twomind.models.clip_au.phrases import PHRASES
from twomind.models.clip_au.recogniser import PHRASE_FEATURES, ClipAu, PhraseText
from twomind.types import Features, Given, Task, Track

slow = importlib.import_module("reference.clip_autt")
plain = importlib.import_module("reference.plain")

N, DIM, WIDTH, CONTEXT, LENGTH = 3, 5, 4, 2, 8
HIDDEN = 8  # units of the head that are not zero, out of its 256
SIZES = {"n_context": CONTEXT, "k": 6}
random = settings(
    deadline=None,
    derandomize=True,
    max_examples=6,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # a smaller seed says nothing more, and looking for one is slow
)
seeds = st.integers(0, 10_000)


@dataclass(frozen=True)
class World:
    """The same random CLIP-AU for the library and for the reference."""

    fast: ClipAu
    slow: Any


def doubled(weights: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {name: value.numpy().astype(np.float64) for name, value in weights.items()}


def world(seed: int) -> World:
    rng = torch.Generator().manual_seed(seed)
    own = new_text_weights(20, WIDTH, 2, DIM, context=LENGTH, seed=seed)
    own = {
        name: value + 0.2 * torch.randn(value.shape, generator=rng) for name, value in own.items()
    }
    tower = text_tower(own, n_heads=2)
    read_at = torch.tensor([3, 5, 6])
    tokens = []
    for _ in range(2):  # as CLIP-AU reads the phrases, and as the released learner does
        ids = torch.randint(1, 17, (N, LENGTH), generator=rng)
        ids[:, 0] = 18
        for k in range(N):
            ids[k, read_at[k]] = 19
            ids[k, read_at[k] + 1 :] = 0
        tokens += [ids, read_at]
        read_at = read_at - torch.tensor([0, 1, 1])
    weights = parts.new_weights(N, DIM, 2, seed, width=6)
    weights["temporal.weight"] = 3 * weights["temporal.weight"]
    weights["temporal_classifier.2.weight"] = 12 * weights["temporal_classifier.2.weight"]
    weights["temporal_classifier.0.weight"][HIDDEN:] = 0
    weights["temporal_classifier.0.bias"][HIDDEN:] = 0
    weights[PHRASE_FEATURES] = encode_ids(tower, tokens[0], tokens[1])
    task = Task("drawn", ("no", "yes"), "window")
    clips = ClipSettings(n_frames=9, n_clips=2)
    fast = ClipAu(
        task,
        weights,
        PHRASES[:N],
        "embedding",
        "toy",
        clips=clips,
        drawn=True,
        text=PhraseText(tower, *tokens),
    )
    own_w = doubled(weights)
    for name in ("temporal_classifier.0.weight", "temporal_classifier.0.bias"):
        own_w[name] = own_w[name][:HIDDEN]
    own_w["temporal_classifier.2.weight"] = own_w["temporal_classifier.2.weight"][:, :HIDDEN]
    ids = [t.numpy() for t in tokens]
    return World(fast, slow.Model(own_w, doubled(own), 2, (ids[0], ids[1]), (ids[2], ids[3])))


def video(seed: int, frames: int, k: int = 0) -> Features:
    values = np.random.default_rng([seed, k]).normal(size=(frames, DIM)).astype(np.float32)
    own = {"embedding": Track(values, k * 10 + 0.08 * np.arange(frames), np.ones(frames, bool))}
    return Features(f"anna-{k}", "anna", own, (k * 10.0, k * 10 + 9.0), drawn=True)


def clips_of(model: ClipAu, x: Features) -> list[list[list[float]]]:
    """The frames of a window's clips, as the library samples them (not what is tested here)."""
    frames, lengths, _ = model.frames([x])
    return [plain.listed(clip[:n]) for clip, n in zip(frames, lengths.tolist(), strict=True)]


def wide(context: torch.Tensor) -> np.ndarray:
    return context.numpy().astype(np.float64)


def near(got: Any, want: Any, atol: float = 2e-5) -> None:
    np.testing.assert_allclose(
        np.asarray(got, np.float64), np.asarray(want, np.float64), rtol=1e-4, atol=atol
    )


def settings_of(method: ClipAutt) -> dict[str, Any]:
    return asdict(method)


def test_the_constants_are_the_published_and_documented_ones() -> None:
    assert asdict(ClipAutt()) == slow.DEFAULTS
    assert asdict(autt.RELEASED) == {
        "learning_rate": 1e-3,
        "weight_decay": 1e-4,
        "select_scale": 1.0,
        "select_epsilon": 1e-8,
    }
    assert asdict(autt.Rule()) == {
        "learning_rate": 1e-3,
        "weight_decay": 1e-4,
        "select_scale": 5.0,
        "select_epsilon": 0.0,
    }


# --- the pieces of an update
# -----------------------------------------------------------------------------------------


@random
@given(seed=seeds, frames=st.integers(1, 9), k=st.integers(1, 9))
def test_windows(seed: int, frames: int, k: int) -> None:
    w = world(seed)
    clip = np.random.default_rng(seed).normal(size=(1, frames, DIM)).astype(np.float32)
    (got,) = windows_of(w.fast.weights, torch.from_numpy(clip), torch.tensor([frames]), k)
    near(got, slow.window_rows(w.slow, plain.listed(clip[0]), k))


@pytest.mark.parametrize("words", [True, False])
@random
@given(seed=seeds, n_context=st.integers(1, 4))
def test_rows_of_tuned_phrases(words: bool, seed: int, n_context: int) -> None:
    w = world(seed)
    build = autt.worded_prompts if words else autt.released_prompts
    context = 0.3 * torch.randn(N, n_context, WIDTH, generator=torch.Generator().manual_seed(seed))
    got = build(w.fast.phrase_text(), n_context).rows(w.fast.weights, context)
    near(got, [slow.tuned_row(w.slow, k, wide(context)[k], words) for k in range(N)])
    near(w.fast.phrase_rows(), slow.plain_rows(w.slow))


@random
@given(seed=seeds, n=st.integers(1, 5))
def test_adamw_number_by_number(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    value, moments = torch.from_numpy(rng.normal(size=4)), None
    rate, decay = rng.uniform(0.01, 0.2, size=2)
    expected = [(float(v), 0.0, 0.0) for v in value]
    for step in range(1, n + 1):
        gradient = torch.from_numpy(rng.normal(size=4) * rng.choice([1e-8, 1.0]))
        value, moments = autt.adamw(value, gradient, moments, rate, decay)
        expected = [
            slow.adamw(v, float(g), a, b, step, rate, decay)
            for (v, a, b), g in zip(expected, gradient, strict=True)
        ]  # fmt: skip
    np.testing.assert_allclose(value, [v for v, _, _ in expected], rtol=1e-6)


@pytest.mark.parametrize("mode", ["corrected", "subject"])
@random
@given(seed=seeds, n_clips=st.integers(1, 3), remembered=st.integers(0, 2), n=st.integers(0, 2))
def test_one_update(mode: str, seed: int, n_clips: int, remembered: int, n: int) -> None:
    """Which windows, the answers, the loss, its gradient, and the context after the step."""
    w, words = world(seed), mode == "corrected"
    rng = np.random.default_rng(seed)
    method = ClipAutt(
        mode=mode,
        learning_rate=0.05,
        weight_decay=0.3,
        balance=float(rng.uniform(0.2, 1.5)),
        **SIZES,
    )
    clips = [rng.normal(size=(9, DIM)).astype(np.float32) for _ in range(n_clips)]
    memory = rng.normal(size=(remembered, DIM)) if words else np.zeros((0, DIM))
    memory = parts.unit(torch.from_numpy(memory.astype(np.float32)))
    context = torch.from_numpy((0.2 * rng.normal(size=(N, CONTEXT, WIDTH))).astype(np.float32))
    moments = {
        "first": torch.from_numpy(0.01 * rng.normal(size=context.shape).astype(np.float32)),
        "second": torch.from_numpy(0.01 * rng.random(size=context.shape).astype(np.float32)),
        "n": torch.tensor(float(n)),
    }
    prompts = (autt.worded_prompts if words else autt.released_prompts)(
        w.fast.phrase_text(), CONTEXT
    )
    frames = torch.from_numpy(np.stack(clips))
    got = autt.update(
        w.fast.weights,
        prompts,
        context,
        windows_of(w.fast.weights, frames, torch.full((n_clips,), 9), SIZES["k"]),
        method._rule(),
        moments if n else None,
        memory=memory,
        balance=method.balance if words else 0.0,
    )
    windows = [slow.window_rows(w.slow, plain.listed(clip), SIZES["k"]) for clip in clips]
    old = (
        {"first": wide(moments["first"]), "second": wide(moments["second"]), "n": n} if n else None
    )
    want = slow.update(
        w.slow, wide(context), windows, settings_of(method), old, plain.listed(memory)
    )
    assert got.start.tolist() == want.start
    for each, spread in zip(got.window_entropy, want.window_entropies, strict=True):
        near(each, spread, atol=2e-6)
    near(got.logits, want.logits)
    near(got.loss, want.loss, atol=5e-6)
    largest = np.abs(want.gradient).max()
    near(got.gradient, want.gradient, atol=1e-4 * largest + 1e-6)
    # Where the gradient is rounding alone, its sign decides the first step.
    clear = (np.abs(want.gradient) > 1e-2 * largest) | (want.gradient == 0) | (n > 0)
    clear &= largest > 1e-5
    near(got.context[torch.from_numpy(clear)], want.context[clear], atol=5e-5)


def test_the_first_of_equal_windows_is_chosen() -> None:
    w = world(1)
    rows = torch.nn.functional.normalize(
        torch.randn(3, DIM, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    phrases = w.fast.phrase_rows()
    _, (each,) = autt.choose(w.fast.weights, [rows], phrases, autt.Rule())
    best = int(each.argmin())
    doubled_up = torch.stack([rows[(best + 1) % 3], rows[best], rows[best], rows[(best + 2) % 3]])
    start, _ = autt.choose(w.fast.weights, [doubled_up], phrases, autt.Rule())
    assert start.tolist() == [1]


# --- the procedures, a window at a time
# ------------------------------------------------------------------------------


def as_slow(state: dict[str, Any]) -> dict[str, Any]:
    """The library's state of a person, as the reference holds it."""
    moments = state["moments"] or None
    if moments:
        moments = {k: wide(moments[k]) for k in ("first", "second")} | {"n": int(moments["n"])}
    counts = {k: int(state[k]) for k in ("n_updates", "n_dropped", "in_a_row")}
    kept = {
        "context": wide(state["context"]),
        "memory": plain.listed(state["memory"]),
        "moments": moments,
    }
    return kept | counts | {"ended": bool(state["why"])}


def follow(method: ClipAutt, seed: int, n_windows: int, frames: int = 14) -> dict[str, Any]:
    """Walk the corrected mode beside the reference; returns the last state."""
    w = world(seed)
    state = method.begin(w.fast, Given())
    for k in range(n_windows):
        x = video(seed, frames, k)
        logits, want = slow.corrected(
            w.slow, settings_of(method), as_slow(state), clips_of(w.fast, x)
        )
        prediction, state = method.step(w.fast, state, x)
        got = as_slow(state)
        assert {c: got[c] for c in ("n_updates", "n_dropped", "in_a_row", "ended")} == {
            c: want[c] for c in ("n_updates", "n_dropped", "in_a_row", "ended")
        }
        near(prediction.logits, logits, atol=3e-4)
        near(got["memory"], want["memory"])
        assert np.mean(np.abs(got["context"] - want["context"]) < 2e-5) > 0.9
        assert bool(got["moments"]) == bool(want["moments"])
    return state


@settings(random, max_examples=3)
@given(seed=seeds)
def test_corrected(seed: int) -> None:
    state = follow(ClipAutt(learning_rate=0.01, steps=2, memory=3, **SIZES), seed, 3)
    assert int(state["n_updates"]) > 0
    assert len(state["memory"]) == 3


@pytest.mark.parametrize(
    "limits", [{"entropy_floor": 0.97, "max_drift": 1.0}, {"entropy_floor": 0.0, "max_drift": 0.04}]
)
def test_the_guard_drops_updates_and_ends_the_tuning(limits: dict[str, float]) -> None:
    """A large step size, no balance: some updates pass and some do not."""
    ended, updates = [], 0
    for seed in (1, 2, 3):
        state = follow(
            ClipAutt(learning_rate=0.1, balance=0.0, patience=2, **limits, **SIZES), seed, 4
        )
        ended.append(bool(state["why"]))
        updates += int(state["n_updates"])
    assert any(ended)
    assert updates


def test_updates_end_with_their_budget() -> None:
    state = follow(ClipAutt(learning_rate=0.01, max_updates=2, steps=3, **SIZES), 2, 3)
    assert int(state["n_updates"]) == 2


def test_one_clip_alone_is_not_tuned_on() -> None:
    state = follow(ClipAutt(learning_rate=0.01, **SIZES), 1, 1, frames=7)
    assert int(state["n_updates"]) == 0
    state = follow(ClipAutt(learning_rate=0.01, balance=0.0, **SIZES), 1, 1, frames=7)
    assert int(state["n_updates"]) == 1


def test_so_many_clips_are_remembered() -> None:
    w, method = world(0), ClipAutt(steps=0, **SIZES)
    state = method.begin(w.fast, Given())
    clips = []
    for k in range(20):
        x = video(0, 14, k)
        clips += [slow.clip_row(w.slow, clip) for clip in clips_of(w.fast, x)]
        _, state = method.step(w.fast, state, x)
    assert len(clips) > 32
    near(state["memory"], clips[-32:])


@settings(random, max_examples=3)
@given(seed=seeds)
def test_subject(seed: int) -> None:
    """Answered before the update; the context goes on, the optimiser does not."""
    w, method = world(seed), ClipAutt(mode="subject", learning_rate=0.01, **SIZES)
    state = method.begin(w.fast, Given(seed=seed))
    for k in range(3):
        x = video(seed, 14, k)
        logits, context = slow.subject(
            w.slow, settings_of(method), wide(state["context"]), clips_of(w.fast, x)
        )
        prediction, state = method.step(w.fast, state, x)
        near(prediction.logits, logits)
        assert np.mean(np.abs(wide(state["context"]) - context) < 2e-5) > 0.9


@settings(random, max_examples=3)
@given(seed=seeds)
def test_episodic(seed: int) -> None:
    """Each window from the start, with one optimiser for its steps, answered after them."""
    w, method = world(seed), ClipAutt(mode="episodic", learning_rate=0.02, steps=2, **SIZES)
    state = method.begin(w.fast, Given(seed=seed))
    start = state["context"].clone()
    for k in range(2):
        x = video(seed, 14, k)
        prediction, state = method.step(w.fast, state, x)
        near(
            prediction.logits,
            slow.episodic(w.slow, settings_of(method), wide(start), clips_of(w.fast, x)),
            atol=1e-3,
        )
        assert torch.equal(state["context"], start)


@pytest.mark.parametrize("seed", [1, 2])
def test_released(seed: int) -> None:
    """Two passes over five videos in batches of two, the fifth left out, then one more video
    answered.
    """
    w, method = (
        world(seed),
        ClipAutt(mode="released", learning_rate=0.01, epochs=2, batch=2, **SIZES),
    )
    videos = [video(seed, 5 + 3 * k, k) for k in range(5)]
    state = method.begin(w.fast, Given(seed=seed, target=tuple(videos)))
    start = autt.random_context(autt.released_prompts(w.fast.phrase_text(), CONTEXT), seed)
    rng = np.random.default_rng(seed)
    frames = [plain.listed(x.tracks["embedding"].values) for x in videos]
    context = slow.released(
        w.slow, settings_of(method), wide(start), frames, 9, lambda n: int(rng.integers(n))
    )
    assert np.mean(np.abs(wide(state["context"]) - context) < 1e-4) > 0.85
    x = video(seed, 14, 9)
    prediction, _ = method.step(w.fast, state, x)
    windows = [slow.window_rows(w.slow, clip, SIZES["k"]) for clip in clips_of(w.fast, x)]
    near(prediction.logits, plain.mean(slow.answer(w.slow, wide(state["context"]), windows)))


def test_few_videos_are_one_batch() -> None:
    w, method = world(3), ClipAutt(mode="released", learning_rate=0.01, epochs=1, **SIZES)
    videos = [video(3, 12, k) for k in range(2)]
    state = method.begin(w.fast, Given(seed=3, target=tuple(videos)))
    start = autt.random_context(autt.released_prompts(w.fast.phrase_text(), CONTEXT), 3)
    rng = np.random.default_rng(3)
    frames = [plain.listed(x.tracks["embedding"].values) for x in videos]
    context = slow.released(
        w.slow, settings_of(method), wide(start), frames, 9, lambda n: int(rng.integers(n))
    )
    assert np.mean(np.abs(wide(state["context"]) - context) < 2e-5) > 0.9


def test_the_released_start_is_one_draw_for_all_phrases() -> None:
    """Deviation 0.02 (section 3.1)."""
    prompts = autt.released_prompts(replace(world(0).fast.phrase_text()), 4)
    context = autt.random_context(replace(prompts, base=prompts.base.repeat(1, 1, 40)), 7)
    assert all(torch.equal(context[k], context[0]) for k in range(N))
    assert float(context[0].std()) == pytest.approx(0.02, rel=0.1)
