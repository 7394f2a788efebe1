"""Fusion models: each head learns what was planted, survives what is missing, streams, and says
why.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from fusion_world import RECIPE, paired_across_people, takes, without
from twomind.core.errors import BadInput
from twomind.evaluation.deletion import bites, falls
from twomind.models.fusion.input import default_recipe, fit_scales, grid_of, without_span
from twomind.models.fusion.net import FusionConfig, FusionNet, collate, published
from twomind.models.fusion.recogniser import FusionRecogniser
from twomind.models.fusion.run import rows_of
from twomind.training import fusion as fusion_fit
from twomind.training.fusion import FitSettings, Objective, fit, settings_for
from twomind.training.fusion_data import Item
from twomind.training.loop import TrainSettings, average_precision
from twomind.types import AMBIVALENCE, Recogniser, Status, Task, Trainable

HEADS = [
    ("conflict", False),
    ("plain", False),
    ("text-anchored", False),
    ("lfan", False),
    ("can", False),
    ("mt", False),
    ("jmt", False),
]
RELEASED = [("mt", True), ("jmt", True)]
TRAIN, VAL, TEST = range(8), range(100, 104), range(200, 208)
#: The world of the plant "conflict" with the knob at zero; and with face and voice, 3 s by 3 s, of
#: other people's moments of the same label.
NO_CONFLICT, OTHER_PEOPLE = "conflict, knob at zero", "conflict, paired across people"


@functools.cache
def items(people: range, plant: str, n_each: int = 4) -> list[Item]:
    if plant == NO_CONFLICT:
        return [t.item() for t in takes(people, "conflict", n_each, knob=0.0)]
    if plant == OTHER_PEOPLE:
        return [t.item() for t in paired_across_people(takes(people, "conflict", n_each))]
    return [t.item() for t in takes(people, plant, n_each)]


def trained(
    plant: str, config: FusionConfig, epochs: int = 5, train: range = TRAIN, seed: int = 0
) -> FusionRecogniser:
    settings = settings_for(config, epochs=epochs, patience=epochs, seed=seed, batch=8)
    return fit(items(train, plant), items(VAL, plant), AMBIVALENCE, RECIPE, config, settings)


def frame_ap(model: FusionRecogniser, plant: str) -> tuple[float, float]:
    """AP of rows of held-out people, and the share of marked rows (what chance gives)."""
    rows = [(rows_of(model.net, i.grid)[0], i.frame_y) for i in items(TEST, plant)]
    y = np.concatenate([y for _, y in rows])
    p = np.concatenate([np.nan_to_num(r.probs[:, 1], nan=0.5) for r, _ in rows])
    return average_precision(y, p), float(y.mean())


def fresh(model: str, released: bool = False, **options) -> FusionNet:
    torch.manual_seed(1)
    net = FusionNet(FusionConfig(model, released, **options), RECIPE, 2)
    with torch.no_grad():  # a network that was never trained has running numbers that hide mistakes
        for p in net.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return net.eval()


@pytest.fixture(scope="module")
def conflict_model() -> FusionRecogniser:
    return trained("conflict", FusionConfig("conflict"), epochs=12, train=range(16))


#: Those that need more than the others: attention over time, residuals beside an anchor of text.
_EPOCHS = {"mt": 10, "jmt": 10, "text-anchored": 12}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "plant"),
    [
        ("lfan", "face"),
        ("can", "voice"),
        pytest.param("mt", "words", marks=pytest.mark.slow),
        pytest.param("jmt", "face", marks=pytest.mark.slow),
        ("conflict", "voice"),
        ("text-anchored", "face"),
        ("text-anchored", "words"),
    ],
)
def test_each_head_learns_what_was_planted_in_one_modality(model: str, plant: str) -> None:
    found, chance = frame_ap(
        trained(plant, FusionConfig(model), epochs=_EPOCHS.get(model, 4)), plant
    )
    assert found > 2 * chance


@pytest.mark.slow
def test_the_conflict_model_sees_a_conflict_that_plain_fusion_does_not(
    conflict_model: FusionRecogniser,
) -> None:
    plain = trained("conflict", FusionConfig("plain"), epochs=12, train=range(16))
    (ours, chance), (theirs, _) = frame_ap(conflict_model, "conflict"), frame_ap(plain, "conflict")
    assert ours > 2 * chance
    assert ours > theirs + 0.1


@pytest.mark.slow
def test_the_conflict_model_begins_as_plain_fusion_and_its_terms_learn() -> None:
    torch.manual_seed(0)
    net = FusionNet(FusionConfig("conflict"), RECIPE, 2)
    kinds = {kind for kind, _, _ in net.head.groups}
    assert {"conflict within", "conflict", "agreement"} < kinds
    for kind, _, at in net.head.groups:
        weight = net.frame.weight.detach()[:, at]
        assert bool((weight == 0).all()) == (
            kind in ("conflict within", "conflict", "agreement")
        ), kind
    batch = collate([i.grid for i in items(TEST, "conflict")[:2]])
    net(batch).frame.square().sum().backward()
    for kind, _, at in net.head.groups:
        assert bool((net.frame.weight.grad[:, at] != 0).any()), kind


@pytest.mark.slow
def test_where_there_is_no_conflict_the_conflict_terms_gain_nothing() -> None:
    """The negative control: the same two models on a signal of one modality."""
    ours, theirs = (
        frame_ap(trained("words", FusionConfig(m), epochs=8), "words")[0]
        for m in ("conflict", "plain")
    )
    assert abs(ours - theirs) < 0.1


@pytest.mark.slow
def test_with_the_conflict_knob_at_zero_the_gain_vanishes_though_both_learn() -> None:
    """The same people and moments as where the conflict terms gain .1 and more, marked by a voice
    instead.
    """
    (ours, chance), (theirs, _) = (
        frame_ap(trained(NO_CONFLICT, FusionConfig(m), epochs=8, train=range(16)), NO_CONFLICT)
        for m in ("conflict", "plain")
    )
    assert min(ours, theirs) > 2 * chance
    assert abs(ours - theirs) < 0.05


@pytest.mark.slow
def test_with_modalities_paired_across_people_the_gain_vanishes(
    conflict_model: FusionRecogniser,
) -> None:
    """The marks, the words and what each modality shows by itself stay; only the comparison inside
    a person is gone.
    """
    ours, theirs = (
        frame_ap(trained(OTHER_PEOPLE, FusionConfig(m), epochs=12, train=range(16)), OTHER_PEOPLE)[
            0
        ]
        for m in ("conflict", "plain")
    )
    assert abs(ours - theirs) < 0.07  # where they belong together it is .15: seen above
    assert ours < frame_ap(conflict_model, "conflict")[0] - 0.1


@pytest.mark.slow
def test_conflict_within_a_modality_is_seen_and_named() -> None:
    model = trained("within", FusionConfig("conflict"), epochs=6)
    found, chance = frame_ap(model, "within")
    assert found > 1.7 * chance
    kinds = [
        e.kind
        for t in takes(TEST, "within")
        if t.y
        for e in model.predict(t.x).evidence
        if e.value > 0
    ]
    assert "conflict within" in kinds


@pytest.mark.slow
def test_evidence_adds_up_and_names_the_conflict_with_its_time(
    conflict_model: FusionRecogniser,
) -> None:
    hits = []
    for take in (t for t in takes(TEST, "conflict") if t.y):
        p = conflict_model.predict(take.x)
        parts = {e.name: e.value for e in p.evidence if e.kind == "part"}
        assert sum(parts.values()) == pytest.approx(p.logits[1] - p.logits[0], abs=1e-4)
        spans = [
            e
            for e in p.evidence
            if e.kind in ("conflict", "agreement") and e.name == "face and words"
        ]
        up = [e for e in spans if e.value > 0]
        if up:
            # It knows a moment by what came before, so what it names may end a little after the
            # truth.
            middle = (up[0].start_s + up[0].end_s) / 2
            hits.append(any(a <= middle < b + 1.5 for a, b in take.spans))
    assert len(hits) >= 4
    base = np.mean(
        [sum(b + 1.5 - a for a, b in t.spans) / 24 for t in takes(TEST, "conflict") if t.y]
    )
    assert np.mean(hits) > base + 0.15


@pytest.mark.slow
def test_deleting_the_cited_span_lowers_the_score_more_than_a_random_one(
    conflict_model: FusionRecogniser,
) -> None:
    found = bites(*falls(conflict_model, [t.x for t in takes(TEST, "conflict") if t.y]))
    assert found["cited_bites"], found
    untrained = replace(conflict_model, net=fresh("conflict"), card={"drawn": True})
    scrambled = bites(*falls(untrained, [t.x for t in takes(TEST, "conflict")][:8]))
    assert scrambled["gain"]["value"] < found["gain"]["value"]


@pytest.mark.parametrize(("model", "released"), HEADS + RELEASED)
def test_any_missing_modality_is_survived(model: str, released: bool) -> None:
    net = fresh(model, released)
    recogniser = FusionRecogniser(AMBIVALENCE, net, {"drawn": True})
    x = takes(range(1), "face", 1)[0].x
    for gone in (
        ("face",),
        ("voice",),
        ("words",),
        ("face", "voice"),
        ("face", "words"),
        ("voice", "words"),
    ):
        p = recogniser.predict(without(x, *gone))
        assert p.status is Status.OK
        assert np.isfinite(p.probs).all()
    none = recogniser.predict(without(x, "face", "voice", "words"))
    assert none.status is Status.NOT_MEASURED
    assert "not recorded" in none.reason
    short = recogniser.predict(x.between(0.0, 0.2))
    assert short.status is Status.OK


@pytest.mark.parametrize("model", ["conflict", "plain", "can"])
def test_what_stands_for_an_absent_modality_does_not_reach_the_score(model: str) -> None:
    net = fresh(model)
    batch = collate([grid_of(without(takes(range(1), "face", 1)[0].x, "face"), RECIPE)])
    with torch.no_grad():
        before = net(batch).frame
        net.absent["face"].add_(torch.randn_like(net.absent["face"]))
        torch.testing.assert_close(net(batch).frame, before, rtol=0, atol=0)
        net.absent["voice"].add_(1.0)  # it is there
        torch.testing.assert_close(net(batch).frame, before, rtol=0, atol=0)


@pytest.mark.parametrize("only", ["face", "voice", "words"])
@pytest.mark.parametrize("model", [h for h, _ in HEADS])
def test_a_modality_alone_reaches_the_score(model: str, only: str) -> None:
    """`mt` once kept the rows that the absent ones had to give: a constant."""
    net = fresh(model)
    if model == "text-anchored":  # it begins as the text alone
        with torch.no_grad():
            for layer in net.head.residual:
                layer.weight.normal_()
    grid = grid_of(
        without(takes(range(1), "face", 1)[0].x, *({"face", "voice", "words"} - {only})), RECIPE
    )
    with torch.no_grad():
        out = net(collate([grid]))
    seen = out.frame[0][out.present[0].any(dim=-1)]
    assert float((seen[:, 1] - seen[:, 0]).std()) > 1e-3


@pytest.mark.parametrize("model", ["conflict", "lfan", "can", "mt", "jmt"])
def test_recordings_without_a_modality_set_no_scale_of_it(model: str) -> None:
    """A whole recording, alone in its batch and beside one without face: the same running numbers
    of the face.
    """
    grid = grid_of(takes(range(1), "face", 1)[0].x, RECIPE)
    means = []
    for batch in ([grid], [grid, grid.without("face")]):
        net = fresh(model, dropout=0.0).train()
        net(collate(batch))
        means.append(net.tcn["face"].norm.running_mean.clone())
    torch.testing.assert_close(*means)


@pytest.mark.parametrize("model", ["conflict", "lfan", "can", "mt", "jmt"])
def test_seen_in_several_ways_at_once_is_each_way_by_itself(model: str) -> None:
    """What training sees of one modality alone is what the model sees when only that one was
    recorded.
    """
    net = fresh(model)
    grids = [grid_of(t.x, RECIPE) for t in takes(range(2), "face", 1)]
    keep = torch.tensor([[True, True, True], [False, False, True]])[:, None].expand(2, 2, 3)
    with torch.no_grad():
        both = net(collate(grids), keep=keep).frame.unflatten(0, (2, 2))
        torch.testing.assert_close(both[0], net(collate(grids)).frame, atol=1e-5, rtol=0)
        alone = net(collate([g.without("face", "voice") for g in grids]))
        seen = alone.present[..., 2]
        torch.testing.assert_close(both[1][seen], alone.frame[seen], atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "epochs"), [("conflict", 12), ("lfan", 5)])
def test_without_the_modality_that_knows_the_model_is_less_sure(model: str, epochs: int) -> None:
    found = trained("face", FusionConfig(model), epochs=epochs)
    test = [t.x for t in takes(TEST, "face")]

    def sure(*gone: str) -> float:
        rows = [found.timeline(without(x, *gone)) for x in test]
        prior = np.exp(found.card["calibration"]["frame"]["log_prior"][1])
        return float(np.mean([np.nanmean(np.abs(p[:, 1] - prior)) for _, p, _ in rows]))

    assert sure("face") < 0.6 * sure()
    assert sure("voice") > 0.6 * sure()


@pytest.mark.parametrize("model", ["mt", "jmt"])
@pytest.mark.parametrize("residual", [True, False])
def test_with_a_residual_a_row_of_a_stream_is_kept_beside_what_it_attends_to(
    model: str, residual: bool
) -> None:
    """Attention that gives every row the same: then only a residual lets one row differ from the
    next.
    """
    net = fresh(model, residual=residual)
    with torch.no_grad():
        for layer in net.head.cross:
            layer.out.weight.zero_()
    grid = collate([items(TEST, "face")[0].grid])
    z = net(grid).z[0].detach()
    moved = float((z[1:] - z[:-1]).abs().max())
    assert (moved > 1e-3) == residual, moved


@pytest.mark.parametrize("model", ["mt", "jmt"])
@pytest.mark.parametrize(
    "gone", [("face",), ("voice",), ("words",), ("face", "voice"), ("voice", "words")]
)
def test_what_an_absent_modality_would_say_does_not_reach_a_pair_that_is_left(
    model: str, gone: tuple[str]
) -> None:
    net = fresh(model)
    grid = items(TEST, "face")[0].grid.without(*gone)
    before = rows_of(net, grid)[0].logits
    with torch.no_grad():
        for (q, kv), layer in zip(net.head.pairs, net.head.cross, strict=True):
            if {q, kv} & {net.recipe.modalities.index(m) for m in gone}:
                layer.out.bias.add_(3.0)
    np.testing.assert_array_equal(rows_of(net, grid)[0].logits, before)


@pytest.mark.parametrize(("model", "released"), HEADS + RELEASED)
def test_only_the_released_variants_depend_on_who_else_is_in_the_batch(
    model: str, released: bool
) -> None:
    net = fresh(model, released)
    grids = [grid_of(t.x, RECIPE) for t in takes(range(3), "face", 1)]
    with torch.no_grad():
        alone = net(collate(grids[:1])).frame[0]
        together = net(collate(grids)).frame[0]
    distance = float((alone - together).abs().max())
    assert (distance > 1e-4) == released, distance


@pytest.mark.parametrize("state", ["fresh", "trained"])
@pytest.mark.parametrize(("model", "released"), HEADS)
def test_random_chunks_give_the_whole_files_numbers(model: str, released: bool, state: str) -> None:
    recogniser = FusionRecogniser(AMBIVALENCE, fresh(model, released), {"drawn": True})
    if (
        state == "trained"
    ):  # sharper weights and running means, and the calibration that goes with them
        recogniser = trained("conflict", FusionConfig(model), epochs=1, train=range(4))
    x = takes(range(1), "conflict", 1)[0].x
    x = x.between(0.0, 23.93)
    rng = np.random.default_rng(0)
    cuts = np.unique(np.r_[0.0, rng.uniform(0, 23.93, 40), 23.93])
    stream = recogniser.stream(x.question, drawn=True)
    pieces = [stream.push(x.between(a, b)) for a, b in pairwise(cuts)]
    pieces.append(stream.finish())
    times_s, probs, valid = recogniser.timeline(x)
    np.testing.assert_allclose(np.concatenate([p.times_s for p in pieces]), times_s, atol=1e-9)
    np.testing.assert_array_equal(np.concatenate([p.valid for p in pieces]), valid)
    np.testing.assert_allclose(np.concatenate([p.probs for p in pieces]), probs, atol=1e-6)
    np.testing.assert_allclose(stream.probs(), recogniser.predict(x).probs, atol=1e-6)


@pytest.mark.parametrize(("model", "released"), HEADS)
def test_the_future_changes_no_row(model: str, released: bool) -> None:
    recogniser = FusionRecogniser(AMBIVALENCE, fresh(model, released), {"drawn": True})
    x = takes(range(1), "conflict", 1)[0].x
    _, whole, _ = recogniser.timeline(x)
    _, half, _ = recogniser.timeline(x.between(0.0, 12.0))
    np.testing.assert_allclose(half, whole[: len(half)], atol=1e-6)


def test_chunks_of_the_network_do_not_change_a_long_recording(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from twomind.models.fusion import run as fusion_run

    net = fresh("jmt")
    grid = grid_of(takes(range(1), "face", 1)[0].x, RECIPE)
    whole, runner = rows_of(net, grid)
    monkeypatch.setattr(fusion_run, "CHUNK", 7)
    cut, other = rows_of(net, grid)
    np.testing.assert_allclose(cut.logits, whole.logits, atol=1e-5)
    np.testing.assert_allclose(other.logits(), runner.logits(), atol=1e-5)


def test_the_released_variants_refuse_to_stream_and_need_two_modalities() -> None:
    with pytest.raises(BadInput, match="cannot stream"):
        FusionRecogniser(AMBIVALENCE, fresh("mt", True), {}).stream()
    with pytest.raises(BadInput, match="two modalities"):
        FusionNet(FusionConfig("jmt", released=True), default_recipe(("face",)), 2)
    with pytest.raises(BadInput, match="released"):
        FusionConfig("can", released=True)


@pytest.mark.parametrize(("model", "released"), HEADS + RELEASED)
def test_the_public_contract_of_a_trainable_recogniser(model: str, released: bool) -> None:
    recogniser = FusionRecogniser(AMBIVALENCE, fresh(model, released), {"drawn": True})
    assert isinstance(recogniser, Recogniser)
    assert isinstance(recogniser, Trainable)
    xs = [t.x for t in takes(range(2), "face", 1)]
    embedding, logits = recogniser.run(xs)
    weight, bias = recogniser.head()
    torch.testing.assert_close(logits, embedding @ weight.T + bias)
    if not released:
        for x, row in zip(xs, logits, strict=True):
            np.testing.assert_allclose(
                recogniser.predict(x).logits, row.detach().numpy(), atol=1e-5
            )
    changed = {k: v + 0.1 for k, v in recogniser.params().items() if k == "frame.weight"}
    before = {k: v.clone() for k, v in recogniser.params().items()}
    assert not torch.allclose(recogniser.run(xs, changed)[1], logits)
    assert all(torch.equal(v, before[k]) for k, v in recogniser.params().items())
    tunable = {
        k: v.clone().requires_grad_() for k, v in recogniser.params().items() if k == "frame.weight"
    }
    recogniser.run(xs, tunable)[1].sum().backward()
    assert float(tunable["frame.weight"].grad.abs().sum()) > 0


def test_the_published_sizes_are_the_published_sizes() -> None:
    net = FusionNet(published("lfan", RECIPE.modalities), RECIPE, 2)
    assert [b.first.v.shape[0] for b in net.tcn["face"].blocks] == [256, 256, 128, 128]
    assert [b.first.dilation for b in net.tcn["voice"].blocks] == [1, 2, 4, 8]
    assert net.frame.in_features == 128 + 32 * 3
    assert FusionNet(published("can", RECIPE.modalities), RECIPE, 2).frame.in_features == 3 * 128
    joint = FusionNet(
        published("jmt", ("face", "voice"), released=True), default_recipe(("face", "voice")), 2
    )
    assert joint.head.pairs[-1] == (1, 2)
    assert len(joint.head.pairs) == 6


def test_the_question_is_a_switch_that_moves_the_level_and_not_the_moment() -> None:
    net = fresh("conflict")
    recogniser = FusionRecogniser(AMBIVALENCE, net, {"drawn": True})
    x = takes(range(1), "face", 1)[0].x
    asked = recogniser
    unknown = replace(asked, settings=replace(asked.settings, use_question=False))
    assert asked.knows("7")
    assert not unknown.knows("7")
    a, b = (m.predict(replace(x, question="7")).logits for m in (asked, unknown))
    assert abs((a[1] - a[0]) - (b[1] - b[0])) > 1e-3
    np.testing.assert_allclose(
        unknown.predict(replace(x, question=None)).probs, unknown.predict(x).probs
    )
    odds = [np.diff(m.rows(x).logits, axis=1)[:, 0] for m in (asked, unknown)]
    assert np.ptp(odds[0] - odds[1]) < 1e-4


def test_three_classes_and_rows_without_labels() -> None:
    task = Task("pain", ("none", "some", "much"), "clip")
    train = [replace(i, y=min(i.y * 2, 2)) for i in items(range(4), "face")]
    train = [replace(i, frame_y=np.full_like(i.frame_y, -1)) for i in train]
    model = fit(
        train,
        [replace(i, subject="v") for i in train[:6]],
        task,
        RECIPE,
        FusionConfig("can"),
        TrainSettings(epochs=2),
        FitSettings(imbalance="focal", select="macro_f1"),
    )
    p = model.predict(takes(TEST, "face", 1)[0].x)
    assert p.probs.shape == (3,)
    assert "frame" not in model.card["calibration"]


def test_taking_a_span_out_takes_everything_out() -> None:
    x = takes(range(1), "face", 1)[0].x
    cut = grid_of(without_span(x, 6.0, 9.0), RECIPE)
    inside = (cut.times_s >= 6.0 - 1e-9) & (cut.times_s < 9.0 - 1e-9)
    assert not cut.mask["face"][inside].any()
    assert not cut.mask["voice"][inside].any()
    assert not cut.values["words"][inside].any()
    outside = (cut.times_s < 6.0 - 1e-9) | (cut.times_s > 9.3)
    whole = grid_of(x, RECIPE)
    np.testing.assert_array_equal(cut.values["words"][outside], whole.values["words"][outside])


# --- graphics cards
# ---------------------------------------------------------------------------------------------------


def _net(model: str, released: bool) -> tuple[FusionNet, Objective]:
    some = items(range(2), "conflict", 2)
    torch.manual_seed(0)
    net = FusionNet(
        FusionConfig(model, released), RECIPE, 2, fit_scales([i.grid for i in some], RECIPE)
    )
    return net.eval(), Objective(some, some, RECIPE, AMBIVALENCE, FitSettings())


@pytest.mark.parametrize("model", ["conflict", "can"])
def test_half_of_the_training_loss_is_of_recordings_seen_in_part(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each view's loss is that of the same recordings with the other modalities taken out; nobody
    learns of a part that a recording does not have."""
    some = items(range(2), "conflict", 2)
    some = [replace(i, grid=i.grid.without("face")) if k == 0 else i for k, i in enumerate(some)]
    torch.manual_seed(0)
    config = FusionConfig(model, question_dropout=0.0, partial=0.25)
    net = FusionNet(config, RECIPE, 2, fit_scales([i.grid for i in some], RECIPE)).eval()
    objective = Objective(some, some, RECIPE, AMBIVALENCE, FitSettings())
    views = fusion_fit._views
    monkeypatch.setattr(
        fusion_fit, "_views", lambda has: views(has)[:4]
    )  # without the part that is drawn at random

    def loss(*gone: str) -> torch.Tensor:
        seen = [replace(i, grid=i.grid.without(*gone)) for i in some]
        seen = [i for i in seen if any(m.any() for m in i.grid.mask.values())]
        frame_y, y = fusion_fit._labels(seen, max(len(i.frame_y) for i in some))
        return objective._loss(net, collate([i.grid for i in seen]), frame_y, y)

    alone = torch.stack(
        [loss("voice", "words"), loss("face", "words"), loss("face", "voice")]
    ).mean()
    wanted = 0.75 * loss() + 0.25 * alone
    torch.testing.assert_close(objective.loss(net, range(len(some))), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("model", "released"), HEADS + RELEASED)
