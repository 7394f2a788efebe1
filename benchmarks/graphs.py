"""Does a MediaPipe graph that has seen another recording give what a fresh one gives?

python -m benchmarks.graphs FILM OTHER_FILM

Each way of using a graph again is shown the first pictures of FILM after those of OTHER_FILM, and compared
with a fresh graph: in how many pictures it gives other numbers, and by how much (px). Beside it, the
processor time of starting one.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import save
from twomind.features.face.tracker_mesh import MeshFinder
from twomind.media.stream import Frame, stream

N_PICTURES = 40
N_TRIES = 9


def pictures(film: Path) -> list[np.ndarray]:
    found = []
    for item in stream(film, audio=False):
        if isinstance(item, Frame):
            found.append(item.rgb)
        if len(found) == N_PICTURES:
            break
    return found


def found_by(graph: Any, rgb: np.ndarray) -> np.ndarray | None:
    """Landmarks or boxes of the first face, px."""
    height, width = rgb.shape[:2]
    told = graph.process(np.ascontiguousarray(rgb))
    if hasattr(told, "multi_face_landmarks"):
        faces = told.multi_face_landmarks or ()
        for face in faces:
            return np.array([(p.x * width, p.y * height, p.z * width) for p in face.landmark])
        return None
    for face in told.detections or ():
        box = face.location_data.relative_bounding_box
        return np.array([box.xmin, box.ymin, box.width, box.height, face.score[0]]) * width
    return None


def differences(ours: list[np.ndarray | None], fresh: list[np.ndarray | None]) -> dict[str, Any]:
    n, most = 0, 0.0
    for a, b in zip(ours, fresh, strict=True):
        if a is None and b is None:
            continue
        if a is None or b is None:
            n += 1
        elif not np.array_equal(a, b):
            n += 1
            most = max(most, float(np.abs(a - b).max()))
    return {"pictures": len(fresh), "other": n, "most_px": round(most, 3)}


def spent_ms(work: Callable[[], object]) -> float:
    tries = []
    for _ in range(N_TRIES):
        begun = time.process_time()
        work()
        tries.append(time.process_time() - begun)
    return round(1000 * statistics.median(tries), 1)


def ways(graph: Any, black: np.ndarray) -> Iterator[tuple[str, Callable[[], None]]]:
    """What is done between the two recordings."""
    yield "nothing", lambda: None
    yield "one black picture", lambda: graph.process(black) and None
    yield "its own reset", graph.reset


def compared(name: str, film: list[np.ndarray], other: list[np.ndarray]) -> dict[str, Any]:
    def new() -> Any:
        return MeshFinder()._graph(name)

    fresh = [found_by(graph, rgb) for graph in [new()] for rgb in film]
    again = [found_by(graph, rgb) for graph in [new()] for rgb in film]
    told: dict[str, Any] = {"another fresh one": differences(again, fresh)}
    used = new()
    for what, between in ways(used, np.zeros((64, 64, 3), np.uint8)):
        for rgb in other:
            used.process(np.ascontiguousarray(rgb))
        between()
        told[what] = differences([found_by(used, rgb) for rgb in film], fresh)
    told["start_ms"] = spent_ms(new)

    def reset() -> None:
        used.reset()
        used.process(np.zeros((64, 64, 3), np.uint8))

    told["reset_ms"] = spent_ms(reset)
    return told


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("film", type=Path)
    parser.add_argument("other", type=Path)
    asked = parser.parse_args()
    film, other = pictures(asked.film), pictures(asked.other)
    MeshFinder()._graph("one")  # what is loaded once
    told = {name: compared(name, film, other) for name in ("one", "several", "crop", "near", "far")}
    save("graphs", {"film": asked.film.name, "other": asked.other.name, "graphs": told})


if __name__ == "__main__":
    main()
