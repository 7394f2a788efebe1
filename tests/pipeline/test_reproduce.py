"""A table from its recipe: strict recipes, oracle columns apart, and the same table after any kill."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("twomind_synth")

from tests.reproduce_smoke import make_folders

from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.pipeline.reproduce import steps_of
from twomind.pipeline.reproduce_recipe import (
    Recipe,
    load_recipe,
    quick,
    read_recipe,
    recipe_text,
    shipped,
)
from twomind.pipeline.reproduce_table import (
    Column,
    Made,
    figure_of,
    latex,
    markdown,
    people_csv,
    table_of,
)
from twomind.types import Fold, Rows, Run, Task

pytestmark = pytest.mark.slow

TASK = Task("pain", ("neutral", "pain"), "clip")
SETS = ("--set", "models.encoder=face-text", "--set", "protocol.label_free=targets-2")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_folders(tmp_path_factory.mktemp("data"), 5)


# --- recipes


@pytest.mark.parametrize(("dataset", "table"), sorted(shipped()))
def test_every_recipe_that_ships_is_whole(dataset: str, table: str) -> None:
    from twomind.pipeline.personalise_methods import configured

    recipe = load_recipe(dataset, table)
    assert len(recipe.seeds.training) >= 3
    assert recipe.differs
    assert steps_of(recipe)
    for row in recipe.rows:
        for spec in (row.label_free, *row.as_published):
            if spec:
                configured(spec)  # raises where there is no such method or setting
        if len(row.as_published) > 1:
            assert row.choice, f"{row.name}: an oracle's choice without a name"


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("metrics =", "metricks =", "no key 'metricks'"),
        ('metrics = ["war"', 'metrics = ["accuracy"', "expected some of war"),
        ('kind = "clip-au"', 'kind = "clip-ua"', "expected a kind of"),
        ('model = "clip-au"', 'model = "other"', "no model 'other'"),
        ("method = 1", 'method = "one"', "expected int"),
        ("training = [1999, 2999, 3999]", "training = []", "at least one of training"),
        ("[seeds]", "[seeds", "not a TOML file"),
        ("frames = 16", "frames = 0", "above 0"),
    ],
)
def test_a_recipe_that_is_wrong_says_where(old: str, new: str, wanted: str) -> None:
    text = recipe_text("biovid", "clip-autt")
    assert old in text
    with pytest.raises(BadInput, match=wanted):
        read_recipe(text.replace(old, new, 1), "mine.toml")


def test_settings_change_every_model_or_one() -> None:
    both = load_recipe("biovid", "clip-autt", sets=["models.epochs=3", "models.clip-au.epochs=4"])
    assert [model.epochs for model in both.models] == [4, 3, 3, 3]
    with pytest.raises(BadInput, match="no model 'nobody'"):
        load_recipe("biovid", "clip-autt", sets=["models.nobody.epochs=4"])
    with pytest.raises(BadInput, match="no recipe ships"):
        load_recipe("unbc", "tta-cap")


def test_a_copied_recipe_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    done = CliRunner().invoke(
        main, ["reproduce", "biovid", "--table", "tta-cap", "--write-recipe", str(path)]
    )
    assert done.exit_code == 0, done.output
    assert load_recipe("biovid", "tta-cap", path) == load_recipe("biovid", "tta-cap")
    with pytest.raises(BadInput, match="a recipe of 'biovid'"):
        load_recipe("stressid", "tta-cap", path)


def test_quick_says_that_it_is_no_table() -> None:
    recipe = quick(load_recipe("biovid", "dsfda"))
    assert "not the table" in recipe.title
    assert recipe.seeds.training == (1999,)
    assert recipe.models[0].size == "tiny"


# --- figures


def _run(method: str, answers: dict[str, list[float]], seed: int = 0) -> list[Run]:
    """Runs of people whose first two clips are neutral and last two pain."""
    runs = []
    for person, p in answers.items():
        y = np.array([0, 0, 1, 1])
        ids = np.array([f"{person}-{k}" for k in range(4)])
        probs = np.column_stack([1 - np.array(p), p])
        beside = {"prevalence": np.full((4, 2), 0.5), "no_adaptation": probs}
        who, asked = np.array([person] * 4), np.array([""] * 4)
        rows = Rows(ids, who, asked, np.zeros((4, 2)), y, probs, beside)
        fold = Fold(person, "ten-targets", ("a",), tuple(ids))
        name = f"{method}-{person}-{seed}"
        levels = {"recording": rows}
        runs.append(Run(name, "biovid", TASK, fold, "m", method, levels, seed=seed))
    return runs


def _recipe() -> Recipe:
    text = recipe_text("biovid", "clip-autt")
    recipe = read_recipe(text, "test", ["seeds.training=[1, 2]", "resamples=200"])
    rows = tuple(row for row in recipe.rows if row.name in ("CLIP-AU", "CLIP-AUTT", "DPE"))
    model = (recipe.model("clip-au"),)
    return replace(recipe, rows=rows, models=model)


def _made(column: Column, seed: int, right: float) -> Made:
    good, bad = [0.1, 0.1, 0.9, 0.9], [0.9, 0.1, 0.9, 0.9]
    runs = _run("source-only", {"a": bad, "b": bad})
    recipe = _recipe()
    row = recipe.rows[-1]
    if column is Column.LABEL_FREE:
        runs += _run(row.label_free, {"a": good, "b": bad})
    for n, spec in enumerate(row.as_published if column is Column.AS_PUBLISHED else ()):
        runs += _run(spec, {"a": good if n == 1 else bad, "b": good if n == 2 else bad})
    return Made("clip-au", seed, column, runs, ())


def test_the_oracle_is_in_the_published_column_alone() -> None:
    recipe = _recipe()
    made = [_made(column, seed, 1.0) for column in Column for seed in (1, 2)]
    table = table_of(recipe, made, {"drawn": True})
    tuned = next(line for line in table.lines if line.name == "CLIP-AUTT")
    free, published = (tuned.cells[column.value] for column in Column)
    assert free.figures["war"].value == pytest.approx(87.5)  # 100 and 75
    assert published.figures["war"].value == pytest.approx(100)  # each person's best of six
    assert (free.n_tried, published.n_tried) == (1, 6)
    assert published.choice.startswith("ORACLE")
    assert "ORACLE" not in free.choice
    assert free.n_training_seeds == 2
    assert free.figures["war"].sd_training == 0
    assert free.gain == pytest.approx(12.5)
    assert free.n_harmed == 0
    absent = next(line for line in table.lines if line.name == "DPE")
    assert absent.cells["label_free"].why.startswith("not implemented")
    assert absent.published["war"] == 73.1
    assert any(line.kind == "shortcut" for line in table.lines)
    page, tex, people = markdown(table), latex(table), people_csv(table)
    assert "81.5" in page
    assert "say nothing about real people" in page
    assert tex.count("&") % len(tex.splitlines()[-3].split(" & ")[1:]) == 0
    assert "CLIP-AUTT,clip-au,label_free,war,a,100.000000" in people


def test_training_seeds_spread_apart_from_people() -> None:
    figure = figure_of([{"a": 50.0, "b": 70.0}, {"a": 60.0, "b": 80.0}], 200)
    assert figure.value == pytest.approx(65)
    assert figure.sd_training == pytest.approx(10 / np.sqrt(2))
    assert figure.sd_people == pytest.approx(20 / np.sqrt(2))


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
    assert isinstance(found["hours"]["cpu"], float)
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
    reached: tuple[Callable[[Path], bool], ...] = (
        lambda out: any(out.rglob("card.json")),
        lambda out: len(list(out.rglob("run.json"))) > 2,
    )
    for there in reached:
        _kill_when(command, lambda there=there: there(tmp_path / "killed" / "out"))
        assert not (tmp_path / "killed" / "out" / "table.json").exists()
    again = CliRunner().invoke(main, killed)
    assert again.exit_code == 0, again.output
    assert _files(tmp_path / "killed" / "out") == _files(tmp_path / "whole" / "out")
    # Another recipe does not go into the same folder.
    other = [*killed, "--set", "models.frames=4"]
    refused = CliRunner().invoke(main, other)
    assert refused.exit_code == BadInput.exit_code
    assert "another recipe" in refused.output


def _kill_when(command: list[str], there: Callable[[], bool]) -> None:
    """Start a command and kill it as soon as something is there."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    started = subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 240
    while started.poll() is None and time.monotonic() < until:
        if there():
            started.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    started.wait(timeout=60)
    assert started.returncode == -signal.SIGKILL


def test_across_data_sets(folders: dict[str, Path], tmp_path: Path) -> None:
    asked = ["reproduce", "stressid", str(folders["stressid"]), "--table", "tta-cap", "--quick"]
    asked += ["--source", str(folders["biovid"]), *SETS, "--set", "protocol.as_published="]
    asked += ["--out", str(tmp_path / "out"), "--store", str(tmp_path / "store"), "--json"]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    table = json.loads(done.stdout)
    assert table["dataset"] == "biovid to stressid"
    # What could not be read is told with its reason, and stopped nothing.
    assert len(table["notes"]["unreadable"]) == 2
    with (tmp_path / "out" / "people.csv").open(encoding="utf-8", newline="") as file:
        assert len({row["person"] for row in csv.DictReader(file)}) == 2


def test_the_data_have_to_be_those_of_the_recipe(folders: dict[str, Path], tmp_path: Path) -> None:
    asked = ["reproduce", "biovid", str(folders["stressid"]), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == BadInput.exit_code
    assert "expected biovid, found stressid" in done.output
