"""The recipe of the face–text encoder: draw people, read their aligned faces, and learn which words
go with which face.

``python -m twomind_synth.models.face_text_train`` draws (one file per person, so an interrupted run
goes on), trains on the CPU, and reports on people who were never trained on. Two losses: InfoNCE
between faces and sentences (Radford et al., 2021), and a sigmoid per movement (as in Zhai et al.,
ICCV 2023) whose target is how strongly it was drawn.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import MissingExtra
from twomind.core.store import read_arrays, write_arrays, write_text
from twomind.features.face.align import aligned
from twomind_synth.face import AU_NAMES, Camera, FaceState, Person, draw, effective
from twomind_synth.models.face_text import (
    CONTEXT,
    FORMAT,
    N_HEADS,
    SHIPPED,
    SIZE_PX,
    SUMS,
    face_features,
    tokenise,
    vocabulary,
)
from twomind_synth.models.face_text_captions import MIRRORED, NAMES, WORDS, all_sentences, caption

try:
    import torch
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "training the face–text encoder") from error


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome."""

    n_people: int = 160
    n_held_out: int = 30
    n_faces: int = 40  # per person
    dim: int = 128
    width: int = 64  # of the text tower
    n_layers: int = 2
    epochs: int = 20
    batch: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    turn_deg: float = 18.0  # a head turned this far is turned fully; gaze: 20
    seed: int = 20261125


def random_state(rng: np.random.Generator) -> FaceState:
    """Up to four action units at random strength, a head that moves, eyes that look around,
    sometimes speech.
    """
    chosen = rng.choice(AU_NAMES, int(rng.integers(0, 5)), replace=False)
    speaks = rng.random() < 0.25
    turn, look = rng.random() < 0.4, rng.random() < 0.4
    return FaceState(
        aus={str(au): float(rng.uniform(0.2, 1.0)) for au in chosen},
        yaw=float(rng.uniform(-22, 22)) if turn else float(rng.normal(0, 4)),
        pitch=float(rng.uniform(-16, 16)) if turn else float(rng.normal(0, 3)),
        roll=float(rng.normal(0, 4)),
        gaze_yaw=float(rng.uniform(-25, 25)) if look else float(rng.normal(0, 3)),
        gaze_pitch=float(rng.uniform(-18, 18)) if look else float(rng.normal(0, 3)),
        x_cm=float(rng.normal(0, 1)),
        y_cm=float(rng.normal(0, 1)),
        mouth_open=float(rng.uniform(0, 0.8)) if speaks else 0.0,
        mouth_wide=float(rng.uniform(0, 0.6)) if speaks else 0.0,
        mouth_round=float(rng.uniform(0, 0.6)) if speaks else 0.0,
    )


def shown(person: Person, state: FaceState, turn_deg: float = 18.0) -> dict[str, float]:
    """How strongly each of ``NAMES`` is to be seen, 0..1."""
    found = {name: min(value, 1.0) for name, value in effective(person, state).items()}
    for names, value, full in (
        (("left", "right"), state.yaw, turn_deg),
        (("up", "down"), state.pitch, 0.75 * turn_deg),
        (("gaze_left", "gaze_right"), state.gaze_yaw, 20.0),
        (("gaze_up", "gaze_down"), state.gaze_pitch, 15.0),
    ):
        # The first quarter of the way is nothing anybody would call turned.
        size = float(np.clip((abs(value) / full - 0.25) / 0.75, 0, 1))
        found |= {names[0]: size if value > 0 else 0.0, names[1]: size if value < 0 else 0.0}
    if found["AU43"] > 0.7:  # behind closed lids no gaze is seen
        found |= dict.fromkeys(("gaze_left", "gaze_right", "gaze_up", "gaze_down"), 0.0)
    return {name: found[name] for name in NAMES}


