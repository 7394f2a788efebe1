"""What the DSFDA and PFT parity tests share: fixtures by the beginning of their names, and weights
from a manifest.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

GIVEN = os.environ.get("TWOMIND_GOLDEN")
FOLDER = Path(GIVEN) if GIVEN else Path(__file__).parents[3] / "shared" / "golden"


def files(prefix: str) -> list[Any]:
    """Every fixture of a kind, one test each. A fixture is an ``.npz`` with a ``.json`` of the same
    name beside it.
    """
    return [pytest.param(p, id=p.stem) for p in sorted(FOLDER.rglob(f"{prefix}*.npz"))]


def draw(entry: dict[str, Any]) -> np.ndarray:
    """One weight from its manifest entry: the README's rule, in numpy's legacy generator."""
    r, shape, rule = np.random.RandomState(entry["seed"]), entry["shape"], entry["rule"]
    if scaled := re.fullmatch(r"([\d.]+)\*sqrt\(2/prod\(shape\[1:\]\)\)\*N\(0,1\)", rule):
        values = float(scaled[1]) * np.sqrt(2 / np.prod(shape[1:])) * r.standard_normal(shape)
    elif around := re.fullmatch(r"1\+([\d.]+)\*N\(0,1\)", rule):
        values = 1 + float(around[1]) * r.standard_normal(shape)
    elif plain := re.fullmatch(r"([\d.]+)\*N\(0,1\)", rule):
        values = float(plain[1]) * r.standard_normal(shape)
    elif even := re.fullmatch(r"([\d.]+)\+U\(0,1\)", rule):
        values = float(even[1]) + r.uniform(size=shape)
    else:
        raise AssertionError(f"{entry['tensor']}: unknown rule {rule!r}")
    values = values.astype(np.float32)
    for name, got in (
        ("sum", values.sum(dtype=np.float64)),
        ("abs_sum", np.abs(values).sum(dtype=np.float64)),
    ):
        np.testing.assert_allclose(
            got, entry[name], rtol=1e-6, atol=1e-6, err_msg=f"{entry['tensor']}: {name}"
        )
    return values


class Fixture:
    """Arrays, scalars and weights of one fixture; remembers what was looked at, so that nothing
    goes unchecked.
    """

    def __init__(self, path: Path) -> None:
        with np.load(path) as found:
            self.arrays = {name: found[name] for name in found.files}
        meta = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        self.scalars: dict[str, Any] = meta["scalars"]
        self.manifest: list[dict[str, Any]] = meta["weights"]
        self.seen: set[str] = set()

    def tensor(self, name: str) -> torch.Tensor:
        self.seen.add(name)
        return torch.from_numpy(self.arrays[name])

    def scalar(self, name: str) -> Any:
        self.seen.add(name)
        return self.scalars[name]

    def weights(self, module: str) -> list[tuple[str, torch.Tensor]]:
        """Names and values of one module, in the order of the manifest."""
        return [
            (e["tensor"], torch.from_numpy(draw(e))) for e in self.manifest if e["module"] == module
        ]

    def close(self, got: torch.Tensor, name: str, atol: float) -> None:
        wanted = self.tensor(name).numpy()
        values = got.detach().numpy()
        assert values.shape == wanted.shape, (
            f"{name}: expected shape {wanted.shape}, got {values.shape}"
        )
        # Another processor rounds sums in another order: what may differ grows with the array's
        # scale.
        np.testing.assert_allclose(
            values, wanted, rtol=0, atol=max(atol, 1e-5 * float(np.abs(wanted).max())), err_msg=name
        )

    def near(self, got: Any, name: str, rtol: float) -> None:
        value = float(got.detach()) if isinstance(got, torch.Tensor) else float(got)
        np.testing.assert_allclose(
            value, float(self.scalar(name)), rtol=rtol, atol=1e-12, err_msg=name
        )

    def unchecked(self) -> list[str]:
        return sorted({*self.arrays, *self.scalars} - self.seen)


def filled(
    shapes: dict[str, tuple[int, ...]], values: list[tuple[str, torch.Tensor]]
) -> dict[str, torch.Tensor]:
    """Values by this project's names: positionally, and every shape must agree."""
    assert len(shapes) == len(values), (
        f"expected {len(shapes)} tensors, the manifest has {len(values)}"
    )
    for (name, shape), (theirs, value) in zip(shapes.items(), values, strict=True):
        assert tuple(value.shape) == shape, (
            f"{name} from {theirs}: expected {shape}, got {tuple(value.shape)}"
        )
    return {name: value for name, (_, value) in zip(shapes, values, strict=True)}
