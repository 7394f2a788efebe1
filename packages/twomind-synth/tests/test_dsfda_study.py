"""Drawn crops for DSFDA: the study's own clips and moments, and a source model of source people
alone.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("cv2")
import torch

from twomind.core.errors import BadInput
from twomind.models.dsfda import net
from twomind.types import Example
from twomind_synth.models.dsfda_study import (
    SourceRecipe,
    StudyCrops,
    fit_dsfda,
    own_prototypes,
    pictures_of,
)
from twomind_synth.studies.dataset import TASKS
from twomind_synth.studies.features import study_features

pytestmark = pytest.mark.slow  # crops are drawn, and a model is trained


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> StudyCrops:
    return StudyCrops(tmp_path_factory.mktemp("crops"), "biovid", n_people=2, seed=3)


def test_crops_are_the_study_s_clips_at_the_laboratories_moments(crops: StudyCrops) -> None:
    told = {x.recording: x for x in study_features("biovid", 2, 3).features}
    assert set(told) == set(crops.clips)
    name = next(i for i in told if "PA4" in i)
    x, dense, whole = (
        c(name)
        for c in (crops, replace(crops, handed=frozenset({name})), replace(crops, whole=True))
    )
    assert (x.recording, x.subject, x.span_s, x.drawn) == (
        name,
        told[name].subject,
        told[name].span_s,
        True,
    )
    times_s = dense.tracks["face_crop"].times_s
    np.testing.assert_allclose(times_s, np.arange(2040, 5001, 40) / 1000)
    assert len(x.tracks["face_crop"]) == 25
    assert whole.tracks["face_crop"].times_s[0] == 0
    # The same moment is the same picture, however densely its clip is drawn; kept, not drawn again.
    at = float(x.tracks["face_crop"].times_s[4])
    k = int(np.argmin(np.abs(times_s - at)))
    np.testing.assert_array_equal(
        x.tracks["face_crop"].values[4], dense.tracks["face_crop"].values[k]
    )
    (kept,) = (crops.folder / "every-3").glob("*")
    before = kept.stat().st_mtime_ns
    np.testing.assert_array_equal(
        crops(name).tracks["face_crop"].values, x.tracks["face_crop"].values
    )
    assert kept.stat().st_mtime_ns == before
    assert x.tracks["face_crop"].values.std() > 20
    with pytest.raises(BadInput, match="no recording"):
        crops("somebody-else")


def test_the_source_model_is_of_as_many_pictures_of_each_class_and_is_read_back(
    crops: StudyCrops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(net.SIZES, "tiny", net.Size(64, 2, 1, 4, 2, 1, (4, 4, 4)))
    source = []
    for person in sorted({c.subject for c in crops.clips.values()}):
        own = [i for i, c in crops.clips.items() if c.subject == person]
        for y, level in ((0, "BL1"), (1, "PA4")):
            source.append(Example(crops(next(i for i in own if level in i)), y))
    recipe = SourceRecipe(n_each=5, epochs=1, batch=8)
    assert np.bincount(pictures_of(source[1:], recipe).y).tolist() == [5, 5], (
        "one person shows no neutral clip"
    )
    data = pictures_of(source, recipe)
    assert np.bincount(data.y).tolist() == [10, 10]
    assert len(data.names) == 2
    with pytest.raises(BadInput, match="at least two classes"):
        pictures_of([e for e in source if e.y == 0], recipe)
    model = fit_dsfda(source, TASKS["biovid"], recipe, tmp_path)
    assert model.drawn
    assert model.card["people"] == data.names
    again = fit_dsfda(
        source, TASKS["biovid"], recipe, tmp_path, lambda *_: pytest.fail("trained again")
    )
    assert torch.equal(again.weights["head.2.weight"], model.weights["head.2.weight"])
    made = own_prototypes(again)(())
    assert (
        made["dsfda_prototype_class"].tolist().count(0)
        == made["dsfda_prototype_class"].tolist().count(1)
        > 0
    )
