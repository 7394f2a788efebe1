"""YAML as research programs dump it, read without running anything in it."""

from __future__ import annotations

from functools import cache
from typing import Any


def load_yaml(text: str) -> Any:
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
def _loader(base: type[Any]) -> type[Any]:
    """A safe loader that also knows the tag of tuples."""

    class Loader(base):
        pass

    Loader.add_constructor(
        "tag:yaml.org,2002:python/tuple",
        lambda loader, node: tuple(loader.construct_sequence(node, deep=True)),
    )
    return Loader