def test_a_net_makes_no_tensor_on_a_device_of_its_own(model: str, released: bool) -> None:
    """With another default device than that of weights and rows, a tensor made without naming
    theirs would not fit.
    """
    net, objective = _net(model, released)
    batch = collate([i.grid for i in objective.train])
    frame_y = torch.zeros(len(objective.train), batch.frames.shape[1], dtype=torch.long)
    with torch.device("meta"):
        loss = objective._loss(net, batch, frame_y, frame_y[:, 0])
        loss.backward()
    assert loss.device.type == "cpu"
    assert all(p.grad is None or p.grad.device.type == "cpu" for p in net.parameters())


@pytest.mark.parametrize(("model", "released"), HEADS + RELEASED)
def test_mixed_precision_follows_full_precision(model: str, released: bool) -> None:
    """bfloat16 as on a graphics card, here on a processor: the same loss and nearly the same
    direction.
    """
    net, objective = _net(model, released)
    found = []
    for mixed in (False, True):
        net.zero_grad()
        torch.manual_seed(1)  # for the modalities that are taken away
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss = objective.loss(net, range(len(objective.train)))
        loss.backward()
        found.append(
            (
                float(loss.detach()),
                torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]),
            )
        )
    (full, direction), (half, other) = found
    assert half == pytest.approx(full, abs=0.02)
    assert float(torch.cosine_similarity(direction, other, dim=0)) > 0.9


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
@pytest.mark.parametrize("amp", [False, True])
def test_training_on_a_graphics_card_learns_what_was_planted(amp: bool) -> None:
    how = TrainSettings(epochs=4, patience=4, lr=1e-2, batch=8, device="cuda", amp=amp)
    model = fit(
        items(TRAIN, "voice"),
        items(VAL, "voice"),
        AMBIVALENCE,
        RECIPE,
        FusionConfig("conflict"),
        how,
    )
    found, chance = frame_ap(model, "voice")
    assert found > 2 * chance
