"""Puts the built pages of ``web/`` into the wheel, where there are any: a clone without Node builds
all the same, and its server says that the pages are absent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        built = Path(self.root) / "web" / "dist"
        if version == "standard" and built.is_dir():
            build_data["force_include"][str(built)] = "twomind/web"
