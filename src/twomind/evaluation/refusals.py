"""Methods that were asked for and refused: kept in the ledger of their runs, shown as rows.

A method may refuse a fold (its model is of another kind, the protocol does not hand over what it
needs, a person has one class alone). It then has no run there, but it does not vanish either.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from twomind.core.store import Ledger
from twomind.evaluation.board import Board, Refused
from twomind.types import Run

LEDGER = "ledger.jsonl"


@dataclass(frozen=True)
class Refusal:
    """One method on one fold, and why there is no run."""

    method: str
    fold: str
    why: str
    model: str
    dataset: str
    protocol: str
    windows: Mapping[str, Any] = field(default_factory=dict)


def place_of(base: Run, method: str) -> dict[str, Any]:
    """What the ledger says of a refusal besides why: where the row belongs.

    Args:
        base: The run of the same fold and model without adaptation.
        method: The method that refused.

    Returns:
        Fields of a ledger's entry.
    """
    return {
        "method": method,
        "fold": base.fold.name,
        "model": base.model,
        "dataset": base.dataset,
        "protocol": base.fold.protocol,
        "windows": dict(base.windows),
    }


def find_refusals(paths: Sequence[Path]) -> list[Refusal]:
    """All refusals in the ledgers of the given folders, and of those below them."""
    found: list[Refusal] = []
    for path in map(Path, paths):
        for ledger in sorted(path.rglob(LEDGER)):
            for entry in Ledger(ledger).latest().values():
                if entry.get("state") == "refused" and "method" in entry:
                    found.append(_from(entry))
    return found


def _from(entry: Mapping[str, Any]) -> Refusal:
    return Refusal(
        method=str(entry["method"]),
        fold=str(entry.get("fold", "")),
        why=str(entry.get("error", "")),
        model=str(entry.get("model", "")),
        dataset=str(entry.get("dataset", "")),
        protocol=str(entry.get("protocol", "")),
        windows=entry.get("windows") or {},
    )


def with_refusals(board: Board, refusals: Sequence[Refusal]) -> Board:
    """A board with the methods that refused: those without any run as :class:`Refused`, the others
    in its notes.

    Args:
        board: The board.
        refusals: Of any data sets; those of other boards are passed over.

    Returns:
        The board, with ``refused`` and ``notes``.
    """
    runs = [run for line in board.lines for run in line.runs]
    several_models = len({run.model for run in runs}) > 1
    walked = {(run.model, run.method, run.fold.name) for run in runs}
    by_line: dict[tuple[str, str], dict[str, str]] = {}
    for refusal in refusals:
        line = (refusal.model, refusal.method)
        if _is_of(refusal, board, runs) and (*line, refusal.fold) not in walked:
            by_line.setdefault(line, {})[refusal.fold] = refusal.why
    refused: list[Refused] = []
    notes: list[str] = []
    for (model, method), reasons in by_line.items():
        name = f"{method} · {model}" if several_models else method
        row = Refused(name, len(reasons), board.n_folds, next(iter(reasons.values())))
        if any(run.model == model and run.method == method for run in runs):
            notes.append(f"{name}: {row.words()}")
        else:
            refused.append(row)
    return replace(board, refused=tuple(refused), notes=(*board.notes, *notes))


def _is_of(refusal: Refusal, board: Board, runs: Sequence[Run]) -> bool:
    """Whether a refusal belongs on this board."""
    if (refusal.dataset, refusal.protocol) != (board.dataset, board.protocol):
        return False
    windows = {_text(run.windows) for run in runs}
    return _text(refusal.windows) in windows


def _text(windows: Mapping[str, Any]) -> str:
    return json.dumps(dict(windows), sort_keys=True)
