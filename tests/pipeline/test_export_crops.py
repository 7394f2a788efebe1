"""Faces of a film as pictures: every frame, true times, parameters beside them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("mediapipe")

from twomind.cli.main import main
from twomind.datasets.frames import MILLISECONDS, FrameFolder

FILM = Path(__file__).parents[1] / "fixtures" / "v0_1" / "media" / "a2.mp4"


def _run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["export", "crops", *map(str, arguments), "--json"])
    return done.exit_code, done.stdout


def test_a_film_gives_a_folder_that_the_data_sets_read(tmp_path: Path) -> None:
    if not FILM.is_file():
        pytest.skip("no film of a face at hand")
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no film")
    code, said = _run(FILM, bad, "--out", tmp_path / "crops", "--px", 64)
    assert code == 7  # one failed, the other is done
    found = json.loads(said)
    assert list(found["failed"]) == [str(bad)]
    folder = tmp_path / "crops" / FILM.stem
    record = json.loads((folder / "crops.json").read_text("utf-8"))
    assert record["settings"]["px"] == 64
    assert len(record["times_s"]) + len(record["absent"]) > 0
    track = FrameFolder(folder, MILLISECONDS).track()
    assert track.values.shape[1:] == (64, 64, 3)
    times = sorted(record["times_s"].values())
    np.testing.assert_allclose(track.times_s, times, atol=0.0006)
    # Asked again, what is there stays.
    stamp = (folder / "crops.json").stat().st_mtime_ns
    assert _run(FILM, "--out", tmp_path / "crops", "--px", 64)[0] == 0
    assert (folder / "crops.json").stat().st_mtime_ns == stamp


def test_two_films_of_one_name_are_refused(tmp_path: Path) -> None:
    code, said = _run(tmp_path / "a" / "x.mp4", tmp_path / "b" / "x.mp4", "--out", tmp_path / "out")
    assert code == 3
    assert "two films are called 'x'" in said
