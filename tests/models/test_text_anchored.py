"""The text-anchored model begins as its anchor alone, leaders and widths go by name, and erased time is
known when it has passed.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from fusion_world import RECIPE, takes
from twomind.core.errors import BadInput
from twomind.features.voice.unworded import UnwordedSettings, without_words
from twomind.models.fusion.erased import COLUMNS, erased_track
from twomind.models.fusion.input import default_recipe, grid_of
from twomind.models.fusion.net import FusionConfig, FusionNet, collate, published
from twomind.models.fusion.recogniser import FusionRecogniser, _config
from twomind.models.fusion.run import Chunks
from twomind.pipeline.fusion import _to_measure
from twomind.types import AMBIVALENCE, Features, Timing, Track, Word


def fresh(**options: object) -> FusionNet:
    torch.manual_seed(3)
    return FusionNet(FusionConfig("text-anchored", **options), RECIPE, 2).eval()  # type: ignore[arg-type]


def test_at_first_nothing_but_the_text_counts() -> None:
    net = fresh()
    grid = grid_of(takes(range(1), "face", 1)[0].x, RECIPE)
    other = replace(grid, values={**grid.values, "face": grid.values["face"] + 3.0})
    said = replace(grid, values={**grid.values, "words": grid.values["words"] + 3.0})
    with torch.no_grad():
        whole, face, words = (net(collate([g])).frame for g in (grid, other, said))
    assert torch.equal(whole, face)
    assert not torch.equal(whole, words)


def test_a_residual_counts_only_where_its_modality_is_there() -> None:
    net = fresh()
    with torch.no_grad():
        for layer in net.head.residual:
            layer.weight.normal_()
    grid = grid_of(takes(range(1), "face", 1)[0].x, RECIPE)
    with torch.no_grad():
        before = net(collate([grid.without("face")])).frame
        net.absent["face"].add_(5.0)
        assert torch.equal(net(collate([grid.without("face")])).frame, before)
        assert not torch.equal(net(collate([grid])).frame, before)


def test_the_gate_looks_at_the_text_and_at_the_other() -> None:
    net = fresh()
    head = net.head
    for gate, residual in zip(head.gate, head.residual, strict=True):
        assert float(torch.sigmoid(gate.bias.detach()).max()) < 0.2
        assert gate.in_features == head.anchor.in_features + residual.in_features


@pytest.mark.parametrize(
    ("model", "modalities", "leader", "wanted"),
    [
        ("lfan", ("words", "face", "voice"), "", 0),
        ("lfan", ("words", "face", "voice"), "face", 1),
        ("lfan", ("face", "voice"), "voice", 1),
        ("text-anchored", ("face", "voice", "words"), "", 2),
        ("text-anchored", ("face", "text_embedding", "words"), "", 1),
        ("text-anchored", ("face", "text_embedding", "words"), "words", 2),
    ],
)
def test_who_leads_goes_by_name(
    model: str, modalities: tuple[str, ...], leader: str, wanted: int
) -> None:
    assert FusionConfig(model, leader=leader).leader_among(modalities) == wanted


def test_a_leader_who_is_not_there_is_named() -> None:
    with pytest.raises(BadInput, match="leader 'face': expected one of voice, words"):
        FusionConfig("lfan", leader="face").leader_among(("voice", "words"))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_published_widths_go_by_the_kind_of_a_modality(order: tuple[int, ...]) -> None:
    names = ("video_embedding", "audio_embedding", "text_embedding")
    given = tuple(names[k] for k in order)
    widths = dict(published("lfan", given).channels)
    assert widths["video_embedding"] == (256, 256, 128, 128)
    assert widths["audio_embedding"] == (64, 64, 32, 32)
    assert widths["text_embedding"] == (256, 256, 128, 128)
    assert published("lfan", given).leader == "video_embedding"
    only = dict(published("can", ("text_embedding", "audio_embedding")).channels)
    assert only["text_embedding"] == (256, 256, 128, 128)
    assert only["audio_embedding"] == (128, 128, 64, 64)


def test_in_a_model_of_before_the_first_modality_leads() -> None:
    entry = asdict(FusionConfig("lfan"))
    del entry["leader"]
    old = _config(entry)
    assert old.leader_among(("voice", "face")) == 0


# --- erased time


def spoken(speech: list[tuple[float, float]], words: tuple[Word, ...] | None) -> Features:
    """Ten seconds in which somebody speaks at these times."""
    times_s = np.arange(1000) / 100
    said = np.zeros(1000)
    for start_s, end_s in speech:
        said[(times_s >= start_s - 1e-9) & (times_s < end_s - 1e-9)] = 1
    values = np.stack([said, np.full(1000, 120.0), np.zeros(1000), np.zeros(1000)], axis=1)
    names = ("speech", "pitch", "energy", "syllable")
    track = Track(values.astype(np.float32), times_s, np.ones(1000, bool), names)
    return Features("r", "p", {"voice": track}, (0.0, 10.0), words=words)


def word(text: str, start_s: float, end_s: float, timing: Timing = Timing.RECOGNISED) -> Word:
    return Word(text, start_s, end_s, timing=timing)


def test_erased_time_is_that_of_the_summary() -> None:
    words = (word("i", 1.0, 1.4), word("like", 4.0, 4.5), word("it", 8.0, 8.4))
    x = spoken([(1.0, 3.0), (4.0, 4.8), (6.0, 6.3), (7.0, 9.0)], words)
    track = erased_track(x)
    assert track is not None
    assert track.names == COLUMNS
    seconds = np.expm1(track.values[-1, 1])
    # 1.4 + .2 … 3.0; .3 s is too short to count; 7.0 … 8.0, and 8.6 is too near the end
    assert seconds == pytest.approx(1.4 + 1.0, abs=0.03)

    class Voice:
        pass

    voice = Voice()
    voice.track = x.tracks["voice"]  # type: ignore[attr-defined]
    cues = without_words(voice, words, UnwordedSettings())  # type: ignore[arg-type]
    told = sum(cue.value for cue in cues)
    # the summary's stretches end before a word that comes, by its reach; this row cannot know it
    assert told == pytest.approx(seconds - UnwordedSettings().reach_s, abs=0.05)


def test_erased_time_knows_nothing_of_what_comes() -> None:
    x = spoken([(0.0, 9.0)], (word("so", 5.0, 5.3),))
    whole = erased_track(x)
    part = erased_track(x.between(0.0, 4.0))
    assert whole is not None
    assert part is not None
    np.testing.assert_array_equal(part.values, whole.values[: len(part)])
    assert float(whole.values[48, 0]) == 0
    assert float(whole.values[49, 0]) == 1  # half a second has passed
    assert float(whole.values[510, 0]) == 0  # a word is said


@pytest.mark.parametrize("why", ["no words", "no voice", "spread", "no speech column"])
def test_without_times_of_words_erased_time_is_not_measured(why: str) -> None:
    words: tuple[Word, ...] | None = (word("so", 5.0, 5.3),)
    x = spoken([(0.0, 9.0)], words)
    if why == "no words":
        x = replace(x, words=None)
    elif why == "no voice":
        x = replace(x, tracks={})
    elif why == "spread":
        x = replace(x, words=(word("so", 5.0, 5.3, Timing.SPREAD_ALL),))
    else:
        track = x.tracks["voice"]
        x = replace(x, tracks={"voice": replace(track, names=("a", "b", "c", "d"))})
    assert erased_track(x) is None
    if why != "no speech column":
        grid = grid_of(x, default_recipe(("erased",)))
        assert not grid.mask["erased"].any()


def test_a_recogniser_that_wrote_nothing_erased_everything() -> None:
    track = erased_track(spoken([(0.0, 9.0)], ()))
    assert track is not None
    assert np.expm1(track.values[-1, 1]) == pytest.approx(9.0, abs=0.02)


def test_erased_time_is_measured_for_a_model_that_reads_it_and_streams() -> None:
    assert _to_measure(("erased",)) == ("voice", "words")
    recipe = default_recipe(("words", "erased"))
    net = FusionNet(FusionConfig("text-anchored"), recipe, 2)
    model = FusionRecogniser(AMBIVALENCE, net, {"drawn": True})
    assert {"voice", "words"} <= set(model.inputs)
    assert "erased" not in model.inputs
    x = spoken([(0.0, 3.0), (6.0, 9.0)], (word("so", 5.0, 5.3),))
    track = erased_track(x)
    assert track is not None
    x = replace(x, tracks={**x.tracks, "erased": track})
    whole = grid_of(x, recipe)
    chunks = Chunks(recipe)
    cuts = [0.0, 1.37, 4.1, 7.77, 10.0]
    pieces = [chunks.push(x.between(a, b)) for a, b in pairwise(cuts)]
    rows = np.concatenate([piece.values["erased"] for piece in pieces])
    np.testing.assert_allclose(rows, whole.values["erased"][: len(rows)], atol=1e-6)
