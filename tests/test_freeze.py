"""The freeze can fail: what it compares, what it leaves out, and that one digit is seen. No command
is run here.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from twomind.core.store import write_arrays

sys.path.insert(0, str(Path(__file__).parent.parent))
clean = importlib.import_module("tests.freeze.clean")
commands = importlib.import_module("tests.freeze.commands")
freeze = importlib.import_module("tests.freeze.__main__")

CLEANER = clean.Cleaner({"/somewhere/clone": "(root)"})


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of the same texts, as two sides keep them."""
    for side in ("old", "new"):
        folder = tmp_path / side / "files"
        folder.mkdir(parents=True)
        (folder / "answers.csv").write_text("recording,probability\na,0.4200640958216818\n")
        (folder / "summary.json").write_text('{\n "probability": 0.4200640958216818\n}\n')
        (tmp_path / side / "made-of").write_text(side)
    return tmp_path / "old", tmp_path / "new"


def test_equal_sides_are_equal(sides, capsys) -> None:
    assert freeze.compare("x", *sides) == 0
    assert "2 texts equal, 0 not" in capsys.readouterr().out


@pytest.mark.parametrize("file", ["answers.csv", "summary.json"])
def test_one_digit_is_seen(sides, capsys, file) -> None:
    path = sides[1] / "files" / file
    path.write_text(path.read_text().replace("0.4200640958216818", "0.4200640958216817"))
    assert freeze.compare("x", *sides) == 1
    said = capsys.readouterr().out
    assert f"files/{file} differs" in said
    assert "0.4200640958216817" in said


def test_a_file_on_one_side_is_seen(sides, capsys) -> None:
    (sides[1] / "files" / "more.txt").write_text("")
    (sides[0] / "files" / "answers.csv").rename(sides[0] / "files" / "old.csv")
    assert freeze.compare("x", *sides) == 3
    assert "more.txt is only on the new side" in capsys.readouterr().out


def test_files_that_only_the_new_side_may_write_are_passed_over(sides, capsys) -> None:
    (sides[1] / "files" / "out").mkdir()
    (sides[1] / "files" / "out" / "settings.toml").write_text("")
    assert freeze.compare("x", *sides) == 0
    (sides[0] / "files" / "settings.toml").write_text("")
    assert freeze.compare("x", *sides) == 1, "one that the old side wrote is compared"
    assert "settings.toml is only on the old side" in capsys.readouterr().out


def test_only_named_fields_of_named_files_are_left_out() -> None:
    entry = {
        "git": {"commit": "1"},
        "key": "k",
        "probability": 0.1,
        "deep": [{"peak_mb": 3.5, "seconds": 1.0}],
    }
    found = json.loads(CLEANER.json(json.dumps(entry), "runs/a/run.json"))
    assert found == {
        "git": "(left out)",
        "key": "(left out)",
        "probability": 0.1,
        "deep": [{"peak_mb": "(left out)", "seconds": "(left out)"}],
    }
    profile = {"seconds": 3.5, "key": "k"}
    assert json.loads(CLEANER.json(json.dumps(profile), "profiles/ana/profile.json")) == profile


def test_folders_and_digits_that_hang_on_code_are_replaced() -> None:
    key = "8987ed5a9eafd158" + "bcc0eb5cfe7052d7e9827523"
    assert CLEANER.words(f"/somewhere/clone/a {key}") == "(root)/a 8987ed5a9eafd158(code)"
    other = "8987ed5a9eafd159" + "bcc0eb5cfe7052d7e9827523"
    assert CLEANER.words(key) != CLEANER.words(other), "which recording it is of is compared"


def test_arrays_are_compared_to_the_bit(tmp_path: Path) -> None:
    texts = []
    for number, value in enumerate((1.0, np.nextafter(1.0, 2.0), np.float32(1.0))):
        arrays = {"x": np.append(np.zeros(20, type(value)), value)}
        path = write_arrays(tmp_path / f"{number}.safetensors", arrays, {"format": "f"})
        texts.append(CLEANER.file(path, path.name))
    assert len(set(texts)) == 3
    assert "float64 [21]" in texts[0]
    assert '"format": "f"' in texts[0]


def test_a_page_is_compared_by_its_data_text_scripts_and_embedded_media() -> None:
    page = '<style>a</style><script type="application/json">{"b": 1, "a": 2}</script>'
    page += '<p>said</p><img src="data:x/y;base64,AA">'
    first = CLEANER.page(page, "report.html")
    assert first == CLEANER.page(
        page.replace('{"b": 1, "a": 2}', '{"a": 2, "b": 1}'), "report.html"
    )
    for before, after in (
        ("said", "told"),
        ('"b": 1', '"b": 3'),
        ("<style>a", "<style>b"),
        ("base64,AA", "base64,AB"),
    ):
        assert first != CLEANER.page(page.replace(before, after), "report.html")


def test_only_columns_of_cost_and_version_are_left_out_of_tables() -> None:
    text = (
        "|  | macro-F1 | memory |\n| :-- | --: | --: |\n| t3a | 0.869 [0.78, 0.96] | 351 MB "
        "|\n\n351 MB\n"
    )
    assert "| t3a | 0.869 [0.78, 0.96] | (left out)" in clean.markdown(text)
    assert clean.markdown(text).endswith("\n351 MB\n"), "only in that column"
    page = "<table><thead><tr><th>x</th><th>memory</th></tr></thead>"
    page += "<tbody><tr><td>7</td><td>351 MB</td></tr></tbody></table>"
    found = CLEANER.page(page, "leaderboard.html")
    assert "<td>7</td><td>(left out)</td>" in found


def test_twelve_commands_a_side_and_every_change_names_one() -> None:
    names = [c.name for c in commands.OLD]
    assert len(names) == 12
    assert [c.name for c in commands.NEW] == names
    assert set(commands.CHANGED) <= set(names)


def test_files_that_are_new_and_outputs_that_say_more_are_named(sides, capsys) -> None:
    (sides[1] / "files" / "settings.toml").write_text("workers = 0\n")
    for side in sides:
        (side / "step-0.stdout").write_text("one\n")
    (sides[1] / "step-0.stdout").write_text("one\ntwo\n")
    assert freeze.compare("10-annotate", *sides) == 0
    assert freeze.compare("x", *sides) == 1
    (sides[1] / "step-0.stdout").write_text("two\n")
    assert freeze.compare("10-annotate", *sides) == 1
    capsys.readouterr()


def test_options_that_were_renamed_are_written_anew() -> None:
    now = {c.name: " ".join(c.steps) for c in commands.NEW}
    for old in ("--adapt-setting", "--subject", "--target"):
        assert not any(old in steps for steps in now.values()), old
    assert "--set states.folder=states" in now["06-enrol-erase"]
    assert "--set adapt.gates= " in now["09-adapt"]
