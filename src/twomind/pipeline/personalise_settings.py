"""Everything that decides what a comparison of adaptation methods gives, in sections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from twomind.core.errors import BadInput
from twomind.core.settings import check_range
from twomind.training.clip_au_folds import Options as ClipAuSettings
from twomind.training.described import DescribedSettings


@dataclass(frozen=True)
class DataSettings:
    """Whose recordings, who is held out, and what is asked of them."""

    folder: Path | None = None
    name: str | None = None  # the data set's, where the folder does not say
    protocol: str = "targets-10"
    task: str | None = None  # the data set's first
    window_s: float | None = None  # by the task; 0: whole clips

    def __post_init__(self) -> None:
        check_range("window_s", self.window_s, 0)


@dataclass(frozen=True)
class SyntheticSettings:
    """A drawn study without films, in place of a folder."""

    layout: Literal["bah", "biovid", "stressid"] | None = None
    people: int = 24
    seed: int = 0
    visits: int = 1  # days per person
    knobs: tuple[str, ...] = ()  # settings of the drawn world, each NAME=NUMBER
    control: Literal["none", "people-alike", "no-conflict", "nothing-shows"] = "none"

    def __post_init__(self) -> None:
        check_range("people", self.people, 3)
        check_range("visits", self.visits, 1, 5)


@dataclass(frozen=True)
class CompareSettings:
    """Which methods, on which model, in which streams."""

    methods: tuple[str, ...] = ("all",)  # all that fit; or names, NAME:setting=value among them
    model: Literal["described", "clip-au"] = "described"
    seeds: int = 1  # seeds 0 … N-1, of methods and order
    orders: tuple[Literal["shuffled", "class_blocked", "recorded"], ...] = ("shuffled",)
    guard: bool = False  # also walk each method within the guard

    def __post_init__(self) -> None:
        check_range("seeds", self.seeds, 1)
        if not self.methods:
            raise BadInput("methods: expected at least one; source-only is no adaptation alone")
        if not self.orders:
            raise BadInput("orders: expected at least one")


@dataclass(frozen=True)
class PersonaliseSettings:
    """All sections."""

    data: DataSettings = field(default_factory=DataSettings)
    synthetic: SyntheticSettings = field(default_factory=SyntheticSettings)
    compare: CompareSettings = field(default_factory=CompareSettings)
    described: DescribedSettings = field(default_factory=DescribedSettings)
    clip_au: ClipAuSettings = field(default_factory=ClipAuSettings)

    @classmethod
    def of(cls, sections: Mapping[str, Any]) -> PersonaliseSettings:
        """Of sections by the names that a settings file has."""
        return cls(**{name.replace("-", "_"): section for name, section in sections.items()})

    def sections(self) -> dict[str, Any]:
        """The sections by the names that a settings file has."""
        return {name: getattr(self, name.replace("-", "_")) for name in SCHEMA}


SCHEMA: Mapping[str, type[Any]] = {
    "data": DataSettings,
    "synthetic": SyntheticSettings,
    "compare": CompareSettings,
    "described": DescribedSettings,
    "clip-au": ClipAuSettings,
}
