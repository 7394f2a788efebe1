"""Settings by name: every field of nested dataclasses as one dotted key with a type, a default and
bounds.

The dataclass stands beside the code that it configures; here is only how its fields are named
(``describe.face.target``), read from text or from TOML, and put together again.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from twomind.core.errors import BadInput

Settings = TypeVar("Settings")

#: What stands for "not set" in a text.
NONE = "none"
_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
}


@dataclass(frozen=True)
class Bounds:
    """Between which numbers a value lies; an open end does not belong to them."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def hold(self, value: float) -> bool:
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below

    def words(self) -> str:
        found = []
        if math.isfinite(self.low):
            found.append(f"{'above' if self.low_open else 'at least'} {self.low:g}")
        if math.isfinite(self.high):
            found.append(f"{'below' if self.high_open else 'at most'} {self.high:g}")
        return " and ".join(found)


@dataclass(frozen=True)
class Key:
    """One setting. ``many`` is a list of ``base``; ``optional`` says that it may be unset."""

    name: str
    base: type
    default: Any
    optional: bool = False
    many: bool = False
    choices: tuple[str, ...] = ()
    bounds: Bounds | None = None

    def expected(self) -> str:
        """What a value looks like, in words."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        words = _WORDS[self.base]
        if self.many:
            words = f"{words} or several with commas between"
        if self.bounds is not None:
            words = f"{words} {self.bounds.words()}"
        return words

    def from_text(self, text: str) -> Any:
        """The value that a text such as ``0.2`` or ``true`` stands for.

        Raises:
            BadInput: it stands for no value of this type.
        """
        text = text.strip()
        if self.optional and text.lower() == NONE:
            return None
        if self.many:
            parts = [part.strip() for part in text.split(",")]
            return tuple(self._checked(self._parsed(part)) for part in parts if part)
        return self._checked(self._parsed(text))

    def from_value(self, value: Any) -> Any:
        """The value that one of TOML stands for.

        Raises:
            BadInput: it is of another type.
        """
        if self.many:
            values = value if isinstance(value, list) else [value]
            return tuple(self._checked(self._typed(one)) for one in values)
        return self._checked(self._typed(value))

    def _parsed(self, text: str) -> Any:
        if self.base is bool:
            if text.lower() not in ("true", "false"):
                raise self._wrong(text)
            return text.lower() == "true"
        try:
            return self.base(text)
        except ValueError:
            raise self._wrong(text) from None

    def _typed(self, value: Any) -> Any:
        if self.base is float and type(value) is int:
            return float(value)
        if self.base is Path and type(value) is str:
            return Path(value)
        if type(value) is not self.base:
            raise self._wrong(value)
        return value

    def _checked(self, value: Any) -> Any:
        if self.choices and value not in self.choices:
            raise self._wrong(value)
        if self.bounds is not None and not self.bounds.hold(value):
            raise self._wrong(value)
        return value

    def _wrong(self, value: Any) -> BadInput:
        return BadInput(f"{self.name}: expected {self.expected()}, got {value!r}")


def keys_of(
    settings: Any,
    *,
    leave_out: Iterable[str] = (),
    choices: Mapping[str, tuple[str, ...]] | None = None,
    bounds: Mapping[str, Bounds] | None = None,
    before: str = "",
) -> dict[str, Key]:
    """Every field of a dataclass and of those in it, by its dotted name, in their order.

    Args:
        settings: an instance; its values are the defaults.
        leave_out: names that cannot be set from outside.
        choices: name → the texts that are allowed, where the annotation does not say them.
        bounds: name → between which numbers its value lies.
        before: put before each name.

    Returns:
        Name → key.
    """
    hints = get_type_hints(type(settings))
    choices, bounds = choices or {}, bounds or {}
    found: dict[str, Key] = {}
    for field in fields(settings):
        name = f"{before}{field.name}"
        value = getattr(settings, field.name)
        if name in leave_out:
            continue
        if is_dataclass(value):
            found |= keys_of(
                value, leave_out=leave_out, choices=choices, bounds=bounds, before=f"{name}."
            )
            continue
        allowed = choices.get(name, ())
        found[name] = _key(name, hints[field.name], value, allowed, bounds.get(name))
    return found


def _key(
    name: str, hint: Any, default: Any, choices: tuple[str, ...], bounds: Bounds | None
) -> Key:
    """The key of a field, by its annotation."""
    inside = get_args(hint)
    if get_origin(hint) is Literal:
        return Key(name, str, default, choices=inside)
    if get_origin(hint) is tuple:
        return Key(name, inside[0], default, many=True, bounds=bounds)
    optional = type(None) in inside
    base = next((one for one in inside if one is not type(None)), hint)
    return Key(name, base, default, optional, choices=choices, bounds=bounds)


def unknown(name: str, known: Mapping[str, Key], free: Iterable[str] = ()) -> BadInput:
    """The error for a name that is no key: the nearest one, and what there is with its types.

    Args:
        name: what was given.
        known: the keys that there are.
        free: beginnings of names that something else checks.
    """
    last = name.rpartition(".")[2]
    near = [key for key in known if key.rpartition(".")[2] == last]
    near = near or difflib.get_close_matches(name, known, 1, 0.5)
    guess = f"; did you mean {near[0]}?" if near else "."
    section = name.partition(".")[0] + "."
    listed = [key for key in known if key.startswith(section)]
    listed = listed or [key for key in known if "." not in key]
    shown = ", ".join(f"{key} ({known[key].expected()})" for key in listed)
    others = sorted({key.partition(".")[0] for key in known if "." in key} | set(free))
    return BadInput(
        f"there is no setting {name!r}{guess} There is: {shown}. Sections: {', '.join(others)}; "
        "`--set help` lists every key"
    )


def rebuilt(settings: Settings, values: Mapping[str, Any], before: str = "") -> Settings:
    """The dataclass with some values replaced, each by its dotted name; made once, so that what it
    checks at birth it checks on all of them together.
    """
    made: dict[str, Any] = {}
    for field in fields(settings):  # type: ignore[arg-type]
        name = f"{before}{field.name}"
        value = getattr(settings, field.name)
        if is_dataclass(value):
            value = rebuilt(value, values, f"{name}.")
        made[field.name] = values.get(name, value)
    return type(settings)(**made)


def flat(table: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested tables as dotted names: ``{"llm": {"seed": 1}}`` → ``{"llm.seed": 1}``."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = value
    return found
