"""Adaptation methods on drawn studies in one table: from the leaderboards of `twomind score personalise`.

    for l in biovid stressid bah; do
      twomind score personalise --drawn $l --people 24 --protocol targets-10 --out personal/$l
    done
    python benchmarks/personalise.py personal/*

Prints the table of docs/personalise.md, grouped by what a method saw, and writes one dated result file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from results import save

#: Groups of the table, by what was seen before the stream, in this order.
GROUPS = ("nothing", "summary", "neutral", "target", "source", "few")


def group_of(saw: str) -> str:
    """The most telling part of what a method saw."""
    for name in ("few", "source", "target", "neutral", "summary"):
        if name in saw.split("+"):
            return name
    return "nothing"


def read(folder: Path) -> dict[str, Any]:
    """The lines of one leaderboard, methods and no adaptation only, in short."""
    board = json.loads((folder / "shuffled" / "leaderboard.json").read_text(encoding="utf-8"))["boards"][0]
    ledger = folder / "runs" / "shuffled" / "ledger.jsonl"
    refused: dict[str, int] = {}
    for text in ledger.read_text(encoding="utf-8").splitlines():
        entry = json.loads(text)
        if entry.get("state") == "refused":
            method = entry["item"].split(" / ")[1]
            refused[method] = refused.get(method, 0) + 1
    lines = {}
    for line in board["lines"]:
        if line["kind"] == "shortcut":
            continue
        lines[line["name"]] = {
            "saw": line["saw"],
            "macro_f1": line["figures"]["macro_f1"],
            "war": line["figures"]["war"],
            "uar": line["figures"]["uar"],
            "paired": line.get("against_no_adaptation"),
            "seconds": line.get("seconds"),
            "refused": refused.get(line["name"], 0),
        }
    return {"dataset": board["dataset"], "n_people": board["n_people"], "level": board["level"], "lines": lines}


def cell(line: dict[str, Any] | None) -> str:
    """Gain per person with its interval, how many people it harmed, and whom it refused."""
    if line is None:
        return "–"
    paired = line["paired"]
    if not paired:
        value = line["macro_f1"]["value"]
        return f"macro-F1 {value:.3f}"
    low, high = paired["ci"]
    text = f"{paired['mean']:+.3f} [{low:+.2f}, {high:+.2f}]; {paired['n_harmed']} of {paired['n_people']}"
    return text + (f", {line['refused']} refused" if line["refused"] else "")


def main() -> None:
    found = [read(Path(folder)) for folder in sys.argv[1:]]
    names = sorted({name for f in found for name in f["lines"]})
    saw = {name: next(f["lines"][name]["saw"] for f in found if name in f["lines"]) for name in names}
    order = sorted(names, key=lambda n: (n != "no adaptation", GROUPS.index(group_of(saw[n])), n))
    print("| method | saw before | " + " | ".join(f["dataset"] for f in found) + " |")
    print("|---|---|" + "---|" * len(found))
    for name in order:
        print(f"| {name} | {saw[name]} | " + " | ".join(cell(f["lines"].get(name)) for f in found) + " |")
    save("personalise", {"studies": found})


if __name__ == "__main__":
    main()
