"""``twomind train clip-au``, ``train dsfda``, ``train sfda-pft``: from a data set's folder to a model's
folder.

Each is trained on the source people of one fold of a protocol, or on everybody where no protocol is
given. The result is a model like any other: ``predict --model``, ``predict --adapt`` and ``score
personalise --model`` take it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from twomind.core import device
from twomind.core.errors import BadInput
from twomind.core.settings import FILE, Bounds, Schema, check_bounds
from twomind.core.store import default_root
from twomind.evaluation.windows import Labels, Windows
from twomind.training import clip_au_folds
from twomind.training.readable import why_unread
from twomind.types import Example, Features, Fold, Progress, Task

if TYPE_CHECKING:
    from twomind.models.dsfda.recogniser import Dsfda

#: Length of a window (s) where moments are labelled; whole clips otherwise.
WINDOW_S = 2.0
_HEAD = "What a model was trained with; give it back with --config."


@dataclass(frozen=True)
class DataSettings:
    """Whose recordings are learnt from."""

    folder: Path | None = None
    name: str | None = None  # the data set's, where the folder does not say
    protocol: str | None = None  # unset: everybody is learnt from
    fold: str | None = None  # unset: the protocol's first
    task: str | None = None  # the data set's first
    window_s: Annotated[float | None, Bounds(0)] = None  # by the task; 0: whole clips
    faces: Literal["auto", "crops", "film"] = "auto"  # auto: crops where they are

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True)
class ClipAuSettings:
    """How CLIP-AU is trained."""

    encoder: str = "vit-b-32"
    rules: Literal["corrected", "released"] = "corrected"
    frames: Annotated[int, Bounds(1)] = 20  # of a clip; the published models: 16
    hop_s: Annotated[float, Bounds(0, low_open=True)] = 0.08
    epochs: Annotated[int | None, Bounds(1)] = None  # unset: 10, the released number
    seed: int = 1999
    phrases: Path | None = None  # lines of FACS number, tab, words; unset: ours
    allow_drawn: bool = (
        False  # an encoder that has seen synthetic people only may look at real ones
    )

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True)
class DsfdaSettings:
    """How DSFDA's source model is trained."""

    model: Path | None = None  # a trained or imported one: only its prototypes are made
    size: Literal["full", "small", "tiny"] = "full"
    variant: Literal["paper", "released"] = "paper"
    epochs: Annotated[int, Bounds(1)] = 100
    batch: Annotated[int, Bounds(2)] = 20
    learning_rate: Annotated[float, Bounds(0, low_open=True)] = 1e-5
    per_recording: Annotated[int, Bounds(1)] = 75  # pictures of a recording at most
    hop_s: Annotated[float, Bounds(0, low_open=True)] = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True)
class PftSettings:
    """Whose translator SFDA-PFT trains."""

    model: Path | None = None  # a trained CLIP-AU; its folder gets the translator
    allow_drawn: bool = False

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True)
class TrainClipAu:
    """All sections of ``train clip-au``."""

    data: DataSettings = field(default_factory=DataSettings)
    train: ClipAuSettings = field(default_factory=ClipAuSettings)


@dataclass(frozen=True)
class TrainDsfda:
    """All settings of ``train dsfda``, by section."""

    data: DataSettings = field(default_factory=DataSettings)
    train: DsfdaSettings = field(default_factory=DsfdaSettings)


@dataclass(frozen=True)
class TrainPft:
    """All settings of ``train sfda-pft``, by section."""

    data: DataSettings = field(default_factory=DataSettings)
    train: PftSettings = field(default_factory=PftSettings)


_DATA = {
    "data": "data.folder",
    "protocol": "data.protocol",
    "fold": "data.fold",
    "task": "data.task",
}
CLIP_AU = Schema(
    TrainClipAu(),
    short=_DATA | {"encoder": "train.encoder", "epochs": "train.epochs", "seed": "train.seed"},
)
DSFDA = Schema(
    TrainDsfda(),
    short=_DATA
    | {
        "model": "train.model",
        "size": "train.size",
        "epochs": "train.epochs",
        "seed": "train.seed",
    },
)
PFT = Schema(TrainPft(), short=_DATA | {"model": "train.model"})


@dataclass(frozen=True)
class Place:
    """Where the model and computed features are kept, and what is told while it works."""

    out: Path
    store: Path = field(default_factory=default_root)
    progress: Progress | None = None
    tell: Callable[[str], None] = print


@dataclass(frozen=True)
class _Data:
    """A data set, the task, and who is learnt from."""

    root: Path
    settings: DataSettings
    dataset: Any
    task: Task
    source: tuple[str, ...]
    held: tuple[str, ...]

    @property
    def labels(self) -> Labels:
        return Labels(self.dataset, self.task, Windows(self.length_s))

    @property
    def length_s(self) -> float | None:
        asked = self.settings.window_s
        if asked is None:
            return None if self.task.grain == "clip" else WINDOW_S
        return asked or None


