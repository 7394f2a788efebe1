"""The tables of BAH at toy size, on a folder in the real layout, with networks made on the spot.

    python -m tests.reproduce_smoke_bah [--small] [--out FOLDER]

The numbers mean nothing; that every step of the real path runs is what this shows. Times are of the
processor: the machine may be shared.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from tests import bah_tiny

from twomind.cli.main import main as twomind
from twomind.datasets.bah_fake import fake
from twomind.pipeline.reproduce_recipe import recipe_text


def people(small: bool) -> dict[str, list[str]]:
    """Sixteen people in three splits; of the small walk, six."""
    sizes = {"train": 3, "val": 2, "test": 1} if small else {"train": 8, "val": 3, "test": 5}
    found = {}
    for n, (split, size) in enumerate(sizes.items()):
        found[split] = [str(90001 + 100 * n + k) for k in range(size)]
    return found


def folder_of(root: Path, small: bool) -> Path:
    """The folder, with what real ones suffer from: a film that is none, a crop that is cut off, an
    answer that cannot be read at all, films without sound.
    """
    data = fake(root / "bah", people=people(small))
    crops = sorted((data / "data" / "cropped-aligned-faces").rglob("*.mp4"))
    films = sorted((data / "data" / "Videos").rglob("*.mp4"))
    for n, film in enumerate(films):
        if n % 5:
            bah_tiny.sounding_film(film, seed=n)
    films[0].write_bytes(b"no film")
    next(crops[1].iterdir()).write_bytes(b"")
    if not small:
        shutil.rmtree(crops[2])
        films[2].write_bytes(b"no film either")
    return data


def personalised_recipe(root: Path) -> Path:
    """The recipe with few steps at each person: what a step costs is known, and at whole length it is
    most of the walk.
    """
    text = recipe_text("bah", "personalised")
    text = text.replace("msda:scope=network", "msda:scope=network:source_steps=2")
    text = text.replace(":scope=network", ":scope=network:steps=2:batch=4")
    path = root / "personalised.toml"
    path.write_text(text, encoding="utf-8")
    return path


def asked_for(table: str, data: Path, root: Path, small: bool) -> list[str]:
    """The command line of a table."""
    words = ["reproduce", "bah", str(data), "--table", table, "--out", str(root / table), "--json"]
    words += ["--store", str(root / "store"), "--device", "cpu", "--bundle", str(root / "b.tar")]
    (root / "b.tar").unlink(missing_ok=True)
    sets: list[str] = []
    if table == "zero-shot":
        model = bah_tiny.video_llava(root / "video-llava")
        sets = [f"llm.model={model}", "llm.frame_px=28", "llm.n_frames=2", "llm.max_tokens=4"]
        sets += ["bootstrap=100", "most=3"]
    elif table == "supervised":
        sets = [f"cnn={bah_tiny.resnet(root / 'resnet')}", f"text={bah_tiny.bert(root / 'bert')}"]
        sets.append(f"sound={bah_tiny.vggish(root / 'vggish')}")
        if small:
            sets.append("rows=V,V+A+T CAN")
    else:
        words += ["--recipe", str(personalised_recipe(root))]
        sets = [f"models.encoder={bah_tiny.resnet(root / 'resnet')}", "models.per_recording=4"]
        if small:
            sets.append("protocol.as_published=")
    for one in sets:
        words += ["--set", one]
    return words if table == "zero-shot" else [*words, "--quick"]


def check_levels(table: Mapping[str, Any]) -> int:
    """Every row has a figure; how many there are."""
    n = 0
    for part in table["levels"].values():
        assert part["rows"]
        n += len(part["rows"])
    return n


def check_lines(table: Mapping[str, Any]) -> int:
    """Every row of a model has a figure or a reason; how many have one."""
    done = 0
    for line in table["lines"]:
        cell = line["cells"]["label_free"]
        assert cell["figures"] or cell["why"], line["name"]
        done += bool(cell["figures"])
    assert done
    return done


TABLES: Mapping[str, Callable[[Mapping[str, Any]], int]] = {
    "zero-shot": check_levels,
    "supervised": check_levels,
    "personalised": check_lines,
}


def one_table(
    name: str, root: Path, data: Path | None = None, small: bool = True
) -> dict[str, Any]:
    """One table and its bundle, checked.

    Raises:
        AssertionError: a command failed.
    """
    data = data or folder_of(root, small)
    env = {"TWOMIND_LAB_KEY": str(root / "key")}
    done = CliRunner().invoke(twomind, asked_for(name, data, root, small), env=env)
    assert done.exit_code == 0, done.output[-3000:]
    verified = CliRunner().invoke(twomind, ["reproduce", "verify", str(root / "b.tar")], env=env)
    assert verified.exit_code == 0, verified.output
    table: dict[str, Any] = json.loads(done.stdout)
    return table


def walk(root: Path, small: bool) -> dict[str, Any]:
    """Make every table and its bundle, and check both.

    Raises:
        AssertionError: a command failed, or a table has no figure.
    """
    data = folder_of(root, small)
    made = {}
    for name, check in TABLES.items():
        started, spent = time.monotonic(), time.process_time()
        made[name] = one_table(name, root, data, small)
        row = {
            "table": f"bah {name}",
            "rows": check(made[name]),
            "seconds": round(time.monotonic() - started, 1),
            "processor_seconds": round(time.process_time() - spent, 1),
        }
        print(json.dumps(row), flush=True)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = given.out or Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        walk(root, given.small)
    print(f"tables of BAH: {time.process_time():.0f} s of the processor")


if __name__ == "__main__":
    main()
