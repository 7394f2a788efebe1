"""YAML as research programs dump it, read without running anything in it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from twomind.types.plain import Foreign

if TYPE_CHECKING:
    from yaml import SafeLoader
    from yaml.nodes import SequenceNode


def load_yaml(text: str) -> Foreign:
    """The data of a YAML text. Besides plain YAML it knows the tag under which Python dumps tuples;
    no other tag.

    libyaml reads where PyYAML was built with it; the reader in Python gives the same and takes many
    times as long.

    Raises:
        ValueError: not YAML, or a tag that is not known; the message is one line.
    """
    import yaml

    try:
        return yaml.load(text, _loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError as error:
        raise ValueError(str(error).splitlines()[0]) from error


@cache
def _loader(base: type[SafeLoader]) -> type[SafeLoader]:
    """A safe loader that also knows the tag of tuples."""
    loader: type[SafeLoader] = type("Loader", (base,), {})
    loader.add_constructor("tag:yaml.org,2002:python/tuple", _tuple)
    return loader


def _tuple(loader: SafeLoader, node: SequenceNode) -> tuple[Foreign, ...]:
    return tuple(loader.construct_sequence(node, deep=True))
