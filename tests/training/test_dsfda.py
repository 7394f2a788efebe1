"""DSFDA: sizes, training that learns and resumes, prototypes in place of faces, and the
adaptation.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from twomind.adaptation.methods.dsfda import DsfdaMethod, round_robin, toy_world
from twomind.adaptation.state import load_state, save_state
from twomind.core.errors import BadInput
from twomind.models.dsfda import net as dsfda_net
from twomind.models.dsfda import recogniser as dsfda
from twomind.training import dsfda_losses, dsfda_step
from twomind.training.dsfda import Pictures, TrainSettings, partners, train
from twomind.types import Access, Example, Given, Status, Task

SIZE = dsfda_net.Size(64, 2, 1, 8, 2, 1, (4, 4, 4))
TASK = Task("toy", ("neutral", "pain"), "window")


def pictures(n_people: int = 2, n: int = 8, seed: int = 0) -> Pictures:
    """People differ in colour; pain has a dark bar across the middle."""
    rng = np.random.default_rng(seed)
    x, y, people = [], [], []
    for p in range(n_people):
        colour = rng.uniform(0.4, 1, 3)
        for k in range(n):
            one = colour[:, None, None] * np.ones((3, 64, 64)) + 0.02 * rng.normal(size=(3, 64, 64))
            if k % 2:
                one[:, 20:40, 10:54] *= 0.2
            x.append(one.clip(0, 1))
            y.append(k % 2)
            people.append(f"p{p}")
    return Pictures(torch.tensor(np.array(x), dtype=torch.float32), np.array(y), np.array(people))


@pytest.mark.parametrize(
    ("size", "total", "test_time"),
    [("tiny", 0.58e6, 0.15e6), ("small", 2.38e6, 0.61e6), ("full", 36.57e6, 10.16e6)],
)
def test_sizes_are_the_documented_ones(size: str, total: float, test_time: float) -> None:
    shapes = dsfda_net.shapes(dsfda_net.SIZES[size], 2, 77 if size == "full" else 20)
    count = {name: int(np.prod(shape)) for name, shape in shapes.items()}
    assert sum(count.values()) == pytest.approx(total, rel=0.01)
    used = sum(n for name, n in count.items() if dsfda_net.part(name) in ("expression", "head"))
    assert used == pytest.approx(test_time, rel=0.025)  # the notes round to two digits


def test_the_reduced_network_keeps_the_map_and_the_picture() -> None:
    w = dsfda_net.new_weights(SIZE, 2, 2)
    x = pictures().x[:2]
    features = dsfda_net.encode(w, "expression", x)
    assert features.shape == (2, SIZE.depth, 8, 8)
    made = dsfda_net.decode(w, features, features, torch.zeros(2, SIZE.noise, 8, 8))
    assert made.shape == x.shape
    with pytest.raises(BadInput, match="64 or 128"):
        replace(SIZE, px=96)


def test_the_expression_loss_trains_the_encoder_only_in_paper() -> None:
    """With every other term off, the released rules leave the encoder where it is."""
    data, y = pictures(), torch.tensor([0, 1, 0, 1])
    batch = dsfda_step.Batch(data.x[:4], torch.zeros(4, dtype=torch.long), data.x[:4], y)
    nothing = dsfda_losses.Factors(0, 0, 0, 0, 0)
    noises = tuple(torch.zeros(4, SIZE.noise, 8, 8) for _ in range(3))
    moved = []
    for paper in (True, False):
        w = dsfda_net.new_weights(SIZE, 2, 2)
        training = dsfda_step.start(w, 1e-2)
        dsfda_step.source_step(training, batch, noises, dsfda_step.Rules(nothing, paper))  # type: ignore[arg-type]
        after = training.frozen()
        moved.append(not torch.equal(after["expression.stem0.conv"], w["expression.stem0.conv"]))
        assert not torch.equal(after["head.2.weight"], w["head.2.weight"])
    assert moved == [True, False]


def test_a_training_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path) -> None:
    """The short kin of the next one: each epoch is done once, and the moments go on too."""
    data, keep = replace(pictures(n=2), drawn=True), tmp_path / "half.safetensors"
    settings = TrainSettings(learning_rate=5e-3, epochs=2, batch=4)
    whole = train(TASK, data, SIZE, settings)
    train(TASK, data, SIZE, replace(settings, epochs=1), keep=keep)
    told: list[float] = []
    tell = lambda _what, done, _total: told.append(done)  # noqa: E731
    resumed = train(TASK, data, SIZE, settings, keep=keep, progress=tell)
    assert told == [2]
    for name, value in whole.weights.items():
        torch.testing.assert_close(resumed.weights[name], value, rtol=0, atol=1e-6)
    history = [model.card["training"]["history"] for model in (whole, resumed)]
    assert [row["epoch"] for row in history[1]] == [0, 1]
    assert history[1][-1]["cycle_id"] == pytest.approx(history[0][-1]["cycle_id"], abs=1e-5)
    with pytest.raises(BadInput, match="these settings"):
        train(TASK, data, SIZE, replace(settings, seed=1), keep=keep)


def test_training_learns_and_an_interrupted_one_ends_the_same(tmp_path: Path) -> None:
    data = replace(pictures(), drawn=True)
    settings = TrainSettings(learning_rate=5e-3, epochs=6, batch=8)
    whole = train(TASK, data, SIZE, settings)
    history = whole.card["training"]["history"]
    assert history[-1]["cycle_id"] < 0.9 * history[0]["cycle_id"]
    keep = tmp_path / "half.safetensors"
    train(TASK, data, SIZE, replace(settings, epochs=3), keep=keep)
    resumed = train(TASK, data, SIZE, settings, keep=keep)
    for name, value in whole.weights.items():
        torch.testing.assert_close(resumed.weights[name], value, rtol=0, atol=1e-6)
    loaded = dsfda.Dsfda.load(whole.save(tmp_path / "model"))
    assert loaded.size == SIZE
    assert loaded.prototypes is not None
    assert torch.equal(loaded.prototypes, whole.prototypes)
    with pytest.raises(BadInput, match="two classes"):
        partners(np.zeros(5, int), np.random.default_rng(0))
    assert (data.y[partners(data.y, np.random.default_rng(0))] != data.y).all()


def test_prototypes_are_centroids_and_never_one_picture() -> None:
    data = pictures(n=4)
    w, y = dsfda_net.new_weights(SIZE, 2, 2), torch.from_numpy(data.y)
    prototypes, classes = dsfda.prototypes_of(w, data.x, y, per_class=8)
    assert classes.tolist() == [0, 0, 1, 1]  # four pictures of a class: two centroids at most
    with torch.no_grad():
        maps = dsfda_net.encode(w, "expression", data.x)
    wanted = np.mean([maps[y == c].mean(0).numpy() for c in (0, 1)])
    assert float(prototypes.mean()) == pytest.approx(float(wanted), abs=0.05)
    with pytest.raises(BadInput, match="at least two pictures"):
        dsfda.prototypes_of(w, data.x[:3], y[:3])


def test_a_summary_holds_prototypes_only() -> None:
    world = toy_world()
    source = [Example(x, k % 2) for k, x in enumerate(world.windows["anna"])]
    summary = dsfda.source_summary(world.model, per_class=2)(tuple(source))
    assert sorted(summary) == [dsfda.PROTOTYPE_CLASS, dsfda.PROTOTYPES]
    assert summary[dsfda.PROTOTYPES].shape == (4, world.model.size.depth, 8, 8)


def test_pictures_are_scaled_once_and_checked() -> None:
    grey = np.full((1, 64, 64, 3), 128, np.uint8)
    assert float(dsfda.as_pictures(grey, 64).max()) == pytest.approx(128 / 255)
    assert dsfda.as_pictures(np.full((2, 90, 80, 3), 7, np.uint8), 64).shape == (2, 3, 64, 64)
    with pytest.raises(BadInput, match="in \\[0, 1\\]"):
        dsfda.as_pictures(grey.astype(np.float32), 64)
    with pytest.raises(BadInput, match="RGB"):
        dsfda.as_pictures(grey[..., 0], 64)


def test_a_neutral_clip_without_prototypes_is_refused() -> None:
    world = toy_world()
    given = world.given("anna")
    only_neutral = {
        dsfda.PROTOTYPES: given.summary[dsfda.PROTOTYPES][:2],
        dsfda.PROTOTYPE_CLASS: np.array([0, 0]),
    }
    for summary in ({}, only_neutral):
        with pytest.raises(BadInput, match="other than 'class0'"):
            DsfdaMethod(epochs=1).begin(world.model, replace(given, summary=summary))
    assert DsfdaMethod().needs == Access.NEUTRAL | Access.SUMMARY
    chosen = round_robin(np.array([0, 1, 1, 2]), 0, 6, np.random.default_rng(0))
    assert [int(c) for c in np.array([0, 1, 1, 2])[chosen]] == [1, 2, 1, 2, 1, 2]


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_adaptation_is_a_small_value_that_survives_disk(variant: str, tmp_path: Path) -> None:
    world = toy_world()
    method = DsfdaMethod(variant=variant, epochs=2, learning_rate=1e-2)
    given, x = world.given("anna").only(method.needs), world.windows["anna"][0]
    state = method.begin(world.model, given)
    assert {dsfda_net.part(name) for name in state["tuned"]} == {"expression", "head"}
    prediction, _ = method.step(world.model, state, x)
    assert not np.allclose(prediction.probs, world.model.predict(x).probs, atol=1e-7)
    loaded, _ = load_state(save_state(tmp_path / "anna.safetensors", state))
    again, _ = method.step(world.model, loaded, x)
    assert np.array_equal(again.probs, prediction.probs)
    small = replace(method, head=False).begin(world.model, given)
    assert {dsfda_net.part(name) for name in small["tuned"]} == {"expression"}


def test_generated_faces_keep_the_other_class_alive() -> None:
    """On a neutral clip alone the recogniser forgets pain; with the generated faces it does so
    less.
    """
    world = toy_world()
    given = world.given("anna")
    left = []
    for generated in (False, True):
        method = DsfdaMethod(epochs=12, learning_rate=1e-2, generated_trains_head=generated)
        state = method.begin(world.model, given)
        p = [method.step(world.model, state, x)[0].probs[1] for x in world.windows["anna"][:4]]
        left.append(float(np.mean(p)))
    assert left[1] > left[0] + 0.05


def test_a_clip_without_a_face_is_refused_and_a_real_window_not_measured() -> None:
    world = toy_world()
    given, x = world.given("anna"), world.windows["anna"][0]
    with pytest.raises(BadInput, match="1 windows of which none shows one"):
        DsfdaMethod().begin(world.model, replace(given, neutral=(replace(x, tracks={}),)))
    real = replace(x, drawn=False)
    assert DsfdaMethod().step(world.model, {"tuned": {}}, real)[0].status is Status.NOT_MEASURED
    with pytest.raises(BadInput, match="DSFDA model"):
        DsfdaMethod().begin(object(), Given())  # type: ignore[arg-type]
