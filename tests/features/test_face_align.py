"""Aligned crops: what the template says is where it lands."""

from __future__ import annotations

import numpy as np
import pytest

from twomind.features.face.align import (
    ARCFACE_112,
    TEMPLATES,
    aligned,
    anchors,
    similarity,
    transform,
)

ANCHORS = {"arcface": [[468], [473], [4], [61], [291]], "mesh": [[33, 133], [263, 362], [152]]}


def face_like(
    template: str, turn_deg: float, scale: float, shift: tuple[float, float]
) -> np.ndarray:
    """Landmarks whose anchors are the template, turned, scaled and moved."""
    a = np.radians(turn_deg)
    turn = scale * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    landmarks = np.zeros((478, 3))
    for ids, target in zip(ANCHORS[template], TEMPLATES[template], strict=True):
        landmarks[ids, :2] = turn @ target + shift
    return landmarks


@pytest.mark.parametrize("template", list(TEMPLATES))
@pytest.mark.parametrize("size_px", [112, 256])
def test_anchors_land_on_the_template(template: str, size_px: int) -> None:
    landmarks = face_like(template, 33.0, 2.7, (140.0, 60.0))
    matrix = transform(landmarks, size_px, template)
    landed = anchors(landmarks, template) @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(landed, TEMPLATES[template] * size_px / 112, atol=1e-6)


def test_similarity_is_the_least_squares_one() -> None:
    rng = np.random.default_rng(3)
    source = rng.normal(size=(5, 2))
    target = rng.normal(size=(5, 2))
    matrix = similarity(source, target)
    best = np.sum((source @ matrix[:, :2].T + matrix[:, 2] - target) ** 2)
    assert matrix[0, 0] == pytest.approx(matrix[1, 1])
    assert matrix[0, 1] == pytest.approx(-matrix[1, 0])
    for _ in range(50):
        a, b, tx, ty = rng.normal(size=4) * 0.05
        other = matrix + np.array([[a, -b, tx], [b, a, ty]])
        assert np.sum((source @ other[:, :2].T + other[:, 2] - target) ** 2) >= best


def test_no_two_points_no_transform() -> None:
    with pytest.raises(ValueError, match="two different"):
        similarity(np.zeros((5, 2)), ARCFACE_112)


@pytest.mark.parametrize("scale", [0.8, 3.0, 7.0])
def test_pixels_land_where_the_template_says(scale: float) -> None:
    """Bright eyes on a dark picture: their centroids in the crop are the template's eyes, within 1
    px.
    """
    cv2 = pytest.importorskip("cv2", reason="the face extra is not installed")
    landmarks = face_like("arcface", -20.0, scale, (40.0 * scale, 90.0 * scale))
    picture = np.zeros((int(220 * scale), int(220 * scale), 3), np.uint8)
    for x, y, _ in landmarks[[468, 473]]:
        cv2.circle(
            picture,
            (round(x * 16), round(y * 16)),
            round(3 * scale * 16),
            (255, 255, 255),
            -1,
            cv2.LINE_AA,
            4,
        )
    crop = aligned(picture, landmarks, 112)
    assert crop.shape == (112, 112, 3)
    for k, (x, y) in enumerate(ARCFACE_112[:2]):
        half = crop[:, :56, 0] if k == 0 else crop[:, 56:, 0]
        rows, columns = np.nonzero(half > 100)
        assert abs(columns.mean() + 56 * k - x) < 1
        assert abs(rows.mean() - y) < 1


@pytest.mark.parametrize("source", ["drawn", "real"])
def test_eyes_of_a_whole_face(source: str, request: pytest.FixtureRequest) -> None:
    """Five points of a face do not fit the template exactly; the eyes come within 4 % of
    the crop.
    """
    pytest.importorskip("mediapipe", reason="the face extra is not installed")
    import face_films as films
    from twomind.features.face.tracker_mesh import MeshFinder

    if source == "drawn":
        # Tilted, and not in the middle: a crop that was not aligned would miss the template.
        state = films.FaceState(roll=20.0, x_cm=2.0)
        rgb = films.shown([films.alone(films.LIGHT, state)])[0].rgb
    else:
        rgb = next(
            films.decoded(request.getfixturevalue("shared") / "data" / "faces" / "single_face.mp4")
        ).rgb
    finder = MeshFinder()
    landmarks = finder.one(rgb)
    assert landmarks is not None
    crop = aligned(rgb, landmarks, 256)
    again = finder.within(crop, np.array([40.0, 20.0, 216.0, 250.0]))
    finder.close()
    assert again is not None
    np.testing.assert_allclose(again[[468, 473], :2], ARCFACE_112[:2] * 256 / 112, atol=0.04 * 256)


def test_unknown_template() -> None:
    with pytest.raises(ValueError, match="arcface"):
        anchors(np.zeros((478, 3)), "oval")
