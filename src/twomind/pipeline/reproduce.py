"""A published table made again, from a data set's folder to its pages.

Every step keeps what it made: rows of frames in the store, models under ``out/models``, runs under
``out/runs``. So a run that was killed at any point goes on, and ends at the same table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from twomind.adaptation import traits
from twomind.core import device
from twomind.core.errors import BadInput
from twomind.core.files import alone_in
from twomind.core.store import default_root, write_text
from twomind.datasets import open_dataset
from twomind.encoders.exported import holds_exported
from twomind.evaluation.across import Across, Either
from twomind.evaluation.compare import Comparison, compare
from twomind.evaluation.orders import Order
from twomind.evaluation.refusals import find_refusals
from twomind.evaluation.summaries import people_summary
from twomind.evaluation.windows import Labels, Windows
from twomind.pipeline.personalise_methods import configured
from twomind.pipeline.reproduce_recipe import Base, Recipe, Row, plain
from twomind.pipeline.reproduce_table import Column, Made, Table, table_of, write_table
from twomind.reporting.tables import to_json
from twomind.training import clip_au_folds, frame_cnn
from twomind.training.clip_text import ClipTextRecipe
from twomind.training.clip_text import TrainSettings as ClipTextSettings
from twomind.training.dsfda import TrainSettings as DsfdaSettings
from twomind.training.dsfda_folds import Cropped, DsfdaRecipe
from twomind.training.fold_models import FoldModels, train_all
from twomind.training.readable import why_unread
from twomind.types import Adapter, Features, Fold, Task

#: The two ways in which a table is walked, with the recipe's protocol for each.
LABEL_FREE, AS_PUBLISHED = "label_free", "as_published"
#: Length of a window (s) where moments are labelled.
WINDOW_S = 2.0


@dataclass(frozen=True)
class Place:
    """Where everything lies, and how many processes work; none of it changes a number."""

    data: Path
    out: Path
    store: Path = field(default_factory=default_root)
    source: Path | None = None  # another data set that is trained on
    name: str | None = None  # the data set's, where the folder does not say
    faces: str = "auto"
    workers: int = 1
    allow_drawn: bool = False


@dataclass(frozen=True)
class Opened:
    """The data, the task, and how recordings are cut and read."""

    dataset: Any
    task: Task
    labels: Labels
    place: Place
    source: frozenset[str] = frozenset()  # recordings that every fold learns from

    def folds(self, protocol: str) -> tuple[Fold, ...]:
        """The folds of a protocol.

        Raises:
            BadInput: these people cannot be split so; the message says what a recipe can ask for.
        """
        try:
            found: tuple[Fold, ...] = self.dataset.folds(protocol, 0)
        except BadInput as error:
            raise BadInput(
                f"{error} In a recipe: --set protocol.label_free=targets-N --set "
                "protocol.as_published= (then no published number is of these people)"
            ) from error
        return found

    def reading(self, base: Base) -> Callable[[str], Features]:
        """recording id → what a model reads of it; one that cannot be read is absent, with the
        reason.
        """
        own = self._of(base, self.place.data, self.place.name)
        if self.place.source is None:
            return own
        names = frozenset(one.id for one in self.dataset.source.recordings())
        return Either(names, self._of(base, self.place.source, None), own)

    def _of(self, base: Base, root: Path, name: str | None) -> Callable[[str], Features]:
        if base.reads_crops:
            crops = Cropped(root, name, _crop_px(base), base.hop_s, self.place.faces)
            if base.kind == "frame-cnn":
                return frame_cnn.Thinned(crops, self.source, base.per_recording)
            return crops
        return clip_au_folds.Filmed(
            root,
            name,
            base.encoder,
            base.hop_s,
            self.place.store,
            self.place.allow_drawn,
            self.place.faces,
        )


def _crop_px(base: Base) -> int:
    """Side of the face crops that a model reads."""
    if base.kind == "dsfda":
        from twomind.models.dsfda import net

        return net.SIZES[base.size].px
    if base.kind == "frame-cnn":
        from twomind.encoders.still import kept_px

        return kept_px(frame_cnn.encoder_of(base.encoder).config)
    from twomind.training.clip_whole import towers_of

    return towers_of(base.encoder).prepare.size_px


def opened(recipe: Recipe, place: Place) -> Opened:
    """The data of a recipe.

    Raises:
        BadInput: no such folder or task, it is another data set than the recipe's, or a model that is
            trained is to begin with a network that cannot be.
    """
    _refuse_exported(recipe)
    dataset = open_dataset(place.data, place.name)
    if dataset.name != recipe.dataset:
        raise BadInput(f"{place.data}: expected {recipe.dataset}, found {dataset.name}")
    task = _task(dataset, recipe.protocol.task)
    whole: Any = dataset
    if place.source is not None:
        source = open_dataset(place.source)
        whole = Across(source, dataset, _task(source, ""), task)
    asked = recipe.protocol.window_s
    length_s = asked or None
    if asked < 0:
        length_s = None if task.grain == "clip" else WINDOW_S
    windows = _windows(length_s, recipe.protocol.frame_s)
    data = Opened(whole, task, Labels(whole, task, windows), place)
    if any(base.kind == "frame-cnn" for base in recipe.models):
        return replace(data, source=_source(data, recipe.protocol.label_free))
    return data


def _refuse_exported(recipe: Recipe) -> None:
    """Methods train through a frame network; one that was exported has nothing to train."""
    for base in recipe.models:
        if base.kind == "frame-cnn" and holds_exported(base.encoder):
            from twomind.models.frame_cnn.net import no_training

            raise BadInput(no_training(base.encoder))


def _source(data: Opened, protocol: str) -> frozenset[str]:
    """Recordings that every fold of a protocol learns from, and no fold tests or hands over."""
    folds = data.folds(protocol)
    learnt = frozenset.intersection(*(frozenset((*fold.train, *fold.val)) for fold in folds))
    used: set[str] = set()
    for fold in folds:
        used |= {*fold.test, *fold.neutral, *fold.target, *fold.few}
    return learnt - used


def _windows(length_s: float | None, frame_s: float) -> Windows:
    """Windows of a length; moments are judged no farther apart than the windows are."""
    return Windows(length_s, frame_hop_s=frame_s if length_s is None else min(frame_s, length_s))


def _task(dataset: Any, name: str) -> Task:
    tasks = {task.name: task for task in dataset.tasks}
    found = tasks.get(name or next(iter(tasks)))
    if found is None:
        raise BadInput(f"no task {name!r}; there is: {', '.join(tasks)}")
    return found


@dataclass(frozen=True)
class Step:
    """One thing to do: a model of one training seed, on one way of walking the table."""

    base: Base
    training_seed: int
    column: str
    protocol: str
    methods: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.base.name}, training seed {self.training_seed}, {self.column}"

    def folder(self, out: Path) -> Path:
        """Where its runs lie."""
        return out / "runs" / self.base.name / f"seed-{self.training_seed}" / self.column


def steps_of(recipe: Recipe) -> list[Step]:
    """Everything that is trained and walked, in order."""
    found = []
    for base in recipe.models:
        rows = [row for row in recipe.rows if row.model == base.name and not row.absent]
        ways = {
            LABEL_FREE: (recipe.protocol.label_free, _label_free(rows)),
            AS_PUBLISHED: (recipe.protocol.as_published, _as_published(rows)),
        }
        for seed in recipe.seeds.training:
            for column, (protocol, methods) in ways.items():
                if protocol and rows:
                    found.append(Step(base, seed, column, protocol, methods))
    return found


def _label_free(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.label_free for row in rows if row.label_free))


def _as_published(rows: Sequence[Row]) -> tuple[str, ...]:
    every: dict[str, None] = {}
    for row in rows:
        every |= dict.fromkeys(row.as_published)
    return tuple(every)


def models_of(data: Opened, recipe: Recipe, base: Base, seed: int, out: Path) -> Any:
    """fold → the model of a training seed, kept under ``out/models``."""
    reading, folder = data.reading(base), out / "models" / base.name
    allow = data.place.allow_drawn
    if base.kind == "clip-au":
        from twomind.models.clip_au.clips import ClipSettings
        from twomind.training.clip_au import TrainSettings

        clips = ClipSettings(n_frames=base.frames, hop_s=base.hop_s)
        rules = TrainSettings.released() if base.mode == "released" else TrainSettings()
        rules = replace(rules, seed=seed, epochs=base.epochs)
        return clip_au_folds.FoldModels(
            data.labels, reading, base.encoder, clips, rules, folder, allow
        )
    made: Any
    if base.kind == "dsfda":
        settings = DsfdaSettings(seed=seed, epochs=base.epochs)
        made = DsfdaRecipe(base.size, settings, base.per_recording)
    elif base.kind == "frame-cnn":
        steps = replace(frame_cnn.SETTINGS, seed=seed, epochs=base.epochs)
        made = frame_cnn.FrameCnnRecipe(base.encoder, base.hop_s, steps)
    elif base.reads_crops:
        from twomind.training import clip_whole

        rules_of = clip_whole.TrainSettings(seed=seed, epochs=base.epochs)
        made = clip_whole.ClipWholeRecipe(
            base.encoder, base.classes, base.hop_s, base.per_recording, rules_of
        )
    else:
        how = ClipTextSettings(seed=seed, epochs=base.epochs)
        mode = base.mode or "temporal"
        made = ClipTextRecipe(base.encoder, mode, base.classes, base.frames, base.hop_s, how)
    return FoldModels(data.labels, reading, made, folder, allow)


@dataclass
class Talk:
    """One progress over everything, with the time that is left.

    ``tell(what, done, total, left_s)``; ``left_s`` is nan before anything was timed.
    """

    tell: Callable[[str, float, float, float], None]
    total: float
    clock: Callable[[], float]
    done: float = 0.0
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    def at(self, what: str, share: float) -> None:
        """How far the step that runs now is, from 0 to 1."""
        reached = self.done + min(max(share, 0.0), 1.0)
        spent = self.clock() - self.started
        left = float("nan")
        if reached > 0:
            left = spent * (self.total - reached) / reached
        self.tell(what, reached, self.total, left)

    def finished(self, what: str) -> None:
        """The step that ran is done."""
        self.done += 1
        self.at(what, 0.0)


def reproduce(recipe: Recipe, place: Place, talk: Talk) -> Table:
    """Every model, seed and method of a recipe, and its table.

    Args:
        recipe: what is made.
        place: from where, and to where.
        talk: is told how far it is.

    Returns:
        The table; its files lie in ``place.out``.

    Raises:
        BadInput: the data do not fit the recipe, or ``out`` holds another one's results.
        Partial: folds failed; the others are kept.
    """
    data = opened(recipe, place)
    with alone_in(place.out):
        _same_recipe(recipe, place)
        made: list[Made] = []
        with device.standing(None, _precision(recipe)):
            for step in steps_of(recipe):
                made.append(_walked(recipe, step, data, talk))
                talk.finished(step.name)
        trained = [one for one in made if not one.why]
        if not trained:
            raise BadInput(f"no model of the table could be trained; {made[0].why}")
        first = recipe.model(trained[0].model)
        table = table_of(recipe, made, _notes(recipe, place, data, first))
        write_table(table, place.out)
        return table


def _precision(recipe: Recipe) -> str:
    """One precision for all models of a table: rows of two do not stand side by side.

    Raises:
        BadInput: the models ask for several.
    """
    asked = {base.precision for base in recipe.models}
    if len(asked) > 1:
        raise BadInput(f"recipe {recipe.title!r}: expected one precision, got {sorted(asked)}")
    return asked.pop()


def _same_recipe(recipe: Recipe, place: Place) -> None:
    """Write down what this folder is of, and refuse to mix two recipes in it."""
    path = place.out / "recipe.json"
    text = to_json({"mark": recipe.mark, "recipe": plain(recipe)})
    if path.is_file():
        kept = path.read_text(encoding="utf-8")
        if f'"{recipe.mark}"' not in kept:
            raise BadInput(
                f"{place.out}: holds results of another recipe (recipe.json); give another --out, "
                "or remove that folder"
            )
        return
    write_text(path, text)


def _walked(recipe: Recipe, step: Step, data: Opened, talk: Talk) -> Made:
    """The models of a step trained, and its methods walked on every fold; a model that cannot be
    trained on these data has no run, and says why.
    """
    place = data.place
    folds = data.folds(step.protocol)

    def trained(what: str, n: float, total: float) -> None:
        # A third for the models: how long each part takes is only known afterwards.
        talk.at(f"{step.name}: {what}", n / total / 3)

    try:
        models = models_of(data, recipe, step.base, step.training_seed, place.out)
        train_all(models, folds, trained)
    except BadInput as error:
        why = f"not trained: {error}"
        return Made(step.base.name, step.training_seed, Column(step.column), (), (), why)
    methods: dict[str, Adapter] = {spec: configured(spec) for spec in step.methods}
    asked_for = dict.fromkeys(traits.source_summary(method) for method in methods.values())
    summaries = tuple(one for one in asked_for if one is not None)
    folder = step.folder(place.out)

    def walked(what: str, n: float, total: float) -> None:
        talk.at(f"{step.name}: {what}", (1 + 2 * n / total) / 3)

    asked = Comparison(
        dataset=data.dataset,
        protocol=step.protocol,
        model_for_fold=models,
        features=models.reading,
        task=data.task,
        seeds=range(recipe.seeds.method),
        windows=data.labels.windows,
        summary_for=partial(people_summary, more=summaries),
        model_name=label_of(step.base),
        order=Order(recipe.protocol.order, data.dataset.label, data.task),
    )
    runs = compare(asked, methods, folder, walked, workers=place.workers)
    refusals = find_refusals([folder])
    return Made(step.base.name, step.training_seed, Column(step.column), runs, refusals)


def label_of(base: Base) -> str:
    """The model's name in runs: the encoder and the precision are part of it."""
    if base.kind == "dsfda":
        return f"dsfda ({base.size}, float32)"
    if base.kind == "frame-cnn":
        return f"{base.name} ({base.encoder}, float32)"
    if base.reads_crops:
        bits = "bfloat16" if base.precision == "bfloat16" else "float32"
        return f"{base.name} ({base.encoder}, {bits})"
    bits = device.label(clip_au_folds.encoder_of(base.encoder).runtime)
    return f"{base.name} ({base.encoder}, {bits})"


def _notes(recipe: Recipe, place: Place, data: Opened, first: Base) -> dict[str, Any]:
    """What every page of the table says besides its numbers; ``first`` is a model that was trained."""
    drawn = all(one.drawn for one in data.dataset.recordings())
    notes: dict[str, Any] = {
        "data": data.dataset.name,
        "device": device.name_of(),
        "drawn": drawn,
        "differs": list(recipe.differs),
        "unreadable": unreadable(data, first),
    }
    if place.source is not None:
        notes["differs"] = [*recipe.differs, "trained on another data set: no published number"]
    return notes


def unreadable(data: Opened, base: Base) -> Mapping[str, str]:
    """Recordings of which nothing could be read by a model, with the reason."""
    reading = data.reading(base)
    found = {}
    for one in data.dataset.recordings():
        if data.labels.of_recording(one.id) < 0:
            continue
        why = why_unread(reading(one.id))
        if why:
            found[one.id] = why
    return found


__all__ = ["Opened", "Place", "Step", "Talk", "models_of", "opened", "reproduce", "steps_of"]
