"""``predict --model clip-au --adapt``: what it refuses, whose state is whose, and that live frames
give the same.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("mediapipe")
from click.testing import CliRunner

import face_films
from patience import HANG_S
from twomind.adaptation import Given, load_method, stream
from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.core.store import Store
from twomind.encoders.frames import live_windows
from twomind.media import stream as media
from twomind.media.recording import open_recording
from twomind.models import load
from twomind.pipeline.adapt import read_settings, windows_for
from twomind_synth.face import Camera, FaceState, Person, draw
from twomind_synth.film import FilmSettings, encode

SIZE = (320, 240)
#: Every window is remembered, and looked up: so short films would pass none of the default's gates.
EAGER = ("--set", "adapt.gates=", "--set", "adapt.empty_class=released")


def film(path: Path, seed: int, seconds: float = 5.0) -> Path:
    """A synthetic face that moves at random, at 12 frames/s, without sound."""
    rng = np.random.default_rng(seed)
    settings = FilmSettings(*SIZE, 12, "builtin", crf=23, preset="ultrafast")
    person, camera = Person(), Camera(*SIZE, noise=0.0)
    strength = np.abs(np.cumsum(rng.normal(0, 0.25, (int(seconds * 12), 3)), axis=0)) % 1.0
    states = (FaceState(aus={"AU01": a, "AU12": b, "AU26": c}) for a, b, c in strength.tolist())
    encode(path, (draw(person, state, camera, i) for i, state in enumerate(states)), None, settings)
    return path


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("films")
    return {name: film(folder / f"{name}.mp4", k) for k, name in enumerate(("a1", "a2", "b1"))}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for the module, so that each film is measured once."""
    return tmp_path_factory.mktemp("features")


