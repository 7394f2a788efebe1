"""The supervised table of BAH: a frame network that is fine-tuned on frames and then frozen, or one that
was exported and is frozen as it came, VGGish, stretched tokens, and the published fusions of them,
judged per frame and per video.

Each step is kept: the frame network under ``out/models``, rows of modalities in the store, every fusion
under ``out/models``, its answers under ``out/runs``. Killed at any point, the same command goes on and
ends at the same table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from twomind.core import device, names
from twomind.core.errors import BadInput
from twomind.core.files import alone_in, content_hash
from twomind.core.numbers import softmax
from twomind.core.settings import FILE, Bounds, Schema, check_bounds
from twomind.core.store import Store, default_root, settings_hash, write_text
from twomind.encoders.exported import FROZEN, Exported, holds_exported
from twomind.encoders.pretrained import Encoder
from twomind.encoders.still import KEPT_PX, kept_px
from twomind.encoders.vggish import Vggish
from twomind.evaluation.board import boards
from twomind.evaluation.results import Asked, Judge, read_data
from twomind.evaluation.results_files import Results, Said
from twomind.evaluation.runs import folder_name
from twomind.evaluation.windows import Windows
from twomind.models.dsfda.crops import TRACK, evenly
from twomind.models.frame_cnn.net import from_encoder
from twomind.models.frame_cnn.recogniser import FILE as CNN_FILE
from twomind.models.frame_cnn.recogniser import FrameCnn
from twomind.models.fusion import recogniser as fusion
from twomind.models.fusion.input import Grid, default_recipe
from twomind.models.fusion.net import FusionConfig, published
from twomind.models.fusion.run import rows_of
from twomind.pipeline.bah_features import TRACKS, Described, Encoders, why_absent
from twomind.pipeline.bah_folder import TableFolder
from twomind.pipeline.bah_levels import Published, level_of, markdown_of
from twomind.pipeline.fusion import NATIVE_HOP_S, PUBLISHED_STEPS
from twomind.reporting.leaderboard import json_values
from twomind.training import frame_cnn
from twomind.training.dsfda_folds import Cropped
from twomind.training.fusion import FitSettings, fit, settings_for, with_card
from twomind.training.fusion_data import Item, Skipped, data_mark, labelled
from twomind.training.readable import OF_ONE_FILE
from twomind.types import Fold, Recording, Run, Task

_HEAD = "What `twomind reproduce bah --table supervised` made; give it back with --set."
METRICS = ("macro_f1", "ap_bah", "ap", "weighted_f1", "f1_1")
#: Rows of a training window and between two, as published: 29 s and 2 s at 24 frames a second.
WINDOW, HOP = 696, 48
#: Ends the name of a row of whole answers by the vote of their frames.
_VOTED = ", vote of frames"
Tell = Callable[[str, float, float], None]


@dataclass(frozen=True)
class Fusion:
    """A row of the table: which network on which modalities, and the published AVGF1 and AP per frame
    and per video; nan where none is published.
    """

    name: str
    kind: str
    on: tuple[str, ...]  # of video, sound, text
    frame: tuple[float, float] = (np.nan, np.nan)
    video: tuple[float, float] = (np.nan, np.nan)

    @property
    def tracks(self) -> tuple[str, ...]:
        return tuple(TRACKS[one] for one in self.on)


_ALL = ("video", "sound", "text")
FUSIONS = (
    Fusion("V", "lfan", ("video",), (0.5165, 0.2070), (0.4448, 0.1622)),
    Fusion("A", "lfan", ("sound",), (0.4658, 0.2238), (0.4546, 0.5306)),
    Fusion("T", "lfan", ("text",), (0.5497, 0.2519), (0.5589, 0.4731)),
    Fusion("V+A", "lfan", ("video", "sound"), (0.5205, 0.2225), (0.4428, 0.1964)),
    Fusion("V+T", "lfan", ("video", "text"), (0.5547, 0.2479), (0.5614, 0.3407)),
    Fusion("A+T", "lfan", ("sound", "text"), (0.5586, 0.2609), (0.4366, 0.3148)),
    Fusion("V+A+T LFAN", "lfan", _ALL, (0.5502, 0.2548), (0.5934, 0.3219)),
    Fusion("V+A+T CAN", "can", _ALL, (0.5526, 0.2631), (0.4011, 0.3206)),
    Fusion("V+A MT", "mt", ("video", "sound"), (0.5137, 0.2134), (0.4448, 0.1069)),
    Fusion("V+A JMT", "jmt", ("video", "sound"), (0.5241, 0.2139), (0.4448, 0.0993)),
)
#: How a frame network that is fine-tuned here differs.
_FINE_TUNED = (
    "how the frame network was fine-tuned is not stated; here Adam, so many crops of a recording as "
    "per_recording says, and one network for all seeds",
)
#: How one that was exported differs.
_AS_EXPORTED = (
    f"the frame network is {FROZEN}: the published one was fine-tuned on frames of training people "
    "first, a step that is left out here, so that cnn_epochs and per_recording say nothing",
    "whom the exported network learnt from is not in its file: where people of the test are among "
    "them, rows with video are no figures of people whom it did not see",
)
#: What stands in place of a frame network where there is none.
_NO_VIDEO = "none: no row reads faces"
#: What differs whatever the frame network is.
_ALWAYS = (
    "frames per second are those of the data set's mean, 24: a film of another rate gives the mean of "
    "its frames in each step",
    "all modalities are brought to the scale of training people; published: VGGish and BERT, with "
    "validation people",
    "sentences are cut at punctuation, not by NLTK",
    "MT and JMT attend over slots and keep every stream, as they are defined; the release attends "
    "across a batch",
    "the level of the scores is set on validation people after training; published: not",
    "the published table per video looks as if it were judged on frames (its AVGF1 of V, MT and JMT is "
    "that of an all-negative answer per frame); it stands beside with this warning",
)


@dataclass(frozen=True)
class Supervised:
    """What is made of which networks."""

    cnn: str = "microsoft/resnet-18"  # folder or hub id: ResNet, ViT, CLIP; or a folder, exported
    sound: str = ""  # folder or hub id of a VGGish; empty: rows with sound are not made
    text: str = "google-bert/bert-base-uncased"  # of the BERT family; empty: none with text
    rows: tuple[str, ...] = tuple(one.name for one in FUSIONS)
    protocol: str = ""  # official, else train-val
    seeds: Annotated[int, Bounds(1)] = 3
    epochs: Annotated[int, Bounds(1)] = 60  # of a fusion
    cnn_epochs: Annotated[int, Bounds(1)] = 10
    per_recording: Annotated[int, Bounds(1)] = 75  # crops that the frame network learns from
    faces: str = "auto"  # crops or film leaves the other one out
    bootstrap: Annotated[int, Bounds(100)] = 500  # resamples of people

    def __post_init__(self) -> None:
        check_bounds(self)
        known = [one.name for one in FUSIONS]
        for name in self.rows:
            if name not in known:
                raise BadInput(f"rows: expected some of {', '.join(known)}, got {name!r}")

    @property
    def fusions(self) -> tuple[Fusion, ...]:
        return tuple(one for one in FUSIONS if one.name in self.rows)

    @property
    def networks(self) -> dict[str, str]:
        """Folder or hub id of each network that is given, by kind of modality."""
        every = {"video": self.cnn, "sound": self.sound, "text": self.text}
        return {kind: model for kind, model in every.items() if model}

    @property
    def used(self) -> dict[str, str]:
        """Those of :attr:`networks` that a row needs which can be made.

        Raises:
            BadInput: none can be.
        """
        lacking = {one.name: why_absent(one.on, self.networks) for one in self.fusions}
        made = [one for one in self.fusions if not lacking[one.name]]
        if not made:
            why = next(iter(lacking.values()), "rows names none")
            raise BadInput(f"no row of the table could be made: {why}")
        read = {kind for one in made for kind in one.on}
        return {kind: model for kind, model in self.networks.items() if kind in read}

    @property
    def told(self) -> dict[str, Any]:
        """These settings as plain values that may stand anywhere: of a folder its name alone."""
        paths = {"cnn": self.cnn, "sound": self.sound, "text": self.text}
        return asdict(self) | {name: names.of_model(path) for name, path in paths.items()}


SCHEMA = Schema(Supervised())


@dataclass(frozen=True)
class Place:
    """Where the data lie, where everything is kept, and whether anything may be fetched."""

    data: Path
    out: Path
    store: Path = field(default_factory=default_root)
    offline: bool = False


@dataclass(frozen=True)
class Opened:
    """The data: the one fold, who judges, and how recordings are read."""

    asked: Supervised
    place: Place
    judge: Judge

    @property
    def fold(self) -> Fold:
        """Its training, validation and test people."""
        return self.judge.folds[0]

    @property
    def frames(self) -> Task:
        """The task of moments."""
        return next(task for task in self.judge.dataset.tasks if task.grain == "frame")

    @property
    def clips(self) -> Task:
        """The task of whole answers."""
        return next(task for task in self.judge.dataset.tasks if task.grain == "clip")

    def recordings(self, ids: Sequence[str]) -> list[Recording]:
        return [self.judge.recordings[name] for name in ids]

    @property
    def encoder(self) -> Encoder:
        """What the frame network is fine-tuned from; one that was exported is taken as it is."""
        return Encoder("video", self.asked.cnn, self.place.offline)

    @property
    def is_frozen(self) -> bool:
        """Whether the frame network was exported, so that it is not fine-tuned."""
        return self.with_video and holds_exported(self.asked.cnn)

    @property
    def with_video(self) -> bool:
        """Whether a row reads faces; without one, the crops tell the times of the frames alone."""
        return "video" in self.asked.used

    @property
    def is_tuned(self) -> bool:
        """Whether a frame network is fine-tuned."""
        return self.with_video and not self.is_frozen

    def crops(self) -> Cropped:
        """recording id → its face crops at every native frame."""
        px = kept_px(self.encoder.config) if self.with_video else KEPT_PX
        return Cropped(self.place.data, "bah", px, NATIVE_HOP_S, self.asked.faces)


def opened(asked: Supervised, place: Place) -> Opened:
    """Open BAH's data and divide its people by the protocol.

    Raises:
        BadInput: they are not BAH's, are divided in no such way, or have no validation people.
    """
    windows = Windows(frame_hop_s=NATIVE_HOP_S)
    judge = Judge(read_data(place.data, "bah"), Asked(protocol=asked.protocol, windows=windows))
    if len(judge.folds) > 1:
        raise BadInput(
            f"protocol {asked.protocol!r}: expected one division (official, train-val), it has "
            f"{len(judge.folds)} folds"
        )
    return Opened(asked, place, judge)


def supervised(asked: Supervised, place: Place, tell: Tell) -> dict[str, Any]:
    """Fine-tune, describe, train, judge, and write the table.

    Args:
        asked: what is made of which networks.
        place: from where, and to where.
        tell: is told what is done, how far, of how much.

    Returns:
        The table as plain values; runs are on disk under ``out/runs``.

    Raises:
        BadInput: no such data, or the folder holds other settings' results.
        MissingWeights, Offline: a network is not here.
    """
    data = opened(asked, place)
    encoders, told = _found(data)
    with alone_in(place.out):
        TableFolder(place.out).begin({"asked": asdict(asked), "data": str(place.data.resolve())})
        SCHEMA.write(place.out / FILE, asked, _HEAD)
        total = 2.0 + len(asked.fusions) * asked.seeds
        frozen = None
        if data.with_video:
            model, mark = _frame_network(data, lambda what, n, of: tell(what, n / of, total))
            frozen = model.told() if isinstance(model, Exported) else None
            encoders = replace(encoders, video=model, video_mark=mark)
        items, skipped = _described(data, encoders, lambda n, of: tell("rows", 1 + n / of, total))
        made: list[Results] = []
        absent = {}
        for number, one in enumerate(asked.fusions):
            why = why_absent(one.on, asked.networks) or _unmeasured(data, one, items)
            if why:
                absent[one.name] = why
                continue
            for seed in range(asked.seeds):
                done = 2.0 + number * asked.seeds + seed
                share = partial(_told_share, tell, one.name, done, total)
                said = _answers(data, Trained(one, seed, share), encoders, items)
                made.append(replace(said, config=_config(data, one, told)))
        table = _table(data, _judged(data, made), absent, skipped, frozen)
        write_text(place.out / "table.json", json.dumps(table, indent=1) + "\n")
        write_text(place.out / "table.md", markdown(table))
        tell("table", total, total)
        return table


def _told_share(tell: Tell, what: str, done: float, total: float, share: float) -> None:
    """The share of one training that is done, as part of the whole."""
    tell(what, done + share, total)


# --- what is needed

#: Names, and hashes of the files, of the networks that are begun with; by kind of modality.
ToldNetworks = Mapping[str, Mapping[str, str]]


def _found(data: Opened) -> tuple[Encoders, ToldNetworks]:
    """Every network that a row needs, found and read before anything is trained or written; the
    frame network is not among the encoders yet.

    Raises:
        BadInput: no row can be made.
        MissingWeights, Offline: one is not here.
    """
    used, offline = data.asked.used, data.place.offline
    sound = Vggish(used["sound"], offline) if "sound" in used else None
    text = Encoder("text", used["text"], offline) if "text" in used else None
    every = {"video": data.encoder if data.with_video else None, "sound": sound, "text": text}
    told = {}
    for kind, one in every.items():
        if one is not None:
            told[kind] = {kind: names.of_model(used[kind]), f"{kind}_files": one.mark}
    if data.is_frozen:
        Exported(data.encoder.folder).refuse_damaged()
    elif data.is_tuned:
        from_encoder(data.encoder)
    encoders = Encoders(sound=sound, text=text)
    encoders.check()
    return encoders, told


def _config(data: Opened, one: Fusion, told: ToldNetworks) -> dict[str, Any]:
    """What tells a row from another one of its name: what its numbers depend on."""
    asked = data.asked
    found: dict[str, Any] = {"epochs": asked.epochs, "faces": asked.faces}
    if "video" in one.on and data.is_tuned:
        found |= {"cnn_epochs": asked.cnn_epochs, "per_recording": asked.per_recording}
    for kind in one.on:
        found |= told[kind]
    return found


# --- the frame network


def _frame_network(data: Opened, tell: Tell) -> tuple[FrameCnn | Exported, str]:
    """The fine-tuned network, and a hash of it; read back where it was made before. One that was
    exported is taken as it is.
    """
    if data.is_frozen:
        network = Exported(data.encoder.folder)
        return network, network.mark

    def told(what: str, n: float, of: float) -> None:
        tell("frame network", n, of)

    folder = data.place.out / "models" / "frame-cnn"
    if not (folder / CNN_FILE).is_file():
        start = frame_cnn.Start(data.encoder, data.frames, NATIVE_HOP_S)
        steps = replace(frame_cnn.SETTINGS, epochs=data.asked.cnn_epochs)
        train, val = (_coded_frames(data, ids) for ids in (data.fold.train, data.fold.val))
        keep = folder / "unfinished.safetensors"
        made = frame_cnn.fine_tuned(start, train, val, steps, keep, told)
        made.save(folder)
        keep.unlink(missing_ok=True)
    model = FrameCnn.load(folder)
    model.network.to(device.chosen())  # it looks at every frame of the data set
    return model, content_hash(folder / CNN_FILE)


def _coded_frames(data: Opened, ids: Sequence[str]) -> frame_cnn.Frames:
    """Coded crops of some recordings, so many of each, evenly spaced among those that can be read."""
    crops, labels, people = [], [], []
    reading = data.crops()
    drawn = True
    for recording in data.recordings(ids):
        track = reading(recording.id).tracks[TRACK]
        y = data.judge.dataset.frame_labels(data.frames.name, recording.id, track.times_s)
        coded = np.flatnonzero(track.valid & (np.asarray(y) >= 0))
        own = evenly(coded, data.asked.per_recording)
        crops.append(track.values[own])
        labels.append(np.asarray(y, int)[own])
        people += [recording.subject] * len(own)
        drawn = drawn and recording.drawn
    whole = [part for part in crops if len(part)]
    if not whole:
        return frame_cnn.Frames(np.zeros((0, 1, 1, 3), np.uint8), np.zeros(0, int), ())
    return frame_cnn.Frames(np.concatenate(whole), np.concatenate(labels), tuple(people), drawn)


# --- rows of modalities

#: Items of the whole fold by recording.
Items = Mapping[str, Item]


def _described(
    data: Opened, encoders: Encoders, tell: Callable[[float, float], None]
) -> tuple[Items, list[Skipped]]:
    """Every recording of the fold on the grid, with its labels; and which are left out, and why."""
    recipe = default_recipe(
        tuple(encoders.widths), hop_s=NATIVE_HOP_S, questions=(), embeddings=encoders.widths
    )
    describe = Described(data.crops(), encoders, Store(data.place.store))
    fold = data.fold
    recordings = data.recordings((*fold.train, *fold.val, *fold.test))
    found: dict[str, Item] = {}
    skipped = []
    for n, recording in enumerate(recordings, 1):
        try:
            x = describe(recording)
        except OF_ONE_FILE as error:
            skipped.append(Skipped(recording.id, str(error)))
            continue
        one = labelled(data.judge.dataset, data.frames, x, recipe)
        if isinstance(one, Skipped):
            skipped.append(one)
        else:
            found[recording.id] = one
        tell(n, len(recordings))
    return found, skipped


def windows_of(item: Item) -> Iterator[Item]:
    """A training recording in windows of 696 rows, 48 apart; a shorter one is one window."""
    n = len(item.grid)
    last = max(n - WINDOW, 0)
    starts = [*range(0, last, HOP), last]
    for start in starts:
        end = min(start + WINDOW, n)
        yield replace(item, grid=item.grid.rows(start, end), frame_y=item.frame_y[start:end])


def _on(item: Item, tracks: Sequence[str]) -> Item:
    """The same recording with some modalities only."""
    grid: Grid = item.grid
    values = {name: grid.values[name] for name in tracks}
    mask = {name: grid.mask[name] for name in tracks}
    return replace(item, grid=replace(grid, values=values, mask=mask))


def _unmeasured(data: Opened, one: Fusion, items: Items) -> str:
    """Which modality no training recording has; "" where none lacks."""
    for kind, track in zip(one.on, one.tracks, strict=True):
        learnt = (items[name] for name in data.fold.train if name in items)
        if not any(item.grid.mask[track].any() for item in learnt):
            return f"no training recording has {kind}"
    return ""


# --- fusions


@dataclass(frozen=True)
class Trained:
    """One row of the table with one seed; ``tell`` is told the share that is done."""

    fusion: Fusion
    seed: int
    tell: Callable[[float], None]

    def folder(self, out: Path) -> Path:
        """Where its model lies."""
        return out / "models" / folder_name(self.fusion.name) / f"seed-{self.seed}"


def _answers(data: Opened, one: Trained, encoders: Encoders, items: Items) -> Results:
    """What a fusion says of every frame of the test recordings."""
    tracks = one.fusion.tracks
    parts = {}
    for name in ("train", "val", "test"):
        ids: tuple[str, ...] = getattr(data.fold, name)
        parts[name] = [_on(items[i], tracks) for i in ids if i in items]
    model = _model(data, one, encoders, parts["train"], parts["val"])
    said = []
    for item in parts["test"]:
        rows, _ = rows_of(model.net, item.grid)
        probs = softmax(rows.logits)
        probs[~rows.valid] = np.nan
        for time_s, own in zip(item.grid.times_s.tolist(), probs, strict=True):
            span_s = (time_s, time_s + NATIVE_HOP_S)
            said.append(Said(item.recording, one.fusion.name, own, span_s))
    return Results(one.fusion.name, Path(one.fusion.name), tuple(said), seed=one.seed)


def _model(
    data: Opened,
    one: Trained,
    encoders: Encoders,
    train: Sequence[Item],
    val: Sequence[Item],
) -> fusion.FusionRecogniser:
    """The fusion, trained as published; read back where it was made before."""
    tracks = one.fusion.tracks
    widths = {name: encoders.widths[name] for name in tracks}
    recipe = default_recipe(tracks, hop_s=NATIVE_HOP_S, questions=(), embeddings=widths)
    config: FusionConfig = published(one.fusion.kind, tracks)
    steps = {**PUBLISHED_STEPS, "epochs": data.asked.epochs, "patience": data.asked.epochs}
    settings = settings_for(config, seed=one.seed, device=device.name_of(), **steps)
    windows = [part for item in train for part in windows_of(item)]
    how = FitSettings(imbalance="none", video_weight=0.0, select="ap_frame")
    plain = {"config": asdict(config), "settings": asdict(settings), "fit": asdict(how)}
    mark = settings_hash({**plain, "data": [data_mark(train), data_mark(val)]})
    folder = one.folder(data.place.out)
    card = folder / fusion.CARD
    if card.is_file() and json.loads(card.read_text(encoding="utf-8")).get("mark") == mark:
        return fusion.load(folder)
    keep = folder / "checkpoint.safetensors"
    made = fit(
        windows,
        val,
        data.frames,
        recipe,
        config,
        settings,
        how,
        keep,
        lambda _, n, of: one.tell(n / of),
    )
    made = with_card(made, {"mark": mark, "leader": config.leader or tracks[0]})
    fusion.save(made, folder)
    keep.unlink(missing_ok=True)
    return fusion.load(folder)


# --- the table


def _judged(data: Opened, made: Sequence[Results]) -> dict[str, list[Run]]:
    """Runs by level: every frame; whole answers by the mean of their frames, and by their vote."""
    found: dict[str, list[Run]] = {"frame": [], "video": []}
    for one in made:
        found["frame"] += data.judge.judge(one, data.frames).runs
        for whole in _whole(one):
            found["video"] += data.judge.judge(whole, data.clips).runs
    TableFolder(data.place.out).save_runs(found)
    return found


def _whole(frames: Results) -> list[Results]:
    """Answers about whole recordings: the mean of the frames' probabilities, and their vote."""
    by_recording: dict[str, list[np.ndarray]] = {}
    for one in frames.said:
        own = by_recording.setdefault(one.id, [])
        if np.isfinite(one.probs).all():
            own.append(one.probs)
    means, votes = [], []
    for name, probs in by_recording.items():
        if not probs:
            nothing = Said(name, frames.name, np.full(2, np.nan), reason="no frame was measured")
            means.append(nothing)
            votes.append(nothing)
            continue
        means.append(Said(name, frames.name, np.mean(probs, axis=0)))
        share = float(np.mean([p[1] > p[0] for p in probs]))
        votes.append(Said(name, frames.name, np.array([1 - share, share])))
    voted = frames.name + _VOTED
    return [
        replace(frames, said=tuple(means)),
        replace(frames, name=voted, path=Path(voted), said=tuple(votes)),
    ]


