"""The type of what JSON files hold: objects whose values only the reader of a key knows."""

from __future__ import annotations

from typing import Any, TypeAlias

#: An object read from JSON, or plain values on their way there. What a key holds is said where the
#: object is made; the type checker does not follow it.
JsonObject: TypeAlias = dict[str, Any]  # type: ignore[explicit-any, unused-ignore]
