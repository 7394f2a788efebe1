"""The supervised and the personalised table of BAH, from a folder in the real layout to the files, and
the same after any kill.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file
from tests import bah_tiny
from tests.reproduce_smoke_bah import asked_for, folder_of, one_table

from kill_when import kill_when
from twomind.cli.main import main
from twomind.core.errors import BadInput, MissingWeights
from twomind.core.store import Store
from twomind.datasets import open_dataset
from twomind.evaluation.bundle import read_bundle
from twomind.models.fusion.input import Grid
from twomind.pipeline.bah_cost import counted
from twomind.pipeline.bah_features import TRACKS, Described, Encoders, _faces
from twomind.pipeline.bah_supervised import (
    FUSIONS,
    HOP,
    WINDOW,
    Place,
    Supervised,
    _config,
    _found,
    _frame_network,
    opened,
    supervised,
    windows_of,
)
from twomind.pipeline.reproduce_recipe import load_recipe
from twomind.training.fusion_data import Item
from twomind.types import Track

VIDEO = TRACKS["video"]

# --- rules


def _item(n: int) -> Item:
    values = {"video_embedding": np.arange(float(n))[:, None]}
    mask = {"video_embedding": np.ones((n, 1), bool)}
    return Item("r", "p", None, Grid(0, 1 / 24, values, mask, 0), 1, np.arange(n) % 2)


@pytest.mark.parametrize("n", [1, WINDOW - 1, WINDOW, WINDOW + 1, WINDOW + 2 * HOP, 2300])
def test_training_windows_are_as_long_as_published_and_reach_every_frame(n: int) -> None:
    item = _item(n)
    found = list(windows_of(item))
    seen: set[float] = set()
    for window in found:
        assert len(window.grid) == min(WINDOW, n)
        rows = window.grid.values["video_embedding"][:, 0]
        assert window.frame_y.tolist() == (rows.astype(int) % 2).tolist()
        seen |= set(rows.tolist())
    assert seen == set(range(n))
    starts = [window.grid.first for window in found]
    assert starts == sorted(set(starts))
    assert all(b - a <= HOP for a, b in pairwise(starts))


def test_rows_are_those_of_the_publication_and_another_is_refused() -> None:
    named = {one.name: one.on for one in FUSIONS}
    assert len(named) == 10
    assert named["V+A JMT"] == named["V+A MT"] == ("video", "sound")
    with pytest.raises(BadInput, match="V\\+A\\+T CAN"):
        Supervised(rows=("X",))


def test_only_networks_that_a_row_reads_are_found_and_all_of_them_at_once(tmp_path: Path) -> None:
    data = folder_of(tmp_path, small=True)
    cnn, text = str(bah_tiny.resnet(tmp_path / "resnet")), str(bah_tiny.bert(tmp_path / "bert"))
    place = Place(data, tmp_path / "out", tmp_path / "store", True)
    nowhere = str(tmp_path / "nowhere")

    def found(**asked: Any) -> set[str]:
        encoders, told = _found(opened(Supervised(**asked), place))
        assert encoders.text is None or "text" in told
        return set(told)

    assert found(cnn=cnn, text=nowhere, rows=("V",)) == {"video"}
    assert found(cnn=nowhere, text=text, rows=("T",)) == {"text"}
    # The rows with sound cannot be made, so that nothing else is looked for on their account.
    assert found(cnn=nowhere, text=text, rows=("T", "V+A")) == {"text"}
    about = counted(opened(Supervised(cnn=nowhere, text=text, rows=("T",)), place))
    assert about["steps"]["frame_network"] == 0
    # What is not there is told before anything is written, and so is a network that is damaged.
    for asked in ({"text": nowhere}, {"text": text, "cnn": nowhere}):
        with pytest.raises(MissingWeights, match="nowhere"):
            _supervised(Supervised(**{"cnn": cnn, "rows": ("V", "T"), **asked}), place)
    with pytest.raises(BadInput, match="--set sound=FOLDER"):
        _supervised(Supervised(cnn=cnn, text=text, rows=("A",)), place)
    sound = str(bah_tiny.vggish(tmp_path / "vggish"))
    whole: dict[str, Any] = {"cnn": cnn, "text": text, "sound": sound, "rows": ("V", "A", "T")}
    for kind in ("cnn", "text", "sound"):
        damaged = shutil.copytree(whole[kind], tmp_path / f"damaged-{kind}")
        for file in damaged.glob("*.safetensors"):
            file.write_bytes(b"damaged")
        with pytest.raises(MissingWeights, match="cannot be loaded"):
            _supervised(Supervised(**{**whole, kind: str(damaged)}), place)
    assert not (tmp_path / "out").exists()


def _supervised(asked: Supervised, place: Place) -> None:
    supervised(asked, place, lambda *_: pytest.fail("it began"))


def test_rows_of_other_networks_and_settings_are_told_apart(tmp_path: Path) -> None:
    """Two laboratories may call their networks the same."""
    data = folder_of(tmp_path, small=True)
    place = Place(data, tmp_path / "out", tmp_path / "store", True)
    text = bah_tiny.bert(tmp_path / "bert")
    configs: list[dict[str, Any]] = []

    def add(row: str = "V", **asked: Any) -> None:
        given = {"cnn": str(cnn), "text": str(text), "rows": ("V", "T"), **asked}
        here = opened(Supervised(**given), place)
        _, told = _found(here)
        one = next(one for one in FUSIONS if one.name == row)
        configs.append(_config(here, one, told))

    for seed, place_of in enumerate(("one", "other")):
        cnn = bah_tiny.resnet(tmp_path / place_of / "resnet")
        if seed:
            file = cnn / "model.safetensors"
            weights = {name: value + 1 for name, value in load_file(file).items()}
            save_file(weights, file, {"format": "pt"})
        add()
    for changed in ("epochs", "cnn_epochs", "per_recording"):
        add(**{changed: 3})
    add("T")
    add("T", cnn_epochs=3)
    first, second, *others, words, same_words = configs
    assert first["video"] == second["video"] == "resnet"
    assert {key for key in first if first[key] != second[key]} == {"video_files"}
    for config, changed in zip(others, ("epochs", "cnn_epochs", "per_recording"), strict=True):
        assert {key for key in second if second[key] != config[key]} == {changed}
    # What a row does not depend on tells it from none.
    assert words == same_words
    assert "video" not in words
    assert str(tmp_path) not in json.dumps(configs)
    assert str(tmp_path) not in json.dumps(Supervised(cnn=str(cnn), text=str(text)).told)


def test_a_wrong_folder_leaves_no_mark(tmp_path: Path) -> None:
    """The corrected command goes on in the same folder."""
    for table in ("supervised", "personalised", "zero-shot"):
        words = ["reproduce", "bah", str(tmp_path / "nope"), "--table", table]
        done = CliRunner().invoke(main, [*words, "--out", str(tmp_path / table)])
        assert done.exit_code == BadInput.exit_code, done.output
        assert not (tmp_path / table).exists()


def test_the_personalised_recipe_trains_through_the_network() -> None:
    recipe = load_recipe("bah", "personalised")
    methods = [row.label_free for row in recipe.rows if row.label_free]
    assert len(methods) == 5
    assert all("scope=network" in method for method in methods)
    assert recipe.protocol.label_free == "official-targets"
    assert len(recipe.seeds.training) == 3


# --- from the folder to the files


@pytest.mark.slow
def test_the_supervised_table(tmp_path: Path) -> None:
    data = folder_of(tmp_path, small=True)
    table = one_table("supervised", tmp_path, data)
    assert set(table["levels"]) == {"frame", "video"}
    for level, n in (("frame", 7 * 12), ("video", 7)):
        part = table["levels"][level]
        assert part["n_rows"] == n
        rows = {row["row"]: row for row in part["rows"]}
        assert rows["V"]["published"]
        assert "note" not in rows["V"]
        assert rows["V"]["figures"]["ap_bah"]["value"] is not None
        assert "question only" in rows
    assert table["absent"] == {}
    assert table["networks"] == {"video": "resnet", "sound": "vggish", "text": "bert"}
    bundle = read_bundle(tmp_path / "b.tar")
    recipe = json.loads(bundle.files["tables/recipe.json"])
    assert recipe["rows"] == ["V", "V+A+T CAN"]
    assert (recipe["cnn"], recipe["per_recording"], recipe["epochs"]) == ("resnet", 4, 2)
    for run in bundle.runs:
        assert run.config["epochs"] == 2
        assert len(run.config["video_files"]) == 64
    assert str(tmp_path).encode() not in (tmp_path / "b.tar").read_bytes()
    assert table["frame_network"] == {"state": "fine-tuned here on coded frames"}
    assert "so many crops of a recording" in table["differs"][0]
    # A silent film keeps its row: all test answers were read by the network of all three.
    assert rows["V+A+T CAN"]["coverage"] == 1.0
    # No picture and no word in what is kept beside.
    kept = [path.suffix for path in (tmp_path / "supervised").rglob("*") if path.is_file()]
    assert not {".jpg", ".png", ".npy"} & set(kept)
    other = [*asked_for("supervised", data, tmp_path, True), "--set", "rows=V"]
    refused = CliRunner().invoke(main, other)
    assert refused.exit_code == BadInput.exit_code
    assert "other settings" in refused.output


@pytest.mark.slow
def test_without_a_network_a_row_is_not_made_and_says_so(tmp_path: Path) -> None:
    data = folder_of(tmp_path, small=True)
    words = ["reproduce", "bah", str(data), "--table", "supervised", "--quick", "--json"]
    words += ["--out", str(tmp_path / "out"), "--store", str(tmp_path / "store")]
    words += ["--device", "cpu", "--set", f"cnn={bah_tiny.resnet(tmp_path / 'resnet')}"]
    words += ["--set", "text=", "--set", "rows=V,A,V+A+T LFAN"]
    counted = CliRunner().invoke(main, [*words, "--dry-run"])
    assert counted.exit_code == 0, counted.output
    about = json.loads(counted.stdout)
    assert about["frames"] > 0
    assert about["models"] == 4
    assert not (tmp_path / "out").exists()
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output[-2000:]
    table = json.loads(done.stdout)
    assert set(table["absent"]) == {"A", "V+A+T LFAN"}
    assert "--set sound=FOLDER" in table["absent"]["A"]


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A frame network that was exported as ONNX, imported."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    return _imported(tmp_path, 12)


def _imported(root: Path, width: int) -> Path:
    from twomind.pipeline.imports import import_weights
    from twomind.training.published import Asked

    file = bah_tiny.exported(root / "apvit.onnx", bah_tiny.pooling_vit(width))
    asked = Asked("https://example.org/apvit", "MIT")
    import_weights(file, "apvit", asked, root / "apvit")
    return root / "apvit"


def _with(exported: Path, data: Path, root: Path, *sets: str) -> list[str]:
    """The command line of the supervised table with an exported frame network."""
    words = ["reproduce", "bah", str(data), "--table", "supervised", "--quick", "--json"]
    words += ["--out", str(root / "out"), "--store", str(root / "store"), "--device", "cpu"]
    for one in (f"cnn={exported}", "text=", *sets):
        words += ["--set", one]
    return words


def test_rows_of_an_exported_network_are_filed_under_its_graph(
    exported: Path, tmp_path: Path
) -> None:
    """The frame network is not trained, and another graph in the same folder makes other rows."""
    data = folder_of(tmp_path, small=True)
    place = Place(data, tmp_path / "out", tmp_path / "store", True)
    found = opened(Supervised(cnn=str(exported), text=""), place)
    reading = found.crops()
    recording = found.recordings(found.fold.test)[0]
    rows = {}
    for width in (12, 12, 7):
        _imported(tmp_path, width)
        network, mark = _frame_network(found, lambda *_: pytest.fail("it was trained"))
        encoders = Encoders(network, mark)
        track = Described(reading, encoders, Store(place.store))(recording).tracks[VIDEO]
        assert track.values.shape[1] == width
        seen = np.flatnonzero(track.valid)
        crops = reading(recording.id).tracks["face_crop"].values
        np.testing.assert_allclose(track.values[seen], network.rows_of(crops[seen]), atol=1e-5)
        rows.setdefault(mark, track.values)
    assert len(rows) == 2
    assert not (place.out / "models").exists()


def test_rows_that_are_no_numbers_are_not_valid() -> None:
    class Wild:
        width = 2

        def rows_of(self, crops: np.ndarray) -> np.ndarray:
            rows = np.ones((len(crops), 2), np.float32)
            rows[1, 0] = np.nan
            return rows

    pictures = Track(np.zeros((4, 8, 8, 3), np.uint8), np.arange(4.0), np.arange(4) != 0)
    track = _faces(Wild(), pictures)
    assert track.valid.tolist() == [False, True, False, True]
    assert track.values.tolist() == [[0, 0], [1, 1], [0, 0], [1, 1]]


def test_what_a_table_with_an_exported_network_takes(exported: Path, tmp_path: Path) -> None:
    data = folder_of(tmp_path, small=True)
    words = [*_with(exported, data, tmp_path, "rows=V", "cnn_epochs=7"), "--dry-run"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    about = json.loads(done.stdout)
    assert about["frame_network"] == "frozen as it was exported"
    assert about["models"] == 1
    assert about["steps"]["frame_network"] == 0
    assert about["seconds_of_a_picture"].keys() == {"forward"}
    assert about["hours"]["cpu"]["frame network"] >= 0
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_supervised_table_with_an_exported_network(exported: Path, tmp_path: Path) -> None:
    data = folder_of(tmp_path, small=True)
    sound = f"sound={bah_tiny.vggish(tmp_path / 'vggish')}"
    words = _with(exported, data, tmp_path, sound, "rows=V,A,V+A JMT")
    bundle = tmp_path / "b.tar"
    env = {"TWOMIND_LAB_KEY": str(tmp_path / "key")}
    done = CliRunner().invoke(main, [*words, "--bundle", str(bundle)], env=env)
    assert done.exit_code == 0, done.output[-2000:]
    table = json.loads(done.stdout)
    network = table["frame_network"]
    assert network["state"] == "frozen as it was exported"
    assert network["source"] == "https://example.org/apvit"
    assert network["licence"] == "MIT"
    assert network["width"] == 12
    differs = " ".join(table["differs"])
    assert "a step that is left out here" in differs
    assert "so many crops of a recording" not in differs
    noted = set()
    for level in table["levels"].values():
        for row in level["rows"]:
            with_video = row["row"].startswith("V")
            assert (row.get("note") == "video: frozen as it was exported") == with_video
            noted.add(row["row"])
    assert noted >= {"V", "A", "V+A JMT", "V, vote of frames"}
    page = (tmp_path / "out" / "table.md").read_text()
    line = next(one for one in page.splitlines() if one.startswith("| V |"))
    assert line.endswith("video: frozen as it was exported |")
    assert f"SHA-256 {network['sha256']}" in page
    assert not (tmp_path / "out" / "models" / "frame-cnn").exists()
    verified = CliRunner().invoke(main, ["reproduce", "verify", str(bundle)], env=env)
    assert verified.exit_code == 0, verified.output
    # What was made is read back: the same table, and no model is written anew.
    made = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("V*/*/*.safetensors")
    }
    again = CliRunner().invoke(main, words, env=env)
    assert again.exit_code == 0, again.output[-2000:]
    assert json.loads(again.stdout) == table
    assert made
    assert made == {path: path.stat().st_mtime_ns for path in made}


@pytest.mark.slow
def test_the_personalised_table(tmp_path: Path) -> None:
    table = one_table("personalised", tmp_path, folder_of(tmp_path, small=True))
    rows = {line["name"]: line for line in table["lines"]}
    for name in ("source only", "MMD", "Sub-based", "SHOT", "NRC"):
        cell = rows[name]["cells"]["label_free"]
        assert cell["figures"]["macro_f1"]["per_person"].keys() == {"90201"}
        assert cell["coverage"] == 1.0
        assert rows[name]["published"]
    assert rows["CLIP-AUTT, TTA-CaP"]["kind"] == "absent"
    assert any(line["kind"] == "shortcut" for line in table["lines"])


@pytest.mark.slow
def test_what_the_personalised_table_takes_is_counted(tmp_path: Path) -> None:
    data = folder_of(tmp_path, small=True)
    words = asked_for("personalised", data, tmp_path, small=True)
    done = CliRunner().invoke(main, [*words, "--dry-run"])
    assert done.exit_code == 0, done.output
    about = json.loads(done.stdout)
    assert about["frames"] > 0
    # One fold, six methods with no adaptation, 150 steps each.
    assert about["steps"]["adaptation"] == 6 * 150
    assert isinstance(about["hours"]["cpu"], float)
    assert not (tmp_path / "personalised").exists()


# --- killed


def _supervised_reached(root: Path) -> tuple[Callable[[], bool], ...]:
    return (
        lambda: (root / "supervised" / "models" / "frame-cnn" / "card.json").is_file(),
        lambda: any((root / "store").rglob("*.safetensors")),
        lambda: any((root / "supervised" / "models").glob("V*/*/*.safetensors")),
    )


def _personalised_reached(root: Path) -> tuple[Callable[[], bool], ...]:
    out = root / "personalised"
    return (
        lambda: (out / "recipe.json").is_file(),
        lambda: any(out.rglob("card.json")),
        lambda: len(list(out.rglob("run.json"))) > 1,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "reached"),
    [("supervised", _supervised_reached), ("personalised", _personalised_reached)],
)
def test_killed_at_three_places_it_ends_at_the_same_table(
    tmp_path: Path, table: str, reached: Callable[[Path], tuple[Callable[[], bool], ...]]
) -> None:
    tables = {}
    data = folder_of(tmp_path, small=True)
    for name in ("whole", "killed"):
        root = tmp_path / name
        root.mkdir()
        asked = asked_for(table, data, root, small=True)
        asked = asked[: asked.index("--bundle")] + asked[asked.index("--bundle") + 2 :]
        # The networks lie in one place: their paths are part of the settings.
        asked = [word.replace(str(root / "resnet"), str(tmp_path / "resnet")) for word in asked]
        asked = [word.replace(str(root / "bert"), str(tmp_path / "bert")) for word in asked]
        asked = [word.replace(str(root / "vggish"), str(tmp_path / "vggish")) for word in asked]
        if name == "whole":
            bah_tiny.resnet(tmp_path / "resnet")
            bah_tiny.bert(tmp_path / "bert")
            bah_tiny.vggish(tmp_path / "vggish")
        else:
            for there in reached(root):
                kill_when([sys.executable, "-m", "twomind", *asked], there)
                assert not (root / table / "table.json").exists()
        done = CliRunner().invoke(main, asked)
        assert done.exit_code == 0, done.output[-2000:]
        tables[name] = (root / table / "table.json").read_text()
    assert tables["killed"] == tables["whole"]


def test_a_film_without_sound_loses_its_sound_alone(tmp_path: Path) -> None:
    from twomind.pipeline.bah_features import _sound

    data = folder_of(tmp_path, small=True)
    dataset: Any = open_dataset(data)
    known = {one.media.name: one for one in dataset.recordings()}
    encoder: Any = _Counting()
    silent = [one for one in known.values() if _sound(encoder, one, np.arange(3.0))[0] is None]
    assert silent
    for one in silent:
        _, why = _sound(encoder, one, np.arange(3.0))
        assert why
    absent = replace(silent[0], media=tmp_path / "none.mp4")
    assert _sound(encoder, absent, np.arange(3.0)) == (None, "no film, so no sound")


class _Counting:
    """In place of a network of sound."""

    width = 8
    weights = bah_tiny.vggish_tensors()
