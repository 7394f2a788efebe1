"""``twomind prevalence``: a file alone, ``next`` and ``plan``; what is printed and what is JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from twomind.annotations import Annotations, Mark, Tier, write_eaf
from twomind.cli.main import main


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """200 answers of 50 people in two groups, 80 coded; one question without a code."""
    rng = np.random.default_rng(0)
    coded = set(rng.permutation(180)[:80].tolist())
    lines = ["id,person,human,model,group,question"]
    for k in range(200):
        p = rng.random()
        code = str(int(rng.random() < p)) if k in coded else ""
        person = k % 50
        question = "late" if k >= 180 else f"q{k % 2}"
        lines.append(f"a{k},P{person},{code},{p:.3f},{'old' if person % 2 else 'young'},{question}")
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_file_alone(table: Path) -> None:
    code, out, err = run("prevalence", table)
    assert code == 0
    assert "question late  not measured" in out
    assert "question late: not measured: no answer of it is coded" in out
    assert "coder hours at 10 minutes an answer" in out
    assert "some questions are coded more often" not in out
    assert "taken as drawn at random" in err


def test_json(table: Path) -> None:
    code, out, _ = run("prevalence", "--json", table, "--minutes", 6)
    assert code == 0
    found = json.loads(out)
    low, high = found["interval"]
    assert low < found["estimate"] < high
    assert found["classical"]["interval"][1] - found["classical"]["interval"][0] > high - low
    assert found["coder_hours_saved"] == pytest.approx(found["codes_saved"] / 10)
    assert set(found["groups"]) == {"old", "young"}
    assert found["questions"]["late"]["estimate"] is None
    assert found["questions"]["late"]["reason"].startswith("not measured")
    assert {(one["of"], one["first"], one["second"]) for one in found["differences"]} == {
        ("group", "old", "young"),
        ("question", "late", "q0"),
        ("question", "late", "q1"),
        ("question", "q0", "q1"),
    }
    assert found["targets"]["people"]["interval"] == found["interval"]
    alone = json.loads(run("prevalence", table, "--target", "answers", "--json")[1])
    assert alone["estimate"] == found["estimate"]
    assert alone["interval"] == found["targets"]["answers"]["interval"]
    assert alone["interval"][1] - alone["interval"][0] < high - low


def test_codes_may_adjust_the_scores(table: Path) -> None:
    found = json.loads(run("prevalence", "--json", "--adjust", table)[1])
    assert found["adjusted"] is True
    assert found["weight_of_model"] == pytest.approx(1, abs=0.4)


def test_next_then_plan(table: Path, tmp_path: Path) -> None:
    out_file = tmp_path / "n.csv"
    code, out, err = run("prevalence", "next", table, "-n", 7, "--out", out_file)
    assert code == 0
    assert len(out.split()) == 7
    assert "code the 7 answers" in err
    assert run("prevalence", "next", table, "-n", 7, "--out", out_file)[0] == 3
    assert run("prevalence", out_file)[0] == 3
    code, out, _ = run("prevalence", "plan", table, "--half-width", 0.08)
    assert code == 0
    assert "For ±0.08: at least" in out
    found = json.loads(run("prevalence", "plan", table, "--half-width", 0.08, "--json")[1])
    codes = [one["codes"] for one in found["possibilities"]]
    assert codes == sorted(codes, reverse=True)
    assert found["these"]["answers"] == 200
    for bad in (0, 0.5, -1, "nan"):
        code, _, err = run("prevalence", "plan", table, "--half-width", bad)
        assert code == 3
        assert "between 0 and 0.5" in err


def test_help_and_misspelling(tmp_path: Path) -> None:
    assert "estimate" in run("prevalence", "--help")[1]
    code, out, _ = run("prevalence", "absent.csv", "--json")
    assert code == 3
    assert "no such file" in json.loads(out)["error"]["message"]


def test_a_folder_of_results_and_the_files_of_coders(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    rows = ["recording,subject,question,probability,path"]
    for k in range(40):
        rows.append(f"take{k},P{k // 2},{k % 2},{'' if k == 39 else (k % 10) / 10},take{k}.mp4")
    (results / "answers.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    coded = tmp_path / "anna"
    coded.mkdir()

    def write(k: int, *tiers: Tier) -> None:
        write_eaf(Annotations(f"take{k}", tiers, duration_s=9.0), coded / f"take{k}.eaf")

    for k in range(0, 24, 2):
        label = "A/H" if k % 3 else "no A/H"
        write(k, Tier("answer", (Mark(0, 9, label),), coder="anna"), Tier("ah", coder="anna"))
    write(25, Tier("ah", (Mark(1, 2, "A/H"),), coder="anna"))
    found = json.loads(run("prevalence", results, "--codes", coded, "--json")[1])
    assert found["coded"] == 13
    assert found["classical"]["estimate"] == pytest.approx(9 / 13)
    assert set(found["questions"]) == {"0", "1"}
    out = tmp_path / "next.csv"
    assert run("prevalence", "next", results, "--codes", coded, "-n", 5, "--out", out)[0] == 0
    for name in [line.split(",")[0] for line in out.read_text().splitlines() if line[-2:] == ",1"]:
        write(int(name[4:]), Tier("answer", (Mark(0, 9, "A/H"),), coder="anna"))
    found = json.loads(run("prevalence", out, "--codes", coded, "--json")[1])
    assert found["coded"] == 18

    write(39, Tier("answer", coder="anna"), Tier("ah", coder="anna"))
    code, _, err = run("prevalence", results, "--codes", coded)
    assert code == 3
    assert "neither an answer nor a segment, such as take39.eaf" in err
    write(39, Tier("answer", (Mark(0, 9, "A/H"),), coder="anna"))
    other = tmp_path / "bo"
    other.mkdir()
    differs = Tier("answer", (Mark(0, 9, "A/H"),), coder="bo")
    write_eaf(Annotations("take0", (differs,), duration_s=9.0), other / "take0.eaf")
    code, _, err = run("prevalence", results, "--codes", coded, "--codes", other)
    assert code == 3
    assert "coders differ about 1 recordings, such as 'take0'" in err
    write(77, Tier("answer", (Mark(0, 9, "A/H"),), coder="anna"))
    code, _, err = run("prevalence", results, "--codes", coded)
    assert code == 3
    assert "1 recordings are coded and have no row, such as 'take77'" in err
    assert "expected a folder of results" in run("prevalence", tmp_path)[2]
