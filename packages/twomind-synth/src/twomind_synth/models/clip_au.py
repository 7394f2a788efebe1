"""The recipe of the CLIP-AU that ships: synthetic people, the face–text encoder, windows in and outside
of drawn A/H.

``python -m twomind_synth.models.clip_au`` draws stretches of answers without making films (one file
per answer, so an interrupted run goes on), embeds them, trains, checks which names are earned on
people held out, and writes the model. It says that the machinery works end to end, and nothing
about real faces.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.store import read_arrays, write_arrays, write_text
from twomind.encoders.encoder import Encoder
from twomind.encoders.opening import open_encoder
from twomind.features.face.align import aligned
from twomind.features.face.measures import NAMES, UNITS
from twomind.features.face.reader import FaceReader, FaceSettings
from twomind.media.stream import Frame
from twomind.models.clip_au.clips import ClipSettings
from twomind.models.clip_au.names_check import check_names, figure
from twomind.models.clip_au.recogniser import FILE, ClipAu, new_model
from twomind.training.clip_au import TrainSettings, train, validate
from twomind.types import AMBIVALENCE, Example, Features, Track
from twomind_synth import behaviour, voice
from twomind_synth.face import Camera, Person, draw
from twomind_synth.script import write_answer
from twomind_synth.world import World, person_factors, stream

#: The model that comes with this package.
SHIPPED = Path(__file__).parent / "weights" / FILE


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome."""

    n_people: int = 20
    n_held_out: int = 10
    questions: tuple[int, ...] = (4, 7)
    n_windows: int = 2  # of each class per answer, at most
    n_frames: int = 20
    hop_s: float = 0.08
    epochs: int = 30
    seed: int = 5321


def draw_answer(recipe: Recipe, index: int, question: int) -> dict[str, np.ndarray]:
    """Windows of one answer: faces ``(n, T, 64, 64, 3)``, whether each was found, the face's
    measures, and labels.

    A window is of class 1 when at least half of it lies in a segment of A/H, of class 0 when
    nothing does.
    """
    factors = person_factors(recipe.seed, index)
    look = Person.random(stream(factors.seed, "look", index), factors.name)
    camera = Camera.random(stream(factors.seed, "camera", index), 320, 240)
    world = World()
    answer = write_answer(world, factors, question)
    rng = stream(factors.seed, "voice", index, question)
    speech = voice.speak(answer.tokens, factors, rng, "builtin", world.noise_db)
    times_s = np.arange(0.0, speech.duration_s, recipe.hop_s)
    rng = stream(factors.seed, "behaviour", index, question)
    moves = behaviour.behave(world, factors, answer, speech, times_s, rng)
    torn = np.zeros(len(times_s), bool)
    for start_s, end_s in behaviour.segment_spans(answer, speech):
        torn |= (times_s >= start_s) & (times_s < end_s)
    starts = np.arange(0, len(times_s) - recipe.n_frames + 1, recipe.n_frames)
    share = np.array([torn[s : s + recipe.n_frames].mean() for s in starts])
    chosen = [
        (int(s), y)
        for y, of_class in ((0, share == 0), (1, share >= 0.5))
        for s in sorted(rng.permutation(starts[of_class])[: recipe.n_windows])
    ]
    reader = FaceReader(FaceSettings(keep_landmarks=True))
    pictures = []
    for s, _ in sorted(chosen):
        for i in range(s, s + recipe.n_frames):
            rgb = draw(look, moves.states[i], camera, i)
            pictures.append(rgb)
            reader.push(Frame(len(pictures) - 1, float(times_s[i]), rgb))
    result = reader.finish()
    assert result.landmarks is not None
    faces = [
        aligned(rgb, points, 64, "mesh") if ok else np.zeros((64, 64, 3), np.uint8)
        for rgb, points, ok in zip(
            pictures, result.landmarks.values, result.landmarks.valid, strict=True
        )
    ]
    n = len(chosen)
    return {
        "faces": np.array(faces, np.uint8).reshape(n, recipe.n_frames, 64, 64, 3),
        "found": result.landmarks.valid.reshape(n, recipe.n_frames),
        "measures": np.asarray(result.track.values, np.float32).reshape(
            n, recipe.n_frames, len(NAMES)
        ),
        "measured": result.track.valid.reshape(n, recipe.n_frames),
        "times_s": result.track.times_s.reshape(n, recipe.n_frames),
        "label": np.array([y for _, y in sorted(chosen)]),
    }


