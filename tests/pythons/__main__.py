"""A fresh environment per Python; the base install, one answer from file to report, and the quick
tests of what needs no extra.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
HOME = ROOT / "build" / "pythons"
TOOLS = (
    "pytest>=8",
    "hypothesis>=6",
    "sybil>=6",
    "psutil",
    "pympi-ling>=1.70",
    "xmlschema",
    "krippendorff",
)
TESTS = (
    "tests/types",
    "tests/core",
    "tests/transcripts/test_words_reading.py",
    "tests/annotations/test_annotations.py",
    "tests/media",
    "tests/features/test_voice.py",
    "tests/features/test_text.py",
    "tests/features/test_cues.py",
    "tests/models/test_words_model.py",
    "tests/reporting/test_report.py",
    "tests/cli/test_startup.py",
    "tests/cli/test_screen.py",
)


def run(*command: str | Path) -> bool:
    print("$", *command, flush=True)
    return subprocess.run([str(part) for part in command], cwd=ROOT).returncode == 0


def works(python: str) -> bool:
    """Whether the library can be installed and used with one Python."""
    place = HOME / Path(python).name
    shutil.rmtree(place, ignore_errors=True)
    own = place / "bin" / "python"
    pip = (own, "-m", "pip", "install", "-q", "--disable-pip-version-check")
    tests = (own, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", *TESTS)
    return (
        run(python, "-m", "venv", place)
        and run(*pip, "-e", ".")
        and run(own, Path(__file__).with_name("walk.py"), place / "walk")
        and run(*pip, *TOOLS)
        and run(*tests)
    )


def main() -> int:
    asked = sys.argv[1:]
    here = [python for python in asked if shutil.which(python)]
    for python in asked:
        if python not in here:
            print(f"{python} is not here; left out")
    results = {python: works(python) for python in here}
    for python, good in results.items():
        print(f"{python}: {'works' if good else 'FAILED'}")
    return 0 if results and all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
