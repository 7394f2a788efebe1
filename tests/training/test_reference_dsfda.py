"""DSFDA against a slow reference (``reference/dsfda.py``): networks, losses, both steps, and both
schedules.

The reference is written from the specification. The steps are compared in float64, weight by
weight. The schedules are read off the calls that the library makes of its steps. Nothing recorded
is read.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
import torch

from twomind.adaptation.methods import dsfda as method
from twomind.models.dsfda import net as dsfda_net
from twomind.models.dsfda import recogniser as dsfda
from twomind.training import dsfda as dsfda_train
from twomind.training import dsfda_losses, dsfda_step
from twomind.types import Features, Given, Task, Track

slow = importlib.import_module("reference.dsfda")

checked = settings(deadline=None, derandomize=True, max_examples=15)
seeds = st.integers(0, 2**32 - 1)

SIZE = dsfda_net.Size(64, 2, 1, 4, 2, 1, (4, 4, 4))
N = 2  # pictures of a batch


def weights(n_classes: int = 3, n_people: int = 2, seed: int = 0) -> dict[str, torch.Tensor]:
    """Float64, with heads and decoder ten times the released start, so that every term depends on
    every network.
    """
    found = {}
    rng = np.random.default_rng(seed)
    for name, value in dsfda_net.new_weights(SIZE, n_classes, n_people, seed).items():
        large = ".head." in name or name.startswith(("head", "decoder"))
        found[name] = (10 if large else 1) * value.double() + 0.02 * torch.from_numpy(
            rng.normal(size=value.shape)
        )
    return found


class Drawn:
    """Pictures, labels, prototypes and noise, all random."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 3])

        def uniform(*shape: int) -> torch.Tensor:
            return torch.from_numpy(rng.uniform(size=shape))

        self.x, self.other = uniform(N, 3, 64, 64), uniform(N, 3, 64, 64)
        self.prototype = 2 * uniform(N, SIZE.depth, 8, 8)
        self.noises = tuple(uniform(N, SIZE.noise, 8, 8) for _ in range(3))
        self.y_id, self.y = (
            torch.from_numpy(rng.integers(2, size=N)),
            torch.from_numpy(rng.integers(3, size=N)),
        )


def networks(w: dict[str, torch.Tensor]) -> Any:
    return slow.Networks(w, SIZE.n_blocks, SIZE.n_residual)


def same(got: torch.Tensor, wanted: torch.Tensor, tolerance: float = 1e-9) -> None:
    torch.testing.assert_close(got, wanted, rtol=tolerance, atol=tolerance)


# --- networks and losses
# ----------------------------------------------------------------------------------------------


def test_networks() -> None:
    w, d = weights(), Drawn(0)
    n = networks(w)
    for got, wanted in (
        (dsfda_net.encode(w, "identity", d.x), n.e_id(d.x)),
        (dsfda_net.encode(w, "expression", d.x), n.e_exp(d.x)),
        (dsfda_net.classify(w, "head", d.prototype), n.c_exp(d.prototype)),
        (
            dsfda_net.decode(w, d.prototype, d.prototype.flip(0), d.noises[0]),
            n.g(d.prototype, d.prototype.flip(0), d.noises[0]),
        ),
        (dsfda_net.judge(w, "identity_critic", d.x)[0], n.phi(d.x)),
        (dsfda_net.judge(w, "identity_critic", d.x)[1], n.d_id(d.x)),
        (dsfda_net.judge(w, "expression_critic", d.x)[1], n.d_exp(d.x)),
    ):
        assert float(wanted.std()) > 1e-3  # not a constant that anything would give
        same(got, wanted)


