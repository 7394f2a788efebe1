"""Recipes of published tables: one TOML file each, shipped, read strictly, and there to be copied.

A recipe names the data set, the protocols, the models with what they are trained by, the seeds, the
metrics, and the rows of the table with the published numbers. An unknown key is an error: a recipe
with a misspelt key would be another experiment.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from twomind.core.errors import BadInput
from twomind.core.store import settings_hash

METRICS = ("war", "macro_f1", "uar", "ap", "ap_bah")
KINDS = ("clip-au", "clip-text", "dsfda", "frame-cnn")
#: How a model of a kind is made; the first is meant where a recipe says nothing. ``whole``: CLIP
#: fine-tuned as a whole; ``temporal``: CLIP frozen, with a transformer over frames.
MODES: Mapping[str, tuple[str, ...]] = {
    "clip-au": ("corrected", "released"),
    "clip-text": ("temporal", "zero-shot", "whole"),
    "dsfda": ("",),
    "frame-cnn": ("",),
}
_FOLDER = "recipes"
#: Tables that are no comparison of methods, and are set with --set alone.
WITHOUT_RECIPE = (("bah", "supervised"), ("bah", "zero-shot"))
Part = TypeVar("Part")


@dataclass(frozen=True)
class Protocols:
    """Who is held out: once without a label of the person, once as the publication did it."""

    label_free: str
    as_published: str = ""  # empty: there is no such column
    order: str = "recorded"
    task: str = ""  # empty: the data set's first
    window_s: float = -1.0  # below 0: by the task; 0: whole clips
    frame_s: float = 0.25  # between the moments whose codes are looked at; never more than a window


@dataclass(frozen=True)
class Base:
    """A model that is trained on the source people, and adapted or not."""

    name: str
    kind: str  # one of KINDS
    encoder: str = "vit-b-32"
    precision: str = "float32"
    mode: str = ""  # of MODES, by kind
    frames: int = 16  # of a clip, or of a step's window
    hop_s: float = 0.08
    epochs: int = 10
    size: str = "full"  # dsfda
    per_recording: int = 75  # pictures of a recording that it learns from: of those that read them
    classes: tuple[str, ...] = ()  # clip-text: the words of the classes

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadInput(
                f"model {self.name!r}: expected a kind of {', '.join(KINDS)}, got {self.kind!r}"
            )
        if self.mode and self.mode not in MODES[self.kind]:
            known = ", ".join(MODES[self.kind])
            raise BadInput(
                f"model {self.name!r}, mode: expected {known or 'none'}, got {self.mode!r}"
            )
        if self.frames < 1 or self.epochs < 1 or self.hop_s <= 0:
            raise BadInput(f"model {self.name!r}: expected frames, epochs and hop_s above 0")

    @property
    def reads_crops(self) -> bool:
        """Whether it reads pictures of faces; the others read rows of an encoder."""
        return self.kind in ("dsfda", "frame-cnn") or self.mode == "whole"


@dataclass(frozen=True)
class Seeds:
    """Seeds of training, apart from those of the methods."""

    training: tuple[int, ...] = (0, 1, 2)
    method: int = 1

    def __post_init__(self) -> None:
        if not self.training or self.method < 1:
            raise BadInput("seeds: expected at least one of training and one of the methods")


@dataclass(frozen=True)
class Row:
    """One row of the table.

    ``label_free`` and ``as_published`` are methods (``NAME`` or ``NAME:setting=value``); empty: the
    model without adaptation. Several of ``as_published`` are an oracle's choice, by the person's own
    labels: that is what the publication did, and the column says so. ``absent`` says why there is
    no run.
    """

    name: str
    model: str = ""
    label_free: str = ""
    as_published: tuple[str, ...] = ()
    choice: str = ""  # how the publication chose, in words
    absent: str = ""
    published: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_base(self) -> bool:
        """Whether nothing adapts."""
        return not self.label_free and not self.as_published and not self.absent


@dataclass(frozen=True)
class Recipe:
    """One published table as a recipe: data set, protocols, models, rows and metrics."""

    title: str
    dataset: str
    table: str
    source: str  # where the published numbers stand
    protocol: Protocols
    models: tuple[Base, ...]
    rows: tuple[Row, ...]
    seeds: Seeds = field(default_factory=Seeds)
    metrics: tuple[str, ...] = ("war", "macro_f1")
    selection: str = "none: fixed settings"  # how settings were chosen, without a test label
    differs: tuple[str, ...] = ()  # what is known to differ from the publication
    resamples: int = 2000

    def __post_init__(self) -> None:
        names = [model.name for model in self.models]
        if len(set(names)) != len(names) or not names:
            raise BadInput(f"recipe {self.title!r}: expected models with names of their own")
        for row in self.rows:
            if not row.absent and row.model not in names:
                raise BadInput(
                    f"row {row.name!r}: no model {row.model!r}; there is: {', '.join(names)}"
                )
        odd = [name for name in self.metrics if name not in METRICS]
        if odd:
            raise BadInput(f"metrics: expected some of {', '.join(METRICS)}, got {odd[0]!r}")

    def model(self, name: str) -> Base:
        """The model of that name."""
        return next(one for one in self.models if one.name == name)

    @property
    def mark(self) -> str:
        """A hash of everything in it."""
        return settings_hash(plain(self))[:16]


def plain(value: Any) -> Any:
    """A recipe, or a part of it, as plain values."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if hasattr(value, "__dataclass_fields__"):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    return value


