"""A take as real files: the film, and its truth as JSON beside a study (never inside the layout's
own folders).
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.store import content_hash, replacing, settings_hash, write_text
from twomind_synth import behaviour
from twomind_synth.face import CENTRE, draw
from twomind_synth.features import mouth_curves
from twomind_synth.film import TAG, FilmSettings, code_digest, encode
from twomind_synth.geometry import surface, view
from twomind_synth.identity import FaceState, effective_sides
from twomind_synth.study_people import StudyPerson
from twomind_synth.study_take import Take, drawn_aus, say, segment_truth
from twomind_synth.study_tasks import speak_task
from twomind_synth.study_world import StudyWorld
from twomind_synth.voice import Speech
from twomind_synth.world import stream

#: Frames per second of a film per layout: what the pictures need, not what is pretty. BioVid's
#: crops are named by milliseconds in steps of 40.
FPS = {"bah": 15, "biovid": 25, "stressid": 10}
#: Picture of a study film (width, height) px: the face is some 90 px wide, more than twice what can
#: be measured.
SIZE = (320, 240)
ANCHORS = ("arcface", "mesh")


def film_settings(fps: int, size: tuple[int, int] = SIZE) -> FilmSettings:
    """How films of a study are recorded."""
    return FilmSettings(size[0], size[1], fps, "builtin", crf=23, preset="ultrafast")


def film_take(media: Path, take: Take, world: StudyWorld, settings: FilmSettings) -> None:
    """Draw and encode one take into the file ``media``, with sound where the layout has speech or
    room tone.
    """
    frames = (
        draw(take.person.look, state, take.person.camera, i)
        for i, state in enumerate(take.states())
    )
    with replacing(media) as temporary:
        encode(temporary, frames, sound_of(take, world), settings)


def sound_of(take: Take, world: StudyWorld) -> Speech | None:
    """The take's speech with its samples; None for a film without sound."""
    if take.answer is not None:
        return say(world, take.person, take.answer, int(take.task), sound=True)
    if take.layout == "stressid" and take.speech is not None and take.speech.words:
        return speak_task(world, take.person, take.task, *take.tension, sound=True)
    return None


def settings_of(
    world: StudyWorld, seed: int, person: StudyPerson, name: str, settings: FilmSettings
) -> dict[str, Any]:
    """All that decides what a film shows, as plain values."""
    return {
        "code": code_digest(),
        "seed": seed,
        "person": person.index,
        "subject": person.subject,
        "visit": person.visit,
        "name": name,
        "world": world.plain(),
        "film": asdict(settings),
    }


def truth_of(take: Take, world: StudyWorld) -> dict[str, Any]:
    """Everything that is known about a take, as plain values; frames are in :func:`frame_truth`."""
    answer = take.answer
    segments = []
    if answer is not None:
        segments = [
            segment_truth(s, span) for s, span in zip(answer.segments, take.spans, strict=True)
        ]
    speech = take.speech
    return {
        "what": TAG,
        "layout": take.layout,
        "subject": take.person.subject,
        "visit": take.person.visit,
        "name": take.name,
        "task": take.task,
        "label": take.label,
        "noted": take.noted,
        "duration_s": take.duration_s,
        "text": answer.text if answer else "",
        "words": [asdict(word) for word in speech.words] if speech else [],
        "transcribed": transcript_indices(take, world),
        "pauses": [list(p) for p in speech.pauses] if speech and speech.words else [],
        "breaths": [list(b) for b in speech.breaths] if speech else [],
        "segments": segments,
        "annotated": [asdict(s) for s in take.segments],
        "movements": [m.plain() for m in take.movements],
        "blinks": [list(b) for b in take.blinks],
    }


def transcript_indices(take: Take, world: StudyWorld) -> list[int]:
    """Indices of the words that the transcript of a BAH answer has: a recogniser drops most filler
    sounds.
    """
    if take.answer is None or take.speech is None:
        return []
    lost = stream(take.person.factors.seed, "study", "transcriber", take.name).random(
        len(take.speech.words)
    )
    return [
        i
        for i, word in enumerate(take.speech.words)
        if word.kind != "filler" or lost[i] >= world.fillers_dropped
    ]


def frame_truth(take: Take) -> dict[str, list[float]]:
    """Per frame: time, drawn action units (mean of the halves), pose, gaze, lips, blink."""
    drawn = drawn_aus(take)
    frames = {"time_s": np.round(take.times_s, 6).tolist()}
    frames |= {au: np.round(values.mean(axis=1), 4).tolist() for au, values in drawn.items()}
    frames |= {name: np.round(take.columns[name], 4).tolist() for name in behaviour.COLUMNS}
    return frames | {"blink": np.round(take.blink, 4).tolist()}


def complete(media: Path, truth_path: Path, wanted_hash: str) -> dict[str, Any] | None:
    """The truth of a film that needs no drawing; None when anything is absent, damaged or of other
    settings.
    """
    try:
        truth: dict[str, Any] = json.loads(truth_path.read_text(encoding="utf-8"))
        whole = truth["settings_hash"] == wanted_hash and truth["media_sha256"] == content_hash(
            media
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return truth if whole else None


def make_film(
    media: Path, truth_path: Path, take: Take, world: StudyWorld, seed: int, settings: FilmSettings
) -> bool:
    """Film a take if it is not complete there; True when it was drawn now. The truth is written
    last.
    """
    wanted = settings_of(world, seed, take.person, take.name, settings)
    if complete(media, truth_path, settings_hash(wanted)) is not None:
        return False
    film_take(media, take, world, settings)
    truth = {
        "settings_hash": settings_hash(wanted),
        "settings": wanted,
        "media_sha256": content_hash(media),
        **truth_of(take, world),
        "frames": frame_truth(take),
        "anchors": {t: np.round(points, 2).tolist() for t, points in anchor_points(take).items()},
    }
    write_text(truth_path, json.dumps(truth, allow_nan=False) + "\n")
    return True


def anchor_points(take: Take) -> dict[str, np.ndarray]:
    """Where the points of each crop template lie on every frame ``(T, K, 2)`` px, from the drawing
    itself.

    ``arcface``: the person's right and left eye, tip of the nose, right and left corner of the
    mouth; ``mesh``: right and left eye, chin. Order and meaning as in
    ``twomind.features.face.align``.
    """
    rows = [_anchors_of(take.person, state) for state in take.states()]
    return {template: np.stack([row[k] for row in rows]) for k, template in enumerate(ANCHORS)}


def _anchors_of(person: StudyPerson, state: FaceState) -> tuple[np.ndarray, np.ndarray]:
    look = person.look
    sides = effective_sides(look, state)
    seen = view(look, state, person.camera, CENTRE, (0.0, 0.0))
    eyes = surface(look, np.array([[-3.15, 2.6], [3.15, 2.6]]) * (look.eye_distance, 1.0))
    drop_cm = 1.35 * sum(sides["AU26"]) / 2 - 0.35 * sum(sides["AU17"]) / 2
    chin = np.array([[0.0, -9.2 * look.face_height - drop_cm, 3.4]])
    tip = np.array([[0.0, (-1.1 * look.nose_length + 0.1) * look.face_height, 7.0]])
    corners = mouth_curves(look, sides)["upper"][[0, -1]]
    corners = corners[np.argsort(corners[:, 0])]
    points = np.asarray(seen(np.concatenate([eyes, tip, corners, chin])))
    return points[:5], points[[0, 1, 5]]
