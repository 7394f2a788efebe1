"""DSFDA's source model (arXiv 2503.20771): who a face is and what it does, apart, and a decoder
that joins them again.

The recogniser is the expression encoder and the head on it, frame by frame; a window's logits are
the mean over its frames. The rest is for adaptation: the identity encoder, the decoder, the
critics' trunks, and prototypes, which are centroids of the source people's expression maps per
class. No source picture is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from twomind.core.errors import BadInput, MissingExtra
from twomind.core.store import Store, read_arrays, write_arrays
from twomind.models.base import CARD, task_from, write_card
from twomind.models.dsfda import net
from twomind.models.dsfda.crops import evenly, with_crops
from twomind.models.one_track import OneTrack
from twomind.types import Example, Features, Recording, Task

try:
    import torch
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "DSFDA") from error

FORMAT = "twomind.dsfda/1"
FILE = "dsfda.safetensors"
#: Fields that are saved as they are.
_PLAIN = ("track", "neutral", "max_frames", "drawn")
#: Seconds between the pictures of a film; a window is read in at most ``max_frames`` of them.
HOP_S = 0.2
MEANING = (
    "mean over frames of how likely the face shows the class in training; not the probability that "
    "a coder would mark this answer"
)
#: Names of the prototypes in a source summary.
PROTOTYPES, PROTOTYPE_CLASS = "dsfda_prototypes", "dsfda_prototype_class"


@dataclass(frozen=True)
class Dsfda(OneTrack):
    """``weights`` are those of :mod:`.dsfda_net`; what adapts to a person gets them and the
    prototypes.

    ``prototypes (K, 4W, 8, 8)`` with ``prototype_class (K,)`` may be absent (then they come in a
    source summary). ``neutral`` is the class of a neutral face. ``drawn`` says that it was trained
    on synthetic people only: then real recordings are not measured unless ``allow_real``.
    """

    instead: ClassVar[str] = "Train a DSFDA on real people (docs/dsfda.md)"
    #: What makes the summary of source people, where the model has none.
    summary_by: ClassVar[str] = "twomind train dsfda --model THIS --data FOLDER --out OTHER"

    task: Task
    weights: Mapping[str, Tensor]
    size: net.Size = net.FULL
    prototypes: Tensor | None = None
    prototype_class: Tensor | None = None
    track: str = "face_crop"
    neutral: int = 0
    max_frames: int = 16  # of a window, evenly spaced
    drawn: bool = False
    allow_real: bool = False
    card: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n_classes = len(self.task.classes)
        n_people = self.weights["identity_critic.head.2.weight"].shape[0] - 1
        for name, shape in net.shapes(self.size, n_classes, n_people).items():
            got = "nothing"
            if name in self.weights:
                got = str(tuple(self.weights[name].shape))
            if got != str(shape):
                raise ValueError(f"DSFDA, {name}: expected {shape}, got {got}")
        if self.prototypes is not None and self.prototype_class is not None:
            check_prototypes(self.size, self.prototypes, self.prototype_class)
        if not 0 <= self.neutral < n_classes:
            raise BadInput(
                f"DSFDA.neutral: expected a class of 0 … {n_classes - 1}, got {self.neutral}"
            )

    @property
    def crop_px(self) -> int:
        """Side of the face crops that it reads."""
        return self.size.px

    def params(self) -> Mapping[str, Tensor]:
        return self.weights

    def pictures(self, x: Features, limit: int | None = None) -> Tensor:
        """Valid pictures ``(n, 3, P, P)`` in [0, 1] of a window, at most ``limit``, evenly spaced
        in order.

        Raises:
            BadInput: the track does not hold RGB pictures.
        """
        track = x.tracks[self.track]
        rows = evenly(np.flatnonzero(track.valid), limit or self.max_frames)
        return as_pictures(track.values[rows], self.size.px)

    def run(
        self, xs: Sequence[Features], params: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """What the last layer reads ``(B, H)``, and logits ``(B, C)``, both means over each
        window's frames.
        """
        w = self._with(params)
        found = []
        for x in xs:
            if self.absent(x):
                raise ValueError(
                    f"run: a window has no valid row in the track {self.track!r}; ask predict "
                    "instead"
                )
            found.append(self.pictures(x))
        maps = net.encode(w, "expression", torch.cat(found))
        frames = net.hidden(w, "head", maps)
        of_windows = frames.split([len(pictures) for pictures in found])
        z = torch.stack([rows.mean(dim=0) for rows in of_windows])
        weight, bias = self.head(w)
        return z, z @ weight.T + bias

    def head(self, params: Mapping[str, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        w = self._with(params)
        return w["head.2.weight"], w["head.2.bias"]

    def _with(self, params: Mapping[str, Tensor] | None) -> Mapping[str, Tensor]:
        return {**self.weights, **(params or {})}

    def prepare(
        self, x: Features, recording: Recording, store: Store | None = None, offline: bool = False
    ) -> Features:
        """The features with the track of face crops, made from the recording; it is not kept.

        A recording without pictures gets a note instead.

        Raises:
            BadInput: the model learnt from synthetic people and this is a real one.
            MissingExtra: MediaPipe is not installed.
        """
        self.refuse(x)
        return with_crops(x, recording, self.size.px, HOP_S)

    def describe(self) -> dict[str, Any]:
        """What there is to say of the model, as plain values."""
        return {
            "name": "dsfda",
            "drawn": self.drawn,
            "questions": [],
            "size": asdict(self.size),
            "meaning": MEANING,
            "card": dict(self.card),
            "skill": {},
        }

    def source_summary(self) -> dict[str, np.ndarray] | None:
        """The prototypes of the source people that the model holds; None when it has none."""
        if self.prototypes is None or self.prototype_class is None:
            return None
        return {
            PROTOTYPES: self.prototypes.numpy(),
            PROTOTYPE_CLASS: self.prototype_class.numpy(),
        }

    def save(self, folder: Path) -> Path:
        """Write one safetensors file with weights and prototypes, and everything else as its JSON
        meta.

        Into a folder, ``card.json`` comes beside it, by which ``twomind.models.load`` knows whose
        model this is.
        """
        arrays = {f"w.{k}": v.detach().numpy() for k, v in self.weights.items()}
        arrays |= self.source_summary() or {}
        meta = {
            "format": FORMAT,
            "task": asdict(self.task),
            "size": asdict(self.size),
            "card": dict(self.card),
            **{name: getattr(self, name) for name in _PLAIN},
        }
        if folder.suffix == ".safetensors":
            return write_arrays(folder, arrays, meta)
        path = write_arrays(folder / FILE, arrays, meta)
        write_card(folder, "dsfda", self.card, [FILE], self.drawn)
        return path

    @classmethod
    def load(cls, path: Path | None = None, /) -> Dsfda:
        """A model from a file or folder written by :meth:`save`. None ships: it must be named.

        Raises:
            BadInput: there is none, or it is damaged.
        """
        wanted = f"expected a DSFDA model ({FILE}); train one (`twomind docs dsfda`)"
        if path is None:
            raise BadInput(f"dsfda: {wanted}, and name its file or folder")
        path = path.parent if path.name == CARD else path
        path = path / FILE if path.is_dir() else path
        if not path.is_file():
            raise BadInput(f"{path}: {wanted}")
        arrays, meta = read_arrays(path)
        if meta.get("format") != FORMAT:
            raise BadInput(f"{path}: expected a DSFDA model ({FORMAT}), got {meta.get('format')!r}")
        weights = {}
        for name, value in arrays.items():
            if name.startswith("w."):
                weights[name.removeprefix("w.")] = torch.from_numpy(value)
        kept = {}
        for name in (PROTOTYPES, PROTOTYPE_CLASS):
            kept[name] = torch.from_numpy(arrays[name]) if name in arrays else None
        size = {**meta["size"], "up": tuple(meta["size"]["up"])}
        settings = {name: meta[name] for name in _PLAIN}
        return cls(
            task_from(meta["task"]),
            weights,
            net.Size(**size),
            kept[PROTOTYPES],
            kept[PROTOTYPE_CLASS],
            card=meta["card"],
            **settings,
        )


def as_pictures(values: np.ndarray, px: int) -> Tensor:
    """Frames ``(n, H, W, 3)`` as ``(n, 3, px, px)`` float in [0, 1]: divided by 255 once when they
    are uint8.

    Raises:
        BadInput: these are no RGB pictures, or numbers outside of [0, 1].
    """
    values = np.asarray(values)
    if values.ndim != 4 or values.shape[-1] != 3:
        raise BadInput(
            f"DSFDA: expected RGB pictures (n, H, W, 3), got {values.shape}; crop faces with "
            "face_crop"
        )
    x = torch.from_numpy(np.ascontiguousarray(values)).float().movedim(-1, 1)
    if values.dtype == np.uint8:
        x = x / 255
    if len(x) and not (float(x.min()) >= 0 and float(x.max()) <= 1):
        raise BadInput(
            f"DSFDA: expected uint8 pictures, or numbers in [0, 1], got {float(x.min()):.3g} … "
            f"{float(x.max()):.3g}"
        )
    if x.shape[-2:] == (px, px):
        return x
    return F.interpolate(x, (px, px), mode="bilinear", antialias=True, align_corners=False).clamp(
        0, 1
    )


def check_prototypes(size: net.Size, prototypes: Tensor, classes: Tensor) -> None:
    """Raises BadInput unless there is one class per prototype and the maps are of this size."""
    wanted = (len(classes), size.depth, net.MAP, net.MAP)
    if tuple(prototypes.shape) != wanted:
        raise BadInput(f"DSFDA prototypes: expected maps {wanted}, got {tuple(prototypes.shape)}")


def k_means(rows: np.ndarray, k: int, seed: int = 0, n_rounds: int = 25) -> np.ndarray:
    """Centroids ``(min(k, n), D)`` of rows ``(n, D)``: k-means++ starts (Arthur & Vassilvitskii
    2007), Lloyd rounds.
    """
    rng = np.random.default_rng(seed)
    rows = np.asarray(rows, np.float64)
    k = min(k, len(rows))
    centres = rows[[int(rng.integers(len(rows)))]]
    while len(centres) < k:
        nearest = _squared(rows, centres).min(axis=1)
        if nearest.sum() <= 0:
            break  # fewer different rows than asked for
        centres = np.vstack([centres, rows[rng.choice(len(rows), p=nearest / nearest.sum())]])
    for _ in range(n_rounds):
        owner = _squared(rows, centres).argmin(axis=1)
        moved = np.stack(
            [
                rows[owner == j].mean(0) if (owner == j).any() else centres[j]
                for j in range(len(centres))
            ]
        )
        if np.allclose(moved, centres):
            break
        centres = moved
    return centres


def _squared(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Squared distances ``(n, k)``."""
    cross = rows @ centres.T
    found: np.ndarray = (rows**2).sum(1)[:, None] + (centres**2).sum(1) - 2 * cross
    return np.maximum(found, 0)


