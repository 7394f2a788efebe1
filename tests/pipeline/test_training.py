"""Models trained from a folder by one call: on crops or films, one bad file costs only itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.datasets.biovid import fake
from twomind.pipeline import training

pytest.importorskip("torch")
pytest.importorskip("twomind_synth")

PEOPLE = ("010101_w_30", "020202_m_41", "030303_w_52", "040404_m_23", "050505_w_60")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("biovid")
    fake(folder, people=PEOPLE, n_clips=3, n_frames=12)
    # Of one clip every crop is damaged, of another one crop, and a third has a film alone.
    crops = folder / "sub_red_classes_img" / PEOPLE[0]
    for path in (crops / f"{PEOPLE[0]}-BL1-081").iterdir():
        path.write_bytes(path.read_bytes()[:40])
    (crops / f"{PEOPLE[0]}-BL1-082" / "image2080.jpg").write_bytes(b"")
    shutil.rmtree(crops / f"{PEOPLE[0]}-BL1-083")
    return folder


def _asked(verb: str, root: Path, out: Path, *more: str) -> list[str]:
    return ["train", verb, "--data", str(root), "--out", str(out), "--json", *more]


def _run(asked: list[str]) -> dict[str, object]:
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_clip_au_and_its_translator(root: Path, tmp_path: Path) -> None:
    store = ("--store", str(tmp_path / "store"))
    asked = _asked("clip-au", root, tmp_path / "au", "--encoder", "face-text", "--epochs", "1")
    found = _run([*asked, "--set", "data.faces=crops", *store, "--device", "cpu"])
    assert found["synthetic"] is True
    assert found["epochs"] == 1
    assert found["device"] == "cpu"
    skipped = {one["recording"] for one in found["skipped"]}
    assert f"{PEOPLE[0]}-BL1-083" in skipped  # it has no crops, and films were left out
    files = {path.name for path in (tmp_path / "au").iterdir()}
    assert {"card.json", "clip_au.safetensors", "clip_au_summary.safetensors"} <= files
    asked = _asked("sfda-pft", root, tmp_path / "pft", "--model", str(tmp_path / "au"))
    _run([*asked, "--set", "data.faces=crops", *store])
    from twomind.models.clip_au.recogniser import ClipAu

    summary = ClipAu.load(tmp_path / "pft").source_summary()
    assert summary is not None
    assert any(name.startswith("pft.corrected.") for name in summary)


def test_dsfda_on_crops_is_compared_and_predicts(root: Path, tmp_path: Path) -> None:
    asked = _asked("dsfda", root, tmp_path / "model", "--size", "tiny", "--epochs", "1")
    more = ("--set", "train.per_recording=2", "--set", "data.faces=crops")
    found = _run([*asked, *more])
    assert found["n_people"] == len(PEOPLE)
    # On the same board as the others, from crops; the model is adapted from neutral clips.
    out = tmp_path / "board"
    asked = ["score", "personalise", "--data", str(root), "--protocol", "targets-2"]
    asked += ["--model", str(tmp_path / "model"), "--methods", "dsfda:epochs=1", "--workers", "1"]
    asked += ["--set", "data.faces=crops", "--out", str(out), "--store", str(tmp_path / "store")]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    board = json.loads((out / "shuffled" / "leaderboard.json").read_text("utf-8"))
    assert "dsfda" in json.dumps(board)


def test_what_cannot_be_trained_says_so(root: Path, tmp_path: Path) -> None:
    place = training.Place(tmp_path / "out", tmp_path / "store")
    with pytest.raises(BadInput, match="--data FOLDER"):
        training.train_dsfda(training.TrainDsfda(), place)
    data = training.DataSettings(root, fold="nobody")
    with pytest.raises(BadInput, match=r"goes with data\.protocol"):
        training.train_dsfda(training.TrainDsfda(data), place)
    data = training.DataSettings(root, protocol="targets-2", fold="nobody")
    with pytest.raises(BadInput, match="no fold 'nobody'; there is"):
        training.train_dsfda(training.TrainDsfda(data), place)
    with pytest.raises(BadInput, match="--model FOLDER"):
        training.train_pft(training.TrainPft(training.DataSettings(root)), place)
