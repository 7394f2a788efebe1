"""The file that holds the texts of the pages."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from twomind.core.typography import typeset


@cache
def messages() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Section → key → language → text, with the no-break spaces of its language."""
    text = (files("twomind.reporting") / "messages.toml").read_text(encoding="utf-8")
    found: dict[str, dict[str, dict[str, str]]] = tomllib.loads(text)
    for texts in found.values():
        for languages in texts.values():
            for language, written in languages.items():
                languages[language] = typeset(written, language)
    return found
