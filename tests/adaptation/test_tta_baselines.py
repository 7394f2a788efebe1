"""Tent, SAR, TPT, T3A and BoostAdapter against torch's own optimisers and against what defines
them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from twomind.adaptation import caches, check, load_method, stream
from twomind.adaptation.losses import confident, entropy, entropy_t, marginal_entropy_t, softmax
from twomind.core.errors import BadInput
from twomind.models.embedding import EmbeddingRecogniser
from twomind.types import Features, Prediction, Task, Track


def walk(name: str, toy: check.Toy, **settings: object) -> list[Prediction]:
    steps = stream(toy.model, load_method(name, **settings), toy.windows["anna"], given=toy.given)
    return [s.prediction for s in steps]


def test_tent_is_gradient_descent_on_the_entropy_with_momentum() -> None:
    toy = check.toy()
    own = {
        n: toy.model.params()[n].clone().requires_grad_(True) for n in ("norm.weight", "norm.bias")
    }
    optimiser = torch.optim.SGD(own.values(), lr=0.05, momentum=0.9)
    got = walk("tent", toy, lr=0.05)
    for x, prediction in zip(toy.windows["anna"], got, strict=True):
        _, logits = toy.model.run([x], own)
        np.testing.assert_allclose(
            prediction.logits, logits[0].detach().numpy(), atol=1e-5
        )  # before the step
        optimiser.zero_grad()
        entropy_t(logits).mean().backward()
        optimiser.step()


def test_tpt_is_one_adamw_step_on_the_entropy_of_the_mean_and_is_forgotten() -> None:
    toy = check.toy()
    got = walk("tpt", toy, share=0.7)
    for x, prediction in zip(toy.windows["anna"], got, strict=True):
        views = caches.frames(toy.model, x)
        with torch.no_grad():
            logits = toy.model.run(views)[1].numpy()
        kept = [views[i] for i in np.argsort(entropy(softmax(logits)))[: int(0.7 * len(views))]]
        own = toy.model.params()["head.weight"].clone().requires_grad_(True)
        optimiser = torch.optim.AdamW([own], lr=5e-3, weight_decay=1e-2)
        mean = toy.model.run(kept, {"head.weight": own})[1].softmax(-1).mean(0)
        (-(mean * mean.log()).sum()).backward()
        optimiser.step()
        final = toy.model.run([x], {"head.weight": own})[1][0].detach().numpy()
        np.testing.assert_allclose(prediction.logits, final, atol=1e-4)


def test_sar_learns_from_reliable_windows_only_and_resets_when_it_collapses() -> None:
    toy = check.toy(n_windows=40)
    begin = load_method("sar").begin(toy.model, toy.given("anna"))

    def tuned(**settings: float) -> list[np.ndarray]:
        steps = stream(
            toy.model, load_method("sar", **settings), toy.windows["anna"], given=toy.given
        )
        return [s.state["tuned"]["norm.bias"].numpy() for s in steps]

    start = begin["tuned"]["norm.bias"].numpy()
    assert not np.array_equal(tuned(lr=0.05, reset_below=0.0)[-1], start)
    assert np.array_equal(tuned(lr=0.05, reliable=0.0)[-1], start)
    assert all(np.array_equal(t, start) for t in tuned(lr=0.05, reset_below=1.0))


def test_t3a_without_windows_is_the_head_and_keeps_the_surest_supports() -> None:
    toy = check.toy(n_windows=40)
    method = load_method("t3a", n_supports=3, start="released")
    state = method.begin(toy.model, toy.given("anna"))
    weight, _ = caches.head(toy.model)
    np.testing.assert_allclose(
        state["supports"]["z"][:, 0], weight / np.linalg.norm(weight, axis=1)[:, None], atol=1e-6
    )
    seen: dict[int, list[float]] = {c: [float(state["supports"]["entropy"][c, 0])] for c in (0, 1)}
    for x in toy.windows["anna"]:
        probs = toy.model.predict(x).probs
        seen[int(probs.argmax())].append(float(entropy(probs)))
        _, state = method.step(toy.model, state, x)
        for c in (0, 1):
            kept = state["supports"]["entropy"][c, : state["supports"]["count"][c]]
            np.testing.assert_allclose(kept, sorted(seen[c])[:3], atol=1e-5)


def leaning(scale: float = 1.0, n: int = 12) -> tuple[EmbeddingRecogniser, list[Features]]:
    """A head whose rows are far from every window, and windows of which two thirds are of class 0,
    those first.
    """
    rng = np.random.default_rng(0)
    apart = np.array([0.0, 1.0, -1.0, 0.0], np.float32)
    weight = torch.from_numpy((scale * np.stack([apart, -apart])).astype(np.float32))
    model = EmbeddingRecogniser(
        Task("lean", ("a", "b"), "window"), {"head.weight": weight}, unit=True
    )
    windows = []
    for i in range(n):
        row = (
            np.array([3.0, 0, 0, 0]) + (0.3 if i % 3 else -0.3) * apart + 0.02 * rng.normal(size=4)
        )
        track = Track(row[None].astype(np.float32), np.array([float(i)]), np.ones(1, bool))
        windows.append(Features("r", "p", {"embedding": track}, (float(i), i + 1.0)))
    return model, [*windows[1::3], *windows[2::3], *windows]


def said(
    model: EmbeddingRecogniser, windows: list[Features], name: str, **settings: object
) -> list[int]:
    return [
        int(s.prediction.probs.argmax())
        for s in stream(model, load_method(name, **settings), windows)
    ]


def test_t3a_is_not_held_back_by_head_rows_that_are_no_embeddings() -> None:
    model, windows = leaning()
    right = [0] * 8 + [0 if i % 3 else 1 for i in range(12)]
    assert said(model, windows, "source-only") == said(model, windows, "t3a") == right
    assert said(model, windows, "t3a", start="released") != right, "what the default avoids"
    one_class = windows[:8]
    steps = stream(model, load_method("t3a"), one_class)
    for x, step in zip(one_class, steps, strict=True):
        assert np.array_equal(step.prediction.probs, model.predict(x).probs), (
            "with one class seen, the source answers"
        )


@pytest.mark.parametrize("name", ["tda", "boost-adapter"])
def test_cache_terms_follow_the_scale_of_the_logits(name: str) -> None:
    def logits(scale: float, **settings: object) -> np.ndarray:
        model, windows = leaning(scale)
        steps = stream(model, load_method(name, alpha_neg=0.0, **settings), windows)
        return np.stack([np.asarray(s.prediction.logits) for s in steps])

    at_clip = 100 / np.sqrt(2)  # a row of length 100
    np.testing.assert_allclose(logits(at_clip / 50), logits(at_clip) / 50, atol=1e-4)
    np.testing.assert_allclose(logits(at_clip), logits(at_clip, alpha_unit="released"), atol=1e-4)
    drowned = logits(at_clip / 50, alpha_unit="released")
    assert (drowned.argmax(axis=1) != logits(at_clip / 50).argmax(axis=1)).any(), (
        "what the default avoids"
    )


def test_boosting_uses_the_frames_and_forgets_them() -> None:
    toy = check.toy(n_windows=24)
    plain, boosted = walk("tda", toy), walk("boost-adapter", toy, n_neg=2)
    assert max(np.abs(a.probs - b.probs).max() for a, b in zip(plain, boosted, strict=True)) > 1e-5
    short = [
        replace(
            x, tracks={"embedding": x.tracks["embedding"].between(x.span_s[0], x.span_s[0] + 0.1)}
        )
        for x in toy.windows["anna"]
    ]  # one frame is one view, and nothing is boosted
    with_one = [
        [
            s.prediction.probs
            for s in stream(toy.model, load_method(n, alpha_neg=0.0), short, given=toy.given)
        ]
        for n in ("tda", "boost-adapter")
    ]
    np.testing.assert_allclose(with_one[0], with_one[1], atol=1e-6)
    last = list(
        stream(toy.model, load_method("boost-adapter"), toy.windows["anna"], given=toy.given)
    )[-1].state
    assert last["positive"]["z"].shape[1] == 3
    assert len(set(last["positive"]["at"].ravel())) == 6  # one entry per window: no frame stayed


def test_losses_are_their_formulas() -> None:
    logits = np.array([[0.0, 1.0], [3.0, 0.0], [0.2, 0.0]], np.float32)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -(p * np.log(p)).sum(axis=1)
    np.testing.assert_allclose(entropy(softmax(logits)), expected, rtol=1e-5)
    np.testing.assert_allclose(entropy_t(torch.from_numpy(logits)), expected, rtol=1e-5)
    mean = p.mean(axis=0)
    assert float(marginal_entropy_t(torch.from_numpy(logits))) == pytest.approx(
        -(mean * np.log(mean)).sum(), rel=1e-5
    )
    assert confident(logits, 0.1).tolist() == [1]
    assert confident(logits, 0.7).tolist() == [1, 0]


def test_a_model_without_normalisation_is_refused_with_advice() -> None:
    toy = check.toy()
    bare = EmbeddingRecogniser(
        toy.model.task, {"head.weight": toy.model.params()["head.weight"]}, unit=True
    )
    for name in ("tent", "sar"):
        with pytest.raises(BadInput, match="cache method"):
            load_method(name).begin(bare, toy.given("anna"))