def train_clip_au(settings: TrainClipAu, place: Place) -> dict[str, Any]:
    """Train CLIP-AU on frame embeddings, with what stands for its source people beside it.

    Args:
        settings: what is trained on what.
        place: where the model is written.

    Returns:
        What became of it, as plain values.

    Raises:
        BadInput: no such data set, protocol or fold; nothing to train on.
        MissingWeights, Offline: the encoder's weights are not there.
    """
    from twomind.adaptation.clip_au_summary import write_summary
    from twomind.models.clip_au.clips import ClipSettings
    from twomind.models.clip_au.phrases import PHRASES, read_phrases
    from twomind.models.clip_au.recogniser import new_model
    from twomind.training.clip_au import TrainSettings, train

    data, how = _opened(settings.data), settings.train
    encoder = clip_au_folds.encoder_of(how.encoder)
    reading = clip_au_folds.Filmed(
        data.root,
        settings.data.name,
        how.encoder,
        how.hop_s,
        place.store,
        how.allow_drawn,
        settings.data.faces,
    )
    source, skipped = _examples(data, data.source, reading, place)
    held, skipped_held = _examples(data, data.held, reading, place)
    rules = TrainSettings.released() if how.rules == "released" else TrainSettings()
    rules = replace(rules, seed=how.seed, epochs=how.epochs or rules.epochs)
    clips = ClipSettings(n_frames=how.frames, hop_s=how.hop_s)
    phrases = PHRASES
    if how.phrases:
        phrases = read_phrases(how.phrases.read_text(encoding="utf-8").splitlines())
    fresh = new_model(encoder, data.task, phrases, clips, how.seed)
    model = train(fresh, source, rules, validation=held or None, progress=place.progress)
    model = replace(model, card={**model.card, "precision": device.label(encoder.runtime)})
    model.save(place.out)
    write_summary(model, (*source, *held), place.out, how.seed)
    CLIP_AU.write(place.out / FILE, _from_anywhere(settings), _HEAD)
    return _said(place, model, skipped + skipped_held)


def train_dsfda(settings: TrainDsfda, place: Place) -> dict[str, Any]:
    """Train DSFDA's source model on face crops: those of the folder, or cut from its films. Of a
    model that is there already, only the prototypes of these source people are made.

    Args:
        settings: what is trained on what.
        place: where the model is written; an interrupted training goes on from there.

    Returns:
        What became of it, as plain values.

    Raises:
        BadInput: no such data set, protocol or fold; nothing to train on.
    """
    from twomind.models.dsfda import net
    from twomind.training.dsfda import TrainSettings
    from twomind.training.dsfda_folds import Cropped, DsfdaRecipe

    data, how = _opened(settings.data), settings.train
    there = None if how.model is None else _trained_dsfda(how.model, data.task)
    px = net.SIZES[how.size].px if there is None else there.size.px
    reading = Cropped(data.root, settings.data.name, px, how.hop_s, settings.data.faces)
    examples, skipped = _examples(data, (*data.source, *data.held), reading, place)
    if there is not None:
        return _with_prototypes(there, examples, settings, place, skipped)
    rules = TrainSettings(
        variant=how.variant,
        learning_rate=how.learning_rate,
        epochs=how.epochs,
        batch=how.batch,
        seed=how.seed,
    )
    recipe = DsfdaRecipe(how.size, rules, how.per_recording)
    model = recipe.train(data.task, examples, (), place.out, place.progress)
    model.save(place.out)
    DSFDA.write(place.out / FILE, _from_anywhere(settings), _HEAD)
    return _said(place, model, skipped)


def _trained_dsfda(folder: Path, task: Task) -> Dsfda:
    from twomind.models.dsfda.recogniser import Dsfda

    model = Dsfda.load(folder)
    if model.task.classes != task.classes:
        raise BadInput(
            f"{folder}: it tells {model.task.classes}, and the task {task.name!r} has {task.classes}"
        )
    return model


def _with_prototypes(
    model: Dsfda,
    examples: Sequence[Example],
    settings: TrainDsfda,
    place: Place,
    skipped: list[dict[str, str]],
) -> dict[str, Any]:
    """The same weights with prototypes of source people, which adaptation in ``predict`` needs."""
    from twomind.models.dsfda.recogniser import prototypes_of
    from twomind.training.dsfda_folds import pictures_from

    data = pictures_from(examples, model.size.px, settings.train.per_recording, model.neutral)
    seed = settings.train.seed
    prototypes, classes = prototypes_of(model.weights, data.x, data.classes, seed=seed)
    told = {"n_people": len(data.names), "n_pictures": len(data.x)}
    training = {**model.card.get("training", {}), "prototypes": "made here", **told}
    card = {**model.card, "training": training}
    made = replace(model, prototypes=prototypes, prototype_class=classes, card=card)
    made.save(place.out)
    return _said(place, made, skipped)


