"""DSFDA against numbers that the authors' own code gave (tolerances: the README of the golden
folder).

Fixtures are found by the beginning of their names in ``$TWOMIND_GOLDEN``; every array and scalar of
one must be looked at. One fixture is enough for everything: networks, losses, gradients and one
step of the released order.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
import torch
from golden_dsfda import FOLDER, GIVEN, Fixture, files, filled
from torch import Tensor

from twomind.models.dsfda import net
from twomind.training import dsfda_losses as losses
from twomind.training import dsfda_step as steps

pytestmark = pytest.mark.parity

FORWARD, LOSS, GRADNORM, STEP = 1e-4, 1e-4, 1e-3, 2e-3
#: Of whole gradients, as a share of their length; the README names none. In double precision the
#: same computation is .0043 to .0055 away from the recorded ones, and .0052 to .0056 from ours:
#: that much is rounding of single precision.
GRADIENT = 1e-2
#: Their names of modules for our parts.
PART = {
    "enc_id": "identity",
    "enc_expr": "expression",
    "fc_expr": "head",
    "dec": "decoder",
    "Did": "identity_critic",
    "Dex": "expression_critic",
}


def test_there_are_files() -> None:
    if not GIVEN and not FOLDER.is_dir():
        pytest.skip(f"needs {FOLDER} (set TWOMIND_GOLDEN)")
    assert files("dsfda_model") + files("pft"), f"no recorded DSFDA or PFT file under {FOLDER}"


def weights_of(g: Fixture) -> dict[str, Tensor]:
    shapes = net.shapes(net.FULL, 2, 1)
    modules = {"Gen": ("identity", "expression", "head", "decoder")}
    modules |= {"Dis_FR": ("identity_critic",), "Dis_ER": ("expression_critic",)}
    found: dict[str, Tensor] = {}
    for module, parts in modules.items():
        own = {name: shape for name, shape in shapes.items() if net.part(name) in parts}
        found |= filled(own, g.weights(module))
    return found


def noises_of(g: Fixture) -> losses.Noises:
    return g.tensor("noise_0"), g.tensor("noise_1"), g.tensor("noise_2")


def batch_of(g: Fixture) -> steps.Batch:
    return steps.Batch(g.tensor("x_id"), g.tensor("y_id"), g.tensor("x_expr"), g.tensor("y_expr"))


@pytest.fixture
def _two_threads() -> Iterator[None]:
    """As many as the numbers were recorded with, it seems: with two, the picture after the step is
    theirs to the bit.

    How convolutions are split between threads decides the rounding of a gradient near zero, and so
    its sign.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("_two_threads")
@pytest.mark.parametrize("path", files("dsfda_model"))
def test_dsfda_model(path: Path) -> None:
    g = Fixture(path)
    w = {name: value.requires_grad_() for name, value in weights_of(g).items()}
    _check_forward(g, w)
    _check_losses(g, w)
    off_px, off_by, off_share = _check_step(g, {name: value.detach() for name, value in w.items()})
    assert not g.unchecked()
    if off_px > STEP or off_by >= 0.03 or off_share >= 0.01:
        # Met to the bit where the convolutions are those of AVX-512, with which the numbers were
        # recorded. Those of AVX2 (ONEDNN_MAX_CPU_ISA=AVX2 shows it) round otherwise, which may turn
        # the sign of a gradient near zero, and so of its step: then it is no pass.
        pytest.xfail(
            f"after the step the picture is off by up to {off_px:.4f} (allowed {STEP}), its change "
            f"by {off_by:.4f} of "
            f"its length (.03), {off_share:.4f} of decoder.out (.01) on this machine"
        )


def _check_forward(g: Fixture, w: net.Weights) -> None:
    b, (noise, *_) = batch_of(g), noises_of(g)
    with torch.no_grad():
        inner: dict[str, Tensor] = {}
        identity, expression = (
            net.encode(w, "identity", b.x_id),
            net.encode(w, "expression", b.x_expr, inner),
        )
        g.close(identity, "feat_id", FORWARD)
        g.close(expression, "feat_expr", FORWARD)
        g.close(inner["pool1"][:, :4], "enc_expr_pool1", FORWARD)
        g.close(inner["blocks"][:, :4], "enc_expr_incep", FORWARD)
        g.close(net.classify(w, "head", expression), "logits_expr", FORWARD)
        picture = net.decode(w, expression, identity, noise, inner)
        g.close(picture, "generated", FORWARD)
        g.close(inner["residual"], "dec_emb2", FORWARD)
        g.close(inner["up0"][:, :8], "dec_us1_ch0to7", FORWARD)
        for critic, short, real in (
            ("identity_critic", "Did", b.x_id),
            ("expression_critic", "Dex", b.x_expr),
        ):
            for kind, x in (("real", real), ("fake", picture)):
                features, logits = net.judge(w, critic, x)
                g.close(features, f"{short}_{kind}_feat", FORWARD)
                g.close(logits, f"{short}_{kind}_logits", FORWARD)


