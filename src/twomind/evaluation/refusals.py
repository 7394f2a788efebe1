"""Methods that were asked for and refused: kept in the ledger of their runs, shown as rows.

A method may refuse a fold (its model is of another kind, the protocol does not hand over what it
needs, a person has one class alone). It then has no run there, but it does not vanish either.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from twomind.core.store import Ledger
from twomind.evaluation.board import Board, Refused
from twomind.types import Run
from twomind.types.plain import Foreign, Plain

LEDGER = "ledger.jsonl"
#: Where a refusal belongs: fields of a ledger's entry that are texts.
_TEXTS = ("method", "fold", "model", "dataset", "protocol")


@dataclass(frozen=True)
class Refusal:
    """One method on one fold, and why there is no run."""

    method: str
    fold: str
    why: str
    model: str
    dataset: str
    protocol: str
    windows: Mapping[str, Foreign] = field(default_factory=dict)


def place_of(base: Run, method: str) -> Plain:
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
            entries = Ledger(ledger).latest().values()
            refused = [entry for entry in entries if entry.get("state") == "refused"]
            found += [_from(entry) for entry in refused if "method" in entry]
    return found


def _from(entry: Mapping[str, Foreign]) -> Refusal:
    texts = {name: str(entry.get(name, "")) for name in _TEXTS}
    why = str(entry.get("error", ""))
    windows = entry.get("windows") or {}
    return Refusal(**texts, why=why, windows=windows)


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
    refused: list[Refused] = []
    notes = list(board.notes)
    for (model, method), reasons in _by_line(board, runs, refusals).items():
        name = f"{method} · {model}" if several_models else method
        first_reason = next(iter(reasons.values()))
        row = Refused(name, len(reasons), board.n_folds, first_reason)
        has_runs = any(run.model == model and run.method == method for run in runs)
        if has_runs:
            notes.append(f"{name}: {row.words()}")
        else:
            refused.append(row)
    return replace(board, refused=tuple(refused), notes=tuple(notes))


def _by_line(
    board: Board, runs: Sequence[Run], refusals: Sequence[Refusal]
) -> dict[tuple[str, str], dict[str, str]]:
    """Model and method → fold → reason, of the refusals on this board that no run has mended."""
    walked = {(run.model, run.method, run.fold.name) for run in runs}
    windows = {_text(run.windows) for run in runs}
    found: dict[tuple[str, str], dict[str, str]] = {}
    for refusal in refusals:
        of_this_data = refusal.dataset == board.dataset and refusal.protocol == board.protocol
        if not of_this_data or _text(refusal.windows) not in windows:
            continue
        if (refusal.model, refusal.method, refusal.fold) in walked:
            continue
        line = found.setdefault((refusal.model, refusal.method), {})
        line[refusal.fold] = refusal.why
    return found


def _text(windows: Mapping[str, Foreign]) -> str:
    return json.dumps(dict(windows), sort_keys=True)
