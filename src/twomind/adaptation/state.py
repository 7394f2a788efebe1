"""A person's state on disk: safetensors for arrays, JSON for the rest, never pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard, cast

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.seals import tell_unsealed
from twomind.core.store import has_sums, read_arrays, write_arrays
from twomind.types import State
from twomind.types.plain import Array

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = "twomind.state/1"


#: What a state looks like in JSON: the kind of each value, and where its array is kept.
Node = dict[str, object]


def _is_tensor(value: object) -> TypeGuard[Tensor]:
    return type(value).__module__.startswith("torch")


def _flatten(value: object, path: str, arrays: dict[str, Array]) -> Node:
    if isinstance(value, Mapping):
        bad = [k for k in value if not isinstance(k, str)]
        if bad:
            raise TypeError(f"state{path}: expected text as names, got {bad[0]!r}")
        named = {k: _flatten(v, f"{path}/{k}", arrays) for k, v in value.items()}
        return {"kind": "map", "of": named}
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        items = [_flatten(v, f"{path}/{i}", arrays) for i, v in enumerate(value)]
        return {"kind": kind, "of": items}
    if _is_tensor(value):
        arrays[path] = value.detach().cpu().numpy()
        return {"kind": "tensor", "at": path, "shape": list(np.shape(arrays[path]))}
    if isinstance(value, np.ndarray | np.generic):
        arrays[path] = np.asarray(value)
        return {"kind": "array", "at": path, "shape": list(np.shape(arrays[path]))}
    if value is None or isinstance(value, bool | int | float | str):
        return {"kind": "plain", "value": value}
    raise TypeError(
        f"state{path}: expected arrays, tensors and plain values, got {type(value).__name__}"
    )


def _rebuild(node: Node, arrays: Mapping[str, Array]) -> object:
    kind = node["kind"]
    if kind == "plain":
        return node["value"]
    of = node.get("of")
    if isinstance(of, dict):
        return {k: _rebuild(v, arrays) for k, v in of.items()}
    if isinstance(of, list):
        items = [_rebuild(v, arrays) for v in of]
        return tuple(items) if kind == "tuple" else items
    shape = cast("list[int]", node["shape"])
    array = arrays[str(node["at"])].reshape(shape)
    if kind == "array":
        return array
    import torch

    return torch.from_numpy(array.copy())


def save_state(path: Path, state: State, meta: Mapping[str, object] | None = None) -> Path:
    """Write a state atomically.

    Args:
        path: of the file.
        state: what a method remembers of one person.
        meta: whose it is, and of which model and method.

    Raises:
        TypeError: the state holds something else than arrays, tensors and plain values.
    """
    arrays: dict[str, Array] = {}
    tree = _flatten(state, "", arrays)
    stored = {k: np.atleast_1d(v) for k, v in arrays.items()}
    return write_arrays(path, stored, {"format": FORMAT, "tree": tree, "meta": dict(meta or {})})


def load_state(path: Path) -> tuple[State, dict[str, object]]:
    """The state and meta of one file written by :func:`save_state`.

    Raises:
        BadInput: the file is damaged, or no state.
    """
    arrays, found = read_arrays(path)
    if not has_sums(path):
        tell_unsealed(path)
    if found.get("format") != FORMAT:
        raise BadInput(f"{path}: expected a saved state ({FORMAT}), got {found.get('format')!r}")
    state = cast("State", _rebuild(found["tree"], arrays))
    return state, found["meta"]
