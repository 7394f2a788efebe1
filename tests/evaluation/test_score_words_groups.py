"""Figures of groups of people in ``score words``, and on the board of its run."""

from __future__ import annotations

import csv
from pathlib import Path

from click.testing import CliRunner

from twomind.cli.main import main
from twomind.evaluation.runs import load_run
from twomind.evaluation.words import score_words

UNSURE = "um I guess I should but I am not sure that I can"
SURE = "yes I will do it every single day from now on"


def _table(folder: Path, **more: str) -> Path:
    """Twelve people with two answers each; seven are women, five men."""
    path = folder / "answers.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["subject", "question", "label", "transcript", *more])
        for k in range(12):
            for label, said in ((0, SURE), (1, UNSURE)):
                rows.writerow([f"p{k}", "7", label, said, *more.values()])
    return path


def _people(folder: Path) -> None:
    lines = ["subject,sex,diary"]
    for k in range(12):
        lines.append(f"p{k},{'woman' if k < 7 else 'man'},secret")
    (folder / "people.csv").write_text("\n".join(lines), encoding="utf-8")


def test_groups_come_from_the_table_of_people_beside_the_answers(tmp_path: Path) -> None:
    data = _table(tmp_path)
    assert "per_group" not in score_words(data, n_bootstrap=10), "nothing is known of anybody"
    _people(tmp_path)
    men, women = score_words(data, n_bootstrap=10)["per_group"]
    assert (men["group"], men["value"], men["n_people"], men["n"]) == ("sex", "man", 5, 10)
    assert (women["value"], women["n_people"], women["n"]) == ("woman", 7, 14)
    assert women["observed"] == 0.5
    assert women["auc"] == 1.0


def test_a_small_group_has_no_figure(tmp_path: Path) -> None:
    data = _table(tmp_path)
    (tmp_path / "people.csv").write_text("subject,age\np0,71\np1,33\n", encoding="utf-8")
    rows = score_words(data, n_bootstrap=10)["per_group"]
    told = {row["value"]: row["n_people"] for row in rows}
    assert told == {"30–44": None, "60+": None, "not known": 10}


def test_a_column_of_the_answers_tells_groups_too(tmp_path: Path) -> None:
    (row,) = score_words(_table(tmp_path, language="fr"), n_bootstrap=10)["per_group"]
    assert (row["group"], row["value"], row["n_people"]) == ("language", "fr", 12)


def test_people_that_cannot_be_read_are_told_and_stop_nothing(tmp_path: Path) -> None:
    data = _table(tmp_path)
    (tmp_path / "people.csv").write_text("person,sex\np0,woman\n", encoding="utf-8")
    found = score_words(data, n_bootstrap=10)
    assert found["n"] == 24
    assert "people.csv" in found["problems"][-1]


def test_the_run_carries_groups_and_nothing_else_of_people(tmp_path: Path) -> None:
    data = _table(tmp_path)
    _people(tmp_path)
    asked = ["score", "words", "--data", str(data), "--out", str(tmp_path / "run")]
    told = CliRunner().invoke(main, [*asked, "--bootstrap", "100"])
    assert told.exit_code == 0, told.output
    assert "sex woman: 14 answers of 7 people" in told.stderr
    run = load_run(tmp_path / "run")
    assert run.people["p0"] == {"sex": "woman"}
