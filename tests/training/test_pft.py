"""SFDA-PFT: starts as the source model, brings people together, moves with a neutral clip, refuses
nonsense.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from twomind.adaptation.methods.sfda_pft import SfdaPft
from twomind.core.errors import BadInput
from twomind.models import pft_net
from twomind.training import pft, pft_losses
from twomind.types import Access


def test_the_corrected_translator_starts_as_the_source_model() -> None:
    w = pft_net.new_translator(512, "residual", 3)
    z = torch.randn(5, 512)
    assert torch.equal(pft_net.translate(w, z), z)
    assert sum(v.numel() for v in w.values()) == 525_312  # about half a million
    released = pft_net.new_translator(512, "mlp", 3)
    assert not torch.allclose(pft_net.translate(released, z, "mlp"), z, atol=0.1)
    with pytest.raises(BadInput, match="reference"):
        pft_net.translate(w, z, "conditional")


def test_what_can_train_a_translator_and_what_cannot() -> None:
    z, frozen = torch.randn(6, 4, requires_grad=True), torch.randn(6, 4)
    for how in ("mse_logits", "kl_probs"):
        assert pft_losses.keep_prediction(frozen, z, how).requires_grad
        assert float(pft_losses.keep_prediction(frozen, frozen, how)) == pytest.approx(0, abs=1e-6)
    assert not pft_losses.keep_prediction(frozen, z, "released_ce").requires_grad
    assert float(pft_losses.moments(frozen, frozen + 1)) == pytest.approx(1, abs=1e-5)
    assert torch.isfinite(pft_losses.moments(frozen[:1], frozen))


def shifted_people(
    seed: int, n_people: int = 8, n: int = 40
) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    rng = np.random.default_rng(seed)
    z, y, who = [], [], []
    for p in range(n_people):
        shift = rng.normal(size=8)
        for k in range(n):
            z.append(shift + (2.0 * (k % 2) - 1) * np.eye(8)[0] + 0.3 * rng.normal(size=8))
            y.append(k % 2)
            who.append(f"p{p}")
    return torch.tensor(np.array(z), dtype=torch.float32), torch.tensor(y), np.array(who)


def test_source_training_brings_people_together() -> None:
    z, y, who = shifted_people(0)
    head = (torch.tensor([[-1.0] + [0.0] * 7, [1.0] + [0.0] * 7]), torch.zeros(2))
    w, history = pft.train_translator(
        z, y, who, head, pft.SourceSettings(epochs=40, learning_rate=3e-3)
    )
    assert history[-1] < history[0]

    def apart(v: torch.Tensor) -> float:
        return float(
            torch.stack([v[torch.from_numpy(who == p)].mean(0) for p in np.unique(who)])
            .std(0)
            .mean()
        )

    moved = pft_net.translate(w, z)
    assert apart(moved) < 0.8 * apart(z)
    before, after = ((pft.logits_of(v, head).argmax(1) == y).float().mean() for v in (z, moved))
    assert after >= before
    with pytest.raises(BadInput, match="two people"):
        pft.train_translator(z[:10], y[:10], who[:10], head)


def test_a_clip_that_cannot_be_read_is_refused() -> None:
    world = SfdaPft.toy()
    given = world.given("anna")
    empty = tuple(replace(x, tracks={}) for x in given.neutral or ())
    with pytest.raises(BadInput, match=f"got {len(empty)} windows of which none can"):
        SfdaPft().begin(world.model, replace(given, neutral=empty))


def test_a_neutral_clip_moves_the_person_towards_neutral() -> None:
    world = SfdaPft.toy()
    given = world.given("anna")
    neutral = given.neutral

    def p_neutral(**settings: object) -> float:
        method = SfdaPft(**settings)  # type: ignore[arg-type]
        state = method.begin(world.model, given)
        return float(np.mean([method.step(world.model, state, x)[0].probs[0] for x in neutral]))

    source = p_neutral(epochs=0)
    assert p_neutral(epochs=60, learning_rate=3e-3) > source
    assert SfdaPft().needs == Access.NEUTRAL | Access.SUMMARY


def test_it_refuses_a_summary_without_its_translator() -> None:
    world = SfdaPft.toy()
    given = world.given("anna")
    with pytest.raises(BadInput, match="translator"):
        SfdaPft().begin(world.model, replace(given, summary={}))
    other = {
        k: v[:8] if v.ndim == 1 else v[:8, :8]
        for k, v in given.summary.items()
        if k.startswith("pft")
    }
    with pytest.raises(BadInput, match="16 dimensions"):
        SfdaPft().begin(world.model, replace(given, summary=other))