def _norms(loss: Tensor, w: net.Weights) -> dict[str, float]:
    """Norm of a loss's gradient in every part; no gradient is zero."""
    found = torch.autograd.grad(loss, list(w.values()), retain_graph=True, allow_unused=True)
    total = dict.fromkeys(net.PARTS, 0.0)
    for name, gradient in zip(w, found, strict=True):
        total[net.part(name)] += (
            0.0 if gradient is None else float(gradient.double().square().sum())
        )
    return {name: value**0.5 for name, value in total.items()}


def _check_losses(g: Fixture, w: net.Weights) -> None:
    b, noises = batch_of(g), noises_of(g)
    made = losses.generate(w, b.x_id, net.encode(w, "expression", b.x_expr), noises[0])
    expr_cls = losses.cross_entropy(net.classify(w, "head", made.expression), b.y_expr)
    _, real = net.judge(w, "identity_critic", b.x_id)
    _, fake = net.judge(w, "identity_critic", made.picture)
    on_real, on_fake = losses.identity_critic(real, b.y_id, fake)
    assert torch.equal(g.tensor("y_fake"), torch.full_like(b.y_id, real.shape[1] - 1))
    terms, rebuilt = losses.generator_terms(w, made, b, noises)
    total = terms.total(losses.Factors())
    g.close(rebuilt[0], "cycle_id", FORWARD)
    g.close(rebuilt[1], "cycle_expr", FORWARD)
    g.near(on_real, "loss/D_id_real", LOSS)
    g.near(on_fake, "loss/D_id_fake", LOSS)
    g.near(on_real + on_fake, "loss/D_id_total", LOSS)
    _, seen = net.judge(w, "expression_critic", b.x_expr)
    g.near(losses.cross_entropy(seen, b.y_expr), "loss/D_expr", LOSS)
    named = {"adv_id": "G_adv_id", "adv_expr": "G_adv_expr", "perceptual": "G_perceptual"}
    named |= {"cycle_id": "G_cycle_id", "cycle_expr": "G_cycle_expr"}
    by_name = {theirs: getattr(terms, ours) for ours, theirs in named.items()} | {"G_total": total}
    by_name["expr_cls"] = expr_cls
    for theirs, value in by_name.items():
        g.near(value, f"loss/{theirs}", LOSS)
        norms = _norms(value, w)
        for short, part in PART.items():
            g.near(norms[part], f"gradnorm/{theirs}/{short}", GRADNORM)
    g.near(5 * terms.cycle_id + 5 * terms.cycle_expr, "loss/G_cycle_weighted", LOSS)
    # Computed and never used by the released code: the generator's own expression maps of both
    # pictures.
    with torch.no_grad():
        unused = losses.perceptual(net.encode(w, "expression", made.picture), made.expression)
    g.near(unused, "loss/G_perceptual_expr_unused", LOSS)
    asked = {
        "enc_id": "identity.stem0.conv",
        "enc_expr": "expression.stem0.conv",
        "dec": "decoder.out",
    }
    found = torch.autograd.grad(total, [w[name] for name in asked.values()])
    for gradient, name in zip(found, ("enc_id_conv1", "enc_expr_conv1", "dec_us5"), strict=True):
        wanted = g.tensor(f"grad_total_{name}")
        off = float((gradient - wanted).norm() / wanted.norm())
        assert off < GRADIENT, f"grad_total_{name}: off by {off:.4f} of its length"


def _check_gradients(
    training: steps.Training,
    before: net.Weights,
    after: net.Weights,
    b: steps.Batch,
    noises: losses.Noises,
) -> None:
    """What the generator's Adam was handed is the gradient of the README's sum, with the updated
    critics.

    The recorded numbers cannot tell: a first step of Adam goes by signs, and the cycles' gradients
    turn hardly any. By hand: without either cycle the picture is off by .021 and .022 of its
    change, as it is with both (.020). Each term's own gradient is compared with its recorded norm
    in ``_check_losses``.
    """
    generator = [n for n in before if net.part(n) in net.GENERATOR]
    w = {
        n: (before if n in generator else after)[n].clone().requires_grad_(n in generator)
        for n in before
    }
    made = losses.generate(w, b.x_id, net.encode(w, "expression", b.x_expr), noises[0])
    with torch.no_grad():
        real = net.encode(before, "identity_critic.trunk", b.x_id)
    t, _ = losses.generator_terms(w, made, b, noises, None, real)
    total = (
        0.2 * t.adv_id
        + 0.8 * t.adv_expr
        + 1.0 * t.perceptual
        + 5.0 * t.cycle_id
        + 5.0 * t.cycle_expr
    )
    for name, wanted in zip(
        generator, torch.autograd.grad(total, [w[n] for n in generator]), strict=True
    ):
        got = training.w[name].grad
        assert got is not None, f"{name}: the step gave it no gradient"
        off, size = float((got - wanted).norm()), float(wanted.norm())
        assert off < GRADNORM * size + 1e-7, (
            f"{name}: the step's gradient is off by {off:.2e} of {size:.2e}"
        )