def train_pft(settings: TrainPft, place: Place) -> dict[str, Any]:
    """Train SFDA-PFT's translator for a trained CLIP-AU; it is written beside the model's weights.

    Args:
        settings: whose translator, on which source people.
        place: ``out`` is the folder of the model with its translator; it may be the model's own.

    Returns:
        What became of it, as plain values.

    Raises:
        BadInput: no such model or data set; nothing to train on.
    """
    from twomind.adaptation.clip_au_summary import write_summary
    from twomind.models.clip_au.recogniser import ClipAu

    how = settings.train
    if how.model is None:
        raise BadInput("train.model: expected the folder of a trained CLIP-AU (--model FOLDER)")
    model = ClipAu.load(how.model).allowing_drawn(how.allow_drawn)
    data = _opened(settings.data)
    if model.task.classes != data.task.classes:
        raise BadInput(
            f"{how.model}: it tells {model.task.classes}, and the task {data.task.name!r} has "
            f"{data.task.classes}"
        )
    reading = clip_au_folds.Filmed(
        data.root,
        settings.data.name,
        model.encoder,
        model.clips.hop_s,
        place.store,
        how.allow_drawn,
        settings.data.faces,
    )
    examples, skipped = _examples(data, (*data.source, *data.held), reading, place)
    model.save(place.out)
    write_summary(model, examples, place.out)
    PFT.write(place.out / "sfda_pft.toml", _from_anywhere(settings), _HEAD)
    return _said(place, model, skipped)


def _opened(settings: DataSettings) -> _Data:
    """The data set, and the recordings of its source people.

    Raises:
        BadInput: there is no such folder, task, protocol or fold.
    """
    from twomind.datasets import open_dataset

    if settings.folder is None:
        raise BadInput("data.folder: expected a data set's folder (--data FOLDER)")
    dataset = open_dataset(settings.folder, settings.name)
    tasks = {task.name: task for task in dataset.tasks}
    task = tasks.get(settings.task or next(iter(tasks)))
    if task is None:
        raise BadInput(f"no task {settings.task!r}; there is: {', '.join(tasks)}")
    fold = _fold(dataset, settings)
    if fold is None:
        everybody = tuple(one.id for one in dataset.recordings())
        return _Data(settings.folder, settings, dataset, task, everybody, ())
    return _Data(settings.folder, settings, dataset, task, fold.train, fold.val)


def _fold(dataset: Any, settings: DataSettings) -> Fold | None:
    """The fold that is asked for; None: everybody."""
    if settings.protocol is None:
        if settings.fold is not None:
            raise BadInput("data.fold: goes with data.protocol (--protocol)")
        return None
    folds: dict[str, Fold] = {fold.name: fold for fold in dataset.folds(settings.protocol)}
    wanted = settings.fold or next(iter(folds))
    if wanted not in folds:
        raise BadInput(f"no fold {wanted!r}; there is: {', '.join(folds)}")
    return folds[wanted]


def _examples(
    data: _Data, recordings: Sequence[str], reading: Callable[[str], Features], place: Place
) -> tuple[tuple[Example, ...], list[dict[str, str]]]:
    """Labelled windows, and which recordings cannot be read and why: those cost only themselves."""
    labels = data.labels
    found: list[Example] = []
    skipped = []
    for n, recording in enumerate(recordings, 1):
        x = reading(recording)
        why = why_unread(x)
        if why:
            skipped.append({"recording": recording, "reason": why})
            continue
        windows = labels.windows.cut(x)
        for window in windows:
            y = labels.of_window(recording, window.span_s)
            if y >= 0:
                found.append(Example(window, y))
        if place.progress is not None:
            place.progress("reading faces", n, len(recordings))
    if recordings and not found:
        first = skipped[0]["reason"] if skipped else "no recording has a label of this task"
        raise BadInput(f"{data.root}: nothing to train on; first: {first}")
    return tuple(found), skipped


def _from_anywhere(settings: Any) -> Any:
    """The same settings, to be given back in whatever folder one is."""
    return replace(settings, data=replace(settings.data, folder=settings.data.folder.resolve()))


def _said(place: Place, model: Any, skipped: list[dict[str, str]]) -> dict[str, Any]:
    training = dict(model.card).get("training", {})
    history = training.get("history", [])
    told = {
        "n_people": training.get("n_people"),
        "n_windows": training.get("n_windows", training.get("n_pictures")),
        "per_class": training.get("per_class"),
        "epochs": len(history),
    }
    return {
        "model": str(place.out),
        **told,
        "device": device.name_of(),
        "synthetic": model.synthetic,
        "skipped": skipped,
    }


__all__ = [
    "CLIP_AU",
    "DSFDA",
    "PFT",
    "Place",
    "TrainClipAu",
    "TrainDsfda",
    "TrainPft",
    "train_clip_au",
    "train_dsfda",
    "train_pft",
]