def shipped() -> dict[tuple[str, str], str]:
    """Data set and table → the name of the recipe that ships."""
    found = {}
    for entry in resources.files("twomind.pipeline").joinpath(_FOLDER).iterdir():
        name, _, suffix = entry.name.rpartition(".")
        if suffix == "toml":
            dataset, _, table = name.partition("-")
            found[dataset, table] = entry.name
    return dict(sorted(found.items()))


def recipe_text(dataset: str, table: str) -> str:
    """The text of a recipe that ships.

    Raises:
        BadInput: there is none for this data set and table.
    """
    there = shipped()
    if (dataset, table) not in there:
        known = ", ".join(f"{d} --table {t}" for d, t in [*there, *WITHOUT_RECIPE])
        raise BadInput(
            f"{dataset} --table {table}: no recipe ships for it; there is: {known}. Copy one with "
            "--write-recipe FILE, change it, and give it back with --recipe FILE"
        )
    place = resources.files("twomind.pipeline").joinpath(_FOLDER, there[dataset, table])
    return place.read_text(encoding="utf-8")


def read_recipe(text: str, where: str, sets: Sequence[str] = ()) -> Recipe:
    """A recipe of a text.

    Args:
        text: TOML.
        where: the file, for messages.
        sets: ``KEY=VALUE`` texts that change a key: ``seeds.method=2``, ``models.epochs=1`` (of every
            model), ``models.clip-au.epochs=1`` (of one).

    Raises:
        BadInput: no TOML, an unknown or missing key, or a value of another type.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{where}: not a TOML file ({error})") from error
    for pair in sets:
        _set(tree, pair, where)
    tree["protocol"] = _part(Protocols, tree.get("protocol", {}), f"{where}, protocol")
    tree["seeds"] = _part(Seeds, tree.get("seeds", {}), f"{where}, seeds")
    for key, kind in (("models", Base), ("rows", Row)):
        parts = tree.get(key, [])
        if not isinstance(parts, list):
            raise BadInput(f"{where}, {key}: expected tables [[{key}]]")
        made = [_part(kind, one, f"{where}, {key} {n}") for n, one in enumerate(parts, 1)]
        tree[key] = tuple(made)
    return _part(Recipe, tree, where)


def _set(tree: dict[str, Any], pair: str, where: str) -> None:
    """One ``KEY=VALUE`` written into the tree."""
    key, equals, text = pair.partition("=")
    if not equals:
        raise BadInput(f"--set {pair!r}: expected KEY=VALUE")
    try:
        value = tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        value = text
    *path, last = key.strip().split(".")
    places: list[dict[str, Any]] = [tree]
    if path[:1] == ["models"]:
        models = tree.get("models", [])
        places = [one for one in models if len(path) == 1 or one.get("name") == path[1]]
        if not places:
            raise BadInput(f"--set {pair!r}: {where} has no model {path[-1]!r}")
    else:
        for step in path:
            places = [place.setdefault(step, {}) for place in places]
    for place in places:
        place[last] = value


def _part(kind: type[Part], entry: Any, where: str) -> Part:
    """A dataclass of a TOML table.

    Raises:
        BadInput: an unknown or missing key, or a value of another type.
    """
    if not isinstance(entry, Mapping):
        raise BadInput(f"{where}: expected a table")
    known = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    unknown = [name for name in entry if name not in known]
    if unknown:
        raise BadInput(f"{where}: no key {unknown[0]!r}; there is: {', '.join(known)}")
    values = {}
    for name, value in entry.items():
        wanted = str(known[name].type)
        values[name] = _typed(value, wanted, f"{where}, {name}")
    try:
        return kind(**values)
    except TypeError as error:
        raise BadInput(f"{where}: {str(error).replace('__init__() ', '')}") from error


def _typed(value: Any, wanted: str, where: str) -> Any:
    """A value of the type that a field's annotation names."""
    if isinstance(value, list):
        value = tuple(value)
    simple = {"str": str, "int": int, "bool": bool}.get(wanted)
    if wanted == "float":
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        raise BadInput(f"{where}: expected a number, got {value!r}")
    if simple is not None and type(value) is not simple:
        raise BadInput(f"{where}: expected {wanted}, got {value!r}")
    if wanted.startswith("tuple") and not isinstance(value, tuple):
        raise BadInput(f"{where}: expected a list, got {value!r}")
    return value


