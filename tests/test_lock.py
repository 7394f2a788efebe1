"""The versions that `make` installs are all written down, once."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent


def _pins(name: str) -> dict[str, str]:
    found = {}
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            asked = Requirement(line)
            (pin,) = asked.specifier
            assert pin.operator == "==", f"{name}: {line}"
            found[canonicalize_name(asked.name)] = pin.version
    return found


def test_the_lock_agrees_with_what_was_chosen_by_hand() -> None:
    lock = _pins("lock.txt")
    for name, version in _pins("constraints.txt").items():
        assert lock.get(name) == version, f"{name}: run `make lock`"


def test_the_lock_has_every_part_that_make_installs() -> None:
    lock = _pins("lock.txt")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["dev"], *extras["docs"], *extras["demo"]]
    for text in wanted:
        asked = Requirement(text)
        inner = [Requirement(more) for extra in asked.extras for more in extras.get(extra, ())]
        for one in [asked, *inner] if asked.name != "twomind" else inner:
            if one.name == "twomind" or (
                one.marker and not one.marker.evaluate({"python_version": "3.11"})
            ):
                continue
            name = canonicalize_name(one.name)
            assert name in lock, f"{name}: run `make lock`"
            assert one.specifier.contains(lock[name], prereleases=True), f"{name}: run `make lock`"


def test_make_installs_nothing_without_the_lock() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nlock:")
    outside = makefile[0] + makefile[2].partition("\n\n")[2]
    for line in re.findall(r"pip install [^\n]*", outside):
        assert "-c constraints.txt -c lock.txt" in line, line
    assert "npm ci" in outside
    assert "npm install" not in outside
