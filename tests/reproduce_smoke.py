"""Every table of `twomind reproduce` at toy size, from a folder in the real layout to its files.

    python -m tests.reproduce_smoke [--small] [--out FOLDER]

The folders have the troubles of real ones: a crop that is cut off, a clip whose crops are all damaged,
a clip without crops, a film that is no film. The numbers mean nothing; that every step of the real
path runs, and where its time goes, is what this shows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from twomind.cli.main import main as twomind
from twomind.datasets import biovid, stressid, unbc

#: People of each folder at whole size.
N_PEOPLE = 16
#: Of the small one.
N_SMALL = 5


@dataclass(frozen=True)
class Table:
    """One table to make: of which data set, trained on which, and how the recipe is changed."""

    dataset: str
    table: str
    source: str = ""
    sets: tuple[str, ...] = ()


TABLES = (
    Table("biovid", "clip-autt"),
    Table("stressid", "clip-autt"),
    Table("biovid", "tta-cap"),
    Table("stressid", "tta-cap"),
    Table("biovid", "dsfda"),
    Table("stressid", "dsfda"),
    Table("unbc", "dsfda"),
    Table("biovid", "environment-shift", sets=("protocol.label_free=targets-2",)),
    Table("stressid", "clip-autt", source="biovid"),
)
#: Of the small walk: each kind of model and each data set once.
SMALL = (TABLES[0], TABLES[3], TABLES[6], TABLES[8])


def _names(targets: Sequence[str], more: Callable[[int], str], n: int) -> tuple[str, ...]:
    """Target people first, then others, ``n`` in all."""
    return (*targets, *(more(k) for k in range(max(n - len(targets), 0))))[: max(n, 3)]


def make_folders(root: Path, n: int) -> dict[str, Path]:
    """Three folders in the real layouts, with what real ones suffer from."""
    targets = 10 if n >= N_PEOPLE else 2
    of_unbc = 5 if n >= N_PEOPLE else 2
    people = _names(biovid.BioVid.targets[:targets], lambda k: f"0{k % 9 + 1}0101_w_{20 + k}", n)
    biovid.fake(root / "biovid", 0, people, 4, 6)
    crops = root / "biovid" / "sub_red_classes_img" / people[-1]
    first, second, third = sorted(crops.iterdir())[:3]
    for path in first.iterdir():
        path.write_bytes(path.read_bytes()[:30])
    next(second.iterdir()).write_bytes(b"")
    shutil.rmtree(third)
    (root / "biovid" / "video" / people[-1] / f"{third.name}.mp4").write_bytes(b"no film")
    stressed = _names(stressid.StressId.targets[:targets], lambda k: f"a{k}bc", n)
    stressid.fake(root / "stressid", 0, stressed, 6)
    hurt = _names(unbc.Unbc.targets[:of_unbc], lambda k: f"90{k}-aa90{k}", n)
    actions = ("t1aaunaff", *(f"t{k}aaaff" for k in range(1, 5)))
    unbc.fake(root / "unbc", 0, hurt, actions)
    return {name: root / name for name in ("biovid", "stressid", "unbc")}


def arguments(one: Table, folders: dict[str, Path], root: Path, small: bool) -> list[str]:
    """The command line of a table."""
    name = "-".join(part for part in (one.source, one.dataset, one.table) if part)
    asked = ["reproduce", one.dataset, str(folders[one.dataset]), "--table", one.table, "--quick"]
    asked += ["--out", str(root / "tables" / name), "--store", str(root / "store"), "--json"]
    asked += ["--set", "models.encoder=face-text", "--device", "cpu"]
    if one.source:
        asked += ["--source", str(folders[one.source])]
    if small:
        for change in ("protocol.label_free=targets-2", "protocol.as_published="):
            asked += ["--set", change]
    for change in one.sets:
        asked += ["--set", change]
    return asked


def walk(root: Path, small: bool) -> list[dict[str, object]]:
    """Make every table; what each took and holds.

    Raises:
        AssertionError: a command failed, or a table has no figure.
    """
    folders = make_folders(root, N_SMALL if small else N_PEOPLE)
    done = []
    for one in SMALL if small else TABLES:
        started = time.monotonic()
        asked = arguments(one, folders, root, small)
        result = CliRunner().invoke(twomind, asked)
        assert result.exit_code == 0, f"{' '.join(asked)}\n{result.output[-2000:]}"
        table = json.loads(result.stdout)
        lines = table["lines"]
        with_figures = [line for line in lines if line["cells"]["label_free"]["figures"]]
        assert with_figures, f"{asked}: no figure"
        row: dict[str, object] = {
            "table": f"{one.source + ' to ' if one.source else ''}{one.dataset} {one.table}",
            "rows": len(lines),
            "with_figures": len(with_figures),
            "unreadable": len(table["notes"]["unreadable"]),
            "seconds": round(time.monotonic() - started, 1),
        }
        print(json.dumps(row), flush=True)
        done.append(row)
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    started = time.monotonic()
    if asked.out is not None:
        walk(asked.out, asked.small)
    else:
        with tempfile.TemporaryDirectory() as folder:
            walk(Path(folder), asked.small)
    print(f"all tables: {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
