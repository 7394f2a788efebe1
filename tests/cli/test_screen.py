"""What users name and say is printed as it is: rich takes ``[face]`` for a style."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import twomind
from twomind.cli import agree_tables, doctor_report, fusion_verbs, words_verbs
from twomind.cli.main import main
from twomind.cli.progress import Bars
from twomind.cli.screen import bar, screen, text_column

#: A style, a link, an end without a beginning (an error in rich's language), and a picture.
NAME = "[bold]P1[/] [face] [link=x] [/red] :smile:"


def test_a_line_and_a_table_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table

    table = Table(NAME, title=NAME)
    table.add_row(NAME)
    screen(width=200).print(NAME)
    screen(width=200).print(table)
    assert capsys.readouterr().out.count(NAME) == 4


def test_a_bar_shows_a_name_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    console = screen(width=200)
    with bar(console, text_column("{task.description}")) as shown:
        shown.add_task(NAME)
        console.print(shown.get_renderable())
    assert NAME in capsys.readouterr().out


def test_the_bars_of_a_batch_take_any_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    monkeypatch.setenv("COLUMNS", "200")
    with Bars(1) as (progress, on_done):
        progress(NAME[:30], 1.0, 2.0)
        on_done(SimpleNamespace(job=SimpleNamespace(id=NAME), state="done", error=""))
    assert NAME[:30] in capsys.readouterr().err


def test_doctor_keeps_the_extra_in_its_advice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from twomind.pipeline import doctor

    monkeypatch.setattr(doctor, "_version", lambda module: "")
    monkeypatch.setenv("TWOMIND_STORE", f"/tmp/{NAME}")
    monkeypatch.setenv("COLUMNS", "100")
    doctor_report.print_report(doctor.examine())
    out = capsys.readouterr().out
    assert "no: pip install 'twomind[face]'" in out
    assert out.count("pip install 'twomind[clip]'") >= 4
    assert f"/tmp/{NAME}" in out


def test_the_tables_of_scores_and_of_agreement_take_any_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words_verbs._print_rows({NAME: {}}, NAME)
    run = {"fold": NAME, "seed": 1, "validation_score": 0.5, "seconds": 1.0, "locates": True}
    nothing = dict.fromkeys(("held_out", "held_out_question_row", "frames"))
    fusion_verbs._print({"runs": [{**run, **nothing}]})
    assert capsys.readouterr().out.count(NAME) == 3
    assert callable(agree_tables.print_agreement)


def test_weights_of_any_name_and_licence_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWOMIND_WEIGHTS", str(tmp_path / "shelf"))
    (tmp_path / "m.bin").write_bytes(b"1")
    added = ["weights", "add", "m[face]", str(tmp_path / "m.bin"), "--licence", "[/] MIT"]
    assert CliRunner().invoke(main, added).exit_code == 0
    out = CliRunner().invoke(main, ["weights", "list"]).output
    assert "m[face]" in out
    assert "[/] MIT" in out
    rows = json.loads(CliRunner().invoke(main, ["weights", "list", "--json"]).output)["weights"]
    assert any(row["name"] == "m[face]" for row in rows)


def test_no_other_file_opens_a_console_or_a_column_of_text() -> None:
    root = Path(twomind.__file__).parent
    taken = {}
    for path in root.rglob("*.py"):
        content = path.read_bytes()
        if b"rich" not in content:
            continue
        nodes = ast.walk(ast.parse(content))
        imports = [n for n in nodes if isinstance(n, ast.ImportFrom) and n.module]
        of_rich = [n for n in imports if str(n.module).split(".")[0] == "rich"]
        taken[path.relative_to(root).as_posix()] = {a.name for n in of_rich for a in n.names}
    free = {"Table", "BarColumn", "TaskProgressColumn", "TimeElapsedColumn", "TimeRemainingColumn"}
    strange = {name for name, names in taken.items() if names - free}
    assert strange == {"cli/screen.py"}
