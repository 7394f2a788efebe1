"""What a method may say of itself besides its contract, and what holds where it says nothing.

Each is an attribute or a class method of the method's class:

``model_kind``
    The only kind of model that it adapts, by the name of the model's plug-in. Absent: every model
    with an embedding.
``variants(model_kind)``
    Settings under which a comparison of all methods runs it on models of a kind, one mapping per
    run. Absent: once, with its defaults.
``why_not(model_kind)``
    Why a comparison of all methods leaves it out for models of a kind; "" where it does not.
    Absent: never left out.
``source_summary(model)``
    A function of the source's examples → arrays by name, which leave the source site for it besides
    the usual prototypes and statistics. Absent: nothing else.
``wraps``
    True: it stands around another method. Then its fields ``method`` and ``settings`` name that
    one, ``inner`` is it, and its state has a ``log`` and ``counts``. Absent: it does not.

The kind ``described`` is the linear head on described windows. So a new method is one file; who
compares methods knows none by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twomind.types import Example
from twomind.types.plain import Array

#: A model → a function of the source's examples → arrays by name.
SourceSummary = Callable[[object], Callable[[tuple[Example, ...]], Mapping[str, Array]]]


def model_kind(method: object) -> str | None:
    """The only kind of model that a method adapts; None: every model with an embedding."""
    found: str | None = getattr(method, "model_kind", None)
    return found


def variants(method: object, kind: str) -> Sequence[Mapping[str, object]]:
    """Settings of each run of a method in a comparison of all on models of a kind."""
    own = getattr(method, "variants", None)
    return ({},) if own is None else tuple(own(kind))


def why_not(method: object, kind: str) -> str:
    """Why a comparison of all on models of a kind leaves a method out; "" where it does not."""
    only = model_kind(method)
    if only is not None and only != kind:
        return "needs a model of its own kind, not an embedding"
    own = getattr(method, "why_not", None)
    return "" if own is None else str(own(kind))


def wraps(method: object) -> bool:
    """Whether a method stands around another one."""
    return bool(getattr(method, "wraps", False))


def source_summary(method: object) -> SourceSummary | None:
    """What a method, or the one within it, gets from the source besides the usual summary."""
    if wraps(method):
        return source_summary(getattr(method, "inner", None))
    found: SourceSummary | None = getattr(method, "source_summary", None)
    return found


__all__ = ["SourceSummary", "model_kind", "source_summary", "variants", "why_not", "wraps"]
