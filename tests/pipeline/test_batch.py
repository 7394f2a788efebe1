"""Many answers: what the batch remembers, what it makes again, and what it says."""

from __future__ import annotations

import csv
import json
import pickle
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twomind import models
from twomind.core.settings import FILE
from twomind.core.store import Store
from twomind.pipeline import predict, rows, telling
from twomind.pipeline.jobs import Job, Options, plan
from twomind.pipeline.rows import Row
from twomind.pipeline.run import prepare
from twomind.pipeline.settings import PREDICT
from twomind.reporting.report import MAX_TOGETHER, Shown, shown, write_pages

N = MAX_TOGETHER + 3


def sound(path: Path, seed: int, seconds: float = 1.0) -> Path:
    values = np.random.default_rng(seed).integers(-900, 900, int(16000 * seconds), np.int16)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(values.tobytes())
    return path


def with_words(path: Path, seed: int) -> Path:
    sound(path, seed)
    text = "1\n00:00:00,100 --> 00:00:00,900\nwell I would maybe try, but I am not sure\n"
    path.with_suffix(".srt").write_text(text)
    return path


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Job], predict.Batch, list[Row]]:
    """Many tiny answers, worked once."""
    folder = tmp_path_factory.mktemp("many")
    films = [with_words(folder / f"a{k:02d}.wav", k) for k in range(N)]
    jobs = plan(films, question="7")
    out = tmp_path_factory.mktemp("out")
    store = Store(tmp_path_factory.mktemp("store"))
    batch = predict.Batch(Options(), out, store, workers=1, settings="workers = 1\n")
    return jobs, batch, predict.predict_all(jobs, batch)


def test_a_row_is_small_and_says_what_the_folder_says(many) -> None:
    jobs, batch, found = many
    assert [row.job.id for row in found] == [job.id for job in jobs]
    assert {row.state for row in found} == {"done"}
    for row in found:
        assert len(pickle.dumps(row)) < 4096
        prediction = rows.summary_in(batch.out, row)["prediction"]
        assert row.probability == prediction["probability"]
        assert list(row.band or ()) == prediction["band_95"]
        assert row.status == prediction["status"] == "ok"
        assert row.seconds > 0
    assert (batch.out / FILE).read_text() == "workers = 1\n"


