"""A person who was enrolled for a method is adapted to without the clip; others are told what to do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("mediapipe")
pytest.importorskip("twomind_synth")

from twomind.adaptation.state import load_state  # noqa: E402
from twomind.cli.main import main  # noqa: E402
from twomind.models.dsfda import net  # noqa: E402
from twomind.models.dsfda.recogniser import Dsfda  # noqa: E402
from twomind.types import AMBIVALENCE  # noqa: E402

#: Several films are measured.
pytestmark = pytest.mark.slow

FILM = Path(__file__).parent.parent / "fixtures" / "v0_1" / "media" / "a2.mp4"
SIZE = net.Size(64, 2, 1, 4, 2, 1, (4, 4, 4))
QUICK = ("--set", "adapt.epochs=1")


def _model(folder: Path, seed: int = 0) -> Path:
    size = SIZE
    maps = torch.rand(4, size.depth, net.MAP, net.MAP, generator=torch.Generator().manual_seed(1))
    classes = torch.tensor([0, 0, 1, 1])
    weights = net.new_weights(size, 2, 3, seed)
    Dsfda(AMBIVALENCE, weights, size, maps, classes, drawn=True).save(folder)
    return folder


def _run(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, [str(word) for word in words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_from_enrolment_to_an_adapted_answer(tmp_path: Path) -> None:
    model, people, store = _model(tmp_path / "m"), tmp_path / "people", tmp_path / "store"
    known = ("--profiles", people, "--store", store)
    how = ("--model", model, "--adapt", "dsfda", *QUICK)
    code, _, said = _run("enrol", "P1", FILM, *known, "--force")
    assert code == 0, said
    ask = ("predict", FILM, "--person", "P1", *known, *how, "--json")
    # The profile holds numbers and no face: what is needed is said.
    code, _, said = _run(*ask, "--out", tmp_path / "a")
    assert code == 3, said
    assert "twomind enrol P1 CLIP" in said
    assert "--neutral CLIP" in said
    code, _, said = _run("enrol", "P1", FILM, *known, "--force", *how)
    assert code == 0, said
    state = people / "P1" / "states" / "start-dsfda.safetensors"
    tuned, meta = load_state(state)
    assert (meta["subject"], meta["method"]) == ("P1", "dsfda")
    # Weights of the networks and no picture of the person.
    assert set(tuned) == {"tuned"}
    code, out, said = _run(*ask, "--out", tmp_path / "b")
    assert code == 0, said
    enrolled = json.loads(out)["answers"][0]
    assert enrolled["adaptation"]["method"] == "dsfda"
    # It is what the clip itself gives.
    given = ("predict", FILM, "--neutral", FILM, "--store", store, *how, "--json")
    code, out, said = _run(*given, "--out", tmp_path / "c")
    assert code == 0, said
    by_clip = json.loads(out)["answers"][0]
    np.testing.assert_allclose(
        enrolled["prediction"]["probability"], by_clip["prediction"]["probability"], atol=1e-9
    )
    # Another model does not go on from it.
    other = ("--model", _model(tmp_path / "other", seed=7), "--adapt", "dsfda", *QUICK)
    code, _, said = _run(
        "predict", FILM, "--person", "P1", *known, *other, "--json", "--out", tmp_path / "d"
    )
    assert code != 0
    assert "enrolled with another model" in said + _
    # Erasing the person takes it away.
    code, _, said = _run("profile", "erase", "P1", *known, "--yes")
    assert not state.exists(), said
