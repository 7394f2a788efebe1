"""Bundles: nothing that names anybody leaves, what leaves is enough for the same figures, and what
was changed on the way is refused.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import stat
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.core.lab_key import lab_key, read_key
from twomind.evaluation import board, bundle
from twomind.evaluation.breakdown import members
from twomind.evaluation.bundle import read_bundle, write_bundle
from twomind.evaluation.classes import macro_f1
from twomind.evaluation.merging import load_merged
from twomind.evaluation.pseudonyms import LEFT_OUT
from twomind.evaluation.runs import load_run, save_run
from twomind.reporting.leaderboard import PageSettings, write_report
from twomind.types import Fold, Rows, Run, Task

#: Of a network: digits of somebody's name stand in it.
SUM = f"82711{'0b' * 29}e"
TASK = Task("ambivalence_hesitancy", ("absent", "present"), "clip")
#: One person of each data set's own way of naming.
PEOPLE = ("82711", "071309_w_21", "n1b6", "064-ak064", "P017", "Zoë Müller", "c" * 30, "7")


def made_up(
    people: tuple[str, ...] = PEOPLE, seed: int = 0, model: str = "mine", n: int = 6, lost: int = 3
) -> Run:
    """A run with scores, shortcuts and some rows that were not measured; labels go by the people."""
    rng = np.random.default_rng(seed)
    labels = np.random.default_rng(list(" ".join(people).encode()))
    subject = np.repeat(people, n)
    recording = [f"{who}_Question_{k % 7 + 1}" for k, who in enumerate(subject)]
    y = labels.integers(0, 2, len(subject))
    p = np.clip(0.3 + 0.4 * y + 0.25 * rng.standard_normal(len(y)), 0.01, 0.99)
    probs = np.stack([1 - p, p], axis=1)
    probs[:lost] = np.nan
    asked = labels.random(len(y))
    rows = Rows(
        recording=np.array(recording, dtype=str),
        subject=subject.astype(str),
        question=np.array([name[-1] for name in recording], dtype=str),
        span_s=np.stack([np.zeros(len(y)), np.full(len(y), 9.0)], axis=1),
        y=y,
        probs=probs,
        beside={
            "prevalence": np.full((len(y), 2), 0.5),
            "question_only": np.stack([1 - asked, asked], axis=1),
            "no_adaptation": probs[::-1].copy(),
        },
        reasons={recording[0]: f"/data/{people[0]}/film.mp4: no face"},
    )
    return Run(
        name=f"run of {people[0]}",
        dataset="bah",
        task=TASK,
        fold=Fold(people[0], "official", ("x1", "x2"), tuple(recording)),
        model=model,
        method="source-only",
        rows={"recording": rows},
        config={"state": f"/home/me/{people[0]}/state", "steps": 2, "network": f"sha256:{SUM}"},
        fill="question_only",
        people={who: {"sex": "f", "age": 30} for who in people},
        fingerprint=hashlib.sha256(repr(people).encode()).hexdigest(),
        versions={"twomind": "0.2.0", "machine": "Linux"},
        notes=(f"{people[0]} was left out", "a remark", "read from /data/bah/x.txt"),
    )


@pytest.fixture
def key(tmp_path: Path) -> Any:
    return lab_key(tmp_path / "keys" / "laboratory.key")


@pytest.fixture
def tar(tmp_path: Path, key: Any) -> Path:
    write_bundle([made_up()], tmp_path / "b.tar", key, tables={"table": {"82711": [0.5]}})
    return tmp_path / "b.tar"


# --- the key


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "laboratory.key"
    first = lab_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert lab_key(path).secret == first.secret
    assert lab_key(tmp_path / "other.key").secret != first.secret
    assert first.secret.hex() not in repr(first)
    assert [one.name for one in path.parent.iterdir()] == ["laboratory.key"]
    path.chmod(0o640)
    with pytest.raises(BadInput, match="chmod 600"):
        read_key(path)
    path.chmod(0o600)
    path.write_text("no key")
    with pytest.raises(BadInput, match="64 hex digits"):
        read_key(path)


def test_a_pseudonym_depends_on_key_kind_and_name(tmp_path: Path) -> None:
    a, b = lab_key(tmp_path / "a"), lab_key(tmp_path / "b")
    assert a.name("person", "P1") == a.name("person", "P1")
    others = {a.name("person", "P2"), a.name("recording", "P1"), b.name("person", "P1")}
    assert a.name("person", "P1") not in others
    assert len(others) == 3
    assert not any(letter.isdigit() for letter in a.name("person", "P1"))


# --- what leaves


def texts_of(path: Path) -> Iterator[bytes]:
    with tarfile.open(path) as tar:
        for member in tar:
            yield member.name.encode()
            yield tar.extractfile(member).read()  # type: ignore[union-attr]
    yield path.read_bytes()


def dictionary() -> Iterator[str]:
    """All names in the ways in which the data sets name people and recordings."""
    yield from PEOPLE
    yield from (f"{k:05d}" for k in range(82500, 82800))
    yield from (f"P{k:03d}" for k in range(300))
    yield from (f"{k:06d}_{s}_{a}" for k in (71309, 71313) for s in "mw" for a in range(18, 70))
    for who in PEOPLE:
        yield from (f"{who}_Question_{q}" for q in range(1, 8))
        yield from (f"{who}_Question_{q}.mp4" for q in range(1, 8))
        yield who.lower()
        yield who.upper()


@pytest.mark.parametrize("windows", [False, True])
def test_no_name_and_no_hash_of_a_name_is_in_a_bundle(
    windows: bool, tmp_path: Path, key: Any
) -> None:
    runs = [made_up(), made_up(seed=1, model="82711-finetuned")]
    table = {
        "lines": [{"per_person": {"n1b6": 61.5}, "why": "refused P017: no clip"}],
        "network": {"sha256": SUM, SUM[:40]: f"of {SUM[:32]}"},
    }
    write_bundle(runs, tmp_path / "b.tar", key, windows=windows, tables={"table": table})
    whole = b"\n".join(texts_of(tmp_path / "b.tar"))
    lower = whole.lower()
    for name in dictionary():
        raw = name.encode()
        if len(raw) > 3:
            assert raw.lower() not in lower, name
        for algorithm in ("md5", "sha1", "sha256"):
            digest = hashlib.new(algorithm, raw).digest()
            assert digest not in whole
            assert digest.hex()[:16].encode() not in lower
            assert base64.b64encode(digest)[:16] not in whole
            assert base64.urlsafe_b64encode(digest)[:16] not in whole
    for secret in (b"/home/me", b"/data/", b"no face", key.secret, key.secret.hex().encode()):
        assert secret not in whole
    assert b"a remark" in whole
    # Digits of a sum are now and then those of somebody's name: no sum is written with digits.
    assert not re.search(rb"(?=[a-f]*[0-9])[0-9a-f]{32}", lower)
    assert all(
        run.config["network"] == f"sha256:{SUM}" for run in read_bundle(tmp_path / "b.tar").runs
    )


def of_one(person: str, dataset: str = "bah") -> Run:
    """One person's fold, as leaving one out or personalising makes it."""
    run = replace(made_up((person,)), dataset=dataset)
    return replace(run, fold=replace(run.fold, name=person, protocol="leave-one-person-out"))


