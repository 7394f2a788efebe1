"""The turn of a head is a turn, never a mirror."""

from __future__ import annotations

import numpy as np

from twomind.features.face import head


def test_mirrored_points_give_a_rotation() -> None:
    rng = np.random.default_rng(5)
    reference = rng.normal(size=(12, 3))
    reference -= reference.mean(axis=0)
    points = np.stack([reference, reference * (-1, 1, 1), -reference])
    found = head._rotation(points, reference)
    np.testing.assert_allclose(np.linalg.det(found), 1.0)
    np.testing.assert_allclose(
        found @ found.transpose(0, 2, 1), np.eye(3)[None].repeat(3, 0), atol=1e-12
    )
    np.testing.assert_allclose(found[0], np.eye(3), atol=1e-12)
