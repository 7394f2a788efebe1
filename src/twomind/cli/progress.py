"""A bar on a terminal, a line per finished item otherwise."""

from __future__ import annotations

from typing import Any

from twomind.cli.screen import bar, screen, text_column
from twomind.cli.verb import say


class Bars:
    """``with Bars(n) as (progress, on_done)``: ``progress`` tells of one item, ``on_done`` of a
    finished one.
    """

    def __init__(self, n_items: int) -> None:
        self._n = n_items
        self._done = 0

    def __enter__(self) -> tuple[Any, Any]:
        from rich.progress import BarColumn, TimeElapsedColumn

        self._console = screen(stderr=True)
        columns = (
            text_column("{task.description}"),
            BarColumn(),
            text_column("{task.fields[detail]}"),
            TimeElapsedColumn(),
        )
        self._bar = bar(self._console, *columns)
        self._bar.start()
        self._all = self._bar.add_task("answers", total=self._n, detail=f"0/{self._n}")
        self._one = self._bar.add_task("", total=None, detail="", visible=self._n == 1)
        return self._progress, self._on_done

    def _progress(self, what: str, done: float, total: float) -> None:
        known = total == total and total > 0
        self._bar.update(
            self._one,
            description=what[:40],
            completed=done,
            total=total if known else None,
            detail=f"{done:.0f} s" + (f" of {total:.0f} s" if known else ""),
            visible=True,
        )

    def _on_done(self, done: Any) -> None:
        self._done += 1
        self._bar.update(self._all, completed=self._done, detail=f"{self._done}/{self._n}")
        if not self._console.is_terminal:
            say(
                f"[{self._done}/{self._n}] {done.job.id}: {done.state}"
                + (f": {done.error}" if done.error else "")
            )

    def __exit__(self, *_: Any) -> None:
        self._bar.stop()