def draw_person(index: int, recipe: Recipe, finder: Any) -> tuple[np.ndarray, np.ndarray]:
    """Aligned faces ``(n, 64, 64, 3)`` uint8 and what they show ``(n, M)``; a face that is not
    found is left out.
    """
    rng = np.random.default_rng((recipe.seed, index))
    person, camera = Person.random(rng, f"p{index}"), Camera.random(rng, 320, 240)
    faces, truth = [], []
    for k in range(recipe.n_faces):
        state = random_state(rng)
        rgb = draw(person, state, camera, k)
        landmarks = finder.one(rgb)
        if landmarks is not None:
            faces.append(aligned(rgb, landmarks, SIZE_PX, "mesh"))
            truth.append([shown(person, state, recipe.turn_deg)[name] for name in NAMES])
    return np.array(faces, np.uint8).reshape(-1, SIZE_PX, SIZE_PX, 3), np.array(
        truth, np.float32
    ).reshape(-1, len(NAMES))


def draw_all(recipe: Recipe, folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Faces, truth and person of everybody; people that are drawn already are read back."""
    from twomind.features.face.tracker_mesh import MeshFinder

    drawing = {k: v for k, v in asdict(recipe).items() if k in ("n_faces", "turn_deg", "seed")}
    mark = hashlib.sha256(repr(sorted(drawing.items())).encode()).hexdigest()[:12]
    faces, truth, people = [], [], []
    finder: MeshFinder | None = None
    for index in range(recipe.n_people + recipe.n_held_out):
        path = folder / mark / f"{index:04d}.safetensors"
        if not path.is_file():
            finder = finder or MeshFinder(1)
            own, shows = draw_person(index, recipe, finder)
            write_arrays(path, {"faces": own, "truth": shows})
            if index % 20 == 0:
                print(
                    f"drawn {index + 1} of {recipe.n_people + recipe.n_held_out} people", flush=True
                )
        arrays, _ = read_arrays(path)
        faces.append(arrays["faces"])
        truth.append(arrays["truth"])
        people.append(np.full(len(arrays["faces"]), index))
    if finder is not None:
        finder.close()
    return np.concatenate(faces), np.concatenate(truth), np.concatenate(people)


def new_weights(recipe: Recipe, n_vocabulary: int) -> dict[str, Tensor]:
    """Fresh weights of both towers."""
    from twomind.encoders.clip_towers import new_text_weights

    torch.manual_seed(recipe.seed)
    widths = (3, 32, 64, 96, 128)
    layers: dict[str, torch.nn.Module] = {}
    for k in range(4):
        layers[f"visual.conv{k}"] = torch.nn.Conv2d(widths[k], widths[k + 1], 3)
        layers[f"visual.norm{k}"] = torch.nn.GroupNorm(8, widths[k + 1])
    layers["visual.fc0"] = torch.nn.Linear(128 * 16, 256)
    layers["visual.fc1"] = torch.nn.Linear(256, recipe.dim)
    found = {
        f"{name}.{k}": v.detach()
        for name, layer in layers.items()
        for k, v in layer.named_parameters()
    }
    return found | new_text_weights(
        n_vocabulary, recipe.width, recipe.n_layers, recipe.dim, CONTEXT, recipe.seed
    )


def text_rows(w: dict[str, Tensor], names: tuple[str, ...], sentences: list[str]) -> Tensor:
    """Unit rows of sentences, with gradient."""
    from twomind.encoders.clip_towers import Tower, embed_tokens, text_features

    tower = Tower(w, N_HEADS)
    tokens = tokenise(names, sentences)
    return F.normalize(
        text_features(tower, embed_tokens(tower, tokens.ids), tokens.read_at), dim=-1
    )


def train(
    recipe: Recipe,
    faces: np.ndarray,
    truth: np.ndarray,
    checkpoint: Path | None = None,
    stop_after: int = 0,
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Weights of both towers, and the vocabulary.

    With ``checkpoint``, every epoch is written there, and one of the same recipe is gone on from.
    ``stop_after`` ends early, after so many epochs, as an interruption would.
    """
    names = vocabulary(all_sentences())
    w = {k: v.clone().requires_grad_() for k, v in new_weights(recipe, len(names)).items()}
    scale = torch.tensor(math.log(10.0), requires_grad=True)
    slope, bias = (
        torch.tensor(2.0, requires_grad=True),
        torch.full((len(NAMES),), -1.5, requires_grad=True),
    )
    groups = [
        {"params": list(w.values()), "weight_decay": recipe.weight_decay},
        {"params": [scale, slope, bias], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate)
    n_steps = recipe.epochs * (len(faces) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, n_steps, pct_start=0.1
    )
    rng = np.random.default_rng(recipe.seed)
    mirrored = [NAMES.index(MIRRORED.get(name, name)) for name in NAMES]
    started = time.monotonic()
    trained = {**w, "scale": scale, "slope": slope, "bias": bias}
    first = _resume(
        checkpoint, recipe, trained, optimiser, schedule, rng, len(faces) // recipe.batch
    )
    for epoch in range(first, min(recipe.epochs, stop_after or recipe.epochs)):
        order, total = rng.permutation(len(faces)), 0.0
        for at in range(0, len(order) - recipe.batch + 1, recipe.batch):
            rows = order[at : at + recipe.batch]
            pixels, target = faces[rows].astype(np.float32) / 127.5 - 1, truth[rows].copy()
            flip = rng.random(len(rows)) < 0.5
            pixels[flip] = pixels[flip, :, ::-1]
            target[flip] = target[flip][:, mirrored]
            pixels = pixels * rng.uniform(0.8, 1.2, (len(rows), 1, 1, 1)) + rng.normal(
                0, 0.03, pixels.shape
            )
            x = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32))
            sentences = [caption(dict(zip(NAMES, t, strict=True)), rng) for t in target]
            words = [str(rng.choice(WORDS[name])) for name in NAMES]
            z, t = face_features(w, x), text_rows(w, names, sentences + words)
            both, single = t[: len(rows)], t[len(rows) :]
            logits = scale.exp().clamp(max=50) * z @ both.T
            same = torch.tensor([[a == b for b in sentences] for a in sentences])
            like = same.float() / same.sum(dim=1, keepdim=True)
            pairs = (F.cross_entropy(logits, like) + F.cross_entropy(logits.T, like)) / 2
            moves = F.binary_cross_entropy_with_logits(
                slope.exp() * z @ single.T + bias, torch.from_numpy(target), reduction="mean"
            )
            loss = pairs / math.log(recipe.batch) + 3 * moves
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(w.values(), 1.0)
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        print(
            f"epoch {epoch + 1} of {recipe.epochs}: loss "
            f"{total / max(1, len(order) // recipe.batch):.3f} "
            f"({time.monotonic() - started:.0f} s)",
            flush=True,
        )
        if checkpoint is not None:
            _keep(checkpoint, recipe, trained, optimiser, rng, epoch)
    return {k: v.detach() for k, v in w.items()}, names


