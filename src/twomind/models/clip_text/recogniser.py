"""A CLIP whose class text answers, frame by frame: the base model of TTA-CaP.

Each frame is one step: the window of ``frames`` rows around it (repeated at the edges) becomes one
row, and its cosines to the class text, times 100, are the logits. A clip's answer is the mean of its
steps' logits. Zero-shot, a step is the frame's own row. There are two base models that are trained on
source people: with CLIP frozen, a transformer over the window and an adapter of the text; or CLIP
fine-tuned as a whole, which reads face crops and whose step is the frame's own row again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from twomind.core.errors import BadInput, MissingExtra
from twomind.core.store import Store, read_arrays, write_arrays
from twomind.encoders.encoder import Encoder
from twomind.encoders.frames import FrameSettings, embed, with_embeddings
from twomind.encoders.opening import open_encoder
from twomind.models.base import CARD, task_from, write_card
from twomind.models.clip_text import parts
from twomind.models.clip_text.image import PREFIX, ImageTower
from twomind.models.dsfda.crops import with_crops
from twomind.models.one_track import OneTrack
from twomind.types import Features, Recording, Task

try:
    import torch
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "CLIP with class text") from error

FORMAT = "twomind.clip_text/1"
#: What one that was fine-tuned as a whole reads.
CROPS = "face_crop"
FILE = "clip_text.safetensors"
#: One template for all data sets, and CLIP's own scale.
TEMPLATE = "a person with an expression of {}."
SCALE = 100.0
TEXT = "text"
#: Before the names of a summary in a saved model.
_SUMMARY = "summary."
_PLAIN = ("track", "encoder", "mark", "frames", "hop_s", "drawn")


@dataclass(frozen=True)
class ClipText(OneTrack):
    """The recogniser. ``weights`` holds ``text (C, D)`` and, where it was trained, those of
    :mod:`.parts`; ``head.weight`` and ``head.bias`` are what follows from them.
    """

    instead: ClassVar[str] = "Use a CLIP (vit-b-32)"

    task: Task
    weights: Mapping[str, Tensor]
    track: str = "clip"
    encoder: str = "vit-b-32"
    mark: str = ""
    frames: int = 8  # of a step's window
    hop_s: float = 0.04
    drawn: bool = False
    allow_real: bool = False
    card: Mapping[str, Any] = field(default_factory=dict)
    #: of a CLIP that was fine-tuned as a whole; then the track holds face crops
    image: ImageTower | None = field(default=None, compare=False, repr=False)
    #: what stands for the source people (prototypes), where it came with the weights
    summary: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        text = self.weights[TEXT]
        if text.ndim != 2 or len(text) != len(self.task.classes):
            raise ValueError(
                f"CLIP with class text: expected text ({len(self.task.classes)}, D), got "
                f"{tuple(text.shape)}"
            )

    @property
    def name(self) -> str:
        return "clip-text"

    @property
    def dim(self) -> int:
        return int(self.weights[TEXT].shape[1])

    @property
    def crop_px(self) -> int:
        """Side of the face crops that it reads; 0 where it reads rows of an encoder."""
        return 0 if self.image is None else self.image.prepare.size_px

    def source_summary(self) -> dict[str, np.ndarray] | None:
        return dict(self.summary) or None

    @property
    def is_temporal(self) -> bool:
        """Whether a step looks at the frames around it."""
        return "temporal.token" in self.weights

    # --- its weights as an argument

    def params(self) -> Mapping[str, Tensor]:
        return self.weights

    def head(self, params: Mapping[str, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        w = {**self.weights, **(params or {})}
        weight = SCALE * parts.adapted_text(w, w[TEXT])
        return weight, weight.new_zeros(len(weight))

    def run(
        self, xs: Sequence[Features], params: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The mean of each window's unit step rows ``(B, D)``, and logits ``(B, C)``: the mean of
        its steps' logits, which is the same.
        """
        found = [self.step_rows(x, params).mean(dim=0) for x in xs]
        z = torch.stack(found)
        weight, bias = self.head(params)
        return z, z @ weight.T + bias

    def step_rows(self, x: Features, params: Mapping[str, Tensor] | None = None) -> Tensor:
        """Unit rows of the steps of a window ``(T, D)``, one per valid frame.

        Raises:
            ValueError: it has no valid frame.
        """
        rows = torch.from_numpy(self.frame_rows(x))
        if not len(rows):
            raise ValueError(
                f"run: a window has no valid row in the track {self.track!r}; ask predict instead"
            )
        w = {**self.weights, **(params or {})}
        if not self.is_temporal:
            return F.normalize(rows, dim=-1)
        around = window_indices(len(rows), self.frames)
        made = parts.temporal(w, F.normalize(rows, dim=-1)[around])
        return F.normalize(made, dim=-1)

    def frame_rows(self, x: Features) -> np.ndarray:
        """What the image tower alone says of the valid frames ``(T, D)``."""
        track = x.tracks.get(self.track)
        if track is None:
            return np.zeros((0, self.dim), np.float32)
        if self.image is not None:
            return self.image.rows(track.values[track.valid])
        rows: np.ndarray = np.ascontiguousarray(track.values[track.valid], np.float32)
        if len(rows) and rows.shape[1:] != (self.dim,):
            raise ValueError(
                f"track {self.track!r}: expected rows ({self.dim},), got {rows.shape[1:]}"
            )
        return rows

    # --- as a recogniser

    def prepare(
        self, x: Features, recording: Recording, store: Store | None = None, offline: bool = False
    ) -> Features:
        self.refuse(x)
        if self.image is not None:
            return with_crops(x, recording, self.image.prepare.size_px, self.hop_s)
        settings = FrameSettings(hop_s=self.hop_s)
        encoder = open_encoder(self.encoder, offline=offline or None)
        tracks = embed(
            recording, [encoder], settings=settings, store=store, allow_real=self.allow_real
        )
        return with_embeddings(x, tracks)

    def save(self, folder: Path) -> Path:
        meta = {
            "format": FORMAT,
            "task": asdict(self.task),
            "card": dict(self.card),
            **{name: getattr(self, name) for name in _PLAIN},
        }
        weights = dict(self.weights)
        if self.image is not None:
            weights |= self.image.weights
            meta["image"] = self.image.settings
        arrays = {name: value.detach().numpy() for name, value in weights.items()}
        arrays |= {f"{_SUMMARY}{name}": value for name, value in self.summary.items()}
        path = write_arrays(folder / FILE, arrays, meta)
        write_card(folder, "clip-text", self.card, [FILE], self.drawn)
        return path

    @classmethod
    def load(cls, path: Path | None = None, /) -> ClipText:
        """A model from a folder written by :meth:`save`.

        Raises:
            BadInput: there is none, or it is damaged.
        """
        if path is None:
            raise BadInput("clip-text: none ships; name the folder of one")
        folder = path.parent if path.name in (CARD, FILE) else path
        if not (folder / FILE).is_file():
            raise BadInput(f"{folder}: expected a CLIP with class text ({FILE})")
        arrays, meta = read_arrays(folder / FILE)
        if meta.get("format") != FORMAT:
            raise BadInput(f"{folder}: expected {FORMAT}, got {meta.get('format')!r}")
        weights: dict[str, Tensor] = {}
        tower: dict[str, Tensor] = {}
        summary: dict[str, np.ndarray] = {}
        for name, value in arrays.items():
            if name.startswith(_SUMMARY):
                summary[name.removeprefix(_SUMMARY)] = value
            elif name.startswith(PREFIX):
                tower[name] = torch.from_numpy(value.copy())
            else:
                weights[name] = torch.from_numpy(value.copy())
        settings = {name: meta[name] for name in _PLAIN}
        image = ImageTower.of(tower, meta["image"]) if tower else None
        return cls(
            task_from(meta["task"]),
            weights,
            card=meta["card"],
            image=image,
            summary=summary,
            **settings,
        )


