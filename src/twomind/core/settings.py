"""Settings in sections: one TOML file, and single values as ``section.key=value``.

A section is a frozen dataclass; its fields are the keys, their annotations say what a value may be.
Known annotations: ``int``, ``float``, ``bool``, ``str``, ``Path``, ``Literal``, tuples of one of
these (``tuple[str, ...]``), and each of them or ``None``. What was read can be written to a TOML
file and read again.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Walk:
    ...     steps: int = 10
    ...     names: tuple[str, ...] = ()
    >>> read({"walk": Walk}, None, ["walk.steps=3", "walk.names=a,b"])
    {'walk': Walk(steps=3, names=('a', 'b'))}
"""

from __future__ import annotations

import difflib
import json
import math
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from twomind.core.errors import BadInput
from twomind.core.store import write_text

_SCALARS = (int, float, bool, str, Path)
_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    Path: "a path",
}


def read(
    schema: Mapping[str, type[Any]],
    toml_path: Path | None,
    sets: Sequence[str] = (),
    given: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """The sections of ``schema``: defaults, over them the file, then ``sets``, then ``given``.

    Args:
        schema: Section name → its dataclass.
        toml_path: A TOML file with a table per section; None: no file.
        sets: Texts ``section.key=value``. A tuple is written with commas, a value that is not
            there ``none``.
        given: ``section.key`` → a value of its own type, for example from options; None stands for
            not given.

    Returns:
        Section name → an instance of its dataclass.

    Raises:
        BadInput: the file cannot be read; an unknown section or key; a value of another kind, or
            one that its section refuses.
    """
    found: dict[str, dict[str, Any]] = {section: {} for section in schema}
    if toml_path is not None:
        for section, table in _tables(schema, toml_path).items():
            found[section].update(table)
    for text in sets:
        section, key, value = _split(text)
        kind = _kind(schema, section, key, "--set")
        found[section][key] = _from_text(f"--set {section}.{key}", kind, value)
    for name, given_value in (given or {}).items():
        if given_value is None:
            continue
        section, _, key = name.partition(".")
        kind = _kind(schema, section, key, name)
        found[section][key] = _from_data(name, kind, given_value)
    return {section: _made(section, cls, found[section]) for section, cls in schema.items()}


def kinds(cls: type[Any]) -> dict[str, Any]:
    """Key → annotation of the fields of a section that can be set; others (a mapping, a network)
    are left out.
    """
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in fields(cls) if f.init and _is_known(hints[f.name])}


def write(path: Path, sections: Mapping[str, Any], head: str = "") -> Path:
    """Write sections to a TOML file that :func:`read` gives back as they are.

    Args:
        path: The file.
        sections: Section name → an instance of its dataclass.
        head: What the file says of itself, as a comment above the sections.

    Returns:
        The file.

    Raises:
        ValueError: a value that TOML cannot hold, for example None where None is not the default.
    """
    lines = [f"# {line}".rstrip() for line in head.splitlines()]
    for section, values in sections.items():
        if lines:
            lines.append("")
        lines.append(f"[{section}]")
        for f in fields(values):
            value = getattr(values, f.name)
            if value is None or f.name not in kinds(type(values)):
                if value != _default(f):
                    raise ValueError(f"{section}.{f.name}: TOML cannot hold {value!r} here")
                continue
            lines.append(f"{f.name} = {_toml(value)}")
    return write_text(path, "\n".join(lines) + "\n")


def _tables(schema: Mapping[str, type[Any]], path: Path) -> dict[str, dict[str, Any]]:
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: expected a TOML file with settings ({error})") from error
    found: dict[str, dict[str, Any]] = {}
    for section, table in data.items():
        if not isinstance(table, dict):
            sections = ", ".join(f"[{name}]" for name in schema)
            raise BadInput(
                f"{path}: {section}: expected a section; a setting stands below its section's "
                f"name, one of: {sections}"
            )
        _check_section(schema, section, str(path))
        found[section] = {}
        for key, value in table.items():
            kind = _kind(schema, section, key, str(path))
            found[section][key] = _from_data(f"{path}: {section}.{key}", kind, value)
    return found


def _split(text: str) -> tuple[str, str, str]:
    """Section, key and value of ``section.key=value``."""
    name, equals, value = text.partition("=")
    section, dot, key = name.strip().partition(".")
    if not equals or not dot or not key:
        raise BadInput(f"--set {text!r}: expected section.key=value")
    return section, key, value.strip()


def _check_section(schema: Mapping[str, type[Any]], section: str, where: str) -> None:
    """Refuse a section that is not there, with what is there and the nearest name."""
    if section not in schema:
        raise BadInput(f"{where}: no section {section!r}{_instead(section, schema)}")