def run(store: Path, out: Path, *arguments: object) -> tuple[int, dict, str]:
    """Exit code, the JSON object, standard error."""
    words = ["predict", "--model", "clip-au", "--out", out, "--store", store, *arguments, "--json"]
    done = CliRunner().invoke(main, [str(w) for w in words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, json.loads(done.stdout), done.stderr


def probabilities(found: dict) -> dict[str, float]:
    return {a["recording"]: a["prediction"]["probability"] for a in found["answers"]}


def manifest(folder: Path, rows: dict[Path, str]) -> Path:
    path = folder / "people.csv"
    path.write_text(
        "path,subject\n" + "".join(f"{film},{subject}\n" for film, subject in rows.items())
    )
    return path


def test_the_shipped_model_answers_on_a_drawn_film(films, store, tmp_path) -> None:
    code, found, _ = run(store, tmp_path, films["a1"])
    assert code == 0
    answer = found["answers"][0]
    model = load("clip-au")
    recording = open_recording(films["a1"])
    from twomind.features.describe import describe

    made = describe(recording, store=Store(store))
    x = model.prepare(made.features, made.recording, Store(store))
    assert answer["prediction"]["probability"] == pytest.approx(
        float(model.predict(x).probs[1]), abs=1e-9
    )
    assert answer["located"]["status"] is False
    assert "adaptation" not in answer
    assert "not the probability" in answer["prediction"]["meaning"]


def test_an_adapted_answer_keeps_the_unadapted_one_beside_it(films, store, tmp_path) -> None:
    code, found, said = run(store, tmp_path, films["a1"], "--adapt", "tta-cap")
    assert code == 0
    answer = found["answers"][0]
    prediction = answer["prediction"]
    assert prediction["reason"] == "adapted by tta-cap (saw: summary)"
    assert prediction["probability"] != prediction["unadapted"]["probability"]
    assert answer["adaptation"]["n_windows"] == 3
    assert f"without: {prediction['unadapted']['probability']:.3f}" in said
    same = run(store, tmp_path / "none", films["a1"], "--adapt", "source-only")[1]["answers"][0][
        "prediction"
    ]
    assert (
        same["probability"]
        == same["unadapted"]["probability"]
        == prediction["unadapted"]["probability"]
    )
    assert "Adapted by tta-cap" in (tmp_path / "a1" / "report.html").read_text()
    assert "probability_unadapted" in (tmp_path / "answers.csv").read_text().splitlines()[0]


@pytest.mark.parametrize(
    ("method", "settings"),
    [("tta-cap", EAGER), pytest.param("clip-autt", (), marks=pytest.mark.slow)],
)
def test_a_kept_state_in_another_process_equals_one_go(
    films, store, tmp_path, method, settings
) -> None:
    how = ("--adapt", method, "--person", "ana", *settings)
    both = probabilities(run(store, tmp_path / "go", films["a1"], films["a2"], *how)[1])
    alone = probabilities(run(store, tmp_path / "alone", films["a2"], *how)[1])
    assert both["a2"] != alone["a2"], (
        "the second film must depend on the first, or this test proves nothing"
    )
    state = ("--set", f"states.folder={tmp_path / 'state'}")
    assert (
        probabilities(run(store, tmp_path / "one", films["a1"], *how, *state)[1])["a1"]
        == both["a1"]
    )
    arguments = [
        films["a2"],
        "--model",
        "clip-au",
        "--out",
        tmp_path / "two",
        "--store",
        store,
        *how,
        *state,
        "--json",
    ]
    code = [
        sys.executable,
        "-c",
        "from twomind.cli.main import main; main()",
        "predict",
        *(str(a) for a in arguments),
    ]
    done = subprocess.run(code, capture_output=True, text=True, timeout=HANG_S, check=True)
    assert probabilities(json.loads(done.stdout)) == {"a2": both["a2"]}
    # What the state has seen is not learnt twice: the same answers, and no new state.
    kept = sorted(p.name for p in (tmp_path / "state").rglob("*.safetensors"))
    again = run(store, tmp_path / "again", films["a1"], films["a2"], *how, *state)[1]
    assert probabilities(again) == both
    assert sorted(p.name for p in (tmp_path / "state").rglob("*.safetensors")) == kept
    assert len(kept) == 2


@pytest.mark.parametrize("kept", ["in memory", "in a folder", "anew each time"])
def test_a_second_run_loads_no_model_and_says_the_same(
    films, store, tmp_path, monkeypatch, kept
) -> None:
    """Whose state is not kept is done only as a whole: alone, a recording comes first."""
    from twomind import models

    how = ["--adapt", "t3a", "--person", "ana"]
    if kept == "in a folder":
        how += ["--set", f"states.folder={tmp_path / 'state'}"]
    elif kept == "anew each time":
        how += ["--set", "states.reset=recording"]
    both = (films["a1"], films["a2"])
    first = run(store, tmp_path / "o", *both, *how)[1]
    assert [a["state"] for a in first["answers"]] == ["done", "done"]

    def refuse(*_: object) -> None:
        raise AssertionError("the model was loaded")

    with monkeypatch.context() as patch:
        patch.setattr(models, "load", refuse)
        code, again, said = run(store, tmp_path / "o", *both, *how)
        assert code == 0
        assert [a["state"] for a in again["answers"]] == ["already done", "already done"]
        assert probabilities(again) == probabilities(first)
        assert said.count("adapted by t3a") == 2
    (alone,) = run(store, tmp_path / "o", films["a2"], *how)[1]["answers"]
    assert alone["state"] == ("done" if kept == "in memory" else "already done")
    back = run(store, tmp_path / "o", *both, *how)[1]
    assert probabilities(back) == probabilities(first)


def test_two_people_share_nothing_and_a_reset_forgets(films, store, tmp_path) -> None:
    rows = {films["a1"]: "ana", films["b1"]: "ben", films["a2"]: "ana"}
    how = ("--adapt", "tta-cap", *EAGER)
    mixed = probabilities(
        run(store, tmp_path / "m", "--manifest", manifest(tmp_path, rows), *how)[1]
    )
    ana = probabilities(
        run(store, tmp_path / "a", films["a1"], films["a2"], "--person", "ana", *how)[1]
    )
    ben = probabilities(run(store, tmp_path / "b", films["b1"], "--person", "ben", *how)[1])
    assert mixed == {**ana, **ben}
    fresh = probabilities(run(store, tmp_path / "a", films["a2"], "--person", "ana", *how)[1])
    reset = (films["a1"], films["a2"], "--person", "ana", *how, "--set", "states.reset=recording")
    assert probabilities(run(store, tmp_path / "r", *reset)[1])["a2"] == fresh["a2"] != ana["a2"]
    never = probabilities(
        run(
            store,
            tmp_path / "n",
            "--manifest",
            tmp_path / "people.csv",
            *how,
            "--set",
            "states.reset=never",
        )[1]
    )
    assert never["b1"] != ben["b1"]


def test_a_state_goes_with_the_method_and_settings_that_made_it(films, store, tmp_path) -> None:
    state = (
        "--set",
        f"states.folder={tmp_path / 'state'}",
        "--person",
        "ana",
        "--adapt",
        "tta-cap",
    )
    assert run(store, tmp_path / "1", films["a1"], *state)[0] == 0
    code, found, _ = run(store, tmp_path / "2", films["a2"], *state, "--set", "adapt.n_pos=3")
    assert code == 3
    assert "settings" in found["answers"][0]["error"]["message"]


def test_the_guard_tells_its_log(films, store, tmp_path) -> None:
    settings = ("--set", "adapt.method=tta-cap", "--set", "adapt.settings.tau_pos=0.7")
    code, found, said = run(store, tmp_path, films["a1"], "--adapt", "guarded", *settings)
    assert code == 0
    about = found["answers"][0]["adaptation"]
    assert about["settings"] == {"method": "tta-cap", "settings": {"tau_pos": 0.7}}
    assert set(about["guard"]["counts"]) == {"changed", "refused", "alarms"}
    assert "guard, of this person so far: changed 0" in said


@pytest.fixture(scope="module")
def zero_shot(films, store):
    """The encoder that ships as a recogniser of two phrases, a person's windows, and what there is
    to hand over.
    """
    import torch

    from twomind.adaptation.prototypes import summary_of
    from twomind.encoders.clip_towers import encode_ids
    from twomind.encoders.frames import embed, live_spans
    from twomind.encoders.opening import open_encoder
    from twomind.models.embedding import EmbeddingRecogniser
    from twomind.types import Features, Task

    encoder = open_encoder()
    tokens = encoder.tokenise(["a neutral face", "jaw dropped"])
    text = torch.nn.functional.normalize(
        encode_ids(encoder.text, tokens.ids, tokens.read_at), dim=-1
    )
    weights = {
        "head.weight": 100 * text,
        "norm.weight": torch.ones(encoder.dim),
        "norm.bias": torch.zeros(encoder.dim),
    }
    model = EmbeddingRecogniser(
        Task("jaw", ("no", "yes")), weights, track="face_text", unit=True, drawn=True
    )
    cut, source = {}, {}
    for name, path in films.items():
        track = embed(open_recording(path), [encoder], store=Store(store))["face_text"]
        whole = Features(name, name, {"face_text": track}, (0.0, 5.0), drawn=True)
        cut[name] = [whole.between(*span) for span in live_spans(float(track.times_s[-1]), 0.5)]
        with torch.no_grad():
            rows, logits = model.run(cut[name])
        source[name] = (rows.numpy(), (logits[:, 1] > logits[:, 1].median()).long().numpy())
    own = cut.pop("b1")
    source.pop("b1")
    given = Given(summary=summary_of(source, 2), neutral=tuple(cut["a1"]), target=tuple(cut["a2"]))
    return model, own, given


@pytest.mark.parametrize(
    "method",
    [
        *("source-only", "tent", "sar", "tpt", "t3a", "tda", "boost-adapter"),
        *("tta-cap", "tta-cap-v1", "tta-cap-wacv", "guarded"),
    ],
)
def test_every_method_runs_on_the_encoder_that_ships(zero_shot, method) -> None:
    """From a film to adapted answers with nothing to fetch; those that only need CLIP-AU run in
    ``make demo`` too.
    """
    model, own, given = zero_shot
    settings = (
        {"reliable": 1.0} if method == "sar" else {}
    )  # two phrases alone are rarely as sure as SAR asks for
    steps = list(stream(model, load_method(method, **settings), own, given=given))
    assert len(steps) == 10
    assert all(
        s.prediction.status.value == "ok" and np.isfinite(s.prediction.probs).all() for s in steps
    )
    without = np.stack([model.predict(x).probs for x in own])
    assert without[:, 1].std() > 0.01
    same = np.allclose(np.stack([s.prediction.probs for s in steps]), without, atol=1e-7)
    assert same == (method in ("source-only", "guarded"))


@pytest.mark.parametrize("method", ["t3a", "tda", "boost-adapter"])
def test_the_cache_methods_of_the_demo_answer(films, store, tmp_path, method) -> None:
    code, found, said = run(store, tmp_path, films["a1"], "--adapt", method)
    assert code == 0
    assert found["answers"][0]["adaptation"]["n_windows"] == 3
    assert f"adapted by {method}" in said


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (
            ("--adapt", "tta-cap", "--set", "adapt.select=target"),
            "the person's windows in advance",
        ),
        (("--adapt", "tta-cap", "--set", "adapt.select=neutral"), "--neutral CLIP"),
        (("--adapt", "tent"), "normalisation layers"),
        (("--adapt", "tpt", "--set", "adapt.tuned=none"), "tunes the weights none"),
        (("--adapt", "nonsense"), "no method named 'nonsense'"),
        (("--adapt", "tta-cap", "--set", "adapt.n_pos=many"), "expected int, got 'many'"),
        (("--adapt", "tta-cap", "--set", "adapt.speed=9"), "there is: agreement"),
        (("--adapt", "tta-cap", "--set", "model.max_risk=0.2"), "calibration"),
        (("--set", "states.folder=somewhere"), "goes with --adapt"),
        (("--adapt", "tta-cap", "--model", "words"), "answers a whole recording at once"),
        (("--adapt", "tta-cap", "--model", "llm"), "language model"),
    ],
)
def test_refused_with_the_reason(films, store, tmp_path, arguments, why) -> None:
    code, found, _ = run(store, tmp_path, films["a1"], *arguments)
    error = found["error"] if "error" in found else found["answers"][0]["error"]
    assert code == 3
    assert why in error["message"]


