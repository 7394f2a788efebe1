"""Training fusion models on a data set, from settings in sections to a study's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from twomind.core.errors import BadInput
from twomind.core.settings import FILE, Bounds, Schema, check_bounds
from twomind.core.store import Store, default_root
from twomind.encoders.pretrained import Encoder, with_embeddings
from twomind.evaluation.fusion_folds import Plan, train_study
from twomind.features.describe import Settings as DescribeSettings
from twomind.features.describe import describe
from twomind.features.entries import with_detector
from twomind.features.face.reader import FaceSettings
from twomind.features.voice.track import VoiceSettings
from twomind.models.fusion.erased import ERASED
from twomind.models.fusion.input import default_recipe
from twomind.models.fusion.net import FusionConfig, published
from twomind.training.fusion import IMBALANCE, SELECT, FitSettings, settings_for
from twomind.training.loop import TrainSettings
from twomind.transcripts.align import CAME, HEARD, can_align
from twomind.types import Features, Fold, Progress, Recording, Task

_HEAD = "What `twomind train fusion` trained; give it back with --config."
#: Seconds of a row: ours, and of a frame at the data set's mean rate, on which the published
#: convolutions look back 5 and 10 seconds.
HOP_S, NATIVE_HOP_S = 0.2, 1 / 24
#: How the BAH baselines are trained: Nesterov's momentum .9, and the steps that their released code
#: takes in effect.
PUBLISHED_STEPS: Mapping[str, object] = {
    "optimiser": "sgd",
    "lr": 1e-3,
    "weight_decay": 1e-4,
    "epochs": 60,
    "batch": 4,
    "patience": 60,
    "smooth": 1,
}
#: What ``describe`` measures.
_MEASURED = ("face", "voice", "words")


@dataclass(frozen=True)
class DataSettings:
    """Whose recordings, how people are divided, and what is asked of them."""

    folder: Path | None = None
    name: str | None = None  # which layout; found out
    protocol: str | None = None  # for example official or people-5
    fold: str | None = None  # one of the protocol's; all
    task: str | None = None  # the data set's first


@dataclass(frozen=True)
class ModelSettings:
    """Which network, on what."""

    kind: Literal["conflict", "plain", "text-anchored", "lfan", "can", "mt", "jmt"] = "conflict"
    released: bool = False  # mt, jmt: with the defects of the published code (cannot stream)
    published: bool = False  # layer sizes of the BAH baselines instead of small ones
    hop_s: Annotated[float, Bounds(0)] = (
        0.0  # of a row; 0: 0.2 s, of published sizes a frame's 1/24
    )
    modalities: tuple[str, ...] = ("face", "voice", "words")  # also erased
    leader: str = ""  # lfan: the modality that leads; text-anchored: that carries; by its kind
    raw_face: bool = False  # face values as measured, not against the person's neutral
    question: bool = True  # show the model which question was asked


@dataclass(frozen=True)
class EncoderSettings:
    """Frozen networks whose output is one more modality each: hub id or folder."""

    audio: str | None = None  # HuBERT, wav2vec2
    text: str | None = None  # of the BERT family
    video: str | None = None  # of the VideoMAE family


@dataclass(frozen=True)
class TrainingSettings:
    """How often and how long, where, and how the figures are made."""

    seeds: Annotated[int, Bounds(1)] = 1  # how many, from ``seed`` on
    seed: int = 0
    epochs: Annotated[int | None, Bounds(1)] = None  # at most; see docs/fusion.md
    optimiser: Literal["adamw", "sgd"] = "adamw"  # sgd: as the BAH baselines, with their steps
    device: str = "cpu"  # cpu, cuda, cuda:1 or auto
    bootstrap: Annotated[int, Bounds(100)] = 1000  # resamples of people

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True)
class FusionSettings:
    """All settings of ``train fusion``, by section."""

    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    encoders: EncoderSettings = field(default_factory=EncoderSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    fit: FitSettings = field(default_factory=FitSettings)


#: Each option of the verb is a short name of its setting.
SCHEMA = Schema(
    FusionSettings(),
    short={
        "data": "data.folder",
        "protocol": "data.protocol",
        "fold": "data.fold",
        "task": "data.task",
        "model": "model.kind",
        "modalities": "model.modalities",
        "seeds": "training.seeds",
        "seed": "training.seed",
        "epochs": "training.epochs",
        "device": "training.device",
        "bootstrap": "training.bootstrap",
    },
    choices={"fit.imbalance": IMBALANCE, "fit.select": SELECT},
)


@dataclass(frozen=True)
class Place:
    """Where everything is kept, how many processes work, and whether they may fetch."""

    out: Path
    store: Path | None = None  # the user's cache
    workers: int = 1
    offline: bool = False


def train_fusion(
    settings: FusionSettings, place: Place, progress: Progress | None = None
) -> dict[str, Any]:
    """Train a fusion of face, voice and words on the folds of a data set.

    Models, ``study.json`` and ``settings.toml`` lie in ``place.out``. Killed and called again, it
    goes on to the same weights.

    Args:
        settings: What is trained on what; the data's folder and protocol are needed.
        place: Where results and computed features are kept.
        progress: Told what is done.

    Returns:
        What ``study.json`` holds.

    Raises:
        BadInput: no such data set, protocol, fold, task or modality; nothing to train on.
    """
    dataset, folds, task = _opened(settings.data)
    encoders = _encoders(settings.encoders, place.offline)
    voice = with_detector(VoiceSettings(), drawn=any(one.drawn for one in dataset.recordings()))
    plan = _plan(settings, task, dataset, encoders)
    if "voice" in _to_measure(plan.recipe.modalities):
        plan = replace(plan, extra=(*plan.extra, ("speech_detector", voice.vad)))
    if "face" in plan.recipe.modalities:
        plan = replace(plan, extra=(*plan.extra, ("face_backend", FaceSettings().backend)))
    if "words" in plan.recipe.modalities:
        plan = replace(plan, extra=(*plan.extra, ("word_times", HEARD if can_align() else CAME)))
    measured = _to_measure(plan.recipe.modalities)
    read = partial(
        described,
        using=measured or ("words",),
        store=place.store,
        offline=place.offline,
        encoders=encoders,
        voice=voice,
    )
    SCHEMA.write(place.out / FILE, _from_anywhere(settings), _HEAD)
    return train_study(
        dataset,
        folds,
        plan,
        settings.training.seeds,
        place.out,
        read,
        workers=place.workers,
        progress=progress,
    )


def _to_measure(modalities: Sequence[str]) -> tuple[str, ...]:
    """What ``describe`` has to measure for these modalities; erased time is made of two."""
    asked = set(modalities)
    if ERASED in asked:
        asked |= {"voice", "words"}
    return tuple(name for name in _MEASURED if name in asked)


def _from_anywhere(settings: FusionSettings) -> FusionSettings:
    """The same settings, to be given back in whatever folder one is."""
    folder = settings.data.folder
    if folder is None:
        return settings
    return replace(settings, data=replace(settings.data, folder=folder.resolve()))


def _opened(data: DataSettings) -> tuple[Any, list[Fold], Task]:
    from twomind.datasets import open_dataset

    if data.folder is None or data.protocol is None:
        raise BadInput("data.folder, data.protocol: both are needed (--data, --protocol)")
    dataset = open_dataset(data.folder, data.name)
    folds = list(dataset.folds(data.protocol))
    if data.fold:
        names = [fold.name for fold in folds]
        if data.fold not in names:
            raise BadInput(f"no fold {data.fold!r}; there is: {', '.join(names)}")
        folds = [fold for fold in folds if fold.name == data.fold]
    tasks = {task.name: task for task in dataset.tasks}
    name = data.task or next(iter(tasks))
    if name not in tasks:
        raise BadInput(f"no task {name!r} in this data set; there is: {', '.join(tasks)}")
    return dataset, folds, tasks[name]


def _encoders(asked: EncoderSettings, offline: bool) -> tuple[Encoder, ...]:
    models = {"audio": asked.audio, "text": asked.text, "video": asked.video}
    return tuple(Encoder(kind, model, offline) for kind, model in models.items() if model)


def _plan(settings: FusionSettings, task: Task, dataset: Any, encoders: Sequence[Encoder]) -> Plan:
    """What is trained, the same for every fold and seed."""
    model, data = settings.model, settings.data
    widths = {encoder.track: encoder.width for encoder in encoders}
    questions = default_recipe(("words",)).questions if model.question else ()
    usual_hop_s = NATIVE_HOP_S if model.published else HOP_S
    recipe = default_recipe(
        (*model.modalities, *widths),
        not model.raw_face,
        model.hop_s or usual_hop_s,
        questions=questions,
        embeddings=widths,
    )
    if model.published:
        config = published(model.kind, recipe.modalities, model.released)
    else:
        config = FusionConfig(model.kind, model.released)
    if model.leader:
        config = replace(config, leader=model.leader)
    config.leader_among(recipe.modalities)  # says at once where there is none of that name
    cards = [encoder.card() for encoder in encoders]
    return Plan(
        task,
        recipe,
        config,
        _train_settings(config, settings.training),
        settings.fit,
        data_name=str(getattr(dataset, "name", data.folder)),
        protocol=data.protocol or "",
        n_bootstrap=settings.training.bootstrap,
        extra=(("encoders", cards),) if cards else (),
    )


def _train_settings(config: FusionConfig, training: TrainingSettings) -> TrainSettings:
    how = PUBLISHED_STEPS if training.optimiser == "sgd" else {}
    usual = settings_for(config, seed=training.seed, device=training.device, **how)
    if training.epochs is None:
        return usual
    return replace(usual, epochs=training.epochs)


def described(
    recording: Recording,
    using: tuple[str, ...],
    store: Path | None,
    offline: bool,
    encoders: tuple[Encoder, ...] = (),
    voice: VoiceSettings | None = None,
) -> Features:
    """Features of one recording, from the store where it was described before; embeddings added as
    tracks.

    Args:
        recording: The recording.
        using: What is measured: of face, voice and words.
        store: Folder of computed features; None: the user's cache.
        offline: Forbid fetching a speech model.
        encoders: Frozen networks whose output is added.
        voice: How the voice is measured.

    Returns:
        Its features.
    """
    place = Store(store or default_root())
    settings = DescribeSettings(voice=voice or VoiceSettings(), offline=offline)
    found = describe(recording, using, store=place, settings=settings)
    return with_embeddings(found.features, found.recording, encoders, place)
