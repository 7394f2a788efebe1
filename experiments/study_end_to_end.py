"""Whole studies of drawn people as a laboratory would run them: film, check, describe, score; time
and table.

For every layout, the commands of the README in new processes: ``twomind people --layout
--features``, ``twomind data check``, ``twomind score personalise``. Goes on where it stopped:
FOLDER/steps.json keeps what each finished step cost.

    python -m experiments.study_end_to_end FOLDER [--people 24] [--layouts bah biovid stressid]

Drawn people: consistency of the machinery, not validity on people.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from twomind_synth.study import MEANING

from .record import save

METHODS = "source-only,neutral-threshold,t3a,tent"


def twomind(folder: Path, *arguments: object) -> dict[str, Any]:
    """Run a verb with ``--json``: what it printed, with the seconds it took by the clock and of
    processors.
    """
    path = folder / "steps.json"
    steps = json.loads(path.read_text()) if path.is_file() else {}
    name = " ".join(map(str, arguments))
    if name in steps:
        return dict(steps[name])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    command = [sys.executable, "-m", "twomind.cli.main", *map(str, arguments), "--json"]
    print(" ".join(command[2:]), flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    steps[name] = {
        "wall_s": time.perf_counter() - start,
        "cpu_s": cpu_s,
        "said": json.loads(done.stdout),
    }
    path.write_text(json.dumps(steps, indent=1))
    return dict(steps[name])


def rows_of(board: dict[str, Any]) -> dict[str, Any]:
    """Name of the row → its numbers, as the leaderboard has them."""
    return {line["name"]: {k: v for k, v in line.items() if k != "name"} for line in board["lines"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--layouts", nargs="*", default=["bah", "biovid", "stressid"])
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    for layout in asked.layouts:
        root, store = asked.folder / layout, asked.folder / f"{layout}-store"
        study = [
            "people",
            root,
            "--people",
            asked.people,
            "--layout",
            layout,
            "--features",
            "--store",
            store,
        ]
        drawn = twomind(asked.folder, *study)
        checked = twomind(asked.folder, "data", "check", root)
        out = asked.folder / f"{layout}-runs"
        score = [
            "score",
            "personalise",
            "--data",
            root,
            "--store",
            store,
            "--methods",
            METHODS,
            "--out",
            out,
        ]
        scored = twomind(asked.folder, *score)
        boards = json.loads((out / "shuffled" / "leaderboard.json").read_text())["boards"]
        films = [
            path
            for path in root.rglob("*")
            if path.suffix in (".mp4", ".webm", ".avi") and path.is_file()
        ]
        save(
            f"study-end-to-end-{layout}",
            {
                "means": MEANING,
                "people": asked.people,
                "films": len(films),
                "films_mb": sum(path.stat().st_size for path in films) / 2**20,
                "load_average_at_the_end": os.getloadavg()[2],
                "draw_crop_and_describe": {k: drawn[k] for k in ("wall_s", "cpu_s")},
                "check": checked["said"],
                "score": {k: scored[k] for k in ("wall_s", "cpu_s")},
                "boards": [{"task": b.get("task"), "rows": rows_of(b)} for b in boards],
            },
        )


if __name__ == "__main__":
    main()