def _check_moves(training: steps.Training, before: net.Weights, after: net.Weights) -> None:
    """Every weight moved as the first step of Adam(lr 1e-4, other defaults) says: against the sign
    of its gradient.
    """
    for optimiser in training.optimisers.values():
        assert isinstance(optimiser, torch.optim.Adam)
        # The second step is the first in which these show, and only one was recorded.
        assert [group["betas"] for group in optimiser.param_groups] == [(0.9, 0.999)]
    for name, old in before.items():
        gradient = training.w[name].grad
        assert gradient is not None, f"{name}: the step gave it no gradient"
        wanted = (-1e-4 * gradient / (gradient.abs() + 1e-8)).double()
        off = (after[name] - old).double() - wanted
        # Weights are of size 1 in single precision: their difference carries 1e-7.
        assert float(off.abs().max()) < 5e-7, (
            f"{name}: off its Adam step by up to {float(off.abs().max()):.1e}"
        )


def _check_step(g: Fixture, before: dict[str, Tensor]) -> tuple[float, float, float]:
    """The released order; the expression encoder gets nothing from the classes' loss.

    Returns the largest difference of the picture after the step, how far its change is off in
    shares of its length, and the share of the last weights that are off. What a wrong term gives
    fails here.
    """
    b, noises = batch_of(g), noises_of(g)
    training = steps.start(before, 1e-4)
    said = steps.source_step(training, b, noises, steps.RELEASED)
    after = training.frozen()
    _check_gradients(training, before, after, b, noises)
    _check_moves(training, before, after)
    g.near(said["expr_cls"], "step/expr_cls", LOSS)
    g.near(said["critic_real"] + said["critic_generated"], "step/D_id_total", LOSS)
    g.near(said["critic_expr"], "step/D_expr", LOSS)
    g.near(said["generator"], "step/G_total", STEP)
    for name in ("adv_id", "adv_expr", "perceptual", "cycle_id", "cycle_expr"):
        g.near(said[name], f"step/G_{name}", STEP)
    for short, part in PART.items():
        moved = [
            (after[n] - before[n]).double().square().sum() for n in before if net.part(n) == part
        ]
        g.near(torch.stack(moved).sum().sqrt(), f"step/param_delta_l2/{short}", STEP)
    with torch.no_grad():
        expression = net.encode(after, "expression", b.x_expr)
        # Adam's first step is a sign: rounding turns some. What may differ grows with the logits'
        # scale, which is 14.
        logits, wanted_logits = (
            net.classify(after, "head", expression),
            g.tensor("step_after_logits_expr"),
        )
        torch.testing.assert_close(
            logits, wanted_logits, rtol=0, atol=STEP * float(wanted_logits.abs().max())
        )
        picture = net.decode(after, expression, net.encode(after, "identity", b.x_id), noises[0])
        # The step moves the picture by up to .95. With the recorded number of threads ours is the
        # same to the bit on one processor; turned signs of tiny gradients add up over the decoder,
        # and on another (an AMD EPYC) the change is off by .046 of its length. With an adversarial
        # term left out or doubled it is off by .17 to 1.03.
        moved = (picture - g.tensor("generated")).flatten().double()
        wanted_move = (g.tensor("step_after_generated") - g.tensor("generated")).flatten().double()
        off_by = float((moved - wanted_move).norm() / wanted_move.norm())
        assert off_by < 0.1, (
            f"step_after_generated: the change of the picture is off by {off_by:.4f} of its length"
        )
    wanted = g.tensor("step_after_dec_us5").numpy()
    g.close(after["decoder.out"], "step_after_dec_us5", STEP)
    # Much tighter than a step of 1e-4, so that a step in the wrong direction is seen: .013 of the
    # weights on an AMD EPYC; .05 to .41 with an adversarial term left out or doubled.
    off = np.abs(after["decoder.out"].numpy() - wanted)
    off_share = float((off > 2e-5).mean())
    assert off_share < 0.03, f"decoder.out after the step: {off_share:.3f} of the weights are off"
    return float((picture - g.tensor("step_after_generated")).abs().max()), off_by, off_share
