"""The one training loop: killed and resumed to the same bits, stopped by a smoothed figure; what
fusion sees in it.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from twomind.core.errors import BadInput
from twomind.models.fusion import recogniser as fusion
from twomind.models.fusion.net import Batch, FusionConfig, FusionNet
from twomind.training.fusion import _drop, _views, fit
from twomind.training.loop import (
    Goal,
    TrainSettings,
    average_precision,
    macro_f1,
    train,
    weighted_loss,
)
from twomind.types import AMBIVALENCE, Progress

HERE = Path(__file__).parent.parent
world = importlib.import_module("fusion_world")
RECIPE = world.RECIPE


_SCRIPT = """
import importlib, sys
from pathlib import Path
sys.path.insert(0, {here!r})
show = lambda *a: print(a[1], flush=True)
importlib.import_module("fusion_world").train_small(Path(sys.argv[1]), show, *sys.argv[2:])
"""


def _kill_after(folder: Path, n_steps: int, *model: str) -> int:
    """Train in a process of its own and kill it with SIGKILL after so many steps."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _SCRIPT.format(here=str(HERE)), str(folder), *model]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env, text=True) as process:
        assert process.stdout is not None
        for step, _ in enumerate(process.stdout, start=1):
            if step == n_steps:
                process.send_signal(signal.SIGKILL)
        return process.wait()


