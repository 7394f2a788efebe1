"""Training of fusion models: killed and resumed to the same bits, cards that are contracts, *when* earned or silent."""

from __future__ import annotations

import csv
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
from click.testing import CliRunner
from torch import nn

from twomind import estimate
from twomind.errors import BadInput, MissingWeights
from twomind.estimate import fusion
from twomind.estimate.fusion_data import apart, read_items, training_set, write_items
from twomind.estimate.fusion_fit import _views, fit, settings_for
from twomind.estimate.fusion_input import default_recipe, fit_scales, grid_of
from twomind.estimate.fusion_net import Batch, FusionConfig, FusionNet
from twomind.estimate.train import TrainSettings, average_precision, macro_f1, train, weighted_loss
from twomind.score.fusion_card import card_figures
from twomind.score.fusion_study import Job, Plan, train_one, train_study, with_validation
from twomind.score.located_frames import Moments, locate_frames, shortcuts
from twomind.serve.cli import main
from twomind.types import AMBIVALENCE, Features, Fold, Recording, Status, Track

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
world = importlib.import_module("fusion_world")
RECIPE = world.RECIPE


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class FakeSet:
    """A data set in memory, behind the contract of ``twomind.capture.datasets``."""

    name = "planted"
    tasks = (AMBIVALENCE,)

    def __init__(self, plant: str, n_people: int, n_each: int = 3) -> None:
        self.takes = {t.x.recording: t for t in world.takes(range(n_people), plant, n_each)}

    def recordings(self):
        return tuple(
            Recording(t.x.recording, t.x.subject, Path("none.mp4"), t.x.question, drawn=True)
            for t in self.takes.values()
        )

    def label(self, task_name: str, recording_id: str) -> int | None:
        return self.takes[recording_id].y

    def frame_labels(self, task_name: str, recording_id: str, times_s: np.ndarray) -> np.ndarray:
        return self.takes[recording_id].frame_labels(times_s)

    def folds(self, protocol: str, seed: int = 0) -> tuple[Fold, ...]:
        people = sorted({t.x.subject for t in self.takes.values()}, key=lambda p: int(p[1:]))
        n = len(people)
        parts = {p: "test" if i < n // 3 else "val" if i < n // 2 else "train" for i, p in enumerate(people)}
        ids = {k: tuple(i for i, t in self.takes.items() if parts[t.x.subject] == k) for k in ("train", "val", "test")}
        return (Fold("one", protocol, ids["train"], ids["test"], ids["val"]),)

    def describe(self, recording: Recording) -> Features:
        return self.takes[recording.id].x


# --- the loop -------------------------------------------------------------------------------------------------------

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


@pytest.mark.parametrize("model", ["plain", "lfan", "can", "mt", "jmt", "mt-released", "jmt-released"])
def test_every_kind_of_model_stopped_in_an_epoch_goes_on_to_the_same_bits(tmp_path: Path, model: str) -> None:
    """Left at a step of the second epoch without a last word, as after a kill, but inside this process."""

    def stop(what: str, done: float, total: int) -> None:
        if done > 1.4:
            raise _Killed

    with pytest.raises(_Killed):
        world.train_small(tmp_path / "cut", stop, model, short=True)
    resumed: list[float] = []
    b = world.train_small(tmp_path / "cut", lambda what, done, total: resumed.append(done), model, short=True)
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
    return train(module, 20, loss, validate, settings, mark={"x": 1}, checkpoint=folder and folder / "c")


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
    """Of a short training: modalities at the head per step ``(N, M)``, withheld questions, and items per epoch."""
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
    items = [replace(t, x=world.without(t.x, gone)).item() for t in world.takes(range(12), "face", 4)]
    fit(items[8:], items[:8], AMBIVALENCE, RECIPE, config, TrainSettings(epochs=6))
    return seen, np.concatenate(unknown), len(items[8:])


def test_training_sees_recordings_as_they_are_and_with_one_modality_alone(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_released_variants_lose_modalities_at_random_and_never_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, unknown, n = _seen_in_training(monkeypatch, FusionConfig("mt", released=True, modality_dropout=0.2), "voice")
    has = np.concatenate(seen)
    assert len(has) == 6 * n
    assert has.any(axis=1).all()
    # Of two modalities each is taken from a fifth, but not both at once: .16 of the recordings lose this one.
    assert (1 - has[:, [0, 2]].mean(axis=0)) == pytest.approx(0.16, abs=0.06)
    assert unknown.mean() == pytest.approx(0.3, abs=0.08)


def test_seeds_differ_and_the_same_seed_does_not() -> None:
    a, b, other = _tiny(None), _tiny(None), _tiny(None, seed=1)
    assert all(torch.equal(v, b.weights[k]) for k, v in a.weights.items())
    assert any(not torch.equal(v, other.weights[k]) for k, v in a.weights.items())


def test_training_leaves_the_callers_random_state_alone() -> None:
    module = nn.Linear(2, 2)
    before = torch.get_rng_state()
    train(
        module, 2, lambda m, i: (m(torch.ones(1, 2)) + torch.rand(1)).sum(), lambda m: {"score": 0.0},
        TrainSettings(epochs=1), mark={},
    )  # fmt: skip
    assert torch.equal(torch.get_rng_state(), before)


def test_a_checkpoint_of_other_settings_is_refused_and_a_lost_gpu_named(tmp_path: Path) -> None:
    _tiny(tmp_path)
    with pytest.raises(BadInput, match="another"):
        _tiny(tmp_path, seed=5)
    if not torch.cuda.is_available():
        with pytest.raises(BadInput, match="no GPU"):
            train(nn.Linear(1, 1), 1, None, None, TrainSettings(device="cuda"), mark={})  # type: ignore[arg-type]


def test_figures_of_the_loop_are_those_of_the_score_room() -> None:
    from twomind.score import metrics

    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 200), np.round(rng.random(200), 1)
    assert average_precision(y, p) == pytest.approx(metrics.average_precision(y, p))
    assert macro_f1(y, (p > 0.5).astype(int), 2) == pytest.approx(metrics.macro_f1(y, p))


# --- features on the grid -------------------------------------------------------------------------------------------


def test_absence_is_a_mask_and_words_keep_their_time() -> None:
    x = world.takes(range(1), "words", 1)[0].x
    grid = grid_of(x, RECIPE)
    face = x.tracks["face_relative"]
    gone = face.times_s[~face.valid]
    rows = (gone / 0.2).astype(int)
    hit = [r for r in set(rows) if not face.valid[(face.times_s / 0.2).astype(int) == r].any()]
    assert hit
    assert not grid.mask["face"][hit].any()
    names = RECIPE.sources["words"].names
    words = x.tracks["words"]
    at = np.flatnonzero(words.values[:, list(words.names).index("positive")])
    expected = np.bincount((words.times_s[at] / 0.2).astype(int), minlength=len(grid))
    np.testing.assert_array_equal(grid.values["words"][:, names.index("positive")], expected)
    unvoiced = ~grid.mask["voice"][:, RECIPE.sources["voice"].names.index("pitch")]
    assert (grid.values["voice"][unvoiced][:, RECIPE.sources["voice"].names.index("pitch")] == 0).all()


def test_scales_are_those_of_the_measured_rows_of_training_people() -> None:
    grids = [t.item().grid for t in world.takes(range(2), "face", 1)]
    scale = fit_scales(grids, RECIPE)["face"]
    d = RECIPE.sources["face"].names.index("AU12")
    measured = np.concatenate([g.values["face"][g.mask["face"][:, d], d] for g in grids])
    assert scale.mean[d] == pytest.approx(measured.mean(), abs=1e-5)
    assert scale.sd[d] == pytest.approx(measured.std(), abs=1e-5)


def test_what_a_recipe_cannot_read_is_said() -> None:
    x = world.takes(range(1), "face", 1)[0].x
    narrow = replace(x.tracks["voice"], values=x.tracks["voice"].values[:, :2], names=("speech", "pitch"), units=())
    with pytest.raises(BadInput, match="lacks energy, syllable"):
        grid_of(replace(x, tracks={"voice": narrow}), RECIPE)
    with pytest.raises(BadInput, match="unknown modality smell"):
        default_recipe(("face", "smell"))
    embedded = default_recipe(("audio_embedding",), embeddings={"audio_embedding": 3})
    track = Track(np.ones((4, 5), np.float32), np.arange(4.0), np.ones(4, bool))
    with pytest.raises(BadInput, match="the model reads"):
        grid_of(Features("r", "p", {"audio_embedding": track}, (0.0, 4.0)), embedded)
    assert default_recipe().sha256 != default_recipe(relative=False).sha256


# --- data, folds, cards ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("study")
    data = FakeSet("face", 12, 4)
    plan = Plan(AMBIVALENCE, RECIPE, FusionConfig("conflict"), TrainSettings(epochs=6), n_bootstrap=200)
    found = train_study(data, data.folds("people"), plan, 2, out, data.describe)
    return out, data, plan, found


def test_a_study_trains_several_seeds_and_is_read_back_when_run_again(study) -> None:
    out, data, plan, found = study
    assert [r["seed"] for r in found["runs"]] == [0, 1]
    assert found["drawn"]
    best = max(found["runs"], key=lambda r: r["validation_score"])
    assert (out / fusion.WEIGHTS).read_bytes() == (Path(best["folder"]) / fusion.WEIGHTS).read_bytes()
    stamps = {p: p.stat().st_mtime_ns for p in out.glob("seed-*/*")}
    assert len(stamps) == 4  # no checkpoint is left behind
    again = train_study(data, data.folds("people"), plan, 2, out, data.describe)
    assert again["runs"] == found["runs"]
    assert {p: p.stat().st_mtime_ns for p in out.glob("seed-*/*")} == stamps


def test_a_job_that_shares_the_machine_uses_one_thread_and_is_done_once(study) -> None:
    out, data, plan, found = study
    torch.set_num_threads(2)
    job = Job(plan, data.folds("people")[0], 1, out / "data.safetensors", out / "seed-1", threads=1)
    assert train_one(job) == found["runs"][1]
    assert torch.get_num_threads() == 1


def test_the_card_says_who_what_and_how(study) -> None:
    out, data, _, _ = study
    card = json.loads((out / fusion.CARD).read_text())
    assert card["drawn"] is True
    assert card["recogniser"] == "fusion"
    assert len(card["people"]["hashes"]) == 8
    text = json.dumps(card)
    assert not any(f'"{r.subject}"' in text for r in data.recordings())
    kept = {tuple(row["with"]): row["auc"] for row in card["absent_modalities"]}
    assert len(kept) == 7
    assert kept[("face", "voice", "words")] > 0.8
    assert kept[("voice", "words")] < kept[("face",)]
    assert card["held_out_people"]["n_people"] == 4


def test_located_is_earned_on_held_out_people_or_silent(study) -> None:
    out, data, _, found = study
    model = estimate.load(out)
    assert found["runs"][0]["locates"]
    take = next(data.takes[i] for i in data.folds("p")[0].test if data.takes[i].spans)
    segments = model.segments(take.x)
    assert segments
    inside = sum(max(0.0, min(s.end_s, b) - max(s.start_s, a)) for s in segments for a, b in take.spans)
    assert inside > 0.5 * sum(s.end_s - s.start_s for s in segments)
    silent = replace(model, card={**model.card, "located": {"locates": False, "reason": "no gain over position"}})
    assert silent.segments(take.x) == ()
    assert silent.locates == (False, "no gain over position")
    never = replace(model, card={k: v for k, v in model.card.items() if k != "located"})
    assert never.segments(take.x) == ()
    assert "never compared" in never.locates[1]


def _moments(rng: np.random.Generator, n: int, score) -> list[Moments]:
    """Answers of four per person whose marked moments lie late."""
    found = []
    for k in range(n):
        position = (np.arange(60) + 0.5) / 60
        present = (rng.random(60) < np.where(position > 0.5, 0.6, 0.1)).astype(int)
        found.append(Moments(f"p{k // 4}", str(k % 3), position, present, score(position, present)))
    return found


def test_a_score_that_only_knows_the_position_does_not_locate() -> None:
    rng = np.random.default_rng(1)
    known = shortcuts(_moments(rng, 40, lambda p, y: p))
    noise = lambda p, y: p + 0.3 * rng.normal(size=len(p))  # noqa: E731
    lazy = locate_frames(_moments(rng, 40, noise), known, n_bootstrap=200)
    assert lazy["auc_inside_answers"]["model"]["value"] > 0.6
    assert not lazy["locates"]
    assert "shows no segments" in lazy["reason"]
    sees = lambda p, y: y + 0.4 * rng.normal(size=len(p))  # noqa: E731
    honest = locate_frames(_moments(rng, 40, sees), known, n_bootstrap=200)
    assert honest["locates"]
    # Level of the answer alone, without any moment: the question row's trick.
    level = lambda p, y: np.full(len(p), y.mean())  # noqa: E731
    assert not locate_frames(_moments(rng, 40, level), known, n_bootstrap=200)["locates"]
    assert not locate_frames(_moments(rng, 4, sees), known)["locates"]


def test_figures_refuse_people_who_were_trained_on(study) -> None:
    out, data, _, _ = study
    model = estimate.load(out)
    items = {i.recording: i for i in read_items(out / "data.safetensors", RECIPE)}
    fold = data.folds("p")[0]
    with pytest.raises(BadInput, match="had a part in training"):
        card_figures(model, [items[i] for i in fold.train], [items[i] for i in fold.val])


def test_a_model_of_before_the_residual_answers_as_it_did(tmp_path: Path) -> None:
    """Its card does not name it; computed with one, the same weights would say something else."""
    items = [t.item() for t in world.takes(range(3), "face", 2)]
    config = FusionConfig("mt", residual=False)
    model = fit(items[:4], items[4:], AMBIVALENCE, RECIPE, config, settings_for(config, epochs=1))
    folder = fusion.save(model, tmp_path / "m")
    card = json.loads((folder / fusion.CARD).read_text())
    assert card["config"].pop("residual") is False
    (folder / fusion.CARD).write_text(json.dumps(card))
    read = estimate.load(folder)
    assert isinstance(read, fusion.FusionRecogniser)
    x = world.takes(range(1), "face", 1)[0].x
    np.testing.assert_array_equal(read.timeline(x)[1], model.timeline(x)[1])
    card["config"]["residual"] = True
    (folder / fusion.CARD).write_text(json.dumps(card))
    other = estimate.load(folder)
    assert isinstance(other, fusion.FusionRecogniser)
    assert np.nanmax(np.abs(other.timeline(x)[1] - model.timeline(x)[1])) > 1e-4


def test_a_permuted_class_order_another_recipe_and_damaged_weights_are_refused(study, tmp_path: Path) -> None:
    model = estimate.load(study[0])

    def broken(**change) -> Path:
        folder = fusion.save(model, tmp_path / f"m{len(list(tmp_path.iterdir()))}")
        card = json.loads((folder / fusion.CARD).read_text())
        card.update({k: f(card[k]) for k, f in change.items()})
        (folder / fusion.CARD).write_text(json.dumps(card))
        return folder

    assert estimate.load(broken()).task == AMBIVALENCE
    with pytest.raises(BadInput, match="order of classes is a contract"):
        estimate.load(broken(task=lambda t: {**t, "classes": t["classes"][::-1]}))
    with pytest.raises(BadInput, match="recipe"):
        estimate.load(broken(recipe=lambda r: {**r, "hop_s": 0.1}))
    folder = broken()
    raw = bytearray((folder / fusion.WEIGHTS).read_bytes())
    raw[-3] ^= 1
    (folder / fusion.WEIGHTS).write_bytes(raw)
    with pytest.raises(MissingWeights, match="not the weights"):
        estimate.load(folder)
    (folder / fusion.WEIGHTS).unlink()
    with pytest.raises(MissingWeights, match="absent"):
        estimate.load(folder)
    with pytest.raises(BadInput, match="no fusion model ships"):
        estimate.load("fusion")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "card.json").write_text("{}")
    with pytest.raises(BadInput, match="names its recogniser"):
        estimate.load(tmp_path / "other")


