"""SFDA-PFT against numbers that the authors' own code gave (tolerances: the README of the golden
folder).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
import released_networks as released
import torch
from golden_dsfda import Fixture, files
from torch import Tensor
from torch.nn import functional as F

from twomind.models import pft_net as net
from twomind.training import pft_losses as losses

pytestmark = pytest.mark.parity

RELATIVE = 1e-4
FORWARD = 1e-4


def modules(g: Fixture) -> dict[str, dict[str, Tensor]]:
    found: dict[str, dict[str, Tensor]] = {
        name: dict(g.weights(name)) for name in ("F", "B", "C2", "C7")
    }
    full = dict(g.weights("T_full"))
    found["own"] = {
        k.removeprefix("feature_extractor."): v
        for k, v in full.items()
        if k.startswith("feature_extractor.")
    }
    found["T"] = {
        k.removeprefix("translator."): v for k, v in full.items() if k.startswith("translator.")
    }
    for name in ("MLP3", "CondT"):
        found[name] = {k.replace("net.", "layers."): v for k, v in g.weights(name)}
    return found


@pytest.mark.parametrize("path", files("pft"))
def test_pft(path: Path) -> None:
    g = Fixture(path)
    m = modules(g)
    x_ref, x_in, y = g.tensor("x_ref"), g.tensor("x_in"), g.tensor("y")
    z, maps = released.extract(m["F"], x_in)
    z_ref, maps_ref = released.extract(m["F"], x_ref)
    own, own_maps = released.extract(m["own"], x_in)
    _check_networks(g, m, z, z_ref, own, maps, maps_ref)
    _check_styles(g, m, z, own, maps, maps_ref, own_maps)
    _check_predictions(g, m, z, own)
    _check_training(g, m, x_in, y, z, maps, maps_ref)
    assert not g.unchecked()


def _check_networks(
    g: Fixture, m: Any, z: Tensor, z_ref: Tensor, own: Tensor, maps: Any, maps_ref: Any
) -> None:
    g.close(z, "F_pool", FORWARD)
    g.close(maps[4], "F_fmap", FORWARD)
    for k in range(5):
        g.close(maps[k][:, :8], f"F_map{k}_ch0to7", FORWARD)
        assert list(maps[k].shape) == g.scalar(f"F_map{k}_shape")
    for k in range(3):
        g.close(released.gram(maps[k]), f"gram_in_{k}", FORWARD)
        g.close(released.gram(maps_ref[k]), f"gram_ref_{k}", FORWARD)
    low = released.bottleneck(m["B"], z)
    g.close(low, "B_out", FORWARD)
    translated = net.translate(m["T"], own, "mlp")
    g.close(translated, "T_full_out", FORWARD)
    for n in (2, 7):
        g.close(released.head(m[f"C{n}"], low), f"logits{n}", FORWARD)
        g.close(
            released.head(m[f"C{n}"], released.bottleneck(m["B"], translated)),
            f"T_logits{n}",
            FORWARD,
        )
    g.close(net.translate(m["T"], z, "mlp"), "T_head_on_Fpool", FORWARD)
    g.close(net.translate(m["MLP3"], z, "mlp3"), "MLP3_on_Fpool", FORWARD)
    g.close(net.translate(m["CondT"], z, "conditional", z_ref), "CondT_on_Fpool_Fref", FORWARD)


def _check_styles(
    g: Fixture, m: Any, z: Tensor, own: Tensor, maps: Any, maps_ref: Any, own_maps: Any
) -> None:
    for k in range(5):
        g.near(
            released.gram_style(maps_ref[k : k + 1], maps[k : k + 1]),
            f"style_gram_mse_layer{k}",
            RELATIVE,
        )
        intended = released.gram_style(maps_ref[k : k + 1], own_maps[k : k + 1])
        g.near(intended, f"style_gram_mse_INTENDED_layer{k}", RELATIVE)
    g.near(released.gram_style(maps_ref[:3], maps[:3]), "style_gram_mse_layers012", RELATIVE)
    # Of vectors, the frozen feature of a picture and the translated one of the same picture are
    # compared.
    translated = net.translate(m["T"], own, "mlp")
    low, low_translated = released.bottleneck(m["B"], z), released.bottleneck(m["B"], translated)
    for name, a, b in (("pool512", z, translated), ("bottleneck256", low, low_translated)):
        g.near(released.mean_variance_style(a, b), f"style_meanvar_{name}", RELATIVE)
        g.near(losses.moments(a, b), f"moment_{name}", RELATIVE)
    g.near(released.mean_variance_style(maps_ref[1], maps[1]), "style_meanvar_map1", RELATIVE)


def _check_predictions(g: Fixture, m: Any, z: Tensor, own: Tensor) -> None:
    translated = released.bottleneck(m["B"], net.translate(m["T"], own, "mlp"))
    for n in (2, 7):
        frozen, said = (
            released.head(m[f"C{n}"], released.bottleneck(m["B"], z)),
            released.head(m[f"C{n}"], translated),
        )
        g.near(losses.keep_prediction(frozen, said, "mse_logits"), f"expr_mse_C{n}", RELATIVE)
        g.near(losses.keep_prediction(frozen, said, "released_ce"), f"expr_ce_C{n}", RELATIVE)
        assert g.scalar(f"expr_kl_C{n}") == "nan"
        assert math.isnan(float(losses.keep_prediction(frozen, said, "released_kl")))
        softened = losses.keep_prediction(frozen, said, "released_kl_softmax")
        g.near(softened, f"expr_kl_softmaxed_C{n}", RELATIVE)


def _leaves(w: dict[str, Tensor]) -> dict[str, Tensor]:
    fixed = ("running_mean", "running_var")
    return {k: v.detach().clone().requires_grad_(not k.endswith(fixed)) for k, v in w.items()}


def _norm(loss: Tensor, leaves: list[Tensor]) -> float:
    found = torch.autograd.grad(loss, leaves, retain_graph=True, allow_unused=True)
    return float(
        torch.stack([f.double().square().sum() for f in found if f is not None]).sum().sqrt()
    )


def _check_training(
    g: Fixture, m: Any, x: Tensor, y: Tensor, z: Tensor, maps: Any, maps_ref: Any
) -> None:
    """Which of the released losses move the translator at all, and what the intended ones are."""
    extractor, translator = _leaves(m["own"]), _leaves(m["T"])
    every = [v for w in (extractor, translator) for v in w.values() if v.requires_grad]
    own, own_maps = released.extract(extractor, x)
    said = released.head(
        m["C2"], released.bottleneck(m["B"], net.translate(translator, own, "mlp"))
    )
    frozen = released.head(m["C2"], released.bottleneck(m["B"], z))
    # As released, both sides of the style come from the frozen extractor: nothing to train.
    released_style = released.gram_style(maps_ref[:3], maps[:3])
    for how, name in (("mse_logits", "mse"), ("released_ce", "ce"), ("released_kl", "kl")):
        facts = g.scalar(f"released_source_graph_{name}")
        loss = losses.keep_prediction(frozen, said, how)
        assert facts["expr_requires_grad"] == loss.requires_grad, name
        assert facts["style_requires_grad"] == released_style.requires_grad, name
        if facts["backward"] != "ok":
            with pytest.raises(RuntimeError, match="does not require grad"):
                (loss + released_style).backward()
        elif facts["gradnorm_T"] == "nan":
            assert math.isnan(_norm(loss, every))
        else:
            assert _norm(loss + released_style, every) == pytest.approx(
                facts["gradnorm_T"], rel=1e-3
            )
    intended = g.scalar("intended_source")
    style = released.gram_style(maps_ref[:3], own_maps[:3])
    terms = {
        "ce": F.cross_entropy(said, y),
        "expr_mse": losses.keep_prediction(frozen, said),
        "style012": style,
    }
    total = torch.stack(list(terms.values())).sum()
    for name, value in {**terms, "total": total}.items():
        assert float(value.detach()) == pytest.approx(intended[name], rel=RELATIVE), name
    assert _norm(total, every) == pytest.approx(intended["gradnorm_T"], rel=1e-3)
    assert _norm(total, list(translator.values())) == pytest.approx(
        intended["gradnorm_translator"], rel=1e-3
    )
    (gradient,) = torch.autograd.grad(total, translator["layers.0.bias"])
    wanted = g.tensor("intended_grad_translator_first_bias")
    g.close(gradient, "intended_grad_translator_first_bias", 1e-3 * float(wanted.abs().max()))
    neutral = F.cross_entropy(said, torch.zeros_like(y))
    for how, name in (("mse_logits", "mse"), ("released_ce", "ce")):
        facts, expr = g.scalar(f"released_target_{name}"), losses.keep_prediction(frozen, said, how)
        for key, value in (("ce_neutral", neutral), ("expr", expr), ("total", neutral + expr)):
            assert float(value.detach()) == pytest.approx(facts[key], rel=RELATIVE), (name, key)
