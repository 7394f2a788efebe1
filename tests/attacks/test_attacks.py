"""Files that want something else than to be read: they fail by themselves, with a class and a short
message, and the others go on. The tables of attacks stand in ``crafted.py``.
"""

from __future__ import annotations

import ast
import csv
import errno
import json
import os
import shutil
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from attacks.crafted import (
    BAD_NAMES,
    BOMBS,
    FILE_STEMS,
    FORMULAS,
    SCRIPTS,
    WORDS,
    answer,
    snapshot,
    sound,
)
from patience import HANG_S
from twomind.annotations import read_annotations, read_csv
from twomind.cli.main import main
from twomind.core import csv_text, files, names, weights
from twomind.core.errors import BadInput, Environment, MissingWeights, TwomindError, of_system
from twomind.core.files import LOCK, alone_in, content_hash, replacing, write_text
from twomind.core.spool import Spool
from twomind.core.store import Ledger, Store, read_arrays, write_arrays
from twomind.datasets import bah_files, bah_splits
from twomind.datasets.coders import read_annotation_rows
from twomind.datasets.frames import read_segments
from twomind.datasets.people import read_people_table
from twomind.features import describe as describing
from twomind.features.describe import describe
from twomind.features.profile import Neutral, Profile, Visit, write_profile
from twomind.media.recording import open_recording
from twomind.models import load as load_model
from twomind.models.words import recogniser as words_model
from twomind.pipeline import predict
from twomind.pipeline.jobs import Options, plan
from twomind.pipeline.profiles import enrol, import_profile, is_name
from twomind.pipeline.rows import MADE, SUMMARY, Row, write_overviews
from twomind.pipeline.settings import PREDICT
from twomind.reporting import tables
from twomind.transcripts.words import read_words
from twomind.types import Track

ROOT = Path(__file__).parent.parent.parent


def work(paths: Sequence[Path], out: Path, **planned: Any) -> list[Row]:
    """The answers of some files, in this process."""
    jobs = plan(paths, question="7", **planned)
    batch = predict.Batch(Options(), out, Store(out.parent / "store"), workers=1)
    return predict.predict_all(jobs, batch)


def overview(out: Path) -> list[dict[str, str]]:
    with open(out / "answers.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cli(*arguments: object) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(main, [*map(str, arguments), "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout)


def in_child(code: str, *arguments: object, **more: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **more)


# --- names and paths


@pytest.mark.parametrize("name", BAD_NAMES)
def test_no_gate_lets_a_bad_name_pass(name: str, tmp_path: Path) -> None:
    assert names.problem(name)
    assert not is_name(name)
    for refused in (
        lambda: names.refuse(name, "id"),
        lambda: names.inside(tmp_path, name),
        lambda: Store(tmp_path, name),
        lambda: weights.add(name, "nothing"),
        lambda: enrol(tmp_path, name, [], Store(tmp_path)),
        lambda: plan([sound(tmp_path / "a.wav")], subject=name),
    ):
        with pytest.raises(BadInput) as error:
            refused()
        assert len(str(error.value)) < 400
    assert not names.problem(names.safe(name))


