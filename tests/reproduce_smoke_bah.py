"""The tables of BAH at toy size, with models made on the spot.

    python -m tests.reproduce_smoke_bah [--out FOLDER]

The numbers mean nothing; that every step of the real path runs is what this shows.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
from pathlib import Path

from click.testing import CliRunner

from twomind.cli.main import main as twomind
from twomind.datasets.bah_fake import fake

TESTS = Path(__file__).parent


def tiny_video_llava(folder: Path) -> Path:
    """A Video-LLaVA of two small layers with random weights."""
    sys.path.insert(0, str(TESTS))
    spec = importlib.util.spec_from_file_location("llm_local", TESTS / "models/test_llm_local.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module._video_llava(folder)
    return folder


def zero_shot(root: Path) -> dict[str, object]:
    """The zero-shot table from films and words, with a model of this machine, and its bundle."""
    data = fake(root / "bah")
    model = tiny_video_llava(root / "video-llava")
    out = root / "out"
    words = ["reproduce", "bah", str(data), "--table", "zero-shot", "--out", str(out), "--json"]
    sets = [f"llm.model={model}", "llm.frame_px=28", "llm.n_frames=2", "llm.max_tokens=4"]
    for one in (*sets, "bootstrap=100", "most=3"):
        words += ["--set", one]
    words += ["--bundle", str(root / "bah.tar")]
    done = CliRunner().invoke(twomind, words, env={"TWOMIND_LAB_KEY": str(root / "key")})
    assert done.exit_code == 0, done.output
    table: dict[str, object] = json.loads(done.stdout)
    checked = CliRunner().invoke(twomind, ["reproduce", "verify", str(root / "bah.tar")])
    assert checked.exit_code == 0, checked.output
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = zero_shot(given.out or Path(folder))
    levels = table["levels"]
    assert isinstance(levels, dict)
    for level, part in levels.items():
        print(f"bah zero-shot, {level}: {len(part['rows'])} rows")


if __name__ == "__main__":
    main()
