"""Settings by name: every field of nested dataclasses as one dotted key with a type, a default and
bounds.

A dataclass of settings stands beside the code that reads it. Here is only how its fields are named
(``describe.face.target``), read from text or from TOML, put together again and written to a file.

A field is a setting where its annotation is ``int``, ``float``, ``bool``, ``str``, ``Path``, a
``Literal`` of texts, a tuple of any number of one of these, or one of these or ``None``. Numbers
may say their bounds: ``Annotated[int, Bounds(1)]``. A field that holds a dataclass is a section;
one that is ``Mapping[str, str]`` is a free section, whose names and values somebody else checks.

A later source beats an earlier one: defaults, the TOML file, ``--set`` texts, options.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Walk:
    ...     steps: Annotated[int, Bounds(1)] = 10
    ...     names: tuple[str, ...] = ()
    >>> Schema(Walk()).read(sets=["steps=3", "names=a,b"]).settings
    Walk(steps=3, names=('a', 'b'))
"""

from __future__ import annotations

import difflib
import json
import math
import re
import tomllib
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Generic,
    Literal,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)
from urllib.parse import quote_from_bytes, unquote

from twomind.core.errors import UNREADABLE, BadInput, shortened
from twomind.core.files import text_of, write_text
from twomind.types.plain import Foreign

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Settings = TypeVar("Settings", bound=DataclassInstance)
else:
    Settings = TypeVar("Settings")

Scalar: TypeAlias = bool | int | float | str | Path
Value: TypeAlias = Scalar | tuple[Scalar, ...] | None

#: The file with the settings of a run, in the folder of its results.
FILE = "settings.toml"
#: In a file, a text that is not Unicode (the name of a file may be any bytes) stands as
#: ``{ percent_encoded = "caf%E9" }``.
_PERCENT = "percent_encoded"
#: How many names with dots between a key may be made of.
_MOST_PARTS = 100
_QUOTED = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'")
_NOT_IN_KEYS = re.compile(r"[^\w.\- \t]+")
#: What stands for "not set" in a text.
NONE = "none"
#: In ``metadata`` of a field: its name as a key, where that is not a name of Python.
NAME = "name"
_WORDS: Mapping[type[Scalar], str] = {
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
        """Whether a value lies between them."""
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below

    def words(self) -> str:
        """For messages, as in ``at least 1 and below 5``."""
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
    base: type[Scalar]
    default: Value = None
    optional: bool = False
    many: bool = False
    choices: tuple[str, ...] = ()
    bounds: Bounds | None = None

    def expected(self) -> str:
        """What a value looks like, in words."""
        words = f"one of {', '.join(self.choices)}" if self.choices else _WORDS[self.base]
        if self.many:
            words = f"{words} or several with commas between"
        if self.bounds is not None:
            words = f"{words} {self.bounds.words()}"
        return f"{words}, or none" if self.optional else words

    def from_text(self, text: str) -> Value:
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

    def from_value(self, value: Foreign) -> Value:
        """The value that one of TOML, or of an option, stands for.

        Raises:
            BadInput: it is of another type.
        """
        if self.many:
            values = value if isinstance(value, list | tuple) else [value]
            return tuple(self._checked(self._typed(one)) for one in values)
        return self._checked(self._typed(value))

    def _parsed(self, text: str) -> Scalar:
        if self.base is bool:
            if text.lower() not in ("true", "false"):
                raise self._wrong(text)
            return text.lower() == "true"
        try:
            return self.base(text)
        except ValueError:
            raise self._wrong(text) from None

    def _typed(self, value: Foreign) -> Scalar:
        if self.base is float and type(value) is int:
            return float(value)
        if self.base is Path and isinstance(value, str | Path):
            return Path(value)
        if type(value) is not self.base:
            raise self._wrong(value)
        typed: Scalar = value
        return typed

    def _checked(self, value: Scalar) -> Scalar:
        if self.choices and value not in self.choices:
            raise self._wrong(value)
        if isinstance(value, float) and math.isnan(value):
            raise self._wrong(value)
        bounds = self.bounds
        if bounds is not None and isinstance(value, int | float) and not bounds.hold(value):
            raise self._wrong(value)
        return value

    def _wrong(self, value: object) -> BadInput:
        return BadInput(f"{self.name}: expected {self.expected()}, got {value!r}")


class FreeKey(Key):
    """A setting of a free section: a text, for somebody else to understand."""

    def expected(self) -> str:
        return "a text, a number, or true or false"

    def from_value(self, value: Foreign) -> Value:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str | int | float):
            return str(value)
        raise self._wrong(value)