def quick(recipe: Recipe) -> Recipe:
    """The same table at a size for a look: one seed of each, two epochs, few resamples, and DSFDA's
    smallest networks. It is marked wherever the table is shown.
    """
    models = []
    for model in recipe.models:
        size = "tiny" if model.kind == "dsfda" else model.size
        fewer = min(model.per_recording, 4)
        models.append(replace(model, epochs=min(model.epochs, 2), size=size, per_recording=fewer))
    return replace(
        recipe,
        models=tuple(models),
        seeds=Seeds(recipe.seeds.training[:1], 1),
        resamples=200,
        title=f"{recipe.title} (QUICK: one seed, two epochs; not the table)",
    )


def load_recipe(
    dataset: str, table: str, file: Path | None = None, sets: Sequence[str] = ()
) -> Recipe:
    """The recipe that ships for a table, or one's own.

    Args:
        dataset: as ``twomind data list`` names it.
        table: which table.
        file: one's own recipe, in place of the shipped one.
        sets: ``KEY=VALUE`` texts.

    Raises:
        BadInput: there is none, or it is not a recipe of this data set.
    """
    if file is None:
        text, where = recipe_text(dataset, table), f"recipe {dataset}-{table}"
    else:
        try:
            text, where = file.read_text(encoding="utf-8"), str(file)
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{file}: expected a recipe as TOML ({error})") from error
    recipe = read_recipe(text, where, sets)
    if recipe.dataset != dataset:
        raise BadInput(f"{where}: a recipe of {recipe.dataset!r}, and {dataset!r} was asked for")
    return recipe


__all__ = [
    "Base",
    "Protocols",
    "Recipe",
    "Row",
    "Seeds",
    "load_recipe",
    "plain",
    "quick",
    "read_recipe",
    "recipe_text",
    "shipped",
]