def _kind(schema: Mapping[str, type[Any]], section: str, key: str, where: str) -> Any:
    """The annotation of a setting; one that is not there is refused as a section is."""
    _check_section(schema, section, where)
    known = kinds(schema[section])
    if key not in known:
        raise BadInput(f"{where}: no setting {section}.{key}{_instead(key, known)}")
    return known[key]


def _instead(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    meant = f"; did you mean {near[0]}?" if near else ";"
    there_is = ", ".join(names) or "none"
    return f"{meant} There is: {there_is}"


def _made(section: str, cls: type[Any], values: dict[str, Any]) -> Any:
    needed = [f.name for f in fields(cls) if f.init and _default(f) is MISSING]
    absent = [f"{section}.{name}" for name in needed if name not in values]
    if absent:
        raise BadInput(f"{', '.join(absent)}: expected, not given")
    try:
        return cls(**values)
    except (ValueError, BadInput) as error:
        raise BadInput(f"[{section}] {error}") from error


def _default(f: Field[Any]) -> Any:
    """A field's default; ``MISSING`` where it has none."""
    if f.default_factory is not MISSING:
        return f.default_factory()
    return f.default


def check_range(name: str, value: float | None, low: float, high: float | None = None) -> None:
    """For ``__post_init__`` of a section: a number is within bounds, or None.

    Args:
        name: The field.
        value: Its value.
        low: The least that it may be.
        high: The most; None: as much as one likes.

    Raises:
        BadInput: it is not.
    """
    if value is None or (value >= low and (high is None or value <= high)):
        return
    bounds = f"at least {low:g}" if high is None else f"{low:g} to {high:g}"
    raise BadInput(f"{name}: expected {bounds}, got {value:g}")


# --- kinds of values


def _without_none(kind: Any) -> tuple[Any, bool]:
    """An annotation without None, and whether None was part of it."""
    if get_origin(kind) not in (Union, types.UnionType):
        return kind, False
    parts = [part for part in get_args(kind) if part is not type(None)]
    may_be_none = len(parts) < len(get_args(kind))
    return (parts[0] if len(parts) == 1 else kind), may_be_none


def _item_kind(kind: Any) -> Any:
    """What a tuple holds; None: it is no tuple of one kind."""
    arguments = get_args(kind)
    if get_origin(kind) is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return arguments[0]
    return None


def _is_known(kind: Any) -> bool:
    kind, _ = _without_none(kind)
    item = _item_kind(kind)
    if item is not None:
        kind = item
    return kind in _SCALARS or get_origin(kind) is Literal


def _words(kind: Any) -> str:
    """An annotation in words, for messages."""
    kind, may_be_none = _without_none(kind)
    item = _item_kind(kind)
    if item is not None:
        words = f"several, each {_words(item)}"
    elif get_origin(kind) is Literal:
        words = f"one of {', '.join(map(str, get_args(kind)))}"
    else:
        words = _WORDS[kind]
    return f"{words}, or none" if may_be_none else words


def _from_text(name: str, kind: Any, text: str) -> Any:
    """The value of a text from the command line."""
    inner, may_be_none = _without_none(kind)
    if may_be_none and text.lower() == "none":
        return None
    item = _item_kind(inner)
    if item is not None:
        parts = [part.strip() for part in text.split(",")]
        return tuple(_from_text(name, item, part) for part in parts if part)
    value = _parsed(inner, text)
    if value is None:
        raise BadInput(f"{name}: expected {_words(kind)}, got {text!r}")
    return value


def _parsed(kind: Any, text: str) -> Any:
    """A text as one value of ``kind``; None: it is not one."""
    if get_origin(kind) is Literal:
        by_text = {str(choice): choice for choice in get_args(kind)}
        return by_text.get(text)
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower())
    if kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            return None
        return None if math.isnan(number) else number
    return kind(text)


def _from_data(name: str, kind: Any, value: object) -> Any:
    """The value of a TOML value, or of one that has its type already."""
    inner, may_be_none = _without_none(kind)
    if may_be_none and value is None:
        return None
    item = _item_kind(inner)
    if item is not None and isinstance(value, list | tuple):
        return tuple(_from_data(name, item, part) for part in value)
    if item is None and _fits(inner, value):
        return inner(value) if inner in (float, Path) else value
    raise BadInput(f"{name}: expected {_words(kind)}, got {value!r}")


def _fits(kind: Any, value: object) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    if kind is float:
        return isinstance(value, int | float) and not math.isnan(value)
    if kind is Path:
        return isinstance(value, str | Path)
    return isinstance(value, kind)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | Path):
        # A JSON text is a TOML text, but for one character that JSON leaves as it is.
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(part) for part in value)}]"
    raise ValueError(f"TOML cannot hold {value!r} here")