@dataclass(frozen=True)
class Asked(Generic[Settings]):
    """Settings, and the keys of those that somebody gave."""

    settings: Settings
    given: frozenset[str] = frozenset()

    def given_below(self, section: str) -> list[str]:
        """Keys of a section that somebody gave."""
        return sorted(name for name in self.given if name.startswith(f"{section}."))


@dataclass(frozen=True)
class Schema(Generic[Settings]):
    """What can be told to something, and by which names.

    Args:
        start: Settings; their values are the defaults, their annotations say the types.
        short: Short name → key, for options and what most people change of a long section.
        choices: Key → the texts that are allowed, where the annotation does not say them.
        bounds: Key → between which numbers it lies, where the annotation does not say it.
        leave_out: Keys and sections that cannot be set from outside.
        free: Free section → what its settings are, in words.
        rivals: Pairs of keys; an option for one takes away what the other was in file or ``--set``.
    """

    start: Settings
    short: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bounds: Mapping[str, Bounds] = field(default_factory=dict)
    leave_out: tuple[str, ...] = ()
    free: Mapping[str, str] = field(default_factory=dict)
    rivals: tuple[tuple[str, str], ...] = ()

    @cached_property
    def keys(self) -> Mapping[str, Key]:
        """Every setting by its key; those outside of sections first."""
        found = {key.name: key for key in self._keys_below(self.start, "")}
        outside = {name: key for name, key in found.items() if "." not in name}
        return outside | found

    def read(
        self,
        config: Path | None = None,
        sets: Sequence[str] = (),
        options: Mapping[str, Foreign] | None = None,
    ) -> Asked[Settings]:
        """The settings that somebody asks for.

        Args:
            config: A TOML file.
            sets: Texts ``key=value``; several values stand with commas between.
            options: Values by key or short name; None is "not given".

        Returns:
            The settings, and which of them were given.

        Raises:
            BadInput: the file cannot be read; an unknown key; a value of another type, out of its
                bounds, or one that its section refuses.
        """
        values: dict[str, Value] = {}
        if config is not None:
            values |= self._from_file(config)
        values |= self._from_texts(sets)
        by_option = self._from_options(options or {})
        for pair in self.rivals:
            for one, other in (pair, pair[::-1]):
                if one in by_option:
                    values.pop(other, None)
        values |= by_option
        return Asked(_rebuilt(self.start, values), frozenset(values))

    def listing(self) -> list[tuple[str, str, str]]:
        """Every key: its name, what is expected, and its default, as texts."""
        rows = []
        for name, key in self.keys.items():
            default = "not set" if key.default is None else to_toml(key.default)
            rows.append((name, key.expected(), default))
        rows += [(f"{section}.NAME", what, "not set") for section, what in self.free.items()]
        return rows

    def text(
        self, settings: Settings, head: str = "", sections: Iterable[str] | None = None
    ) -> str:
        """Settings as TOML that :meth:`read` gives back as they are; what is unset is left out.

        Args:
            settings: The settings.
            head: What the file says of itself, as a comment above.
            sections: Which sections are written; all.

        Returns:
            The text.

        Raises:
            ValueError: a value that TOML cannot hold: None where that is not the default.
        """
        values = self._values(settings)
        lines = [f"# {line}".rstrip() for line in head.splitlines()]
        lines += [f"{name} = {to_toml(value)}" for name, value in values if "." not in name]
        for section in self._sections() if sections is None else sections:
            lines += ["", f"[{section}]"] if lines else [f"[{section}]"]
            for name, value in values:
                if name.startswith(f"{section}."):
                    lines.append(f"{name.partition('.')[2]} = {to_toml(value)}")
        return "\n".join(lines) + "\n"

    def write(self, path: Path, settings: Settings, head: str = "") -> Path:
        """Write :meth:`text` to a file.

        Args:
            path: The file.
            settings: The settings.
            head: What the file says of itself, as a comment above.

        Returns:
            The file.

        Raises:
            ValueError: a value that TOML cannot hold.
        """
        return write_text(path, self.text(settings, head))

    def changed(self, settings: Settings) -> tuple[str, ...]:
        """What is not at its default, as lines of TOML with whole keys."""
        now = replace(self, start=settings)
        found = []
        for name, key in now.keys.items():
            if key.default != self.keys[name].default and key.default is not None:
                found.append(f"{name} = {to_toml(key.default)}")
        return tuple(found)

    def _keys_below(self, settings: DataclassInstance, before: str) -> Iterator[Key]:
        hints = get_type_hints(type(settings), include_extras=True)
        for one in fields(settings):
            name = before + _name(one)
            if name in self.leave_out or name in self.free:
                continue
            value = getattr(settings, one.name)
            if is_dataclass(value) and not isinstance(value, type):
                yield from self._keys_below(value, f"{name}.")
                continue
            key = _key(name, hints[one.name], value)
            choices = self.choices.get(name, key.choices)
            yield replace(key, choices=choices, bounds=self.bounds.get(name, key.bounds))

    def _values(self, settings: Settings) -> list[tuple[str, Value]]:
        """Key and value of what is set."""
        now = replace(self, start=settings)
        found: list[tuple[str, Value]] = []
        for name, key in now.keys.items():
            if key.default is not None:
                found.append((name, key.default))
            elif self.keys[name].default is not None:
                raise ValueError(f"{name}: TOML cannot hold None here")
        for section in self.free:
            given: Mapping[str, str] = getattr(settings, section)
            found += [(f"{section}.{name}", text) for name, text in given.items()]
        return found

    def _sections(self) -> list[str]:
        named = [name.partition(".")[0] for name in self.keys if "." in name]
        return list(dict.fromkeys([*named, *self.free]))

    def _from_file(self, path: Path) -> dict[str, Value]:
        try:
            text = text_of(path)
            _refuse_long_keys(text)
            given = list(_flat(tomllib.loads(text)))
        except (OSError, *UNREADABLE) as error:
            raise BadInput(f"{path}: expected settings as TOML: {shortened(error)}") from error
        found = {}
        for name, value in given:
            try:
                key = self._key_of(name)
                found[key.name] = key.from_value(value)
            except BadInput as error:
                raise BadInput(f"{path}: {error}") from error
        return found

    def _from_texts(self, texts: Iterable[str]) -> dict[str, Value]:
        found = {}
        for text in texts:
            name, equals, value = text.partition("=")
            if not equals or not name.strip():
                example = list(self.keys)[-1]
                raise BadInput(f"--set {text!r}: expected key=value, as in {example}=…")
            key = self._key_of(name.strip())
            found[key.name] = key.from_text(value)
        return found

    def _from_options(self, options: Mapping[str, Foreign]) -> dict[str, Value]:
        found = {}
        for name, value in options.items():
            if value is not None:
                key = self._key_of(name)
                found[key.name] = key.from_value(value)
        return found

    def _key_of(self, given: str) -> Key:
        name = self.short.get(given, given)
        section, _, last = name.partition(".")
        if section in self.free and last:
            return FreeKey(name, str)
        if name not in self.keys:
            raise self._unknown(name)
        return self.keys[name]

    def _unknown(self, name: str) -> BadInput:
        """The error for a name that is not a key: the nearest one, and what there is."""
        section = name.partition(".")[0] + "."
        listed = [key for key in self.keys if key.startswith(section)]
        nearest = self._nearest(name, listed)
        guess = f"; did you mean {nearest}?" if nearest else "."
        listed = listed or [key for key in self.keys if "." not in key]
        there_is = ", ".join(f"{key} ({self.keys[key].expected()})" for key in listed)
        said = [f"There is: {there_is}."] if there_is else []
        said.append(f"Sections: {', '.join(sorted(self._sections()))};")
        said.append("`--set help` lists every key")
        return BadInput(f"there is no setting {name!r}{guess} {' '.join(said)}")

    def _nearest(self, name: str, in_section: Sequence[str]) -> str | None:
        """A key that may be meant: of the section, of that last name elsewhere, or alike."""
        last = name.rpartition(".")[2]
        by_last = {key.rpartition(".")[2]: key for key in in_section}
        for close in difflib.get_close_matches(last, by_last, 1):
            return by_last[close]
        for key in self.keys:
            if key.rpartition(".")[2] == last:
                return key
        return next(iter(difflib.get_close_matches(name, self.keys, 1)), None)


