"""A method that was asked for and refused has a row with its reason: in ledger, table and board."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import scoring_world as w
from twomind.core.errors import BadInput
from twomind.core.store import Ledger
from twomind.evaluation.board import Board, Refused, boards
from twomind.evaluation.compare import Comparison, compare
from twomind.evaluation.merging import load_merged
from twomind.evaluation.refusals import LEDGER, find_refusals, with_refusals
from twomind.evaluation.run import Windows
from twomind.reporting.leaderboard import report
from twomind.types import Access, Given, State

TOY = w.Toy()


@dataclass(frozen=True)
class Refuses(w.Plain):
    """Refuses the fold of some people, or everybody's."""

    people: tuple[str, ...] = ()

    def begin(self, model: Any, given: Given) -> State:
        raise BadInput("wants another model")


@dataclass(frozen=True)
class WantsTarget(Refuses):
    @property
    def needs(self) -> Access:
        return Access.TARGET


@dataclass(frozen=True)
class RefusesSome(w.Plain):
    def step(self, model: Any, state: State, x: Any) -> Any:
        if x.subject in ("t1", "t3"):
            raise BadInput(f"cannot read {x.subject}")
        return super().step(model, state, x)


METHODS = {
    "offset": w.Offset(),
    "refuses": Refuses(),
    "wants-target": WantsTarget(),
    "some": RefusesSome(),
}


def compared(out: Path, methods: dict[str, Any], model: str = "toy model") -> None:
    asked = Comparison(
        TOY,
        "one-out",
        lambda fold: w.Model(),
        TOY.features,
        w.CLIP,
        windows=Windows(2.0),
        model_name=model,
    )
    compare(asked, methods, out)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    compared(out, METHODS)
    return out


def board_of(folder: Path) -> Board:
    [board] = boards(load_merged([folder]), n_bootstrap=100)
    return with_refusals(board, find_refusals([folder]))


def test_the_ledger_says_of_every_fold_why_and_where_it_belongs(kept: Path) -> None:
    entry = Ledger(kept / LEDGER).latest()["t0 / refuses"]
    assert entry["state"] == "refused"
    assert entry["error"] == "wants another model"
    found = [refusal for refusal in find_refusals([kept]) if refusal.method == "refuses"]
    assert [refusal.fold for refusal in found] == ["t0", "t1", "t2", "t3"]
    assert {(r.dataset, r.protocol, r.model) for r in found} == {("toy", "one-out", "toy model")}
    assert found[0].windows["length_s"] == 2.0


def test_who_refused_everywhere_is_a_row_and_who_refused_somewhere_a_remark(kept: Path) -> None:
    board = board_of(kept)
    first, second = board.refused
    assert first == Refused("refuses", 4, 4, "wants another model")
    assert first.words() == "refused every fold: wants another model"
    assert second.name == "wants-target"
    assert "target" in second.why
    assert "some: refused 2 of 4 folds: cannot read t1" in board.notes
    assert "some" in {line.name for line in board.lines}


def test_table_page_and_json_have_the_rows(kept: Path, tmp_path: Path) -> None:
    found = report([kept], tmp_path, n_bootstrap=100)
    [board] = json.loads((tmp_path / "leaderboard.json").read_text())["boards"]
    assert [row["name"] for row in board["refused"]] == ["refuses", "wants-target"]
    assert board["refused"][0]["why"] == "wants another model"
    for page in (found["markdown"], found["html"]):
        text = Path(page).read_text()
        assert "Asked for, and refused" in text
        assert "refused every fold: wants another model" in text
        assert "some: refused 2 of 4 folds: cannot read t1" in text
    assert "refuses: refused every fold: wants another model." in board["findings"]


def test_a_board_without_refusals_is_as_it_was(tmp_path: Path) -> None:
    compared(tmp_path / "runs", {"offset": w.Offset()})
    report([tmp_path / "runs"], tmp_path / "page", n_bootstrap=100)
    [board] = json.loads((tmp_path / "page" / "leaderboard.json").read_text())["boards"]
    assert "refused" not in board
    assert "refused" not in (tmp_path / "page" / "leaderboard.md").read_text()


def test_a_refusal_that_was_mended_is_none(tmp_path: Path) -> None:
    compared(tmp_path, {"refuses": Refuses()})
    assert board_of(tmp_path).refused
    compared(tmp_path, {"refuses": w.Offset()})
    assert not board_of(tmp_path).refused


def test_refusals_of_other_data_protocols_and_windows_are_passed_over(kept: Path) -> None:
    [board] = boards(load_merged([kept]), n_bootstrap=100)
    [one, *_] = find_refusals([kept])
    for other in (
        replace(one, dataset="another"),
        replace(one, protocol="all"),
        replace(one, windows={**one.windows, "length_s": 4.0}),
    ):
        assert with_refusals(board, [other]).refused == ()
        assert with_refusals(board, [other]).notes == board.notes


def test_with_several_models_a_row_says_whose(kept: Path, tmp_path: Path) -> None:
    compared(tmp_path, {"refuses": Refuses()}, "another model")
    folders = [kept, tmp_path]
    [board] = boards(load_merged(folders), n_bootstrap=100)
    names = [row.name for row in with_refusals(board, find_refusals(folders)).refused]
    assert names == ["refuses · toy model", "wants-target · toy model", "refuses · another model"]


def test_ledgers_of_version_0_1_name_no_place_and_make_no_row(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / LEDGER)
    ledger.append("t0 / old", state="refused", error="wants another model")
    assert find_refusals([tmp_path]) == []