@pytest.mark.slow
def test_killed_with_minus_nine_and_resumed_gives_the_same_bits(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert _kill_after(cut, 5) == -signal.SIGKILL  # in the middle of the second epoch
    assert (cut / "checkpoint").is_file()
    assert not (cut / "model").exists()
    resumed: list[float] = []
    a = world.train_small(whole)
    b = world.train_small(cut, lambda what, done, total: resumed.append(done))
    assert resumed[0] > 1.0  # it went on, it did not begin anew
    assert (a / fusion.WEIGHTS).read_bytes() == (b / fusion.WEIGHTS).read_bytes()


class _Killed(Exception):
    pass


@pytest.mark.parametrize(
    "model",
    [
        "plain",
        "lfan",
        "can",
        *(
            pytest.param(m, marks=pytest.mark.slow)
            for m in ("mt", "jmt", "mt-released", "jmt-released")
        ),
    ],
)
def test_every_kind_of_model_stopped_in_an_epoch_goes_on_to_the_same_bits(
    tmp_path: Path, model: str
) -> None:
    """Left at a step of the second epoch without a last word, as after a kill, but inside this
    process.
    """

    def stop(what: str, done: float, total: int) -> None:
        if done > 1.4:
            raise _Killed

    with pytest.raises(_Killed):
        world.train_small(tmp_path / "cut", stop, model, short=True)
    resumed: list[float] = []
    b = world.train_small(
        tmp_path / "cut", lambda what, done, total: resumed.append(done), model, short=True
    )
    assert 1.0 < resumed[0] < 2.0
    a = world.train_small(tmp_path / "whole", None, model, short=True)
    assert (a / fusion.WEIGHTS).read_bytes() == (b / fusion.WEIGHTS).read_bytes()
    # The weights may be those of the first epoch; loss and figures of the one that was cut are not.
    last = [json.loads((p / fusion.CARD).read_text())["training"]["last"] for p in (a, b)]
    assert last[0] == last[1]
    assert last[0]["epoch"] == 1


def _tiny(
    folder: Path | None,
    seed: int = 0,
    epochs: int = 6,
    patience: int = 6,
    scores: list[float] | None = None,
    smooth: int = 1,
    progress: Progress | None = None,
):
    torch.manual_seed(3)
    x = torch.randn(20, 4)
    y = (x[:, 0] > 0).long()
    module = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    given = iter(scores or [])

    def validate(m: nn.Module) -> dict[str, float]:
        return {"score": next(given) if scores else -float(weighted_loss(m(x), y))}

    settings = TrainSettings(epochs=epochs, batch=5, seed=seed, patience=patience, smooth=smooth)
    loss = lambda m, items: weighted_loss(m(x[items]), y[items])  # noqa: E731
    goal = Goal(20, loss, validate)
    return train(
        module, goal, settings, mark={"x": 1}, checkpoint=folder and folder / "c", progress=progress
    )


def test_the_loop_stops_early_and_keeps_the_best_epoch() -> None:
    done = _tiny(None, epochs=9, patience=2, scores=[0.1, 0.5, 0.4, 0.3, 0.2, 0.1])
    assert (done.best, done.best_epoch, len(done.history)) == (0.5, 1, 4)


def test_epochs_before_the_steps_have_their_full_length_are_not_kept_and_cost_no_patience() -> None:
    done = _tiny(None, epochs=30, patience=2, scores=[0.9, 0.8, 0.7, 0.1, 0.5, 0.4, 0.3, 0.2])
    assert (done.best, done.best_epoch, len(done.history)) == (0.5, 4, 7)
    assert _tiny(None, epochs=1, scores=[0.3]).best_epoch == 0


def test_one_epoch_that_a_few_people_like_by_accident_does_not_end_the_training() -> None:
    """Mean figure of three epochs, none of the warm-up (the first of ten) among them."""
    scores = [0.9, 0.2, 0.45, 0.2, 0.4, 0.4, 0.5, 0.6, 0.7, 0.3]
    done = _tiny(None, epochs=10, patience=3, scores=scores, smooth=1)
    assert (done.best_epoch, len(done.history)) == (2, 6)
    done = _tiny(None, epochs=10, patience=3, scores=scores, smooth=3)
    assert (done.best_epoch, len(done.history)) == (8, 10)
    assert done.best == pytest.approx(0.6)


def _seen_in_training(
    monkeypatch: pytest.MonkeyPatch, config: FusionConfig, gone: str
) -> tuple[list[np.ndarray], np.ndarray, int]:
    """Of a short training: modalities at the head per step ``(N, M)``, withheld questions, and
    items per epoch.
    """
    seen: list[np.ndarray] = []
    unknown: list[np.ndarray] = []
    forward = FusionNet.forward

    def spy(net: FusionNet, batch: Batch, state: object = None, keep: torch.Tensor | None = None):
        out = forward(net, batch, state, keep)
        if net.training:
            seen.append(out.present.any(dim=1).numpy())
            unknown.append((batch.question == RECIPE.question(None)).numpy())
        return out

    monkeypatch.setattr(FusionNet, "forward", spy)
    items = [
        replace(t, x=world.without(t.x, gone)).item() for t in world.takes(range(12), "face", 4)
    ]
    fit(items[8:], items[:8], AMBIVALENCE, RECIPE, config, TrainSettings(epochs=6))
    return seen, np.concatenate(unknown), len(items[8:])


def test_training_sees_recordings_as_they_are_and_with_one_modality_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen, unknown, n = _seen_in_training(monkeypatch, FusionConfig("can"), "voice")
    # As they are, then each modality alone, then some drawn at random: of two, both.
    views = np.concatenate([s.reshape(5, -1, 3) for s in seen], axis=1)
    assert views.shape[1] == 6 * n
    has = np.array([True, False, True])  # the voice was never there
    assert (views == np.r_[[has], np.diag(has), [has]][:, None]).all()
    assert unknown.mean() == pytest.approx(0.3, abs=0.08)


def test_some_of_several_modalities_are_drawn_and_none_that_is_not_there() -> None:
    has = torch.ones(300, 4, dtype=torch.bool)
    has[:, 1] = False
    torch.manual_seed(0)
    views = _views(has)
    assert views.shape == (6, 300, 4)
    assert not views[:, :, 1].any()
    drawn = views[-1].sum(dim=1)
    assert set(drawn.tolist()) == {2, 3}
    assert (_views(torch.ones(300, 3, dtype=torch.bool))[-1].sum(dim=1) == 2).all()
    assert len(_views(torch.ones(2, 2, dtype=torch.bool))) == 3


def test_released_variants_lose_modalities_at_random_and_never_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen, unknown, n = _seen_in_training(
        monkeypatch, FusionConfig("mt", released=True, modality_dropout=0.2), "voice"
    )
    has = np.concatenate(seen)
    assert len(has) == 6 * n
    assert has.any(axis=1).all()
    # Of two modalities each is taken from a fifth, but not both at once: .16 of the recordings lose
    # this one.
    assert (1 - has[:, [0, 2]].mean(axis=0)) == pytest.approx(0.16, abs=0.06)
    assert unknown.mean() == pytest.approx(0.3, abs=0.08)


def test_of_two_modalities_at_most_one_is_taken_from_each_recording() -> None:
    """Some recordings have both, some one, each by itself: what another lost is not its matter."""
    n = 400
    has = torch.ones(n, 2, dtype=torch.bool)
    has[n // 2 :, 0] = False
    mask = {m: has[:, i, None, None].expand(n, 3, 1) for i, m in enumerate(("face", "voice"))}
    values = {m: torch.zeros(n, 3, 1) for m in mask}
    frames, question = torch.ones(n, 3, dtype=torch.bool), torch.zeros(n, dtype=torch.long)
    torch.manual_seed(0)
    config = FusionConfig("mt", released=True, modality_dropout=0.5, question_dropout=0.0)
    left = _drop(Batch(values, mask, frames, question), config, unknown=9)
    there = torch.stack([left.mask[m].flatten(1).any(dim=1) for m in mask], dim=1)
    assert torch.equal(there[n // 2 :], has[n // 2 :])  # the only one is never taken
    of_both = there[: n // 2].sum(dim=1)
    assert set(of_both.tolist()) == {1, 2}
    # One is gone where exactly one was drawn: with a half each, from one in two.
    assert float((of_both == 1).float().mean()) == pytest.approx(0.5, abs=0.1)
    assert not left.question.any()


def test_a_training_that_was_stopped_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    """Weights, moments, random numbers, best epoch and figures are those of one that was not."""
    seen: list[float] = []

    def stop(_what: str, done: float, _total: float) -> None:
        seen.append(done)
        if done > 2.4:
            raise _Killed

    with pytest.raises(_Killed):
        _tiny(tmp_path, progress=stop)
    seen.clear()
    resumed = _tiny(tmp_path, progress=lambda _what, done, _total: seen.append(done))
    assert seen == [epoch + step / 4 for epoch in (2, 3, 4, 5) for step in (1, 2, 3, 4)]
    whole = _tiny(None)
    assert all(torch.equal(value, resumed.weights[k]) for k, value in whole.weights.items())
    assert (whole.best, whole.best_epoch) == (resumed.best, resumed.best_epoch)
    assert whole.history == resumed.history


def test_seeds_differ_and_the_same_seed_does_not() -> None:
    a, b, other = _tiny(None), _tiny(None), _tiny(None, seed=1)
    assert all(torch.equal(v, b.weights[k]) for k, v in a.weights.items())
    assert any(not torch.equal(v, other.weights[k]) for k, v in a.weights.items())


def test_training_leaves_the_callers_random_state_alone() -> None:
    module = nn.Linear(2, 2)
    before = torch.get_rng_state()
    goal = Goal(
        2,
        lambda m, i: (m(torch.ones(1, 2)) + torch.rand(1)).sum(),
        lambda m: {"score": 0.0},
    )
    train(module, goal, TrainSettings(epochs=1), mark={})
    assert torch.equal(torch.get_rng_state(), before)


def test_a_checkpoint_of_other_settings_is_refused_and_a_lost_gpu_named(tmp_path: Path) -> None:
    _tiny(tmp_path)
    with pytest.raises(BadInput, match="another"):
        _tiny(tmp_path, seed=5)
    if not torch.cuda.is_available():
        with pytest.raises(BadInput, match="no GPU"):
            train(nn.Linear(1, 1), Goal(1, None, None), TrainSettings(device="cuda"), mark={})  # type: ignore[arg-type]


def test_figures_of_the_loop_are_those_of_the_score_room() -> None:
    from twomind.evaluation import metrics

    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 200), np.round(rng.random(200), 1)
    assert average_precision(y, p) == pytest.approx(metrics.average_precision(y, p))
    assert macro_f1(y, (p > 0.5).astype(int), 2) == pytest.approx(metrics.macro_f1(y, p))


def test_inside_an_epoch_a_checkpoint_is_written_when_it_is_due(tmp_path: Path) -> None:
    """After every step but the last when none is waited for; the end of the epoch writes its own."""
    kept = tmp_path / "kept.pt"
    seen = []
    goal = Goal(
        3,
        lambda module, items: module.weight.square().sum(),
        lambda module: {"score": 0.0},
    )

    def look(_what: str, _done: float, _total: float) -> None:
        seen.append(kept.is_file())

    for wait_s in (0.0, 1e9):
        settings = TrainSettings(epochs=1, batch=1, checkpoint_every_s=wait_s)
        train(nn.Linear(2, 1), goal, settings, mark={}, checkpoint=kept, progress=look)
        kept.unlink()
    # What lies there when a step is told: that of the step before it.
    assert seen == [False, True, True, False, False, False]