def check_bounds(section: DataclassInstance) -> None:
    """For ``__post_init__`` of a section: its numbers are within the bounds of their annotations.

    Args:
        section: The section.

    Raises:
        BadInput: one is not.
    """
    hints = get_type_hints(type(section), include_extras=True)
    for one in fields(section):
        hint, bounds = _without_bounds(hints[one.name])
        value = getattr(section, one.name)
        if bounds is not None and value is not None:
            replace(_key(one.name, hint, value), bounds=bounds).from_value(value)


def to_toml(value: Value) -> str:
    """A value as it stands in a TOML file.

    Raises:
        ValueError: TOML cannot hold it.
    """
    if value is None:
        raise ValueError("TOML cannot hold None")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(to_toml(part) for part in value)}]"
    text = str(value)
    if not _is_unicode(text):
        quoted_bytes = quote_from_bytes(text.encode("utf-8", "surrogateescape"))
        return f'{{ {_PERCENT} = "{quoted_bytes}" }}'
    # A text of JSON is one of TOML, but for the one character that JSON leaves as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _is_unicode(text: str) -> bool:
    """Whether a text is none of a file's name that is not UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _from_toml(value: Foreign) -> Foreign:
    """What :func:`to_toml` wrote."""
    if isinstance(value, list):
        return [_from_toml(one) for one in value]
    if _is_percent(value):
        return unquote(value[_PERCENT], errors="surrogateescape")
    return value


def _is_percent(value: Foreign) -> bool:
    return (
        isinstance(value, Mapping) and [*map(type, value.values())] == [str] and _PERCENT in value
    )


def _name(one: Field[Foreign]) -> str:
    """A field's name as a key."""
    name: str = one.metadata.get(NAME, one.name)
    return name


