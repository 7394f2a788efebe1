"""A person enrolled, adapted before use, saved: another process goes on identically; erased,
nothing is left.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("mediapipe", reason="the face extra is not installed")
from click.testing import CliRunner

from patience import HANG_S
from twomind.adaptation import load_method, stream
from twomind.adaptation.state import save_state
from twomind.adaptation.summary import class_means
from twomind.cli.main import main
from twomind.core.store import Store, content_hash, settings_hash
from twomind.features.describe import describe
from twomind.media.recording import open_recording
from twomind.models import load
from twomind.pipeline.adapt import Adaptation, People, mark_of, windows_for
from twomind.pipeline.profiles import state_path
from twomind.training import pft
from twomind.types import Example, Features, Given
from twomind_synth.enrol import draw_clip

SEED = 11
#: Method and settings. The films are short and of one person, so SHOT and NRC are told to take
#: them.
METHODS: dict[str, dict[str, Any]] = {
    "neutral-alignment": {},
    "neutral-threshold": {},
    "sfda-pft": {"learning_rate": 1e-2},
    "shot": {"force": True, "steps": 20},
    "nrc": {"force": True, "steps": 20, "k": 1, "kk": 1},
}
#: Answers of one state in a process that knows the files only. Nothing is handed over: it cannot
#: adapt anew.
ELSEWHERE = """
import json, sys
from pathlib import Path
from twomind.media.recording import open_recording
from twomind.features.describe import describe
from twomind.models import load
from twomind.adaptation import load_method, stream
from twomind.adaptation.state import load_state
from twomind.pipeline.adapt import windows_for
from twomind.core.store import Store

film, store, states = Path(sys.argv[1]), Store(Path(sys.argv[2])), json.loads(sys.argv[3])
model, recording = load("clip-au"), open_recording(film, subject="P1")
xs = windows_for(model, model.prepare(describe(recording, ("face",), store=store).features, recording, store))
found = {}
for method, (path, settings) in states.items():
    state, _ = load_state(Path(path))
    steps = stream(model, load_method(method, **settings), xs, state=state)
    found[method] = [[float(p).hex() for p in s.prediction.probs] for s in steps]
