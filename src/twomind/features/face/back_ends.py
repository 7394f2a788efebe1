"""Which back end finds faces: by name, with the files of its networks."""

from __future__ import annotations

from pathlib import Path

from twomind.core import weights
from twomind.core.errors import BadInput
from twomind.features.face.landmarker import LandmarkerFinder
from twomind.features.face.tracker_mesh import FaceFinder, MeshFinder

#: What a back end is called in settings and outputs.
BACK_ENDS = ("mesh", "landmarker")
#: Of profiles and models that do not state it: the default of all versions so far.
UNSTATED_BACK_END = "mesh"
_WEIGHTS = "face-landmarker"
_TASK = "face_landmarker.task"


def landmarker_file(given: str | None) -> Path:
    """The landmarker's task file: the one that was given, else the one among the weights.

    Raises:
        MissingWeights: none was given, and none was added; the message says how to add it.
    """
    return Path(given) if given else weights.locate(_WEIGHTS) / _TASK


def model_files(backend: str, landmarker_path: str | None) -> tuple[Path, ...]:
    """The files of the networks that a back end reads; none where it is not installed."""
    if backend == "mesh":
        return weights.files_of("mediapipe-face")
    if landmarker_path:
        given = Path(landmarker_path)
        return (given,) if given.is_file() else ()
    return weights.files_of(_WEIGHTS)


def open_finder(backend: str, landmarker_path: str | None, max_people: int) -> FaceFinder:
    """The back end by name.

    Args:
        backend: one of :data:`BACK_ENDS`.
        landmarker_path: of the landmarker's task file; None: the one among the weights.
        max_people: faces that are looked at when there is more than one person.

    Raises:
        BadInput: no such back end.
        MissingExtra: MediaPipe is not installed.
        MissingWeights: the task file is absent or broken.
    """
    if backend == "mesh":
        weights.refuse_damaged("mediapipe-face")
        return MeshFinder(max_people)
    if backend == "landmarker":
        return LandmarkerFinder(landmarker_file(landmarker_path), max_people)
    raise BadInput(f"expected the face back end 'mesh' or 'landmarker', got {backend!r}")