def _keep(
    path: Path,
    recipe: Recipe,
    trained: dict[str, Tensor],
    optimiser: torch.optim.Optimizer,
    rng: np.random.Generator,
    epoch: int,
) -> None:
    arrays = {f"value.{k}": v.detach().numpy() for k, v in trained.items()}
    for k, v in trained.items():
        arrays |= {
            f"{name}.{k}": optimiser.state[v][name].numpy() for name in ("exp_avg", "exp_avg_sq")
        }
    arrays = {k: np.atleast_1d(v) for k, v in arrays.items()}
    write_arrays(
        path, arrays, {"recipe": asdict(recipe), "epoch": epoch, "random": rng.bit_generator.state}
    )


def _resume(
    path: Path | None,
    recipe: Recipe,
    trained: dict[str, Tensor],
    optimiser: torch.optim.Optimizer,
    schedule: Any,
    rng: np.random.Generator,
    n_steps: int,
) -> int:
    """The epoch to go on with; 0 without a checkpoint of this very recipe."""
    if path is None or not path.is_file():
        return 0
    arrays, meta = read_arrays(path)
    if meta.get("recipe") != asdict(recipe):
        return 0
    n_done = (meta["epoch"] + 1) * n_steps
    with torch.no_grad():
        for k, v in trained.items():
            found = {
                n: torch.from_numpy(arrays[f"{n}.{k}"]).view(v.shape)
                for n in ("value", "exp_avg", "exp_avg_sq")
            }
            v.copy_(found.pop("value"))
            optimiser.state[v] = {"step": torch.tensor(float(n_done)), **found}
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # the schedule is wound forward before the next step, on purpose
        for _ in range(n_done):
            schedule.step()
    rng.bit_generator.state = meta["random"]
    print(f"going on after epoch {meta['epoch'] + 1}", flush=True)
    return int(meta["epoch"]) + 1


