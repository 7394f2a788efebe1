"""The supervised and the personalised table of BAH, from a folder in the real layout to the files, and
the same after any kill.
"""

from __future__ import annotations

import json
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

from tests import bah_tiny
from tests.reproduce_smoke_bah import asked_for, folder_of, one_table

from kill_when import kill_when
from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.datasets import open_dataset
from twomind.models.fusion.input import Grid
from twomind.pipeline.bah_supervised import (
    FUSIONS,
    HOP,
    WINDOW,
    Supervised,
    windows_of,
)
from twomind.pipeline.reproduce_recipe import load_recipe
from twomind.training.fusion_data import Item

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
        assert rows["V"]["figures"]["ap_bah"]["value"] is not None
        assert "question only" in rows
    assert table["absent"] == {}
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
