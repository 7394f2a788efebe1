"""Fusion from the command line: train, predict, and the challenge file."""

from __future__ import annotations

import csv
import importlib
import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from click.testing import CliRunner

from twomind import models as estimate
from twomind.cli.main import main
from twomind.core.seals import read_sealed
from twomind.models.fusion import recogniser as fusion
from twomind.models.fusion.net import FusionConfig
from twomind.training.fusion import fit
from twomind.training.loop import TrainSettings
from twomind.types import AMBIVALENCE

HERE = Path(__file__).parent.parent
world = importlib.import_module("fusion_world")
RECIPE = world.RECIPE


def _invoke(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.slow
def test_train_fusion_and_predict_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verb on a set in memory; then its folder on a synthetic film, whose segments are shown only
    if earned.
    """
    pytest.importorskip("cv2")
    from twomind import datasets
    from twomind.pipeline import fusion as fusion_pipeline
    from twomind_synth.people import draw_people

    data = world.FakeSet("words", 9, 3)
    out = tmp_path / "model"
    # Only while training: predict asks whether a film lies in a data set whose people refused to be
    # shown.
    with monkeypatch.context() as patch:
        patch.setattr(datasets, "open_dataset", lambda root, name=None: data, raising=False)
        patch.setattr(fusion_pipeline, "described", lambda recording, **_: data.describe(recording))
        code, text, said = _invoke(
            "train",
            "fusion",
            "--data",
            tmp_path,
            "--protocol",
            "people",
            "--model",
            "lfan",
            "--modalities",
            "voice,words",
            "--epochs",
            4,
            "--out",
            out,
            "--bootstrap",
            100,
            "--json",
        )
    assert code == 0, said
    assert json.loads(text)["runs"][0]["modalities"] == ["voice", "words"]
    assert "say nothing about real faces" in said
    draw_people(
        tmp_path / "films",
        n_people=1,
        seed=3,
        questions=(7,),
        size=(320, 240),
        voice="builtin",
        workers=1,
    )
    film = next((tmp_path / "films").rglob("*.mp4"))
    code, text, said = _invoke(
        "predict",
        film,
        "--model",
        out,
        "--out",
        tmp_path / "r",
        "--store",
        tmp_path / "s",
        "--question",
        7,
        "--json",
    )
    assert code == 0, said
    answer = json.loads(text)["answers"][0]
    assert 0 < answer["prediction"]["probability"] < 1
    model = estimate.load(out)
    shown = (tmp_path / "r" / film.stem / "segments.csv").exists()
    assert shown == model.locates[0] == answer["located"]["status"]
    # The same film as if a coder's data had let the model speak.
    card = read_sealed(out / "card.json")
    for locates in (True, False):
        card["located"] = {"locates": locates, "reason": "set by the test"}
        (out / "card.json").write_text(json.dumps(card))
        folder = tmp_path / f"r{locates}"
        code, *_ = _invoke(
            "predict", film, "--model", out, "--out", folder, "--store", tmp_path / "s"
        )
        assert code == 0
        assert (folder / film.stem / "segments.csv").exists() == locates
        assert (folder / film.stem / "frame_score.csv").exists() == locates
    rows = list(
        csv.DictReader(
            (tmp_path / "rTrue" / film.stem / "frame_score.csv").read_text().splitlines()
        )
    )
    assert len(rows) > 20
    assert float(rows[10]["absent"]) + float(rows[10]["present"]) == pytest.approx(1, abs=0.002)
    # Every other kind of model answers about the same film, and not all the same.
    found = {}
    train_items, val_items = (
        [t.item() for t in world.takes(p, "words", 2)] for p in (range(3), range(3, 5))
    )
    for kind in ("conflict", "plain", "can", "mt", "jmt", "mt-released", "jmt-released"):
        name, _, released = kind.partition("-")
        config = FusionConfig(name, released=bool(released))
        folder = tmp_path / kind
        fusion.save(
            fit(train_items, val_items, AMBIVALENCE, RECIPE, config, TrainSettings(epochs=1)),
            folder,
        )
        code, text, said = _invoke(
            "predict",
            film,
            "--model",
            folder,
            "--out",
            tmp_path / f"r-{kind}",
            "--store",
            tmp_path / "s",
            "--json",
        )
        assert code == 0, said
        found[kind] = json.loads(text)["answers"][0]["prediction"]["probability"]
    assert all(0 < p < 1 for p in found.values())
    assert len(set(found.values())) == len(found)


def _summary(folder: Path, name: str, p: float | None) -> None:
    (folder / name).mkdir(parents=True)
    prediction = {"probability": p, "reason": "" if p is not None else "no words"}
    entry = {
        "schema": "twomind.answer/1",
        "recording": name,
        "media": {"path": f"/x/{name}_film.mp4"},
    }
    (folder / name / "summary.json").write_text(json.dumps({**entry, "prediction": prediction}))


def test_submit_writes_the_challenge_file_and_invents_no_score(tmp_path: Path) -> None:
    for name, p in (("b", 0.75), ("a", 0.2)):
        _summary(tmp_path / "r", name, p)
    out = tmp_path / "s.csv"
    assert _invoke("score", "submit", tmp_path / "r", "--out", out)[0] == 0
    assert out.read_text() == "video_id,p0,p1,label\na,0.800000,0.200000,0\nb,0.250000,0.750000,1\n"
    _summary(tmp_path / "r", "c", None)
    out.unlink()
    code, _, said = _invoke("score", "submit", tmp_path / "r", "--out", out)
    assert code == 3
    assert "no words" in said
    assert not out.exists()
    (tmp_path / "v.txt").write_text("b_film\na_film\nc_film\nd_film\n")
    code, text, said = _invoke(
        "score",
        "submit",
        tmp_path / "r",
        "--out",
        out,
        "--videos",
        tmp_path / "v.txt",
        "--id",
        "file",
        "--fill",
        0.4,
        "--no-header",
        "--json",
    )
    assert code == 0, said
    assert json.loads(text)["filled"] == ["c_film", "d_film"]
    assert [line.split(",")[0] for line in out.read_text().splitlines()] == [
        "b_film",
        "a_film",
        "c_film",
        "d_film",
    ]
    assert _invoke("score", "submit", tmp_path / "nothing", "--out", out)[0] == 3
