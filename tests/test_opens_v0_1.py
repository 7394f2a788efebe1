"""What version 0.1 wrote is opened, used and erased by this version: profiles, states, models,
runs, store, results.

The files are in ``tests/fixtures/v0_1``, with what the frozen wheel itself said about them
(``expected.json``). Everybody in them is drawn. They are never made anew: a change that cannot read
them breaks what users keep.
"""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from twomind.cli.main import main
from twomind.core.store import Store, content_hash, read_arrays
from twomind.evaluation.runs import find_runs, load_run, save_run

KEPT = Path(__file__).parent / "fixtures" / "v0_1"
EXPECTED = json.loads((KEPT / "expected.json").read_text(encoding="utf-8"))
#: State folder → how the method was set when the state was kept.
STATES: dict[str, tuple[str, ...]] = {
    "tta-cap": (),
    "t3a": (),
    "tda": (),
    "boost-adapter": (),
    "guarded": ("--set", "adapt.method=tda"),
    "neutral-alignment": ("--neutral", "media/a2.mp4"),
    "neutral-threshold": ("--neutral", "media/a2.mp4"),
}
#: Hashes (their first digits) of the recordings of ana: two films and two clips.
MARKS = ("1054fcca373cff1e", "1aadd570f898c765", "836ea072899c32ee", "e406a71ef322c454")
BEN = "eaad9a45042594da"


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files, as the current folder: the paths in them are relative to it."""
    folder = tmp_path / "v0_1"
    shutil.copytree(KEPT, folder)
    monkeypatch.chdir(folder)
    return folder


def run(*arguments: object, code: int = 0) -> dict[str, Any]:
    done = CliRunner().invoke(main, [*(str(a) for a in arguments), "--json"])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def probability(*arguments: object) -> float:
    found = run("predict", *arguments, "--store", "store", "--person", "ana", "--out", "answer")
    return float(found["answers"][0]["prediction"]["probability"])


def files(*folders: str) -> list[Path]:
    return sorted(p for folder in folders for p in Path(folder).rglob("*") if p.is_file())


def numbers(shown: dict[str, Any], before: str = "") -> dict[str, float]:
    """Nested numbers by their path; what is not known as nan."""
    flat: dict[str, float] = {}
    for name, value in shown.items():
        where = f"{before}/{name}"
        if isinstance(value, dict):
            flat |= numbers(value, where)
        else:
            flat[where] = math.nan if value is None else float(value)
    return flat


def needs_models() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("mediapipe")


# --- profiles
# --------------------------------------------------------------------------------------------------------


def test_a_profile_is_shown_as_the_old_version_showed_it(old: Path) -> None:
    found = run("profile", "show", "ana", "--profiles", "profiles")
    shown, then = numbers(found["neutral"]), numbers(EXPECTED["neutral"])
    assert shown == pytest.approx(then, rel=1e-12, nan_ok=True)
    assert [v["spoken"] for v in found["visits"]] == [False, True]
    assert run("profile", "show", "--profiles", "profiles")["studies"] == ["pain"]
    run("profile", "export", "ana", "ana.json", "--profiles", "profiles")
    run("profile", "import", "ana", "ana.json", "--profiles", "elsewhere")
    assert run("profile", "show", "ana", "--profiles", "elsewhere")["neutral"] == found["neutral"]


def test_values_are_relative_to_an_old_profile(old: Path) -> None:
    pytest.importorskip("mediapipe")
    run(
        "describe",
        "media/a2.mp4",
        "--person",
        "ana",
        "--profiles",
        "profiles",
        "--store",
        "store",
        "--out",
        "out",
    )
    with open("out/a2/measures.csv", newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["measure"] == "AU04" and r["valid"] == "true"]
    assert rows[0]["neutral"] == "profile of ana: 2 visits, 7.0 s, clip not neutral"
    centre = EXPECTED["neutral"]["face"]["AU04"]["centre"]
    less = [float(r["value"]) - float(r["relative"]) for r in rows]
    np.testing.assert_allclose(less, centre, atol=2e-4)  # four digits are written
    assert abs(centre) > 0.01, "a profile of zeros would prove nothing"


# --- models
# ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["words", "fusion"])
def test_an_old_model_predicts_what_it_predicted(
    old: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the same values: 0.1 did not put words where they are heard, as this version does where
    the extra ``align`` is installed.
    """
    needs_models()
    monkeypatch.setattr("twomind.transcripts.align.can_align", lambda: False)
    talk = ("media/clip-talking.mp4", "--transcript", "media/clip-talking.txt", "--question", "7")
    assert probability(*talk, "--model", f"models/{model}") == pytest.approx(
        EXPECTED["models"][model], abs=1e-6
    )


def test_an_old_clip_au_predicts_what_it_predicted(old: Path) -> None:
    needs_models()
    found = probability("media/a2.mp4", "--model", "models/clip-au")
    assert found == pytest.approx(EXPECTED["models"]["clip-au"], abs=1e-6)


# --- states
# ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", STATES)
def test_an_old_state_goes_on(old: Path, method: str) -> None:
    """After the film that the state has seen comes another; alone, that film would get another
    answer.
    """
    needs_models()
    how = ("media/a2.mp4", "--model", "models/clip-au", "--adapt", method, *STATES[method])
    found = probability(*how, "--set", f"states.folder=states/{method}")
    assert found == pytest.approx(EXPECTED["states"][method], abs=1e-6)
    assert [p.name for p in files(f"states/{method}")] == [
        "00001-a1.safetensors",
        "00002-a2.safetensors",
    ]


