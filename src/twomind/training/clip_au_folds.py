"""Frame embeddings of a data set, and one CLIP-AU per fold, trained once.

The models lie in one folder, named by what they were trained on: the rows, labels and people of the
fold's source, the encoder, the settings and the code. So folds with the same source people share
one, and a run goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from twomind.core import engine
from twomind.core.errors import BadInput, Partial
from twomind.core.settings import Bounds, check_bounds
from twomind.training.readable import OF_ONE_FILE, why_unread
from twomind.types import Example, Features, Fold, Recording, Task

if TYPE_CHECKING:
    from twomind.encoders.encoder import Encoder
    from twomind.models.clip_au.clips import ClipSettings
    from twomind.training.clip_au import TrainSettings

#: Faces of a clip or window: as many as a clip of CLIP-AU has.
N_FACES = 20
EPOCHS = 30
#: Rows are read again and again, by every method; a process remembers so many bytes of them.
REMEMBERED_BYTES = 256 * 2**20
_remembered: dict[tuple[Any, str], Features] = {}


@lru_cache(maxsize=2)
def encoder_of(name: str) -> Encoder:
    """The encoder, opened once per process."""
    from twomind.encoders.opening import open_encoder

    return open_encoder(name)


@lru_cache(maxsize=1)
def opened(root: Path, name: str | None) -> tuple[Any, dict[str, Recording]]:
    """A data set and its recordings by id, listed once per process: a listing may open every film
    for its length.
    """
    from twomind.datasets import open_dataset

    dataset = open_dataset(root, name)
    return dataset, {one.id: one for one in dataset.recordings()}


@dataclass(frozen=True)
class Filmed:
    """recording id → rows of its film or face crops, kept in the store; picklable, for worker
    processes. One that cannot be read is one row without a value, with the reason.
    """

    root: Path
    name: str | None
    encoder: str
    hop_s: float
    store: Path
    allow_real: bool = False
    faces: str = "auto"  # crops, film; auto: crops where they are

    def __call__(self, recording: str) -> Features:
        return remembered(self, recording, self._read)

    def _read(self, recording: str) -> Features:
        from twomind.core.store import Store
        from twomind.encoders.encoder import refuse_real
        from twomind.encoders.frame_rows import FrameSource, embedded, without_rows

        dataset, known = opened(self.root, self.name)
        one = known.get(recording)
        if one is None:
            raise BadInput(f"{self.root}: no recording {recording!r}")
        encoder = encoder_of(self.encoder)
        # Of every recording alike, so it is not taken for a damaged one.
        refuse_real(encoder, one.drawn, one.id, self.allow_real)
        which = FrameSource(self.hop_s, self.faces, self.allow_real)
        try:
            folder = dataset.frame_folder(recording)
            return embedded(one, folder, encoder, which, Store(self.store))
        except OF_ONE_FILE as error:
            return without_rows(one, encoder.track, (encoder.dim,), str(error))


def remembered(reading: Any, recording: str, read: Callable[[str], Features]) -> Features:
    """The rows of a recording, read once per process as long as they fit into
    :data:`REMEMBERED_BYTES`.
    """
    key = (reading, recording)
    if key not in _remembered:
        found = read(recording)
        used = 0
        for x in _remembered.values():
            used += sum(track.values.nbytes for track in x.tracks.values())
        if used < REMEMBERED_BYTES:
            _remembered[key] = found
        return found
    return _remembered[key]


@dataclass(frozen=True)
class FoldModels:
    """fold → CLIP-AU trained on its source people; its validation people choose the epoch. Kept
    under ``folder``.
    """

    labels: Any  # twomind.evaluation.windows.Labels
    reading: Callable[[str], Features]
    encoder: str
    clips: ClipSettings
    settings: TrainSettings
    folder: Path
    allow_real: bool = False

    def __call__(self, fold: Fold) -> Any:
        from twomind.models.clip_au.recogniser import FILE, ClipAu, new_model
        from twomind.training.clip_au import train

        source = self._examples(fold.train)
        validation = self._examples(fold.val)
        place = self.folder / self._key(source, validation)
        if not (place / FILE).is_file():
            task: Task = self.labels.task
            encoder = encoder_of(self.encoder)
            fresh = new_model(encoder, task, clips=self.clips, seed=self.settings.seed)
            trained = train(fresh, source, self.settings, validation=validation or None)
            trained.save(place)
        return ClipAu.load(place).allowing_drawn(self.allow_real)

    def _examples(self, recordings: Sequence[str]) -> tuple[Example, ...]:
        return self.labels.examples(recordings, self._windows)

    def _windows(self, recording: str) -> Sequence[Features]:
        return self.labels.windows.cut(self.reading(recording))

    def _key(self, source: Sequence[Example], validation: Sequence[Example]) -> str:
        from twomind.core.store import settings_hash
        from twomind.models.clip_au import clips as clip_au_clips
        from twomind.models.clip_au import parts as clip_au_parts
        from twomind.models.clip_au import recogniser as clip_au
        from twomind.training import clip_au as clip_au_train

        rows = hashlib.sha256()
        for examples in (source, validation):
            for e in examples:
                track = e.x.tracks[encoder_of(self.encoder).track]
                rows.update(f"{e.x.subject}|{e.x.span_s}|{e.y}|".encode())
                for part in (track.values, track.times_s, track.valid):
                    rows.update(np.ascontiguousarray(part).tobytes())
            rows.update(b"/")
        modules = (clip_au, clip_au_clips, clip_au_parts, clip_au_train)
        code = [Path(str(module.__file__)).read_bytes() for module in modules]
        own = {
            "rows": rows.hexdigest(),
            "task": asdict(self.labels.task),
            "encoder": encoder_of(self.encoder).fingerprint,
            "clips": asdict(self.clips),
            "settings": asdict(self.settings),
            "code": hashlib.sha256(b"".join(code)).hexdigest(),
        }
        return settings_hash(own)[:24]


def make_rows(
    reading: Callable[[str], Features], folds: Sequence[Fold], workers: int, tell: Any
) -> dict[str, str]:
    """Every recording of the folds is drawn or decoded, and embedded, once.

    Args:
        reading: recording id → its rows.
        folds: whose recordings.
        workers: processes.
        tell: is told how far it is.

    Returns:
        Recordings of which nothing could be read, with the reason: they stop nothing.

    Raises:
        BadInput: none could be read. Partial: a process died over some; the others are kept.
    """
    parts = ("train", "val", "neutral", "target", "few", "test")
    named: dict[str, None] = {}  # as a set that keeps its order
    for fold in folds:
        for part in parts:
            named |= dict.fromkeys(getattr(fold, part))
    todo = list(named)
    failed: list[str] = []
    unread: dict[str, str] = {}
    n_processes = engine.n_workers(workers, len(todo))
    outcomes = engine.run(partial(_touched, reading), todo, n_processes)
    for n, done in enumerate(outcomes, 1):
        if not done.ok:
            failed.append(f"{done.item}: {done.error}")
        elif done.result:
            unread[done.item] = done.result
        if n % 50 == 0 or n == len(todo):
            tell("frame embeddings", n, len(todo))
    said = [*failed, *(f"{name}: {why}" for name, why in unread.items())]
    first = said[0] if said else ""
    message = f"{len(said)} of {len(todo)} recordings could not be read; first: {first}"
    if todo and len(said) == len(todo):
        raise BadInput(message)
    if failed:
        raise Partial(f"{message}. The others are kept; run again to try only what is missing")
    return unread


def _touched(reading: Callable[[str], Features], recording: str) -> str:
    """Why nothing of it could be read."""
    return why_unread(reading(recording))


def make_models(
    models: FoldModels, folds: Sequence[Fold], workers: int, tell: Any
) -> list[dict[str, Any]]:
    """Each distinct model of the folds is trained once, before any method asks for it; how each
    went.

    Raises:
        BadInput: one could not be trained.
    """
    by_people = {(f.train, f.val): f for f in folds}
    distinct = list(by_people.values())
    found: list[dict[str, Any]] = []
    n_processes = engine.n_workers(workers, len(distinct))
    outcomes = engine.run(partial(_card, models), distinct, n_processes)
    for n, done in enumerate(outcomes, 1):
        if not done.ok or done.result is None:
            raise BadInput(f"CLIP-AU of fold {done.item.name!r}: {done.error}")
        tell(f"CLIP-AU of fold {done.item.name} and those with its source people", n, len(distinct))
        found.append({"fold": done.item.name, **done.result})
    return found


def _card(models: FoldModels, fold: Fold) -> dict[str, Any]:
    model = models(fold)
    card: Mapping[str, Any] = model.card["training"]
    kept = card["history"][card["epoch"]]
    validation = kept.get("validation")
    macro_f1 = None if validation is None else validation[2]
    return {
        "encoder": model.encoder,
        "n_people": card["n_people"],
        "n_windows": card["n_windows"],
        "per_class": card["per_class"],
        "epoch": card["epoch"] + 1,
        "epochs": card["settings"]["epochs"],
        "n_people_validation": card["n_people_validation"],
        "validation_macro_f1": macro_f1,
        "left_out": card["n_left_out"],
    }


@dataclass(frozen=True)
class Options:
    """How CLIP-AU is made for the folds; None: the default."""

    encoder: str | None = None  # face-text where everybody is drawn, else vit-b-32
    epochs: Annotated[int | None, Bounds(1)] = None  # 30; the best on validation people is kept
    #: s between the 20 frames of a clip: 0.08; drawn: over a window
    hop_s: Annotated[float | None, Bounds(0, low_open=True)] = None
    allow_drawn: bool = (
        False  # let an encoder that has seen synthetic people only look at real ones
    )

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True)
class Source:
    """Where recordings come from: a synthetic study, or a folder of a data set."""

    dataset: Any
    store: Path
    root: Path | None = None
    name: str | None = None
    visits: int = 1
    faces: str = "auto"


@dataclass(frozen=True)
class Prepared:
    """What the folds are walked with."""

    reading: Callable[[str], Features]
    models: FoldModels
    encoder: str
    cards: list[dict[str, Any]]  # how each training went
    unread: Mapping[str, str]  # recordings that could not be read, with the reason


def prepare(
    source: Source,
    labels: Any,
    folds: Sequence[Fold],
    out: Path,
    options: Options,
    workers: int,
    tell: Callable[[str, float, float], None],
) -> Prepared:
    """Rows and models of the folds; all made and kept.

    Args:
        source: where the recordings come from.
        labels: of the recordings, by window.
        folds: of the protocol.
        out: the models lie in its folder ``models``.
        options: encoder, epochs and spacing of frames.
        workers: processes.
        tell: is told how far it is.

    Raises:
        BadInput: the encoder is not there, or has seen synthetic people only and somebody is real; or
            nothing could be read.
        MissingWeights, Offline: its weights are not there.
    """
    from twomind.core import synthetic
    from twomind.models.clip_au.clips import ClipSettings
    from twomind.models.synthetic import refuse_real
    from twomind.training.clip_au import TrainSettings

    known = source.dataset.recordings()
    all_drawn = all(r.drawn for r in known)
    name = options.encoder or ("face-text" if all_drawn else "vit-b-32")
    encoder = encoder_of(name)
    refuse_real(
        learnt_from_drawn=encoder.drawn_only,
        drawn=all_drawn,
        allowed=options.allow_drawn,
        instead="Give --set clip-au.encoder=vit-b-32 or another CLIP",
    )
    reading: Callable[[str], Features]
    if source.root is None:
        plugin = synthetic.studies()
        hop_s = options.hop_s or plugin.hop_s(source.dataset, labels.windows.length_s, N_FACES)
        reading = plugin.rows(source.dataset, source.visits, name, hop_s, source.store)
    else:
        hop_s = options.hop_s or ClipSettings().hop_s
        reading = Filmed(
            source.root, source.name, name, hop_s, source.store, options.allow_drawn, source.faces
        )
    unread = make_rows(reading, folds, workers, tell)
    clips = ClipSettings(n_frames=N_FACES, hop_s=hop_s)
    settings = replace(TrainSettings(), epochs=options.epochs or EPOCHS)
    models = FoldModels(labels, reading, name, clips, settings, out / "models", options.allow_drawn)
    cards = make_models(models, folds, workers, tell)
    return Prepared(reading, models, name, cards, unread)
