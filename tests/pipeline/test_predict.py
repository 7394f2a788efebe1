"""The main job, end to end: what it writes, what it refuses to say, and that it survives bad files
and being killed.
"""

from __future__ import annotations

import csv
import json
import math
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import face_films as films
from patience import until
from twomind.cli.main import main


def run(*arguments: object) -> tuple[int, dict, str]:
    """Exit code, the JSON object, standard error."""
    done = CliRunner().invoke(main, [*(str(a) for a in arguments), "--json"])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, json.loads(done.stdout), done.stderr


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def answer(drawn_study, tmp_path_factory) -> Path:
    """answer.mp4 with answer.srt beside it."""
    folder = tmp_path_factory.mktemp("answer")
    movie = next(drawn_study.rglob("*.mp4"))
    shutil.copy(movie, folder / "answer.mp4")
    shutil.copy(movie.with_suffix(".srt"), folder / "answer.srt")
    return folder / "answer.mp4"


@pytest.fixture(scope="module")
def truth(drawn_study) -> dict:
    return json.loads(next(drawn_study.rglob("*.truth.json")).read_text())


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """One store for the module, so that the answer is measured once."""
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def results(answer, store, tmp_path_factory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("results")
    code, found, _ = run(
        "predict",
        answer,
        "--question",
        7,
        "--transcript",
        answer.with_suffix(".srt"),
        "--out",
        out,
        "--store",
        store,
    )
    assert code == 0
    return out, found


def test_everything_promised_is_written(results) -> None:
    out, found = results
    folder = out / "answer"
    names = {p.name for p in folder.iterdir()}
    assert {
        "measures.csv",
        "measures.parquet",
        "cues.csv",
        "cues.vtt",
        "words.csv",
        "summary.json",
        "report.html",
    } <= names
    assert {p.name for p in out.iterdir() if p.is_file()} == {
        "answers.csv",
        "answers_wide.csv",
        "codebook.csv",
        "codebook.html",
        "ledger.jsonl",
        "report.html",
        "settings.toml",
    }
    assert found["n"] == 1
    assert found["n_failed"] == 0
    assert Path(found["report"]) == out / "report.html"


def test_the_default_model_is_not_located_and_draws_no_segments(results) -> None:
    out, found = results
    located = found["answers"][0]["located"]
    assert located["status"] is False
    assert located["segments"] == []
    assert "position" in located["reason"]
    assert not list((out / "answer").glob("segments.*"))


def test_the_score_is_the_sum_of_its_three_parts(results) -> None:
    summary = json.loads((results[0] / "answer" / "summary.json").read_text())
    prediction = summary["prediction"]
    parts = prediction["parts_log_odds"]
    assert {"question", "length", "content"} <= parts.keys()
    assert prediction["status"] == "ok"
    probability = prediction["probability"]
    assert math.isclose(
        sum(parts.values()), math.log(probability / (1 - probability)), abs_tol=1e-6
    )
    low, high = prediction["band_95"]
    assert 0 <= low < high <= 1


def test_the_long_table_has_one_row_per_frame_and_measure(results, truth) -> None:
    out, _ = results
    rows = read_csv(out / "answer" / "measures.csv")
    assert ",".join(rows[0]) == (
        "recording,subject,modality,time_s,measure,value,relative,unit,valid,reason,neutral"
    )
    face = [r for r in rows if r["modality"] == "face"]
    summary = json.loads((out / "answer" / "summary.json").read_text())
    times = sorted({float(r["time_s"]) for r in face})
    assert len(times) == summary["media"]["n_frames"] == len(truth["frames"]["time_s"])
    np.testing.assert_allclose(times, truth["frames"]["time_s"], atol=1e-3)
    smile = [r for r in face if r["measure"] == "AU12"]
    assert len(smile) == len(times)
    assert {r["neutral"] for r in smile} == {"the recording's own median"}
    for row in rows:
        assert (row["valid"] == "true") == (row["value"] != "")
        assert row["valid"] == "true" or row["reason"]


def test_parquet_says_the_same_as_csv(results) -> None:
    import pyarrow.parquet as pq

    folder = results[0] / "answer"
    table = pq.read_table(folder / "measures.parquet").to_pylist()
    rows = read_csv(folder / "measures.csv")
    assert len(table) == len(rows)
    for a, b in list(zip(table, rows, strict=True))[:: max(1, len(rows) // 500)]:
        assert [
            str(a[k]) for k in ("recording", "modality", "measure", "unit", "reason", "neutral")
        ] == [b[k] for k in ("recording", "modality", "measure", "unit", "reason", "neutral")]
        assert a["valid"] == (b["valid"] == "true")
        for key in ("value", "relative"):
            assert (b[key] == "") == math.isnan(a[key])
            if b[key]:
                assert math.isclose(a[key], float(b[key]), rel_tol=1e-4, abs_tol=1e-6)


def test_every_word_is_there_with_its_exact_time(results, truth) -> None:
    rows = read_csv(results[0] / "answer" / "words.csv")
    assert [r["word"] for r in rows] == [w["text"] for w in truth["words"]]
    for row, word in zip(rows, truth["words"], strict=True):
        assert abs(float(row["start_s"]) - word["start_s"]) <= 0.0015
        assert abs(float(row["end_s"]) - word["end_s"]) <= 0.0015
        assert row["time_from"] == "given"


def test_cues_are_in_order_and_play_as_subtitles(results) -> None:
    import pysubs2

    folder = results[0] / "answer"
    rows = read_csv(folder / "cues.csv")
    assert rows
    starts = [float(r["start_s"]) for r in rows]
    assert starts == sorted(starts)
    assert len(pysubs2.load(str(folder / "cues.vtt"))) == len(rows)


def test_the_summary_is_strict_json_and_says_drawn(results) -> None:
    text = (results[0] / "answer" / "summary.json").read_text()
    summary = json.loads(text, parse_constant=lambda c: pytest.fail(f"{c} is not JSON"))
    assert summary["drawn_person"] is True
    assert summary["purpose"] == "research"
    assert summary["provenance"]["versions"]["twomind"]
    assert "synthetic person" in (results[0] / "answer" / "report.html").read_text().lower()


def test_without_a_transcript_the_probability_is_not_measured(answer, store, tmp_path) -> None:
    alone = tmp_path / "alone.mp4"
    shutil.copy(answer, alone)
    code, found, _ = run(
        "predict", alone, "--question", 7, "--out", tmp_path / "out", "--store", store
    )
    prediction = found["answers"][0]["prediction"]
    assert code == 0
    assert prediction["status"] == "not_measured"
    assert prediction["probability"] is None
    assert prediction["parts_log_odds"] is None
    assert "transcript" in prediction["reason"]
    row = read_csv(tmp_path / "out" / "answers.csv")[0]
    assert row["probability"] == ""
    assert found["answers"][0]["cues"], "face and voice cues are still there"


def test_unknown_and_own_questions_print_the_skill_without_the_question(
    answer, store, tmp_path
) -> None:
    skills = {}
    for name, question in {
        "known": "7",
        "own": "Would you take the stairs tomorrow?",
        "unknown": None,
    }.items():
        asked = ["--question", question] if question else []
        code, _, _ = run("predict", answer, *asked, "--out", tmp_path / name, "--store", store)
        assert code == 0
        summary = json.loads((tmp_path / name / "answer" / "summary.json").read_text())
        skills[name] = summary["model"]["skill"]
        assert (summary["prediction"]["parts_log_odds"]["question"] != 0) == (name == "known")
    assert skills["own"] == skills["unknown"] != skills["known"]


def test_prevalence_asks_where_it_comes_from(answer, store, tmp_path) -> None:
    code, found, _ = run(
        "predict",
        answer,
        "--set",
        "model.prevalence=0.3",
        "--out",
        tmp_path / "a",
        "--store",
        store,
    )
    assert code == 3
    assert "where" in found["answers"][0]["error"]["message"].lower()
    arguments = ("predict", answer, "--question", 7, "--store", store)
    _, plain, _ = run(*arguments, "--out", tmp_path / "b")
    code, low, _ = run(
        *arguments,
        "--set",
        "model.prevalence=0.2",
        "--set",
        "model.prevalence_source=pilot, n = 80",
        "--out",
        tmp_path / "c",
    )
    assert code == 0
    p = [f["answers"][0]["prediction"]["probability"] for f in (plain, low)]
    assert p[1] < p[0]


def test_a_small_risk_makes_it_abstain_near_the_border(answer, store, tmp_path) -> None:
    from twomind.models import load

    lowest = min(load("words").known.risk.error) + 0.001
    arguments = ("predict", answer, "--question", 5, "--store", store)
    code, found, _ = run(*arguments, "--set", f"model.max_risk={lowest}", "--out", tmp_path / "a")
    prediction = found["answers"][0]["prediction"]
    assert code == 0
    assert prediction["status"] == "abstained"
    assert prediction["decision"] is None
    code, found, _ = run(*arguments, "--set", "model.max_risk=0.001", "--out", tmp_path / "b")
    assert code == 3
    assert "not reached" in found["answers"][0]["error"]["message"]


def test_describe_measures_without_a_probability(answer, store, tmp_path) -> None:
    code, found, _ = run("describe", answer, "--out", tmp_path / "out", "--store", store)
    assert code == 0
    assert "prediction" not in found["answers"][0]
    summary = json.loads((tmp_path / "out" / "answer" / "summary.json").read_text())
    assert summary["prediction"]["probability"] is None
    assert (tmp_path / "out" / "answer" / "measures.csv").stat().st_size > 1000


def bad_files(folder: Path, answer: Path) -> Path:
    """A folder with one good answer among bad files."""
    folder.mkdir()
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("this is not a video")
    (folder / "cut.mp4").write_bytes(answer.read_bytes()[:3000])
    shutil.copy(answer, folder / "good.mp4")
    shutil.copy(answer.with_suffix(".srt"), folder / "good.srt")
    (folder / "broken.mp4").write_bytes(answer.read_bytes())
    (folder / "broken.srt").write_text("these are no subtitles")
    (folder / "beside.mp4").write_bytes(answer.read_bytes())
    (folder / "beside.json").write_text("{ not json")
    return folder


def test_one_bad_file_never_stops_the_rest(answer, store, tmp_path) -> None:
    folder = bad_files(tmp_path / "in", answer)
    code, found, err = run("predict", folder, "--out", tmp_path / "out", "--store", store)
    assert code == 7
    states = {a["recording"]: a["state"] for a in found["answers"]}
    assert states == {
        "empty": "failed",
        "text": "failed",
        "cut": "failed",
        "broken": "failed",
        "beside": "done",
        "good": "done",
    }
    ledger = [
        json.loads(line) for line in (tmp_path / "out" / "ledger.jsonl").read_text().splitlines()
    ]
    assert {e["item"]: e["state"] for e in ledger} == states
    assert all(e["error"] for e in ledger if e["state"] == "failed")
    rows = {r["recording"]: r for r in read_csv(tmp_path / "out" / "answers.csv")}
    assert rows["empty"]["status"] == "failed"
    assert rows["empty"]["probability"] == ""
    assert rows["good"]["probability"]
    # A JSON of a film's name must prove to be a transcript; where it does not, that is the reason.
    assert rows["beside"]["probability"] == ""
    assert "beside.json" in rows["beside"]["words_remarks"]
    assert "failed" in err
    # Who opens the page alone must not take four of six files for all there was.
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Could not be described: 4" in page
    assert "empty.mp4: the file is empty" in page


def test_a_transcript_among_recordings_is_left_out_and_no_failure(answer, store, tmp_path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for path in (answer, answer.with_suffix(".srt")):
        shutil.copy(path, folder)
    (folder / "LICENCE").write_text("all rights")
    code, found, err = run(
        "predict", *sorted(folder.iterdir()), "--out", tmp_path / "out", "--store", store
    )
    states = {Path(a["path"]).name: a["state"] for a in found["answers"]}
    assert code == 0
    assert states == {"answer.mp4": "done", "answer.srt": "skipped", "LICENCE": "skipped"}
    assert "left out" in err
    code, _, _ = run("predict", folder / "LICENCE", "--out", tmp_path / "out2", "--store", store)
    assert code == 3, "alone, it was meant"


def test_only_bad_files_fail_with_their_own_code(tmp_path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    code, found, _ = run("predict", tmp_path / "empty.mp4", "--out", tmp_path / "out")
    assert code == 3
    assert found["answers"][0]["error"]["kind"] == "bad_input"
    assert found["report"] is None


def test_a_second_run_keeps_what_is_there(answer, store, tmp_path) -> None:
    arguments = ("predict", answer, "--question", 7, "--out", tmp_path / "out", "--store", store)
    run(*arguments)
    table = tmp_path / "out" / "answer" / "measures.csv"
    before = table.stat().st_mtime_ns
    _, found, _ = run(*arguments)
    assert found["answers"][0]["state"] == "already done"
    assert table.stat().st_mtime_ns == before
    _, found, _ = run(*arguments, "--redo")
    assert found["answers"][0]["state"] == "done"
    _, found, _ = run(
        "predict", answer, "--question", 4, "--out", tmp_path / "out", "--store", store
    )
    assert found["answers"][0]["state"] == "done", "another question is another result"


def comparable(out: Path) -> dict[str, bytes]:
    """All result files but those that hold times of day or paths of the store."""
    kept = {}
    for path in sorted(out.rglob("*")):
        if path.suffix in (".csv", ".vtt") and path.name != "answers.csv":
            kept[str(path.relative_to(out))] = path.read_bytes()
    return kept


@pytest.mark.slow
def test_kill_9_and_run_again_gives_the_same_results(answer, tmp_path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b"):
        shutil.copy(answer, folder / f"{name}.mp4")
        shutil.copy(answer.with_suffix(".srt"), folder / f"{name}.srt")
        # Other bytes, so that the second is not simply read from the store.
        with open(folder / f"{name}.mp4", "ab") as file:
            file.write(b"\x00\x00\x00\x0cfree" + name.encode() * 4)
    command = [sys.executable, "-m", "twomind.cli.main", "predict", str(folder), "--workers", "1"]
    clean, killed = tmp_path / "clean", tmp_path / "killed"
    subprocess.run(
        [*command, "--out", clean, "--store", tmp_path / "s1"], check=True, capture_output=True
    )
    disturbed = [*command, "--out", killed, "--store", tmp_path / "s2"]
    for marker in ("s2", "killed/a/measures.csv"):
        process = subprocess.Popen(disturbed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(
            lambda: (tmp_path / marker).exists() or process.poll() is not None,  # noqa: B023
            marker,
            pause_s=0.005,
        )
        time.sleep(0.3 if marker == "s2" else 0)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (killed / "report.html").exists(), "it was killed before the end"
    subprocess.run(disturbed, check=True, capture_output=True)
    assert comparable(killed) == comparable(clean)
    assert len(comparable(clean)) >= 6
    assert not list(killed.rglob("*.part"))


def test_nothing_of_another_answer_stays(answer, tmp_path) -> None:
    out = tmp_path / "o"
    (out / "answer").mkdir(parents=True)
    for name in (".measures.csv.x.part", "segments.csv", "frame_score.csv"):
        (out / "answer" / name).write_text("of a run that was killed, or of another model")
    command = ("predict", answer, "--question", 7, "--out", out, "--store", tmp_path / "s")
    assert run(*command)[0] == 0
    stems = {p.name for p in (out / Path(answer).stem).iterdir()}
    assert not stems & {".measures.csv.x.part", "segments.csv", "frame_score.csv"}


def test_no_network_is_needed(answer, tmp_path, monkeypatch) -> None:
    import socket

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    code, _, _ = run(
        "predict",
        answer,
        "--question",
        7,
        "--offline",
        "--out",
        tmp_path / "o",
        "--store",
        tmp_path / "s",
    )
    assert code == 0


def test_an_absent_face_extra_costs_only_the_face(answer, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    code, found, _ = run(
        "predict", answer, "--question", 7, "--out", tmp_path / "o", "--store", tmp_path / "s"
    )
    one = found["answers"][0]
    assert code == 0
    reasons = {n["what"]: n["reason"] for n in one["not_measured"]}
    assert "twomind[face]" in reasons["face"]
    assert one["prediction"]["status"] == "ok"
    assert any(cue in one["cues"] for cue in ("long_pause", "filler"))


def test_a_tracker_that_breaks_costs_only_the_face(answer, tmp_path, monkeypatch) -> None:
    from twomind.features.face.reader import FaceReader

    def fail(*_: object) -> None:
        raise RuntimeError("graph died")

    monkeypatch.setattr(FaceReader, "push", fail)
    code, found, _ = run(
        "predict", answer, "--question", 7, "--out", tmp_path / "o", "--store", tmp_path / "s"
    )
    reasons = {n["what"]: n["reason"] for n in found["answers"][0]["not_measured"]}
    assert code == 0
    assert "graph died" in reasons["face"]
    assert found["answers"][0]["prediction"]["status"] == "ok"


def test_a_cut_file_is_measured_as_far_as_it_goes_but_not_scored(answer, tmp_path) -> None:
    import av

    path = tmp_path / "cut.mkv"
    with av.open(str(answer)) as source, av.open(str(path), "w") as sink:
        streams = {
            s.index: sink.add_stream_from_template(s)
            for s in (source.streams.video[0], source.streams.audio[0])
        }
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                sink.mux(packet)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * 0.6)])
    shutil.copy(answer.with_suffix(".srt"), tmp_path / "cut.srt")
    code, found, _ = run(
        "predict", path, "--question", 7, "--out", tmp_path / "o", "--store", tmp_path / "s"
    )
    one = found["answers"][0]
    assert code == 0
    assert one["media"]["truncated"] is True
    assert one["prediction"]["status"] == "not_measured"
    assert "truncated" in one["prediction"]["reason"]


def test_a_neutral_clip_is_used_and_named(answer, store, tmp_path) -> None:
    run("describe", answer, "--out", tmp_path / "a", "--store", store)
    run("describe", answer, "--neutral", answer, "--out", tmp_path / "b", "--store", store)
    own, clip = (read_csv(tmp_path / d / "answer" / "measures.csv") for d in "ab")
    assert {r["neutral"] for r in own if r["modality"] == "face"} == {"the recording's own median"}
    assert all("neutral clip" in r["neutral"] for r in clip if r["modality"] == "face")
    assert [r["value"] for r in own] == [r["value"] for r in clip], "raw values never change"


def test_a_neutral_without_a_face_is_refused(answer, store, tmp_path) -> None:
    empty = films.file_of(tmp_path / "empty.mp4", films.empty_room())
    code, found, _ = run(
        "describe", answer, "--neutral", empty, "--out", tmp_path / "a", "--store", store
    )
    assert code == 3
    assert "neutral" in found["answers"][0]["error"]["message"]


#: Films without sound or words: name → frames in all, and how many show a face.
SILENT = {"lively": (70, 70), "comes_and_goes": (80, 55), "empty_room": (20, 0)}


def test_silent_films_without_words(tmp_path) -> None:
    """A face is measured where there is one, nothing is said of words and voice, and no answer is
    given.
    """
    folder = tmp_path / "films"
    folder.mkdir()
    for name in SILENT:
        films.file_of(folder / f"{name}.mp4", getattr(films, name)(), tagged=False)
    code, found, _ = run("predict", folder, "--out", tmp_path / "out", "--store", tmp_path / "s")
    assert code == 0
    answers = {a["recording"]: a for a in found["answers"]}
    check_nothing_is_predicted(answers, {name: n for name, (n, _) in SILENT.items()}, "empty_room")
    for name, (n, n_seen) in SILENT.items():
        if n_seen:
            rows = [
                r
                for r in read_csv(tmp_path / "out" / name / "measures.csv")
                if r["measure"] == "pose_yaw"
            ]
            assert len(rows) == n
            assert sum(r["value"] != "" for r in rows) == pytest.approx(
                n_seen, abs=5
            )  # codecs blur the edges


def check_nothing_is_predicted(answers: dict, n_frames: dict[str, int], faceless: str) -> None:
    for one in answers.values():
        assert one["prediction"]["status"] == "not_measured"
        assert one["prediction"]["probability"] is None
        assert one["drawn_person"] is False
    reasons = {n["what"]: n["reason"] for n in answers[faceless]["not_measured"]}
    assert "no face" in reasons["face"]
    assert not any(k in answers[faceless]["cues"] for k in ("smile", "brow_raise", "gaze_away"))
    assert {name: a["media"]["n_frames"] for name, a in answers.items()} == n_frames


@pytest.mark.slow
def test_real_faces_without_words(shared, tmp_path) -> None:
    code, found, _ = run(
        "predict", shared / "data" / "faces", "--out", tmp_path / "out", "--store", tmp_path / "s"
    )
    assert code == 0
    n_frames = {"WolfgangLanger_Pexels": 472, "single_face": 72, "face_noface": 169, "no_face": 95}
    check_nothing_is_predicted({a["recording"]: a for a in found["answers"]}, n_frames, "no_face")


def test_a_manifest_names_subjects_questions_and_transcripts(drawn_study, store, tmp_path) -> None:
    code, found, _ = run(
        "predict",
        "--manifest",
        drawn_study / "answers.csv",
        "--out",
        tmp_path / "o",
        "--store",
        store,
    )
    assert code == 0
    rows = read_csv(tmp_path / "o" / "answers.csv")
    assert rows[0]["question"] == "7"
    assert "label" not in read_csv(drawn_study / "answers.csv")[0]
    (tmp_path / "bad.csv").write_text("file,question\na.mp4,7\n")
    code, found, _ = run("predict", "--manifest", tmp_path / "bad.csv", "--out", tmp_path / "p")
    assert code == 3
    assert "'path'" in found["error"]["message"]


def test_files_of_one_name_do_not_overwrite_each_other(tmp_path) -> None:
    from twomind.pipeline.jobs import plan

    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a b.mp4").write_bytes(b"1")
    ids = [job.id for job in plan([tmp_path])]
    assert len(set(ids)) == 2
    assert all("/" not in i and " " not in i for i in ids)


def test_the_question_can_come_from_the_file_name(tmp_path) -> None:
    from twomind.pipeline.jobs import plan

    (tmp_path / "82_Question_4_2024_Video.mp4").write_bytes(b"1")
    (tmp_path / "other.mp4").write_bytes(b"1")
    jobs = {j.media.name: j.question for j in plan([tmp_path], question="from-name")}
    assert jobs == {"82_Question_4_2024_Video.mp4": "4", "other.mp4": None}
