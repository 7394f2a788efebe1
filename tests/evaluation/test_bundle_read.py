"""What arrives as a bundle: what was changed on the way, or says more than was checked, is refused."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundle_world import (
    PEOPLE,
    flip,
    made_up,
    of_one,
    rebuilt,
    resealed,
)
from twomind.core.errors import BadInput
from twomind.core.lab_key import lab_key
from twomind.evaluation import bundle
from twomind.evaluation.bundle import read_bundle, write_bundle
from twomind.evaluation.runs import load_run, save_run


def test_a_whole_bundle_is_told_from_one_under_another_key(tar: Path, key: Any) -> None:
    found = read_bundle(tar)
    assert found.laboratory == key.laboratory
    assert found.sealed_by(key)
    assert not found.sealed_by(lab_key(tar.with_name("other.key")))


def _better(files: dict[str, bytes]) -> None:
    """A laboratory's name, changed in the list."""
    about = json.loads(files["bundle.json"])
    about["n_people"] = 900
    files["bundle.json"] = json.dumps(about).encode()


def _other_lab(files: dict[str, bytes]) -> None:
    about = json.loads(files["bundle.json"])
    about["laboratory"] = "../../x"
    about["content_sha256"] = bundle._content(about)
    files["bundle.json"] = json.dumps(about).encode()


