"""``twomind predict --model llm`` on media files, against a real server process; and the frames
that it shows.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from click.testing import CliRunner

import llm_tools as tools
import media_files
from twomind import models as estimate
from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.media.recording import open_recording
from twomind.media.stream import Frame, stream
from twomind.models.llm.frames import fit, sample_frames, spaced, to_jpeg
from twomind.types import Features, Recogniser, Track

pytest.importorskip("openai")


first, say, serving = tools.first, tools.say, tools.serving
REMOTE = "http://203.0.113.1/v1"


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """``--offline`` sets variables for the whole process."""
    with mock.patch.dict(os.environ):
        yield


def run(*arguments: object) -> tuple[int, dict, str]:
    """Exit code, the JSON object, standard error."""
    done = CliRunner().invoke(main, ["predict", *(str(a) for a in arguments), "--json"])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, json.loads(done.stdout or "{}"), done.stderr


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def study(drawn_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One drawn answer three times over, with another transcript each.

    Every word has a time of its own. Words without one would be looked for in the sound, where
    nobody says them.
    """
    folder = tmp_path_factory.mktemp("study")
    movie = next(drawn_study.rglob("*.mp4"))
    for name, said in (
        ("a", "I <00:00:01.600>would <00:00:02.200>like <00:00:02.800>to <00:00:03.400>go"),
        ("b", "I <00:00:01.700>would <00:00:02.500>rather <00:00:03.200>stay"),
        ("c", "perhaps <00:00:01.800>one <00:00:02.300>day <00:00:02.800>I <00:00:03.300>will"),
    ):
        shutil.copy(movie, folder / f"{name}.mp4")
        (folder / f"{name}.srt").write_text(f"1\n00:00:01,000 --> 00:00:04,000\n{said}\n")
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


SIDES = {
    "towards": "wants to go <script>alert(1)</script>",
    "away": None,
    "evidence": [
        {"start_s": 1.0, "end_s": 2.5, "side": "towards", "modality": "words", "what": "I would"},
        {"start_s": 2.0, "end_s": 900.0, "side": "away", "modality": "face", "what": "a frown"},
    ],
    "answer": "Ambivalent",
}


def test_one_command_gives_probability_evidence_with_times_and_a_report(
    study: Path, store: Path, tmp_path: Path
) -> None:
    text = json.dumps(SIDES)
    at = text.index("Ambivalent")
    tokens = [
        {"token": text[:at], "p": 1.0, "top": {}},
        *first(0.6, 0.2),
        {"token": '"}', "p": 1.0, "top": {}},
    ]
    with serving(tmp_path, say(text, tokens=tokens)) as served:
        code, found, said = run(
            study / "a.mp4",
            "--out",
            tmp_path / "out",
            "--store",
            store,
            "--question",
            7,
            "--model",
            "llm",
            "--set",
            "llm.model=m",
            "--set",
            f"llm.endpoint={served.url}",
            "--set",
            "llm.n_frames=4",
            "--set",
            "llm.frame_px=64",
        )
        (asked,) = served.seen
    assert code == 0
    content = asked["body"]["messages"][0]["content"]
    assert sum(part["type"] == "image_url" for part in content) == 4
    assert "[1.0 - 4.0] I would like to go" in content[-1]["text"]
    assert found["answers"][0]["prediction"]["probability"] == pytest.approx(0.75)
    assert found["llm"]["answers"]["measured"] == 1
    assert "1 answers asked about, 1 with a probability" in said
    folder = tmp_path / "out" / "a"
    evidence = rows(folder / "evidence.csv")
    cited = [(e["name"], e["start_s"], e["end_s"]) for e in evidence if e["kind"] == "cited"]
    assert cited == [("towards, words: I would", "1.000", "2.500")]
    assert [e["name"] for e in evidence if e["kind"] == "dropped"] == ["times outside the clip"]
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["located"]["status"] is False
    assert "never compared with moments that coders marked" in summary["located"]["reason"]
    assert "not calibrated on people" in summary["prediction"]["meaning"]
    assert summary["prediction"]["evidence"][-1]["kind"] == "dropped"
    assert not (folder / "segments.csv").exists()
    page = (folder / "report.html").read_text()
    assert "It cites at 1.0 to 2.5 s: towards, words: I would" in page
    assert "a trained coder would be expected" not in page
    assert "<script>alert(1)" not in page
    assert json.loads((tmp_path / "out" / "llm.json").read_text())["whole_record"]["requests"] == 1


