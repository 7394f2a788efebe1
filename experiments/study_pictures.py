"""The contact sheet of docs/synthetic-data.md: people × conditions, and aligned crops.

python -m experiments.study_pictures          # writes docs/pictures/study-people.png and
study-crops.png
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from twomind.features.face.align import TEMPLATES, similarity
from twomind_synth.face import draw
from twomind_synth.study_film import anchor_points
from twomind_synth.study_layout import clips_of, take_of
from twomind_synth.study_people import study_person
from twomind_synth.study_take import Take, bah_take, biovid_take
from twomind_synth.study_world import StudyWorld

OUT = Path(__file__).parent.parent / "docs" / "pictures"
SIZE = (320, 240)
ROWS = 6


def frame(take: Take, i: int) -> np.ndarray:
    return draw(take.person.look, take.states()[i], take.person.camera, i)


def busiest(take: Take, lo_s: float, hi_s: float) -> int:
    """The frame between the times with most movement of face and head."""
    size = (
        sum(np.abs(c) for c in take.aus.values())
        + np.abs(take.columns["yaw"]) / 15
        + np.abs(take.columns["gaze_yaw"]) / 20
    )
    size = np.where((take.times_s >= lo_s) & (take.times_s <= hi_s) & (take.blink < 0.3), size, -1)
    return int(np.argmax(size))


def titled(picture: np.ndarray, text: str) -> np.ndarray:
    import cv2

    out = np.full((picture.shape[0] + 20, picture.shape[1], 3), 255, np.uint8)
    out[20:] = picture
    cv2.putText(out, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (20, 20, 20), 1, cv2.LINE_AA)
    return out


def people_sheet() -> np.ndarray:
    world = StudyWorld()
    rows = []
    for index in range(ROWS):
        person = study_person(world, 0, index, f"drawn {index}", 1, SIZE)
        later = study_person(world, 0, index, f"drawn {index}", 2, SIZE)
        talk = next(t for q in (4, 7, 2, 3) if (t := bah_take(world, person, q, 15)).spans)
        pain, none = biovid_take(world, person, 1, 3, 25), biovid_take(world, person, 0, 81, 25)
        cells = [
            ("no stimulus (BL1)", frame(none, 40)),
            ("pain (PA4)", frame(pain, busiest(pain, 2.0, 5.0))),
            ("speaking, no A/H", frame(talk, busiest(talk, 0.6, max(talk.spans[0][0], 1.2)))),
            ("in an A/H segment", frame(talk, busiest(talk, *talk.spans[0]))),
            ("another day", frame(bah_take(world, later, 1, 15), 12)),
        ]
        rows.append(
            np.hstack(
                [
                    titled(c[::2, ::2], f"{index}: {t}" if k == 0 else t)
                    for k, (t, c) in enumerate(cells)
                ]
            )
        )
    return np.vstack(rows)


def crop_sheet() -> np.ndarray:
    import cv2

    world = StudyWorld()
    rows = []
    for index in range(3):
        clip = next(c for c in clips_of("bah", 3, 0, world) if c.index == index and c.key == (4,))
        take = take_of(clip, world, 0)
        i = busiest(take, 1.0, 6.0)
        rgb, points = frame(take, i), {k: v[i] for k, v in anchor_points(take).items()}
        cells = []
        for template, side in (("arcface", 112), ("arcface", 256), ("mesh", 112), ("mesh", 256)):
            matrix = similarity(points[template], TEMPLATES[template] * (side / 112))
            crop = cv2.warpAffine(rgb, matrix, (side, side), flags=cv2.INTER_LINEAR)
            canvas = np.full((256, side, 3), 255, np.uint8)
            canvas[:side] = crop
            cells.append(titled(canvas, f"{template} {side}"))
        rows.append(np.hstack(cells))
    return np.vstack(rows)


def main() -> None:
    from PIL import Image

    OUT.mkdir(parents=True, exist_ok=True)
    for name, sheet in (("study-people", people_sheet()), ("study-crops", crop_sheet())):
        path = OUT / f"{name}.png"
        # A palette is enough for drawings, and the file stays small.
        Image.fromarray(sheet).quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
        print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
