"""Every table of `twomind reproduce` at toy size, from a folder in the real layout to its files.

    python -m tests.reproduce_smoke [--small] [--out FOLDER]

The folders have the troubles of real ones, and of those that somebody else wrote: crops at odd rates
and of other sizes, files that are no crops, a clip of one crop, a crop that is cut off, a clip whose
crops are all damaged, a clip without crops, a film that is no film, a neutral clip that is lost. The
numbers mean nothing; that every step of the real path runs, and where its time goes, is what this
shows. Times are of the processor (all tables run in this process): the machine may be shared.
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
from tests.clip_files import make_tiny_clip

from twomind.cli.main import main as twomind
from twomind.datasets import biovid, fakes, stressid, unbc
from twomind.pipeline.reproduce_recipe import recipe_text

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
    # Pain is in single frames of these folders, so windows are of one.
    Table("unbc", "clip-autt", sets=("protocol.window_s=0.0333667",)),
    Table("unbc", "tta-cap", sets=("protocol.window_s=0.0333667",)),
    Table("biovid", "environment-shift", sets=("protocol.label_free=targets-2",)),
    Table("stressid", "clip-autt", source="biovid"),
)
#: Of the small walk: each kind of model and each data set once.
SMALL = (TABLES[0], TABLES[3], TABLES[6], TABLES[-1])


def _names(targets: Sequence[str], more: Callable[[int], str], n: int) -> tuple[str, ...]:
    """Target people first, then others, ``n`` in all."""
    return (*targets, *(more(k) for k in range(max(n - len(targets), 0))))[: max(n, 3)]


def make_folders(root: Path, n: int) -> dict[str, Path]:
    """Three folders in the real layouts, with what real ones suffer from."""
    targets = 10 if n >= N_PEOPLE else 2
    of_unbc = 5 if n >= N_PEOPLE else 2
    people = _names(biovid.BioVid.targets[:targets], lambda k: f"0{k % 9 + 1}0101_w_{20 + k}", n)
    biovid.fake(root / "biovid", 0, people, 4, 6)
    crops = root / "biovid" / "sub_red_classes_img"
    spoil(crops / people[-1], root / "biovid" / "video" / people[-1])
    by_somebody_else(crops / people[-2])
    lose_neutral(crops / people[0])
    stressed = _names(stressid.StressId.targets[:targets], lambda k: f"a{k}bc", n)
    stressid.fake(root / "stressid", 0, stressed, 6)
    hurt = _names(unbc.Unbc.targets[:of_unbc], lambda k: f"90{k}-aa90{k}", n)
    # Every second sequence has pain: those that a person keeps for the test have to be among them.
    actions = ("t1aaunaff", "t1aaaff", "t3aaaff", "t2aaaff", "t5aaaff", "t4aaaff")
    unbc.fake(root / "unbc", 0, hurt, actions)
    return {name: root / name for name in ("biovid", "stressid", "unbc")}


def spoil(crops: Path, films: Path) -> None:
    """A person whose first clip is damaged whole, the second in one crop, and the third lost."""
    first, second, third = sorted(crops.iterdir())[:3]
    for path in first.iterdir():
        path.write_bytes(path.read_bytes()[:30])
    next(second.iterdir()).write_bytes(b"")
    shutil.rmtree(third)
    (films / f"{third.name}.mp4").write_bytes(b"no film")


def by_somebody_else(crops: Path) -> None:
    """A person whose crops were written by another program: at times of its own, in another size,
    with files beside them that are no crops, and one clip of a single crop.
    """
    for n, clip in enumerate(sorted(crops.iterdir())):
        paths = sorted(clip.iterdir())
        times_ms = [2000 + 33 * k + (k * k) % 7 for k in range(len(paths))]
        for path, time_ms in zip(paths, times_ms, strict=True):
            path.unlink()
            if n != 1 or time_ms == 2000:
                fakes.tiny_crop(clip / f"image{time_ms}.PNG", (9, n, time_ms), 20 + 4 * (n % 3))
        (clip / "Thumbs.db").write_bytes(b"no picture")
        (clip / "notes.txt").write_text("cropped again", encoding="utf-8")


def lose_neutral(crops: Path) -> None:
    """A target person whose first neutral clip cannot be read: no method can be given one."""
    neutral = min(clip for clip in crops.iterdir() if "-BL1-" in clip.name)
    for path in neutral.iterdir():
        path.write_bytes(b"")


def shortened(dataset: str, root: Path) -> Path:
    """The DSFDA recipe with a few epochs at each person: what a step costs is known, and at whole
    length it is most of the walk.
    """
    path = root / f"{dataset}-dsfda.toml"
    text = recipe_text(dataset, "dsfda")
    text = text.replace('"dsfda"\nas_published', '"dsfda:epochs=2"\nas_published')
    text = text.replace('label_free = "dsfda"\n', 'label_free = "dsfda:epochs=2"\n')
    text = text.replace('"dsfda:variant=released"', '"dsfda:variant=released:epochs=2"')
    for n, epochs in enumerate((5, 10, 15, 20, 25), 1):
        text = text.replace(f'"dsfda:epochs={epochs}"', f'"dsfda:epochs={n}"')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def arguments(one: Table, folders: dict[str, Path], root: Path, small: bool) -> list[str]:
    """The command line of a table."""
    name = "-".join(part for part in (one.source, one.dataset, one.table) if part)
    asked = ["reproduce", one.dataset, str(folders[one.dataset]), "--table", one.table, "--quick"]
    asked += ["--out", str(root / "tables" / name), "--store", str(root / "store"), "--json"]
    asked += ["--set", "models.encoder=face-text", "--device", "cpu"]
    if one.table in ("clip-autt", "tta-cap"):
        # A CLIP is fine-tuned as a whole: the smallest one in the layout of the real ones.
        clip = make_tiny_clip(root / "clip") if not (root / "clip").is_dir() else root / "clip"
        asked += ["--set", f"models.clip-whole.encoder={clip}", "--allow-drawn-model"]
    if one.table == "dsfda":
        asked += ["--recipe", str(shortened(one.dataset, root))]
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
        started, spent = time.monotonic(), time.process_time()
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
            "processor_seconds": round(time.process_time() - spent, 1),
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
    spent = time.process_time()
    print(f"all tables: {time.monotonic() - started:.0f} s, {spent:.0f} s of the processor")


if __name__ == "__main__":
    main()