@pytest.mark.parametrize(
    ("method", "saw"),
    [
        (("tta-cap", "--set", "adapt.select=neutral"), "summary+neutral"),
        (("neutral-alignment",), "summary+neutral"),
        (("neutral-threshold",), "neutral"),
        (("sfda-pft", "--set", "adapt.learning_rate=0.01"), "summary+neutral"),
    ],
)
def test_a_neutral_clip_is_handed_over(films, store, tmp_path, method, saw) -> None:
    """Every method that begins with a neutral clip runs on the model that ships, from the command
    line.
    """
    code, found, _ = run(store, tmp_path, films["a1"], "--adapt", *method, "--neutral", films["a2"])
    assert code == 0
    answer = found["answers"][0]
    assert answer["adaptation"]["saw"] == saw
    if method[0] != "tta-cap":  # whose memory passes no gate in so short a film
        assert (
            answer["prediction"]["probability"] != answer["prediction"]["unadapted"]["probability"]
        )


def test_the_clip_may_stand_beside_a_profile_and_is_then_the_methods(
    films, store, tmp_path
) -> None:
    """Values are relative to the profile, the method begins with the clip; without --adapt it is
    one or the other.
    """
    calm = tmp_path / "calm.mp4"
    settings = FilmSettings(*SIZE, 12, "builtin", crf=23, preset="ultrafast")
    encode(
        calm,
        (draw(Person(), FaceState(), Camera(*SIZE, noise=0.0), i) for i in range(60)),
        None,
        settings,
    )
    profiles = tmp_path / "profiles"
    enrol = ["enrol", "ana", calm, "--profiles", profiles, "--store", store]
    assert CliRunner().invoke(main, [str(w) for w in enrol]).exit_code == 0
    both = ("--person", "ana", "--profiles", profiles, "--neutral", films["a2"])
    code, found, _ = run(
        store, tmp_path / "out", films["a1"], *both, "--adapt", "neutral-alignment"
    )
    assert code == 0
    assert found["answers"][0]["adaptation"]["saw"] == "summary+neutral"
    assert (
        "profile" in json.loads((tmp_path / "out" / "a1" / "summary.json").read_text())["neutral"]
    )
    code, found, _ = run(store, tmp_path / "no", films["a1"], *both)
    assert code != 0
    assert "with --adapt, --neutral may stand beside a profile" in json.dumps(found)


