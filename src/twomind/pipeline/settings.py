"""Everything that ``predict`` and ``describe`` can be told, from defaults, a file, ``--set`` and
options.

A later one beats an earlier one, in this order: the defaults, the file of ``--config``, ``--set``,
the options of the command line. What came of it is written beside the results as
``settings.toml``, which ``--config`` reads.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from twomind import __version__
from twomind.core.errors import BadInput
from twomind.features.describe import Settings as DescribeSettings
from twomind.models.llm.settings import PROBABILITY, LlmSettings
from twomind.pipeline.keys import Bounds, Key, flat, keys_of, rebuilt, unknown

#: The file with the settings of a run, in the folder of its results.
FILE = "settings.toml"
#: Beginning of the names that are settings of the method of ``--adapt``; the method checks them.
METHOD = "adapt."

#: Short names: of options, and of what most people change of a long section.
SHORT = {
    "model": "model.name",
    "adapt": "method",
    "speech_model": "describe.speech_model",
    "language": "describe.language",
    "describe.target": "describe.face.target",
    "words.prevalence": "model.prevalence",
    "words.prevalence_source": "model.prevalence_source",
    "words.max_risk": "model.max_risk",
}
_LEAVE_OUT = ("describe.offline", "describe.face.track.target", "llm.offline", "adapt")
_CHOICES = {
    "describe.face.target": ("continuity", "largest", "central"),
    "llm.probability": PROBABILITY,
}
_POSITIVE = Bounds(0, low_open=True)
_NOT_NEGATIVE = Bounds(0)
_BOUNDS = {
    "workers": _NOT_NEGATIVE,
    "model.prevalence": Bounds(0, 1, low_open=True, high_open=True),
    "model.max_risk": Bounds(0, 0.5, low_open=True),
    "llm.max_tokens": Bounds(1),
    "llm.timeout_s": Bounds(0.1),
    "llm.retry.n": Bounds(1),
    "llm.per_minute": _POSITIVE,
    "llm.budget.max_requests": _NOT_NEGATIVE,
    "llm.budget.max_tokens": _NOT_NEGATIVE,
    "llm.budget.max_cost": _NOT_NEGATIVE,
    "llm.budget.price_in": _NOT_NEGATIVE,
    "llm.budget.price_out": _NOT_NEGATIVE,
}


@dataclass(frozen=True)
class ModelSettings:
    """Which model, and how its number is read where you work."""

    name: str = "words"
    prevalence: float | None = None  # rate of A/H where you work
    prevalence_source: str = ""  # where that rate comes from; needed with it
    max_risk: float | None = None  # abstain, so that at most this share of the decided is wrong
    allow_drawn: bool = False  # a model that learnt from drawn people may score real ones


@dataclass(frozen=True)
class StateSettings:
    """When a person's state starts anew, and in which folder it is kept for the next run."""

    folder: Path | None = None
    reset: Literal["recording", "person", "never"] = "person"


@dataclass(frozen=True)
class DescribeRun:
    """What ``twomind describe`` is told. Relative paths count from where the command runs."""

    media: tuple[Path, ...] = ()
    out: Path = Path("results")
    transcript: Path | None = None
    manifest: Path | None = None
    person: str | None = None
    neutral: Path | None = None
    profiles: Path | None = None  # enrolled people (a folder), or one person's profile (a file)
    store: Path | None = None  # computed features; unset: the user's cache
    study: str | None = None  # unset: $TWOMIND_STUDY, or none
    workers: int = 0  # processes; 0: one per core
    purpose: Literal["research", "medical", "quality", "demonstration"] = "research"
    describe: DescribeSettings = field(default_factory=DescribeSettings)


@dataclass(frozen=True)
class PredictRun(DescribeRun):
    """What ``twomind predict`` is told. ``adapt`` are settings of ``method``, as texts."""

    question: str | None = None
    method: str | None = None  # of adaptation
    model: ModelSettings = field(default_factory=ModelSettings)
    states: StateSettings = field(default_factory=StateSettings)
    llm: LlmSettings = field(default_factory=LlmSettings)
    adapt: Mapping[str, str] = field(default_factory=dict)


RunType = TypeVar("RunType", bound=DescribeRun)


@dataclass(frozen=True)
class Asked(Generic[RunType]):
    """Settings, and the names of those that somebody gave."""

    run: RunType
    given: frozenset[str] = frozenset()

    def given_below(self, section: str) -> list[str]:
        return sorted(name for name in self.given if name.startswith(f"{section}."))


def known(run: DescribeRun) -> dict[str, Key]:
    """Every key of a verb, those of the run itself first."""
    found = keys_of(run, leave_out=_LEAVE_OUT, choices=_CHOICES, bounds=_BOUNDS)
    own = {name: key for name, key in found.items() if "." not in name}
    return own | found


