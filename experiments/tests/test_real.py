"""Adaptation on people: the converter, the split, and the figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from twomind.core.errors import BadInput, MissingWeights

from ..real import picture, rows, run, tables
from ..real.expression_net import CLASSES, MANIFEST, ExpressionNet, read_weights
from ..real.rows import ROWS, Split, Told
from ..real.sets import PeopleSet


def toy(n_people: int = 4, n_each: int = 9, seed: int = 0) -> PeopleSet:
    """People whose values carry their class, and an offset of their own that hides it."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(n_people), n_each)
    y = np.tile(np.arange(n_each) % 3, n_people)
    offset = rng.normal(0, 3, (n_people, 4))
    values = np.eye(4)[y] * 2 + offset[person] + rng.normal(0, 0.3, (len(y), 4))
    return PeopleSet(
        "toy", "toy", values, y, person, offset, rng.normal(size=(len(y), 2)), ("a", "b", "c")
    )


def weights_folder(folder: Path, extra: bytes = b"") -> Path:
    """Two arrays, one of them in bytes."""
    manifest = [
        {
            "weights": [
                {
                    "name": "one",
                    "shape": [2, 2],
                    "dtype": "float32",
                    "quantization": {"dtype": "uint8", "scale": 0.5, "min": -1.0},
                },
                {"name": "two", "shape": [1], "dtype": "float32"},
            ],
            "paths": ["weights.bin"],
        }
    ]
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    raw = bytes([0, 2, 4, 255]) + np.array([1.5], "<f4").tobytes() + extra
    (folder / "weights.bin").write_bytes(raw)
    return folder


def test_weights_are_read_as_the_manifest_lays_them_out(tmp_path: Path) -> None:
    found = read_weights(weights_folder(tmp_path))
    assert found["one"].tolist() == [[-1.0, 0.0], [1.0, 126.5]]
    assert found["two"].tolist() == [1.5]
    with pytest.raises(BadInput, match="bytes of weights"):
        read_weights(weights_folder(tmp_path, b"\0"))
    with pytest.raises(MissingWeights, match="expected"):
        read_weights(tmp_path / "none")


@pytest.mark.slow
def test_the_net_says_what_posed_faces_show() -> None:
    shared = Path(__file__).parents[2] / ".." / "shared"
    if not (shared / "weights" / MANIFEST).is_file():
        pytest.skip("needs the weights beside the repository")
    pytest.importorskip("mediapipe")
    from twomind.features.face.landmarker import LandmarkerFinder

    from ..real.sets import TASK_FILE, _found

    net = ExpressionNet(read_weights(shared / "weights"))
    finder = LandmarkerFinder(shared / "weights" / TASK_FILE, 1)
    for name, shown in (
        ("01_happy", "happy"),
        ("03_surprised", "surprised"),
        ("05_normal", "neutral"),
    ):
        face, _ = _found(finder, shared / "data" / "yale" / f"{name}.png")
        assert CLASSES[int(net.probs(face[None])[0].argmax())] == shown


def test_the_person_s_labels_are_seen_by_nobody_but_few_coded() -> None:
    data = toy()
    stream = np.flatnonzero(data.person == 0)
    split = Split(np.flatnonzero(data.person != 0), stream)
    other = toy()
    other.y[stream] = 0
    for name, row in ROWS.items():
        one = row.way(data, split, row.settings[0])
        two = row.way(other, split, row.settings[0])
        if name == "few coded":
            assert not one.counted[: rows.N_CODED].any()
            assert one.counted[rows.N_CODED :].all()
            continue
        assert one.said.tolist() == two.said.tolist(), name
        assert one.counted.all()


def test_the_own_stream_knows_nothing_of_what_comes_later() -> None:
    data = toy()
    later = toy()
    stream = np.flatnonzero(data.person == 0)
    later.values[stream[7:]] += 100
    split = Split(np.flatnonzero(data.person != 0), stream)
    for name in ("own stream", "T3A", "TDA", "TTA-CaP", "Tent"):
        row = ROWS[name]
        one = row.way(data, split, row.settings[-1]).said
        two = row.way(later, split, row.settings[-1]).said
        assert one[:7].tolist() == two[:7].tolist(), name


def test_an_offset_of_the_person_is_taken_off_by_their_neutral() -> None:
    data = toy(n_people=6)
    figures = {}
    for name in ("no adaptation", "own neutral"):
        told = run.told_of(data, name, 0)
        own = [run.score(data, np.flatnonzero(data.person == p), told[p]) for p in range(6)]
        figures[name] = np.mean(own)
    assert figures["own neutral"] > 0.95 > figures["no adaptation"]


def test_figures_of_a_row() -> None:
    own = np.array([0.5, 0.6, 0.7, np.nan])
    base = np.array([0.4, 0.63, 0.5, 0.2])
    found = run._row(own, base)
    assert found["n_people"] == 3
    assert found["gain"] == pytest.approx(0.09)
    assert found["n_harmed"] == 1
    assert found["p"] == pytest.approx(0.5), "of eight flips four are as far from zero"
    table = {
        name: {"p": p} for name, p in zip(run.METHODS, (0.01, 0.02, 0.5, 1, 1, 1, 1), strict=True)
    }
    run._holm(table)
    assert table["own neutral"]["p_holm"] == pytest.approx(0.07)
    assert table["own stream"]["p_holm"] == pytest.approx(0.12)


def test_only_what_counts_is_scored() -> None:
    data = toy()
    stream = np.flatnonzero(data.person == 0)
    said = data.y[stream].copy()
    said[0] += 1
    counted = np.arange(len(said)) > 0
    assert run.score(data, stream, Told(said, counted)) == 1
    assert run.score(data, stream, Told(said, np.ones(len(said), bool))) < 1


def test_tables_and_picture_show_every_row_of_every_file(tmp_path: Path) -> None:
    own = np.array([0.5, 0.6, 0.7])
    kept = {name: run._row(own, own - 0.1) for name in ROWS}
    run._holm(kept)
    kept["Tent"]["p_holm"] = 0.01
    one = {"n_people": 3, "n_rows": 30, "metric": "uar", "rows": kept}
    paths = []
    for name in ("one, voice", "two, words"):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"date": "today", name: one}), encoding="utf-8")
        paths.append(str(path))
    found = tables.encoders(paths)
    assert list(found) == ["one, voice", "two, words"]
    text = "\n".join(tables.lines("one, voice", found["one, voice"]))
    for name in ("no adaptation", "shortcuts", *run.METHODS):
        assert f"| {name} |" in text
    assert "| Tent | 0.600 | 0.500 | +0.100 [+0.100, +0.100] | 0 of 3 | 0.01 |" in text
    drawn = picture.svg(found)
    assert drawn.count("<circle") == 2 * len(run.METHODS)
    assert drawn.count('fill="#1f6fb2"') == 2, "Tent alone, in both panels"
