"""What goes away warns for one minor version, and is then gone."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

import pytest

from twomind.core.deprecation import Deprecated, removed_in, warn_deprecated
from twomind.core.version import __version__

SRC = Path(__file__).parents[2] / "src" / "twomind"


def _old_name() -> None:
    warn_deprecated("old_name()", "new_name()", since="0.3")


def test_it_says_when_it_goes_and_what_to_use() -> None:
    with pytest.warns(
        Deprecated, match=r"old_name\(\) goes away in 0\.4; use new_name\(\)"
    ) as told:
        _old_name()
    assert told[0].filename == __file__, "the warning points at whoever called the old name"


def test_it_is_shown_without_asking() -> None:
    """Python hides DeprecationWarning outside of tests."""
    assert not issubclass(Deprecated, DeprecationWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Deprecated)
        with pytest.raises(Deprecated):
            _old_name()


@pytest.mark.parametrize("since", ["0", "0.3.1", "soon", "", "0.x"])
def test_a_version_that_is_none_is_refused(since: str) -> None:
    with pytest.raises(ValueError, match="expected a minor version"):
        removed_in(since)


def test_nothing_that_should_be_gone_is_still_here() -> None:
    now = tuple(int(part) for part in __version__.split(".")[:2])
    for path in SRC.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        if "warn_deprecated" not in source:
            continue
        for since in _since(source):
            assert now < removed_in(since), f"{path.name}: warns since {since}; remove it"


def _since(source: str) -> list[str]:
    """The versions that calls in a file give."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("warn_deprecated"):
            given = {word.arg: word.value for word in node.keywords}
            found.append(ast.literal_eval(given.get("since") or node.args[2]))
    return found


def test_calls_are_found() -> None:
    assert _since('warn_deprecated("a", "b", since="0.2")\nx.warn_deprecated("a", "b", "0.1")') == [
        "0.2",
        "0.1",
    ]
