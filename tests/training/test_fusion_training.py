"""Fusion models: features on the grid, cards that are contracts, *when* earned or silent,
calibration.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from twomind import models as estimate
from twomind.core.errors import BadInput, MissingWeights
from twomind.core.seals import read_sealed
from twomind.evaluation.fusion_card import card_figures
from twomind.evaluation.fusion_folds import Job, Plan, train_one, train_study, with_validation
from twomind.evaluation.located_frames import Moments, locate_frames, shortcuts
from twomind.models.fusion import recogniser as fusion
from twomind.models.fusion.input import default_recipe, fit_scales, grid_of
from twomind.models.fusion.net import FusionConfig
from twomind.training.fusion import _threshold, fit, settings_for
from twomind.training.fusion_data import Item, apart, labelled, read_items, write_items
from twomind.training.loop import TrainSettings
from twomind.types import AMBIVALENCE, Features, Fold, Status, Track

HERE = Path(__file__).parent.parent
world = importlib.import_module("fusion_world")
RECIPE = world.RECIPE


# --- features on the grid
# -------------------------------------------------------------------------------------------


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
    assert (
        grid.values["voice"][unvoiced][:, RECIPE.sources["voice"].names.index("pitch")] == 0
    ).all()


def test_scales_are_those_of_the_measured_rows_of_training_people() -> None:
    grids = [t.item().grid for t in world.takes(range(2), "face", 1)]
    scale = fit_scales(grids, RECIPE)["face"]
    d = RECIPE.sources["face"].names.index("AU12")
    measured = np.concatenate([g.values["face"][g.mask["face"][:, d], d] for g in grids])
    assert scale.mean[d] == pytest.approx(measured.mean(), abs=1e-5)
    assert scale.sd[d] == pytest.approx(measured.std(), abs=1e-5)


def test_what_a_recipe_cannot_read_is_said() -> None:
    x = world.takes(range(1), "face", 1)[0].x
    narrow = replace(
        x.tracks["voice"],
        values=x.tracks["voice"].values[:, :2],
        names=("speech", "pitch"),
        units=(),
    )
    with pytest.raises(BadInput, match="lacks energy, syllable"):
        grid_of(replace(x, tracks={"voice": narrow}), RECIPE)
    with pytest.raises(BadInput, match="unknown modality smell"):
        default_recipe(("face", "smell"))
    embedded = default_recipe(("audio_embedding",), embeddings={"audio_embedding": 3})
    track = Track(np.ones((4, 5), np.float32), np.arange(4.0), np.ones(4, bool))
    with pytest.raises(BadInput, match="the model reads"):
        grid_of(Features("r", "p", {"audio_embedding": track}, (0.0, 4.0)), embedded)
    assert default_recipe().sha256 != default_recipe(relative=False).sha256


# --- data, folds, cards
# ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("study")
    data = world.FakeSet("face", 12, 4)
    plan = Plan(
        AMBIVALENCE, RECIPE, FusionConfig("conflict"), TrainSettings(epochs=6), n_bootstrap=200
    )
    found = train_study(data, data.folds("people"), plan, 2, out, data.describe)
    return out, data, plan, found


@pytest.mark.slow
def test_a_study_trains_several_seeds_and_is_read_back_when_run_again(study) -> None:
    out, data, plan, found = study
    assert [r["seed"] for r in found["runs"]] == [0, 1]
    assert found["drawn"]
    best = max(found["runs"], key=lambda r: r["validation_score"])
    assert (out / fusion.WEIGHTS).read_bytes() == (
        Path(best["folder"]) / fusion.WEIGHTS
    ).read_bytes()
    stamps = {p: p.stat().st_mtime_ns for p in out.glob("seed-*/*")}
    # No checkpoint is left behind.
    assert {path.name for path in stamps} == {fusion.CARD, fusion.WEIGHTS, "held-out.csv"}
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
    inside = sum(
        max(0.0, min(s.end_s, b) - max(s.start_s, a)) for s in segments for a, b in take.spans
    )
    assert inside > 0.5 * sum(s.end_s - s.start_s for s in segments)
    silent = replace(
        model, card={**model.card, "located": {"locates": False, "reason": "no gain over position"}}
    )
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
    card = read_sealed(folder / fusion.CARD)
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


def test_a_permuted_class_order_another_recipe_and_damaged_weights_are_refused(
    study, tmp_path: Path
) -> None:
    model = estimate.load(study[0])

    def broken(**change) -> Path:
        folder = fusion.save(model, tmp_path / f"m{len(list(tmp_path.iterdir()))}")
        card = read_sealed(folder / fusion.CARD)
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
        with pytest.raises(BadInput, match="synthetic people"):
            ask(real)
    with pytest.raises(BadInput, match="synthetic people"):
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
    careful = replace(
        model, card={**model.card, "calibration": {**model.card["calibration"], "risk": risk}}
    )
    near = careful.recalibrate(
        float(1 / (1 + np.exp(-(odds(trained) - odds(p))))), "to 0.5"
    ).abstaining(0.1)
    assert near.predict(x).status is Status.ABSTAINED
    with pytest.raises(BadInput, match="not reached"):
        careful.abstaining(0.05)


def test_calibration_undoes_the_class_weights(study) -> None:
    """On held-out people, the mean probability of marked rows is their share, though training
    weighed them up.
    """
    out, data, _, _ = study
    model = estimate.load(out)
    takes = [data.takes[i] for i in data.folds("p")[0].test]
    p = np.concatenate([model.timeline(t.x)[1][:, 1] for t in takes])
    y = np.concatenate([t.item().frame_y for t in takes])
    weights = model.card["training"]["class_weights"]["frame"]
    assert weights[1] > 1.5 * weights[0]
    assert abs(np.nanmean(p) - y.mean()) < 0.08


def test_training_data_of_a_fold_survives_the_disk_and_says_what_it_leaves_out(
    tmp_path: Path,
) -> None:
    data = world.FakeSet("words", 3, 2)
    xs = [data.describe(recording) for recording in data.recordings()]
    xs[1] = world.without(xs[1], "face", "voice", "words")
    found = [labelled(data, AMBIVALENCE, x, RECIPE) for x in xs]
    (skipped,) = (one for one in found if not isinstance(one, Item))
    assert skipped.recording == xs[1].recording
    assert "not recorded" in skipped.reason
    items = [one for one in found if isinstance(one, Item)]
    back = read_items(write_items(tmp_path / "d", items, RECIPE), RECIPE)
    assert [i.recording for i in back] == [i.recording for i in items]
    for a, b in zip(items, back, strict=True):
        np.testing.assert_array_equal(a.grid.values["words"], b.grid.values["words"])
        np.testing.assert_array_equal(a.frame_y, b.frame_y)
        assert (a.y, a.grid.question, a.subject) == (b.y, b.grid.question, b.subject)
    with pytest.raises(BadInput, match="of this recipe"):
        read_items(tmp_path / "d", default_recipe(("words",)))


def test_nobody_is_on_two_sides() -> None:
    people = {"a": "p", "b": "p", "c": "q"}
    with pytest.raises(BadInput, match="both train and test"):
        apart(Fold("f", "x", ("a",), ("b",)), people)
    aside = with_validation(
        Fold("f", "x", tuple(f"r{i}" for i in range(10)), ("t",)),
        {f"r{i}": f"p{i // 2}" for i in range(10)},
    )
    assert len(aside.val) == 2
    assert not set(aside.val) & set(aside.train)
    items = [t.item() for t in world.takes(range(2), "face", 2)]
    with pytest.raises(BadInput, match="both among"):
        fit(items, items, AMBIVALENCE, RECIPE, FusionConfig("can"))
    flat = [replace(i, y=0, frame_y=np.zeros_like(i.frame_y)) for i in items]
    with pytest.raises(BadInput, match="two are needed"):
        fit(flat, flat, AMBIVALENCE, RECIPE, FusionConfig("can"))


def test_a_row_is_marked_above_the_threshold_not_at_it() -> None:
    odds = np.repeat([0.25, 0.75], 50)
    p = np.stack([1 - odds, odds], axis=1)
    assert _threshold((odds > 0.5).astype(int), p) == 0.25