def tokens(path: Path) -> set[bytes]:
    """Long words and sums of its texts. Arrays hold none: their sum is over numbers."""
    files = read_bundle(path).files
    every = b"\n".join(text for name, text in files.items() if not name.endswith(".safetensors"))
    return set(re.findall(rb"[a-z0-9]{16,}", every))


@pytest.mark.parametrize("windows", [False, True])
def test_nothing_made_of_names_is_the_same_under_another_key(windows: bool, tmp_path: Path) -> None:
    """Whatever is, somebody who tries all names and what goes with them can make too."""
    runs = [of_one(who) for who in PEOPLE]
    found = []
    for name in "ab":
        write_bundle(
            runs, tmp_path / f"{name}.tar", lab_key(tmp_path / f"{name}.key"), windows=windows
        )
        found.append(tokens(tmp_path / f"{name}.tar"))
    assert found[0] & found[1] == {bundle.lettered(SUM).encode()}


@pytest.mark.parametrize(
    "person",
    ["Anna Schmidt", "O'Brien", "Müller, Zoë", "x+12", "P(3)", "#0815", "a&b", "Zoe\u0308"],
)
def test_a_fold_and_a_remark_name_nobody(person: str, tmp_path: Path, key: Any) -> None:
    run = of_one(person)
    notes = (f"{person} was left out", f"{person}_Question_1: no face", "a remark")
    write_bundle([replace(run, notes=notes)], tmp_path / "b.tar", key)
    (read,) = read_bundle(tmp_path / "b.tar").runs
    assert read.fold.name == key.name("fold", person)
    assert read.notes == (LEFT_OUT, "a remark")
    whole = b"\n".join(texts_of(tmp_path / "b.tar"))
    for part in re.findall(r"\w{3,}", person):
        assert part.encode() not in whole


def test_a_number_and_a_question_name_nobody(tmp_path: Path, key: Any) -> None:
    run = made_up()
    rows = run.rows["recording"]
    asked = np.array(["How did 82711 of /home/anna/x feel?"] * len(rows), dtype=str)
    group = replace(run.fold, name="group 3", protocol="people-4")
    run = replace(
        run,
        fold=group,
        rows={"recording": replace(rows, question=asked)},
        config={"subjects": [82711], "steps": 2, "machine": "Linux-6.1-anna"},
        versions={"machine": "Linux-6.1-anna-x86_64"},
    )
    write_bundle([run], tmp_path / "b.tar", key, windows=True)
    (read,) = read_bundle(tmp_path / "b.tar").runs
    who = key.name("person", "82711")
    assert read.config["subjects"] == [who]
    assert read.config["steps"] == 2
    assert set(read.rows["recording"].question) == {f"How did {who} of x feel?"}
    assert read.versions["machine"] == "Linux"
    # Which group is the third follows from the sorted names.
    assert read.fold.name == key.name("fold", "group 3")


