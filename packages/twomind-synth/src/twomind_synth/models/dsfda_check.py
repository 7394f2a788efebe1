"""What DSFDA's decoder makes of people it has never seen, in pictures and in numbers, against the
drawn truth.

For every held-out person: one neutral picture gives the identity, a source prototype of pain the
expression. Measured:

- ``identity``: whose drawn pictures the generated one is nearest to, among all held-out people
  (other pictures than the one that went in), by mean absolute difference over the border of the
  crop, where skin, hair and beard are and hardly any movement is; the same for real drawn pictures
  in pain, which is what there is to reach;
- ``action units``: a ridge regression from pixels to drawn intensities, learnt from the source
  people's pictures, reads the generated picture; the truth is the mean drawn intensity of the
  source pictures that the prototype stands for. ``drawn`` is the error of the same reading on real
  drawn pictures of the held-out people (the instrument's own error), ``unchanged`` what the neutral
  picture that went in would get, ``mean`` what answering the mean would get.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twomind.core.errors import BadInput, MissingExtra
from twomind.models.dsfda import net
from twomind.models.dsfda.recogniser import Dsfda, as_pictures
from twomind_synth.identity import AU_NAMES

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtra("torch", "DSFDA") from error

if TYPE_CHECKING:
    from twomind_synth.models.dsfda_faces import Faces


def generate(model: Dsfda, x: Tensor, prototypes: Tensor, seed: int = 0) -> Tensor:
    """Pictures ``(N, 3, P, P)``: row by row, the person of ``x`` with the expression of a
    prototype.
    """
    rng = torch.Generator().manual_seed(seed)
    w = model.weights
    with torch.no_grad():
        return net.decode(
            w, prototypes, net.encode(w, "identity", x), net.noise_maps(model.size, len(x), rng)
        )


def small(x: Tensor, px: int = 16) -> np.ndarray:
    """Flat grey pictures ``(N, px * px)``, each at its own mean and contrast, for the reading of
    action units.
    """
    grey = (
        torch.nn.functional.adaptive_avg_pool2d(x.mean(dim=1, keepdim=True), px)
        .flatten(1)
        .numpy()
        .astype(np.float64)
    )
    grey = grey - grey.mean(axis=1, keepdims=True)
    scaled: np.ndarray = grey / np.maximum(grey.std(axis=1, keepdims=True), 1e-6)
    return scaled


def ridge(
    x: np.ndarray, y: np.ndarray, strength: float = 30.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights ``(D, A)`` and both means of a ridge regression ``(N, D)`` → ``(N, A)``."""
    mx, my = x.mean(axis=0), y.mean(axis=0)
    a = x - mx
    return np.linalg.solve(a.T @ a + strength * np.eye(a.shape[1]), a.T @ (y - my)), mx, my


def border(x: Tensor) -> np.ndarray:
    """Colours ``(N, D)`` of the outer sixth of the crops, at an eighth of the resolution."""
    coarse = torch.nn.functional.adaptive_avg_pool2d(x, 24)
    mask = torch.ones(24, 24, dtype=torch.bool)
    mask[4:-4, 4:-4] = False
    found: np.ndarray = coarse[:, :, mask].flatten(1).numpy()
    return found


def nearest_person(x: np.ndarray, gallery: np.ndarray, people: np.ndarray) -> np.ndarray:
    """The person whose picture is nearest, by mean absolute difference."""
    off = np.abs(x[:, None] - gallery[None]).mean(axis=2)
    found: np.ndarray = people[off.argmin(axis=1)]
    return found


def prototype_truth(model: Dsfda, source: Faces, x: Tensor) -> np.ndarray:
    """Drawn intensities ``(K, A)`` that each prototype stands for: mean over the source pictures
    nearest to it.
    """
    if model.prototypes is None or model.prototype_class is None:
        raise BadInput("check: expected a model with prototypes")
    with torch.no_grad():
        maps = torch.cat(
            [net.encode(model.weights, "expression", part).flatten(1) for part in x.split(64)]
        )
    off = torch.cdist(maps, model.prototypes.flatten(1)).numpy()
    off[source.y[:, None] != model.prototype_class.numpy()[None]] = np.inf
    owner = off.argmin(axis=1)
    k = len(model.prototypes)
    return np.stack(
        [
            source.aus[owner == j].mean(0) if (owner == j).any() else np.full(len(AU_NAMES), np.nan)
            for j in range(k)
        ]
    )


