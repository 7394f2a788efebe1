"""Which methods ``twomind score personalise`` runs, how each is set, and why another one is left
out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twomind.core.errors import BadInput

#: Per kind of model: the method that is made for it alone.
_OWN = {"described": "", "clip-au": "clip-autt"}
#: What ``all`` holds besides the defaults: settings of CLIP-AUTT that are methods of their own.
_ALSO: dict[str, tuple[str, ...]] = {
    "described": (),
    "clip-au": tuple(f"clip-autt:mode={mode}" for mode in ("subject", "episodic", "released")),
}
#: What stands in ``all`` in place of a default that looks for a weight by the name it has in a
#: linear head.
_INSTEAD: dict[str, dict[str, str]] = {
    "described": {},
    "clip-au": {"tpt": "tpt:tuned=temporal_classifier.2.weight"},
}
_WITHOUT: dict[str, dict[str, str]] = {
    "described": {},
    "clip-au": dict.fromkeys(("tent", "sar"), "adapts normalisation layers, and CLIP-AU has none"),
}


def configured(spec: str) -> Any:
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
    asked: str, offered: Any, model: str = "described"
) -> tuple[dict[str, Any], dict[str, str]]:
    """Methods to run by name, and why the others of ``all`` are left out (what they need is not
    handed over).

    Raises: BadInput: a method that was asked for by name is not there, or needs what the protocol
        does not hand over.
    """
    from twomind.core import registry

    specs = [n.strip() for n in asked.split(",") if n.strip()]
    if asked == "all":
        specs = [*(_INSTEAD[model].get(n, n) for n in registry.names("methods")), *_ALSO[model]]
    kept: dict[str, Any] = {}
    left: dict[str, str] = {}
    for spec in specs:
        name = spec.split(":")[0]
        method = configured(spec)
        missing = method.needs & ~offered
        own = hasattr(type(method), "toy") and getattr(method, "own_model", True)
        if name == "source-only":
            continue
        if asked == "all" and own and name != _OWN[model]:
            left[spec] = "needs a model of its own kind, not an embedding"
        elif asked == "all" and name in _WITHOUT[model]:
            left[spec] = _WITHOUT[model][name]
        elif missing:
            left[spec] = f"needs {missing.words()}, which this protocol does not hand over"
            if asked != "all":
                raise BadInput(f"method {spec}: {left[spec]}")
        else:
            kept[spec] = method
    return kept, left


def within_guard(methods: Mapping[str, Any]) -> dict[str, Any]:
    """Each method, and each within the guard at its default strictness."""
    from twomind.adaptation.guard import Guarded

    found = dict(methods)
    for spec in methods:
        name, settings = parsed(spec)
        if name != "guarded":
            found[f"guarded {spec}"] = Guarded(name, settings)
    return found