def test_saved_and_loaded_gives_the_same_answers(study, tmp_path: Path) -> None:
    out, data, _, _ = study
    model = estimate.load(out)
    again = estimate.load(fusion.save(model, tmp_path / "copy"))
    x = next(iter(data.takes.values())).x
    np.testing.assert_array_equal(model.predict(x).probs, again.predict(x).probs)


def test_a_model_of_drawn_people_refuses_a_real_recording(study) -> None:
    out, data, _, _ = study
    model = estimate.load(out)
    real = replace(next(iter(data.takes.values())).x, drawn=False)
    for ask in (model.predict, model.timeline, model.segments):
        with pytest.raises(BadInput, match="drawn people"):
            ask(real)
    with pytest.raises(BadInput, match="drawn people"):
        model.stream()
    assert model.allowing_drawn().predict(real).status is Status.OK


def test_prevalence_and_abstention(study) -> None:
    out, data, _, _ = study
    model = estimate.load(out)
    x = next(iter(data.takes.values())).x
    trained = model.card["calibration"]["prevalence"][1]
    shifted = model.recalibrate(0.2, "a pilot").predict(x)
    p, q = (float(m.probs[1]) for m in (model.predict(x), shifted))
    odds = lambda v: np.log(v / (1 - v))  # noqa: E731
    assert odds(q) - odds(p) == pytest.approx(odds(0.2) - odds(trained), abs=1e-6)
    assert "a pilot" in shifted.reason
    with pytest.raises(BadInput, match="source"):
        model.recalibrate(0.2, "")
    risk = {"half_width": [0.0, 0.45], "coverage": [1.0, 0.5], "error": [0.3, 0.1], "n": 100}
    careful = replace(model, card={**model.card, "calibration": {**model.card["calibration"], "risk": risk}})
    near = careful.recalibrate(float(1 / (1 + np.exp(-(odds(trained) - odds(p))))), "to 0.5").abstaining(0.1)
    assert near.predict(x).status is Status.ABSTAINED
    with pytest.raises(BadInput, match="not reached"):
        careful.abstaining(0.05)