def check(model: Dsfda, source: Faces, held: Faces) -> dict[str, Any]:
    """Identity and action-unit error of generated faces of the held-out people, and accuracy of the
    recogniser.
    """
    x_source, x_held = (
        as_pictures(source.crops, model.size.px),
        as_pictures(held.crops, model.size.px),
    )
    truth = prototype_truth(model, source, x_source)
    assert model.prototypes is not None
    assert model.prototype_class is not None
    pain = np.flatnonzero(
        (model.prototype_class != model.neutral).numpy() & np.isfinite(truth).all(axis=1)
    )
    first = {
        str(p): int(np.flatnonzero((held.people == p) & (held.y == model.neutral))[0])
        for p in np.unique(held.people)
    }
    inputs = np.repeat(list(first.values()), len(pain))
    which = np.tile(pain, len(first))
    made = generate(model, x_held[inputs], model.prototypes[which])
    gallery = np.array(
        [i for i in range(len(held)) if held.y[i] == model.neutral and i not in set(first.values())]
    )
    real = np.flatnonzero(held.y != model.neutral)

    def right(x: Tensor, people: np.ndarray) -> float:
        named = nearest_person(border(x), border(x_held[gallery]), held.people[gallery])
        return float((named == people).mean())

    fit = ridge(small(x_source), source.aus)

    def read(x: Tensor) -> np.ndarray:
        found: np.ndarray = (small(x) - fit[1]) @ fit[0] + fit[2]
        return found

    moved = np.flatnonzero(
        source.aus[source.y != model.neutral].mean(0)
        - source.aus[source.y == model.neutral].mean(0)
        > 0.1
    )

    def error(got: np.ndarray, wanted: np.ndarray) -> float:
        return float(np.abs(got - wanted)[:, moved].mean())

    with torch.no_grad():
        w = model.weights
        logits = net.classify(w, "head", net.encode(w, "expression", x_held))
        on_made = net.classify(w, "head", net.encode(w, "expression", made))
    wanted = truth[which]
    return {
        "n_held_out_people": len(first),
        "n_generated": len(made),
        "identity_right": {
            "generated": right(made, held.people[inputs]),
            "drawn in pain": right(x_held[real], held.people[real]),
        },
        "identity_chance": 1 / len(first),
        "action_units": [AU_NAMES[k] for k in moved],
        "au_mean_absolute_error": {
            "generated": error(read(made), wanted),
            "unchanged": error(read(x_held[inputs]), wanted),
            "mean": error(np.broadcast_to(source.aus.mean(0), wanted.shape), wanted),
            "drawn": error(read(x_held[real]), held.aus[real]),
        },
        "au_read_minus_neutral": {
            "generated": float((read(made) - read(x_held[inputs]))[:, moved].mean()),
            "wanted": float((wanted - held.aus[inputs])[:, moved].mean()),
        },
        "recogniser_accuracy_held_out": float((logits.argmax(1).numpy() == held.y).mean()),
        "generated_recognised_as_pain": float((on_made.argmax(1).numpy() != model.neutral).mean()),
    }


def grid(model: Dsfda, held: Faces, path: Path, n_people: int = 6, n_prototypes: int = 4) -> Path:
    """A picture: per held-out person the neutral crop, the same with a neutral prototype, with some
    of pain, and one real drawn crop in pain."""
    import cv2

    if model.prototypes is None or model.prototype_class is None:
        raise BadInput("grid: expected a model with prototypes")
    x = as_pictures(held.crops, model.size.px)
    classes = model.prototype_class.numpy()
    chosen = [
        *np.flatnonzero(classes == model.neutral)[:1],
        *np.flatnonzero(classes != model.neutral)[:n_prototypes],
    ]
    rows = []
    for person in np.unique(held.people)[:n_people]:
        own = held.people == person
        neutral, pain = (
            int(np.flatnonzero(own & (held.y == y))[0]) for y in (model.neutral, 1 - model.neutral)
        )
        made = generate(model, x[[neutral] * len(chosen)], model.prototypes[chosen])
        rows.append(torch.cat([x[neutral][None], made, x[pain][None]]))
    picture = torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1).movedim(0, 2).numpy()
    rgb = np.repeat(np.repeat((255 * picture).round().astype(np.uint8), 2, axis=0), 2, axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), rgb[..., ::-1]):
        raise BadInput(f"{path}: the picture could not be written")
    return path