def ask(
    start: RunType,
    *,
    config: Path | None = None,
    sets: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
) -> Asked[RunType]:
    """The settings of a run.

    Args:
        start: the defaults; its type says which keys there are.
        config: a TOML file.
        sets: texts ``key=value``.
        options: values by key or short name; None is "not given".

    Returns:
        The settings, and which of them were given.

    Raises:
        BadInput: an unknown key, or a value of another type.
    """
    keys = known(start)
    free = (METHOD,) if isinstance(start, PredictRun) else ()
    values: dict[str, Any] = {}
    if config is not None:
        values |= _from_file(config, keys, free)
    values |= _from_texts(sets, keys, free)
    given_options = {}
    for name, value in (options or {}).items():
        if value is not None:
            given_options[SHORT.get(name, name)] = value
    if "media" in given_options:
        values.pop("manifest", None)
    if "manifest" in given_options:
        values.pop("media", None)
    values |= given_options
    of_method = {n.removeprefix(METHOD): v for n, v in values.items() if n.startswith(METHOD)}
    if of_method:
        values["adapt"] = of_method
    return Asked(rebuilt(start, values), frozenset(values))


def _from_file(path: Path, keys: Mapping[str, Key], free: Sequence[str]) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{path}: expected settings as TOML: {error}") from error
    found = {}
    for given, value in flat(table).items():
        name = SHORT.get(given, given)
        try:
            if name.startswith(tuple(free)):
                found[name] = _plain_text(name, value)
            else:
                found[name] = _key_of(name, keys, free).from_value(value)
        except BadInput as error:
            raise BadInput(f"{path}: {error}") from error
    return found


def _from_texts(
    texts: Iterable[str], keys: Mapping[str, Key], free: Sequence[str]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in texts:
        given, equals, value = text.partition("=")
        given = given.strip()
        if not equals or not given:
            raise BadInput(f"--set {text!r}: expected key=value, as in llm.strategy=d1")
        name = SHORT.get(given, given)
        if name.startswith(tuple(free)):
            found[name] = value.strip()
        else:
            found[name] = _key_of(name, keys, free).from_text(value)
    return found


def _key_of(name: str, keys: Mapping[str, Key], free: Sequence[str]) -> Key:
    if name not in keys:
        raise unknown(name, keys, [one.rstrip(".") for one in free])
    return keys[name]


def _plain_text(name: str, value: Any) -> str:
    """A setting of a method as the text that the method's own reader takes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise BadInput(f"{name}: expected a text, a number, or true or false, got {value!r}")


# --- the file beside the results


def as_toml(run: DescribeRun, method: Any = None) -> str:
    """The settings as a file that ``--config`` reads; what is unset is left out.

    Args:
        run: the settings.
        method: the method of ``--adapt``, configured; settings that nobody gave stand as remarks.
    """
    values = _values(run)
    lines = [f"# Settings of a run of twomind {__version__}: --config takes this file."]
    lines += [f"{name} = {_toml(value)}" for name, value in values.items() if "." not in name]
    for section in _sections(run):
        inside = {n: v for n, v in values.items() if n.startswith(f"{section}.")}
        lines += ["", f"[{section}]"]
        lines += [f"{n.partition('.')[2]} = {_toml(v)}" for n, v in inside.items()]
    if isinstance(run, PredictRun) and run.method is not None:
        lines += ["", "[adapt]", *_of_method(run.adapt, method)]
    return "\n".join(lines) + "\n"


def _sections(run: DescribeRun) -> list[str]:
    """The sections that this run reads."""
    found = ["describe"]
    if isinstance(run, PredictRun):
        found.append("model")
        if run.method is not None:
            found.append("states")
        if run.model.name == "llm":
            found.append("llm")
    return found


def _values(run: DescribeRun) -> dict[str, Any]:
    """Every value that is set, by its key."""
    return {name: key.default for name, key in known(run).items() if key.default is not None}


def _of_method(given: Mapping[str, str], method: Any) -> list[str]:
    lines = [f"{name} = {_toml(text)}" for name, text in given.items()]
    if method is None:
        return lines
    for one in fields(method):
        value = getattr(method, one.name)
        plain = isinstance(value, (str, int, float))
        if plain and one.name not in given:
            lines.append(f"# {one.name} = {_toml(value)}")
    return lines


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(one) for one in value)}]"
    # A text of JSON is one of TOML, but for the one character that JSON leaves as it is.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def listing(run: DescribeRun) -> list[tuple[str, str, str]]:
    """Every key: its name, what is expected, and its default, as texts."""
    rows = []
    for name, key in known(run).items():
        default = "not set" if key.default is None else _toml(key.default)
        rows.append((name, key.expected(), default))
    if isinstance(run, PredictRun):
        rows.append((f"{METHOD}NAME", "a setting of the method of --adapt", "the method's own"))
    return rows


__all__ = [
    "FILE",
    "SHORT",
    "Asked",
    "DescribeRun",
    "ModelSettings",
    "PredictRun",
    "StateSettings",
    "as_toml",
    "ask",
    "known",
    "listing",
]
