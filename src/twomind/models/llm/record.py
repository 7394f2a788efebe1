"""Every try and every reply in one JSON-lines file: resuming, replaying, and counting what was
spent.

A reply is filed under the hash of model, text, pictures and settings; the text and the pictures
themselves are not kept. A question that has its reply is not asked again, by whom and whenever it
was recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput
from twomind.core.store import Ledger
from twomind.models.llm.ask import (
    Backend,
    Budget,
    EndpointFailed,
    Reply,
    Request,
    Retry,
    Spent,
    Tried,
)


@dataclass
class Recorder:
    """Asks a back end through a record file. ``path`` None keeps the record in memory alone.

    ``replay``: answer from the record only; the back end is never touched. ``per_minute`` spaces
    the tries of this process. ``wait`` and ``clock`` stand for sleeping and the monotonic clock.
    """

    path: Path | None = None
    budget: Budget = field(default_factory=Budget)
    retry: Retry = field(default_factory=Retry)
    per_minute: float | None = None
    replay: bool = False
    wait: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    on_wait: Callable[[str, float], None] | None = None
    spent: Spent = field(default_factory=Spent)
    n_asked: int = 0
    n_replayed: int = 0

    def __post_init__(self) -> None:
        if self.per_minute is not None and not self.per_minute > 0:
            raise BadInput(f"requests per minute: expected more than 0, got {self.per_minute:g}")
        self._replies: dict[str, Reply] = {}
        self._last_s = float("-inf")
        self._ledger = Ledger(self.path) if self.path is not None else None
        if self.replay and (self.path is None or not self.path.is_file()):
            raise BadInput(f"replay: expected a record of replies, there is none at {self.path}")
        for entry in self._ledger.entries() if self._ledger is not None else ():
            # A line of another version or a damaged one is not a reply.
            with suppress(KeyError, TypeError, ValueError):
                self._note(str(entry["item"]), str(entry["state"]), entry)

    def _note(self, key: str, state: str, entry: dict[str, Any]) -> None:
        spent = self.spent
        if state == "try":
            spent.requests += 1
        elif state == "failed":
            spent.failures[str(entry["why"])] = spent.failures.get(str(entry["why"]), 0) + 1
        elif state == "reply":
            reply = Reply.from_dict(entry["reply"])
            self._replies[key] = reply
            spent.replies += 1
            if min(reply.tokens_in, reply.tokens_out) < 0:
                spent.uncounted += 1
            spent.tokens_in += max(reply.tokens_in, 0)
            spent.tokens_out += max(reply.tokens_out, 0)

    def _write(self, key: str, state: str, **fields: Any) -> None:
        stamp = datetime.now(UTC).isoformat(timespec="seconds")
        entry = {"state": state, "time": stamp, **fields}
        if self._ledger is not None:
            self._ledger.append(key, **entry)
        self._note(key, state, entry)

    def recorded(self, key: str) -> Reply | None:
        return self._replies.get(key)

    def ask(
        self,
        request: Request,
        identity: dict[str, Any],
        backend: Callable[[], Backend],
        about: str = "",
    ) -> Reply:
        """The reply to a request: the recorded one, or that of the back end, which is only then
        made.

        Raises:
            BudgetSpent: one more try would go over the budget.
            EndpointFailed: all tries failed; or replaying, and there is no record of this request.
        """
        key = request.key(identity)
        found = self.recorded(key)
        if found is not None:
            self.n_replayed += 1
            return found
        if self.replay:
            raise EndpointFailed(
                f"replay: no reply to this request is recorded in {self.path}. Model, strategy, "
                "frames, transcript, "
                "question and settings must be those of the recording"
            )
        return self._ask(key, request, identity, backend(), about)

    def _ask(
        self, key: str, request: Request, identity: dict[str, Any], backend: Backend, about: str
    ) -> Reply:
        failed = 0
        while True:
            self.spent.check(self.budget)
            self._pace()
            # Noted before it is sent: a process that is killed while it waits has still spent the
            # try.
            self._write(
                key, "try", model=identity.get("model", ""), about=about, sample=request.sample
            )
            outcome = backend.attempt(request)
            if isinstance(outcome, Reply):
                self.n_asked += 1
                self._write(key, "reply", reply=outcome.to_dict())
                return outcome
            self._write(key, "failed", why=outcome.why)
            if outcome.adapted:
                continue
            failed += 1
            self._wait_or_end(failed, outcome)

    def _wait_or_end(self, failed: int, outcome: Tried) -> None:
        if not outcome.again or failed >= self.retry.n:
            raise EndpointFailed(
                f"{outcome.why}; given up after {failed} tries. Run the same command again to go on"
            )
        pause_s = self.retry.wait_s(failed, outcome.wait_s)
        if pause_s > self.retry.max_s:
            raise EndpointFailed(
                f"{outcome.why}, and it asks to wait {pause_s:.0f} s, longer than "
                f"{self.retry.max_s:g} s. "
                "Run the same command again later to go on"
            )
        if self.on_wait is not None:
            self.on_wait(outcome.why, pause_s)
        self.wait(pause_s)

    def _pace(self) -> None:
        if self.per_minute is not None:
            pause_s = self._last_s + 60.0 / self.per_minute - self.clock()
            if pause_s > 0:
                self.wait(pause_s)
        self._last_s = self.clock()
