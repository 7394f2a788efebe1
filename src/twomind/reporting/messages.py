"""The texts of the report's pages, in each of its languages, from one file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

#: Languages of the pages.
Language = Literal["en", "fr"]


@cache
def _messages() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    text = (files("twomind.reporting") / "messages.toml").read_text(encoding="utf-8")
    found: dict[str, dict[str, dict[str, str]]] = tomllib.loads(text)
    return found


@dataclass(frozen=True)
class Texts:
    """The texts of one language."""

    language: Language = "en"

    def __call__(self, name: str, /, **values: object) -> str:
        """A text with its places filled in.

        Args:
            name: section and key, e.g. ``score.expected``.
            values: of the places.

        Raises:
            KeyError: there is no such text.
        """
        section, _, key = name.partition(".")
        return _messages()[section][key][self.language].format(**values)

    def name(self, section: str, key: str) -> str:
        """What something is called; its own name without underscores where no text is there.

        Args:
            section: of the names, e.g. ``kind``, ``curve`` or ``unit``.
            key: its own name.
        """
        found = _messages()[section].get(key)
        return key.replace("_", " ") if found is None else found[self.language]

    def count(self, n: int, one: str) -> str:
        """``2`` → ``2 words``.

        Args:
            n: how many.
            one: the key of what one is called; with an s of what several are.
        """
        key = one if n == 1 else f"{one}s"
        grouped = f"{n:,}" if self.language == "en" else f"{n:,}".replace(",", "\u202f")
        return f"{grouped} {self('count.' + key)}"

    def section(self, name: str) -> dict[str, str]:
        """All texts of a section, unfilled."""
        return {key: text[self.language] for key, text in _messages()[name].items()}


ENGLISH = Texts()
