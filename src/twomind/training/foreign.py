"""The one reader of weights that others wrote. Nothing in a file is executed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput


def read_foreign(path: Path) -> Mapping[str, Any]:
    """What a file of weights holds by name: tensors, or dicts of them.

    Args:
        path: of a ``.safetensors``, or of a checkpoint of torch (``.pth``, ``.pt``).

    Raises:
        BadInput: it cannot be read, or holds something else.
    """
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            found: Any = load_file(str(path))
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    # Bytes that are no checkpoint are taken for instructions of a pickle, which fail in any way.
    except Exception as error:
        first = "".join(str(error).strip().splitlines()[:1])
        raise BadInput(
            f"{path}: expected a checkpoint that holds only weights (.pth, .pt or .safetensors); it "
            f"cannot be read: {type(error).__name__}: {first}"
        ) from error
    if not isinstance(found, Mapping):
        raise BadInput(f"{path}: expected a dict of state dicts, got {type(found).__name__}")
    return found


__all__ = ["read_foreign"]
