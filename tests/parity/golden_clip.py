"""What the CLIP-AU parity tests share: the golden folder, its weights as a model, and which files
are of which kind.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from twomind.encoders.clip_towers import Tower, encode_ids, image_features, image_tower, text_tower
from twomind.models.clip_au.phrases import released_phrases
from twomind.models.clip_au.recogniser import PHRASE_FEATURES, ClipAu, PhraseText
from twomind.types import Task

ROOT = Path(__file__).parent.parent.parent
KIND = "clip_au"


DEFAULT = ROOT.parent / "shared" / "golden"


def files(pattern: str) -> list[Path]:
    """Every fixture of a kind, by its name's beginning, in ``$TWOMIND_GOLDEN`` or the folder beside
    the repository.
    """
    return sorted(Path(os.environ.get("TWOMIND_GOLDEN") or DEFAULT).rglob(pattern))


def base_file(name: str) -> Path:
    """One file that all fixtures stand on; the default folder's when the one that was named has
    only new fixtures.
    """
    given = os.environ.get("TWOMIND_GOLDEN")
    found = next(iter([*files(name), *DEFAULT.rglob(name)]), None)
    if found is None and not given:
        pytest.skip(f"no golden numbers at {DEFAULT} (set TWOMIND_GOLDEN)")
    if found is None:
        pytest.fail(f"{given}: expected {name} of the golden folder {KIND!r}, and it is not there")
    return found


class Arrays:
    """The arrays of one fixture; remembers which were looked at, so that none goes unchecked."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as found:
            self._all = {name: found[name] for name in found.files}
        self._seen: set[str] = set()
        self.path = path

    def __getitem__(self, name: str) -> np.ndarray:
        self._seen.add(name)
        return self._all[name]

    def __contains__(self, name: str) -> bool:
        return name in self._all

    def names(self) -> list[str]:
        return list(self._all)

    def unchecked(self, prefix: str = "") -> list[str]:
        return sorted(
            name for name in self._all if name.startswith(prefix) and name not in self._seen
        )


@cache
def weights() -> dict[str, torch.Tensor]:
    return load_file(base_file("weights.safetensors"))


@cache
def inputs() -> dict[str, np.ndarray]:
    with np.load(base_file("inputs.npz")) as found:
        return {name: found[name] for name in found.files}


@cache
def towers() -> tuple[Tower, Tower]:
    """Image and text tower of the tiny CLIP, in OpenAI's layout; only the used rows of its token
    table are stored.
    """
    found = {k.removeprefix("clip."): v for k, v in weights().items() if k.startswith("clip.")}
    ids, rows = found.pop("token_embedding.used_ids"), found.pop("token_embedding.used_rows")
    table = torch.zeros(49408, rows.shape[1])
    table[ids] = rows
    found["token_embedding.weight"] = table
    return image_tower(found), text_tower(found)


@cache
def frames() -> torch.Tensor:
    """Frame features ``(B, T, D)`` of the golden video."""
    video = torch.from_numpy(inputs()["video"])
    with torch.no_grad():
        return image_features(towers()[0], video.flatten(0, 1)).view(*video.shape[:2], -1)


def tensor(name: str) -> torch.Tensor:
    return torch.from_numpy(inputs()[name])


@cache
def model() -> ClipAu:
    """The golden weights as the recogniser of this project."""
    text = PhraseText(
        towers()[1],
        tensor("au_tokens"),
        tensor("au_eot_pos"),
        tensor("au_learner_tokens"),
        tensor("au_learner_eot_pos"),
    )
    own = {k: v for k, v in weights().items() if not k.startswith("clip.") and k != "au_ctx_init"}
    own[PHRASE_FEATURES] = encode_ids(text.tower, text.ids, text.read_at)
    task = Task("golden", ("neutral", "pain"), "clip")
    return ClipAu(task, own, released_phrases(), encoder="golden", text=text)


def close(got: object, wanted: np.ndarray, atol: float, what: str) -> None:
    """Equal within ``atol``, with the name of the array in the message."""
    values = got.detach().numpy() if isinstance(got, torch.Tensor) else np.asarray(got)
    assert values.shape == wanted.shape, (
        f"{what}: expected shape {wanted.shape}, got {values.shape}"
    )
    # Another processor rounds sums in another order: what may differ grows with the array's scale.
    np.testing.assert_allclose(
        values, wanted, rtol=0, atol=max(atol, 1e-5 * float(np.abs(wanted).max())), err_msg=what
    )