def test_an_old_state_of_a_fusion_model_goes_on(old: Path) -> None:
    needs_models()
    how = (
        "media/a2.mp4",
        "--model",
        "models/fusion",
        "--transcript",
        "media/clip-talking.txt",
        "--adapt",
        "t3a",
    )
    found = probability(*how, "--set", "states.folder=states/fusion-t3a")
    assert found == pytest.approx(EXPECTED["states"]["fusion-t3a"], abs=1e-6)


# --- runs
# ------------------------------------------------------------------------------------------------------------


def test_old_runs_are_read_written_again_and_put_on_a_page(old: Path, tmp_path: Path) -> None:
    folders = find_runs([Path("runs")])
    assert len(folders) == 5
    for number, folder in enumerate(folders):
        again = save_run(load_run(folder), tmp_path / str(number))
        before, after = (
            json.loads((f / "run.json").read_text(encoding="utf-8")) for f in (folder, again)
        )
        assert after["figures"] == before["figures"] != {}
        for entry in (before, after):
            # The file of the predictions carries sums of its own now.
            del entry["key"], entry["predictions_sha256"]
        # A run names the laboratory that it came from, where it came in a bundle.
        assert after.pop("place") == ""
        assert after == before
        written, read = (read_arrays(f / "predictions.safetensors")[0] for f in (again, folder))
        assert written.keys() == read.keys()
        for name, values in read.items():
            np.testing.assert_array_equal(written[name], values)
    run("score", "report", "runs/personalise", "--out", "board", "--bootstrap", "100")
    assert "neutral-alignment" in Path("board/leaderboard.md").read_text(encoding="utf-8")
    run("score", "report", "runs/words", "--out", "board-words", "--bootstrap", "100")


# --- the store
# -------------------------------------------------------------------------------------------------------


def test_entries_without_sums_count_as_absent_and_notes_are_read(old: Path) -> None:
    store = Store(Path("store"))
    entries = files("store/features")
    assert len(entries) == 8
    for path in entries:
        assert read_arrays(path)[0]
        assert store.get(path.parent.parent.name, path.stem) is None
    marks, folders = store.noted("ana")
    assert marks == set(MARKS)
    assert len(folders) == len(STATES) + 1
    assert Store(Path("store"), "pain").noted("ben")[0] == {BEN}


def test_old_entries_are_not_mistaken_for_those_of_this_version(old: Path) -> None:
    """Beside old entries a film is measured as in an empty store, and the old entries stay as they
    are.
    """
    pytest.importorskip("mediapipe")
    before = {p: p.read_bytes() for p in files("store/features")}
    for store in ("store", "empty"):
        run("describe", "media/a2.mp4", "--store", store, "--out", f"out-{store}")
    beside, alone = (Path(f"out-{s}/a2/measures.csv").read_bytes() for s in ("store", "empty"))
    assert beside == alone
    assert all(p.read_bytes() == data for p, data in before.items())


# --- results
# ---------------------------------------------------------------------------------------------------------


def test_an_old_results_folder_goes_to_coders_and_to_the_challenge(old: Path) -> None:
    run("annotate", "export", "results", "--to", "eaf", "--out", "eaf")
    (path,) = files("eaf")
    run("annotate", "import", path, "--out", "marks.csv")
    with open("marks.csv", newline="", encoding="utf-8") as file:
        marked = {r["label"] for r in csv.DictReader(file) if r["tier"] == "cue"}
    assert {"capability", "change talk"} <= marked
    run("score", "submit", "results", "--out", "submission.csv")
    p = json.loads(Path("results/clip-talking/summary.json").read_text(encoding="utf-8"))[
        "prediction"
    ]["probability"]
    assert Path("submission.csv").read_text().splitlines()[1].split(",")[:2] == [
        "clip-talking",
        f"{1 - p:.6f}",
    ]


# --- erasure
# ---------------------------------------------------------------------------------------------------------


def test_a_person_of_the_old_version_is_erased_without_a_trace(old: Path) -> None:
    where = ("--profiles", "profiles", "--store", "store")
    assert any(mark in p.name for mark in MARKS for p in files("store"))
    gone = run("profile", "erase", "ana", "--yes", *where, "--state", "states")
    assert (len(gone["visits"]), gone["states"], gone["store_entries"]) == (2, len(STATES) + 1, 7)
    left = files("profiles", "store", "states")
    # One clip's whole hash stands in the profile that is gone; the marks are the digits that
    # entries begin with.
    visits = [
        v["content"] for v in json.loads((KEPT / "profiles/ana/profile.json").read_text())["visits"]
    ]
    for needle in ("ana", "v0_1/states", *MARKS, *visits, *(v[:12] for v in visits)):
        for path in left:
            assert needle not in path.as_posix()
            assert needle.encode() not in path.read_bytes(), f"{needle} is still in {path}"
    run("profile", "show", "ana", "--profiles", "profiles", code=3)

    # The other person, of a study, is untouched, and then goes too.
    assert {p.name for p in left if p.suffix in (".json", ".safetensors")} >= {"profile.json"}
    assert any(BEN in p.name for p in left)
    run("profile", "erase", "ben", "--yes", *where, "--study", "pain")
    assert [p.as_posix() for p in files("profiles", "store", "states")] == ["store/studies/pain"]


def test_one_recording_of_the_old_version_is_erased(old: Path) -> None:
    film = Path("media/clip-talking.mp4")
    mark = next(m for m in MARKS if any(m in p.name for p in files("store/features/voice")))
    gone = run(
        "profile",
        "erase",
        "ana",
        "--yes",
        "--profiles",
        "profiles",
        "--store",
        "store",
        "--state",
        "states",
        "--recording",
        film,
    )
    assert gone["visits"] == [content_hash(film)[:12]]
    assert gone["states"] == len(STATES) + 1, "they may have been learnt relative to the clip"
    assert not any(mark in p.name for p in files("store"))
    assert len(run("profile", "show", "ana", "--profiles", "profiles")["visits"]) == 1