TAMPERED: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "a score": (flip("runs/0000/predictions.safetensors"), "was changed after it was written"),
    "a run": (flip("runs/0000/run.json"), "was changed after it was written"),
    "people": (flip("people.csv"), "was changed after it was written"),
    "the list": (_better, "bundle.json was changed"),
    "the laboratory": (_other_lab, "not a pseudonym of a laboratory"),
    "a file is gone": (lambda files: files.pop("people.csv"), "is listed and absent"),  # type: ignore[dict-item,return-value]
    "a file more": (lambda files: files.update({"tables/more.json": b"{}"}), "is not listed"),
    "a path out": (lambda files: files.update({"../evil": b"x"}), "is not a file of a bundle"),
    "a path from the root": (
        lambda files: files.update({"/etc/x": b"x"}),
        "is not a file of a bundle",
    ),
    "no list": (lambda files: files.pop("bundle.json"), "expected a bundle with bundle.json"),  # type: ignore[dict-item,return-value]
    "no JSON": (lambda files: files.update({"bundle.json": b"{"}), "expected a bundle"),
    "deep JSON": (lambda files: files.update({"bundle.json": b"[" * 99999}), "expected a bundle"),
    "a list of lists": (lambda files: files.update({"bundle.json": b"[]"}), "is not a list"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_was_changed_is_refused(what: str, tar: Path) -> None:
    change, wanted = TAMPERED[what]
    before = set(tar.parent.parent.rglob("*"))
    with pytest.raises(BadInput, match=wanted):
        read_bundle(rebuilt(tar, change))
    assert {p.name for p in set(tar.parent.parent.rglob("*")) - before} <= {"changed.tar"}


def _link(tar: tarfile.TarFile) -> None:
    member = tarfile.TarInfo("people.csv")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    tar.addfile(member)


def _twice(tar: tarfile.TarFile) -> None:
    for _ in range(2):
        member = tarfile.TarInfo("people.csv")
        tar.addfile(member, io.BytesIO(b""))


def _sparse(tar: tarfile.TarFile) -> None:
    """A file that claims a hundred gigabytes and holds none."""
    member = tarfile.TarInfo("people.csv")
    member.size = 10**11
    tar.fileobj.write(member.tobuf(tarfile.GNU_FORMAT))  # type: ignore[union-attr]


def _pax(tar: tarfile.TarFile) -> None:
    member = tarfile.TarInfo("people.csv")
    member.pax_headers = {"GNU.sparse.realsize": "99999999999", "GNU.sparse.major": "1"}
    tar.addfile(member)


@pytest.mark.parametrize("add", [_link, _twice, _sparse, _pax])
def test_what_is_no_plain_file_is_refused(
    add: Callable[[tarfile.TarFile], None], tmp_path: Path
) -> None:
    path = tmp_path / "odd.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        add(tar)
    with pytest.raises(BadInput):
        read_bundle(path)


def test_a_compressed_tar_and_other_files_are_refused(tar: Path, tmp_path: Path) -> None:
    import gzip

    (tmp_path / "gz.tar").write_bytes(gzip.compress(tar.read_bytes()))
    (tmp_path / "cut.tar").write_bytes(tar.read_bytes()[:3000])
    (tmp_path / "empty.tar").write_bytes(b"")
    for name in ("gz", "cut", "empty"):
        with pytest.raises(BadInput):
            read_bundle(tmp_path / f"{name}.tar")
    with pytest.raises(BadInput, match="no such file"):
        read_bundle(tmp_path / "none.tar")


def _says(**other: Any) -> Callable[[dict[str, bytes]], None]:
    """The list says something else."""

    def change(files: dict[str, bytes]) -> None:
        files["bundle.json"] = bundle._json({**json.loads(files["bundle.json"]), **other})
        resealed(files)

    return change


def _table(content: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        files["tables/table.json"] = content
        resealed(files)

    return change


def _run_says(**other: Any) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        entry = json.loads(files["runs/0000/run.json"])
        files["runs/0000/run.json"] = bundle._json({**entry, **other})
        resealed(files)

    return change


NONSENSE = {
    "more runs": (_says(n_runs=999), "says n_runs 999, and its runs 1"),
    "fewer people": (_says(n_people=-4), "says n_people -4"),
    "other scores": (_says(scores="per month"), "says scores 'per month'"),
    "drawn": (_says(drawn="no"), "says drawn 'no'"),
    "a table that is no JSON": (_table(b"{"), "table.json is not JSON"),
    "a table that is a list": (_table(b"[]"), "expected an object"),
    "a table that is deep": (_table(b"[" * 99999), "table.json"),
    "a table that is no text": (_table(b"\xff\xfe\xff"), "table.json"),
    "a seed that is a word": (_run_says(seed="x"), "seed: expected int"),
    "versions that are a list": (_run_says(versions=[]), "versions: expected dict"),
    "windows that are a list": (_run_says(windows=[]), "windows: expected dict"),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_with_sums_that_fit_is_refused(what: str, tar: Path) -> None:
    change, wanted = NONSENSE[what]
    with pytest.raises(BadInput, match=wanted):
        read_bundle(rebuilt(tar, change))


@pytest.mark.parametrize("factor", [50.0, -1.0, np.inf])
def test_what_is_no_probability_is_refused(factor: float, tmp_path: Path) -> None:
    for name in ("probs", "beside"):
        run = made_up()
        rows = run.rows["recording"]
        if name == "probs":
            rows = replace(rows, probs=rows.probs * factor)
        else:
            rows = replace(
                rows, beside={**rows.beside, "prevalence": np.full((len(rows), 2), factor)}
            )
        save_run(replace(run, rows={"recording": rows}), tmp_path / name)
        with pytest.raises(BadInput, match="expected probabilities"):
            load_run(tmp_path / name)


def test_no_byte_lies_beside_the_files(tar: Path) -> None:
    whole = tar.read_bytes()
    for name, changed in {
        "tail.tar": whole + b"more" * 900,
        "zeros.tar": whole + bytes(10240),
        # The owner's name, in the header of the first file: its sum is put right below.
        "owner.tar": whole[:265] + b"anna" + whole[269:],
    }.items():
        other = bytearray(changed)
        total = sum(other[:148]) + sum(b" " * 8) + sum(other[156:512])
        other[148:156] = f"{total:06o}\0 ".encode()
        tar.with_name(name).write_bytes(other)
        with pytest.raises(BadInput, match="bytes beside its files"):
            read_bundle(tar.with_name(name))


def _says_within(field: str, value: Any) -> Callable[[dict[str, bytes]], None]:
    """The first run says something else in a part of one of its fields (``field.part``)."""

    def change(files: dict[str, bytes]) -> None:
        entry = json.loads(files["runs/0000/run.json"])
        *outer, name = field.split(".")
        holder = entry
        for part in outer:
            holder = holder[part]
        holder[name] = value
        text = json.dumps(
            entry
        )  # with NaN and halves of letters, which a bundle's own writer refuses
        files["runs/0000/run.json"] = text.encode()
        resealed(files)

    return change


#: A field of a run, what it cannot hold, and the field that the message names.
OTHER_KINDS: list[tuple[str, Any]] = [
    ("task.name", ["x"]),
    ("task.grain", 5),
    ("task.classes", [1, 2]),
    ("task.classes", "ab"),
    ("fold.name", None),
    ("fold.name", 7),
    ("fold.protocol", 5),
    ("fold.protocol", ["a"]),
    ("fold.train", 5),
    ("fold.test", [5]),
    ("fold.same_people", "yes"),
    ("saw", 5),
    ("windows.frame_hop_s", "abc"),
    ("people", {"a": 5}),
    ("versions", {"twomind": ["0.2"]}),
    ("not_shown", [None]),
    ("seconds", {"total": "12"}),
    ("seconds", {"begin": [1]}),
    ("peak_mb", "a lot"),
    ("notes", [5, None]),
    ("notes", "abc"),
    ("events", [5]),
    ("place", 5),
    ("levels.recording.texts.subject", [5]),
    ("levels.recording.beside", "prevalence"),
    ("levels.recording.reasons", [1]),
]


@pytest.mark.parametrize(("field", "value"), OTHER_KINDS)
def test_a_field_of_another_kind_is_refused_by_name(field: str, value: Any, tar: Path) -> None:
    named = re.escape(field.removeprefix("levels.recording."))
    with pytest.raises(BadInput, match=f"{named}: expected "):
        read_bundle(rebuilt(tar, _says_within(field, value)))


def test_a_level_that_there_is_not_is_refused(tar: Path) -> None:
    with pytest.raises(BadInput, match="levels: expected recording, window, frame, got 'zzz'"):
        read_bundle(rebuilt(tar, _says_within("levels.zzz", {})))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_no_json_has_is_refused(value: float, tar: Path) -> None:
    with pytest.raises(BadInput, match="runs/0000: expected the JSON of a run"):
        read_bundle(rebuilt(tar, _says_within("peak_mb", value)))
    table = json.dumps({"a": value}).encode()
    with pytest.raises(BadInput, match=r"table\.json is not JSON"):
        read_bundle(rebuilt(tar, _table(table)))


def test_half_of_a_letter_is_refused(tar: Path) -> None:
    with pytest.raises(BadInput, match="runs/0000: expected the JSON of a run"):
        read_bundle(rebuilt(tar, _says_within("notes", ["\ud800"])))
    with pytest.raises(BadInput, match=r"table\.json is not JSON"):
        read_bundle(rebuilt(tar, _table(rb'{"a": "\ud800"}')))


def test_a_seal_of_any_letters_is_another_laboratorys(tar: Path, key: Any) -> None:
    assert not read_bundle(rebuilt(tar, _says(seal="ä"))).sealed_by(key)


def _people(content: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        files["people.csv"] = content
        resealed(files)

    return change


def test_the_table_of_people_is_what_the_runs_give(tar: Path) -> None:
    head = b"dataset,protocol,model,method,seed,metric,person,percent\n"
    invented = head + b"bah,official,mine,source-only,0,war,Anna,=HYPERLINK(1)\n"
    for content in (head, invented):
        with pytest.raises(BadInput, match=r"people\.csv is not what its runs give"):
            read_bundle(rebuilt(tar, _people(content)))


@pytest.mark.parametrize("windows", [False, True])
def test_the_table_of_people_of_many_runs_is_in_the_order_of_their_folders(
    windows: bool, tmp_path: Path, key: Any
) -> None:
    runs = [replace(of_one(who), seed=seed) for who in PEOPLE for seed in (0, 1)]
    write_bundle(runs, tmp_path / "b.tar", key, windows=windows)
    read = read_bundle(tmp_path / "b.tar")
    assert read.files["people.csv"].count(b"\n") == 1 + 2 * len(runs)
    # Of more than 10000 runs, the last have longer numbers.
    files = dict(read.files)
    for name in ("run.json", "predictions.safetensors"):
        files[f"runs/10000/{name}"] = files.pop(f"runs/0001/{name}")
        files[f"runs/1001/{name}"] = files.pop(f"runs/0002/{name}")
    last = bundle._runs_in(files, read.path, read.laboratory)[-1]
    assert (last.fold, last.seed) == (read.runs[1].fold, read.runs[1].seed)


#: What a second run of a bundle may not hold beside a first that is as it should be.
HELD: dict[str, tuple[str, Any, str]] = {
    "people": ("people", {"Anna": {"sex": "f", "age": 30}}, "attributes of people"),
    "reasons": ("levels.recording.reasons", {"x": "anna.mp4"}, "reasons why"),
    "events": ("events", [{"subject": "Anna"}], "events"),
    "every row": ("windows", {}, "more or less of its rows than the first run"),
    "other scores": ("windows.scores", "per month", "more or less of its rows"),
    "questions": (
        "levels.recording.texts.question",
        ["why did Anna leave?", "not told 1"],
        "single rows",
    ),
    "recordings": ("levels.recording.texts.recording", [f"x{k}" for k in range(8)], "single rows"),
}


@pytest.mark.parametrize("what", HELD)
def test_no_run_of_a_bundle_tells_more_than_the_others(what: str, tmp_path: Path, key: Any) -> None:
    field, value, wanted = HELD[what]
    write_bundle([made_up(), made_up(seed=1, model="other")], tmp_path / "b.tar", key)

    def change(files: dict[str, bytes]) -> None:
        first = {name: files[f"runs/0000/{name}"] for name in ("run.json", bundle.ARRAYS)}
        for name in first:
            files[f"runs/0000/{name}"] = files[f"runs/0001/{name}"]
        _says_within(field, value)(files)
        for name, content in first.items():
            files[f"runs/0001/{name}"] = files[f"runs/0000/{name}"]
            files[f"runs/0000/{name}"] = content
        resealed(files)

    with pytest.raises(BadInput, match=f"runs/0001 holds {wanted}"):
        read_bundle(rebuilt(tmp_path / "b.tar", change))


def test_an_unknown_form_of_scores_is_refused(tar: Path) -> None:
    with pytest.raises(BadInput, match="runs/0000 holds an unknown form of scores"):
        read_bundle(rebuilt(tar, _says_within("windows.scores", "per month")))