def draw_all(
    recipe: Recipe, folder: Path, first: int = 0
) -> list[tuple[str, str, dict[str, np.ndarray]]]:
    """Person, recording and windows of every answer, from the ``first`` person on; what is drawn is
    read back.
    """
    drawing = {
        k: v
        for k, v in asdict(recipe).items()
        if k not in ("n_people", "n_held_out", "epochs", "questions")
    }
    mark = hashlib.sha256(repr(sorted(drawing.items())).encode()).hexdigest()[:12]
    found = []
    n = recipe.n_people + recipe.n_held_out
    for index in range(first, n):
        for question in recipe.questions:
            path = folder / mark / f"{index:03d}-{question}.safetensors"
            if not path.is_file():
                write_arrays(path, draw_answer(recipe, index, question))
                print(f"synthetic person {index + 1} of {n}, question {question}", flush=True)
            arrays, _ = read_arrays(path)
            found.append((f"p{index:03d}", f"p{index:03d}-{question}", arrays))
    return found


def as_examples(
    answers: Sequence[tuple[str, str, dict[str, np.ndarray]]], encoder: Encoder
) -> list[Example]:
    """One example per window, with the tracks of the encoder and of the face."""
    examples = []
    for subject, recording, a in answers:
        for k, y in enumerate(a["label"]):
            found, times_s = a["found"][k].astype(bool), a["times_s"][k]
            values = np.full((len(times_s), encoder.dim), np.nan, np.float32)
            if found.any():
                values[found] = encoder.embed(list(a["faces"][k][found]))
            tracks = {
                encoder.track: Track(values, times_s, found),
                "face": Track(
                    a["measures"][k], times_s, a["measured"][k].astype(bool), NAMES, UNITS
                ),
            }
            span_s = (float(times_s[0]), float(times_s[-1]) + 0.08)
            examples.append(
                Example(Features(recording, subject, tracks, span_s, drawn=True), int(y))
            )
    return examples


def make(recipe: Recipe, folder: Path, encoder: Encoder) -> tuple[ClipAu, dict[str, Any]]:
    """The trained and checked model, and its rates on people held out."""
    examples = as_examples(draw_all(recipe, folder), encoder)
    held = {
        f"p{index:03d}" for index in range(recipe.n_people, recipe.n_people + recipe.n_held_out)
    }
    own, test = (
        [e for e in examples if e.x.subject not in held],
        [e for e in examples if e.x.subject in held],
    )
    clips = ClipSettings(recipe.n_frames, recipe.hop_s)
    task = replace(AMBIVALENCE, grain="window")
    model = train(
        new_model(encoder, task, clips=clips, seed=recipe.seed),
        own,
        TrainSettings(epochs=recipe.epochs, seed=recipe.seed),
        progress=lambda what, done, total: print(
            f"{what}: epoch {done:.0f} of {total:.0f}", flush=True
        ),
    )
    war, uar, f1, loss = validate(model, test)
    share = float(np.mean([e.y for e in test]))
    rates = {"war": war, "uar": uar, "macro_f1": f1, "cross_entropy": loss, "share_present": share}
    card = {
        **model.card,
        "recipe": asdict(recipe),
        "held_out": {**rates, "n_people": len(held), "n_windows": len(test)},
        "about": "synthetic people only; a window of 1.6 s is 'present' when half of it lies in drawn "
        "A/H",
    }
    return check_names(replace(model, card=card), [e.x for e in test]), rates


def main(arguments: list[str] | None = None) -> None:
    """Draw, train, check, and write the model that ships."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--windows", type=Path, default=Path("clip-au-windows"), help="where drawn windows are kept"
    )
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--figure", type=Path, help="SVG with the correlation of each similarity")
    for name in ("n_people", "n_held_out", "epochs", "seed"):
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=int, default=getattr(Recipe(), name)
        )
    given = parser.parse_args(arguments)
    chosen = {name: getattr(given, name) for name in ("n_people", "n_held_out", "epochs", "seed")}
    model, rates = make(replace(Recipe(), **chosen), given.windows, open_encoder())
    print(rates)
    for row in model.card["aus"]["rows"]:
        if "r" in row:
            print(
                f"{row['name']:44} r = {row['r']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}] "
                f"{row['why']}"
            )
    path = model.save(given.out)
    if given.figure:
        figure(model, given.figure)
    if given.out == SHIPPED:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        write_text(SHIPPED.parent / "clip_au.SHA256SUMS", f"{digest}  {SHIPPED.name}\n")


if __name__ == "__main__":
    main()