def test_where_a_draw_by_name_says_what_is_tested_no_question_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twomind.pipeline.bundle import Asked, bundle_of

    monkeypatch.setenv("TWOMIND_LAB_KEY", str(tmp_path / "own.key"))
    run = of_one("P017")
    assert not bundle_of([run], Asked(tmp_path / "a.tar", windows=True))["shared_out_by_name"]
    run = replace(run, fold=replace(run.fold, target=("P017_9",)))
    assert bundle_of([run], Asked(tmp_path / "b.tar", windows=True))["shared_out_by_name"]
    (read,) = read_bundle(tmp_path / "b.tar").runs
    assert {text.rstrip(" 01") for text in read.rows["recording"].question} == {"not told"}


def test_no_folder_and_no_server_is_in_a_bundle(tmp_path: Path, key: Any) -> None:
    config = {
        "model": "../anna.schmidt/patients-2024/Video-LLaVA",
        "server": "http://anna:pw@gpu07.clinic.local:8000/v1",
        "encoder": r"C:\Users\anna.schmidt\resnet",
    }
    run = replace(made_up(), config=config, notes=("read from ~/anna.schmidt/x",))
    write_bundle([run], tmp_path / "b.tar", key, tables={"recipe": {"models": [config]}})
    (read,) = read_bundle(tmp_path / "b.tar").runs
    assert read.config["model"] == "Video-LLaVA"
    assert read.config["encoder"] == "resnet"
    whole = b"\n".join(texts_of(tmp_path / "b.tar"))
    for word in (b"anna.schmidt", b"patients", b"gpu07", b":pw@", b"Users"):
        assert word not in whole


def test_people_stand_in_no_order_that_tells_who_they_are(tmp_path: Path, key: Any) -> None:
    write_bundle([made_up()], tmp_path / "b.tar", key)
    (run,) = read_bundle(tmp_path / "b.tar").runs
    there = list(dict.fromkeys(run.rows["recording"].subject))
    assert there == sorted(there)
    assert there != [key.name("person", who) for who in PEOPLE]
    assert not run.people
    assert set(run.not_shown) == set(there)


def test_without_windows_no_row_can_be_followed_from_line_to_line(tmp_path: Path, key: Any) -> None:
    write_bundle([made_up()], tmp_path / "b.tar", key)
    write_bundle([made_up()], tmp_path / "w.tar", key, windows=True)
    (brief,), (whole,) = read_bundle(tmp_path / "b.tar").runs, read_bundle(tmp_path / "w.tar").runs
    rows, single = brief.rows["recording"], whole.rows["recording"]
    assert np.isnan(rows.span_s).all()
    assert set(rows.recording) == set(rows.subject)
    assert {text.rstrip(" 01") for text in rows.question} == {"not told"}
    for who in np.unique(rows.subject):
        for label in (0, 1):
            mine = rows.probs[(rows.subject == who) & (rows.y == label), 1]
            known = mine[np.isfinite(mine)]
            assert (np.diff(known) >= 0).all()
    # with windows, questions and times are there
    assert set(single.question) == set("1234567")
    assert (single.span_s[:, 1] == 9).all()


@pytest.mark.parametrize("windows", [False, True])
def test_a_board_of_bundles_has_the_figures_of_the_runs(
    windows: bool, tmp_path: Path, key: Any
) -> None:
    runs = [made_up(), made_up(seed=1, model="other", lost=0)]
    write_bundle(runs, tmp_path / "b.tar", key, windows=windows)
    (wanted,), (got,) = (
        board.boards(runs, n_bootstrap=50),
        board.boards(load_merged([tmp_path / "b.tar"]), n_bootstrap=50),
    )
    for one in wanted.lines:
        other = got.line(one.name)
        for metric, value in one.figures.items():
            if metric != "within_question_auc" or windows:
                assert other.figures[metric] == pytest.approx(value, abs=1e-12), metric
        assert sorted(other.per_person.values()) == pytest.approx(sorted(one.per_person.values()))
        assert other.coverage == one.coverage
    if not windows:
        assert np.isnan(got.line("mine").figures["within_question_auc"])


def test_the_same_runs_make_the_same_bytes(tmp_path: Path, key: Any) -> None:
    runs = [made_up(seed=k, model=f"m{k}") for k in range(3)]
    write_bundle(runs, tmp_path / "a.tar", key)
    write_bundle(runs[::-1], tmp_path / "b.tar", key)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as tar:
        for member in tar:
            assert (member.mtime, member.uid, member.gid, member.uname) == (0, 0, 0, "")


# --- what arrives


