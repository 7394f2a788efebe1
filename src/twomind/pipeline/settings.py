"""Everything that ``predict`` and ``describe`` can be told.

:mod:`twomind.core.settings` reads it from defaults, a file, ``--set`` and options. What came of it
is written beside the results as ``settings.toml``, which ``--config`` reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from twomind.core.settings import Bounds, Schema, check_bounds, to_toml
from twomind.core.version import __version__
from twomind.features.describe import Settings as DescribeSettings
from twomind.features.face.back_ends import BACK_ENDS
from twomind.models.llm.settings import PROBABILITY, LlmSettings
from twomind.reporting.report import ReportSettings
from twomind.reporting.sheets import TableSettings

_SHARE = Bounds(0, 1, low_open=True, high_open=True)
_POSITIVE = Bounds(0, low_open=True)
_NOT_NEGATIVE = Bounds(0)


@dataclass(frozen=True)
class ModelSettings:
    """Which model, and how its number is read where you work."""

    name: str = "words"
    prevalence: Annotated[float | None, _SHARE] = None  # rate of A/H where you work
    prevalence_source: str = ""  # where that rate comes from; needed with it
    #: abstain, so that at most this share of the decided is wrong
    max_risk: Annotated[float | None, Bounds(0, 0.5, low_open=True)] = None
    allow_drawn: bool = False  # a model that learnt from synthetic people may score real ones

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True)
class ChangeTalkSettings:
    """The two sides of what is said, beside the score."""

    model: str = "change-talk"  # the one that ships; a folder of your own; none: not shown

    def __post_init__(self) -> None:
        check_bounds(self)


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
    speaker: str | None = None  # who in the transcript is the person; longest: who says most
    manifest: Path | None = None
    person: str | None = None
    neutral: Path | None = None
    profiles: Path | None = None  # enrolled people (a folder), or one person's profile (a file)
    stream: Path | None = None  # a CSV of the person's recordings in order
    store: Path | None = None  # computed features; unset: the user's cache
    study: str | None = None  # unset: $TWOMIND_STUDY, or none
    workers: Annotated[int, Bounds(0)] = 0  # processes; 0: one per core
    engine: str = "local"  # ray, or ray:ADDRESS: the nodes of a cluster
    device: str | None = None  # auto, cpu, cuda, cuda:N; unset: $TWOMIND_DEVICE, or auto
    precision: Literal["auto", "float32", "bfloat16"] | None = None  # of frame embeddings
    purpose: Literal["research", "medical", "quality", "demonstration"] = "research"
    follow_tables: bool = True  # recordings.csv around a film says who speaks and what was asked
    describe: DescribeSettings = field(default_factory=DescribeSettings)
    report: ReportSettings = field(default_factory=ReportSettings)
    tables: TableSettings = field(default_factory=TableSettings)


@dataclass(frozen=True)
class PredictRun(DescribeRun):
    """What ``twomind predict`` is told. ``adapt`` are settings of ``method``, as texts."""

    question: str | None = None
    method: str | None = None  # of adaptation
    model: ModelSettings = field(default_factory=ModelSettings)
    change_talk: ChangeTalkSettings = field(default_factory=ChangeTalkSettings)
    states: StateSettings = field(default_factory=StateSettings)
    llm: LlmSettings = field(default_factory=LlmSettings)
    adapt: Mapping[str, str] = field(default_factory=dict)


#: Short names: of options, and of what most people change of a long section.
_SHORT = {
    "speech_model": "describe.speech_model",
    "language": "describe.language",
    "describe.target": "describe.face.target",
    "features.face": "describe.face.backend",
    "body": "describe.body.measure",
}
_SHORT_OF_MODELS = {
    "model": "model.name",
    "adapt": "method",
    "words.prevalence": "model.prevalence",
    "words.prevalence_source": "model.prevalence_source",
    "words.max_risk": "model.max_risk",
}
_LEAVE_OUT = ("describe.offline", "describe.face.track.target")
_TARGETS = {
    "describe.face.target": ("continuity", "largest", "central"),
    "describe.face.backend": BACK_ENDS,
    "describe.voice.vad": ("auto", "energy", "silero"),
}
_RIVALS = (("media", "manifest"),)

DESCRIBE = Schema(
    DescribeRun(), short=_SHORT, choices=_TARGETS, leave_out=_LEAVE_OUT, rivals=_RIVALS
)
PREDICT = Schema(
    PredictRun(),
    short=_SHORT_OF_MODELS | _SHORT,
    choices=_TARGETS | {"llm.probability": PROBABILITY},
    bounds={
        "llm.max_tokens": Bounds(1),
        "llm.timeout_s": Bounds(0.1),
        "llm.retry.n": Bounds(1),
        "llm.per_minute": _POSITIVE,
        "llm.budget.max_requests": _NOT_NEGATIVE,
        "llm.budget.max_tokens": _NOT_NEGATIVE,
        "llm.budget.max_cost": _NOT_NEGATIVE,
        "llm.budget.price_in": _NOT_NEGATIVE,
        "llm.budget.price_out": _NOT_NEGATIVE,
    },
    leave_out=(*_LEAVE_OUT, "llm.offline"),
    free={"adapt": "a setting of the method of --adapt"},
    rivals=_RIVALS,
)


def as_toml(run: DescribeRun, method: Any = None) -> str:
    """The settings as a file that ``--config`` reads; what is unset is left out.

    Args:
        run: the settings.
        method: the method of ``--adapt``, configured; settings that nobody gave stand as remarks.

    Returns:
        The text.
    """
    head = f"Settings of a run of twomind {__version__}: --config takes this file."
    if not isinstance(run, PredictRun):
        return DESCRIBE.text(run, head)
    text = PREDICT.text(run, head, _sections(run))
    if run.method is None or method is None:
        return text
    remarks = _not_given(run.adapt, method)
    return "".join([text, *(f"# {remark}\n" for remark in remarks)])


def _sections(run: PredictRun) -> list[str]:
    """The sections that this run reads; that of the method last."""
    found = ["describe", "report", "tables", "model", "change_talk"]
    if run.method is not None:
        found.append("states")
    if run.model.name == "llm":
        found.append("llm")
    if run.method is not None:
        found.append("adapt")
    return found


def _not_given(given: Mapping[str, str], method: Any) -> list[str]:
    """Plain settings of a method that nobody gave, as lines of TOML."""
    lines = []
    for one in fields(method):
        value = getattr(method, one.name)
        is_plain = isinstance(value, str | int | float)
        if is_plain and one.name not in given:
            lines.append(f"{one.name} = {to_toml(value)}")
    return lines


__all__ = [
    "DESCRIBE",
    "PREDICT",
    "ChangeTalkSettings",
    "DescribeRun",
    "ModelSettings",
    "PredictRun",
    "StateSettings",
    "as_toml",
]