def _table(
    data: Opened,
    runs: Mapping[str, Sequence[Run]],
    absent: Mapping[str, str],
    skipped: Sequence[Skipped],
    frozen: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """What stands in the files.

    Args:
        data: what was judged.
        runs: by level.
        absent: rows that were not made, and why.
        skipped: recordings that were left out, and why.
        frozen: what there is to say of a frame network that was exported; None: it was fine-tuned.

    Raises:
        BadInput: no row could be made.
    """
    asked = data.asked
    levels: dict[str, Any] = {}
    for level, own in runs.items():
        if own:
            board = boards(own, n_bootstrap=asked.bootstrap)[0]
            levels[level] = level_of(board, METRICS, _published(level))
    if frozen is not None:
        _note_frozen(levels)
    if not levels:
        raise BadInput(f"no row of the table could be made: {next(iter(absent.values()), '')}")
    fold = data.fold
    table: dict[str, Any] = {"schema": "twomind.reproduce.bah/1", "table": "supervised"}
    table["networks"] = {kind: names.of_model(asked.used.get(kind, "")) for kind in TRACKS}
    state = "fine-tuned here on coded frames" if data.is_tuned else _NO_VIDEO
    if frozen is not None:
        state = FROZEN
    table["frame_network"] = {"state": state, **(frozen or {})}
    table["selection"] = (
        "epochs by average precision of frames of validation people; the test is looked at once"
    )
    table["seeds"] = asked.seeds
    table["recordings"] = {name: len(getattr(fold, name)) for name in ("train", "val", "test")}
    table["leaders"] = {one.name: one.on[0] for one in asked.fusions if one.kind == "lfan"}
    table["absent"] = dict(absent)
    table["left_out"] = {one.recording: one.reason for one in skipped}
    table["drawn"] = any(one.drawn for one in data.judge.recordings.values())
    of_video = _FINE_TUNED if data.is_tuned else ()
    table["differs"] = [*(of_video if frozen is None else _AS_EXPORTED), *_ALWAYS]
    table["levels"] = levels
    plain: dict[str, Any] = json_values(table)
    return plain


def _note_frozen(levels: Mapping[str, Any]) -> None:
    """Say beside each row with video that its frame network was not fine-tuned."""
    with_video = {one.name for one in FUSIONS if "video" in one.on}
    for level in levels.values():
        for row in level["rows"]:
            if row["row"].removesuffix(_VOTED) in with_video:
                row["note"] = f"video: {FROZEN}"


def _published(level: str) -> Published:
    """Published figures of a row, by its name."""
    known = {}
    for one in FUSIONS:
        avgf1, ap = one.frame if level == "frame" else one.video
        known[one.name] = {"macro_f1": avgf1, "ap_bah": ap}
    return known


def markdown(table: Mapping[str, Any]) -> str:
    """The table for a page."""
    networks = ", ".join(f"{kind}: {name or 'none'}" for kind, name in table["networks"].items())
    notes = [f"Networks: {networks}. Seeds: {table['seeds']}. Chosen: {table['selection']}."]
    if table["frame_network"]["state"] == FROZEN:
        notes.append(_told_of(table["frame_network"]))
    leading = sorted({f"{leader} in {row}" for row, leader in table["leaders"].items()})
    notes.append(f"Leader of LFAN: {', '.join(leading)}.")
    for name, why in table["absent"].items():
        notes.append(f"{name}: not made; {why}.")
    for name, why in table["left_out"].items():
        notes.append(f"Left out: {name}: {why}.")
    notes += [f"Differs from the publication: {text}." for text in table["differs"]]
    return markdown_of("BAH, supervised", table, METRICS, notes)


def _told_of(network: Mapping[str, Any]) -> str:
    """What a page says of an exported network."""
    return (
        f"Frame network: {network['state']}; rows of {network['width']} numbers of "
        f"{network['pictures']}; source: {network['source']}; licence: {network['licence']}; trained "
        f"on: {network['population']}; SHA-256 {network['sha256']}."
    )


__all__ = [
    "FUSIONS",
    "SCHEMA",
    "Opened",
    "Place",
    "Supervised",
    "markdown",
    "opened",
    "supervised",
]
