"""A table from its folder to its files: what a dry run counts, and the same table after any kill."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("twomind_synth")

from tests.reproduce_smoke import make_folders

from kill_when import kill_when
from twomind.cli.main import main
from twomind.core.errors import BadInput

pytestmark = pytest.mark.slow

SETS = ("--set", "models.encoder=face-text", "--set", "protocol.label_free=targets-2")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_folders(tmp_path_factory.mktemp("data"), 5)


# --- from the folder to the files


def _asked(folders: dict[str, Path], root: Path, table: str = "tta-cap") -> list[str]:
    asked = ["reproduce", "biovid", str(folders["biovid"]), "--table", table, "--quick", *SETS]
    return [
        *asked,
        *("--set", "protocol.as_published=", "--out", str(root / "out")),
        *("--store", str(root / "store"), "--device", "cpu", "--json"),
    ]


def test_a_dry_run_counts_and_makes_nothing(folders: dict[str, Path], tmp_path: Path) -> None:
    done = CliRunner().invoke(main, [*_asked(folders, tmp_path), "--dry-run"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["frames"] > 0
    assert found["steps"]["training"] > 0
    assert found["steps"]["adaptation"] > 0
    # The stand-in for CLIP has no network that could be trained as a whole.
    assert found["hours"]["cpu"] == "not measured: the model could not be timed here (clip-whole)"
    timed = {name: one["hours"] for name, one in found["models"].items()}
    assert timed.pop("clip-whole") is None
    assert timed
    assert all(isinstance(hours, float) for hours in timed.values())
    assert found["hours"]["cuda"].startswith("not measured")
    assert not (tmp_path / "out").exists()
    # Twice the seeds are twice the training.
    more = [*_asked(folders, tmp_path), "--dry-run"]
    more.remove("--quick")
    whole = json.loads(CliRunner().invoke(main, more).stdout)
    assert whole["steps"]["training"] > 3 * found["steps"]["training"]


def _files(out: Path) -> dict[str, str]:
    names = ("table.md", "table.tex", "table.json", "people.csv")
    return {name: (out / name).read_text("utf-8") for name in names}


def test_killed_at_any_point_it_ends_at_the_same_table(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    whole = CliRunner().invoke(main, _asked(folders, tmp_path / "whole"))
    assert whole.exit_code == 0, whole.output
    killed = _asked(folders, tmp_path / "killed")
    command = [sys.executable, "-m", "twomind.cli.main", *killed]
    root = tmp_path / "killed"
    reached: tuple[Callable[[], bool], ...] = (
        lambda: any((root / "store").rglob("*.safetensors")),  # rows of frames
        lambda: any((root / "out").rglob("card.json")),  # a model
        lambda: len(list((root / "out").rglob("run.json"))) > 2,  # methods
    )
    for there in reached:
        kill_when(command, there)
        assert not (tmp_path / "killed" / "out" / "table.json").exists()
    again = CliRunner().invoke(main, killed)
    assert again.exit_code == 0, again.output
    assert _files(tmp_path / "killed" / "out") == _files(tmp_path / "whole" / "out")
    # Another recipe does not go into the same folder.
    other = [*killed, "--set", "models.frames=4"]
    refused = CliRunner().invoke(main, other)
    assert refused.exit_code == BadInput.exit_code
    assert "another recipe" in refused.output


def test_across_data_sets(folders: dict[str, Path], tmp_path: Path) -> None:
    asked = ["reproduce", "stressid", str(folders["stressid"]), "--table", "tta-cap", "--quick"]
    asked += ["--source", str(folders["biovid"]), *SETS, "--set", "protocol.as_published="]
    asked += ["--out", str(tmp_path / "out"), "--store", str(tmp_path / "store"), "--json"]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    table = json.loads(done.stdout)
    assert table["dataset"] == "biovid to stressid"
    # What could not be read is told with its reason, and stopped nothing.
    assert len(table["notes"]["unreadable"]) == 3
    with (tmp_path / "out" / "people.csv").open(encoding="utf-8", newline="") as file:
        assert len({row["person"] for row in csv.DictReader(file)}) == 2


def test_the_data_have_to_be_those_of_the_recipe(folders: dict[str, Path], tmp_path: Path) -> None:
    asked = ["reproduce", "biovid", str(folders["stressid"]), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == BadInput.exit_code
    assert "expected biovid, found stressid" in done.output
