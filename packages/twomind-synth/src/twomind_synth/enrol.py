"""Clips as a person might bring to enrolment: neutral, or contaminated by a smile, by talking, by
bad light …

They measure the check at enrolment. They are drawn, and say nothing about real faces.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.store import replacing
from twomind_synth import behaviour, voice
from twomind_synth.face import Camera, FaceState, Person, draw
from twomind_synth.film import FilmSettings, encode
from twomind_synth.script import write_answer
from twomind_synth.world import World, person_factors, stream

#: What a clip holds. ``smile``: two smiles that come and go; ``held_smile``: one from the first
#: frame to the last; ``frown``: brows lowered twice; ``talking``: speech with sound;
#: ``mute_talking``: the same film without sound; ``dark``, ``bright``: light that the camera cannot
#: cope with; ``turned``: half away from the camera.
KINDS = (
    "neutral",
    "smile",
    "held_smile",
    "frown",
    "talking",
    "mute_talking",
    "dark",
    "bright",
    "turned",
)
_EXPOSURE = {"dark": 0.12, "bright": 6.0}


def draw_clip(
    path: Path,
    kind: str,
    seed: int,
    index: int,
    seconds: float = 4.0,
    fps: int = 12,
    size: tuple[int, int] = (320, 240),
) -> Path:
    """Film person ``index`` of a seed for ``seconds``; the same arguments give the same film.

    Raises:
        BadInput: an unknown kind.
    """
    if kind not in KINDS:
        raise BadInput(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}")
    person = person_factors(seed, index)
    look = Person.random(stream(seed, "look", index), person.name)
    camera = Camera.random(stream(seed, "camera", index), *size)
    if kind in _EXPOSURE:
        camera = replace(camera, exposure=_EXPOSURE[kind])
    rng = stream(seed, "enrol", index, kind)
    times_s = np.arange(round(seconds * fps)) / fps
    moves = tuple(_moves(kind, seconds))
    aus, columns = behaviour.compose(moves, times_s)
    behaviour.add_idle(columns, person, times_s, rng)
    if kind == "held_smile":
        aus = {"AU12": np.full(len(times_s), 0.6), "AU06": np.full(len(times_s), 0.35)}
    if kind == "turned":
        columns["yaw"] = columns["yaw"] + 50.0
    speech = None
    if kind in ("talking", "mute_talking"):
        answer = write_answer(World(), person, 1)
        speech = voice.speak(
            answer.tokens, person, stream(seed, "enrol voice", index), "builtin", World().noise_db
        )
        behaviour.add_lips(columns, speech, times_s)
        rate = speech.sample_rate_hz
        speech = replace(speech, values=speech.values[: round(seconds * rate)])
    blink = behaviour.blink_course(behaviour.blink_starts(person, seconds, rng), times_s)
    states = (
        FaceState(
            aus={name: float(course[i]) for name, course in aus.items() if course[i] > 1e-4},
            blink=float(blink[i]),
            **{name: float(course[i]) for name, course in columns.items()},
        )
        for i in range(len(times_s))
    )
    frames = (draw(look, state, camera, i) for i, state in enumerate(states))
    settings = FilmSettings(*size, fps, "builtin", crf=23, preset="ultrafast")
    with replacing(path) as temporary:
        encode(temporary, frames, speech if kind == "talking" else None, settings)
    return path


def _moves(kind: str, seconds: float) -> list[behaviour.Movement]:
    """Two movements of a second each, a third of the clip apart."""
    name = {"smile": "smile", "frown": "brow_lower"}.get(kind)
    starts = (0.2 * seconds, 0.6 * seconds) if name else ()
    return [behaviour.Movement(str(name), "habit", at, 0.3, 0.6, 0.3, 1.0, 1) for at in starts]