def rebuilt(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The same tar with other files in it."""
    with tarfile.open(path) as tar:
        files = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
    change(files)
    out = path.with_name("changed.tar")
    bundle._write_tar(out, files)
    return out


def test_a_whole_bundle_is_told_from_one_under_another_key(tar: Path, key: Any) -> None:
    found = read_bundle(tar)
    assert found.laboratory == key.laboratory
    assert found.sealed_by(key)
    assert not found.sealed_by(lab_key(tar.with_name("other.key")))


def _flip(name: str) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        content = bytearray(files[name])
        content[-9] ^= 1
        files[name] = bytes(content)

    return change


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
    "a score": (_flip("runs/0000/predictions.safetensors"), "was changed after it was written"),
    "a run": (_flip("runs/0000/run.json"), "was changed after it was written"),
    "people": (_flip("people.csv"), "was changed after it was written"),
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


def resealed(files: dict[str, bytes]) -> None:
    """Sums that fit, as anybody can make them."""
    about = json.loads(files["bundle.json"])
    for name in about["files"]:
        about["files"][name] = {"bytes": len(files[name]), "sha256": bundle._sum(files[name])}
    about["content_sha256"] = bundle._content(about)
    files["bundle.json"] = bundle._json(about)


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


@pytest.mark.parametrize("groups", [b"[]", b"{}", b'{"groups": null}', b'{"groups": [{}]}'])
def test_groups_that_are_none_are_refused(groups: bytes, tmp_path: Path, key: Any) -> None:
    from twomind.pipeline.bundle import verify

    write_bundle([made_up()], tmp_path / "b.tar", key, tables={"groups": {"groups": []}})

    def change(files: dict[str, bytes]) -> None:
        files["tables/groups.json"] = groups
        resealed(files)

    assert verify(tmp_path / "b.tar")["groups"] == []
    with pytest.raises(BadInput, match=r"groups\.json"):
        verify(rebuilt(tmp_path / "b.tar", change))


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


# --- several laboratories


def test_bundles_of_two_laboratories_make_one_board_and_say_which_ran_where(
    tmp_path: Path,
) -> None:
    here, there = lab_key(tmp_path / "a.key"), lab_key(tmp_path / "b.key")
    others = tuple(f"Q{k}" for k in range(8))
    write_bundle([made_up(), made_up(seed=1, model="second")], tmp_path / "a.tar", here)
    write_bundle([made_up(others, seed=2)], tmp_path / "b.tar", there)
    runs = load_merged([tmp_path / "a.tar", tmp_path / "b.tar"])
    found = write_report(runs, tmp_path / "page", PageSettings(n_bootstrap=50))
    (one,) = found["boards"]
    assert one["n_people"] == 16
    ran = {(e["line"], e["laboratory"]): e["n_people"] for e in one["places"]}
    assert ran == {
        ("mine", here.laboratory): 8,
        ("mine", there.laboratory): 8,
        ("second", here.laboratory): 8,
    }
    assert any("second: 1 of 2 folds" in note for note in one["notes"])
    page = (tmp_path / "page" / "leaderboard.md").read_text()
    assert "Which ran where" in page
    # the pooled line is that of both laboratories' people together
    y = [run.rows["recording"].y for run in runs if run.model == "mine"]
    assert one["n_rows"] == sum(map(len, y))


def test_the_same_data_in_two_laboratories_stand_beside_each_other(tmp_path: Path) -> None:
    for name in "ab":
        write_bundle([made_up()], tmp_path / f"{name}.tar", lab_key(tmp_path / f"{name}.key"))
    runs = load_merged([tmp_path / "a.tar", tmp_path / "b.tar"])
    (one,) = board.boards(runs, n_bootstrap=50)
    lines = [x for x in one.lines if x.kind == "base"]
    assert len(lines) == 2
    assert lines[0].figures["auc"] == lines[1].figures["auc"]
    assert any("same data" in note for note in one.notes)


def test_the_same_people_count_once_whatever_was_measured_of_them(tmp_path: Path) -> None:
    """Other features give another fingerprint; the people are the same all the same."""
    other = replace(made_up(seed=3), fingerprint=hashlib.sha256(b"other features").hexdigest())
    write_bundle([made_up()], tmp_path / "a.tar", lab_key(tmp_path / "a.key"))
    write_bundle([other], tmp_path / "b.tar", lab_key(tmp_path / "b.key"))
    for given in ([tmp_path / "a.tar", tmp_path / "b.tar"], [tmp_path / "a.tar", tmp_path / "own"]):
        save_run(other, tmp_path / "own")
        (one,) = board.boards(load_merged(given), n_bootstrap=50)
        assert [line.kind for line in one.lines].count("base") == 2
        assert all(len(line.per_person) == len(PEOPLE) for line in one.lines if line.kind == "base")
        assert any("same data" in note for note in one.notes)


def test_own_runs_stand_in_the_lines_of_a_bundle(tmp_path: Path, key: Any) -> None:
    others = made_up(tuple(f"Q{k}" for k in range(8)), seed=2)
    config = {"network": "org/net", "rate": 0.0123456, "folder": "/data/net"}
    theirs, mine = (
        replace(run, model="org/net: td1", config=config) for run in (others, made_up())
    )
    write_bundle([theirs], tmp_path / "b.tar", key)
    save_run(mine, tmp_path / "mine")
    (one,) = board.boards(load_merged([tmp_path / "mine", tmp_path / "b.tar"]), n_bootstrap=50)
    (line,) = [line for line in one.lines if line.kind == "base"]
    assert len(line.per_person) == 16


def test_own_runs_and_an_own_bundle_count_nobody_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWOMIND_LAB_KEY", str(tmp_path / "own.key"))
    own, foreign = lab_key(tmp_path / "own.key"), lab_key(tmp_path / "foreign.key")
    folds = [replace(of_one(who, "own"), config={}) for who in PEOPLE]
    for run in folds:
        save_run(run, tmp_path / "runs" / run.fold.name)
    others = [replace(of_one(f"Q{k}", "own"), config={}) for k in range(4)]
    write_bundle(others, tmp_path / "foreign.tar", foreign)
    for windows in (False, True):
        write_bundle(folds[:5], tmp_path / "own.tar", own, windows=windows)
        for more, n_people in (([], 8), ([tmp_path / "foreign.tar"], 12)):
            runs = load_merged([tmp_path / "runs", tmp_path / "own.tar", *more])
            (one,) = board.boards(runs, n_bootstrap=50)
            assert len(one.subjects) == n_people
            (line,) = [line for line in one.lines if line.kind == "base"]
            assert len(line.per_person) == n_people


def test_seeds_of_two_laboratories_that_differ_stand_together(tmp_path: Path) -> None:
    others = tuple(f"Q{k}" for k in range(8))
    mine, theirs = made_up(lost=0), replace(made_up(others, seed=2, lost=0), seed=1)
    both = []
    for name, run in (("a", mine), ("b", theirs)):
        write_bundle([run], tmp_path / f"{name}.tar", lab_key(tmp_path / f"{name}.key"))
        both.append(run.rows["recording"])
    (one,) = board.boards(load_merged([tmp_path / "a.tar", tmp_path / "b.tar"]), n_bootstrap=50)
    (line,) = [line for line in one.lines if line.kind == "base"]
    y = np.concatenate([rows.y for rows in both])
    probs = np.concatenate([rows.probs for rows in both])
    assert line.figures["macro_f1"] == pytest.approx(macro_f1(y, probs))
    assert one.n_rows == len(y)


def test_one_design_in_two_studies_is_not_the_same_data(tmp_path: Path) -> None:
    """Ten who are ill and ten who are not, a film each."""
    for name in "ab":
        run = made_up(tuple(f"{name}{k}" for k in range(20)), seed=3, n=1, lost=0)
        rows = run.rows["recording"]
        flat = {"prevalence": np.full((20, 2), 0.5)}
        rows = replace(rows, y=np.arange(20) % 2, beside=flat)
        own = replace(run, dataset="own", fill="prevalence", rows={"recording": rows})
        write_bundle([own], tmp_path / f"{name}.tar", lab_key(tmp_path / f"{name}.key"))
    (one,) = board.boards(load_merged([tmp_path / "a.tar", tmp_path / "b.tar"]), n_bootstrap=50)
    (line,) = [line for line in one.lines if line.kind == "base"]
    assert len(line.per_person) == 40
    assert any("cannot be told" in note for note in one.notes)


def test_two_lines_stay_two_whatever_is_left_out(tmp_path: Path, key: Any) -> None:
    runs = [
        replace(made_up(seed=k), config={"state": f"/m/v{k}/net.pt", "steps": {f"/m/v{k}/x": 2}})
        for k in range(3)
    ]
    write_bundle(runs, tmp_path / "b.tar", key)
    (one,) = board.boards(load_merged([tmp_path / "b.tar"]), n_bootstrap=50)
    assert len({line.name for line in one.lines if line.kind == "base"}) == 3


def test_two_of_three_laboratories_hold_the_same_data(tmp_path: Path) -> None:
    other = replace(made_up(seed=3), fingerprint=hashlib.sha256(b"other features").hexdigest())
    others = made_up(tuple(f"Q{k}" for k in range(8)), seed=2)
    for name, run in zip("abc", (made_up(), other, others), strict=True):
        official = replace(run, fold=replace(run.fold, name="official"))
        write_bundle([official], tmp_path / f"{name}.tar", lab_key(tmp_path / f"{name}.key"))
    runs = load_merged([tmp_path / f"{name}.tar" for name in "abc"])
    (one,) = board.boards(runs, n_bootstrap=50)
    lines = [line for line in one.lines if line.kind == "base"]
    assert sorted(len(line.per_person) for line in lines) == [8, 8, 8]
    assert all("(" in line.name for line in lines)
    assert any("same data" in note for note in one.notes)


def test_studies_whose_people_all_have_the_same_labels_are_two_and_the_board_says_it(
    tmp_path: Path,
) -> None:
    """Tasks that were set have the same labels in every study."""
    for name in "ab":
        run = made_up(tuple(f"{name}{k}" for k in range(8)), seed=3)
        rows = run.rows["recording"]
        y = np.arange(len(rows.y)) % 2
        own = replace(run, dataset="own", rows={"recording": replace(rows, y=y)})
        write_bundle([own], tmp_path / f"{name}.tar", lab_key(tmp_path / f"{name}.key"))
    (one,) = board.boards(load_merged([tmp_path / "a.tar", tmp_path / "b.tar"]), n_bootstrap=50)
    (line,) = [line for line in one.lines if line.kind == "base"]
    assert len(line.per_person) == 16
    assert any("they count twice" in note for note in one.notes)


def test_a_study_of_ones_own_in_two_laboratories_is_told(tmp_path: Path) -> None:
    for name in "ab":
        own = replace(made_up(), dataset="own")
        write_bundle([own], tmp_path / f"{name}.tar", lab_key(tmp_path / f"{name}.key"))
    (one,) = board.boards(load_merged([tmp_path / "a.tar", tmp_path / "b.tar"]), n_bootstrap=50)
    assert [line.kind for line in one.lines].count("base") == 2
    assert any("same data" in note for note in one.notes)


def test_of_one_person_there_is_no_interval(tmp_path: Path, key: Any) -> None:
    write_bundle([of_one("P017")], tmp_path / "b.tar", key)
    found = write_report(
        load_merged([tmp_path / "b.tar"]), tmp_path / "page", PageSettings(n_bootstrap=50)
    )
    (one,) = found["boards"]
    line = next(line for line in one["lines"] if line["kind"] == "base")
    assert line["figures"]["macro_f1"]["value"] is not None
    assert line["figures"]["macro_f1"]["ci"] == line["per_person"]["ci"] == [None, None]


def test_parts_of_a_public_data_set_may_be_the_same_people_and_the_board_says_so(
    tmp_path: Path,
) -> None:
    others = tuple(f"Q{k}" for k in range(8))
    write_bundle([made_up()], tmp_path / "a.tar", lab_key(tmp_path / "a.key"))
    write_bundle([made_up(others, seed=2)], tmp_path / "b.tar", lab_key(tmp_path / "b.key"))
    runs = load_merged([tmp_path / "a.tar", tmp_path / "b.tar"])
    assert all(any("public data set" in note for note in run.notes) for run in runs)
    for name in "ab":
        own = replace(made_up(PEOPLE if name == "a" else others), dataset="own")
        write_bundle([own], tmp_path / f"{name}.tar", lab_key(tmp_path / f"{name}.key"))
    runs = load_merged([tmp_path / "a.tar", tmp_path / "b.tar"])
    assert not any("public data set" in note for run in runs for note in run.notes)


def with_groups(n_female: int, n_male: int) -> Run:
    """People whose sex and age are known, and more that must not leave."""
    names = tuple(f"P{k:03d}" for k in range(n_female + n_male))
    known = {}
    for k, name in enumerate(names):
        sex = "Female" if k < n_female else "Male"
        known[name] = {"Sex": sex, "age": 20 + 3 * k, "ethnicity": "rare", "country": "somewhere"}
    return replace(made_up(names, lost=0), people=known)


def test_groups_leave_with_their_number_and_nothing_finer(tmp_path: Path, key: Any) -> None:
    from twomind.pipeline.bundle import groups_of

    found = groups_of([with_groups(6, 7)])
    by_name = {(one["group"], one["value"]): one for one in found}
    assert by_name["sex", "Female"]["n_people"] == 6
    assert by_name["sex", "Male"]["n_people"] == 7
    assert by_name["sex", "Male"]["lines"]
    assert {group for group, _ in by_name} == {"sex", "age"}
    assert "rare" not in json.dumps(found)
    assert "somewhere" not in json.dumps(found)
    # Of two groups of which one is too small, neither is told: the rest would be the small one.
    (few,) = [one for one in groups_of([with_groups(3, 9)]) if one["group"] == "sex"]
    assert (few["value"], few["n_people"], few["lines"]) == (None, None, {})


def test_what_a_small_group_is_called_stays_here() -> None:
    from twomind.pipeline.bundle import groups_of

    run = with_groups(6, 7)
    rare = {"P000": {"Sex": "rare, of ACME", "age": "1990-02-02"}, "P001": {"Sex": "other"}}
    found = groups_of([replace(run, people={**run.people, **rare})])
    of_sex = {one["value"]: one["n_people"] for one in found if one["group"] == "sex"}
    # Six people stand behind the rest: four women and two groups of one.
    assert of_sex == {"Male": 7, None: None}
    assert "ACME" not in json.dumps(found)
    assert "1990" not in json.dumps(found)


def test_one_group_in_several_spellings_is_one() -> None:
    known = {"a": "F", "b": "f", "c": " f ", "d": "m", "e": "M", "g": "", "h": "non  binary"}
    people = {who: {"sex": value} for who, value in known.items()}
    assert members("sex", people, people) == {
        "M": ["d", "e"],
        "f": ["a", "b", "c"],
        "non binary": ["h"],
        "not known": ["g"],
    }


def test_groups_are_of_each_task_for_itself() -> None:
    from twomind.pipeline.bundle import groups_of

    run = with_groups(6, 7)
    other = replace(run, task=Task("another", ("absent", "present"), "clip"))
    assert len(groups_of([run, other])) == 2 * len(groups_of([run]))


def test_no_attribute_of_a_person_is_in_a_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twomind.pipeline.bundle import Asked, bundle_of, verify

    monkeypatch.setenv("TWOMIND_LAB_KEY", str(tmp_path / "own.key"))
    run = with_groups(6, 7)
    bundle_of([run], Asked(tmp_path / "b.tar"))
    read = read_bundle(tmp_path / "b.tar")
    assert all(not one.people for one in read.runs)
    assert verify(read.path)["groups"] == []
    every = b"".join(read.files.values())
    for name in (*run.people, "Female", "somewhere"):
        assert name.encode() not in every
    # Figures of groups leave when they are asked for.
    bundle_of([run], Asked(tmp_path / "b.tar", groups=True))
    told = {(one["group"], one["value"]): one["n_people"] for one in verify(read.path)["groups"]}
    assert told["sex", "Female"] == 6


def test_the_same_bundle_twice_counts_once_and_another_one_of_the_run_is_an_error(
    tmp_path: Path, key: Any
) -> None:
    write_bundle([made_up()], tmp_path / "a.tar", key)
    write_bundle([made_up()], tmp_path / "b.tar", key)
    assert len(load_merged([tmp_path / "a.tar", tmp_path / "b.tar"])) == 1
    run = made_up()
    rows = run.rows["recording"]
    changed = replace(run, rows={"recording": replace(rows, probs=np.flip(rows.probs, axis=1))})
    write_bundle([changed], tmp_path / "c.tar", key)
    with pytest.raises(BadInput, match="predictions, by up to"):
        load_merged([tmp_path / "a.tar", tmp_path / "c.tar"])


# --- commands


def test_a_bundle_is_written_over_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: Any
) -> None:
    monkeypatch.setenv("TWOMIND_LAB_KEY", str(tmp_path / "own.key"))
    save_run(made_up(), tmp_path / "runs" / "one")
    foreign, plain, own = (tmp_path / name for name in ("theirs.tar", "train.tar", "mine.tar"))
    write_bundle([made_up()], foreign, key)
    plain.write_text("a split")

    def ask(*words: str) -> Any:
        return CliRunner().invoke(main, ["score", "report", str(tmp_path / "runs"), *words])

    first = ask("--bundle", str(own))
    assert first.exit_code == 0
    assert "own.key, which was made now" in first.output
    again = ask("--bundle", str(own), "--windows")
    assert again.exit_code == 0
    assert "made now" not in again.output
    for path in (foreign, plain):
        before = path.read_bytes()
        done = ask("--bundle", str(path))
        assert done.exit_code == 3
        assert "is no bundle of this laboratory" in done.output
        assert path.read_bytes() == before
    done = ask("--bundle", str(tmp_path / "out.zip"))
    assert "ends in .tar" in done.output
    assert not (tmp_path / "out.zip").exists()
    for flag in ("--windows", "--groups"):
        done = ask("--out", str(tmp_path / "page"), flag)
        assert done.exit_code == 2
        assert "give --bundle" in done.output
    # Whatever it is called on its way, it is read.
    own.rename(tmp_path / "mine.TAR")
    checked = CliRunner().invoke(main, ["reproduce", "verify", str(tmp_path / "mine.TAR")])
    assert checked.exit_code == 0
    page = ["score", "report", str(tmp_path / "mine.TAR"), "--out", str(tmp_path / "page")]
    assert CliRunner().invoke(main, [*page, "--bootstrap", "100"]).exit_code == 0


def test_commands_make_check_and_merge_bundles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWOMIND_LAB_KEY", str(tmp_path / "own.key"))
    save_run(made_up(), tmp_path / "runs" / "one")

    def ask(*words: str) -> Any:
        done = CliRunner().invoke(main, [*words, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    tar = str(tmp_path / "b.tar")
    made = ask("score", "report", str(tmp_path / "runs"), "--bundle", tar)
    assert made["scores"] == "per person"
    checked = ask("reproduce", "verify", tar)
    assert checked["whole"]
    assert checked["sealed"] is True
    monkeypatch.setenv("TWOMIND_LAB_KEY", str(tmp_path / "none.key"))
    assert ask("reproduce", "verify", tar)["sealed"] is None
    assert not (tmp_path / "none.key").exists()
    page = ask("score", "report", tar, "--out", str(tmp_path / "page"), "--bootstrap", "100")
    assert page["boards"][0]["places"]
    done = CliRunner().invoke(main, ["score", "report", str(tmp_path / "runs")])
    assert done.exit_code == 2
    bad = rebuilt(Path(tar), _flip("people.csv"))
    done = CliRunner().invoke(main, ["reproduce", "verify", str(bad)])
    assert done.exit_code == 3
    assert "was changed after it was written" in done.output


# --- what arrives, once more


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


GROUP = {"dataset": "bah", "protocol": "official", "level": "recording", "group": "sex"}


def test_verify_lists_the_groups(tmp_path: Path, key: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOMIND_LAB_KEY", str(tmp_path / "own.key"))
    told = {**GROUP, "value": "Female", "n_people": 6}
    rest = {**GROUP, "value": None, "n_people": None}
    write_bundle([made_up()], tmp_path / "b.tar", key, tables={"groups": {"groups": [told, rest]}})
    done = CliRunner().invoke(main, ["reproduce", "verify", str(tmp_path / "b.tar")])
    assert done.exit_code == 0
    lines = [line for line in done.output.splitlines() if line.startswith("group")]
    assert lines == [
        "group: bah, official, sex, Female: 6 people",
        "group: bah, official, sex, others: not told",
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"group": ["sex"]},
        {"value": {"a": 1}},
        {"value": None},
        {"n_people": -3},
        {"n_people": 2},
        {"n_people": "6"},
        {"n_people": None},
    ],
)
def test_a_group_that_is_told_otherwise_is_refused(
    other: dict[str, Any], tmp_path: Path, key: Any
) -> None:
    from twomind.pipeline.bundle import verify

    group = {**GROUP, "value": "Female", "n_people": 6, **other}
    write_bundle([made_up()], tmp_path / "b.tar", key, tables={"groups": {"groups": [group]}})
    with pytest.raises(BadInput, match=r"groups\.json is no list of groups"):
        verify(tmp_path / "b.tar")


def unlabelled(person: str) -> Run:
    """A person's fold in which nobody coded anything."""
    run = of_one(person)
    rows = run.rows["recording"]
    return replace(run, rows={"recording": replace(rows, y=np.full(len(rows), -1))})


def test_a_board_without_a_label_is_refused_and_a_fold_without_breaks_no_other() -> None:
    with pytest.raises(BadInput, match="run of P017: no row per recording has a label"):
        board.boards([unlabelled("P017")], n_bootstrap=50)
    labelled = [replace(of_one(who), config={}) for who in PEOPLE[:3]]
    (wanted,) = board.boards(labelled, n_bootstrap=50)
    none = replace(unlabelled("P017"), config={})
    for more in (none, replace(none, model="second"), replace(none, seed=1)):
        (got,) = board.boards([more, *labelled], n_bootstrap=50)
        auc = got.line("mine").figures["auc"]
        assert auc == pytest.approx(wanted.line("mine").figures["auc"])
        assert got.subjects == wanted.subjects
        left_out = [note for note in got.notes if "so it is left out" in note]
        assert len(left_out) == (more is not none)


def test_bundles_in_a_folder_are_not_read_and_somebody_says_so(tmp_path: Path, key: Any) -> None:
    write_bundle([made_up()], tmp_path / "runs" / "theirs.tar", key)
    page = ["--out", str(tmp_path / "page"), "--bootstrap", "100"]

    def ask(*paths: Path) -> Any:
        return CliRunner().invoke(main, ["score", "report", *map(str, paths), *page])

    alone = ask(tmp_path / "runs")
    assert alone.exit_code == 3
    assert "found none. In" in alone.output
    assert "theirs.tar: a bundle is read only where it is named itself" in alone.output
    save_run(made_up(), tmp_path / "runs" / "one")
    assert "theirs.tar: a bundle is read only where" in ask(tmp_path / "runs").output
    named = ask(tmp_path / "runs", tmp_path / "runs" / "theirs.tar")
    assert named.exit_code == 0, named.output
    assert "is read only where" not in named.output


def test_a_line_without_anybody_of_a_group_has_no_figures_of_it(tmp_path: Path, key: Any) -> None:
    """Of the people of a bundle nobody knows the sex: they are in no group of one's own people."""
    from twomind.evaluation.breakdown import subgroups

    write_bundle([made_up()], tmp_path / "b.tar", key)
    save_run(made_up(), tmp_path / "own")
    runs = load_merged([tmp_path / "own", tmp_path / "b.tar"])
    (one,) = board.boards(runs, n_bootstrap=50)
    (women,) = [e for e in subgroups(one) if (e["group"], e["value"]) == ("sex", "f")]
    theirs, mine = (women["lines"][f"mine ({place})"] for place in (key.laboratory, "here"))
    assert np.isnan(theirs["macro_f1"]).all()
    assert np.isfinite(mine["macro_f1"]).all()
    write_report(runs, tmp_path / "page", PageSettings(n_bootstrap=100))


def test_a_bundle_is_not_passed_on(tar: Path, key: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOMIND_LAB_KEY", str(tar.with_name("own.key")))
    out = tar.with_name("c.tar")
    done = CliRunner().invoke(main, ["score", "report", str(tar), "--bundle", str(out)])
    assert done.exit_code == 3
    assert f"laboratory {key.laboratory}), which is not passed on" in done.output
    assert not out.exists()


def test_a_file_that_is_nothing_of_ours_is_called_so(tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("nothing")
    words = ["score", "report", str(note), "--out", str(tmp_path / "page")]
    for asked in (words, ["reproduce", "verify", str(note)]):
        done = CliRunner().invoke(main, asked)
        assert done.exit_code == 3
        assert "is neither a bundle that twomind wrote nor a folder of runs" in done.output


@pytest.mark.parametrize("dangling", [True, False])
def test_no_link_is_written_over(
    dangling: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twomind.pipeline.bundle import Asked, bundle_of

    monkeypatch.setenv("TWOMIND_LAB_KEY", str(tmp_path / "own.key"))
    if not dangling:
        bundle_of([made_up()], Asked(tmp_path / "aim.tar"))
    link = tmp_path / "link.tar"
    link.symlink_to(tmp_path / "aim.tar")
    with pytest.raises(BadInput, match="is a link"):
        bundle_of([made_up()], Asked(link))
    assert link.is_symlink()
    assert (tmp_path / "aim.tar").exists() is not dangling
