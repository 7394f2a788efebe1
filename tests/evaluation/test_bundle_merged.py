"""Bundles of several laboratories on one board: everybody counts once, and every line is told."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundle_world import (
    PEOPLE,
    made_up,
    of_one,
)
from twomind.core.errors import BadInput
from twomind.core.lab_key import lab_key
from twomind.evaluation import board
from twomind.evaluation.bundle import write_bundle
from twomind.evaluation.classes import macro_f1
from twomind.evaluation.merging import load_merged
from twomind.evaluation.runs import save_run
from twomind.reporting.leaderboard import PageSettings, write_report
from twomind.types import Run


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
