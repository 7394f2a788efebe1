"""The drawn BAH study: folds by people, shortcuts that see no held-out label, controls, figures and
resuming.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from twomind_synth.study_world import StudyWorld

from .. import fusion_study
from .. import fusion_study_draws as draws
from .. import fusion_study_score as score
from .. import fusion_study_why as why


@pytest.fixture(scope="module")
def world() -> fusion_study.World:
    return fusion_study.world_of("default", 4, 4)


def test_nobody_is_in_two_parts_and_everybody_is_held_out_once(world: fusion_study.World) -> None:
    who = {r: i.subject for r, i in world.items.items()}
    for fold in world.folds:
        train, val, test = ({who[r] for r in part} for part in (fold.train, fold.val, fold.test))
        assert all((train, val, test))
        assert not train & val
        assert not (train | val) & test
    assert sorted(r for f in world.folds for r in f.test) == sorted(world.items)


def test_kind_of_a_moment_is_that_of_the_nearest_true_span() -> None:
    truth = SimpleNamespace(
        spans=((2.0, 4.0), (8.0, 9.0), (20.0, 21.0)),
        conflict=((), ("facial", "language"), ("facial", "language")),
        within=("", "", "facial"),
    )
    times = np.array([0.0, 1.5, 3.0, 6.0, 8.5, 9.6, 20.5])
    assert score.kinds_of(truth, times).tolist() == [
        "",
        "rest",
        "rest",
        "",
        "conflict",
        "conflict",
        "within",
    ]


def test_shortcut_rows_do_not_read_the_labels_of_their_fold(world: fusion_study.World) -> None:
    held = score.Held.of(world)
    test = set(world.folds[0].test)
    lies = {
        r: replace(i, y=1 - i.y, frame_y=1 - i.frame_y) if r in test else i
        for r, i in world.items.items()
    }
    before, after = (
        dict(score.shortcut_rows(w, held)) for w in (world, replace(world, items=lies))
    )
    first = held.fold == 0
    changed = False
    for name in score.ORDER:
        for kind, own in (("video", first), ("frame", first[held.answer])):
            a, b = getattr(before[name], kind), getattr(after[name], kind)
            if a is not None:
                np.testing.assert_array_equal(a[own], b[own])
                changed |= not np.array_equal(a[~own], b[~own])
    assert changed  # the same people are training people of the other folds


def test_figures_of_a_score_that_knows_and_of_one_that_does_not(world: fusion_study.World) -> None:
    held = score.Held.of(world)
    rng = np.random.default_rng(0)
    knows = score.Said(held.y * 0.8 + 0.1, held.present * 4.0 - 2.0)
    blind = score.Said(rng.random(len(held.y)), rng.normal(size=len(held.present)))
    half = score.Said(held.y * 0.8 + 0.1, np.where(held.kind == "rest", 2.0, -2.0))
    said = {
        **dict(score.shortcut_rows(world, held)),
        "conflict": knows,
        "plain": half,
        "words": blind,
    }
    found = score.scored(held, said, 40)
    assert (
        found["rows"]["conflict"]["frame_auc"]["value"]
        == found["rows"]["conflict"]["video_auc"]["value"]
        == 1.0
    )
    gain = found["gains"]["conflict - plain"]
    assert gain["frame_auc_conflict"]["value"] == pytest.approx(0.5)
    assert gain["frame_auc_rest"]["value"] == 0.0
    assert found["gains"]["conflict - words"]["frame_auc"]["ci"][0] > 0.2
    assert found["locates"] == {"conflict": True, "plain": True, "words": False}


def test_shuffled_world_pairs_nobody_with_themselves(world: fusion_study.World) -> None:
    xs = [world.features[r] for r in world.truths]
    mixed = fusion_study.shuffled(xs, list(world.truths.values()))
    rows_of_person = {
        s: {r.tobytes() for x in xs if x.subject == s for r in x.tracks["face"].values}
        for s in {x.subject for x in xs}
    }
    for x, y in zip(xs, mixed, strict=True):
        assert y.tracks["words"] is x.tracks["words"]
        assert not any(r.tobytes() in rows_of_person[x.subject] for r in y.tracks["face"].values)
        times = y.tracks["face"].times_s
        assert (np.diff(times) > 0).all()
        assert x.span_s[0] <= times[0] < times[-1] < x.span_s[1]


@pytest.mark.slow
def test_the_study_runs_and_goes_on_without_training_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (
        fusion_study.Row("conflict"),
        fusion_study.Row("plain"),
        fusion_study.Row("plain", ("words",)),
    )

    def run() -> dict[str, Any]:
        return fusion_study.study(
            4, 1, 1, tmp_path, rows, n_folds=4, n_bootstrap=20, worlds=("default",)
        )["default"]

    first = run()
    assert set(first["absent"]["conflict"]) >= {"face", "voice", "words", "face + voice"}
    assert first["deletion"]["conflict"]["n_people"] == 4
    assert {"conflict - words", "conflict - plain", "plain - question_position"} <= set(
        first["gains"]
    )
    monkeypatch.setattr(fusion_study, "fit", lambda *_, **__: pytest.fail("trained again"))
    # As text: what is not defined for so few is nan, and nan is not nan.
    assert json.dumps(run()["rows"]) == json.dumps(first["rows"])


# --- why fusion gains what it gains
# ----------------------------------------------------------------------------------


def test_smaller_training_sets_are_parts_of_larger_ones_and_the_same_people_are_held_out() -> None:
    small, large = (w.folds[0] for w in why.sized("default", StudyWorld(), (3, 4), 2, 1))
    assert small.test == large.test
    assert set(small.train) | set(small.val) < set(large.train) | set(large.val)
    assert not set(large.test) & (set(large.train) | set(large.val))


def test_what_a_modality_shows_is_counted_from_the_drawn_truth(world: fusion_study.World) -> None:
    held = score.Held.of(world)
    told = {
        r: replace(t, cues=tuple({"audio": ("pause",)} for _ in t.spans))
        for r, t in world.truths.items()
    }
    found = why.shown(replace(world, truths=told), held)
    assert found["share_of_marked_moments"] == {"face": 0.0, "voice": 1.0, "words": 0.0}
    assert found["by_this_one_alone"] == {"face": 0.0, "voice": 1.0, "words": 0.0}
    assert found["ceiling"]["voice"] == found["ceiling"]["annotation"] > 0.9
    assert found["ceiling"]["words"] == 0.5


def test_a_contradiction_turns_with_the_tone_of_the_words_and_does_not_see_the_label(
    world: fusion_study.World,
) -> None:
    held = score.Held.of(world)
    source = world.recipe.sources["words"]
    pro, con = source.at(source.approach), source.at(source.avoid)

    def turned(item: Any) -> Any:
        words = item.grid.values["words"].copy()
        sums = words[:, con].sum(axis=1), words[:, pro].sum(axis=1)
        words[:, [*pro, *con]] = 0
        words[:, pro[0]], words[:, con[0]] = sums
        return replace(
            item, grid=replace(item.grid, values={**item.grid.values, "words": words}), y=1 - item.y
        )

    before = why.contradiction(world, held, 0)
    after = why.contradiction(world, replace(held, items=tuple(turned(i) for i in held.items)), 0)
    for kind in ("measured", "drawn"):
        assert (before[kind] != 0).any()
        np.testing.assert_allclose(after[kind], -before[kind], atol=1e-6)


def test_a_told_signal_gains_where_it_knows_and_not_where_it_does_not(
    world: fusion_study.World,
) -> None:
    held = score.Held.of(world)
    rng = np.random.default_rng(0)
    said = score.Said(None, held.present + rng.normal(size=len(held.present)))
    signals = {"knows": held.present * 2.0 - 1.0, "nothing": rng.normal(size=len(held.present))}
    found = why.told(held, said, signals, 40)
    assert found["knows"]["frame_auc"]["ci"][0] > 0.1
    assert abs(found["nothing"]["frame_auc"]["value"]) < 0.03


def test_gains_are_told_seed_by_seed(
    world: fusion_study.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = score.Held.of(world)
    knows, blind = held.present * 2.0 - 1.0, np.zeros(len(held.present))
    seen = []

    def said(w: Any, h: Any, models: Any, modalities: tuple[str, ...]) -> score.Said:
        seen.append((models[0], modalities))
        return score.Said(None, knows if models[0] == "good" else blind)

    monkeypatch.setattr(score, "predictions", said)
    models = {"conflict": ["good", "bad"], "plain": ["bad", "bad"], "face": ["bad", "good"]}
    found = score.by_seed(world, held, models, 10)  # type: ignore[arg-type]
    gains = {
        s: {n: g["frame_auc"]["value"] for n, g in pairs.items()} for s, pairs in found.items()
    }
    assert gains["0"] == {"conflict - plain": 0.5, "conflict - face": 0.5, "plain - face": 0.0}
    assert gains["1"] == {"conflict - plain": 0.0, "conflict - face": -0.5, "plain - face": -0.5}
    assert {m for _, m in seen} == {("face",), fusion_study.ALL}


def test_every_draw_has_other_people_and_nobody_is_in_two_parts() -> None:
    seen: set[tuple[float, ...]] = set()
    for seed in (100, 101):
        world = draws.world_of_draw("default", seed, 4, 3)
        who = {r: i.subject for r, i in world.items.items()}
        train, val, test = (
            {who[r] for r in part}
            for part in (world.folds[0].train, world.folds[0].val, world.folds[0].test)
        )
        assert (len(train), len(val), len(test)) == (3, 1, 3)
        assert not train & val
        assert not (train | val) & test
        faces = {tuple(i.grid.values["face"][:3].ravel().tolist()) for i in world.items.values()}
        assert not faces & seen
        seen |= faces


def test_over_draws_the_interval_is_that_of_student() -> None:
    from scipy import stats

    v = [0.01, 0.03, -0.02, 0.05]
    found = draws.over(v)
    assert found["value"] == pytest.approx(np.mean(v))
    assert found["ci"] == pytest.approx(stats.t.interval(0.95, 3, np.mean(v), stats.sem(v)))
    assert (found["above"], found["n"]) == (3, 4)


@pytest.mark.slow
def test_draws_are_done_once_and_absences_are_set_against_the_network_of_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tuple(
        r for r in fusion_study.ROWS if r.name in ("conflict", "plain", "face", "face + voice")
    )
    plan = draws.Plan(4, 2, 1, rows, ("default", "no-conflict"), tmp_path)
    first = draws.one_draw(plan, 100, 1, 1, 100)
    monkeypatch.setattr(draws, "trained", lambda *a: pytest.fail("trained again"))
    assert json.loads(json.dumps(draws.one_draw(plan, 100, 1, 1, 100))) == json.loads(
        json.dumps(first)
    )
    found = draws.gathered([first, first])
    gain = found["absent"]["plain"]["words"]["frame_auc"]
    rows_ = first["default"]["rows"]
    alone = first["default"]["absent"]["plain"]["words"]["frame_auc"]
    assert gain["less_trained"]["value"] == pytest.approx(
        alone - rows_["face + voice"]["frame_auc"]
    )
    assert gain["change"]["value"] == pytest.approx(alone - rows_["plain"]["frame_auc"])
    assert (
        "less_trained" not in found["absent"]["plain"]["face"]["frame_auc"]
    )  # voice + words was not trained
    assert found["no-conflict"]["frame_auc"]["value"] == pytest.approx(
        first["no-conflict"]["rows"]["conflict"]["frame_auc"]
        - first["no-conflict"]["rows"]["plain"]["frame_auc"]
    )
    assert "conflict" in draws.table(found)


def test_slow_heads_and_further_draws_are_fewer_and_nobody_is_dropped_elsewhere(
    tmp_path: Path,
) -> None:
    plan = draws.Plan(16, 24, 30, draws.DRAW_ROWS, fusion_study.WORLDS, tmp_path)
    whole, fast, pair = (draws.narrowed_plan(plan, n, 12, 5) for n in (4, 5, 12))
    assert whole == plan
    assert {r.name for r in plan.rows} - {r.name for r in fast.rows} == {
        "mt",
        "jmt",
        "mt without residual",
    }
    assert fast.worlds == fusion_study.WORLDS
    assert [r.name for r in pair.rows] == ["conflict", "plain", "face"]
    assert pair.worlds == ("default",)
    a = {
        "default": {
            "rows": {"conflict": {"frame_auc": 0.8}, "plain": {"frame_auc": 0.7}},
            "absent": {},
        }
    }
    b = {"default": {"rows": {"plain": {"frame_auc": 0.9}}, "absent": {}}}
    found = draws.gathered([a, b, a])
    assert found["gains"]["conflict - plain"]["frame_auc"]["n"] == 2
    assert found["gains"]["conflict - plain"]["frame_auc"]["value"] == pytest.approx(0.1)
    assert found["rows"]["plain"]["frame_auc"]["n"] == 3


def test_what_the_terms_give_everywhere_is_not_told_as_a_gain_on_conflicts() -> None:
    def row(conflict: float, rest: float) -> dict[str, float]:
        return {"frame_auc_conflict": conflict, "frame_auc_rest": rest}

    everywhere = {"conflict": row(0.85, 0.75), "plain": row(0.8, 0.7)}
    there = {"conflict": row(0.85, 0.69), "plain": row(0.8, 0.7)}
    found = draws.beyond_the_rest([everywhere, there, {"plain": row(0.8, 0.7)}])
    assert set(found) == {"conflict"}
    assert found["conflict"]["n"] == 2
    assert found["conflict"]["value"] == pytest.approx((0.0 + 0.06) / 2)
