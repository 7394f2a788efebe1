"""Judging held-out logits of change talk: calibrated on other folds, gains paired."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("torch")

from twomind.datasets.talk_files import read_talk
from twomind.datasets.talks.annomi import AnnoMI
from twomind.training.change_talk import Recipe, folds, table
from twomind.training.change_talk_tuned import Columns

from .. import change_talk_fine_tuned as experiment


def test_a_network_that_knows_everything_gains(tmp_path: Path) -> None:
    """And one that knows nothing says nothing on its own."""
    data = table(read_talk(AnnoMI.fake(tmp_path)))
    recipe = Recipe(n_folds=3)
    fold = folds(data.group, recipe)
    knows = np.log(0.01 + 0.97 * np.eye(3)[data.y])
    even = np.full_like(knows, -np.log(3))
    found = experiment.judged(data, fold, Columns(knows, even), recipe)
    assert set(found["rows"]) == {
        *("regression", "network", "mixture"),
        *(experiment.WITHHELD, experiment.ALONE),
    }
    assert found["rows"]["network"]["macro_f1"]["value"] == 1.0
    gain = found["gains"]["network - regression"]["auc"]["value"]
    assert gain == pytest.approx(1.0 - found["rows"]["regression"]["auc"]["value"])