def test_a_batch_stops_at_its_budget_resumes_and_replays(
    study: Path, store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with serving(tmp_path, say(tokens=first(0.8, 0.2))) as served:
        ask = (
            study,
            "--out",
            out,
            "--store",
            store,
            "--model",
            "llm",
            "--set",
            "llm.model=m",
            "--set",
            f"llm.endpoint={served.url}",
            "--set",
            "llm.strategy=td1",
            "--set",
            "llm.n_frames=2",
        )
        code, found, said = run(*ask, "--set", "llm.budget.max_requests=2")
        assert code == 7
        assert [a["state"] for a in found["answers"]] == ["done", "done", "failed"]
        assert "the budget of 2 requests is spent" in said
        assert len(served.seen) == 2
        assert rows(out / "answers.csv")[2]["probability"] == ""
        code, found, _ = run(*ask, "--set", "llm.budget.max_requests=3")
        assert code == 0
        assert [a["state"] for a in found["answers"]] == ["already done", "already done", "done"]
        assert found["llm"]["answers"]["measured"] == 3, "those of the run before are counted"
        assert found["llm"]["decisions"] == {"absent": 0, "present": 3}
        assert found["llm"]["this_run"] == {"asked": 1, "from_the_record": 0}
        assert len(served.seen) == 3
    replay = ("--set", f"llm.record={out / 'llm-replies.jsonl'}", "--set", "llm.replay=true")
    code, found, _ = run(*ask[:2], tmp_path / "again", *ask[3:], *replay, "--offline")
    assert code == 0
    assert [a["prediction"]["probability"] for a in found["answers"]] == pytest.approx([0.8] * 3)
    assert found["llm"]["this_run"] == {"asked": 0, "from_the_record": 3}


def test_an_endpoint_that_is_down_costs_no_description_and_invents_nothing(
    study: Path, store: Path, tmp_path: Path
) -> None:
    with serving(tmp_path, {"do": "fail", "code": 500}) as served:
        code, found, said = run(
            study / "a.mp4",
            "--out",
            tmp_path / "out",
            "--store",
            store,
            "--model",
            "llm",
            "--set",
            "llm.model=m",
            "--set",
            f"llm.endpoint={served.url}",
            "--set",
            "llm.retry.n=1",
        )
    assert code == 3
    assert found["answers"][0]["error"]["kind"] == "endpoint"
    assert "given up after 1 tries" in said
    assert rows(tmp_path / "out" / "answers.csv")[0]["status"] == "failed"
    assert rows(tmp_path / "out" / "answers.csv")[0]["probability"] == ""
    assert any(store.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (
            ["--set", f"llm.endpoint={REMOTE}", "--set", "llm.model=m"],
            "llm.send_video=true and llm.send_text=true",
        ),
        (
            [
                "--set",
                f"llm.endpoint={REMOTE}",
                "--set",
                "llm.model=m",
                "--set",
                "llm.text_only=true",
            ],
            "llm.send_text=true",
        ),
        (
            ["--set", f"llm.endpoint={REMOTE}", "--set", "llm.model=m", "--set", "llm.strategy=s"],
            "llm.send_video=true",
        ),
        (["--set", f"llm.endpoint={REMOTE}"], "expected llm.model"),
        (["--set", "llm.model=m", "--set", "llm.strategy=d9"], "two_sides"),
        (["--set", "llm.model=m", "--set", "llm.budget.max_cost=1"], "both prices"),
        (
            [
                "--set",
                "llm.model=m",
                "--set",
                "llm.record=absent.jsonl",
                "--set",
                "llm.replay=true",
            ],
            "there is none",
        ),
        (
            [
                "--set",
                "llm.model=m",
                "--set",
                "llm.endpoint=http://127.0.0.1:1/v1",
                "--set",
                "model.prevalence=0.4",
            ],
            "model.prevalence",
        ),
    ],
)
def test_what_is_refused_is_refused_before_a_file_is_read(
    study: Path, tmp_path: Path, options: list, match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twomind.pipeline.predict.predict_one", None)
    code, _, said = run(study / "a.mp4", "--out", tmp_path / "out", "--model", "llm", *options)
    assert code == 3
    assert match in said
    assert not (tmp_path / "out" / "a").exists()


def test_its_options_go_with_its_model(study: Path, tmp_path: Path) -> None:
    code, _, said = run(study / "a.mp4", "--out", tmp_path / "out", "--set", "llm.n_frames=3")
    assert code == 3
    assert "llm.n_frames: goes with --model llm" in said
    model = estimate.load("llm")
    assert isinstance(model, Recogniser)
    with pytest.raises(BadInput, match="expected llm"):
        model.predict(tools.answer())


# --- frames
# ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["constant", "jittered"])
def test_frames_are_evenly_spaced_in_time_not_in_number(tmp_path: Path, kind: str) -> None:
    stamps = media_files.jittered(60) if kind == "jittered" else media_files.constant(60)
    truth = media_files.write(tmp_path / "a.mp4", stamps)
    track = sample_frames(truth.path, 5, 4096)
    numbers = [media_files.read_number(rgb) for rgb in track.values]
    with stream(truth.path, audio=False) as found:
        times_s = np.array([item.time_s for item in found if isinstance(item, Frame)])
    targets = np.linspace(times_s[0], times_s[-1], 5)
    assert numbers == [int(np.abs(times_s - t).argmin()) for t in targets]
    assert track.times_s == pytest.approx(times_s[numbers])
    assert (numbers[0], numbers[-1]) == (0, 59)
    # A window shows its own frames, also when a face track tells the times of that window alone.
    recording = open_recording(truth.path)
    face = Track(np.zeros((60, 1)), times_s, np.ones(60, bool))
    x = Features("a", "a", {"face": face}, (0.0, recording.duration_s))
    model = tools.recogniser(None, n_frames=2, frame_px=4096)
    for one, ends in ((x, (0.0, 99.0)), (x.between(0.5, 1.5), (0.5, 1.5))):
        shown = model.prepare(one, recording).tracks["pictures"]
        inside = times_s[(times_s >= ends[0]) & (times_s <= ends[1])]
        assert shown.times_s.tolist() == [inside[0], inside[-1]]
        at = [media_files.read_number(rgb) for rgb in shown.values]
        assert times_s[at].tolist() == shown.times_s.tolist()


def test_few_frames_are_each_shown_once_and_pictures_are_never_enlarged(tmp_path: Path) -> None:
    assert spaced(np.arange(3.0), 8).tolist() == [0, 1, 2]
    assert spaced(np.arange(9.0), 1).tolist() == [4]
    assert spaced(np.empty(0), 4).tolist() == []
    assert fit(np.zeros((480, 640, 3), np.uint8), 224).shape == (168, 224, 3)
    assert fit(np.zeros((48, 64, 3), np.uint8), 224).shape == (48, 64, 3)
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    assert len(to_jpeg(noise, 30)) < len(to_jpeg(noise, 95))
    with pytest.raises(BadInput, match="1 to 100"):
        to_jpeg(noise, 0)


def test_a_file_without_pictures_is_not_measured_but_with_the_text_alone(
    study: Path, tmp_path: Path
) -> None:
    import av

    sound = tmp_path / "sound.mp4"
    with av.open(str(study / "a.mp4")) as source, av.open(str(sound), "w") as out:
        audio = source.streams.audio[0]
        into = out.add_stream_from_template(audio)
        for packet in source.demux(audio):
            if packet.dts is not None:
                packet.stream = into
                out.mux(packet)
    shutil.copy(study / "a.srt", tmp_path / "sound.srt")
    recording = open_recording(sound)
    x = Features("sound", "s", {}, (0.0, 5.0), words=recording.words)
    with serving(tmp_path, say(tokens=first(0.8, 0.2))) as served:
        model = tools.recogniser(served.url)
        assert "the file has none" in model.predict(model.prepare(x, recording)).reason
        assert served.seen == []
        text = tools.recogniser(served.url, text_only=True)
        assert text.predict(text.prepare(x, recording)).probs[1] == pytest.approx(0.8)
