"""Acted emotions from the voice: raw, relative to a neutral clip, relative to the own stream."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.evaluation import voices
from twomind.features.own_stream import less_running_median
from twomind.features.voice.track import NAMES, UNITS
from twomind.types import Track

pytest.importorskip("sklearn")

#: Speakers differ far more than emotions do.
USUAL_HZ = {"03": 100.0, "08": 220.0, "10": 120.0, "11": 180.0}
RAISED = {"W": 1.25, "T": 0.8, "N": 1.0}


def _track(hz: float) -> Track:
    n = 200
    values = np.zeros((n, len(NAMES)))
    values[:, NAMES.index("speech")] = 1
    values[:, NAMES.index("pitch")] = hz * (1 + 0.05 * np.sin(np.arange(n) / 9))
    values[:, NAMES.index("energy")] = -20
    values[::20, NAMES.index("syllable")] = 1
    return Track(values, np.arange(n) / 100, np.ones(n, bool), NAMES, UNITS)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def describe(path: Path, using: Any, **_: Any) -> Any:
        hz = USUAL_HZ[path.stem[:2]] * RAISED[path.stem[5]]
        return SimpleNamespace(
            features=SimpleNamespace(tracks={"voice": _track(hz)}, notes={}), voice={}
        )

    monkeypatch.setattr(voices, "describe", describe)
    monkeypatch.setattr(voices, "open_recording", lambda path: path)
    for speaker in USUAL_HZ:
        for text in range(1, 7):
            for letter in RAISED:
                (tmp_path / f"{speaker}a{text:02d}{letter}a.flac").touch()
    (tmp_path / "README.wav").touch()
    return tmp_path


def test_the_running_median_is_of_what_came_before() -> None:
    values = np.array([[1.0], [3.0], [np.nan], [5.0], [10.0]])
    relative, past = less_running_median(values, 2)
    assert past.tolist() == [False, False, True, True, True]
    assert np.isnan(relative[:3, 0]).all()
    assert relative[3:, 0].tolist() == [5.0 - 2.0, 10.0 - 3.0]
    changed = values.copy()
    changed[4] = 99.0
    again, _ = less_running_median(changed, 2)
    assert again[3, 0] == relative[3, 0], "what comes later counts for nothing"


def test_rows_are_compared_on_the_same_clips(folder: Path) -> None:
    found = voices.score_voices(folder, n_bootstrap=100)
    assert found["n_clips"] == 72
    assert found["classes"] == ["anger", "neutral", "sadness"]
    rows = found["rows"]
    assert rows["raw"]["n_clips"] == 72
    assert rows["raw"]["gain"] == 0.0
    assert rows["neutral_1"]["n_clips"] == 72 - 4
    assert rows["neutral_3"]["n_clips"] == 72 - 12
    assert rows["own_stream"]["n_clips"] == 72 - 20
    # Speakers differ, so that what is raised against the own neutral is told without a fault.
    assert rows["neutral_1"]["uar"] == 1.0
    assert rows["own_stream"]["uar"] > rows["own_stream"]["uar_raw_same_clips"] + 0.2
    assert rows["own_stream"]["gain_interval"][0] > 0


def test_the_order_is_explicit(folder: Path, tmp_path: Path) -> None:
    names = sorted(path.name for path in folder.glob("*.flac"))
    order = tmp_path / "order.txt"
    order.write_text("\n".join(reversed(names)))
    found = voices.score_voices(folder, order=order, n_bootstrap=100)
    assert found["order"] == "order.txt"
    order.write_text("\n".join(names[:-1]))
    with pytest.raises(BadInput, match=names[-1]):
        voices.score_voices(folder, order=order)


def test_what_cannot_be_scored_is_refused(folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("*.flac"):
        if path.name[:2] in ("03", "08"):
            path.unlink()
    with pytest.raises(BadInput, match="three speakers"):
        voices.score_voices(folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BadInput, match="PERSON_EMOTION"):
        voices.score_voices(empty)


def test_the_command_prints_one_json(folder: Path) -> None:
    done = CliRunner().invoke(main, ["score", "voice", str(folder), "--bootstrap", "100", "--json"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["rows"]["neutral_1"]["uar"] == 1.0
    table = CliRunner().invoke(main, ["score", "voice", str(folder), "--bootstrap", "100"])
    assert "running median" in table.stdout


def test_measures_of_a_whole_answer() -> None:
    found = dict(zip(voices.MEASURES, voices.voice_values(_track(200.0)), strict=True))
    assert found["pitch_median"] == pytest.approx(12 * np.log2(200.0), abs=0.3)
    assert found["syllables_per_s"] == pytest.approx(5.0)
    assert found["speech_s"] == pytest.approx(2.0)
    assert found["energy_sd"] == 0.0
    silent = _track(200.0)
    values = np.array(silent.values)
    values[:, NAMES.index("speech")] = 0
    none = voices.voice_values(Track(values, silent.times_s, silent.valid, NAMES, UNITS))
    assert np.isnan(none[:-1]).all()
