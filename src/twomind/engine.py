"""Map work over recordings, people or folds: in this process, or over worker processes. One bad item never stops the rest."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Generic, TypeVar

from twomind.errors import TwomindError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome(Generic[Item, Result]):
    """What became of one item: a result, or the failure's class and message."""

    item: Item
    result: Result | None = None
    error: str = ""
    error_kind: str = ""
    exit_code: int = 0
    trace: str = ""

    @property
    def ok(self) -> bool:
        return not self.error_kind


def _attempt(work: Callable[[Item], Result], item: Item) -> Outcome[Item, Result]:
    try:
        return Outcome(item, work(item))
    except TwomindError as error:
        return Outcome(item, error=str(error), error_kind=error.kind, exit_code=error.exit_code)
    except Exception as error:
        # A defect in one item's work must not lose the other items; its trace goes to the ledger.
        return Outcome(
            item, error=f"{type(error).__name__}: {error}", error_kind="defect", exit_code=1, trace=traceback.format_exc()
        )


def n_workers(asked: int, n_items: int) -> int:
    """How many processes to use: ``asked``, or for 0 one per core, never more than there are items."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, min(asked or cores, n_items))


def run(
    work: Callable[[Item], Result], items: Sequence[Item] | Iterable[Item], workers: int = 1
) -> Iterator[Outcome[Item, Result]]:
    """Yield one :class:`Outcome` per item, as each is done (in order with one worker).

    ``work`` must be a module-level function (or a partial of one) when ``workers`` > 1. Worker processes are spawned,
    not forked: media and tracking libraries hold threads that a fork would break. If a worker process dies (out of
    memory, a crash in native code), the item it held is reported as failed and the rest goes on in new processes.
    """
    items = list(items)
    if workers <= 1:
        for item in items:
            yield _attempt(work, item)
        return
    waiting = list(items)
    alone: list[Item] = []  # were in flight when a worker died: tried again one at a time to find the culprit
    while waiting:
        broken: list[Item] = []
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            running: dict[Future[Outcome[Item, Result]], Item] = {}
            while (waiting and not broken) or running:
                while waiting and not broken and len(running) < workers:
                    item = waiting.pop(0)
                    try:
                        running[pool.submit(_attempt, work, item)] = item
                    except BrokenProcessPool:
                        waiting.insert(0, item)
                        broken = [*broken] or []
                        break
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    item = running.pop(future)
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        broken.append(item)
        alone += broken
    for item in alone:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            try:
                yield pool.submit(_attempt, work, item).result()
            except BrokenProcessPool:
                yield Outcome(
                    item, error="the worker process died (out of memory, or a crash in native code)", error_kind="crash",
                    exit_code=1,
                )
