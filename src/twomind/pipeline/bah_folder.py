"""The folder of a table of BAH: what it is of, and the runs that lie in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput
from twomind.core.store import settings_hash, write_text
from twomind.evaluation.runs import ARRAYS, JSON, folder_name, save_run
from twomind.types import Run

MARK, RUNS = "mark.txt", "runs"
#: Half of a file, as :func:`twomind.core.files.replacing` calls it.
_HALF = re.compile(r"\..+\.[0-9a-f]{12}\.part")


@dataclass(frozen=True)
class TableFolder:
    """A folder in which one process works (:func:`twomind.core.files.alone_in`)."""

    out: Path

    def begin(self, asked: Mapping[str, Any]) -> None:
        """Write down what this folder is of, and refuse to mix two sets of settings in it. What a
        killed process left half-written goes.

        Args:
            asked: what every number depends on. It is known to be good: of a mistake no mark stays.

        Raises:
            BadInput: the folder holds results of other settings.
        """
        mark = settings_hash(asked)
        path = self.out / MARK
        if path.is_file() and path.read_text(encoding="ascii").strip() != mark:
            raise BadInput(f"{self.out}: holds results of other settings; give another --out")
        write_text(path, mark + "\n")
        for half in self.out.rglob(".*.part"):
            if _HALF.fullmatch(half.name):
                half.unlink(missing_ok=True)

    def save_runs(self, runs: Mapping[str, Sequence[Run]]) -> None:
        """Write the runs of a table. Others that lie there, as an earlier version called them, go:
        whoever reads the folder takes all.

        Args:
            runs: by level.
        """
        kept = set()
        for level, own in runs.items():
            for run in own:
                kept.add(save_run(run, self.out / RUNS / level / folder_name(run.name)))
        for file in list((self.out / RUNS).rglob(JSON)):
            if file.parent not in kept:
                file.unlink()
                (file.parent / ARRAYS).unlink(missing_ok=True)
                with suppress(OSError):
                    file.parent.rmdir()  # unless somebody put something else there


__all__ = ["TableFolder"]
