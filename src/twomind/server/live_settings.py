"""The settings of a live service: one TOML file in its folder, written where there is none."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from twomind.core.errors import BadInput
from twomind.core.files import write_text

FILE = "live.toml"
_TEXT = """# The settings of this live service; `twomind serve --live FOLDER` reads them at its start.

# Models that may be asked for: names of plug-ins, or folders.
models = ["words"]
# Sessions at one time. One 640x360 stream takes about one core.
most_sessions = 2
# A client that lost its line may come back for so many seconds.
resume_s = 30
# Pictures that may wait; more are dropped, and an event says how many. Sound is never dropped.
most_waiting_pictures = 25
# The longest session, and the largest file of a job.
most_minutes = 120
most_file_bytes = 1073741824
# Nothing new begins when less is free on the disk.
least_free_bytes = 2147483648
# Let models that learnt from synthetic people answer about real ones. Their numbers say nothing.
allow_synthetic = false
# A rule of your own for purposes, as "module:function"; empty: work and education are refused.
policy = ""
requests_per_second = 50
"""


@dataclass(frozen=True)
class LiveService:
    """What ``live.toml`` says; the file explains each."""

    models: tuple[str, ...] = ("words",)
    most_sessions: int = 2
    resume_s: float = 30.0
    most_waiting_pictures: int = 25
    most_minutes: float = 120.0
    most_file_bytes: int = 1 << 30
    least_free_bytes: int = 2 << 30
    allow_synthetic: bool = False
    policy: str = ""
    requests_per_second: float = 50.0

    def __post_init__(self) -> None:
        for name in ("most_sessions", "most_waiting_pictures", "most_minutes", "most_file_bytes"):
            if not getattr(self, name) > 0:
                raise BadInput(f"{FILE}: {name}: expected more than 0")


def load_settings(folder: Path) -> LiveService:
    """The settings of a service's folder; the file is written where there is none.

    Raises:
        BadInput: the file is no TOML, or holds an unknown name or a value of another type.
    """
    path = folder / FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, _TEXT)
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: {error}") from error
    defaults = LiveService()
    known = {field.name: getattr(defaults, field.name) for field in fields(LiveService)}
    for name, value in told.items():
        if name not in known:
            raise BadInput(f"{path}: {name}: there is no such setting; {', '.join(known)}")
        if not _fits(value, known[name]):
            expected = type(known[name]).__name__
            raise BadInput(f"{path}: {name}: expected {expected}, got {value!r}")
    if "models" in told:
        told["models"] = tuple(told["models"])
    return LiveService(**told)


def _fits(value: object, default: object) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, tuple):
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if isinstance(default, float):
        return isinstance(value, int | float)
    return isinstance(value, type(default))