def _key(name: str, hint: Foreign, default: Value) -> Key:
    """The key of a field, by its annotation.

    Raises:
        TypeError: no text says a value of this type.
    """
    hint, bounds = _without_bounds(hint)
    inner = _without_none(hint)
    optional = inner is not hint
    many = _origin(inner) is tuple
    if many:
        inner = get_args(inner)[0]
    choices: tuple[str, ...] = ()
    if _origin(inner) is Literal:
        choices, inner = get_args(inner), str
    if inner not in _WORDS:
        raise TypeError(f"{name}: {hint} is not a type of a setting")
    return Key(name, inner, default, optional, many, choices, bounds)


def _origin(hint: Foreign) -> Foreign:
    """``tuple`` of ``tuple[int, ...]``; None of a plain type."""
    return get_origin(hint)


def _without_bounds(hint: Foreign) -> tuple[Foreign, Bounds | None]:
    """``X`` and the bounds of ``Annotated[X, Bounds(…)]``."""
    if _origin(hint) is not Annotated:
        return hint, None
    inner, *more = get_args(hint)
    return inner, next((one for one in more if isinstance(one, Bounds)), None)


def _without_none(hint: Foreign) -> Foreign:
    """``X`` of ``X | None``; any other annotation as it is."""
    if _origin(hint) not in (Union, types.UnionType):
        return hint
    others = [one for one in get_args(hint) if one is not type(None)]
    return others[0] if len(others) == 1 else hint


def _rebuilt(settings: Settings, values: Mapping[str, Value], before: str = "") -> Settings:
    """The dataclass with some values replaced, each by its key; made once, so that what it checks
    at birth it checks on all of them together.
    """
    changes: dict[str, object] = {}
    for one in fields(settings):
        name = before + _name(one)
        value = getattr(settings, one.name)
        below = {key: new for key, new in values.items() if key.startswith(f"{name}.")}
        if name in values:
            changes[one.name] = values[name]
        elif is_dataclass(value) and not isinstance(value, type):
            changes[one.name] = _rebuilt(value, below, f"{name}.")
        elif below:
            changes[one.name] = {key.partition(".")[2]: new for key, new in below.items()}
    try:
        return replace(settings, **changes)
    except (ValueError, BadInput) as error:
        section = f"[{before.rstrip('.')}] " if before else ""
        raise BadInput(f"{section}{error}") from error


def _refuse_long_keys(text: str) -> None:
    """Refuse keys of very many parts, which the reader of TOML takes the square of their number
    for.
    """
    bare = _QUOTED.sub("", text)
    if any(piece.count(".") > _MOST_PARTS for piece in _NOT_IN_KEYS.split(bare)):
        raise ValueError(f"a key has more than {_MOST_PARTS} parts")


def _flat(table: Mapping[str, Foreign], before: str = "") -> Iterator[tuple[str, Foreign]]:
    """Nested tables as dotted names: ``{"llm": {"seed": 1}}`` → ``("llm.seed", 1)``."""
    for name, value in table.items():
        if isinstance(value, Mapping) and not _is_percent(value):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", _from_toml(value)
