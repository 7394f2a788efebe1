"""Runs in several folders: the same one twice counts once, two that differ are named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import scoring_world as w
from twomind.core.errors import BadInput
from twomind.evaluation.compare import Comparison, compare
from twomind.evaluation.merging import differences, load_merged
from twomind.evaluation.run import Windows
from twomind.evaluation.runs import find_runs, load_run, save_run
from twomind.reporting.leaderboard import report
from twomind.types import Rows, Run

TOY = w.Toy()


def compared(out: Path, *seeds: int) -> list[Run]:
    asked = Comparison(
        TOY,
        "one-out",
        lambda fold: w.Model(),
        TOY.features,
        w.CLIP,
        seeds=seeds or (0,),
        windows=Windows(2.0),
    )
    return compare(asked, {"offset": w.Offset()}, out)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same comparison, made twice."""
    folder = tmp_path_factory.mktemp("runs")
    compared(folder / "a")
    compared(folder / "b")
    return folder / "a", folder / "b"


def one(folder: Path) -> Run:
    """The first run of a method in a folder."""
    runs = [load_run(path) for path in find_runs([folder])]
    return next(run for run in runs if run.method == "offset")


def test_two_identical_runs_in_two_folders_are_one(two: tuple[Path, Path]) -> None:
    once = load_merged([two[0]])
    both = load_merged(two)
    assert len(both) == len(once) == 2 * 4
    assert [run.name for run in both] == [run.name for run in once]


def test_a_page_of_both_folders_is_the_page_of_one(two: tuple[Path, Path], tmp_path: Path) -> None:
    of_one = report([two[0]], tmp_path / "one", n_bootstrap=100)
    of_both = report(two, tmp_path / "both", n_bootstrap=100)
    [board], [other] = of_one["boards"], of_both["boards"]
    for line, same in zip(board["lines"], other["lines"], strict=True):
        assert line["figures"] == same["figures"]
        assert line["people"] == same["people"]
    assert other["notes"] == board["notes"]


def test_other_folds_and_seeds_of_another_folder_are_added(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    compared(tmp_path / "c", 1)
    assert len(load_merged([*two, tmp_path / "c"])) == 2 * 2 * 4


def with_probs(rows: Rows) -> Rows:
    probs = rows.probs.copy()
    probs[0] = probs[0, ::-1]
    return replace(rows, probs=probs)


def with_labels(rows: Rows) -> Rows:
    y = rows.y.copy()
    y[:2] = 1 - y[:2]
    return replace(rows, y=y)


def with_beside(rows: Rows) -> Rows:
    beside = dict(rows.beside)
    beside["prevalence"] = beside["prevalence"][:, ::-1] ** 2
    beside["prevalence"] /= beside["prevalence"].sum(axis=1, keepdims=True)
    return replace(rows, beside=beside)


def without_beside(rows: Rows) -> Rows:
    beside = dict(rows.beside)
    del beside["prevalence"]
    return replace(rows, beside=beside)


def shorter(rows: Rows) -> Rows:
    return rows.take(np.arange(len(rows) - 1))


def turned(rows: Rows) -> Rows:
    return rows.take(np.arange(len(rows))[::-1])


def with_reasons(rows: Rows) -> Rows:
    return replace(rows, reasons={"t0_1": "no face"})


def of_rows(change: Callable[[Rows], Rows]) -> Callable[[Run], Run]:
    return lambda run: replace(run, rows={k: change(rows) for k, rows in run.rows.items()})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (of_rows(with_probs), "per window: 1 of 16 predictions, by up to "),
        (of_rows(with_labels), "per window: 2 of 16 labels"),
        (of_rows(with_beside), "per recording: prevalence beside"),
        (of_rows(without_beside), "per recording: only one has prevalence beside"),
        (of_rows(shorter), "per window: 16 and 15 rows"),
        (of_rows(turned), "per window: other rows, or in another order"),
        (of_rows(with_reasons), "reasons why something was not measured"),
        (
            lambda run: replace(run, rows={"recording": run.rows["recording"]}),
            "only one has rows per window",
        ),
        (lambda run: replace(run, fill="constant"), "other fill"),
        (lambda run: replace(run, not_shown=()), "other not shown"),
        (lambda run: replace(run, events=({"what": "changed"},)), "other events"),
        (
            lambda run: replace(run, fold=replace(run.fold, test=run.fold.test[::-1])),
            "the fold holds other recordings, or in another order",
        ),
        (
            lambda run: replace(run, fingerprint="another"),
            "the data, labels or features changed between them",
        ),
    ],
)
def test_what_differs_is_said_with_both_folders(
    change: Callable[[Run], Run], said: str, two: tuple[Path, Path], tmp_path: Path
) -> None:
    run = one(two[0])
    save_run(replace(run, not_shown=("t0",)), tmp_path / "kept")
    save_run(change(replace(run, not_shown=("t0",))), tmp_path / "other")
    with pytest.raises(BadInput) as error:
        load_merged([tmp_path / "kept", tmp_path / "other"])
    message = str(error.value)
    assert f"{tmp_path / 'kept'} and {tmp_path / 'other'} are two runs of offset" in message
    assert f"on the fold {run.fold.name!r} with seed 0" in message
    assert said in message


def test_when_and_where_a_run_was_made_does_not_count(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    run = one(two[0])
    elsewhere = replace(
        run,
        name="another name",
        seconds={"begin": 9.0, "step": 9.0},
        peak_mb=1.0,
        versions={"numpy": "0"},
        git={"commit": "abc"},
    )
    assert differences(run, elsewhere) == []
    save_run(run, tmp_path / "kept")
    save_run(elsewhere, tmp_path / "other")
    assert len(load_merged([tmp_path])) == 1


def test_what_was_not_measured_in_both_is_the_same(two: tuple[Path, Path]) -> None:
    def unmeasured(rows: Rows) -> Rows:
        probs = rows.probs.copy()
        probs[0] = np.nan
        return replace(rows, probs=probs)

    run = one(two[0])
    first, second = of_rows(unmeasured)(run), of_rows(unmeasured)(run)
    assert differences(first, second) == []
    assert any("1 of 16 predictions" in what for what in differences(first, run))


def test_another_method_setting_or_model_is_another_line(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    run = one(two[0])
    save_run(run, tmp_path / "0")
    others = (
        replace(run, method="shift"),
        replace(run, model="other"),
        replace(run, config={"strength": 0.5}),
        replace(run, seed=5),
        replace(run, reset="never"),
        replace(run, dataset="another"),
        replace(run, windows={**run.windows, "length_s": 4.0}),
    )
    for n, other in enumerate(others, 1):
        save_run(other, tmp_path / str(n))
    assert len(load_merged([tmp_path])) == 1 + len(others)
