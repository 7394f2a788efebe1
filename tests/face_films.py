"""Short films of synthetic faces for the tests of the face: small pictures, each made once per process.

The drawing has the signs of the library: yaw + turns to the person's own left (towards image
right), pitch + up, roll + to the own left shoulder; gaze is relative to the head with the same
signs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from twomind.features.face.reader import FaceReader, FaceResult, FaceSettings
from twomind.features.face.tracker_mesh import FaceFinder
from twomind_synth.face import Camera, FaceState, Person, Placed, draw_people, skin_colour

RATE_HZ = 25
#: The face is some 120 px wide: as large as costs no quality, as small as is quick.
CAMERA = Camera(width_px=320, height_px=240, face_size=0.68, noise=1.0, seed=4)
STAGE = Camera(width_px=480, height_px=270, face_size=0.5, noise=1.0, seed=9)
#: Own left is stronger in a smile.
ACTOR = Person("actor", asymmetry={"AU12": 0.5}, eye_size=1.1)
LIGHT = Person(
    "light", skin=skin_colour(0.1), hair_style="short", hair_colour=(142, 96, 58), face_width=0.97
)
DARK = Person(
    "dark",
    skin=skin_colour(0.75),
    hair_style="bun",
    hair_colour=(36, 28, 26),
    face_width=1.04,
    jaw=1.05,
)
#: How far the lids are down in the frames of one blink.
BLINK = (0.3, 0.9, 1.0, 0.8, 0.35)


@dataclass(frozen=True)
class Decoded:
    """A frame as the media reader gives it."""

    time_s: float
    rgb: np.ndarray


def decoded(path: Path, n: int | None = None) -> Iterator[Decoded]:
    """The first ``n`` frames of a file, or all."""
    import av

    with av.open(str(path)) as container:
        for k, frame in enumerate(container.decode(video=0)):
            if k == n:
                return
            yield Decoded(float(frame.pts * frame.time_base), frame.to_ndarray(format="rgb24"))


def read(
    frames: Iterator[Decoded] | Sequence[Decoded],
    settings: FaceSettings | None = None,
    finder: FaceFinder | None = None,
) -> FaceResult:
    """What the face reader says of frames."""
    reader = FaceReader(settings, finder)
    for frame in frames:
        reader.push(frame)
    return reader.finish()


def shown(scenes: Sequence[Sequence[Placed]], camera: Camera = CAMERA) -> list[Decoded]:
    """One frame for each list of people; an empty list is an empty room."""
    return [Decoded(k / RATE_HZ, draw_people(people, camera, k)) for k, people in enumerate(scenes)]


def alone(person: Person, state: FaceState) -> list[Placed]:
    """A scene of one person in the middle."""
    return [Placed(person, state)]


@lru_cache(maxsize=1)
def lively() -> tuple[Decoded, ...]:
    """Seventy frames of one face that speaks, sways and smiles a little; it is seen in
    every frame.
    """
    scenes = []
    for k in range(70):
        state = FaceState(
            aus={12: 0.3 + 0.3 * np.sin(k / 9)},
            yaw=4 * np.sin(k / 11),
            pitch=3 * np.sin(k / 7),
            mouth_open=0.25 + 0.25 * np.sin(k / 2),
        )
        scenes.append(alone(ACTOR, state))
    # Nearer than the other films, as large in its picture as a face before a webcam.
    return tuple(shown(scenes, replace(CAMERA, width_px=480, height_px=360)))


#: Frames at rest before each part of :func:`acted`.
REST = 5
#: Frames of one movement, from nothing to its peak in the two middle frames and back.
RAMP = tuple(float(v) for v in np.sin(np.linspace(0, np.pi, 8)))
#: Head and gaze go to one side and straight to the other, each by so many degrees.
ANGLES = {"yaw": 20.0, "pitch": 14.0, "roll": 18.0, "gaze_yaw": 22.0, "gaze_pitch": 18.0}
UNITS = ("AU01", "AU04", "AU12", "AU15", "AU25", "AU26")
LONG_S = 1.2


def script() -> dict[str, list[FaceState]]:
    """The parts of :func:`acted` in order: what the actor does in each frame."""
    parts = {"rest": [FaceState()] * 10, "first blink": [FaceState(blink=v) for v in BLINK]}
    for name, size in ANGLES.items():
        parts[f"{name} +"] = [FaceState(**{name: size * v}) for v in RAMP]
        parts[f"{name} -"] = [FaceState(**{name: -size * v}) for v in RAMP]
    for au in UNITS:
        parts[au] = [FaceState(aus={au: v}) for v in RAMP]
    parts["second blink"] = [FaceState(blink=v) for v in BLINK]
    parts["lids lowered"] = [FaceState(blink=v) for v in (0.1, 0.2, 0.2, 0.1)]
    parts["eyes closed"] = [FaceState(blink=1.0)] * int(LONG_S * RATE_HZ)
    return parts


@lru_cache(maxsize=1)
def acted() -> tuple[dict[str, slice], FaceResult]:
    """One face that does one thing after the other: the rows of each part, and what was
    measured.
    """
    scenes: list[list[Placed]] = []
    spans = {}
    for name, states in script().items():
        if not name.endswith(" -"):
            scenes += [alone(ACTOR, FaceState())] * REST
        spans[name] = slice(len(scenes), len(scenes) + len(states))
        scenes += [alone(ACTOR, state) for state in states]
    scenes += [alone(ACTOR, FaceState())] * REST
    return spans, read(shown(scenes), FaceSettings(keep_landmarks=True))


@lru_cache(maxsize=1)
def met() -> tuple[np.ndarray, FaceResult]:
    """Two people pass each other; only the target, nearer at first and alone with an open mouth, is
    measured.

    The middles of both heads ``(T, 2)`` as fractions of the width, target first; and what was
    measured.
    """
    walk = np.concatenate([np.zeros(8), np.linspace(0, 1, 34), np.ones(8)])
    middles = np.stack([0.22 + 0.56 * walk, 0.78 - 0.56 * walk], axis=1)
    scenes = []
    for target_x, other_x in middles:
        target = Placed(LIGHT, FaceState(z_cm=6.0, mouth_open=0.8), target_x, 0.47)
        other = Placed(DARK, FaceState(), other_x, 0.47)
        scenes.append([other, target])
    return middles, read(shown(scenes, STAGE), FaceSettings(keep_landmarks=True))


@lru_cache(maxsize=1)
def replaced() -> FaceResult:
    """A cut puts another person where the target was: frames 0..19 are the target, 20..69 (2 s) the
    other.
    """
    scenes = [[Placed(LIGHT if k < 20 else DARK, FaceState(), 0.5, 0.47)] for k in range(70)]
    return read(shown(scenes, STAGE))


@lru_cache(maxsize=1)
def large() -> tuple[Decoded, ...]:
    """Fifteen large pictures of a near face, for what makes them smaller."""
    return tuple(
        shown(
            [alone(LIGHT, FaceState(yaw=k / 3)) for k in range(15)],
            Camera(face_size=0.6, noise=1.0, seed=4),
        )
    )


@lru_cache(maxsize=1)
def comes_and_goes() -> tuple[Decoded, ...]:
    """A face in frames 0..29, nobody in 30..54, the face again in 55..79."""
    here = alone(LIGHT, FaceState())
    return tuple(shown([here] * 30 + [[]] * 25 + [here] * 25))


@lru_cache(maxsize=1)
def empty_room() -> tuple[Decoded, ...]:
    """Twenty frames without anybody."""
    return tuple(shown([[]] * 20))


def file_of(path: Path, frames: Sequence[Decoded], tagged: bool = True) -> Path:
    """An MP4 of frames without sound; ``tagged``: marked as drawn, as the library marks its own
    films.
    """
    import av

    from twomind_synth.film import TAG

    with av.open(str(path), "w", format="mp4") as container:
        if tagged:
            container.metadata["comment"] = TAG
        video = container.add_stream(
            "libx264", rate=RATE_HZ, options={"crf": "18", "preset": "veryfast"}
        )
        video.height, video.width = frames[0].rgb.shape[:2]
        video.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame.rgb, format="rgb24")))
        container.mux(video.encode())
    return path
