"""Everything that decides what a comparison of adaptation methods gives, in sections."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from twomind.core.errors import BadInput
from twomind.core.settings import NAME, Bounds, Schema, check_bounds
from twomind.reporting.messages import Language
from twomind.training.clip_au_folds import Options as ClipAuSettings
from twomind.training.described import FACES, DescribedSettings


@dataclass(frozen=True)
class DataSettings:
    """Whose recordings, who is held out, and what is asked of them."""

    folder: Path | None = None
    name: str | None = None  # the data set's, where the folder does not say
    protocol: str = "targets-10"
    task: str | None = None  # the data set's first
    window_s: Annotated[float | None, Bounds(0)] = None  # by the task; 0: whole clips
    faces: Literal["auto", "crops", "film"] = (
        "auto"  # of clip-au, dsfda; auto: crops where they are
    )

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True)
class SyntheticSettings:
    """A synthetic study without films, in place of a folder."""

    layout: Literal["bah", "biovid", "stressid"] | None = None
    people: Annotated[int, Bounds(3)] = 24
    seed: int = 0
    visits: Annotated[int, Bounds(1, 5)] = 1  # days per person
    knobs: tuple[str, ...] = ()  # settings of the drawn world, each NAME=NUMBER
    control: Literal["none", "people-alike", "no-conflict", "nothing-shows"] = "none"

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True)
class CompareSettings:
    """Which methods, on which model, in which streams."""

    methods: tuple[str, ...] = ("all",)  # all that fit; or names, NAME:setting=value among them
    model: str = "described"  # or clip-au: fitted per fold; or a trained one's folder or name
    seeds: Annotated[int, Bounds(1)] = 1  # seeds 0 … N-1, of methods and order
    orders: tuple[Literal["shuffled", "class_blocked", "recorded"], ...] = ("shuffled",)
    guard: bool = False  # also walk each method within the guard
    device: str | None = None  # auto, cpu, cuda, cuda:N; unset: $TWOMIND_DEVICE, or auto
    precision: Literal["auto", "float32", "bfloat16"] | None = None  # of frame embeddings
    allow_drawn: bool = (
        False  # a model or encoder that has seen synthetic people only may see real ones
    )

    def __post_init__(self) -> None:
        check_bounds(self)
        if not self.methods:
            raise BadInput("methods: expected at least one; source-only alone adapts nothing")
        if not self.orders:
            raise BadInput("orders: expected at least one")


@dataclass(frozen=True)
class PagesSettings:
    """The pages that are written of a comparison."""

    language: Language = "en"  # of the leaderboard and the page of harm; JSON and CSV stay English

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True)
class PersonaliseSettings:
    """All settings of ``score personalise``, by section."""

    data: DataSettings = field(default_factory=DataSettings)
    synthetic: SyntheticSettings = field(default_factory=SyntheticSettings)
    compare: CompareSettings = field(default_factory=CompareSettings)
    described: DescribedSettings = field(default_factory=DescribedSettings)
    clip_au: ClipAuSettings = field(default_factory=ClipAuSettings, metadata={NAME: "clip-au"})
    report: PagesSettings = field(default_factory=PagesSettings)


#: Each option of the verb is a short name of its setting.
SCHEMA = Schema(
    PersonaliseSettings(),
    short={
        "data": "data.folder",
        "protocol": "data.protocol",
        "task": "data.task",
        "drawn": "synthetic.layout",
        "people": "synthetic.people",
        "control": "synthetic.control",
        "methods": "compare.methods",
        "model": "compare.model",
        "seeds": "compare.seeds",
        "order": "compare.orders",
        "guard": "compare.guard",
        "device": "compare.device",
        "precision": "compare.precision",
        "allow_drawn_model": "compare.allow_drawn",
    },
    choices={"described.face": FACES},
)
