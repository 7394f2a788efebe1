"""Tables over all answers: a row per answer, the codebook, the workbook."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
import tracemalloc
import wave
import zipfile
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twomind.core.errors import MissingExtra
from twomind.core.store import Store
from twomind.core.version import __version__
from twomind.features.body.cues import KINDS as BODY_KINDS
from twomind.features.cues import KINDS
from twomind.pipeline import predict, rows
from twomind.pipeline.jobs import RESERVED_NAMES, Job, Options, fingerprint, plan
from twomind.pipeline.rows import Row
from twomind.reporting import columns, wide
from twomind.reporting.columns import Column, Table
from twomind.reporting.measured import measured
from twomind.reporting.result import NotMeasured, Result
from twomind.reporting.sheets import WORKBOOK, TableSettings, book
from twomind.types import Cue, Features, Prediction, Recording, Timing, Track, Word

FILM = Path(__file__).parents[1] / "fixtures" / "v0_1" / "media" / "clip-talking.mp4"
BOM = b"\xef\xbb\xbf"
openpyxl = pytest.importorskip("openpyxl", reason="workbooks need the extra 'xlsx'")


def read(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def heading(path: Path) -> list[str]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file))


def track(values: list[list[float]], names: tuple[str, ...], valid: list[bool]) -> Track:
    times_s = np.arange(len(values)) / 10
    return Track(np.array(values, np.float32), times_s, np.array(valid), names)


NAN = float("nan")
FACE = track([[1, NAN], [3, 2], [9, 9], [5, 4]], ("AU04", "pose_yaw"), [True, True, False, True])
VOICE = track([[1, 100], [0, NAN]], ("speech", "pitch"), [True, True])


def result(**others: Any) -> Result:
    """An answer with a face of four rows, one of them not valid."""
    recording = Recording("a", "p1", FILM)
    words = (Word("well", 0.0, 0.2, timing=Timing.GIVEN),)
    features = Features("a", "p1", {"face": FACE, "voice": VOICE}, (0.0, 1.0), words=words)
    found = Result(recording, features, (), Prediction.not_measured((0.0, 1.0), 2, "none"))
    voice = {"n_pauses": 0, "articulation_rate_per_s": None}
    return replace(found, summary={"voice": voice}, **others)


# --- one answer


def test_means_and_spreads_are_those_of_what_was_measured() -> None:
    face = measured(result())["face"]
    assert face["valid_share"] == 0.75
    assert face["measures"]["AU04"]["mean"] == pytest.approx(3)
    assert face["measures"]["AU04"]["sd"] == pytest.approx(2), "n - 1, as pandas and R have it"
    yaw = face["measures"]["pose_yaw"]
    assert (yaw["mean"], yaw["valid_share"]) == (3, 0.5)
    assert face["measures"]["AU04"]["relative_mean"] is None, "there is nothing relative"
    one_row = measured(result())["voice"]["measures"]["pitch"]
    assert (one_row["mean"], one_row["sd"]) == (100, None), "one value has no spread"


def test_a_cue_that_could_not_be_looked_for_is_not_none_found() -> None:
    seen = measured(result())["cues"]
    assert seen["nod"] == seen["hedge"] == seen["long_pause"] == 0
    assert seen["slow_speech"] is None, "its rate is not known"
    assert seen["speech without words"] is None, "nothing was recognised"
    assert all(seen[kind] is None for kind in BODY_KINDS)
    doubtful = result(not_measured=(NotMeasured("cue: smile", "rest not known"),))
    assert measured(doubtful)["cues"]["smile"] is None
    found = replace(doubtful, cues=(Cue("smile", "face", 0, 1), Cue("nod", "face", 0, 1)))
    assert (measured(found)["cues"]["smile"], measured(found)["cues"]["nod"]) == (1, 1)
    silent = replace(doubtful, features=replace(doubtful.features, words=None, tracks={}))
    without = measured(silent)["cues"]
    assert without["nod"] is without["hedge"] is without["face_against_words"] is None


def test_rates_go_by_the_words_where_pauses_do() -> None:
    spoken = {"first_speech_s": 1.0, "last_speech_s": 7.0, "pauses_by": "sound"}
    by_sound = answer(words={"n": 20}, summary={"voice": spoken})
    of_words = {"first_word_s": 2.0, "last_word_s": 6.0, "words_per_speaking_min": 400.0}
    by_words = answer(
        words={"n": 20}, summary={"voice": {**spoken, **of_words, "pauses_by": "words"}}
    )
    names = ("pauses_by", "words_per_min", "words_per_speaking_min")
    found = []
    for one in (by_sound, by_words):
        names_of_all = wide.table(wide.Layout()).names()
        row = dict(zip(names_of_all, wide.row_of(one, wide.Layout()), strict=True))
        found.append([row[name] for name in names])
    assert found == [["sound", pytest.approx(200), None], ["words", pytest.approx(300), 400.0]]


def answer(**summary: Any) -> wide.Answer:
    return wide.Answer("a", "p1", "7", "ok", "", summary)


def scored(known: bool = True) -> wide.Answer:
    parts = {"baseline": 0.5, "question": -1.0, "length": 0.0, "content": 2.0}
    prediction = {"probability": 0.8176, "parts_log_odds": parts}
    return answer(prediction=prediction, model={"question_known": known})


def test_the_question_alone_is_compared_where_the_answer_is_scored() -> None:
    names = wide.table(wide.Layout()).names()
    row = dict(zip(names, wide.row_of(scored(), wide.Layout()), strict=True))
    alone = 1 / (1 + np.exp(0.5))
    assert row["probability_question_alone"] == pytest.approx(alone)
    assert row["probability_beyond_question"] == pytest.approx(0.8176 - alone)
    assert wide.question_alone(scored(known=False)) is None
    no_parts = answer(prediction={"probability": 0.5}, model={"question_known": True})
    assert wide.question_alone(no_parts) is None


def test_an_answer_without_a_result_has_no_number() -> None:
    failed = wide.Answer("a", "p1", "7", "failed", "it is empty")
    layout = wide.Layout(blendshapes=True, body=True)
    there = [value for value in wide.row_of(failed, layout) if value is not None]
    assert there == ["a", "p1", "7", "failed", "it is empty"]


# --- the definition


def every_table() -> list[Table]:
    layouts = (wide.Layout(), wide.Layout(blendshapes=True, body=True))
    of_layouts = [wide.table(layout) for layout in layouts]
    return [columns.ANSWERS, columns.CODEBOOK, *columns.OF_ANSWER, *of_layouts]


@pytest.mark.parametrize("table", every_table(), ids=lambda table: table.file)
def test_every_column_has_a_meaning_and_a_version_once(table: Table) -> None:
    names = [column.name for column in table.columns]
    assert len(set(names)) == len(names)
    for column in table.columns:
        assert column.meaning
        assert column.since <= __version__
        assert re.fullmatch(r"[A-Za-z]\w{0,63}", column.name), "R and SPSS take it as it is"


def test_every_kind_of_cue_has_its_column() -> None:
    names = wide.table(wide.Layout(body=True)).names()
    assert {f"cue_{wide.plain_name(kind)}" for kind in KINDS} <= set(names)


def test_a_column_without_an_entry_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no entry in the codebook"):
        columns.ANSWERS.names("mood")
    with pytest.raises(ValueError, match="no entry in the codebook"):
        columns.CUES.written(["recording", "mood"])
    small = Table("small.csv", "", (Column("a", "first"),))
    with pytest.raises(ValueError, match="expected 1 values"), book(tmp_path, TableSettings()) as b:
        b.begin(small).append(["x", "y"])
    assert not list(tmp_path.iterdir()), "what fails leaves nothing"


# --- CSV and Excel


ODD = ('=HYPERLINK("x")', "-2.5 apples", "#N/A", "a\x01b\udc80", "né", "")


def write(out: Path, settings: TableSettings) -> None:
    table = Table("odd.csv", "", tuple(Column(name, "any") for name in "abcdef"))
    with book(out, settings) as made:
        sheet = made.begin(table, exact=True)
        sheet.append([1, 2.34567891, 1e-5, None, NAN, True])
        sheet.append(ODD)


def test_a_workbook_holds_the_values_of_the_csv_and_runs_nothing(tmp_path: Path) -> None:
    write(tmp_path, TableSettings(xlsx=True))
    lines = (tmp_path / "odd.csv").read_text().splitlines()
    assert lines[1] == "1,2.34568,1e-05,,,true"
    assert lines[2].startswith('"\'=HYPERLINK(""x"")",\'-2.5 apples,#N/A')
    sheet = openpyxl.load_workbook(tmp_path / WORKBOOK)["odd"]
    heads, numbers, texts = sheet.iter_rows()
    assert [cell.value for cell in heads] == list("abcdef")
    assert [cell.value for cell in numbers] == [1, 2.34568, 1e-5, None, None, True]
    assert [cell.data_type for cell in texts[:5]] == ["s"] * 5, "no formula and no error"
    assert [cell.value for cell in texts] == [*ODD[:3], "a�b\\udc80", "né", None]


def test_the_same_values_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, TableSettings(xlsx=True, bom=True))
    for name in ("odd.csv", WORKBOOK):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    with zipfile.ZipFile(tmp_path / "one" / WORKBOOK) as packed:
        assert {entry.date_time[0] for entry in packed.infolist()} == {1980}
        assert packed.read("docProps/core.xml").count(b">1980-01-01T00:00:00Z<") == 2
    write(tmp_path / "one", TableSettings())
    assert not (tmp_path / "one" / WORKBOOK).exists(), "old values do not stay"
    assert not (tmp_path / "one" / "odd.csv").read_bytes().startswith(BOM)


def test_a_workbook_needs_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with (
        pytest.raises(MissingExtra, match=r"twomind\[xlsx\]"),
        book(tmp_path, TableSettings(xlsx=True)),
    ):
        pass


def test_memory_does_not_grow_with_the_answers(tmp_path: Path, monkeypatch) -> None:
    summary = {"prediction": {"probability": 0.5, "parts_log_odds": {}, "band_95": None}}
    summary |= {"words": {"n": 3, "remarks": []}, "cues": {}, "summary": {}, "files": ["cues.csv"]}
    monkeypatch.setattr(rows, "summary_in", lambda out, row: summary)
    monkeypatch.setattr(rows, "_write_report", lambda *_: None)
    peaks = []
    for n in (10, 150):
        made = [Row(Job(Path("a.wav"), f"a{k}", "p"), "done", "ok") for k in range(n)]
        tracemalloc.start()
        rows.write_overviews(made, tmp_path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert len(read(tmp_path / "answers_wide.csv")) == 150
    assert peaks[1] < peaks[0] + 100_000


# --- a run


def spoken(path: Path) -> None:
    """A second of noise, and what is said in it."""
    values = np.random.default_rng(3).integers(-900, 900, 16000, np.int16)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(values.tobytes())
    text = "1\n00:00:00,100 --> 00:00:00,900\nwell I would maybe try, but I am not sure\n"
    path.with_suffix(".srt").write_text(text)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Job], predict.Batch]:
    """An answer, and one that fails."""
    folder = tmp_path_factory.mktemp("in")
    spoken(folder / "talk.wav")
    (folder / "empty.mp4").write_bytes(b"")
    out = tmp_path_factory.mktemp("out")
    settings = TableSettings(bom=True, xlsx=True)
    batch = predict.Batch(
        Options(tables=settings, change_talk="change-talk"), out, Store(folder / "store"), workers=1
    )
    jobs = plan([folder / "empty.mp4", folder / "talk.wav"], question="7")
    predict.predict_all(jobs, batch)
    return jobs, batch


def test_the_codebook_has_every_column_that_was_written(run) -> None:
    _, batch = run
    entries = read(batch.out / "codebook.csv")
    written = sorted(batch.out.rglob("*.csv"))
    assert len(written) == len({entry["file"] for entry in entries})
    for path in written:
        assert path.read_bytes().startswith(BOM), path.name
        assert heading(path) == [e["name"] for e in entries if e["file"] == path.name]
    page = (batch.out / "codebook.html").read_text()
    assert all(entry["name"] in page for entry in entries)


def test_the_wide_table_says_what_the_long_ones_say(run) -> None:
    _, batch = run
    failed, talk = read(batch.out / "answers_wide.csv")
    assert (failed["status"], failed["probability"], failed["cue_hedge"]) == ("failed", "", "")
    assert failed["reason"]
    measures = read(batch.out / "talk" / "measures.csv")
    values = [float(m["value"]) for m in measures if m["measure"] == "energy" and m["value"]]
    assert float(talk["energy_mean"]) == pytest.approx(np.mean(values), abs=1e-3)
    assert float(talk["energy_sd"]) == pytest.approx(np.std(values, ddof=1), abs=1e-3)
    cues = [cue["cue"] for cue in read(batch.out / "talk" / "cues.csv")]
    assert cues
    for kind in KINDS:
        written = talk.get(f"cue_{wide.plain_name(kind)}")
        assert written in (None, "") or int(written) == cues.count(kind), kind
    assert talk["cue_nod"] == talk["AU04_mean"] == "", "there is no face"
    assert talk["face_reason"]
    assert talk["cue_slow_speech"] == "", "too little is said to know the usual rate"
    assert "slow_speech" in talk["not_measured"]
    shares = [float(talk[f"change_talk_{side}"]) for side in ("change", "sustain", "neutral")]
    assert sum(shares) + float(talk["change_talk_cannot_tell"]) == pytest.approx(1)


def test_the_workbook_has_a_sheet_per_table(run) -> None:
    _, batch = run
    workbook = openpyxl.load_workbook(batch.out / WORKBOOK, read_only=True)
    assert workbook.sheetnames == ["answers", "answers_wide", "codebook"]
    for sheet in workbook:
        with open(batch.out / f"{sheet.title}.csv", encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file))
        for cells, texts in zip(sheet.iter_rows(values_only=True), lines, strict=True):
            for value, text in zip_longest(cells, texts):
                number = isinstance(value, float | int) and not isinstance(value, bool)
                same = float(text) == value if number else True
                assert same
                assert (value is None) == (text == "")


def test_a_second_run_writes_the_same_tables(run) -> None:
    jobs, batch = run
    names = ("answers_wide.csv", "codebook.csv", "codebook.html")
    before = {name: (batch.out / name).read_bytes() for name in names}
    again = predict.predict_all(jobs, batch)
    assert again[1].state == "already done"
    assert {name: (batch.out / name).read_bytes() for name in names} == before
    asked = batch.options
    without = replace(asked, tables=replace(asked.tables, xlsx=False))
    assert fingerprint(jobs[1], without) == fingerprint(jobs[1], asked), "no answer is made anew"
    assert {path.name for path in batch.out.iterdir() if path.is_file()} - {".twomind.lock"} <= set(
        RESERVED_NAMES
    )


@pytest.mark.slow
def test_r_reads_the_tables_as_the_manual_says(run) -> None:
    """The snippet of the manual, as it stands there."""
    if shutil.which("Rscript") is None:
        pytest.skip("needs R (apt-get install r-base-core)")
    _, batch = run
    page = Path(__file__).parents[2] / "docs" / "how-to" / "tables.md"
    snippets = re.findall(r"```r\n(.*?)```", page.read_text(), re.DOTALL)
    script = "\n".join(snippets).replace("results/answer/", "results/talk/")
    script += '\nstopifnot(nrow(answers) == 2, is.na(answers$probability[1]))\ncat("read\\n")\n'
    (batch.out.parent / "results").symlink_to(batch.out)
    done = subprocess.run(
        ["Rscript", "-e", script], cwd=batch.out.parent, capture_output=True, text=True, timeout=120
    )
    (batch.out.parent / "results").unlink()
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("read\n")


@pytest.mark.slow
def test_pspp_reads_the_tables_as_the_manual_says(run, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPSS's command of the manual, as it stands there: types, labels, and what is missing."""
    if shutil.which("pspp") is None:
        pytest.skip("needs PSPP (apt-get install pspp)")
    _, batch = run
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "tables.md").read_text()
    part = page.partition("## SPSS")[2]
    [script, *_] = re.findall(r"```python\n(.*?)```", part, re.DOTALL)
    [command] = re.findall(r"```text\n(.*?)```", part, re.DOTALL)
    monkeypatch.chdir(batch.out.parent)
    link = Path("results")
    link.symlink_to(batch.out)
    written = [batch.out / name for name in ("answers_wide.sps", "told.csv")]
    try:
        exec(compile(script, "tables.md", "exec"), {})
        save = "SAVE TRANSLATE /OUTFILE='results/told.csv' /TYPE=CSV /FIELDNAMES /CELLS=LABELS."
        Path("run.sps").write_text(f"{command}\nDISPLAY LABELS.\n{save}\n")
        told = ["pspp", "run.sps", "-o", "told.txt", "-O", "format=csv"]
        done = subprocess.run(told, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        failed, talk = read(written[1])
        _, ours = read(batch.out / "answers_wide.csv")
        assert "inner brow raised: mean over valid rows (iod)" in Path("told.txt").read_text()
    finally:
        link.unlink()
        for path in written:
            path.unlink(missing_ok=True)
    assert failed["status"] == "the file could not be used: see reason", "a label of a value"
    assert failed["probability"].strip() == "", "an empty cell is missing"
    assert talk.keys() == ours.keys()
    n_numbers = 0
    for name in set(ours) - {"status", "decision"}:
        if re.fullmatch(r"-?\d+(\.\d+)?", ours[name]):
            assert float(talk[name]) == pytest.approx(float(ours[name]), abs=5e-5), name
            n_numbers += 1
        else:
            assert talk[name].strip() == ours[name], name
    assert n_numbers > 30
