"""The file that holds the texts of the pages."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


@cache
def messages() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Section → key → language → text, as the file has them."""
    text = (files("twomind.reporting") / "messages.toml").read_text(encoding="utf-8")
    found: dict[str, dict[str, dict[str, str]]] = tomllib.loads(text)
    return found
