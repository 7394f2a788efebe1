"""A bar on a terminal, a line per finished item otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twomind.cli.screen import bar, screen, text_column
from twomind.cli.verb import say

if TYPE_CHECKING:
    from twomind.pipeline.rows import Row
    from twomind.types import Progress


class Bars:
    """``with Bars(n) as (progress, on_done)``: ``progress`` tells of one item, ``on_done`` of a
    finished one.
    """

    def __init__(self, n_items: int) -> None:
        self._n = n_items
        self._done = 0

    def __enter__(self) -> tuple[Progress, Callable[[Row], None]]:
        from rich.progress import BarColumn, TimeElapsedColumn

        self._console = screen(stderr=True)
        what, detail = text_column("{task.description}"), text_column("{task.fields[detail]}")
        columns = (what, BarColumn(), detail, TimeElapsedColumn())
        self._bar = bar(self._console, *columns)
        self._bar.start()
        self._all = self._bar.add_task("answers", total=self._n, detail=f"0/{self._n}")
        self._one = self._bar.add_task("", total=None, detail="", visible=self._n == 1)
        return self._progress, self._on_done

    def _progress(self, what: str, done: float, total: float) -> None:
        known = math.isfinite(total) and total > 0
        detail = f"{done:.0f} s"
        if known:
            detail += f" of {total:.0f} s"
        self._bar.update(
            self._one,
            description=what[:40],
            completed=done,
            total=total if known else None,
            detail=detail,
            visible=True,
        )

    def _on_done(self, row: Row) -> None:
        self._done += 1
        count = f"{self._done}/{self._n}"
        self._bar.update(self._all, completed=self._done, detail=count)
        if not self._console.is_terminal:
            why = f": {row.error}" if row.error else ""
            say(f"[{count}] {row.job.id}: {row.state}{why}")

    def __exit__(self, *_: Any) -> None:
        self._bar.stop()


@contextmanager
def stages(what: str = "training") -> Iterator[Progress]:
    """A bar on a terminal; otherwise a line when another stage begins."""
    from rich.progress import BarColumn, TaskProgressColumn, TimeRemainingColumn

    console = screen(stderr=True)
    what_column = text_column("{task.description}")
    columns = (what_column, BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    seen: set[str] = set()
    with bar(console, *columns) as shown:
        task = shown.add_task(what, total=None)

        def progress(stage: str, done: float, total: float) -> None:
            shown.update(task, description=stage, completed=done, total=total)
            if not console.is_terminal and stage not in seen:
                say(f"{stage} ({done:.0f} of {total:.0f} steps)")
            seen.add(stage)

        yield progress
