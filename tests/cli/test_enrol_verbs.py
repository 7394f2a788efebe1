"""Enrolling people: contaminated clips refused, the profile used, reloaded elsewhere, and erased
without a trace.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("mediapipe", reason="the face extra is not installed")

from twomind.adaptation import load_method
from twomind.adaptation.state import save_state
from twomind.cli.main import main
from twomind.core.store import Store, content_hash
from twomind.features.profile import read_profile
from twomind.models.words.recogniser import load
from twomind.pipeline.profiles import state_path
from twomind.types import Given
from twomind_synth.enrol import draw_clip

SEED = 11


def run(*arguments: object) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(main, [*(str(a) for a in arguments), "--json"])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, json.loads(done.stdout)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    kinds = ("neutral", "smile", "mute_talking", "dark")
    found = {
        kind: draw_clip(folder / f"{kind}.mp4", kind, SEED, 0, seconds=3.5, fps=10)
        for kind in kinds
    }
    return found | {
        "short": draw_clip(folder / "short.mp4", "neutral", SEED, 0, seconds=1.5, fps=10)
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


def names(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file()]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("smile", "smile comes and goes"),
        ("mute_talking", "speech: the lips"),
        ("dark", "quality"),
        ("short", "length"),
    ],
)
def test_a_contaminated_clip_is_refused_with_the_reason(
    clips: dict[str, Path], store: Path, tmp_path: Path, kind: str, reason: str
) -> None:
    code, found = run("enrol", "P1", clips[kind], "--profiles", tmp_path / "p", "--store", store)
    assert code == 3
    assert reason in found["error"]["message"]
    assert not names(tmp_path), "nothing may be written of a refused clip"


def test_a_spoken_neutral_answer_is_taken_and_a_refusal_says_how(
    clips: dict[str, Path], store: Path, tmp_path: Path
) -> None:
    talking = draw_clip(tmp_path / "talking.mp4", "talking", SEED, 0, seconds=3.5, fps=10)
    command = ("enrol", "P1", talking, "--profiles", tmp_path / "p", "--store", store)
    code, found = run(*command)
    assert code == 3
    assert "What to change:" in found["error"]["message"]
    assert "add --spoken" in found["error"]["message"]
    code, found = run(*command, "--spoken")
    assert code == 0
    [visit] = found["visits"]
    assert (visit["spoken"], visit["not_neutral"]) == (True, [])
    assert found["clips"][0]["remarks"], "speech moves the face, and that is told"
    code, found = run("enrol", "P1", clips["smile"], *command[3:], "--spoken")
    assert code == 3, "nobody talks in it"
    assert "smile comes and goes" in found["error"]["message"]
    assert "add --spoken" not in found["error"]["message"]


def test_force_keeps_it_and_says_so(clips: dict[str, Path], store: Path, tmp_path: Path) -> None:
    code, found = run(
        "enrol", "P1", clips["smile"], "--force", "--profiles", tmp_path, "--store", store
    )
    assert code == 0
    assert found["visits"][0]["not_neutral"]
    assert "not neutral" in read_profile(tmp_path / "P1" / "profile.json").named("face")


def test_enrolled_used_reloaded_moved_and_erased(clips: dict[str, Path], tmp_path: Path) -> None:
    profiles, store, out = tmp_path / "p", tmp_path / "store", tmp_path / "out"
    code, found = run("enrol", "P1", clips["neutral"], "--profiles", profiles, "--store", store)
    assert code == 0
    assert found["visits"][0]["seconds"]["face"] > 3

    # The same profile in another process.
    program = (
        "import sys; from pathlib import Path; from twomind.features.profile import read_profile\n"
    )
    program += "print(repr(sorted(read_profile(Path(sys.argv[1])).neutral('face').items())))"
    path = profiles / "P1" / "profile.json"
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == repr(sorted(read_profile(path).neutral("face").items()))

    # Relative to the profile: the neutral clip itself lies at zero, raw values are those without a
    # profile.
    options = ("--person", "P1", "--profiles", profiles, "--store", store, "--out", out)
    assert run("describe", clips["neutral"], *options)[0] == 0
    rows = (out / "neutral" / "measures.csv").read_text().splitlines()
    smile = [r.split(",") for r in rows if ",AU04," in r]
    assert abs(np.median([float(r[6]) for r in smile])) < 1e-3
    assert abs(np.median([float(r[5]) for r in smile])) > 1e-3
    assert any("profile of P1: 1 visit" in r for r in rows)

    # Exported, imported elsewhere, equal.
    assert run("profile", "export", "P1", tmp_path / "P1.json", "--profiles", profiles)[0] == 0
    assert (
        run("profile", "import", "P1", tmp_path / "P1.json", "--profiles", tmp_path / "q")[0] == 0
    )
    assert read_profile(tmp_path / "q" / "P1" / "profile.json") == read_profile(path)
    assert (
        run("profile", "import", "P2", tmp_path / "P1.json", "--profiles", tmp_path / "q")[0] == 3
    )

    # Another person stays; a saved state of P1 that lies elsewhere goes too.
    state = load_method("few-shot").begin(load(), Given(few=()))
    save_state(state_path(profiles, "P1", "few-shot"), state, {"person": "P1"})
    save_state(profiles / "loose.safetensors", state, {"person": "P1"})
    save_state(profiles / "kept.safetensors", state, {"person": "P2"})
    mark = content_hash(clips["neutral"])
    keys = [key for v in read_profile(path).visits for _, key in v.entries]
    assert any(key in p.name for p in names(store) for key in keys)
    code, gone = run("profile", "erase", "P1", "--yes", "--profiles", profiles, "--store", store)
    assert code == 0
    assert gone["states"] == 2
    assert gone["store_entries"] >= 1
    assert [p.name for p in names(profiles)] == ["kept.safetensors"]
    for needle in ("P1", mark, mark[:12], *keys):
        for p in (*names(profiles), *names(store)):
            assert needle.encode() not in p.read_bytes(), f"{needle} is still in {p}"
            assert needle not in str(p.relative_to(tmp_path)), f"{needle} is still the name of {p}"
    assert run("profile", "show", "P1", "--profiles", profiles)[0] == 3


def test_enrolled_in_a_study_and_moved_to_another(
    clips: dict[str, Path], store: Path, tmp_path: Path
) -> None:
    where = ("--profiles", tmp_path / "p")
    code, found = run("enrol", "P7", clips["neutral"], *where, "--study", "pain", "--store", store)
    assert code == 0
    path = tmp_path / "p" / "@pain" / "P7" / "profile.json"
    assert (found["study"], Path(found["file"])) == ("pain", path)
    assert Store(store, "pain").noted("P7")[0]
    assert not Store(store).noted("P7")[0]
    assert run("profile", "show", *where)[1] == {
        "people": [],
        "folder": str(tmp_path / "p"),
        "studies": ["pain"],
    }
    assert run("profile", "export", "P7", tmp_path / "P7.json", *where)[0] == 3
    assert run("profile", "export", "P7", tmp_path / "P7.json", *where, "--study", "pain")[0] == 0
    assert (
        run("profile", "import", "P7", tmp_path / "P7.json", *where, "--study", "stress")[1][
            "study"
        ]
        == "stress"
    )
    assert read_profile(tmp_path / "p" / "@stress" / "P7" / "profile.json") == read_profile(path)
    assert run("profile", "erase", "P7", "--yes", *where, "--store", store)[0] == 3
    assert run("profile", "erase", "P7", "--yes", *where, "--store", store, "--study", "pain")[1][
        "also_known_in"
    ] == ["stress"]
    assert not path.parent.exists()


def test_bad_names_and_contradicting_options_are_refused(
    clips: dict[str, Path], store: Path, tmp_path: Path
) -> None:
    assert run("enrol", "../x", clips["neutral"], "--profiles", tmp_path, "--store", store)[0] == 3
    (tmp_path / "m.csv").write_text(f"path,subject\n{clips['neutral']},P2\n")
    where = ("--person", "P1", "--out", tmp_path / "o", "--store", store)
    code, found = run("describe", "--manifest", tmp_path / "m.csv", *where)
    assert code == 3
    assert "--profiles" in json.dumps(found)
    code, found = run("describe", clips["neutral"], *where, "--profiles", tmp_path / "nobody")
    assert code == 3
    assert "not enrolled" in json.dumps(found)


def test_a_person_is_who_speaks_and_a_profile_may_be_a_file(
    clips: dict[str, Path], store: Path, tmp_path: Path
) -> None:
    where = ("--store", store, "--out", tmp_path / "o")
    people = ("--profiles", tmp_path / "people")
    film = clips["neutral"]
    assert run("describe", film, "--person", "P1", *where)[0] == 0
    rows = (tmp_path / "o" / "answers.csv").read_text().splitlines()
    assert rows[1].split(",")[1] == "P1"
    assert run("enrol", "P1", film, *people, "--store", store)[0] == 0
    values = {}
    for name, profile in (("folder", people), ("file", ("--profiles", tmp_path / "P1.json"))):
        if name == "file":
            assert run("profile", "export", "P1", tmp_path / "P1.json", *people)[0] == 0
        out = tmp_path / name
        code, _ = run("describe", film, "--person", "P1", *profile, "--store", store, "--out", out)
        assert code == 0
        values[name] = (out / film.stem / "measures.csv").read_text()
    assert values["folder"] == values["file"]
    assert "profile" in values["file"]
