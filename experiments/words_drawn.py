"""The default words recogniser on a drawn BAH study and on the real BAH val split, in one
leaderboard.

    python -m experiments.words_drawn ../shared/data/bah_v1 --out /tmp/words-drawn

The drawn answers are those that ``twomind people --layout bah --people 24`` films, as text, without
the films. Copies the leaderboard to ``experiments/reports/words-synthetic.md``. Drawn people: consistency of the
machinery, not validity on people.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

from click.testing import CliRunner

from twomind.cli.main import main as twomind
from twomind_synth.studies.features import study_features
from twomind_synth.study import MEANING

ROOT = Path(__file__).parent.parent


def write_study(folder: Path, people: int, seed: int) -> Path:
    """A labelled table of the drawn answers, in a folder that says that they are drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    study = study_features("bah", people, seed)
    with open(folder / "drawn-bah.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("subject", "question", "label", "transcript"))
        for x, truth in zip(study.features, study.truths, strict=True):
            text = " ".join(w.text for w in x.words or ())
            writer.writerow((truth.subject, truth.task, truth.label, text))
    note = {
        "what": "twomind drawn person",
        "means": MEANING,
        "drawn": True,
        "layout": "bah",
        "seed": seed,
    }
    (folder / "study.json").write_text(json.dumps(note) + "\n", encoding="utf-8")
    return folder / "drawn-bah.csv"


def public(page: str) -> list[str]:
    """The page without figures, and without what it says of single people: real ones are
    somebody.
    """
    kept, skip = [], False
    for line in page.splitlines():
        if line.startswith("#"):
            skip = line.startswith("### ") and any(
                word in line.lower() for word in ("person", "error", "group")
            )
        if not skip and not line.startswith("!["):
            kept.append(line)
    return kept


def run(*arguments: object) -> None:
    done = CliRunner().invoke(twomind, [str(a) for a in arguments])
    print(done.stderr)
    if done.exit_code:
        raise SystemExit(done.exit_code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with the public BAH v1 val.txt")
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    table = write_study(asked.out / "study", asked.people, asked.seed)
    run("score", "words", "--data", table, "--out", asked.out / "runs" / "drawn", "--name", "words")
    runs = (asked.out / "runs" / "drawn", asked.out / "runs" / "val")
    run(
        "score",
        "words",
        "--data",
        asked.data,
        "--split",
        "val",
        "--out",
        runs[1],
        "--name",
        "words",
    )
    run(
        "score",
        "report",
        *runs,
        "--out",
        asked.out / "board",
        "--title",
        "Words on drawn and on real answers",
    )
    page = (asked.out / "board" / "leaderboard.md").read_text(encoding="utf-8")
    made = (
        "\n\nMade by `python -m experiments.words_drawn ../shared/data/bah_v1 --people "
        f"{asked.people}`.\n"
    )
    text = public(page)
    (ROOT / "experiments" / "reports" / "words-synthetic.md").write_text(
        "\n".join(text).rstrip() + made, encoding="utf-8"
    )


if __name__ == "__main__":
    main()