def prototypes_of(
    w: net.Weights, pictures: Tensor, y: Tensor, per_class: int = 8, seed: int = 0, batch: int = 64
) -> tuple[Tensor, Tensor]:
    """Prototypes ``(K, 4W, 8, 8)`` and their classes ``(K,)``: centroids of expression maps, made
    at the source site.

    A centroid of one picture would be that picture's map, so a class with fewer than two pictures
    per centroid gets fewer centroids.

    Raises:
        BadInput: a class has fewer than two pictures.
    """
    with torch.no_grad():
        maps = torch.cat([net.encode(w, "expression", part) for part in pictures.split(batch)])
    found: list[Tensor] = []
    classes: list[int] = []
    for c in sorted(set(y.tolist())):
        own = maps[y == c]
        if len(own) < 2:
            raise BadInput(
                f"prototypes: expected at least two pictures of class {c}, got {len(own)}"
            )
        n_centres = min(per_class, len(own) // 2)
        rows = own.flatten(1).numpy()
        centres = k_means(rows, n_centres, seed).astype(np.float32)
        found.append(torch.from_numpy(centres).view(-1, *maps.shape[1:]))
        classes += [c] * len(centres)
    return torch.cat(found), torch.tensor(classes)


def source_summary(
    model: Dsfda, per_class: int = 8, per_window: int = 4, seed: int = 0
) -> Callable[[tuple[Example, ...]], dict[str, np.ndarray]]:
    """What the harness calls at the source site: ``summary(source windows)`` gives prototypes and
    nothing else.
    """

    def summary(source: tuple[Example, ...]) -> dict[str, np.ndarray]:
        taken: list[Tensor] = []
        labels: list[int] = []
        for example in source:
            if not model.absent(example.x):
                pictures = model.pictures(example.x, per_window)
                taken.append(pictures)
                labels += [example.y] * len(pictures)
        if not taken:
            raise BadInput(
                f"summary: no source window has a valid row in the track {model.track!r}"
            )
        pictures, y = torch.cat(taken), torch.tensor(labels)
        prototypes, classes = prototypes_of(model.weights, pictures, y, per_class, seed)
        return {PROTOTYPES: prototypes.numpy(), PROTOTYPE_CLASS: classes.numpy()}

    return summary


PLUGIN = Dsfda
