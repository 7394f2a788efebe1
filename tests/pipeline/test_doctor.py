"""What a report on this installation says of the face."""

from __future__ import annotations

import pytest

from twomind.pipeline import doctor


@pytest.mark.parametrize(
    ("mesh", "landmarker", "said"),
    [
        ("present", "absent", "yes"),
        ("damaged", "present", "no: the face models are damaged"),
        ("absent", "present", "yes, with --set features.face=landmarker"),
        ("absent", "absent", "no: this MediaPipe carries no face mesh; twomind weights add"),
    ],
)
def test_whether_the_face_is_measured_and_how(mesh: str, landmarker: str, said: str) -> None:
    states = {"mediapipe-face": mesh, "face-landmarker": landmarker}
    assert doctor._face({"face": {"installed": "0.10.35"}}, states).startswith(said)
