"""The face–text encoder that ships: a small image tower for aligned faces, a small text tower,
words as tokens.

It was trained on synthetic people only (:mod:`.face_text_train`), so it stands in for CLIP where
everything must run out of the box, in tests and demonstrations. What it says of a real face means
nothing, and it refuses one unless told to.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from twomind.core.errors import BadInput, MissingExtra, MissingWeights
from twomind.core.store import content_hash, read_arrays
from twomind.encoders.encoder import Encoder, Tokens
from twomind.encoders.opening import EMBEDDED

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = "twomind.face-text/1"
SHIPPED = Path(__file__).parent / "weights" / "face_text.safetensors"
SUMS = SHIPPED.parent / "SHA256SUMS"
SIZE_PX, CONTEXT = 64, 48
N_HEADS = 4
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def split_words(phrase: str) -> list[str]:
    """Lower-case words of letters and digits; underscores and signs only separate."""
    return re.findall(r"[a-z0-9]+", phrase.lower())


def vocabulary(phrases: Sequence[str]) -> tuple[str, ...]:
    """Token names: padding, single letters for words that are not known, the words, and start and
    end at the end.
    """
    words = sorted({w for phrase in phrases for w in split_words(phrase)} - set(_LETTERS))
    return ("", *_LETTERS, *words, "<start>", "<end>")


def tokenise(names: Sequence[str], phrases: Sequence[str]) -> Tokens:
    """Ids ``(N, 48)`` of phrases: start, words (unknown ones letter by letter), end, padding.

    Raises:
        BadInput: a phrase is too long.
    """
    import torch

    index = {name: i for i, name in enumerate(names)}
    ids = torch.zeros(len(phrases), CONTEXT, dtype=torch.long)
    ends = []
    for k, phrase in enumerate(phrases):
        words = split_words(phrase)
        inner = [index[t] for w in words for t in ([w] if w in index else w)]
        if len(inner) + 2 > CONTEXT:
            raise BadInput(
                f"phrase {phrase!r}: expected at most {CONTEXT} tokens, got {len(inner) + 2}; "
                "shorten it"
            )
        row = [index["<start>"], *inner, index["<end>"]]
        ids[k, : len(row)] = torch.tensor(row)
        ends.append(len(row) - 1)
    return Tokens(ids, torch.tensor(ends))


def prepare(rgb: np.ndarray) -> np.ndarray:
    """An aligned face ``(H, W, 3)`` uint8 → ``(3, 64, 64)`` float32.

    Raises:
        BadInput: not such a picture.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise BadInput(f"face: expected (H, W, 3) uint8 RGB, got {rgb.shape} {rgb.dtype}")
    if rgb.shape[:2] != (SIZE_PX, SIZE_PX):
        import cv2

        rgb = np.asarray(cv2.resize(rgb, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA))
    return np.ascontiguousarray((rgb.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1))


def face_features(w: Mapping[str, Tensor], pixels: Tensor) -> Tensor:
    """Unit rows ``(N, D)`` of prepared faces ``(N, 3, 64, 64)``: four strided convolutions and two
    layers.
    """
    from torch.nn import functional as F

    # Light and skin differ between people and cameras, and say nothing of movement.
    x = (pixels - pixels.mean(dim=(1, 2, 3), keepdim=True)) / (
        pixels.std(dim=(1, 2, 3), keepdim=True) + 0.05
    )
    for layer in range(4):
        x = F.conv2d(
            x, w[f"visual.conv{layer}.weight"], w[f"visual.conv{layer}.bias"], stride=2, padding=1
        )
        x = F.gelu(
            F.group_norm(x, 8, w[f"visual.norm{layer}.weight"], w[f"visual.norm{layer}.bias"])
        )
    x = F.gelu(F.linear(x.flatten(1), w["visual.fc0.weight"], w["visual.fc0.bias"]))
    return F.normalize(F.linear(x, w["visual.fc1.weight"], w["visual.fc1.bias"]), dim=-1)


def load_face_text(path: Path = SHIPPED) -> Encoder:
    """The encoder in ``path``.

    Raises:
        MissingWeights: absent, or not the file that was shipped.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("torch", f"the encoder {EMBEDDED!r}") from error
    from twomind.encoders.clip_towers import text_tower

    if not path.is_file():
        raise MissingWeights(f"{path}: the encoder {EMBEDDED!r} is not there; make it: {RECIPE}")
    digest = content_hash(path)
    if path == SHIPPED and digest != _shipped_sum():
        raise MissingWeights(
            f"{path}: does not match its SHA-256 in {SUMS.name}; install twomind anew"
        )
    arrays, meta = read_arrays(path)
    if meta.get("format") != FORMAT:
        raise BadInput(f"{path}: expected an encoder ({FORMAT}), got {meta.get('format')!r}")
    w = {k: torch.from_numpy(v.astype(np.float32)) for k, v in arrays.items()}

    def images(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            rows: np.ndarray = face_features(w, torch.from_numpy(pixels)).numpy()
        return rows

    return Encoder(
        name=EMBEDDED if path == SHIPPED else str(path),
        track="face_text",
        dim=int(w["text_projection"].shape[1]),
        prepare=prepare,
        images=images,
        opened_by=__name__,
        tokenise=functools.partial(tokenise, tuple(meta["vocabulary"])),
        text=text_tower(
            {k: v for k, v in w.items() if not k.startswith("visual.")}, n_heads=N_HEADS
        ),
        fingerprint=f"{digest[:32]}-torch",
        crop_px=SIZE_PX,
        batch=64,
        drawn_only=True,
    )


RECIPE = "python -m twomind_synth.models.face_text_train"


def _shipped_sum() -> str:
    pairs = (line.split() for line in SUMS.read_text(encoding="utf-8").splitlines())
    return next((digest for digest, name in pairs if name == SHIPPED.name), "")
