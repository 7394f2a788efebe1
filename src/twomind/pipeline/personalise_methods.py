"""Which methods a comparison runs, how each is set, and why another one is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twomind.adaptation import traits
from twomind.core.errors import BadInput
from twomind.types import Access, Adapter

ALL = ("all",)


def configured(spec: str) -> Adapter:
    """The method of ``NAME`` or ``NAME:setting=value:setting=value``.

    Raises:
        BadInput: no such method or setting.
    """
    from twomind.adaptation import load_method

    name, settings = parsed(spec)
    return load_method(name, **settings)


def parsed(spec: str) -> tuple[str, dict[str, Any]]:
    """Name and settings of ``NAME:setting=value``.

    >>> parsed("clip-autt:mode=subject:steps=2")
    ('clip-autt', {'mode': 'subject', 'steps': 2})
    """
    from twomind.pipeline.adapt import read_settings

    name, *pairs = [part.strip() for part in spec.split(":")]
    return name, read_settings(name, pairs, "--methods") if pairs else {}


def chosen_methods(
    asked: Sequence[str], offered: Access, model: str = "described"
) -> tuple[dict[str, Adapter], dict[str, str]]:
    """Methods to run by name, and why others of ``all`` are left out.

    A method that was asked for by name is kept whatever it needs: where the protocol does not hand
    that over, or the model does not suit it, it refuses every fold, and its row says why.

    Args:
        asked: Names, or ``NAME:setting=value``; ``("all",)`` stands for all that fit.
        offered: What the protocol hands over.
        model: The kind of model: the name of its plug-in, or ``described``.

    Returns:
        Spec → method, and spec → reason of those left out.

    Raises:
        BadInput: a method that was asked for is not there, or the protocol serves none of them.
    """
    if tuple(asked) == ALL:
        return _all_that_fit(offered, model)
    kept: dict[str, Adapter] = {}
    unserved: dict[str, str] = {}
    for spec in asked:
        if _name(spec) == "source-only":
            continue
        method = configured(spec)
        kept[spec] = method
        if method.needs & ~offered:
            unserved[spec] = _not_handed_over(method, offered)
    if kept and len(unserved) == len(kept):
        spec, why = next(iter(unserved.items()))
        raise BadInput(f"method {spec}: {why}")
    return kept, {}


def _all_that_fit(offered: Access, model: str) -> tuple[dict[str, Adapter], dict[str, str]]:
    kept: dict[str, Adapter] = {}
    left: dict[str, str] = {}
    for spec in _every_variant(model):
        if _name(spec) == "source-only":
            continue
        method = configured(spec)
        why = traits.why_not(method, model)
        if not why and method.needs & ~offered:
            why = _not_handed_over(method, offered)
        if why:
            left[spec] = why
        else:
            kept[spec] = method
    return kept, left


def _every_variant(model: str) -> list[str]:
    """Each method once, then what else of some is compared."""
    from twomind.core import registry

    first: list[str] = []
    further: list[str] = []
    for name in registry.names("methods"):
        found = traits.variants(registry.load("methods", name), model)
        specs = [_spec(name, settings) for settings in found]
        first += specs[:1]
        further += specs[1:]
    return [*first, *further]


def _spec(name: str, settings: Mapping[str, object]) -> str:
    """``NAME:setting=value:setting=value``."""
    return ":".join([name, *(f"{key}={value}" for key, value in settings.items())])


def _not_handed_over(method: Adapter, offered: Access) -> str:
    missing = method.needs & ~offered
    return f"needs {missing.words()}, which this protocol does not hand over"


def _name(spec: str) -> str:
    return spec.split(":")[0]


def within_guard(methods: Mapping[str, Adapter]) -> dict[str, Adapter]:
    """Each method, and each within the guard at its default strictness."""
    from twomind.adaptation.guard import Guarded

    found = dict(methods)
    for spec in methods:
        name, settings = parsed(spec)
        if not traits.wraps(methods[spec]):
            found[f"guarded {spec}"] = Guarded(name, settings)
    return found
