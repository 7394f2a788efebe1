"""The two sides of what is said, from a recording to its files."""

from __future__ import annotations

import csv
import json
import wave
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

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


def test_quotes_times_and_sides_reach_every_file(tmp_path: Path) -> None:
    folder = predicted(tmp_path, SAID)
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


def test_the_score_is_the_same_without_it(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with_it = predicted(tmp_path, SAID)
    without = predicted(tmp_path / "b", SAID, "--set", "change_talk.model=none")
    assert not (without / "change_talk.csv").exists()
    summaries = []
    for folder in (with_it, without):
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
