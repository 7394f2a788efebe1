"""The turn of a head is a turn, never a mirror."""

from __future__ import annotations

import numpy as np
import pytest

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


def test_a_face_above_the_limit_is_told_as_if_each_were_fitted_anew() -> None:
    rng = np.random.default_rng(6)
    fit = head.Fit()
    told = []
    for step in range(300):
        # A head that turns, ever again grimaces, and is upside down in the end.
        yaw = 0.6 * np.sin(step / 20)
        cos, sin = np.cos(yaw), np.sin(yaw)
        turn = np.array([(cos, 0, sin), (0, 1, 0), (-sin, 0, cos)])
        noise = 0.03 + 0.03 * (step % 50 > 30)
        points = np.zeros((head.N_LANDMARKS, 3), np.float32)
        face = head.REFERENCE + rng.normal(0, noise, head.REFERENCE.shape)
        upright = -1.0 if step > 280 else 1.0
        points[head.STABLE] = 80 * face @ turn * (upright, upright, 1) + 200
        exact = head.misfit(points)
        assert fit.above(points, 0.06) == (exact if exact > 0.06 else None)
        told.append(exact > 0.06)
    assert 10 < sum(told) < 290


def test_the_best_turn_is_seldom_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    best = head._best_fit
    monkeypatch.setattr(head, "_best_fit", lambda stable: asked.append(1) or best(stable))
    fit = head.Fit()
    points = np.zeros((head.N_LANDMARKS, 3), np.float32)
    for step in range(100):
        points[head.STABLE] = 80 * head.REFERENCE + step
        assert fit.above(points, 0.05) is None
    assert len(asked) == 1