print(json.dumps(found))
"""


@dataclass(frozen=True)
class World:
    """The shipped model, films by name, and what the source site gave away."""

    model: Any
    films: dict[str, Path]
    summary: dict[str, np.ndarray]


def windows(model: Any, film: Path, store: Store, subject: str) -> list[Features]:
    recording = open_recording(film, subject=subject)
    made = describe(recording, ("face",), store=store)
    return windows_for(model, model.prepare(made.features, recording, store))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("films")
    wanted = {
        "neutral": ("neutral", 0),
        "answer": ("smile", 0),
        "before": ("frown", 0),
        "other": ("neutral", 3),
    }
    wanted |= {f"source-{kind}-{k}": (kind, k) for k in (1, 2) for kind in ("neutral", "frown")}
    films = {
        name: draw_clip(folder / f"{name}.mp4", kind, SEED, who, seconds=4.0, fps=5)
        for name, (kind, who) in wanted.items()
    }
    model, store = load("clip-au"), Store(tmp_path_factory.mktemp("source"))
    source = tuple(
        Example(x, int("frown" in name))
        for name, film in films.items()
        if name.startswith("source")
        for x in windows(model, film, store, name[-1])
    )
    return World(model, films, {**class_means(model, source), **pft.source_summary(model)(source)})


def run(*arguments: object) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(main, [*(str(a) for a in arguments), "--json"])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, json.loads(done.stdout)


def files(*folders: Path) -> list[Path]:
    return sorted(p for folder in folders for p in folder.rglob("*") if p.is_file())


def test_enrolled_adapted_reloaded_elsewhere_identical_and_erased(
    world: World, tmp_path: Path
) -> None:
    profiles, kept, store = tmp_path / "people", tmp_path / "states", Store(tmp_path / "store")
    model, films, mark = world.model, world.films, mark_of(world.model)
    where = ("--profiles", profiles, "--store", store.root)
    for person, film in (("P1", "neutral"), ("P2", "other")):
        assert run("enrol", person, films[film], *where)[0] == 0
    own = {
        name: windows(model, films[name], store, "P1") for name in ("neutral", "before", "answer")
    }
    calm = content_hash(films["neutral"])
    given = Given(
        seed=0,
        summary=world.summary,
        neutral=tuple(own["neutral"]),
        target=tuple(own["neutral"] + own["before"]),
    )
    before = np.stack([model.predict(x).probs for x in own["answer"]])
    states: dict[str, tuple[str, dict[str, Any]]] = {}
    wanted, learnt = {}, []
    for n, (method, settings) in enumerate(METHODS.items()):
        adapter = load_method(method, **settings)
        state = adapter.begin(model, given.only(adapter.needs))
        steps = list(stream(model, adapter, own["answer"], state=state))
        answered = np.stack([s.prediction.probs for s in steps])
        assert np.abs(answered - before).max() > 1e-6, (
            f"{method} changed nothing, so this would prove nothing"
        )
        wanted[method] = [[float(p).hex() for p in row] for row in answered]
        learnt += [v for v in _arrays(state) if v.size > 8]
        if n % 2:  # beside the profile, or in a folder of states that the store notes
            path = save_state(
                state_path(profiles, "P1", method), state, {"person": "P1", "model": mark}
            )
        else:
            folder = kept / method
            people = People(Adaptation(method, settings, state=folder))
            found = people.keep("P1", "neutral", calm, mark, state, calm)
            assert found is not None
            store.note_states("P1", folder)
            path = found
        states[method] = (str(path), settings)
    other = save_state(state_path(profiles, "P2", "few-shot"), {"x": np.ones(3)}, {"person": "P2"})

    command = [sys.executable, "-c", ELSEWHERE, films["answer"], store.root, json.dumps(states)]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=HANG_S)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == wanted

    notes = len(files(store.root))
    code, gone = run("profile", "erase", "P1", "--yes", *where)
    assert code == 0
    assert gone["states"] == len(METHODS)
    assert gone["store_entries_unclaimed"] == 0
    contents = [content_hash(films[name]) for name in own]
    needles = ["P1", settings_hash({"person": "P1"})]
    for content in contents:
        needles += [content, content[:12], settings_hash({"content": content})[:16]]
    for path in files(tmp_path):
        held = path.read_bytes()
        for needle in needles:
            assert needle.encode() not in held, f"{needle} is still in {path}"
            assert needle not in str(path.relative_to(tmp_path)), (
                f"{needle} is still the name of {path}"
            )
        for values in learnt:
            assert values.tobytes() not in held, f"what was learnt of P1 is still in {path}"
    # Of everybody else all stays: the profile, the state, and what was measured.
    assert other.is_file()
    assert run("profile", "show", "P2", "--profiles", profiles)[0] == 0
    assert store.made_from([content_hash(films["other"])])
    assert len(files(store.root)) < notes
    assert not kept.exists() or not files(kept)
    assert run("profile", "erase", "P1", "--yes", *where)[0] == 3


def _arrays(value: Any) -> list[np.ndarray]:
    """Every array and tensor of a state."""
    if isinstance(value, dict):
        return [a for v in value.values() for a in _arrays(v)]
    if isinstance(value, list | tuple):
        return [a for v in value for a in _arrays(v)]
    return [np.asarray(value)] if hasattr(value, "shape") else []


def test_predict_adapts_on_the_enrolled_clip_and_goes_on_in_another_process(
    world: World, tmp_path: Path
) -> None:
    store, films = tmp_path / "store", world.films
    where = ("--profiles", tmp_path / "people", "--store", store)
    assert run("enrol", "P1", films["neutral"], *where)[0] == 0
    how = (
        "--model",
        "clip-au",
        "--adapt",
        "neutral-threshold",
        "--neutral",
        films["neutral"],
        "--person",
        "P1",
    )
    how += ("--store", store)
    code, both = run("predict", films["before"], films["answer"], *how, "--out", tmp_path / "go")
    assert code == 0
    said = {a["recording"]: a["prediction"] for a in both["answers"]}
    assert said["answer"]["probability"] != said["answer"]["unadapted"]["probability"]
    state = ("--set", f"states.folder={tmp_path / 'states'}")
    assert run("predict", films["before"], *how, *state, "--out", tmp_path / "one")[0] == 0
    words = ["predict", films["answer"], *how, *state, "--out", tmp_path / "two", "--json"]
    code_ = "from twomind.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code_, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=True,
    )
    (answer,) = json.loads(done.stdout)["answers"]
    assert answer["prediction"]["probability"] == said["answer"]["probability"]
    assert answer["adaptation"]["recordings_before"] == 1
    assert run("profile", "erase", "P1", "--yes", *where)[1]["states"] == 2
    assert not files(tmp_path / "states", tmp_path / "people")
    assert not files(store / "features")
