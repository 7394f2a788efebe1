"""A fusion from its settings to its models, and again from the settings it kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")


import fusion_world as world
from twomind import datasets
from twomind.core.errors import BadInput
from twomind.core.settings import FILE
from twomind.encoders.pretrained import Encoder
from twomind.models.fusion import recogniser
from twomind.models.fusion.input import default_recipe
from twomind.models.fusion.net import FusionConfig, published
from twomind.pipeline import fusion
from twomind.pipeline.fusion import (
    SCHEMA,
    DataSettings,
    EncoderSettings,
    FusionSettings,
    ModelSettings,
    Place,
    TrainingSettings,
    train_fusion,
)
from twomind.training.fusion import FitSettings, settings_for
from twomind.transcripts.align import can_align
from twomind.types import AMBIVALENCE

DATA = DataSettings(Path("data"), protocol="people")


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A data set in memory in place of every folder."""
    data = world.FakeSet("words", 9, 2)
    monkeypatch.setattr(datasets, "open_dataset", lambda root, name=None: data, raising=False)
    monkeypatch.setattr(fusion, "described", lambda recording, **_: data.describe(recording))
    return data


def test_settings_given_back_give_the_same_weights(tmp_path: Path) -> None:
    settings = FusionSettings(
        data=DATA,
        model=ModelSettings("lfan", modalities=("voice", "words")),
        training=TrainingSettings(epochs=1, seed=3, bootstrap=100),
        fit=FitSettings(imbalance="focal"),
    )
    first = train_fusion(settings, Place(tmp_path / "first"))
    kept = SCHEMA.read(tmp_path / "first" / FILE).settings
    assert kept.data.folder == Path("data").resolve(), "it can be given back in another folder"
    assert (kept.model, kept.training, kept.fit) == (
        settings.model,
        settings.training,
        settings.fit,
    )
    again = train_fusion(kept, Place(tmp_path / "again"))
    for name in (recogniser.WEIGHTS, FILE):
        paths = [tmp_path / folder / name for folder in ("first", "again")]
        assert paths[0].read_bytes() == paths[1].read_bytes(), name
    assert first["runs"][0]["validation_score"] == again["runs"][0]["validation_score"]
    card = json.loads((tmp_path / "first" / "card.json").read_text())
    assert (card["seed"], card["protocol"]) == (3, "people")
    assert card["speech_detector"] == "energy", "its people are synthetic"
    assert recogniser.load(tmp_path / "first").speech_detector == "energy"
    assert card["word_times"] == recogniser.load(tmp_path / "first").word_times
    assert card["word_times"] == ("aligned" if can_align() else "as they came")


def test_the_plan_is_what_the_settings_say() -> None:
    settings = FusionSettings(data=DATA)
    plan = fusion._plan(settings, AMBIVALENCE, world.FakeSet("words", 3, 1), ())
    assert plan.recipe == default_recipe()
    assert plan.config == FusionConfig("conflict")
    assert plan.train == settings_for(plan.config, seed=0, device="cpu")
    assert (plan.data_name, plan.protocol, plan.extra) == ("planted", "people", ())

    model = ModelSettings(
        "jmt", True, True, modalities=("face", "words"), raw_face=True, question=False
    )
    training = TrainingSettings(seed=2, epochs=4)
    other = FusionSettings(data=DATA, model=model, training=training)
    plan = fusion._plan(other, AMBIVALENCE, world.FakeSet("words", 3, 1), ())
    assert plan.recipe == default_recipe(("face", "words"), False, 1 / 24, questions=())
    assert plan.config == published("jmt", ("face", "words"), True)
    assert plan.train == settings_for(plan.config, seed=2, device="cpu", epochs=4)


def test_frozen_encoders_become_modalities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Encoder, "width", 5)
    monkeypatch.setattr(Encoder, "card", lambda self: {"kind": self.kind})
    encoders = fusion._encoders(EncoderSettings(audio="a", video="v"), offline=True)
    assert encoders == (Encoder("audio", "a", True), Encoder("video", "v", True))
    settings = FusionSettings(data=DATA, model=ModelSettings(modalities=("words",)))
    plan = fusion._plan(settings, AMBIVALENCE, world.FakeSet("words", 3, 1), encoders)
    assert plan.recipe.modalities == ("words", "audio_embedding", "video_embedding")
    assert dict(plan.extra) == {"encoders": [{"kind": "audio"}, {"kind": "video"}]}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (DataSettings(), "both are needed"),
        (DataSettings(Path("d")), "both are needed"),
        (DataSettings(Path("d"), protocol="people", fold="two"), "no fold 'two'; there is: one"),
        (DataSettings(Path("d"), protocol="people", task="joy"), "no task 'joy' in this data set"),
    ],
)
def test_what_the_data_set_lacks_is_named(data: DataSettings, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=said):
        train_fusion(FusionSettings(data=data), Place(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_published_sizes_see_frames_and_are_trained_as_published() -> None:
    """On a grid of 0.2 s the published convolutions would look back 24 and 50 s, not 5 and 10."""
    from types import SimpleNamespace

    from twomind.models.fusion.tcn import receptive_field
    from twomind.pipeline import fusion as pipeline
    from twomind.types import AMBIVALENCE

    def plan(*sets: str) -> object:
        settings = pipeline.SCHEMA.read(None, sets).settings
        return pipeline._plan(settings, AMBIVALENCE, SimpleNamespace(name="x"), ())

    made = plan("model.published=true", "model.kind=lfan", "training.optimiser=sgd")
    channels = dict(made.config.channels)
    hop_s = made.recipe.hop_s
    assert receptive_field(len(channels["face"]), 5) * hop_s == pytest.approx(5.04, abs=0.01)
    longer = dict(plan("model.published=true", "model.kind=can").config.channels)
    assert receptive_field(len(longer["face"]), 5) * hop_s == pytest.approx(10.4, abs=0.05)
    assert made.config.leader == "face"
    train = made.train
    assert (train.optimiser, train.lr, train.weight_decay) == ("sgd", 1e-3, 1e-4)
    assert (train.epochs, train.batch) == (60, 4)
    assert plan("training.optimiser=sgd", "training.epochs=2").train.epochs == 2
    assert plan().recipe.hop_s == 0.2
    assert plan("model.hop_s=0.5").recipe.hop_s == 0.5
    assert plan().train.optimiser == "adamw"
