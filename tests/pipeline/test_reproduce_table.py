"""Recipes are strict, and a table says of each figure what it is: oracle columns apart, who refused,
how many settings, seeds and people.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.datasets import unbc
from twomind.evaluation.refusals import Refusal
from twomind.pipeline.reproduce import Place, opened, steps_of
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
    Table,
    as_plain,
    figure_of,
    latex,
    markdown,
    people_csv,
    table_of,
)
from twomind.types import Fold, Rows, Run, Task

TASK = Task("pain", ("neutral", "pain"), "clip")
#: Published peers that are not implemented: each is a row that says so.
ABSENT = ("EmoCLIP", "X-CLIP", "Exp-CLIP", "DPE", "PromptAlign", "ReTA", "T3AL")


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
        load_recipe("unbc", "environment-shift")


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


def _table(**changes: object) -> Table:
    made = [_made(column, seed, 1.0) for column in Column for seed in (1, 2)]
    return table_of(_recipe(), [replace(one, **changes) for one in made], {"drawn": False})


def _row(table: Table, name: str) -> dict[str, str]:
    """A row of the Markdown page by column; of a column that stands twice, the first."""
    lines = [line.strip("| ").split(" | ") for line in markdown(table).splitlines() if "|" in line]
    values = next(line for line in lines if line[0] == name)
    return dict(reversed(list(zip(lines[0], values, strict=True))))


def test_every_column_stands_in_the_written_table() -> None:
    row = _row(_table(), "CLIP-AUTT")
    assert row["label-free: WAR %"].startswith("87.5 [")
    assert row["as published: WAR %"].startswith("100.0 [")
    assert row["published: WAR %"] == "81.5"
    assert row["label-free: settings tried"] == "1"
    assert row["as published: settings tried"] == "6"
    assert row["label-free: chosen by"] == "none: fixed settings"
    assert row["as published: chosen by"].startswith("ORACLE: best epoch")
    assert (row["people"], row["training seeds"], row["method seeds"]) == ("2", "2", "1")
    assert row["sd of people"] == "17.7"
    assert row["sd of training seeds"] == "0.0"
    assert row["answered %"] == "100.0"
    assert row["gain"].startswith("+12.5 [")
    assert row["harmed"].startswith("0 of 2 [")
    assert row["p"] != "—"
    plain = as_plain(_table())["lines"]
    free = next(line for line in plain if line["name"] == "CLIP-AUTT")["cells"]["label_free"]
    assert free["figures"]["war"]["per_person"] == {"a": 100.0, "b": 75.0}
    assert {"n_tried", "choice", "n_training_seeds", "n_method_seeds", "gain_ci"} <= set(free)


@pytest.mark.parametrize("dataset", ["biovid", "stressid"])
def test_peers_and_bases_stand_in_the_clip_autt_table(dataset: str) -> None:
    rows = {row.name: row for row in load_recipe(dataset, "clip-autt").rows}
    for name in ABSENT:
        assert rows[name].absent.startswith("not implemented: "), name
        assert rows[name].published, name
    for name in ("CLIP zero-shot", "CLIP fine-tuned", "CLIP-AU"):
        assert rows[name].is_base, name
        assert rows[name].published, name
    model = load_recipe(dataset, "clip-autt").model(rows["CLIP fine-tuned"].model)
    assert model.mode == "whole"


def test_the_base_models_of_tta_cap_are_both_there() -> None:
    recipe = load_recipe("biovid", "tta-cap")
    for method in ("tta-cap", "tta-cap-v1", "tta-cap-wacv"):
        modes = {recipe.model(row.model).mode for row in recipe.rows if row.label_free == method}
        assert modes == {"temporal", "whole"}


def test_a_person_whom_a_method_refuses_counts_as_unadapted() -> None:
    """One neutral clip that is lost costs one person the adaptation, not the row its figure."""
    recipe = _recipe()
    spec = recipe.rows[-1].label_free
    made = []
    for seed in (1, 2):
        one = _made(Column.LABEL_FREE, seed, 1.0)
        runs = [run for run in one.runs if not (run.method == spec and run.fold.name == "a")]
        refusal = Refusal(spec, "a", "expected a neutral clip", "m", "biovid", "ten-targets")
        made.append(replace(one, runs=runs, refusals=[refusal]))
    table = table_of(recipe, made, {})
    row = _row(table, "CLIP-AUTT")
    assert row["label-free: WAR %"].startswith("75.0 [")  # both as the source has them
    assert "refused 1 of 2 folds: expected a neutral clip" in row["label-free: chosen by"]
    assert "count as unadapted" in row["label-free: chosen by"]
    gone = [replace(one, runs=[r for r in one.runs if r.method != spec]) for one in made]
    row = _row(table_of(recipe, gone, {}), "CLIP-AUTT")
    assert row["label-free: WAR %"].startswith("refused 1 of 2 folds")


def test_a_model_that_cannot_be_trained_is_a_row_with_the_reason() -> None:
    row = _row(_table(why="not trained: no CLIP"), "CLIP-AU")
    assert row["label-free: WAR %"] == "not trained: no CLIP"


def test_people_with_rows_of_one_class_are_told() -> None:
    made = [_made(Column.LABEL_FREE, 1, 1.0)]
    assert "of one class alone" not in markdown(table_of(_recipe(), made, {}))
    flat = []
    for run in made[0].runs:
        rows = run.rows["recording"]
        levels = {"recording": replace(rows, y=np.zeros_like(rows.y))}
        flat.append(replace(run, rows=levels) if run.fold.name == "b" else run)
    said = markdown(table_of(_recipe(), [replace(made[0], runs=flat)], {}))
    assert "1 of the test people have coded rows of one class alone (b)" in said


def test_on_unbc_every_frame_is_judged_by_its_own_code(tmp_path: Path) -> None:
    """Pain shows in single frames: judged every quarter of a second, it is not there."""
    unbc.fake(tmp_path / "unbc", 0, unbc.FAKE_PEOPLE)
    recipe = load_recipe("unbc", "dsfda", sets=["protocol.label_free=leave-one-person-out"])
    data = opened(recipe, Place(tmp_path / "unbc", tmp_path / "out", tmp_path / "store"))
    pain = "aa901t2aeaff"  # its third frame of five
    x = data.reading(recipe.models[0])(pain)
    times_s = data.labels.windows.frames(x.span_s)
    assert data.labels.of_frames(pain, times_s).tolist() == [0, 0, 1, 0, 0]
    windows = [data.labels.of_window(pain, one.span_s) for one in data.labels.windows.cut(x)]
    assert windows == [0, 0, 1, 0, 0]
    assert any("unaff" in text for text in recipe.differs)


def test_a_window_of_unbc_is_judged_by_the_codes_of_all_its_frames(tmp_path: Path) -> None:
    unbc.fake(tmp_path / "unbc", 0, unbc.FAKE_PEOPLE)
    pain = tmp_path / "unbc" / "Frame_Labels" / "PSPI" / "901-aa901" / "aa901t2aeaff"
    for n, path in enumerate(sorted(pain.iterdir())):
        path.write_text("2.0" if n in (0, 1, 3) else "0.0", encoding="utf-8")
    recipe = load_recipe("unbc", "clip-autt")
    data = opened(recipe, Place(tmp_path / "unbc", tmp_path / "out", tmp_path / "store"))
    span_s = (0.0, 5 / unbc.CLOCK.per_s)
    assert data.labels.windows.length_s == pytest.approx(16 / unbc.CLOCK.per_s)
    assert len(data.labels.windows.frames(span_s)) == 5
    assert data.labels.of_window(pain.name, span_s) == 1
