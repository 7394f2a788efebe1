"""The pose and the hands of a picture, by the models that MediaPipe's wheel carries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from twomind.core import weights
from twomind.core.errors import MissingWeights
from twomind.features.face.tracker_mesh import import_mediapipe, quiet

#: Points of a pose, and of a hand.
N_POSE = 33
N_HAND = 21
_WEIGHTS = "mediapipe-body"


@dataclass(frozen=True)
class Seen:
    """The body and hands that were found in one picture.

    ``pose (33, 3)`` is x and y in px and the visibility of each point; None where no body is found.
    ``hands`` are arrays ``(21, 2)`` in px.
    """

    pose: np.ndarray | None
    hands: tuple[np.ndarray, ...] = ()


class BodyFinder(Protocol):
    """What the reader needs of a back end. Pictures come in order."""

    def look(self, rgb: np.ndarray) -> Seen: ...

    def close(self) -> None: ...


def model_files() -> tuple[Path, ...]:
    """The files of the networks; none where they are not installed."""
    return weights.files_of(_WEIGHTS)


class MediaPipeBody:
    """BlazePose (full) and the hand model of MediaPipe's wheel.

    Raises:
        MissingExtra: MediaPipe is not installed.
        MissingWeights: its wheel carries no pose and hand models, as later ones do not.
    """

    def __init__(self) -> None:
        mediapipe = import_mediapipe()
        if not hasattr(mediapipe, "solutions") or not model_files():
            version = getattr(mediapipe, "__version__", "of this version")
            raise MissingWeights(
                f"mediapipe {version} carries no models of the body; it is measured with "
                "mediapipe 0.10.14, which runs on Python 3.11 and 3.12 (twomind[face])"
            )
        weights.refuse_damaged(_WEIGHTS)
        with quiet():
            self._pose: Any = mediapipe.solutions.pose.Pose(model_complexity=1)
            self._hands: Any = mediapipe.solutions.hands.Hands(max_num_hands=2)
            # The graphs start, and talk, with their first picture.
            for model in (self._pose, self._hands):
                model.process(np.zeros((64, 64, 3), np.uint8))

    def look(self, rgb: np.ndarray) -> Seen:
        height, width = rgb.shape[:2]
        pixels = np.ascontiguousarray(rgb)
        found = self._pose.process(pixels).pose_landmarks
        hands = self._hands.process(pixels).multi_hand_landmarks or []
        scale = np.array([width, height])
        pose = None
        if found is not None:
            points = [
                (point.x * width, point.y * height, point.visibility) for point in found.landmark
            ]
            pose = np.array(points)
        return Seen(pose, tuple(_points(hand) * scale for hand in hands))

    def close(self) -> None:
        self._pose.close()
        self._hands.close()


def _points(hand: Any) -> np.ndarray:
    return np.array([(point.x, point.y) for point in hand.landmark])
