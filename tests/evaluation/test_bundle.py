"""Bundles: nothing that names anybody leaves, and what leaves is enough for the same figures."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundle_world import (
    PEOPLE,
    SUM,
    made_up,
    of_one,
    texts_of,
    with_groups,
)
from twomind.core.errors import BadInput
from twomind.core.lab_key import lab_key, read_key
from twomind.evaluation import bundle
from twomind.evaluation.breakdown import members
from twomind.evaluation.bundle import read_bundle, write_bundle
from twomind.evaluation.pseudonyms import LEFT_OUT
from twomind.types import Task


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


def test_the_same_runs_make_the_same_bytes(tmp_path: Path, key: Any) -> None:
    runs = [made_up(seed=k, model=f"m{k}") for k in range(3)]
    write_bundle(runs, tmp_path / "a.tar", key)
    write_bundle(runs[::-1], tmp_path / "b.tar", key)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as tar:
        for member in tar:
            assert (member.mtime, member.uid, member.gid, member.uname) == (0, 0, 0, "")


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
