"""``codebook.toml``: what coders mark in a study, with which keys, and how well they must agree.

A study without the file codes by BAH's codebook, which is such a file itself
(``templates/codebook.toml``).
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from twomind.annotations import MODALITIES
from twomind.core.errors import BadInput
from twomind.core.files import refuse_unreadable

FILE = "codebook.toml"
Kind = Literal["answer", "ah", "cue", "inconsistency", "other"]
#: One letter or digit that a page gives to a tier or a label.
Key = Annotated[str, Field(pattern=r"^[a-z0-9]?$")]
Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Label = Annotated[str, Field(pattern=r"^[^\x00-\x1f]+$", max_length=80)]
Texts = dict[str, str]
#: What the page does with these while no label is asked for.
RESERVED = "cejklz"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Choice(_Part):
    """One label, its key, and what it is called in each language; without names, as it is written."""

    id: Label
    key: Key = ""
    text: Texts = {}


class CodedTier(_Part):
    """One line of marks: the answer for all of a recording, segments, or cues."""

    id: Id
    kind: Kind
    modality: str = ""
    key: Key
    text: Texts
    labels: tuple[Choice, ...] = ()
    #: Other labels than those may be written.
    free: bool = False
    certainty: bool = False

    @model_validator(mode="after")
    def _fits(self) -> CodedTier:
        if (self.kind == "cue") != (self.modality in MODALITIES):
            known = ", ".join(MODALITIES)
            raise ValueError(f"tier {self.id!r}: a cue has a modality of {known}, other kinds none")
        if not self.key:
            raise ValueError(f"tier {self.id!r}: it needs a key")
        if self.kind == "answer" and not self.labels:
            raise ValueError(f"tier {self.id!r}: an answer needs labels")
        _refuse_twice(f"tier {self.id!r}, labels", [one.id for one in self.labels])
        keys = [one.key for one in self.labels if one.key]
        _refuse_twice(f"tier {self.id!r}, keys of labels", keys)
        return self

    @property
    def name(self) -> str:
        """The tier's name in a file, for kinds that have one."""
        return self.id if self.kind == "other" else ""


class Admission(_Part):
    """Who may code: so many gold clips, and this kappa with them over all of their frames."""

    kappa: float = Field(ge=-1, le=1)
    clips: int = Field(default=3, ge=1, le=1000)


class Codebook(_Part):
    """The codebook of a study: its tiers and labels, as ``codebook.toml`` has them."""

    id: Id
    version: int = Field(ge=1)
    title: Texts
    tiers: tuple[CodedTier, ...] = Field(min_length=1)
    #: How sure a coder may be, the surest first.
    certainty: tuple[Choice, ...] = ()
    #: The tier that admission and agreement are measured on.
    measured: Id = "ah"
    admission: Admission | None = None

    @model_validator(mode="after")
    def _whole(self) -> Codebook:
        _refuse_twice("tiers", [tier.id for tier in self.tiers])
        _refuse_twice("keys of tiers", [tier.key for tier in self.tiers])
        places = [(one.kind, one.modality, one.name) for one in self.tiers]
        _refuse_twice("kinds of tiers", [" ".join(place).strip() for place in places])
        for tier in self.tiers:
            if tier.key in RESERVED:
                raise ValueError(f"tier {tier.id!r}: the key {tier.key!r} is the page's own")
            if tier.certainty and not self.certainty:
                raise ValueError(f"tier {tier.id!r}: certainty has no levels")
        if self.tier(self.measured) is None:
            raise ValueError(f"measured: there is no tier {self.measured!r}")
        return self

    def tier(self, name: str) -> CodedTier | None:
        """The tier of this id."""
        found = [tier for tier in self.tiers if tier.id == name]
        return found[0] if found else None

    def agreed_on(self) -> str:
        """What ``twomind agree --tier`` calls the measured tier."""
        tier = self.tier(self.measured)
        assert tier is not None
        return f"cue:{tier.modality}" if tier.kind == "cue" else tier.kind


def _refuse_twice(place: str, found: list[str]) -> None:
    for name in found:
        if found.count(name) > 1:
            raise ValueError(f"{place}: {name!r} stands twice")


def codebook_from(text: str, place: str) -> Codebook:
    """Read a codebook from TOML.

    Args:
        text: What the file holds.
        place: Name of the file, for messages.

    Raises:
        BadInput: It is no TOML, or a value is missing, unknown or out of its range.
    """
    try:
        return Codebook.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadInput(f"{place}: it is no TOML ({error})") from error
    except ValidationError as error:
        told = []
        for one in error.errors():
            where = ".".join(str(step) for step in one["loc"])
            told.append(f"{place}: {where}: {one['msg'].removeprefix('Value error, ')}")
        raise BadInput("\n".join(told)) from error


def bah_text() -> str:
    """BAH's codebook as a file."""
    place = files("twomind.server") / "templates" / FILE
    return place.read_text(encoding="utf-8")


def load_codebook(folder: Path) -> Codebook:
    """The codebook of a study's folder; BAH's where there is none.

    Raises:
        BadInput: It cannot be used.
    """
    path = folder / FILE
    if not path.exists():
        return codebook_from(bah_text(), "BAH's codebook")
    refuse_unreadable(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: it is not in UTF-8 ({error.reason})") from error
    return codebook_from(text, str(path))
