"""The public names of the package with their parameters, as lines of text.

``python -m tests.public_names`` writes them to ``public_names.txt``; ``test_public_names.py`` says
what has changed since. Only names in an ``__all__`` count, and methods without an underscore.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import griffe

ROOT = Path(__file__).parent.parent
KEPT = Path(__file__).with_name("public_names.txt")
#: Where what users import lies: the package itself, and what plug-ins are written to.
MODULES = (
    "twomind",
    "twomind.types",
    "twomind.models.base",
    "twomind.models.check",
    "twomind.adaptation",
    "twomind.adaptation.check",
    "twomind.datasets",
    "twomind.datasets.check",
)


def lines() -> list[str]:
    """One line per public name, in order of the modules."""
    package = griffe.load("twomind", search_paths=[str(ROOT / "src")], resolve_aliases=True)
    found = []
    for module in MODULES:
        _, _, inside = module.partition(".")
        node = package[inside] if inside else package
        for name in sorted(_names(node)):
            found += [f"{module}.{line}" for line in _of(name, node.members[name])]
    return found


def _names(module: griffe.Module | griffe.Alias | griffe.Object) -> set[str]:
    if module.exports is not None:
        return {str(name) for name in module.exports} & set(module.members)
    own = (griffe.Kind.CLASS, griffe.Kind.FUNCTION, griffe.Kind.ATTRIBUTE)
    return {
        name
        for name, member in module.members.items()
        if not name.startswith("_") and not member.is_alias and member.kind in own
    }


def _of(name: str, member: griffe.Object | griffe.Alias) -> Iterator[str]:
    if member.is_alias:
        try:
            member = member.final_target
        except griffe.AliasResolutionError:
            yield name
            return
    if member.is_function:
        yield f"{name}({_parameters(member)})"
    elif member.is_class:
        yield f"class {name}"
        for inner in sorted(member.members):
            if not inner.startswith("_"):
                yield from (f"{name}.{line}" for line in _of(inner, member.members[inner]))
    else:
        yield name


def _parameters(function: griffe.Object | griffe.Alias) -> str:
    """Names and which of them may be left out; annotations and defaults are for the manual."""
    words = []
    for one in function.parameters:
        if one.name in ("self", "cls"):
            continue
        optional = "=" if one.default is not None and "variadic" not in str(one.kind) else ""
        star = {"variadic positional": "*", "variadic keyword": "**"}.get(str(one.kind.value), "")
        words.append(f"{star}{one.name}{optional}")
    return ", ".join(words)


if __name__ == "__main__":
    KEPT.write_text("\n".join(lines()) + "\n", encoding="utf-8")