@pytest.mark.parametrize("source", ["drawn", "real"])
def test_a_real_recording_is_refused_unless_allowed(source, request, store, tmp_path) -> None:
    """What is not marked as drawn counts as real."""
    if source == "drawn":
        real = face_films.file_of(tmp_path / "unmarked.mp4", face_films.lively(), tagged=False)
    else:
        real = request.getfixturevalue("shared") / "data" / "faces" / "single_face.mp4"
    code, found, _ = run(store, tmp_path, real, "--adapt", "tta-cap")
    assert code == 3
    assert "learnt from synthetic people" in found["answers"][0]["error"]["message"]
    code, found, _ = run(
        store, tmp_path, real, "--adapt", "tta-cap", "--set", "model.allow_drawn=true"
    )
    assert code == 0
    assert found["answers"][0]["prediction"]["status"] == "ok"


@pytest.mark.parametrize("method", ["tta-cap", "clip-autt"])
def test_live_frames_give_what_the_file_gives(films, store, method) -> None:
    model = load("clip-au")
    recording = open_recording(films["a1"], subject="ana")
    from twomind.features.describe import describe

    x = model.prepare(describe(recording, store=Store(store)).features, recording, Store(store))
    adapter, given = load_method(method), Given(summary=model.source_summary())
    batch = list(stream(model, adapter, windows_for(model, x), given=given))
    seen: list[float] = []

    def camera():
        for frame in media.stream(films["a1"], audio=False):
            seen.append(frame.time_s)
            yield frame.time_s, frame.rgb

    windows = live_windows(
        camera(), model.open_encoder(), model.window_s, subject="ana", drawn=True
    )
    n = 0
    for step, whole in zip(stream(model, adapter, windows, given=given), batch, strict=True):
        assert step.x.span_s == whole.x.span_s
        np.testing.assert_allclose(step.prediction.probs, whole.prediction.probs, atol=1e-6)
        # An answer is there with the first frame after its window, not at the end of the film.
        assert seen[-1] < step.x.span_s[1] + 0.1
        n += 1
    assert n == 3


def test_an_encoder_of_drawn_people_does_not_watch_a_camera() -> None:
    model = load("clip-au")
    with pytest.raises(BadInput, match="synthetic people only"):
        next(live_windows([], model.open_encoder(), model.window_s))


def test_prototypes_of_other_weights_are_refused(tmp_path) -> None:
    model = load("clip-au")
    assert model.source_summary() is not None
    shutil.copy(model.home / "clip_au_summary.safetensors", tmp_path)
    weights = {k: v + 1 if k == "temporal.bias" else v for k, v in model.weights.items()}
    type(model)(model.task, weights, model.phrases, track=model.track, encoder=model.encoder).save(
        tmp_path
    )
    with pytest.raises(BadInput, match="other weights"):
        load(tmp_path).source_summary()
    assert read_settings("guarded", ["use_neutral=true", "budget=0.5"]) == {
        "use_neutral": True,
        "budget": 0.5,
    }
