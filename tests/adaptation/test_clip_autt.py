"""CLIP-AUTT: prompts that hold the words, a state per person, a guard, and the efficient path
against the naive one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from twomind.adaptation import check, stream
from twomind.adaptation import clip_autt_parts as autt
from twomind.adaptation.methods.clip_autt import MODES, ClipAutt, answer, toy_model, windows_of
from twomind.core.errors import BadInput
from twomind.models.clip_au import parts
from twomind.models.clip_au.clips import ClipSettings
from twomind.models.clip_au.recogniser import PHRASE_FEATURES
from twomind.types import Access, Features, Given, Track


def windows(n: int = 6, frames: int = 24, subject: str = "anna", seed: int = 0) -> list[Features]:
    rng = np.random.default_rng(seed)
    found = []
    for k in range(n):
        values = rng.normal(size=(frames, 16)).astype(np.float32)
        own = {"embedding": Track(values, k * 10 + 0.08 * np.arange(frames), np.ones(frames, bool))}
        found.append(Features(f"{subject}-{k}", subject, own, (k * 10.0, k * 10 + 9.0), drawn=True))
    return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("checker", check.CHECKS, ids=lambda f: f.__name__)
def test_every_mode_passes_the_contract(mode: str, checker) -> None:  # type: ignore[no-untyped-def]
    checker(ClipAutt(mode=mode, epochs=2, batch=4), ClipAutt.toy())


def test_zero_steps_are_clip_au_exactly() -> None:
    model = toy_model()
    for step in stream(model, ClipAutt(steps=0), windows()):
        plain = model.predict(step.x)
        assert np.array_equal(step.prediction.probs, plain.probs)
    assert int(step.state["n_updates"]) == 0


def test_the_prompts_hold_the_words() -> None:
    """At zero, the tuned prompts give the phrases' own features; the released prompts have nothing
    of them left.
    """
    model = toy_model()
    text = model.phrase_text()
    worded = autt.worded_prompts(text)
    torch.testing.assert_close(
        worded.features(torch.zeros(5, 4, 16)), model.weights[PHRASE_FEATURES], rtol=0, atol=1e-6
    )
    other = replace(
        text, ids=text.ids.where(text.ids != int(text.ids[0, 1]), 7), released_ids=text.ids
    )
    assert not torch.allclose(autt.worded_prompts(other).base, worded.base)
    a, b = autt.released_prompts(text), autt.released_prompts(replace(text, released_ids=other.ids))
    torch.testing.assert_close(a.base, b.base, rtol=0, atol=0)
    # A context never reaches over the end of a phrase.
    assert torch.equal(worded.room.sum(dim=1), (text.read_at - 1).clamp(max=4).float())


def test_updates_lower_the_loss_and_change_the_answer() -> None:
    model = toy_model()
    xs = windows()
    adapter = ClipAutt(steps=5, learning_rate=3e-3, balance=0.0, entropy_floor=0.0, max_drift=1.0)
    steps = list(stream(model, adapter, xs))
    assert int(steps[-1].state["n_updates"]) == 30
    before = np.mean(
        [float(parts.entropy(torch.from_numpy(model.predict(x).logits))) for x in xs[-3:]]
    )
    after = np.mean(
        [
            float(parts.entropy(torch.from_numpy(np.asarray(s.prediction.logits))))
            for s in steps[-3:]
        ]
    )
    assert after < before - 0.005


def test_the_balance_keeps_answers_apart() -> None:
    """Mean entropy alone drives every clip to one class; with the balance the mean answer stays
    nearer to even.
    """
    model = toy_model(seed=3)
    free = {"steps": 8, "learning_rate": 1e-2, "entropy_floor": 0.0, "max_drift": 1.0}
    lean = []
    for balance in (0.0, 1.0):
        *_, last = stream(model, ClipAutt(balance=balance, **free), windows(10))
        rows = last.state["memory"]
        phrases = autt.worded_prompts(model.phrase_text()).rows(
            model.weights, last.state["context"]
        )
        p = parts.classify(model.weights, parts.similarities(rows, phrases)).softmax(-1).mean(0)
        lean.append(abs(float(p[0]) - 0.5))
    assert lean[1] < lean[0] - 0.02


def test_the_guard_stops_a_collapse() -> None:
    """With a wild step size the unguarded answers run away; the guarded ones stay within the drift
    that is allowed.
    """
    model = toy_model()
    xs = windows(12)
    wild = {"steps": 3, "patience": 2, "learning_rate": 0.3, "balance": 0.0}
    guarded = list(stream(model, ClipAutt(**wild, max_drift=0.05), xs))
    free = list(stream(model, ClipAutt(**wild, entropy_floor=0.0, max_drift=1.0), xs))
    source = np.stack([model.predict(x).probs for x in xs])
    moved = [
        np.abs((np.stack([s.prediction.probs for s in run]) - source).mean(axis=0)).max()
        for run in (guarded, free)
    ]
    assert moved[0] < 0.07 < 0.12 < moved[1]
    last = guarded[-1].state
    assert last["why"]
    assert int(last["n_dropped"]) >= 2
    assert int(last["n_updates"]) < int(free[-1].state["n_updates"])


def test_one_clip_alone_teaches_nothing() -> None:
    """The balanced loss of one clip is zero; AdamW would make whole steps of its gradient's
    rounding error.
    """
    (only,) = stream(toy_model(), ClipAutt(), windows(1, frames=12))
    assert int(only.state["n_updates"]) == 0
    assert not only.state["context"].any()
    *_, second = stream(toy_model(), ClipAutt(), windows(2, frames=12))
    assert int(second.state["n_updates"]) == 1


def test_a_budget_ends_the_tuning() -> None:
    *_, last = stream(toy_model(), ClipAutt(max_updates=2), windows())
    assert int(last.state["n_updates"]) == 2
    assert "2 updates" in last.state["why"]


def test_the_efficient_path_equals_the_naive_one() -> None:
    """As released: each window convolved by itself, and all tokens. Here: three products, and short
    prompts.
    """
    model = toy_model()
    w, text, k = model.weights, model.phrase_text(), 16
    frames, lengths, _ = replace(model, clips=ClipSettings(n_frames=24, n_clips=1)).frames(
        windows(4)
    )
    fast = windows_of(w, frames, lengths, k)
    slow = [
        torch.cat([parts.clip_rows(w, clip[None, i : i + k]) for i in range(24 - k + 1)])
        for clip in frames
    ]
    short, full = autt.released_prompts(text), autt.released_prompts(text, full=True)
    context = autt.random_context(short, 0)
    rule = replace(autt.RELEASED, learning_rate=1e-4)
    a = autt.update(w, short, context, fast, rule)
    b = autt.update(w, full, context, slow, rule, truncate=False)
    torch.testing.assert_close(a.logits, b.logits, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        a.gradient, b.gradient, rtol=0, atol=1e-4 * float(b.gradient.abs().max())
    )
    assert torch.equal(a.start, b.start)


def test_adamw_is_torchs() -> None:
    rng = torch.Generator().manual_seed(0)
    value = torch.randn(5, 3, generator=rng)
    leaf = value.clone().requires_grad_()
    optimiser = torch.optim.AdamW([leaf], lr=1e-2, weight_decay=0.1)
    moments = None
    for _ in range(5):
        gradient = torch.randn(5, 3, generator=rng)
        leaf.grad = gradient.clone()
        optimiser.step()
        value, moments = autt.adamw(value, gradient, moments, 1e-2, 0.1)
        torch.testing.assert_close(value, leaf.detach())


def test_modes_differ_as_they_say() -> None:
    model, xs = toy_model(), windows()
    subject = list(stream(model, ClipAutt(mode="subject"), xs))
    start = autt.random_context(autt.released_prompts(model.phrase_text()), 0)
    prompts, rule = autt.released_prompts(model.phrase_text()), autt.RELEASED
    rows = windows_of(model.weights, *model.frames(xs[:1])[:2], 16)
    untouched = answer(model.weights, prompts, start, rows, rule).mean(0).numpy()
    np.testing.assert_allclose(
        subject[0].prediction.logits, untouched, atol=1e-6
    )  # answered before its update
    assert not torch.equal(subject[-1].state["context"], start)
    episodic = list(stream(model, ClipAutt(mode="episodic", steps=3), xs))
    assert torch.equal(episodic[-1].state["context"], start)  # from the start for every clip
    assert not np.allclose(episodic[0].prediction.logits, untouched, atol=1e-6)  # answered after
    assert ClipAutt(mode="released").needs is Access.TARGET
    assert ClipAutt().needs is Access.NOTHING
    released = ClipAutt(mode="released", epochs=2, batch=3)
    state = released.begin(model, Given(target=tuple(xs)))
    assert torch.equal(released.begin(model, Given(target=tuple(xs)))["context"], state["context"])
    assert released.step(model, state, xs[0])[1] is state
    # Two epochs of two batches: four sign-like steps at most.
    assert 0 < float((state["context"] - start).abs().max()) < 4.5e-3


def test_what_it_cannot_work_on() -> None:
    with pytest.raises(BadInput, match="one of corrected"):
        ClipAutt(mode="best")
    with pytest.raises(BadInput, match="CLIP-AU model"):
        ClipAutt().begin(check.toy().model, Given())
