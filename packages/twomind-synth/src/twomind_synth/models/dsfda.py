"""DSFDA's recipe on synthetic faces: ``python -m twomind_synth.models.dsfda --out FOLDER``.

Draws source people and others who are held out, each neutral and in pain (the movements of PSPI),
crops faces of 64 px, trains, and checks what the decoder makes of the held-out people, of whom it
sees one neutral picture each. Pictures of a person are kept in one file and every epoch is saved,
so an interrupted run goes on. It says that the machinery works end to end, and nothing about real
faces.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from twomind.core.store import read_arrays, write_arrays, write_text
from twomind.features.face.align import aligned
from twomind.features.face.reader import FaceReader, FaceSettings
from twomind.media.stream import Frame
from twomind.models.dsfda import net
from twomind.models.dsfda.recogniser import Dsfda
from twomind.training.dsfda import Pictures, TrainSettings, train
from twomind.types import Task
from twomind_synth.face import Camera, Person, draw
from twomind_synth.identity import AU_NAMES, FaceState, effective
from twomind_synth.models.dsfda_faces import Faces

PAIN = Task("drawn_pain", ("neutral", "pain"), "window")
#: Movements of a pain face (Prkachin & Solomon 2008) and about how strong they are drawn.
PAIN_AUS = {
    "AU04": 0.8,
    "AU06": 0.6,
    "AU07": 0.7,
    "AU09": 0.6,
    "AU10": 0.6,
    "AU25": 0.5,
    "AU43": 0.3,
}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome."""

    n_people: int = 30
    n_held_out: int = 8
    n_each: int = 6  # pictures of each class per person
    size: str = "tiny"
    epochs: int = 40
    batch: int = 16
    learning_rate: float = 5e-4  # released: 1e-5, for a thousand times as many steps
    variant: str = "paper"
    seed: int = 6119


def state_of(y: int, rng: np.random.Generator) -> FaceState:
    """One moment of a neutral face or one in pain, with a little head movement."""
    pose = {
        name: float(rng.normal(0, 2)) for name in ("yaw", "pitch", "roll", "gaze_yaw", "gaze_pitch")
    }
    strength = float(rng.uniform(0.7, 1.1)) if y else 0.0
    aus: dict[str | int, float] = {
        au: float(np.clip(strength * v * rng.uniform(0.7, 1.3), 0, 1)) for au, v in PAIN_AUS.items()
    }
    return FaceState(aus=aus, **pose)


def draw_person(recipe: Recipe, index: int, px: int = 64) -> dict[str, np.ndarray]:
    """Crops, classes and drawn intensities of one person; frames in which no face was found are
    left out.
    """
    rng = np.random.default_rng((recipe.seed, index))
    look, camera = Person.random(rng, f"p{index:03d}"), Camera.random(rng, 320, 240)
    reader = FaceReader(FaceSettings(keep_landmarks=True))
    rgbs: list[np.ndarray] = []
    ys, aus = [], []
    for y in (0, 1):
        for _ in range(recipe.n_each):
            state = state_of(y, rng)
            rgbs.append(draw(look, state, camera, len(rgbs)))
            ys.append(y)
            aus.append([effective(look, state)[au] for au in AU_NAMES])
            reader.push(Frame(len(rgbs) - 1, 0.2 * len(rgbs), rgbs[-1]))
    result = reader.finish()
    assert result.landmarks is not None
    found = np.flatnonzero(result.landmarks.valid)
    crops = [aligned(rgbs[k], result.landmarks.values[k], px, "mesh") for k in found]
    return {
        "crops": np.array(crops, np.uint8).reshape(-1, px, px, 3),
        "y": np.array(ys)[found],
        "aus": np.array(aus, np.float32)[found],
    }


def draw_all(recipe: Recipe, folder: Path) -> tuple[Faces, Faces]:
    """Pictures of the source people and of the held-out ones; what is drawn already is
    read back.
    """
    drawing = {"n_each": recipe.n_each, "seed": recipe.seed, "aus": PAIN_AUS}
    mark = hashlib.sha256(json.dumps(drawing, sort_keys=True).encode()).hexdigest()[:12]
    px = net.SIZES[recipe.size].px
    found: list[Faces] = []
    n = recipe.n_people + recipe.n_held_out
    for index in range(n):
        # Held-out people come from the other end, so more source people are not yesterday's
        # held-out ones.
        number = index if index < recipe.n_people else 100_000 + index - recipe.n_people
        path = folder / f"{mark}-{px}" / f"{number:06d}.safetensors"
        if not path.is_file():
            write_arrays(path, draw_person(recipe, number, px))
            print(f"synthetic person {index + 1} of {n}", flush=True)
        a, _ = read_arrays(path)
        found.append(Faces(a["crops"], a["y"], a["aus"], np.full(len(a["y"]), f"p{number:06d}")))
    source, held = found[: recipe.n_people], found[recipe.n_people :]
    return joined(source), joined(held)


def joined(parts: list[Faces]) -> Faces:
    """Several people's pictures as one."""
    return Faces(
        *(
            np.concatenate([getattr(p, name) for p in parts])
            for name in ("crops", "y", "aus", "people")
        )
    )


def as_pictures(faces: Faces, px: int) -> Pictures:
    """For training."""
    from twomind.models.dsfda.recogniser import as_pictures as scaled

    return Pictures(scaled(faces.crops, px), faces.y, faces.people, drawn=True)


def make(recipe: Recipe, folder: Path) -> tuple[Dsfda, Faces, Faces]:
    """The trained model, the source faces and the held-out ones."""
    source, held = draw_all(recipe, folder)
    size = net.SIZES[recipe.size]
    settings = TrainSettings(
        recipe.variant, recipe.learning_rate, recipe.epochs, recipe.batch, recipe.seed
    )
    digest = hashlib.sha256(
        json.dumps(asdict(replace(recipe, epochs=0)), sort_keys=True).encode()
    ).hexdigest()[:12]

    def show(what: str, done: float, total: float) -> None:
        print(f"{what}: epoch {done:.0f} of {total:.0f}", flush=True)

    keep = folder / f"training-{digest}.safetensors"
    data = as_pictures(source, size.px)
    model = train(PAIN, data, size, settings, keep=keep, progress=show)
    return (
        replace(
            model, card={**model.card, "recipe": asdict(recipe), "about": "synthetic people only"}
        ),
        source,
        held,
    )


def main(arguments: list[str] | None = None) -> None:
    """Draw, train, check the generated faces, and write model, numbers and grid."""
    from twomind_synth.models import dsfda_check as check

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("dsfda-drawn"), help="where everything is written"
    )
    for name in ("n_people", "n_held_out", "n_each", "epochs", "batch", "seed"):
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=int, default=getattr(Recipe(), name)
        )
    parser.add_argument("--learning-rate", type=float, default=Recipe().learning_rate)
    parser.add_argument("--size", choices=["tiny", "small", "full"], default=Recipe().size)
    parser.add_argument("--variant", choices=["paper", "released"], default=Recipe().variant)
    given = vars(parser.parse_args(arguments))
    out: Path = given.pop("out")
    model, source, held = make(Recipe(**given), out)
    path = model.save(out)
    numbers = check.check(model, source, held)
    write_text(out / "generated.json", json.dumps(numbers, indent=1))
    check.grid(model, held, out / "generated.png")
    print(json.dumps(numbers, indent=1))
    print(f"wrote {path}, generated.json and generated.png")


if __name__ == "__main__":
    main()
