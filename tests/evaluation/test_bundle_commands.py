"""Commands that make, check and merge bundles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bundle_world import (
    flip,
    made_up,
    rebuilt,
    resealed,
)
from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.evaluation.bundle import write_bundle
from twomind.evaluation.runs import save_run


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
    bad = rebuilt(Path(tar), flip("people.csv"))
    done = CliRunner().invoke(main, ["reproduce", "verify", str(bad)])
    assert done.exit_code == 3
    assert "was changed after it was written" in done.output


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