def window_indices(n: int, length: int) -> Tensor:
    """Which rows make the window of each of ``n`` steps ``(n, length)``: centred, one more before
    than after, the first and last row repeated at the edges.

    >>> window_indices(3, 4).tolist()
    [[0, 0, 0, 1], [0, 0, 1, 2], [0, 1, 2, 2]]
    """
    offsets = torch.arange(length) - length // 2
    places = torch.arange(n)[:, None] + offsets
    return places.clamp(0, n - 1)


def class_text(encoder: Encoder, words: Sequence[str]) -> Tensor:
    """Text rows of the classes ``(C, D)`` of the one template."""
    from twomind.encoders.clip_towers import encode_ids

    tokens = encoder.tokenise([TEMPLATE.format(word) for word in words])
    return encode_ids(encoder.text, tokens.ids, tokens.read_at)


def new_model(
    encoder: Encoder, task: Task, words: Sequence[str] = (), frames: int = 8, hop_s: float = 0.04
) -> ClipText:
    """The zero-shot model of an encoder.

    Args:
        encoder: its text tower reads the classes.
        task: the question.
        words: of the classes in the template; the task's own names by default.
        frames: of a step's window.
        hop_s: from frame to frame.

    Raises:
        BadInput: not as many words as classes.
    """
    words = tuple(words) or task.classes
    if len(words) != len(task.classes):
        raise BadInput(f"class text: expected {len(task.classes)} words, got {words}")
    return ClipText(
        task,
        {TEXT: class_text(encoder, words)},
        encoder.track,
        encoder.name,
        encoder.fingerprint,
        frames,
        hop_s,
        drawn=encoder.drawn_only,
        card={"class_text": [TEMPLATE.format(word) for word in words]},
    )


PLUGIN = ClipText
__all__ = ["PLUGIN", "ClipText", "class_text", "new_model", "window_indices"]