def test_the_published_size_has_one_more_layer() -> None:
    """At 128 px the second convolution after the blocks and the fourth upsampling are there; widths
    are small.
    """
    size = dsfda_net.Size(128, 2, 1, 4, 2, 1, (4, 4, 4, 4))
    w = {k: v.double() for k, v in dsfda_net.new_weights(size, 2, 2, 1).items()}
    x = torch.rand(1, 3, 128, 128, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    f = dsfda_net.encode(w, "expression", x)
    same(f, slow.encoder(w, "expression", x, 1))
    z = torch.ones(1, 2, 8, 8, dtype=torch.float64)
    same(dsfda_net.decode(w, f, f, z), slow.decoder(w, f, f, z, 1))


@checked
@given(seeds, st.integers(1, 6), st.integers(2, 5))
def test_losses(seed: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    real, made = (
        torch.from_numpy(3 * rng.normal(size=(n, k))),
        torch.from_numpy(3 * rng.normal(size=(n, k))),
    )
    y = torch.from_numpy(rng.integers(k, size=n))
    on_real, on_made = dsfda_losses.identity_critic(real, y, made)
    same(on_real, slow.cross_entropy(real, y.tolist()))
    same(on_made, slow.cross_entropy(made, [k - 1] * n))
    same(dsfda_losses.cross_entropy(real, y), on_real)
    same(dsfda_losses.cycle(real, made), slow.absolute(real, made))
    same(dsfda_losses.perceptual(real, made), slow.squared(real, made))
    values = torch.from_numpy(rng.uniform(size=5))
    terms = dsfda_losses.Terms(*values)
    named = dict(
        zip(("adv_id", "adv_expr", "perceptual", "cycle_id", "cycle_expr"), values, strict=True)
    )
    assert {name: getattr(terms, name) for name in named} == named
    same(terms.total(dsfda_losses.Factors()), slow.weighted(named))


def test_the_real_side_of_the_perceptual_term_is_a_constant() -> None:
    a, b = (torch.ones(2, requires_grad=True) * k for k in (1, 3))
    slopes = torch.autograd.grad(dsfda_losses.perceptual(a, b), [a, b], allow_unused=True)
    assert slopes[1] is None
    same(slopes[0], torch.tensor([-2.0, -2.0]))


def test_terms_of_a_source_and_of_a_target_step() -> None:
    w, d = weights(), Drawn(1)
    n = networks(w)
    made = dsfda_losses.generate(w, d.x, dsfda_net.encode(w, "expression", d.other), d.noises[0])
    got, _ = dsfda_losses.generator_terms(
        w, made, dsfda_losses.Batch(d.x, d.y_id, d.other, d.y), d.noises
    )
    wanted = slow.source_terms(n, d.x, d.other, d.y_id.tolist(), d.y.tolist(), d.noises)
    for name, value in wanted.items():
        same(getattr(got, name), value)
    two = weights(n_people=1)
    made = dsfda_losses.generate(two, d.x, d.prototype, d.noises[0])
    got, seen = dsfda_losses.target_terms(two, made, d.x, d.y, d.noises[1])
    wanted = slow.target_terms(networks(two), d.x, d.prototype, d.y.tolist(), d.noises)
    for name, value in wanted.items():
        same(getattr(got, name), value)
    same(seen, networks(two).e_exp(made.picture))


def test_dropout_is_of_a_half_and_only_with_a_generator() -> None:
    w, d = weights(), Drawn(2)
    features = torch.ones(200, SIZE.depth, 8, 8, dtype=torch.float64)
    dropped = dsfda_net._dropout(features, torch.Generator().manual_seed(0))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert float(dropped.mean()) == pytest.approx(1, abs=0.02)
    one, two = (
        dsfda_net.classify(w, "head", d.prototype, torch.Generator().manual_seed(k)) for k in (0, 1)
    )
    assert not torch.allclose(one, two)


# --- steps
# ------------------------------------------------------------------------------------------------------------

LR = 1e-2


def compare(training: Any, trainer: Any, start: dict[str, torch.Tensor], moved: set[str]) -> None:
    """Every weight against the reference's; and which networks have moved at all."""
    after = training.frozen()
    for name, value in trainer.w.items():
        torch.testing.assert_close(
            after[name], value, rtol=0, atol=1e-4 * LR, msg=lambda m, n=name: f"{n}: {m}"
        )
    found = {dsfda_net.part(name) for name in start if not torch.equal(after[name], start[name])}
    assert found == moved


ALL = {"identity", "expression", "decoder", "head", "identity_critic", "expression_critic"}


@pytest.mark.parametrize("paper", [True, False])
def test_source_steps(paper: bool) -> None:
    """As the paper has it, two steps, the second without the critics' turn; one step as
    released.
    """
    w = weights()
    training, trainer = dsfda_step.start(w, LR), slow.Trainer(w, LR, SIZE.n_blocks, SIZE.n_residual)
    for k, turn in enumerate((True, False) if paper else (True,)):
        d = Drawn(10 + k)
        rules = replace(dsfda_step.Rules() if paper else dsfda_step.RELEASED)
        rules = replace(rules, update_identity_critic=turn, update_expression_critic=turn)
        batch = dsfda_step.Batch(d.x, d.y_id, d.other, d.y)
        got = dsfda_step.source_step(training, batch, d.noises, rules)
        wanted = trainer.source_step(
            d.x, d.other, d.y_id.tolist(), d.y.tolist(), d.noises, paper, turn, turn
        )
        assert got == pytest.approx(wanted, rel=1e-6)
    compare(training, trainer, w, ALL)


def test_each_critic_has_its_own_turn() -> None:
    for with_id, with_expr in ((True, False), (False, True)):
        w, d = weights(), Drawn(4)
        training = dsfda_step.start(w, LR)
        rules = dsfda_step.Rules(update_identity_critic=with_id, update_expression_critic=with_expr)
        dsfda_step.source_step(
            training, dsfda_step.Batch(d.x, d.y_id, d.other, d.y), d.noises, rules
        )
        after = training.frozen()
        for part, turn in (("identity_critic", with_id), ("expression_critic", with_expr)):
            moved = any(not torch.equal(after[k], w[k]) for k in w if dsfda_net.part(k) == part)
            assert moved == turn, part


@pytest.mark.parametrize(("generated", "with_head"), [(True, True), (False, True), (True, False)])
def test_target_steps(generated: bool, with_head: bool) -> None:
    w = weights(n_people=1)
    groups = ("generator", "identity_critic", *(("head",) if with_head else ()))
    training = dsfda_step.start(w, LR, groups)
    trainer = slow.Trainer(w, LR, SIZE.n_blocks, SIZE.n_residual)
    for k in range(2 if generated and with_head else 1):
        d = Drawn(20 + k)
        batch = dsfda_step.TargetBatch(d.x, d.prototype, d.y, neutral=1)
        how = {"generated_trains_head": generated, "with_head": with_head}
        got = dsfda_step.target_step(training, batch, d.noises, dsfda_step.TargetRules(**how))
        wanted = trainer.target_step(
            d.x, d.prototype, d.y.tolist(), 1, d.noises, generated, with_head
        )
        assert got == pytest.approx(wanted, rel=1e-6)
    compare(training, trainer, w, ALL - {"expression_critic"} - (set() if with_head else {"head"}))


# --- schedule at the source
# -------------------------------------------------------------------------------------------


class Calls:
    """What was handed to a step, in order; the step itself runs, or not."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []

    def record(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        def step(
            training: Any, batch: Any, noises: Any, rules: Any, rng: Any = None, **more: Any
        ) -> dict[str, float]:
            rates = {group: o.param_groups[0]["lr"] for group, o in training.optimisers.items()}
            start = training.frozen()
            self.found.append(
                {
                    "batch": batch,
                    "noises": noises,
                    "rules": rules,
                    "rng": more.pop("rng", rng),
                    "rates": rates,
                }
                | {"weights": start, "more": more}
            )
            return {"generator": 0.0}

        monkeypatch.setattr(module, name, step)


def pictures(n: int, first: float = 0.0) -> torch.Tensor:
    """Pictures of one grey each, so that each can be told from the others: ``first + k / 256``."""
    return (first + torch.arange(n) / 256)[:, None, None, None] * torch.ones(1, 3, 64, 64)


def number(x: torch.Tensor) -> list[int]:
    """Which of :func:`pictures` these are."""
    return [round(256 * float(one.mean())) for one in x]


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_the_schedule_of_source_training(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture once per epoch with a partner of another class; critics every 5th and 10th step
    of all epochs.
    """
    calls = Calls()
    calls.record(monkeypatch, dsfda_train.steps, "source_step")
    n, y = 22, np.arange(22) % 3
    people = np.array([f"p{k % 4}" for k in range(n)])
    how = dsfda_train.TrainSettings(variant, epochs=5, batch=6, seed=2)
    monkeypatch.setattr(dsfda_train, "prototypes_of", lambda *a: (None, None))
    task = Task("toy", ("a", "b", "c"), "window")
    model = dsfda_train.train(task, dsfda_train.Pictures(pictures(n), y, people), SIZE, how)
    assert model.weights["identity_critic.head.2.bias"].shape == (
        5,
    )  # four people, and "generated"
    assert len(calls.found) == 5 * 4  # 22 pictures are four batches
    orders, partners = [], []
    for at, call in enumerate(calls.found):
        batch, rules = call["batch"], call["rules"]
        i, j = number(batch.x_id), number(batch.x_expr)
        assert batch.y_id.tolist() == [k % 4 for k in i]
        assert batch.y_expr.tolist() == [k % 3 for k in j]
        assert all(a % 3 != b % 3 for a, b in zip(i, j, strict=True))
        assert (rules.update_identity_critic, rules.update_expression_critic) == (
            at % 5 == 0,
            at % 10 == 0,
        )
        assert rules.expr_loss_trains_encoder == (variant == "paper")
        assert rules.factors == dsfda_losses.Factors(**slow.FACTORS)
        assert set(call["rates"].values()) == {1e-5}
        assert sorted(call["rates"]) == [
            "expression_critic",
            "generator",
            "head",
            "identity_critic",
        ]
        check_noises(call, len(i))
        orders.append(i)
        partners.append(dict(zip(i, j, strict=True)))
    epochs = [[k for part in orders[4 * e : 4 * e + 4] for k in part] for e in range(5)]
    assert all(sorted(epoch) == list(range(n)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 5  # shuffled anew
    assert [len(part) for part in orders[:4]] == [6, 6, 6, 4]


def check_noises(call: dict[str, Any], n: int) -> None:
    """Three different draws from the uniform distribution, dropout on."""
    assert call["rng"] is not None
    assert len(call["noises"]) == 3
    for z in call["noises"]:
        assert z.shape == (n, SIZE.noise, 8, 8)
        assert 0 <= float(z.min()) < 0.1
        assert 0.9 < float(z.max()) <= 1
    assert not torch.equal(call["noises"][0], call["noises"][1])
    assert not torch.equal(call["noises"][1], call["noises"][2])


def test_partners_are_any_of_another_class() -> None:
    y = np.array([0, 0, 1, 1, 2])
    seen: dict[int, set[int]] = {k: set() for k in range(5)}
    for seed in range(60):
        for k, other in enumerate(dsfda_train.partners(y, np.random.default_rng(seed)).tolist()):
            seen[k].add(other)
    assert seen == {k: {j for j in range(5) if y[j] != y[k]} for k in range(5)}


def test_published_settings() -> None:
    """Specification a.2 and a.3."""
    own = dsfda_train.TrainSettings()
    assert (own.variant, own.learning_rate, own.epochs, own.batch) == ("paper", 1e-5, 100, 20)
    assert (own.identity_critic_every, own.expression_critic_every, own.prototypes_per_class) == (
        5,
        10,
        8,
    )
    target = method.DsfdaMethod()
    assert (target.variant, target.learning_rate, target.epochs, target.batch) == (
        "paper",
        1e-4,
        25,
        20,
    )
    assert (target.max_frames, target.head, target.generated_trains_head) == (75, True, True)
    assert vars(dsfda_losses.Factors()) == slow.FACTORS
    assert dsfda_net.Size(128, 32, 4, 1024, 256, 6, (512, 256, 128, 64)) == dsfda_net.FULL
    for optimiser in dsfda_step.start(weights(), 0.1).optimisers.values():
        assert isinstance(optimiser, torch.optim.Adam)
        group = optimiser.param_groups[0]
        assert (group["betas"], group["weight_decay"], group["eps"]) == ((0.9, 0.999), 0, 1e-8)


# --- prototypes
# -------------------------------------------------------------------------------------------------------


@checked
@given(seeds, st.integers(2, 14), st.integers(1, 5))
def test_centroids_are_means_of_the_rows_nearest_to_them(seed: int, n: int, k: int) -> None:
    """A fixed point of Lloyd's rounds, with as many different centroids as asked for."""
    points = np.random.default_rng(seed).normal(size=(n, 2))
    centres = dsfda.k_means(points, k, seed % 1000)
    assert centres.shape == (min(k, n), 2)
    owner = []
    for row in points:
        far = [sum((row[d] - c[d]) ** 2 for d in range(2)) for c in centres]
        owner.append(far.index(min(far)))
    for j, centre in enumerate(centres):
        own = [row for row, o in zip(points, owner, strict=True) if o == j]
        assert own
        np.testing.assert_allclose(centre, sum(own) / len(own), atol=1e-6)


def test_prototypes_are_centroids_of_the_expression_maps_of_their_class() -> None:
    """One per class: the mean map, of the reference's expression encoder."""
    w, d = weights(), Drawn(5)
    w = {k: v.float() for k, v in w.items()}
    x, y = torch.cat([d.x, d.other, d.x.flip(3)]).float(), torch.tensor([2, 0, 0, 2, 2, 0])
    maps = networks(w).e_exp(x)
    got, classes = dsfda.prototypes_of(w, x, y, per_class=1)
    assert classes.tolist() == [0, 2]
    for k, c in enumerate((0, 2)):
        own = [maps[i] for i in range(6) if int(y[i]) == c]
        torch.testing.assert_close(got[k], sum(own) / len(own), rtol=1e-4, atol=1e-4)


# --- schedule at a person
# ---------------------------------------------------------------------------------------------


def clip(n: int, start: int = 0, hidden: tuple[int, ...] = ()) -> Features:
    """A window of ``n`` frames, of one grey each; frames in ``hidden`` show no face."""
    values = pictures(n, start / 256).movedim(1, -1).numpy()
    valid = np.array([k not in hidden for k in range(n)])
    codes = np.where(valid, 0, 1).astype(np.uint8)
    track = Track(
        values, start + np.arange(n) / 25, valid, reasons=("", "no face"), reason_code=codes
    )
    return Features(
        "clip", "anna", {"face_crop": track}, (float(start), float(start + n)), drawn=True
    )


def source_model(neutral: int = 1) -> dsfda.Dsfda:
    """Three classes of which the second is neutral, so that no index is right by accident."""
    w = dsfda_net.new_weights(SIZE, 3, 4, 0)
    rng = np.random.default_rng(0)
    prototypes = torch.from_numpy(rng.uniform(size=(7, SIZE.depth, 8, 8)).astype(np.float32))
    classes = torch.tensor([0, 0, 0, 1, 1, 2, 2])
    task = Task("toy", ("low", "neutral", "high"), "window")
    return dsfda.Dsfda(task, w, SIZE, prototypes, classes, neutral=neutral, drawn=True)


@checked
@given(st.integers(1, 60), st.integers(1, 20))
def test_neutral_frames_are_evenly_spaced(n: int, limit: int) -> None:
    """From the first to the last, over all windows of the clip."""
    model = source_model()
    cut = n // 3
    windows = [clip(k, at) for at, k in ((0, cut), (cut, n - cut)) if k]
    got = number(method.neutral_pictures(model, windows, limit))
    wanted = slow.evenly(n, limit)
    assert len(got) == len(wanted)
    assert all(one in may for one, may in zip(got, wanted, strict=True)), (got, wanted)
    assert got == sorted(set(got))
    if limit > 1:
        assert (got[0], got[-1]) == (0, n - 1)


def test_frames_of_a_window_are_evenly_spaced_too() -> None:
    """The recogniser's, which takes at most 16; those without a face do not count."""
    model = source_model()
    assert number(model.pictures(clip(6, hidden=(0, 3)), 6)) == [1, 2, 4, 5]
    assert number(method.neutral_pictures(model, [clip(6, hidden=(0, 3))], 3)) in (
        [1, 2, 5],
        [1, 4, 5],
    )
    for n, limit in ((40, 16), (16, 16), (7, 3), (31, 4)):
        got = number(replace(model, max_frames=limit).pictures(clip(n)))
        assert all(one in may for one, may in zip(got, slow.evenly(n, limit), strict=True))
        assert number(model.pictures(clip(n), n)) == list(range(n))


def test_a_window_answers_with_the_mean_of_its_frames() -> None:
    model = source_model()
    x = replace(
        clip(3),
        tracks={
            "face_crop": Track(
                Drawn(6).x.movedim(1, -1).float().numpy(), np.arange(2.0), np.ones(2, bool)
            )
        },
    )
    n = networks(model.weights)
    wanted = n.c_exp(n.e_exp(Drawn(6).x.float())).mean(0)
    _, logits = model.run([x])
    torch.testing.assert_close(logits[0], wanted, rtol=1e-4, atol=1e-5)


def test_the_schedule_of_the_adaptation(monkeypatch: pytest.MonkeyPatch) -> None:
    """75 frames of a longer clip, each once per epoch, with prototypes of the other classes in
    turn.
    """
    calls, model = Calls(), source_model()
    calls.record(monkeypatch, method.steps, "target_step")
    given_ = Given(seed=3, neutral=(clip(60), clip(61, 60)))
    method.DsfdaMethod().begin(model, given_)
    assert len(calls.found) == 25 * 4  # 75 frames are batches of 20, 20, 20 and 15
    kept = slow.evenly(121, 75)
    seen, epochs = set(), []
    for at, call in enumerate(calls.found):
        batch = call["batch"]
        n = 15 if at % 4 == 3 else 20
        assert len(batch.x) == n
        assert batch.neutral == 1
        assert batch.y_prototype.tolist() == [(0, 2)[k % 2] for k in range(n)]
        chosen = [
            int((model.prototypes == p).flatten(1).all(1).nonzero()[0]) for p in batch.prototype
        ]
        assert model.prototype_class[chosen].tolist() == batch.y_prototype.tolist()
        seen |= set(chosen)
        epochs.append(number(batch.x))
        factors = dsfda_losses.Factors(**slow.FACTORS)
        assert call["rules"] == dsfda_step.TargetRules(factors, True, True)
        assert call["rates"] == {"generator": 1e-4, "identity_critic": 1e-4, "head": 1e-4}
        check_noises(call, n)
    assert seen == {0, 1, 2, 5, 6}  # all of them but the neutral ones
    whole = [[k for part in epochs[4 * e : 4 * e + 4] for k in part] for e in range(25)]
    assert all(sorted(epoch) == sorted(whole[0]) for epoch in whole)
    assert all(one in may for one, may in zip(sorted(whole[0]), kept, strict=True))
    assert len({tuple(epoch) for epoch in whole}) == 25  # shuffled anew
    first = calls.found[0]["weights"]
    for name, value in model.weights.items():
        # The identity critic has a new head of two classes; everything else is the source's.
        if name.startswith("identity_critic.head"):
            assert not torch.equal(first[name], value) or not value.any()
        else:
            assert torch.equal(first[name], value), name
    assert first["identity_critic.head.2.weight"].shape[0] == 2


def test_without_the_head_it_is_neither_trained_nor_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, model = Calls(), source_model()
    calls.record(monkeypatch, method.steps, "target_step")
    how = method.DsfdaMethod(
        head=False, generated_trains_head=False, epochs=2, batch=3, learning_rate=0.5, max_frames=4
    )
    state = how.begin(model, Given(neutral=(clip(9),)))
    assert len(calls.found) == 2 * 2
    for call in calls.found:
        assert call["rates"] == {"generator": 0.5, "identity_critic": 0.5}
        assert call["rules"] == dsfda_step.TargetRules(dsfda_losses.Factors(), False, False)
    assert {dsfda_net.part(name) for name in state["tuned"]} == {"expression"}


def test_the_released_variant_has_one_class_no_prototype_and_a_new_identity_encoder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Specification a.3, as released: both branches read the neutral frames, every critic moves in
    every step.
    """
    calls, model = Calls(), source_model()
    calls.record(monkeypatch, method.steps, "source_step")
    how = method.DsfdaMethod(variant="released", max_frames=5, epochs=3, batch=2)
    how.begin(model, Given(seed=3, neutral=(clip(41),)))  # not the seed of the model's own weights
    assert len(calls.found) == 3 * 3
    partners = set()
    for call in calls.found:
        batch, rules = call["batch"], call["rules"]
        assert set(number(batch.x_id)) <= {0, 10, 20, 30, 40}
        partners |= set(number(batch.x_expr))
        assert batch.y_id.tolist() == [0] * len(batch.x_id)
        assert batch.y_expr.tolist() == [1] * len(batch.x_id)
        assert rules == dsfda_step.Rules(dsfda_losses.Factors(**slow.FACTORS), False, True, True)
        assert set(call["rates"].values()) == {1e-4}
        check_noises(call, len(batch.x_id))
    assert partners <= {0, 10, 20, 30, 40}
    assert len(partners) > 2
    first = calls.found[0]["weights"]
    kept: Callable[[str], bool] = lambda name: all(  # noqa: E731
        torch.equal(first[k], v) for k, v in model.weights.items() if dsfda_net.part(k) == name
    )
    assert [name for name in dsfda_net.PARTS if name != "identity_critic" and kept(name)] == [
        "expression",
        "head",
        "decoder",
        "expression_critic",
    ]


@checked
@given(seeds, st.integers(1, 9), st.integers(0, 2))
def test_prototypes_in_turn(seed: int, n: int, neutral: int) -> None:
    classes = np.array([2, 0, 1, 1, 0, 2])
    got = method.round_robin(classes, neutral, n, np.random.default_rng(seed))
    others = [c for c in range(3) if c != neutral]
    assert classes[got].tolist() == [others[k % 2] for k in range(n)]


def test_what_is_learnt_is_what_is_kept_and_used() -> None:
    """Encoder and head after the last step answer for the person."""
    model = source_model()
    how = method.DsfdaMethod(epochs=1, max_frames=2, learning_rate=0.05)
    x = clip(4)
    state = how.begin(model, Given(neutral=(x,)))
    w = {**model.weights, **state["tuned"]}
    assert {dsfda_net.part(name) for name in state["tuned"]} == {"expression", "head"}
    for part in ("expression", "head"):
        assert any(not torch.equal(w[k], model.weights[k]) for k in w if dsfda_net.part(k) == part)
    n = networks(w)
    logits = n.c_exp(n.e_exp(pictures(4))).mean(0)
    got, _ = how.step(model, state, x)
    np.testing.assert_allclose(got.logits, logits.numpy(), rtol=1e-3, atol=1e-4)
