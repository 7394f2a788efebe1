"""Processor time per frame of the face reader, by back end, on a film of your own.

python -m benchmarks.faces FILM [--landmarker face_landmarker.task]

Without ``--landmarker`` the file among the weights is taken, and left out where there is none.
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path

from twomind.core.errors import MissingWeights
from twomind.features.face.reader import FaceReader, FaceSettings
from twomind.media.stream import Frame, stream

from .record import save

N_FRAMES = 150


def ms_per_frame(frames: list[Frame], settings: FaceSettings) -> dict[str, float]:
    """Processor and wall time, the start of the back end left out."""
    reader = FaceReader(settings)
    reader.push(frames[0])
    reader.push(frames[1])
    processor_s = time.process_time()
    wall_s = time.perf_counter()
    for frame in frames[2:]:
        reader.push(frame)
    reader.finish()
    n = len(frames) - 2
    processor_s = time.process_time() - processor_s
    wall_s = time.perf_counter() - wall_s
    return {"processor_ms": 1000 * processor_s / n, "wall_ms": 1000 * wall_s / n}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("film", type=Path)
    parser.add_argument("--landmarker")
    asked = parser.parse_args()
    items = (item for item in stream(asked.film, audio=False) if isinstance(item, Frame))
    frames = list(itertools.islice(items, N_FRAMES))
    found: dict[str, object] = {"n_frames": len(frames), "shape": list(frames[0].rgb.shape)}
    for backend in ("mesh", "landmarker"):
        settings = FaceSettings(backend=backend, landmarker_path=asked.landmarker)
        try:
            found[backend] = ms_per_frame(frames, settings)
        except MissingWeights as error:
            found[backend] = str(error)
    save("faces", found)


if __name__ == "__main__":
    main()
