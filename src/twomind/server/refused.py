"""What a server answers when it does not do what was asked: status, code for programs, sentence for
people.
"""

from __future__ import annotations

import math
from typing import Any


class Refused(Exception):
    """A request that is refused.

    Args:
        status: HTTP status.
        code: For programs, as in docs/study/protocol.md.
        message: For people.
        **more: Further fields of the answer; ``wait`` is told in the header ``Retry-After`` alone.
    """

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.more = more

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        fields = {name: value for name, value in self.more.items() if name != "wait"}
        return {"error": self.code, "message": str(self), **fields}

    def headers(self) -> dict[str, str]:
        """What the answer's headers say of it."""
        wait = self.more.get("wait")
        return {} if wait is None else {"Retry-After": str(math.ceil(wait))}


def too_many(wait_s: float) -> Refused:
    """Somebody asks more often than they may."""
    return Refused(429, "too_many", "Too many requests; wait a moment.", wait=wait_s)


def not_found() -> Refused:
    """No such thing, or somebody else's: the two look alike."""
    return Refused(404, "not_found", "There is no such thing, or it is not yours.")


def withdrawn() -> Refused:
    """The refusal of a request of somebody who has withdrawn."""
    return Refused(410, "withdrawn", "You have withdrawn; nothing more is taken or shown.")
