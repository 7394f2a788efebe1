"""The tables of docs/explanation/adaptation-on-people.md, from result files.

python -m experiments.real.tables experiments/out/FILE.json...
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .run import METHODS


def lines(name: str, one: Mapping[str, Any]) -> Iterator[str]:
    """The table of one encoder."""
    rows = one["rows"]
    yield f"**{name}** ({one['n_people']} people, {one['n_rows']} rows, {one['metric']})\n"
    yield "| row | value | beside | gain [95 %] | worse by > .02 | p (Holm) |"
    yield "|---|---|---|---|---|---|"
    yield f"| no adaptation | {rows['no adaptation']['value']:.3f} | | | | |"
    for method in ("shortcuts", *METHODS):
        row = rows[method]
        low, high = row["gain_interval"]
        gain = f"{row['gain']:+.3f} [{low:+.3f}, {high:+.3f}]"
        p = f"{row['p_holm']:.2f}" if "p_holm" in row else ""
        harmed = f"{row['n_harmed']} of {row['n_people']}"
        yield f"| {method} | {row['value']:.3f} | {row['beside']:.3f} | {gain} | {harmed} | {p} |"
    yield ""


def encoders(paths: Iterable[str]) -> dict[str, Any]:
    """The figures of every encoder in result files, by its name."""
    told = {}
    for path in paths:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        told.update({name: one for name, one in found.items() if isinstance(one, dict)})
    return told


def main() -> None:
    for name, one in encoders(sys.argv[1:]).items():
        print("\n".join(lines(name, one)))


if __name__ == "__main__":
    main()
