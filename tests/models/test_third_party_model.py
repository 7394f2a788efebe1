"""Models in a package outside the tree, written to the protocol alone: built, installed, and used
by ``predict``, the report, ``--adapt`` and scoring.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from patience import HANG_S
from scoring_world import Toy
from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.evaluation.run import RunOptions
from twomind.evaluation.run import run as score
from twomind.models import check, load
from twomind.types import AMBIVALENCE, Access, Features, Status, Track, Word

HERE = Path(__file__).parent
MEDIA = HERE.parent / "fixtures" / "v0_1" / "media"
TALK = (MEDIA / "clip-talking.mp4", "--transcript", MEDIA / "clip-talking.txt")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the package was installed into."""
    pytest.importorskip("setuptools")
    target = tmp_path_factory.mktemp("site")
    build = tmp_path_factory.mktemp("build") / "package"
    _copy(HERE / "third_party", build)
    alone = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    command = [sys.executable, "-m", "pip", "install", *alone, "--target", target, build]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=HANG_S
    )
    assert done.returncode == 0, done.stderr
    return target


def _copy(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture
def _there(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package can be imported in this process."""
    monkeypatch.syspath_prepend(str(installed))


def predict(store: Path, out: Path, *arguments: object, code: int = 0) -> dict:
    words = ["predict", *arguments, "--store", store, "--out", out, "--json"]
    done = CliRunner().invoke(main, [str(word) for word in words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.stderr
    found: dict = json.loads(done.stdout)
    return found


def probability(found: dict) -> float:
    return float(found["answers"][0]["prediction"]["probability"])


def test_a_model_is_used_by_its_name_without_torch(
    installed: Path, store: Path, tmp_path: Path
) -> None:
    """In a process of its own, as a user's."""
    program = (
        "import sys; from twomind.cli.main import main; main(sys.argv[1:], standalone_mode=False); "
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    arguments = ["predict", *TALK, "--model", "talkative", "--out", tmp_path, "--store", store]
    paths = [str(installed), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-c", program, *(str(a) for a in arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "clip-talking"
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    assert 0 < summary["prediction"]["probability"] < 1
    assert summary["model"]["name"] == "talkative"
    assert summary["located"]["reason"] == "somebody else never looked"
    report = (folder / "report.html").read_text("utf-8")
    assert "three friends of somebody else" in report
    assert "anything but showing that a model can come from elsewhere" in report
    assert "AUC 0.61" in report


@pytest.mark.usefixtures("_there")
def test_a_saved_model_is_found_by_its_folder(store: Path, tmp_path: Path) -> None:
    by_name = predict(store, tmp_path / "a", *TALK, "--model", "talkative")
    model = load("talkative")
    type(model)(usual=5.0).save(tmp_path / "kept")
    by_folder = predict(store, tmp_path / "b", *TALK, "--model", tmp_path / "kept")
    assert probability(by_folder) > probability(by_name)
    cannot = predict(store, tmp_path / "c", *TALK, "--model", "talkative", "--adapt", "t3a", code=3)
    assert cannot["error"]["kind"]


@pytest.mark.usefixtures("_there")
def test_a_trainable_model_is_adapted(store: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("mediapipe")
    film = MEDIA / "a2.mp4"
    plain = predict(store, tmp_path / "a", film, "--model", "face-line")
    model = load("face-line")
    model.save(tmp_path / "kept")
    how = ("--model", tmp_path / "kept", "--adapt", "t3a", "--person", "ana")
    states = tmp_path / "states"
    adapted = predict(store, tmp_path / "b", film, *how, "--set", f"states.folder={states}")
    assert adapted["answers"][0]["adaptation"]["method"] == "t3a"
    assert probability(plain) == pytest.approx(
        adapted["answers"][0]["prediction"]["unadapted"]["probability"], abs=1e-6
    )
    assert len(list(states.rglob("*.safetensors"))) == 1
    assert "t3a" in (tmp_path / "b" / "a2" / "report.html").read_text("utf-8")


@pytest.mark.usefixtures("_there")
def test_a_model_of_synthetic_people_refuses_a_real_recording() -> None:
    pytest.importorskip("torch")
    from twomind.models.base import complete

    whole = complete(load("face-line"))
    assert whole.synthetic
    real = faces(0, drawn=False)
    with pytest.raises(BadInput, match="real person"):
        whole.predict(real)
    assert whole.allowing_drawn().predict(real).status is Status.OK


@pytest.mark.usefixtures("_there")
@pytest.mark.parametrize("name", ["talkative", "face-line"])
def test_it_keeps_the_contract(name: str) -> None:
    if name == "face-line":
        pytest.importorskip("torch")
    model = load(name)
    said = tuple(Word(f"w{k}", k * 1.0, k + 0.5) for k in range(18))
    xs = [replace(faces(seed), words=said[seed:]) for seed in (0, 1)]
    check.check_model(model, xs)


def faces(seed: int, drawn: bool = True) -> Features:
    values = np.random.default_rng(seed).uniform(size=(20, 3)).astype(np.float32)
    track = Track(
        values, np.arange(20) / 10, np.ones(20, bool), ("AU01", "AU12", "AU26"), ("",) * 3
    )
    return Features("r", "s", {"face": track}, (0.0, 2.0), drawn=drawn)


@pytest.mark.usefixtures("_there")
@pytest.mark.parametrize(("name", "method"), [("talkative", "source-only"), ("face-line", "t3a")])
def test_it_is_scored(name: str, method: str, tmp_path: Path) -> None:
    if name == "face-line":
        pytest.importorskip("torch")
    data = Toy(tasks=(AMBIVALENCE,))
    model = load(name)
    recordings = {one.id: one for one in data.recordings()}

    def features(recording: str) -> Features:
        one = recordings[recording]
        x = faces(sum(map(ord, recording)))
        return replace(x, recording=one.id, subject=one.subject, words=one.words)

    (fold,) = data.folds("all", 0)
    options = RunOptions(AMBIVALENCE, allowed=Access.SOURCE, reset="person", out=tmp_path)
    found = score(fold, data, features, model, method, options)
    assert len(found.rows["recording"].y) == len(fold.test)
    assert np.isfinite(found.rows["recording"].probs).all()
    assert len(list(tmp_path.rglob("run.json"))) == 1
