"""The back end ``landmarker``: MediaPipe's FaceLandmarker from a ``.task`` file, which gives 52
blendshapes beside the landmarks.

It needs nothing of the models in MediaPipe's wheel, which later wheels do not carry. The detector
is the one inside the task file. It finds faces of about a tenth of the picture's width and more;
for smaller ones the picture is looked at in overlapping parts.
"""

from __future__ import annotations

import zipfile
from collections import deque
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import MissingWeights
from twomind.features.face.blendshapes import N_BLENDSHAPES
from twomind.features.face.head import N_LANDMARKS
from twomind.features.face.tracker_mesh import (
    area,
    box_of,
    enlarged,
    import_mediapipe,
    points_of,
    quiet,
)

_DETECTOR = "face_detector.tflite"
#: Sure enough of a face to count it.
_LEAST_CONFIDENCE = 0.65
#: Faces whose blendshapes are remembered.
_MOST_REMEMBERED = 16
#: Landmarks of one face, twice looked up, lie this near, px.
_SAME_PX = 0.5
#: Parts of the picture that are searched for small faces: left and top, as shares; each part is
#: this wide and high.
_PARTS = ((0.0, 0.0), (0.4, 0.0), (0.2, 0.2), (0.0, 0.4), (0.4, 0.4))
_PART = 0.6


class LandmarkerFinder:
    """All faces of a picture at once, each picture by itself.

    Raises:
        MissingExtra: MediaPipe is not installed.
        MissingWeights: the task file is absent or broken.
    """

    def __init__(self, path: Path, max_people: int = 4) -> None:
        self._mediapipe = import_mediapipe()
        if not path.is_file():
            raise MissingWeights(
                f"expected a FaceLandmarker file at {path}, but there is none; `twomind weights "
                "add face-landmarker` brings face_landmarker.task, or use the back end 'mesh', "
                "whose models come with mediapipe"
            )
        tasks = import_module("mediapipe.tasks.python")
        self._max_people = max_people
        self._lately: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=_MOST_REMEMBERED)
        try:
            with quiet():
                self._landmarker = self._open_landmarker(tasks, path)
                self._detector = self._open_detector(tasks, path)
        except (RuntimeError, ValueError, OSError, KeyError, zipfile.BadZipFile) as error:
            raise MissingWeights(
                f"{path} is not a usable FaceLandmarker task file: {error}"
            ) from error

    def _open_landmarker(self, tasks: Any, path: Path) -> Any:
        options = tasks.vision.FaceLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(path)),
            num_faces=self._max_people,
            output_face_blendshapes=True,
        )
        return tasks.vision.FaceLandmarker.create_from_options(options)

    def _open_detector(self, tasks: Any, path: Path) -> Any:
        with zipfile.ZipFile(path) as parts:
            network = parts.read(_DETECTOR)
        options = tasks.vision.FaceDetectorOptions(
            base_options=tasks.BaseOptions(model_asset_buffer=network)
        )
        return tasks.vision.FaceDetector.create_from_options(options)

    def _picture(self, rgb: np.ndarray) -> Any:
        mediapipe = self._mediapipe
        pixels = np.ascontiguousarray(rgb)
        return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)

    def _found(self, rgb: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Landmarks ``(478, 3)`` px and blendshapes ``(52,)`` of every face."""
        height, width = rgb.shape[:2]
        scale = np.array([width, height, width], np.float32)
        found = self._landmarker.detect(self._picture(rgb))
        faces = []
        pairs = zip(found.face_landmarks, found.face_blendshapes, strict=True)
        for landmarks, shapes in pairs:
            points = points_of(landmarks)
            scores = np.array([shape.score for shape in shapes], np.float32)
            if len(points) == N_LANDMARKS and len(scores) == N_BLENDSHAPES:
                faces.append((points * scale, scores))
        return faces

    def _kept(self, face: np.ndarray, shapes: np.ndarray) -> np.ndarray:
        self._lately.appendleft((face, shapes))
        return face

    def several(self, rgb: np.ndarray) -> list[np.ndarray]:
        return [self._kept(face, shapes) for face, shapes in self._found(rgb)]

    def one(self, rgb: np.ndarray) -> np.ndarray | None:
        faces = self.several(rgb)
        return max(faces, key=area) if faces else None

    def prepare(self, rgb: np.ndarray) -> None:
        pass  # all faces are found in one call, which waits

    def ahead(self, rgb: np.ndarray) -> None:
        pass

    def within(self, rgb: np.ndarray, box: np.ndarray) -> np.ndarray | None:
        crop = enlarged(rgb, box)
        found = [] if crop is None else self._found(crop.rgb)
        if crop is None or not found:
            return None
        face, shapes = max(found, key=lambda one: area(one[0]))
        return self._kept(crop.back(face), shapes)

    def small(self, rgb: np.ndarray) -> list[np.ndarray]:
        height, width = rgb.shape[:2]
        faces: list[np.ndarray] = []
        for left, top in _PARTS:
            low = np.array([left * width, top * height])
            size = np.array([_PART * width, _PART * height])
            x0, y0 = low.astype(int)
            x1, y1 = (low + size).astype(int)
            corner = np.array([x0, y0, 0], np.float32)
            for face, _ in self._found(rgb[y0:y1, x0:x1]):
                # Read anew from a crop, which shows it larger.
                clear = self.within(rgb, box_of(face + corner))
                if clear is not None:
                    faces.append(clear)
        return faces[: self._max_people]

    def _sure(self, rgb: np.ndarray) -> list[float]:
        """How sure the detector is of each face."""
        found = self._detector.detect(self._picture(rgb)).detections
        return [float(one.categories[0].score) for one in found]

    def count(self, rgb: np.ndarray) -> int:
        return sum(score >= _LEAST_CONFIDENCE for score in self._sure(rgb))

    def score(self, rgb: np.ndarray) -> float:
        return max(self._sure(rgb), default=0.0)

    def blendshapes(self, landmarks_px: np.ndarray) -> np.ndarray | None:
        for face, shapes in self._lately:
            if np.abs(face - landmarks_px).max() < _SAME_PX:
                return shapes
        return None

    def close(self) -> None:
        self._landmarker.close()
        self._detector.close()