def test_ids_of_a_manifest_write_and_remove_nothing_elsewhere(tmp_path: Path) -> None:
    precious = tmp_path / "x"
    precious.mkdir()
    for name in (SUMMARY, ".half.part", *MADE):
        (precious / name).write_text("mine")
    media = answer(tmp_path / "a.wav")
    taken = ["answers.csv", "report.html", "Settings.TOML", "same", "SAME", "good"]
    with open(tmp_path / "m.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "path"])
        writer.writerows([name, media.name] for name in (*BAD_NAMES, *taken))
    before = snapshot(precious)
    out = tmp_path / "deep" / "out"
    out.mkdir(parents=True)
    rows = work([], out, manifest=tmp_path / "m.csv")
    done = {row.job.id for row in rows if row.state == "done"}
    assert done == {"same", "good"}
    for row in rows:
        if row.state == "failed":
            assert row.error_kind == "bad_input"
            assert repr(row.job.id)[:20] in row.error
    assert snapshot(precious) == before
    assert sorted(p.name for p in out.iterdir() if p.is_dir()) == ["good", "same"]
    assert len(overview(out)) == len(rows)
    assert (out / "report.html").is_file()
    assert predict.exit_code(rows) == 7


def test_names_of_people_in_a_manifest_pass_the_gate(tmp_path: Path) -> None:
    answer(tmp_path / "a.wav")
    with open(tmp_path / "m.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "subject"])
        writer.writerows(["a.wav", name] for name in BAD_NAMES)
    jobs = plan([], manifest=tmp_path / "m.csv")
    assert len(jobs) == len(BAD_NAMES)
    assert all(job.refused.startswith("subject ") for job in jobs)


def test_odd_names_of_files_get_folders_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    for n, stem in enumerate(FILE_STEMS):
        plain = sound(tmp_path / "plain.wav", n)
        os.rename(plain, os.path.join(os.fsencode(folder), stem + b".wav"))
    deeper = folder / "other"
    deeper.mkdir()
    sound(deeper / "cap.wav", 99)
    out = tmp_path / "out"
    rows = work([folder], out)
    assert {row.state for row in rows} == {"done"}, [row.error for row in rows]
    assert len(rows) == len(FILE_STEMS) + 1
    ids = [row.job.id for row in rows]
    assert len({names.same(name) for name in ids}) == len(ids)
    assert sorted(ids) == sorted(p.name for p in out.iterdir() if p.is_dir())
    assert {row["recording"].lstrip("'") for row in overview(out)} == set(ids)
    for name in ids:
        summary = json.loads((out / name / SUMMARY).read_text(encoding="utf-8"))
        found = os.fsencode(summary["media"]["path"])
        assert os.path.isfile(found), "JSON gives the bytes of a name back"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["films", "out", "store"]
    code, said = cli(
        "predict", folder, "--out", out, "--store", tmp_path / "store", "--question", 7
    )
    assert code == 0
    assert len(said["answers"]) == len(ids)


def test_accents_written_two_ways_are_one_name() -> None:
    composed, separate = "café", unicodedata.normalize("NFD", "CAFÉ")
    assert names.same(composed) == names.same(separate)
    assert names.safe(unicodedata.normalize("NFD", "é")) == "é"


@pytest.mark.parametrize("name", ["p1", "\u212bsa", "\u00e5SA"])
def test_another_spelling_of_a_person_is_no_second_person(name: str, tmp_path: Path) -> None:
    people = tmp_path / "people"
    for known in ("P1", "\u00c5sa"):
        write_profile(Profile(known), people / known / "profile.json")
    before = snapshot(people)
    with pytest.raises(BadInput, match="count as one"):
        enrol(people, name, [sound(tmp_path / "a.wav")], Store(tmp_path / "store"))
    visit = Visit("0" * 64, "2026-01-01", {"face": {"AU04": Neutral(0.0, 0.1, 20, 2.0)}})
    exported = write_profile(Profile(name, (visit,)), tmp_path / "exported.json")
    with pytest.raises(BadInput, match="count as one"):
        import_profile(people, exported, name)
    assert snapshot(people) == before


def test_a_link_out_of_the_results_is_refused(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / SUMMARY).write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    (out / "a").symlink_to(mine)
    rows = work([answer(tmp_path / "a.wav"), answer(tmp_path / "b.wav", 1)], out)
    assert [row.state for row in rows] == ["failed", "done"]
    assert "leads out of" in rows[0].error
    assert snapshot(mine) == {SUMMARY: b"mine"}


def test_results_among_the_recordings_are_no_recordings(tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    media = answer(films / "a.wav")
    out = films / "results"
    jobs = plan([films], question="7")
    batch = predict.Batch(Options(), out, Store(tmp_path / "store"), workers=1)
    assert [row.state for row in predict.predict_all(jobs, batch)] == ["done"]
    shutil.copy(media, out / "a" / "overlay.mp4")
    before = snapshot(out / "a")
    again = plan([films], question="7")
    assert [row.state for row in predict.predict_all(again, batch)] == ["already done"]
    assert snapshot(out / "a") == before
    assert [job.media for job in plan([films])] == [media], "also with another folder of results"


def test_what_a_computer_keeps_beside_recordings_is_none(tmp_path: Path) -> None:
    films = tmp_path / "films"
    (films / ".Trashes").mkdir(parents=True)
    media = answer(films / "a.wav")
    shutil.copy(media, films / "._a.wav")
    shutil.copy(media, films / ".Trashes" / "old.wav")
    (films / "b.wav").symlink_to("a.wav")
    assert [job.media for job in plan([films])] == [media]
    named = [films / "._a.wav", films / "b.wav"]
    assert [job.media for job in plan(named)] == named


def test_a_path_with_a_nul_fails_alone(tmp_path: Path) -> None:
    answer(tmp_path / "a.wav")
    (tmp_path / "m.csv").write_text("path,id\n\0,x\na.wav,y\n")
    rows = work([], tmp_path / "out", manifest=tmp_path / "m.csv")
    assert [row.state for row in rows] == ["failed", "done"]
    assert rows[0].error_kind == "bad_input"


# --- what is no file


def not_files(folder: Path) -> list[Path]:
    os.mkfifo(folder / "pipe.mp4")
    (folder / "device.mp4").symlink_to("/dev/zero")
    (folder / "folder.mp4").mkdir()
    (folder / "broken.mp4").symlink_to("nowhere")
    (folder / "empty.mp4").touch()
    return sorted(folder.glob("*.mp4"))


@pytest.mark.parametrize("named", [True, False])
def test_what_is_no_file_fails_alone(named: bool, tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    odd = [path for path in not_files(folder) if not named or path.exists()]
    answer(folder / "good.wav")
    rows = work([*odd, folder / "good.wav"] if named else [folder], tmp_path / "out")
    failed = {row.job.media.name: row for row in rows if row.state == "failed"}
    assert sorted(failed) == [path.name for path in odd]
    for row in failed.values():
        assert row.error_kind == "bad_input"
        assert row.error.count(str(row.job.media)) == 1
    assert [row.state for row in rows if row.job.media.stem == "good"] == ["done"]
    assert len(overview(tmp_path / "out")) == len(rows)
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_file_that_may_not_be_read_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shut, good = answer(tmp_path / "shut.wav"), answer(tmp_path / "good.wav", 1)
    real = open

    def refusing(path: Any, *rest: Any, **more: Any) -> Any:
        if path == shut:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *rest, **more)

    monkeypatch.setattr("builtins.open", refusing)
    rows = work([shut, good], tmp_path / "out")
    assert [row.state for row in rows] == ["failed", "done"]
    assert (rows[0].error_kind, rows[0].exit_code) == ("bad_input", 3)
    assert rows[0].error.count(str(shut)) == 1


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "missing"])
def test_a_transcript_that_is_no_file_fails_its_answer(kind: str, tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    answer(tmp_path / "b.wav", 1)
    not_files(tmp_path)
    (tmp_path / "m.csv").write_text(f"path,transcript\na.wav,{kind}.mp4\nb.wav,\n")
    rows = work([], tmp_path / "out", manifest=tmp_path / "m.csv")
    assert [row.state for row in rows] == ["failed", "done"]
    assert rows[0].error_kind == "bad_input"


# --- texts that grow, point elsewhere, or run


READERS: dict[str, Callable[[Path], object]] = {
    ".json": read_words,
    ".yaml": read_words,
    ".toml": lambda path: PREDICT.read(config=path),
    ".eaf": read_annotations,
    ".csv": lambda path: plan([], manifest=path),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_text_that_grows_is_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(BOMBS[name], encoding="utf-8")
    with pytest.raises(BadInput) as error:
        READERS[path.suffix](path)
    assert len(str(error.value)) < 1000
    assert "root:" not in str(error.value)


@pytest.mark.parametrize("name", ["deep.json", "deep_object.json", "digits.json"])
def test_json_of_ours_that_was_tampered_with_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text(BOMBS[name])
    with pytest.raises(TwomindError):
        load_model(tmp_path)
    (tmp_path / "words.json").write_text(BOMBS[name])
    with pytest.raises(TwomindError):
        load_model(tmp_path / "words.json")
    shelf = weights.folder() / "mine"
    shelf.mkdir(parents=True)
    (shelf / "manifest.json").write_text(BOMBS[name])
    with pytest.raises(MissingWeights, match="damaged"):
        weights.locate("mine")


@pytest.fixture(autouse=True)
def _own_weights(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOMIND_WEIGHTS", str(tmp_path_factory.mktemp("shelf")))


def test_the_yaml_bomb_beside_a_film_is_a_short_refusal(shared: Path, tmp_path: Path) -> None:
    for path in (shared / "cases" / "yaml_bomb").iterdir():
        shutil.copy(path, tmp_path / path.name)
    rows = work([tmp_path / "bomb.mp4"], tmp_path / "out")
    said = rows[0].error + rows[0].reason
    assert said
    assert len(said) < 1000


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_are_texts_in_every_table(text: str, tmp_path: Path) -> None:
    assert csv_text.cell(text) == f"'{text}"
    assert csv_text.text_of(f"'{text}") == text


def test_a_formula_is_text_in_a_spreadsheet_and_itself_elsewhere(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    answer(tmp_path / "a.wav", words=f"=1+1 @SUM(1) {WORDS}")
    (tmp_path / "m.csv").write_text("path,id,subject\na.wav,=id,@me\n")
    out = tmp_path / "out"
    assert work([], out, manifest=tmp_path / "m.csv")[0].state == "done"
    for path in set(out.rglob("*.csv")) - {out / "codebook.csv"}:
        with open(path, encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert "'=id" in cells, path
        assert not [cell for cell in cells if csv_text.cell(cell) != cell and cell[:1] != "'"], path
    measures = parquet.read_table(out / "=id" / "measures.parquet")
    assert set(measures["recording"].to_pylist()) == {"=id"}
    assert set(measures["subject"].to_pylist()) == {"@me"}
    summary = json.loads((out / "=id" / SUMMARY).read_text())
    assert (summary["recording"], summary["subject"]) == ("=id", "@me")


def test_every_writer_of_tables_knows_of_formulas() -> None:
    """A module that makes a CSV writer passes its cells through the one function."""
    for path in sorted((ROOT / "src").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "csv" not in text:
            continue
        calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        called = {ast.unparse(call.func) for call in calls}
        if called & {"csv.writer", "csv.DictWriter"}:
            assert "csv_text.cell" in text, path


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_script_of_a_text_is_one_in_a_page(script: str, tmp_path: Path) -> None:
    media = answer(tmp_path / "a.wav", words=f"{WORDS} {script}")
    (tmp_path / "m.csv").write_text(f'path,subject,question\na.wav,s,"{script}"\n')
    out = tmp_path / "out"
    assert work([], out, manifest=tmp_path / "m.csv")[0].state == "done"
    assert media.is_file()
    for page in out.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for marker in ("<script>alert", "<img src=x", "<svg/onload", 'href="javascript:'):
            assert marker not in text, page


@pytest.mark.parametrize("name", ["a.json", "a.srt", "a.txt", "a.yaml", "a.eaf", "a.toml", "a.csv"])
def test_a_giant_is_refused_before_it_is_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    with open(path, "wb") as file:
        os.truncate(file.fileno(), 5_000_000_000)
    if path.stat().st_blocks > 1000:
        pytest.skip("needs files with holes")
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("it was read"))
    monkeypatch.setattr(Path, "read_text", lambda self, **_: pytest.fail("it was read"))
    with pytest.raises(BadInput, match=r"expected at most .* MB, got 5,000 MB"):
        READERS.get(path.suffix, read_words)(path)


def test_every_reader_of_tables_has_bounds() -> None:
    """A module that makes a CSV reader opens its file through the one function, and leaves it to the
    one reader to refuse cells that no column has.
    """
    # A file of the package, a text that was read before, and the one reader itself.
    own = {"models/clip_au/phrases.py", "transcripts/tables.py", "core/csv_text.py"}
    # The release's table, of which only what a cell holds says what its column is.
    any_columns = {"datasets/bah_files.py"}
    for path in sorted((ROOT / "src" / "twomind").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT / "src" / "twomind").as_posix()
        ways = ("csv.reader(", "csv.DictReader(", "csv_text.Reader(")
        if name not in own and any(way in text for way in ways):
            assert "csv_text.table(" in text, path
            assert name in any_columns or "csv.DictReader(" not in text, path


# --- files that change, and damage


def grows_while_read(monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]) -> None:
    real = describing.run_pass

    def changing(recording: Any, *rest: Any) -> None:
        change(recording.media)
        real(recording, *rest)

    monkeypatch.setattr(describing, "run_pass", changing)


CHANGES: dict[str, Callable[[Path], None]] = {
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "longer": lambda path: path.write_bytes(path.read_bytes() * 2),
    "other bytes, same size": lambda path: path.write_bytes(
        path.read_bytes()[:-8] + bytes(range(8))
    ),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_while_it_was_read_is_not_kept(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = answer(tmp_path / "a.wav")
    whole = media.read_bytes()
    with monkeypatch.context() as patch:
        grows_while_read(patch, CHANGES[change])
        row = work([media], tmp_path / "out")[0]
    assert (row.state, row.error_kind) == ("failed", "bad_input"), row
    assert not list((tmp_path / "store" / "features").rglob("*.safetensors"))
    assert not (tmp_path / "out" / "a" / SUMMARY).exists()
    media.write_bytes(whole)
    assert work([media], tmp_path / "out")[0].state == "done"
    summary = json.loads((tmp_path / "out" / "a" / SUMMARY).read_text())
    assert summary["media"]["sha256"] == content_hash(media)


def test_a_stamp_put_back_does_not_hide_a_change(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a", "one")
    state, content = path.stat(), content_hash(path)

    def write_meanwhile() -> None:
        with files.unchanged(path, content):
            with open(path, "r+") as file:
                file.write("two")
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))

    with pytest.raises(BadInput, match="changed while"):
        write_meanwhile()


def test_the_cut_film_of_the_cases_is_not_kept(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = Path(shutil.copy(shared / "cases" / "changed_while_read" / "full.ts", tmp_path))
    media.chmod(0o600)
    grows_while_read(monkeypatch, lambda path: os.truncate(path, path.stat().st_size * 2 // 5))
    store = Store(tmp_path / "store")
    with pytest.raises(BadInput, match="changed while it was read"):
        describe(open_recording(media), ("voice",), store=store)
    assert not list(store.root.rglob("*.safetensors"))


def test_a_transcript_that_changes_meanwhile_fails_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = answer(tmp_path / "a.wav")
    later = media.with_suffix(".srt").read_text().replace("maybe", "never")

    def another(path: Path) -> None:
        path.with_suffix(".srt").write_text(later)

    grows_while_read(monkeypatch, another)
    row = work([media], tmp_path / "out")[0]
    assert row.state == "failed"
    assert "changed while it was read" in row.error


def test_a_flipped_bit_makes_an_entry_absent_or_changes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    arrays = {"x": np.arange(40, dtype=np.float32), "ok": np.ones(40, bool)}
    meta = {"names": ["a", "é"], "summary": {"n": 3, "nan": float("nan")}, 1: (2, 3)}
    path = store.put("face", store.key("content", {}), arrays, meta)
    key, whole = path.stem, path.read_bytes()
    good = store.get("face", key)
    assert good is not None
    assert good[1]["1"] == [2, 3]
    shown = repr(good)
    n_absent = 0
    for at in range(len(whole)):
        for bit in (0, 3, 6):
            flipped = bytearray(whole)
            flipped[at] ^= 1 << bit
            path.write_bytes(flipped)
            found = store.get("face", key)
            n_absent += found is None
            assert found is None or repr(found) == shown, (at, bit)
    assert n_absent > 2 * len(whole)


def test_the_flipped_entry_of_the_cases_counts_as_absent(shared: Path, tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = store.key("content", {})
    path = store.put("face", key, {"x": np.ones(3)}, {})
    shutil.copyfile(shared / "cases" / "store_flip" / "flipped_entry.safetensors", path)
    assert store.get("face", key) is None


def test_an_entry_without_sums_is_read_where_none_is_needed(tmp_path: Path) -> None:
    """States that 0.1 saved carry none."""
    from safetensors.numpy import save_file

    save_file({"x": np.ones(3)}, tmp_path / "old.safetensors", {"twomind": '{"a": 1}'})
    assert read_arrays(tmp_path / "old.safetensors")[1] == {"a": 1}
    with pytest.raises(BadInput, match="checksum"):
        read_arrays(tmp_path / "old.safetensors", need_sums=True)


def test_big_endian_rows_come_back(tmp_path: Path) -> None:
    path = write_arrays(tmp_path / "a", {"x": np.arange(5, dtype=">f8")})
    np.testing.assert_array_equal(read_arrays(path)[0]["x"], np.arange(5.0))


def test_one_digit_in_shipped_weights_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "twomind"
    folder = copy / "models" / "words" / "weights"
    shutil.copytree(words_model.SHIPPED.parent, folder)
    monkeypatch.setattr(weights, "_package_root", lambda package: copy)
    monkeypatch.setattr(words_model, "SHIPPED", folder / "words.json")
    assert load_model("words").prevalence > 0
    text = (folder / "words.json").read_text()
    (folder / "words.json").write_text(text.replace("0.1", "0.2", 1))
    with pytest.raises(MissingWeights, match="does not match its SHA-256") as error:
        load_model("words")
    assert error.value.exit_code == 5


def test_a_saved_model_whose_file_was_changed_is_an_error(tmp_path: Path) -> None:
    path = load_model("words").save(tmp_path / "mine")
    assert load_model(tmp_path / "mine").prevalence > 0
    path.write_text(path.read_text().replace("0.1", "0.2", 1))
    with pytest.raises(MissingWeights, match="not that of the model's card"):
        load_model(tmp_path / "mine")
    path.unlink()
    with pytest.raises(MissingWeights, match="missing"):
        load_model(tmp_path / "mine")


def test_a_deleted_result_is_made_again(tmp_path: Path) -> None:
    media, out = answer(tmp_path / "a.wav"), tmp_path / "out"
    work([media], out)
    whole = snapshot(out / "a")
    assert len(whole) > 7
    for name in whole:
        (out / "a" / name).unlink()
        assert work([media], out)[0].state == "done", name
        assert snapshot(out / "a") == whole
        (out / "a" / name).write_bytes(b"")
        assert work([media], out)[0].state == "done", name
    assert work([media], out)[0].state == "already done"


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    media = [answer(tmp_path / f"{n}.wav", n) for n in range(2)]
    kept = []
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        work(media, tmp_path / run / "out")
        kept.append(snapshot(tmp_path / run / "out"))
    for found in kept:
        del found["ledger.jsonl"]
    assert "0/measures.parquet" in kept[0]
    assert kept[0] == kept[1]


def test_no_memory_of_the_process_is_in_a_parquet_file(tmp_path: Path) -> None:
    """As the writer leaves it where a text stands twice in the list of a column's texts."""
    parquet = pytest.importorskip("pyarrow.parquet")
    media = answer(tmp_path / "a.wav")
    work([media], tmp_path / "out")
    path = tmp_path / "out" / "a" / "measures.parquet"
    found = parquet.ParquetFile(path).read(use_threads=False)
    for name in ("unit", "reason", "measure"):
        for chunk in found[name].chunks:
            texts = chunk.dictionary.to_pylist()
            assert len(set(texts)) == len(texts), name
    track = Track(
        np.zeros((2, 3)), np.arange(2.0), np.ones(2, bool), ("a", "b", "c"), ("Hz", "", "Hz")
    )
    import pyarrow as pa

    block = tables._column_block(track, None, slice(None))
    column = tables._arrow(pa, block["unit"], pa.dictionary(pa.int32(), pa.string()))
    assert column.dictionary.to_pylist() == ["Hz", ""]
    assert column.to_pylist() == ["Hz", "", "Hz"] * 2


# --- the machine


def test_a_full_disk_fails_with_its_class_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = [answer(tmp_path / f"{name}.wav", n) for n, name in enumerate("abc")]
    real = os.fsync

    def full(handle: int) -> None:
        if "/out/b/" in os.readlink(f"/proc/self/fd/{handle}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    out = tmp_path / "out"
    rows = work(media, out)
    assert [row.state for row in rows] == ["done", "failed", "done"]
    assert (rows[1].error_kind, rows[1].exit_code) == ("environment", 8)
    assert rows[1].error.count(str(out)) == 1
    assert not list(out.rglob("*.part"))
    assert len(overview(out)) == 3
    assert (out / "report.html").is_file()
    monkeypatch.undo()
    assert [row.state for row in work(media, out)] == ["already done", "done", "already done"]


def test_a_full_disk_for_rows_and_ledgers_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs a device that is always full")
    with pytest.raises(OSError, match="/dev/full"):
        Ledger(full).append("a")
    spool = Spool((1,))
    with open(full, "wb", buffering=0) as device:
        monkeypatch.setattr(spool, "_file", device)
        spool.append(np.ones((1, 1)))
        with pytest.raises(OSError, match="No space left on device: '/"):
            spool.read()


def test_a_file_that_cannot_be_written_is_named_once(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with pytest.raises(OSError, match="space") as error, replacing(target) as part:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(part))
    told = of_system(error.value)
    assert isinstance(told, Environment)
    assert str(told).startswith(f"{target}: No space left on device")
    assert ".part" not in str(told)
    assert list(tmp_path.iterdir()) == []


FAILURES = {
    errno.ENOSPC: 8,
    errno.EDQUOT: 8,
    errno.EIO: 8,
    errno.EMFILE: 8,
    errno.EROFS: 3,
    errno.EACCES: 3,
    errno.ENAMETOOLONG: 3,
    errno.ENOTDIR: 3,
}


@pytest.mark.parametrize("code", FAILURES)
def test_failures_of_the_system_end_with_their_class(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(rows: Sequence[Row], out: Path, *_: object) -> None:
        raise OSError(code, os.strerror(code), str(out / "answers.csv"))

    monkeypatch.setattr(predict, "write_overviews", fail)
    media = answer(tmp_path / "a.wav")
    arguments = ("--out", tmp_path / "out", "--store", tmp_path / "store", "--workers", 1)
    exit_code, said = cli("predict", media, *arguments)
    assert exit_code == FAILURES[code]
    assert said["error"]["message"].count("answers.csv") == 1
    assert write_overviews is not fail


def test_a_store_on_a_disk_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    media = answer(tmp_path / "a.wav")
    store = tmp_path / "file" / "store"
    code, said = cli("predict", media, "--out", tmp_path / "out", "--store", store, "--workers", 1)
    assert code == 3
    assert said["answers"][0]["error"]["kind"] == "bad_input"


def test_exit_codes_are_those_of_the_manual() -> None:
    classes = [TwomindError, *TwomindError.__subclasses__()]
    codes = {kind.exit_code for kind in classes}
    manual = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")
    listed = {
        int(line.split("|")[1]) for line in manual.splitlines() if line[:3].strip("| ").isdigit()
    }
    assert codes <= listed
    assert len(codes) == len(classes)


@pytest.mark.parametrize(("umask", "file_mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_follow_the_umask_and_the_store_is_private(
    umask: int, file_mode: int, tmp_path: Path
) -> None:
    media = answer(tmp_path / "a.wav")
    before = os.umask(umask)
    try:
        work([media], tmp_path / "out")
    finally:
        os.umask(before)
    modes = {p.stat().st_mode & 0o777 for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert modes == {file_mode}
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700
    for name in ("features", "people"):
        assert (tmp_path / "store" / name).stat().st_mode & 0o777 == 0o700


# --- races


HOLD = """
import sys, time
from pathlib import Path
from twomind.core.files import alone_in
with alone_in(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_waits_and_says_so(tmp_path: Path) -> None:
    said: list[str] = []
    with in_child(HOLD, tmp_path, stdin=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        holder.stdout.readline()
        stdin = holder.stdin

        def tell(text: str) -> None:
            said.append(text)
            assert holder.poll() is None
            stdin.close()

        with alone_in(tmp_path, tell), alone_in(tmp_path, tell):
            assert holder.wait(HANG_S) == 0
            assert (tmp_path / LOCK).is_file()
    assert len(said) == 1
    assert f"process {holder.pid}" in said[0]
    assert "waiting" in said[0]
    assert not (tmp_path / LOCK).exists()


def test_a_killed_run_leaves_no_lock(tmp_path: Path) -> None:
    holder = in_child(HOLD, tmp_path, stdin=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    holder.kill()
    holder.communicate()
    said: list[str] = []
    with alone_in(tmp_path, said.append), alone_in(tmp_path, said.append):
        time.sleep(0)
    assert said == []


#: Of every table that is read.
EVERY_COLUMN = (
    b"path,subject,question,label,transcript,recording,tier,start_s,end_s,video,segment_id,"
    b"num_frames,start_frame,end_frame"
)
TABLES: dict[str, Callable[[Path], object]] = {
    "coders": read_annotation_rows,
    "people": read_people_table,
    "answers": bah_splits.read_table,
    "segments": read_segments,
    "videos": bah_files.read_table,
    "marks": read_csv,
    "manifest": lambda path: plan([], manifest=path),
}


@pytest.mark.parametrize("bytes_", [b"caf\xe9", b"x" * 300_000], ids=["no UTF-8", "endless cell"])
@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_is_none_is_refused(name: str, bytes_: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(EVERY_COLUMN + b"\n" + bytes_ + b",y\n")
    with pytest.raises(BadInput) as error:
        TABLES[name](path)
    assert str(error.value).count(str(path)) == 1
    assert len(str(error.value)) < 800
