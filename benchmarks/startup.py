"""Processor time to import the package, to print the help, and until the first picture is looked at: what
every command pays first.

python -m benchmarks.startup

Marks of source files are kept between processes, as on any machine after its first run; what a first run
pays besides is measured too.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

from benchmarks.record import save

N_TRIES = 11
#: Ends when the first picture of a film is looked at.
FIRST_PICTURE = """
import os, sys, tempfile
from pathlib import Path
from twomind.cli.main import main
from twomind.features.face.reader import FaceReader
look = FaceReader._look
def first(reader, following):
    if reader._held is not None:
        os._exit(0)
    return look(reader, following)
FaceReader._look = first
with tempfile.TemporaryDirectory() as place:
    main(["predict", sys.argv[1], "--out", f"{place}/out", "--store", f"{place}/store"])
sys.exit("no picture was looked at")
"""
#: The same, where no process has kept anything yet.
FIRST_EVER = (
    'import os, tempfile; os.environ["TWOMIND_STORE"] = tempfile.mkdtemp()\n' + FIRST_PICTURE
)
FILM = Path(__file__).parents[1] / "tests/fixtures/v0_1/media/clip-talking.mp4"
#: What is measured → arguments of a fresh interpreter.
COMMANDS = {
    "python": ("-c", "pass"),
    "import twomind": ("-c", "import twomind"),
    "twomind --help": ("-m", "twomind.cli.main", "--help"),
    "twomind predict --help": ("-m", "twomind.cli.main", "predict", "--help"),
    "twomind predict, until its first picture": ("-c", FIRST_PICTURE, str(FILM)),
    "the same, the first time on a machine": ("-c", FIRST_EVER, str(FILM)),
    "twomind doctor": ("-m", "twomind.cli.main", "doctor", "--json"),
}


def spent_s() -> float:
    """Processor time of all child processes that have ended, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(arguments: tuple[str, ...]) -> list[float]:
    """Processor time of each try, in seconds."""
    tries = []
    for _ in range(N_TRIES):
        before = spent_s()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        tries.append(spent_s() - before)
    return tries


def main() -> None:
    numbers = {}
    for name, arguments in COMMANDS.items():
        tries = measure(arguments)
        numbers[name] = {
            "median_s": round(median(tries), 3),
            "least_s": round(min(tries), 3),
            "most_s": round(max(tries), 3),
        }
    save("startup", {"unit": "s of processor time", "tries": N_TRIES, "commands": numbers})


if __name__ == "__main__":
    main()
