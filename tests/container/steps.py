"""A reader of our ``Containerfile``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Instructions that change nothing in the folder, or that the folder has by itself.
_TOLD = {"VOLUME", "EXPOSE", "ENTRYPOINT", "WORKDIR"}


@dataclass(frozen=True)
class Step:
    """One command, and who runs it."""

    command: str
    user: str


@dataclass
class Stage:
    """What is done for one image, the steps of the stages below it among them."""

    name: str
    base: str
    steps: list[Step] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "root"


def read(text: str) -> dict[str, Stage]:
    """The stages of a file.

    Raises:
        ValueError: an instruction that is not known here.
    """
    stages: dict[str, Stage] = {}
    stage = Stage("", "")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        kind, _, rest = line.strip().partition(" ")
        rest = re.sub(r"\s+", " ", rest.strip())
        if kind == "FROM":
            base, _, name = rest.partition(" AS ")
            below = stages.get(base, Stage("", base))
            stage = Stage(name, below.base, list(below.steps), dict(below.environment), below.user)
            stages[name] = stage
        elif kind == "RUN":
            stage.steps.append(Step(rest, stage.user))
        elif kind == "ENV":
            for pair in rest.split():
                key, _, value = pair.partition("=")
                stage.environment[key] = value
        elif kind == "USER":
            stage.user = rest
        elif kind == "COPY" and rest == ". /src":
            continue
        elif kind not in _TOLD:
            raise ValueError(f"Containerfile: {kind} {rest}")
    return stages