def test_the_overviews_are_made_of_what_lies_on_disk(many) -> None:
    _, batch, found = many
    with open(batch.out / "answers.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == N
    assert all(row["probability"] and row["n_words"] == "10" for row in table)
    page = (batch.out / "report.html").read_text()
    assert all(f"{row.job.id}/report.html" in page for row in found)


def test_a_second_run_loads_no_model_and_touches_no_file(many, monkeypatch) -> None:
    jobs, batch, found = many
    stamps = {p: p.stat().st_mtime_ns for p in batch.out.glob("*/*")}

    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(models, "load", refuse)
    again = predict.predict_all(jobs, batch)
    assert {row.state for row in again} == {"already done"}
    assert [row.probability for row in again] == [row.probability for row in found]
    assert {p: p.stat().st_mtime_ns for p in batch.out.glob("*/*")} == stamps


def test_an_answer_whose_folder_is_not_whole_is_made_again(many) -> None:
    jobs, batch, _ = many
    (batch.out / jobs[0].id / rows.PAGE).unlink()
    (batch.out / jobs[1].id / rows.SUMMARY).write_text("{ cut")
    (batch.out / jobs[2].id / rows.SUMMARY).write_text("[]")
    again = predict.predict_all(jobs[:4], batch)
    assert [row.state for row in again] == ["done", "done", "done", "already done"]


def test_a_page_from_disk_is_the_page_from_results(tmp_path: Path) -> None:
    from twomind.pipeline.answer import predict_one

    media = with_words(tmp_path / "a.wav", 1)
    result = predict_one(plan([media])[0], Options(), Store(tmp_path / "s"))
    page = shown(result)
    row, rest = (json.loads(json.dumps(value)) for value in (page.row, page.rest))
    first = write_pages([page], tmp_path / "one.html").read_bytes()
    again = write_pages([Shown(media, "a", row, rest)], tmp_path / "two.html").read_bytes()
    assert first == again


def test_a_run_given_back_by_its_settings_makes_the_same_results(tmp_path: Path) -> None:
    media = with_words(tmp_path / "a.wav", 1)
    options = {"media": (media,), "out": tmp_path / "one", "store": tmp_path / "s"}
    sets = ["question=7", "describe.cues.long_pause_s=0.4"]
    first = prepare(PREDICT.read(sets=sets, options=options)).go()
    config = first.out / FILE
    back = PREDICT.read(config=config, options={"out": tmp_path / "two"})
    again = prepare(back).go()
    assert [row.state for row in again.rows] == ["done"]
    for name in ("measures.csv", "words.csv", "cues.csv", "summary.json"):
        assert (first.out / "a" / name).read_bytes() == (again.out / "a" / name).read_bytes()
    same = prepare(PREDICT.read(config=config)).go()
    assert [row.state for row in same.rows] == ["already done"]


def row(state: str = "done", **values: Any) -> Row:
    return Row(Job(Path("a.mp4"), "a", "a"), state, **values)


def test_each_result_in_words() -> None:
    scored = row(status="ok", probability=0.617, band=(0.41, 0.8))
    told = {
        "a: 0.62; of held-out answers scored nearest to this, 41 to 80 % were A/H": scored,
        "a: 0.14; beyond what was tested: so it is": row(
            status="ok", probability=0.14, no_band="beyond what was tested: so it is"
        ),
        "a: 0.62": row(status="ok", probability=0.617),
        "a: cannot tell: 0.50; near the border": row(
            status="abstained", probability=0.5, reason="near the border"
        ),
        "a: not scored: words: no transcript": row(
            status="not_measured", reason="words: no transcript"
        ),
        "a: failed: no such file": row("failed", error="no such file"),
    }
    for line, one in told.items():
        assert telling.results([one]) == [line]
    assert telling.results([row("skipped")]) == []
    many = [scored] * 49 + [told["a: not scored: words: no transcript"]] * 2
    assert telling.results(many) == [
        "scored: 49",
        "not scored: 2",
        "commonest reason for no score: words: no transcript",
    ]


def test_a_batch_without_a_score_says_what_to_do() -> None:
    assert telling.advice([row(status="ok", probability=0.5)]) == []
    without = [row(status="not_measured", reason="words: no transcript")]
    said = telling.advice(without)
    assert said[0] == "Nothing was scored. Most often: words: no transcript."
    assert "--speech-model" in said[1]
    assert "answers.csv" in telling.advice([row("failed", error="cut")])[1]
    assert telling.advice([row("failed", error="It is cut.")])[0].endswith("often: It is cut.")


def test_an_overlay_that_was_asked_for_and_is_not_there_is_told() -> None:
    without = row(no_overlay="the recording has no pictures")
    assert telling.overlays([row()]) == []
    assert telling.overlays([without, row()]) == ["a: no overlay: the recording has no pictures"]
    [said] = telling.overlays([without] * 100)
    assert said.startswith("100 answers have no overlay")


def test_blanks_around_names_of_a_manifest_do_not_count(tmp_path: Path) -> None:
    with_words(tmp_path / "a.wav", 1)
    with_words(tmp_path / " b.wav", 2)
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,transcript\n a.wav , a.srt \n b.wav,\n absent.wav ,\n  ,\n")
    spaced, own_blank, absent = plan([], manifest=manifest)
    assert spaced.media == tmp_path / "a.wav"
    assert spaced.transcript == tmp_path / "a.srt"
    assert own_blank.media == tmp_path / " b.wav", "a file is called so"
    assert absent.media == tmp_path / "absent.wav"


def test_links_to_a_file_that_was_read_are_told(tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    media = with_words(films / "a.wav", 1)
    link = films / "b.wav"
    link.symlink_to(media)
    options = {"media": (films,), "out": tmp_path / "out", "store": tmp_path / "s"}
    finished = prepare(PREDICT.read(sets=["question=7"], options=options)).go()
    assert [row.job.media for row in finished.rows] == [media]
    assert f"the same file as {media}, left out: {link}" in finished.remarks()
    [said] = telling.second_names({Path(f"{n}.wav"): media for n in range(100)})
    assert said.startswith("100 links")
