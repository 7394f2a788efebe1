"""YAML as research programs dump it, read without running anything in it."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

from twomind.core.errors import shortened
from twomind.types.plain import Foreign

if TYPE_CHECKING:
    from yaml import SafeLoader
    from yaml.nodes import Node, ScalarNode, SequenceNode

#: Values that a text may have, with everything that its aliases repeat.
_MOST_VALUES_WITH_ALIASES = 1_000_000
#: Characters that a number may have. YAML knows numbers of base 60 ("1:59:59"), whose reading takes
#: the square of their length.
_LONGEST_NUMBER = 1000


def load_yaml(text: str, as_written: bool = False) -> Foreign:
    """The data of a YAML text. Besides plain YAML it knows the tag under which Python dumps tuples;
    no other tag.

    Args:
        text: What stands in the file.
        as_written: Whether numbers, dates, ``yes`` and ``no`` stay the text that they are written
            as, which they may be: YAML makes True of ``yes``, and 750 of ``12:30``.

    libyaml reads where PyYAML was built with it; the reader in Python gives the same and takes many
    times as long.

    Raises:
        ValueError: not YAML, a tag that is not known, a value that is not of its tag, or aliases
            that unfold to more than any file of annotations holds; the message is one short line.
    """
    import yaml

    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader = _loader(base, as_written)(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        if "*" in text and _n_values(root, {}) > _MOST_VALUES_WITH_ALIASES:
            raise ValueError("its aliases unfold to too many values")
        return loader.construct_document(root)
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(shortened(str(error).splitlines()[0])) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise ValueError(f"a value is not what its tag says: {shortened(error)}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    finally:
        loader.dispose()


def _n_values(node: Node, known: dict[int, float]) -> float:
    """How many values a node stands for when every alias is written out; inf where it holds
    itself.
    """
    from yaml.nodes import CollectionNode

    if not isinstance(node, CollectionNode):
        return 1.0
    at = id(node)
    if at not in known:
        known[at] = math.inf
        n = 1.0
        for item in node.value:
            parts = item if isinstance(item, tuple) else (item,)
            for part in parts:
                n += _n_values(part, known)
        known[at] = n
    return known[at]


@cache
def _loader(base: type[SafeLoader], as_written: bool) -> type[SafeLoader]:
    """A safe loader that also knows the tag of tuples."""
    loader: type[SafeLoader] = type("Loader", (base,), {})
    loader.add_constructor("tag:yaml.org,2002:python/tuple", _tuple)
    loader.add_constructor("tag:yaml.org,2002:int", _int)
    loader.add_constructor("tag:yaml.org,2002:float", _float)
    if as_written:
        for tag in ("bool", "int", "float", "timestamp"):
            loader.add_constructor(f"tag:yaml.org,2002:{tag}", _written)
    return loader


def _written(loader: SafeLoader, node: ScalarNode) -> str:
    if node.tag.endswith("bool"):
        loader.construct_yaml_bool(node)  # refuses what is none
    else:
        _refuse_long_number(node)
    return str(node.value)


def _int(loader: SafeLoader, node: ScalarNode) -> int:
    _refuse_long_number(node)
    return loader.construct_yaml_int(node)


def _float(loader: SafeLoader, node: ScalarNode) -> float:
    _refuse_long_number(node)
    return loader.construct_yaml_float(node)


def _refuse_long_number(node: ScalarNode) -> None:
    if len(node.value) > _LONGEST_NUMBER:
        raise ValueError(f"it holds a number of {len(node.value)} characters")


def _tuple(loader: SafeLoader, node: SequenceNode) -> tuple[Foreign, ...]:
    return tuple(loader.construct_sequence(node, deep=True))
