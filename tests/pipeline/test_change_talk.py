"""The two sides of what is said, from a recording to its files."""

from __future__ import annotations

import csv
import json
import wave
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from twomind.annotations.eaf_read import read_eaf
from twomind.cli.main import main
from twomind.pipeline.annotate import CHANGE_TALK_TIER, from_results

SAID = """1
00:00:00,100 --> 00:00:04,000
I really want to stop smoking for my kids and my health.

2
00:00:04,200 --> 00:00:09,000
But I can't, it helps me relax after a stressful day. <b>I hate</b> the cost.
"""
GERMAN = "\n".join(
    ["1", "00:00:00,100 --> 00:00:08,000", "ich möchte nicht aufhören und ich kann es auch nicht"]
)


def recording(folder: Path, said: str) -> Path:
    path = folder / "a.wav"
    noise = np.random.default_rng(0).normal(size=160000) * 800
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(noise.astype("<i2").tobytes())
    (folder / "a.srt").write_text(said, encoding="utf-8")
    return path


def predicted(folder: Path, said: str, *more: str) -> Path:
    media = recording(folder, said)
    out = folder / "out"
    asked = ["predict", str(media), "--out", str(out), "--set", "workers=1", *more]
    found = CliRunner().invoke(main, asked)
    assert found.exit_code == 0, found.output
    return out / "a"


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of an answer that holds both sides."""
    return predicted(tmp_path_factory.mktemp("both"), SAID)


def test_quotes_times_and_sides_reach_every_file(answered: Path) -> None:
    folder = answered
    with open(folder / "change_talk.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["said"] for row in rows[:2]] == ["change", "sustain"]
    assert float(rows[1]["start_s"]) == pytest.approx(4.2)
    assert rows[0]["quote"].startswith("I really want")
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["change_talk"]["both_sides"]
    assert "language model" in summary["change_talk"]["model"]["labelled_by"]
    assert "change_talk.csv" in summary["files"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Both sides are spoken for." in page
    assert "labels by a language model" in page
    tiers = {tier.name: tier for tier in from_results(folder).tiers}
    assert [mark.label for mark in tiers[CHANGE_TALK_TIER].marks][:2] == ["change", "sustain"]


def test_the_table_of_answers_shares_the_clauses_out_among_the_sides(answered: Path) -> None:
    with open(answered.parent / "answers_wide.csv", encoding="utf-8", newline="") as file:
        [row] = csv.DictReader(file)
    assert int(row["change_talk_n_clauses"]) == 3
    shares = [
        row[f"change_talk_{side}"] for side in ("change", "sustain", "neutral", "cannot_tell")
    ]
    assert sum(map(float, shares)) == pytest.approx(1)
    assert 0 < float(row["change_talk_soft_sustain"]) < 1
    assert row["change_talk_reason"] == ""


@pytest.mark.parametrize("blind", [False, True])
def test_coders_get_the_sides_as_a_tier_unless_they_are_blind(
    answered: Path, tmp_path: Path, blind: bool
) -> None:
    asked = ["annotate", "export", str(answered.parent), "--out", str(tmp_path)]
    found = CliRunner().invoke(main, asked + ["--blind"] * blind)
    assert found.exit_code == 0, found.output
    [path] = tmp_path.glob("*.eaf")
    tiers = {tier.name: tier for tier in read_eaf(path).tiers}
    assert (CHANGE_TALK_TIER in tiers) is not blind
    if blind:
        assert "change talk" not in path.read_text(encoding="utf-8")
        return
    marks = tiers[CHANGE_TALK_TIER].marks
    with open(answered / "change_talk.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [mark.label for mark in marks] == [row["said"] for row in rows]
    for mark, row in zip(marks, rows, strict=True):
        assert mark.start_s == pytest.approx(float(row["start_s"]), abs=0.001)
        assert mark.end_s == pytest.approx(float(row["end_s"]), abs=0.001)


def test_the_score_is_the_same_without_it(answered: Path, tmp_path: Path) -> None:
    without = predicted(tmp_path, SAID, "--set", "change_talk.model=none")
    assert not (without / "change_talk.csv").exists()
    summaries = []
    for folder in (answered, without):
        summaries.append(json.loads((folder / "summary.json").read_text(encoding="utf-8")))
    assert "change_talk" not in summaries[1]
    assert summaries[0]["prediction"] == summaries[1]["prediction"]


def test_another_language_is_not_measured(tmp_path: Path) -> None:
    folder = predicted(tmp_path, GERMAN)
    assert not (folder / "change_talk.csv").exists()
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["change_talk"]["status"] == "not_measured"
    assert summary["change_talk"]["reason"]


def test_another_model_is_refused(tmp_path: Path) -> None:
    media = recording(tmp_path, SAID)
    out = tmp_path / "out"
    asked = ["predict", str(media), "--out", str(out), "--set", "change_talk.model=words"]
    found = CliRunner().invoke(main, [*asked, "--set", "workers=1"])
    assert found.exit_code != 0
    assert "change_talk.model" in found.output
