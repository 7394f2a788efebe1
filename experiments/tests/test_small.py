"""The small table of a result: the figures of the full file with their intervals, and none of a
person alone.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from .. import small


def read(text: str) -> tuple[list[str], dict[str, dict[str, str]]]:
    """The lines of the head, and the rows by their place."""
    lines = text.splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert len({row["where"] for row in rows}) == len(rows)
    return [line for line in lines if line.startswith("#")], {row["where"]: row for row in rows}


def a_line(gain: float) -> dict[str, Any]:
    people = {"p1": 0.25, "p2": 0.75}
    told = {
        "mean": gain,
        "ci": [gain - 0.1, gain + 0.1],
        "n_people": 2,
        "n_harmed": 1,
        "p_wilcoxon": 0.5,
    }
    return {
        "macro_f1": {"mean": 0.5, "ci": [0.4, 0.6], "people": people, "gain": told},
        "war": {"mean": 0.51234, "ci": [0.4, 0.6], "people": people},
    }


def test_a_study_keeps_what_its_page_shows() -> None:
    found = {
        "name": "personalise-x",
        "date": "2026-01-02",
        "commit": "abc",
        "studies": [
            {
                "dataset": "drawn bah",
                "n_people": 2,
                "orders": {
                    "shuffled": {"lines": {"source-only": a_line(0.0), "t3a": a_line(-0.12345)}}
                },
            }
        ],
    }
    head, rows = read(
        small.table(
            found, "x.json", "python -m experiments.personalise runs/*", "git show abc:x.json"
        )
    )
    assert "# date: 2026-01-02" in head
    assert "# commit: abc" in head
    assert "# command: python -m experiments.personalise runs/*" in head
    assert "# the full file: git show abc:x.json" in head
    gain = rows["drawn bah/shuffled/t3a/macro_f1/gain"]
    assert [gain[k] for k in ("value", "low", "high", "note")] == [
        "-0.123",
        "-0.223",
        "-0.023",
        "worse: 1/2",
    ]
    assert rows["drawn bah/shuffled/source-only/macro_f1"]["low"] == "0.4"
    assert "drawn bah/shuffled/t3a/macro_f1" not in rows
    assert (
        rows["drawn bah/shuffled/t3a/war"]["value"],
        rows["drawn bah/shuffled/t3a/war"]["low"],
    ) == ("0.512", "")
    assert not any("p1" in where or "wilcoxon" in where for where in rows)


@pytest.mark.parametrize(
    ("found", "where", "figure"),
    [
        ({"auc": 0.7, "ci": {"auc": [0.6, 0.8]}}, "x/auc", (0.7, 0.6, 0.8)),
        ({"gap_uar": 0.1, "gap_uar_95": [0.0, 0.2]}, "x/gap_uar", (0.1, 0.0, 0.2)),
        (
            {"people_harmed": 0.1, "people_harmed_interval": [0.0, 0.2]},
            "x/people_harmed",
            (0.1, 0.0, 0.2),
        ),
        ({"value": 0.1, "ci": [0.0, 0.2], "above": 3, "n": 4}, "x", (0.1, 0.0, 0.2)),
        ({"macro_f1": 0.5, "ci": [0.4, 0.6]}, "x/macro_f1", (0.5, None, None)),
    ],
)
def test_an_interval_is_found_by_its_names(
    found: dict[str, Any], where: str, figure: tuple[Any, ...]
) -> None:
    told = {f.where: f for f in small.figures({"x": found})}
    assert (told[where].value, told[where].low, told[where].high) == figure


def test_draws_above_zero_are_told() -> None:
    [told] = small.figures({"x": {"value": 0.1, "ci": [0.0, 0.2], "above": 3, "n": 4}})
    assert told.note == "above 0: 3/4"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.51234, "0.512"),
        (-0.0004123, "-0.00041"),
        (12.3456, "12.35"),
        (0.0, "0"),
        (True, "True"),
        (7, "7"),
        (None, ""),
    ],
)
def test_figures_are_written_short(value: object, text: str) -> None:
    assert small.short(value) == text


def test_tables_that_are_kept_are_small_and_say_where_they_are_from() -> None:
    files = sorted(small.FOLDER.glob("*"))
    assert files
    for path in files:
        head, rows = read(path.read_text(encoding="utf-8"))
        assert rows, path.name
        for key in ("name", "date", "commit", "command", "the full file"):
            assert any(line.startswith(f"# {key}: ") and line.split(": ", 1)[1] for line in head), (
                path.name,
                key,
            )


def test_results_that_are_kept_take_little_room() -> None:
    root = small.FOLDER.parent.parent
    kept = [
        p for folder in ("experiments", "benchmarks") for p in (root / folder / "results").glob("*")
    ]
    assert [p.name for p in kept if p.stat().st_size > 40_000] == []


def test_the_command_writes_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = tmp_path / "2026-01-02-abc-other.json"
    full.write_text(
        json.dumps({"name": "other", "date": "2026-01-02", "commit": "abc", "auc": 0.5})
    )
    monkeypatch.setattr("sys.argv", ["small", str(full), "--out", str(tmp_path / "kept")])
    small.main()
    _, rows = read((tmp_path / "kept" / "2026-01-02-abc-other.csv").read_text())
    assert rows["auc"]["value"] == "0.5"


def test_what_is_known_of_a_person_alone_is_never_kept() -> None:
    found = {
        "name": "other",
        "auc": 0.5,
        "people": {"p1": 0.1},
        "per_person": {"t3a": {"p1": 0.1}},
        "n_people": 1,
    }
    assert [f.where for f in small.kept("other", found)] == ["auc", "n_people"]
