"""A file in a plug-in folder, or an entry point, is a plug-in. Built-ins use the same door as third
parties.

A plug-in module defines ``PLUGIN``. Built-ins of a group lie in one package (for example
``twomind.models``): a module, or a package with a module ``recogniser``; its name is the plug-in's.
Third parties declare an entry point in the group ``twomind.<group>``. Modules are imported only
when asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterable
from functools import lru_cache
from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints
from typing import TYPE_CHECKING, Protocol

from twomind.core.errors import BadInput

if TYPE_CHECKING:
    from twomind.types.plain import Foreign

#: group → package whose modules may define PLUGIN; "" where everything comes from other
#: distributions
GROUPS = {
    "models": "twomind.models",  # a class that keeps the contract of twomind.models.base
    "datasets": "twomind.datasets",
    "talk": "twomind.datasets.talks",  # twomind.datasets.talk.TalkSet
    "methods": "twomind.adaptation.methods",
    "encoders": "",  # a function without arguments → twomind.encoders.encoder.Encoder
    "weights": "",  # a tuple of twomind.core.weights.Weights that lie in another package
    "synthetic": "",  # twomind.datasets.synthetic.Studies
    "commands": "",  # a click command of ``twomind``
}


@lru_cache(maxsize=64)
def _built_in(package: str) -> dict[str, str]:
    """Modules of a package that define PLUGIN, found by reading their source, not by importing
    them.
    """
    spec = importlib.util.find_spec(package) if package else None
    if spec is None or spec.submodule_search_locations is None:
        return {}
    found = {}
    for module in pkgutil.iter_modules(spec.submodule_search_locations):
        name = f"{package}.{module.name}.recogniser" if module.ispkg else f"{package}.{module.name}"
        origin = importlib.util.find_spec(name)
        if origin and origin.origin and origin.origin.endswith(".py"):
            with open(origin.origin, encoding="utf-8") as file:
                if any(line.startswith("PLUGIN") for line in file):
                    found[module.name.replace("_", "-")] = name
    return found


class _Selects(Protocol):
    def select(self, *, group: str) -> EntryPoints: ...


@lru_cache(maxsize=64)
def _all_entries(_path: tuple[str, ...]) -> _Selects:
    """Looked for once, for all groups: it reads a file of every distribution that there is."""
    return metadata.entry_points()


def entry_points(*, group: str) -> EntryPoints:
    """What distributions declare for a group of entry points."""
    return _all_entries(tuple(sys.path)).select(group=group)


def _installed(group: str) -> tuple[EntryPoint, ...]:
    """What other distributions bring to a group."""
    return _entries(group, entry_points, tuple(sys.path))


class _Finds(Protocol):
    def __call__(self, *, group: str) -> Iterable[EntryPoint]: ...


@lru_cache(maxsize=64)
def _entries(group: str, find: _Finds, _path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    return tuple(find(group=f"twomind.{group}"))


def names(group: str) -> list[str]:
    """Every plug-in of the group, built-in or installed, sorted."""
    if group not in GROUPS:
        raise BadInput(f"no plug-in group {group!r}; there is: {', '.join(GROUPS)}")
    brought = {entry.name for entry in _installed(group)}
    return sorted({*_built_in(GROUPS[group]), *brought})


def load(group: str, name: str) -> Foreign:
    """The ``PLUGIN`` of one plug-in.

    Raises:
        BadInput: there is none of that name; the message lists what there is.
    """
    module = _built_in(GROUPS.get(group, "")).get(name) if group in GROUPS else None
    if module:
        return importlib.import_module(module).PLUGIN
    for entry in _installed(group):
        if entry.name == name:
            return entry.load()
    raise BadInput(
        f"no {group.rstrip('s')} named {name!r}; there is: {', '.join(names(group)) or 'none'}"
    )
