"""A person's state on disk: safetensors for arrays, JSON for the rest, never pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.store import read_arrays, write_arrays
from twomind.types import State

FORMAT = "twomind.state/1"


def _is_tensor(value: Any) -> bool:
    return type(value).__module__.startswith("torch")


def _flatten(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, Mapping):
        bad = [k for k in value if not isinstance(k, str)]
        if bad:
            raise TypeError(f"state{path}: expected text as names, got {bad[0]!r}")
        return {
            "kind": "map",
            "of": {k: _flatten(v, f"{path}/{k}", arrays) for k, v in value.items()},
        }
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {
            "kind": kind,
            "of": [_flatten(v, f"{path}/{i}", arrays) for i, v in enumerate(value)],
        }
    if isinstance(value, np.ndarray | np.generic) or _is_tensor(value):
        tensor = _is_tensor(value)
        arrays[path] = value.detach().cpu().numpy() if tensor else np.asarray(value)
        return {
            "kind": "tensor" if tensor else "array",
            "at": path,
            "shape": list(np.shape(arrays[path])),
        }
    if value is None or isinstance(value, bool | int | float | str):
        return {"kind": "plain", "value": value}
    raise TypeError(
        f"state{path}: expected arrays, tensors and plain values, got {type(value).__name__}"
    )


def _rebuild(node: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    kind = node["kind"]
    if kind == "map":
        return {k: _rebuild(v, arrays) for k, v in node["of"].items()}
    if kind in ("list", "tuple"):
        items = [_rebuild(v, arrays) for v in node["of"]]
        return tuple(items) if kind == "tuple" else items
    if kind == "plain":
        return node["value"]
    array = arrays[node["at"]].reshape(node["shape"])
    if kind == "array":
        return array
    import torch

    return torch.from_numpy(array.copy())


def save_state(path: Path, state: State, meta: Mapping[str, Any] | None = None) -> Path:
    """Write a state atomically. ``meta`` says whose it is and of which model and method.

    Raises:
        TypeError: the state holds something else than arrays, tensors and plain values.
    """
    arrays: dict[str, np.ndarray] = {}
    tree = _flatten(state, "", arrays)
    stored = {k: np.atleast_1d(v) for k, v in arrays.items()}
    return write_arrays(path, stored, {"format": FORMAT, "tree": tree, "meta": dict(meta or {})})


def load_state(path: Path) -> tuple[State, dict[str, Any]]:
    """The state and meta of one file written by :func:`save_state`.

    Raises:
        BadInput: the file is damaged, or no state.
    """
    arrays, found = read_arrays(path)
    if found.get("format") != FORMAT:
        raise BadInput(f"{path}: expected a saved state ({FORMAT}), got {found.get('format')!r}")
    return _rebuild(found["tree"], arrays), found["meta"]