def report(
    w: dict[str, Tensor], names: tuple[str, ...], faces: np.ndarray, truth: np.ndarray
) -> dict[str, Any]:
    """On faces of people never trained on: correlation of each movement with its own phrase, and
    retrieval.

    ``first`` is how often the movement drawn alone most strongly (by .25 over all others) is the
    phrase that fits best among all; ``sentence_first``: how often a face's own sentence is the best
    of a hundred.
    """
    with torch.no_grad():
        parts = [
            faces[at : at + 256].astype(np.float32) / 127.5 - 1 for at in range(0, len(faces), 256)
        ]
        z = torch.cat(
            [face_features(w, torch.from_numpy(p.transpose(0, 3, 1, 2).copy())) for p in parts]
        )
        sims = (z @ text_rows(w, names, [WORDS[name][0] for name in NAMES]).T).numpy()
        rng = np.random.default_rng(0)
        sentences = [caption(dict(zip(NAMES, t, strict=True)), rng) for t in truth]
        t = text_rows(w, names, sentences)
        hits, n = 0, 0
        order = rng.permutation(len(faces))
        for at in range(0, len(order) - 99, 100):
            rows = order[at : at + 100]
            best = (z[rows] @ t[rows].T).argmax(dim=1).tolist()
            hits += sum(sentences[rows[b]] == sentences[i] for b, i in zip(best, rows, strict=True))
            n += 100
    r = {name: float(np.corrcoef(sims[:, k], truth[:, k])[0, 1]) for k, name in enumerate(NAMES)}
    top = np.sort(truth, axis=1)
    clear = top[:, -1] - top[:, -2] > 0.25
    # Centred per phrase: phrases differ in how well they fit faces in general.
    first = (sims - sims.mean(axis=0))[clear].argmax(axis=1) == truth[clear].argmax(axis=1)
    return {
        "r": {k: round(v, 3) for k, v in r.items()},
        "r_mean": round(float(np.mean(list(r.values()))), 3),
        "first": round(float(first.mean()), 3),
        "first_chance": round(1 / len(NAMES), 3),
        "n_first": int(clear.sum()),
        "sentence_first": round(hits / max(n, 1), 3),
        "sentence_chance": 0.01,
        "n_faces": len(faces),
    }


def main(arguments: list[str] | None = None) -> None:
    """Draw, train, report, and write the file that ships."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--faces", type=Path, default=Path("face-text-faces"), help="where synthetic faces are kept"
    )
    parser.add_argument("--out", type=Path, default=SHIPPED)
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    given = parser.parse_args(arguments)
    recipe = Recipe(**{name: getattr(given, name) for name in asdict(Recipe())})
    faces, truth, people = draw_all(recipe, given.faces)
    train_on = people < recipe.n_people
    w, names = train(
        recipe, faces[train_on], truth[train_on], given.faces / "checkpoint.safetensors"
    )
    w = {k: v.half().float() for k, v in w.items()}  # what is reported is what is shipped
    found = report(w, names, faces[~train_on], truth[~train_on])
    print(found)
    meta = {
        "format": FORMAT,
        "vocabulary": names,
        "recipe": asdict(recipe),
        "held_out": {**found, "n_people": recipe.n_held_out},
        "drawn": True,
        "licence": "Apache-2.0",
    }
    write_arrays(given.out, {k: v.half().numpy() for k, v in w.items()}, meta)
    digest = hashlib.sha256(given.out.read_bytes()).hexdigest()
    if given.out == SHIPPED:
        write_text(SUMS, f"{digest}  {SHIPPED.name}\n")


if __name__ == "__main__":
    main()
