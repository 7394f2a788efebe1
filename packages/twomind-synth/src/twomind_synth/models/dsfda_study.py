"""DSFDA on synthetic studies: face crops without films, and a source model of the crops of source
people.

Crops are cut from the drawing by its own eyes and chin (the template ``mesh``), as the films' crops
are: no tracking and no coding of a film lies between. Which moments: BioVid as laboratories list
its frames, from 2.0 to 5.0 s of a clip; StressID and BAH over the whole clip. Synthetic people prove
the machinery and say nothing about real faces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.store import read_arrays, settings_hash, write_arrays
from twomind.features.face.align import TEMPLATES, similarity
from twomind.models.dsfda import net
from twomind.models.dsfda.recogniser import PROTOTYPE_CLASS, PROTOTYPES, Dsfda, as_pictures
from twomind.training.dsfda import Pictures, TrainSettings, train
from twomind.types import Example, Features, Progress, Task, Track
from twomind_synth.face import draw
from twomind_synth.film import code_digest
from twomind_synth.study_film import anchor_points
from twomind_synth.study_layout import Clip, clips_of, person_of, take_of
from twomind_synth.study_take import Take
from twomind_synth.study_world import StudyWorld

TRACK = "face_crop"
#: From frame to frame of the film (25, 10, 15 a second) that is drawn, and in a clip that may be
#: handed over: there as dense as the layout's own list of frames (BioVid every 40 ms, StressID
#: every second, BAH every frame).
FRAME_STEP = {"biovid": 3, "stressid": 5, "bah": 4}
FRAME_STEP_HANDED = {"biovid": 1, "stressid": 10, "bah": 1}
#: The part of a clip (s) that laboratories use, where it is not the whole: from 2.04 to 5.00 s.
USED_S = {"biovid": (2.02, 5.02)}


@dataclass(frozen=True)
class StudyCrops:
    """recording → :class:`Features` with one track ``face_crop (T, 64, 64, 3)`` uint8; picklable.

    Drawn when first asked for, and kept below ``root``. ``handed``: recordings drawn as densely as
    their layout lists frames. ``whole``: not cut to the part that laboratories use (``USED_S``).
    """

    root: Path
    layout: str
    n_people: int = 24
    seed: int = 0
    world: StudyWorld = field(default_factory=StudyWorld)
    handed: frozenset[str] = frozenset()
    whole: bool = False
    px: int = 64

    @cached_property
    def clips(self) -> dict[str, Clip]:
        return {c.recording: c for c in clips_of(self.layout, self.n_people, self.seed, self.world)}

    @cached_property
    def folder(self) -> Path:
        made = [code_digest(), self.layout, self.n_people, self.seed, self.world.plain(), self.px]
        return self.root / f"crops-{self.layout}-{settings_hash({'made': made})[:12]}"

    def __call__(self, recording: str) -> Features:
        if recording not in self.clips:
            raise BadInput(f"drawn {self.layout}: no recording {recording!r}")
        clip = self.clips[recording]
        every = (FRAME_STEP_HANDED if recording in self.handed else FRAME_STEP)[self.layout]
        path = self.folder / f"every-{every}" / f"{recording}.safetensors"
        if not path.is_file():
            take = take_of(
                clip, self.world, self.seed, person=person_of(clip, self.world, self.seed)
            )
            rows = np.arange(0, len(take.times_s), every)
            made = {"crops": crops(take, rows, self.px), "times_s": take.times_s[rows]}
            write_arrays(path, made, {"end_s": take.duration_s})
        arrays, meta = read_arrays(path)
        values, times_s = arrays["crops"], arrays["times_s"]
        if self.layout in USED_S and not self.whole:
            first_s, last_s = USED_S[self.layout]
            keep = (times_s >= first_s) & (times_s <= last_s)
            values, times_s = values[keep], times_s[keep]
        track = Track(values, times_s, np.ones(len(times_s), bool))
        question = str(clip.key[0]) if self.layout == "bah" else None
        return Features(
            recording,
            clip.subject,
            {TRACK: track},
            (0.0, float(meta["end_s"])),
            question,
            drawn=True,
        )


def crops(take: Take, rows: np.ndarray, px: int = 64) -> np.ndarray:
    """Aligned crops ``(len(rows), px, px, 3)`` uint8 of these frames of a take."""
    import cv2

    part = replace(
        take,
        times_s=take.times_s[rows],
        aus={k: v[rows] for k, v in take.aus.items()},
        columns={k: v[rows] for k, v in take.columns.items()},
        blink=take.blink[rows],
        chest=take.chest[rows],
    )
    look, camera = take.person.look, take.person.camera
    points = anchor_points(part)["mesh"]
    found = np.zeros((len(rows), px, px, 3), np.uint8)
    for k, state in enumerate(part.states()):
        # Numbered as in the film: the camera's noise goes by the number.
        rgb = draw(look, state, camera, int(rows[k]))
        matrix = similarity(points[k], TEMPLATES["mesh"] * (px / 112))
        found[k] = cv2.warpAffine(rgb, matrix, (px, px), flags=cv2.INTER_LINEAR)
    return found


@dataclass(frozen=True)
class SourceRecipe:
    """How a source model is trained on a study: about as many steps as :class:`.dsfda_drawn.Recipe`
    takes.
    """

    size: str = "tiny"
    n_each: int = 40  # pictures of a person and class, at most
    epochs: int = 13
    batch: int = 16
    learning_rate: float = 5e-4
    seed: int = 0


def pictures_of(source: Sequence[Example], recipe: SourceRecipe) -> Pictures:
    """Pictures of source people: ``n_each`` at random of every person and class, then as many of
    each class in all.

    Raises:
        BadInput: the source shows one class only.
    """
    rng = np.random.default_rng(recipe.seed)
    of: dict[tuple[str, int], list[np.ndarray]] = {}
    for e in source:
        track = e.x.tracks[TRACK]
        of.setdefault((e.x.subject, e.y), []).append(track.values[track.valid])
    taken: dict[int, list[tuple[np.ndarray, str]]] = {}
    for (person, y), parts in sorted(of.items()):
        frames = np.concatenate(parts)
        for k in rng.permutation(len(frames))[: recipe.n_each]:
            taken.setdefault(y, []).append((frames[k], person))
    if len(taken) < 2:
        raise BadInput(
            f"DSFDA: expected source pictures of at least two classes, got class {sorted(taken)} "
            "only"
        )
    n = min(len(rows) for rows in taken.values())
    rows = [
        (*taken[y][int(k)], y) for y in sorted(taken) for k in rng.permutation(len(taken[y]))[:n]
    ]
    x = as_pictures(np.stack([r[0] for r in rows]), net.SIZES[recipe.size].px)
    classes = np.array([r[2] for r in rows])
    people = np.array([r[1] for r in rows])
    return Pictures(x, classes, people, drawn=True)


def fit_dsfda(
    source: Sequence[Example],
    task: Task,
    recipe: SourceRecipe | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Dsfda:
    """A source model with prototypes, of labelled windows of source people; class 0 is the neutral
    one.

    With ``folder``, an interrupted training goes on, and a whole one of the same source and recipe
    is read back.
    """
    recipe = recipe or SourceRecipe()
    people = sorted({e.x.subject for e in source})
    names = [[e.x.recording, list(e.x.span_s), e.y] for e in source]
    mark = settings_hash({"recipe": asdict(recipe), "source": names, "task": task.name})[:12]
    if folder is not None and (folder / f"dsfda-{mark}.safetensors").is_file():
        return Dsfda.load(folder / f"dsfda-{mark}.safetensors")
    data = pictures_of(source, recipe)
    settings = TrainSettings(
        "paper", recipe.learning_rate, recipe.epochs, recipe.batch, recipe.seed
    )
    keep = None if folder is None else folder / f"training-{mark}.safetensors"
    size = net.SIZES[recipe.size]
    model = train(task, data, size, settings, keep=keep, progress=progress)
    model = replace(
        model,
        card={
            **model.card,
            "recipe": asdict(recipe),
            "people": people,
            "about": "synthetic people only",
        },
    )
    if folder is not None:
        model.save(folder / f"dsfda-{mark}.safetensors")
    return model


def own_prototypes(model: Dsfda) -> Callable[[tuple[Example, ...]], dict[str, Any]]:
    """The summary that leaves the source site: the prototypes that were made when the model was
    trained.
    """

    def summary(source: tuple[Example, ...]) -> dict[str, Any]:
        assert model.prototypes is not None
        assert model.prototype_class is not None
        return {
            PROTOTYPES: model.prototypes.numpy(),
            PROTOTYPE_CLASS: model.prototype_class.numpy(),
        }

    return summary