def test_calibration_undoes_the_class_weights(study) -> None:
    """On held-out people, the mean probability of marked rows is their share, though training weighed them up."""
    out, data, _, _ = study
    model = estimate.load(out)
    takes = [data.takes[i] for i in data.folds("p")[0].test]
    p = np.concatenate([model.timeline(t.x)[1][:, 1] for t in takes])
    y = np.concatenate([t.item().frame_y for t in takes])
    weights = model.card["training"]["class_weights"]["frame"]
    assert weights[1] > 1.5 * weights[0]
    assert abs(np.nanmean(p) - y.mean()) < 0.08


def test_training_data_of_a_fold_survives_the_disk_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    data = FakeSet("words", 3, 2)
    ids = [r.id for r in data.recordings()]

    def describe(recording: Recording) -> Features:
        x = data.describe(recording)
        if recording.id == ids[1]:
            return world.without(x, "face", "voice", "words")
        if recording.id == ids[2]:
            raise BadInput("the film is absent")
        return x

    items, skipped = training_set(data, ids, AMBIVALENCE, RECIPE, describe)
    assert [s.recording for s in skipped] == ids[1:3]
    assert "not recorded" in skipped[0].reason
    assert "film is absent" in skipped[1].reason
    back = read_items(write_items(tmp_path / "d", items, RECIPE), RECIPE)
    assert [i.recording for i in back] == [i.recording for i in items]
    for a, b in zip(items, back, strict=True):
        np.testing.assert_array_equal(a.grid.values["words"], b.grid.values["words"])
        np.testing.assert_array_equal(a.frame_y, b.frame_y)
        assert (a.y, a.grid.question, a.subject) == (b.y, b.grid.question, b.subject)
    with pytest.raises(BadInput, match="of this recipe"):
        read_items(tmp_path / "d", default_recipe(("words",)))
    with pytest.raises(BadInput, match="lacks"):
        training_set(data, ["nobody"], AMBIVALENCE, RECIPE, describe)


def test_nobody_is_on_two_sides() -> None:
    people = {"a": "p", "b": "p", "c": "q"}
    with pytest.raises(BadInput, match="both train and test"):
        apart(Fold("f", "x", ("a",), ("b",)), people)
    aside = with_validation(
        Fold("f", "x", tuple(f"r{i}" for i in range(10)), ("t",)), {f"r{i}": f"p{i // 2}" for i in range(10)}
    )
    assert len(aside.val) == 2
    assert not set(aside.val) & set(aside.train)
    items = [t.item() for t in world.takes(range(2), "face", 2)]
    with pytest.raises(BadInput, match="both among"):
        fit(items, items, AMBIVALENCE, RECIPE, FusionConfig("can"))
    flat = [replace(i, y=0, frame_y=np.zeros_like(i.frame_y)) for i in items]
    with pytest.raises(BadInput, match="two are needed"):
        fit(flat, flat, AMBIVALENCE, RECIPE, FusionConfig("can"))


# --- from the command line ------------------------------------------------------------------------------------------


def _invoke(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_train_fusion_and_predict_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verb on a set in memory; then its folder on a drawn film, whose segments are shown only if earned."""
    pytest.importorskip("cv2")
    from twomind.capture import datasets
    from twomind.capture.drawn.people import draw_people
    from twomind.serve import fusion_verbs

    data = FakeSet("words", 9, 3)
    out = tmp_path / "model"
    # Only while training: predict asks whether a film lies in a data set whose people refused to be shown.
    with monkeypatch.context() as patch:
        patch.setattr(datasets, "open_dataset", lambda root, name=None: data, raising=False)
        patch.setattr(fusion_verbs, "described", lambda recording, **_: data.describe(recording))
        code, text, said = _invoke(
            "train", "fusion", "--data", tmp_path, "--protocol", "people", "--model", "lfan", "--modalities",
            "voice,words", "--epochs", 4, "--out", out, "--bootstrap", 100, "--json",
        )  # fmt: skip
    assert code == 0, said
    assert json.loads(text)["runs"][0]["modalities"] == ["voice", "words"]
    assert "say nothing about real faces" in said
    draw_people(tmp_path / "films", n_people=1, seed=3, questions=(7,), size=(320, 240), voice="builtin", workers=1)
    film = next((tmp_path / "films").rglob("*.mp4"))
    code, text, said = _invoke(
        "predict", film, "--model", out, "--out", tmp_path / "r", "--store", tmp_path / "s", "--question", 7, "--json"
    )
    assert code == 0, said
    answer = json.loads(text)["answers"][0]
    assert 0 < answer["prediction"]["probability"] < 1
    model = estimate.load(out)
    shown = (tmp_path / "r" / film.stem / "segments.csv").exists()
    assert shown == model.locates[0] == answer["located"]["status"]
    # The same film as if a coder's data had let the model speak.
    card = json.loads((out / "card.json").read_text())
    for locates in (True, False):
        card["located"] = {"locates": locates, "reason": "set by the test"}
        (out / "card.json").write_text(json.dumps(card))
        folder = tmp_path / f"r{locates}"
        code, *_ = _invoke("predict", film, "--model", out, "--out", folder, "--store", tmp_path / "s")
        assert code == 0
        assert (folder / film.stem / "segments.csv").exists() == locates
        assert (folder / film.stem / "frame_score.csv").exists() == locates
    rows = list(csv.DictReader((tmp_path / "rTrue" / film.stem / "frame_score.csv").read_text().splitlines()))
    assert len(rows) > 20
    assert float(rows[10]["absent"]) + float(rows[10]["present"]) == pytest.approx(1, abs=0.002)
    # Every other kind of model answers about the same film, and not all the same.
    found = {}
    train_items, val_items = ([t.item() for t in world.takes(p, "words", 2)] for p in (range(3), range(3, 5)))
    for kind in ("conflict", "plain", "can", "mt", "jmt", "mt-released", "jmt-released"):
        name, _, released = kind.partition("-")
        config = FusionConfig(name, released=bool(released))
        folder = tmp_path / kind
        fusion.save(fit(train_items, val_items, AMBIVALENCE, RECIPE, config, TrainSettings(epochs=1)), folder)
        code, text, said = _invoke(
            "predict", film, "--model", folder, "--out", tmp_path / f"r-{kind}", "--store", tmp_path / "s", "--json"
        )
        assert code == 0, said
        found[kind] = json.loads(text)["answers"][0]["prediction"]["probability"]
    assert all(0 < p < 1 for p in found.values())
    assert len(set(found.values())) == len(found)


def _summary(folder: Path, name: str, p: float | None) -> None:
    (folder / name).mkdir(parents=True)
    prediction = {"probability": p, "reason": "" if p is not None else "no words"}
    entry = {"schema": "twomind.answer/1", "recording": name, "media": {"path": f"/x/{name}_film.mp4"}}
    (folder / name / "summary.json").write_text(json.dumps({**entry, "prediction": prediction}))


def test_submit_writes_the_challenge_file_and_invents_no_score(tmp_path: Path) -> None:
    for name, p in (("b", 0.75), ("a", 0.2)):
        _summary(tmp_path / "r", name, p)
    out = tmp_path / "s.csv"
    assert _invoke("score", "submit", tmp_path / "r", "--out", out)[0] == 0
    assert out.read_text() == "video_id,p0,p1,label\na,0.800000,0.200000,0\nb,0.250000,0.750000,1\n"
    _summary(tmp_path / "r", "c", None)
    out.unlink()
    code, _, said = _invoke("score", "submit", tmp_path / "r", "--out", out)
    assert code == 3
    assert "no words" in said
    assert not out.exists()
    (tmp_path / "v.txt").write_text("b_film\na_film\nc_film\nd_film\n")
    code, text, said = _invoke(
        "score", "submit", tmp_path / "r", "--out", out, "--videos", tmp_path / "v.txt", "--id", "file", "--fill", 0.4,
        "--no-header", "--json",
    )  # fmt: skip
    assert code == 0, said
    assert json.loads(text)["filled"] == ["c_film", "d_film"]
    assert [line.split(",")[0] for line in out.read_text().splitlines()] == ["b_film", "a_film", "c_film", "d_film"]
    assert _invoke("score", "submit", tmp_path / "nothing", "--out", out)[0] == 3
