"""What a coder, or a model, marks on a recording: one value type for every format. Times are
seconds on its clock.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput
from twomind.types import Segment, Timing, Word
from twomind.types.same import same_values

#: kind of tier → what its marks say
KINDS: dict[str, str] = {
    "answer": "whether there is A/H anywhere in the recording; one mark over all of it",
    "ah": "segments of ambivalence or hesitancy",
    "cue": "cues that a coder sees or hears, by modality",
    "inconsistency": "cross-modal inconsistency; the label names the two modalities, e.g. "
    "facial-language",
    "utterance": "the transcript, by utterance",
    "word": "the transcript, by word",
    "model": "segments that a model located",
    "other": "any other tier; it is kept, and means nothing here",
}
#: The modalities of the BAH codebook.
MODALITIES = ("audio", "body", "facial", "language")
#: Labels that say that there is no A/H; every other label, and none, says that there is.
NEGATIVE = frozenset(
    {"no a/h", "no a-h", "no ah", "none", "no", "n", "absent", "absence", "0", "negative"}
)
#: Kinds of tier that people code.
CODED = ("answer", "ah", "cue", "inconsistency")
#: The coder under whose name this program marks.
PROGRAM = "twomind"
PRESENT, ABSENT = "A/H", "no A/H"

_CODEBOOK = tomllib.loads(Path(__file__).with_name("codebook.toml").read_text(encoding="utf-8"))


def _vocabulary() -> dict[tuple[str, str], tuple[str, ...]]:
    found = {}
    for kind, labels in _CODEBOOK["labels"].items():
        found[kind, ""] = tuple(labels)
    for modality, labels in _CODEBOOK["cues"].items():
        found["cue", modality] = tuple(labels)
    return found


#: Suggested labels per tier, by (kind, modality). Other labels are welcome.
VOCABULARY = _vocabulary()

#: Characters that XML cannot hold; no format here could carry them all.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(what: str, text: str) -> str:
    """``text`` with one kind of line end.

    Raises:
        ValueError: a control character.
    """
    if bad := _FORBIDDEN.search(text):
        raise ValueError(
            f"{what}: expected text without control characters, got {bad.group()!r} in "
            f"{text[:40]!r}"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass(frozen=True, order=True)
class Mark:
    """One labelled span.

    Args:
        start_s: when it begins, seconds on the recording's clock, from 0 on.
        end_s: when it ends, seconds.
        label: what the coder chose.
        certainty: what the coder wrote, or a score, as text; empty when none.

    Raises:
        ValueError: times that are not finite or not in order, or a control character.

    Example:
        >>> from twomind.annotations.marks import Mark
        >>> Mark(1.0, 2.5, "A/H").present, Mark(3.0, 4.0, "no A/H").present
        (True, False)
    """

    start_s: float
    end_s: float
    label: str = ""
    certainty: str = ""

    def __post_init__(self) -> None:
        in_order = 0 <= self.start_s <= self.end_s
        if not (math.isfinite(self.end_s) and in_order):
            raise ValueError(
                f"Mark {self.label!r}: expected finite times with 0 <= start_s <= end_s, "
                f"got start_s={self.start_s}, end_s={self.end_s}"
            )
        object.__setattr__(self, "label", clean("Mark", self.label))
        object.__setattr__(self, "certainty", clean("Mark", self.certainty))

    @property
    def present(self) -> bool:
        """Whether the label says that what the tier is about is there."""
        return self.label.strip().lower() not in NEGATIVE

    def at_ms(self) -> Mark:
        """The same with times on whole milliseconds."""
        start_s = round(self.start_s * 1000) / 1000
        end_s = round(self.end_s * 1000) / 1000
        return replace(self, start_s=start_s, end_s=end_s)


#: What tells a tier from the others of its recording (:attr:`Tier.key`).
Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Tier:
    """Marks of one kind by one coder, in order of time; they may overlap. No marks: looked at, and
    nothing found.

    Args:
        kind: one of ``KINDS``: ``answer``, ``ah``, ``cue``, ``inconsistency``, ``word`` ...
        marks: in any order; they are sorted by time.
        modality: of a tier of cues: ``audio``, ``body``, ``facial`` or ``language``.
        coder: who marked.
        name: the tier's own name in its file, of the kind ``other`` only.

    Raises:
        ValueError: an unknown kind, or a modality or name that does not go with it.

    Example:
        >>> from twomind.annotations.marks import Mark, Tier
        >>> tier = Tier("ah", (Mark(3.0, 4.0), Mark(1.0, 2.5)), coder="coder1")
        >>> [mark.start_s for mark in tier.marks]
        [1.0, 3.0]
    """

    kind: str
    marks: tuple[Mark, ...] = ()
    modality: str = ""
    coder: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"Tier: expected a kind of {', '.join(KINDS)}; got {self.kind!r}")
        if (self.kind == "cue") != (self.modality in MODALITIES):
            raise ValueError(
                f"Tier: cues have a modality of {', '.join(MODALITIES)}, other kinds have none; "
                f"got kind {self.kind!r} with modality {self.modality!r}"
            )
        if (self.kind == "other") != bool(self.name):
            raise ValueError(
                f"Tier: the kind 'other' has a name, and no other kind; got {self.kind!r}, "
                f"{self.name!r}"
            )
        object.__setattr__(self, "coder", clean("Tier", self.coder))
        object.__setattr__(self, "name", clean("Tier", self.name))
        object.__setattr__(self, "marks", tuple(sorted(self.marks)))

    @property
    def key(self) -> Key:
        """What tells a tier from the others of its recording."""
        return (self.kind, self.modality, self.coder, self.name)

    def at_ms(self) -> Tier:
        """The same with times on whole milliseconds."""
        return replace(self, marks=tuple(mark.at_ms() for mark in self.marks))


@dataclass(frozen=True)
class Annotations:
    """Everything marked on one recording. ``duration_s`` is nan when not known.

    ``media`` is the recording's file, relative to the annotation file, or empty. ``problems`` says
    what was odd about the file that it was read from. ``source`` keeps what an EAF file holds
    beyond this type, so that writing it again loses nothing; it does not take part in comparison.
    """

    recording: str
    tiers: tuple[Tier, ...] = ()
    subject: str = ""
    media: str = ""
    duration_s: float = math.nan
    problems: tuple[str, ...] = field(default=(), compare=False)
    source: Any = field(default=None, compare=False, repr=False)

    __eq__ = same_values

    def __post_init__(self) -> None:
        if not self.recording:
            raise ValueError("Annotations: expected the recording's name, got an empty one")
        for name in ("recording", "subject", "media"):
            object.__setattr__(self, name, clean(f"Annotations: {name}", getattr(self, name)))
        if math.isnan(self.duration_s):  # one nan, so that two unknown durations compare equal
            object.__setattr__(self, "duration_s", math.nan)
        elif not (math.isfinite(self.duration_s) and self.duration_s >= 0):
            raise ValueError(
                f"Annotations: expected a duration in seconds or nan, got {self.duration_s}"
            )
        keys = [tier.key for tier in self.tiers]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(
                    f"Annotations of {self.recording!r}: the tier {key} is there twice; merge its "
                    "marks"
                )

    def of(
        self, kind: str, modality: str | None = None, coder: str | None = None
    ) -> tuple[Tier, ...]:
        """Tiers of a kind.

        Args:
            kind: One of :data:`KINDS`.
            modality: Only of this modality; None for all.
            coder: Only of this coder; None for all.
        """
        found = []
        for tier in self.tiers:
            right_modality = modality is None or tier.modality == modality
            right_coder = coder is None or tier.coder == coder
            if tier.kind == kind and right_modality and right_coder:
                found.append(tier)
        return tuple(found)

    @property
    def coders(self) -> tuple[str, ...]:
        """Who marked A/H, answers, cues or inconsistencies, in order of appearance."""
        found = [tier.coder for tier in self.tiers if tier.kind in CODED]
        return tuple(dict.fromkeys(found))

    @property
    def extent_s(self) -> float:
        """The duration where it is known, else the end of the last mark (0 when there is none)."""
        if math.isfinite(self.duration_s):
            return self.duration_s
        ends_s = [mark.end_s for tier in self.tiers for mark in tier.marks]
        return max(ends_s, default=0.0)

    def segments(self, coder: str | None = None) -> tuple[Segment, ...]:
        """A/H segments as the floor's type, in order of time."""
        found = []
        for tier in self.of("ah", coder=coder):
            who = tier.coder or "coder"
            for mark in tier.marks:
                if mark.present:
                    label = mark.label or PRESENT
                    found.append(Segment(mark.start_s, mark.end_s, label, who))
        return tuple(sorted(found, key=lambda segment: (segment.start_s, segment.end_s)))

    def words(self) -> tuple[Word, ...] | None:
        """Words of the word tier; None when there is no such tier."""
        tiers = self.of("word")
        if not tiers:
            return None
        marks = [mark for tier in tiers for mark in tier.marks if mark.label.strip()]
        found = []
        for mark in sorted(marks):
            confidence = _number(mark.certainty)
            found.append(Word(mark.label, mark.start_s, mark.end_s, confidence, Timing.GIVEN))
        return tuple(found)

    def at_ms(self) -> Annotations:
        """A canonical form to compare by: times on whole milliseconds, tiers in order of
        their key.
        """
        tiers = sorted((tier.at_ms() for tier in self.tiers), key=lambda tier: tier.key)
        duration_s = math.nan
        if math.isfinite(self.duration_s):
            duration_s = round(self.duration_s * 1000) / 1000
        return replace(self, tiers=tuple(tiers), duration_s=duration_s)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if 0 <= value <= 1 else math.nan


def merge_tiers(tiers: Iterable[Tier]) -> tuple[Tier, ...]:
    """One tier per key, in order of first appearance, with the marks of all."""
    found: dict[Key, Tier] = {}
    for tier in tiers:
        before = found.get(tier.key)
        if before is not None:
            tier = replace(before, marks=before.marks + tier.marks)
        found[tier.key] = tier
    return tuple(found.values())


def blank_tiers(coder: str = "") -> tuple[Tier, ...]:
    """The empty tiers that a coder fills: the answer, A/H, cues by modality, inconsistency."""
    answer = Tier("answer", coder=coder)
    segments = Tier("ah", coder=coder)
    cues = (Tier("cue", modality=modality, coder=coder) for modality in MODALITIES)
    inconsistency = Tier("inconsistency", coder=coder)
    return (answer, segments, *cues, inconsistency)


def parse_kind(text: str) -> tuple[str, str]:
    """``ah``, ``cue:facial`` … as (kind, modality).

    Raises:
        BadInput: not a kind.
    """
    kind, _, modality = text.partition(":")
    if kind not in KINDS or (kind == "cue") != (modality in MODALITIES):
        plain = [kind for kind in KINDS if kind not in ("cue", "other")]
        cues = [f"cue:{modality}" for modality in MODALITIES]
        allowed = ", ".join([*plain, *cues, "other"])
        raise BadInput(f"expected a kind of tier ({allowed}), got {text!r}")
    return kind, modality


def _aliases() -> dict[str, tuple[str, str]]:
    found = {}
    for kind, names in _CODEBOOK["names"].items():
        for name in names:
            found[name] = (kind, "")
    for modality in MODALITIES:
        one, many = f"cue{modality}", f"cues{modality}"
        for name in (one, many, f"{modality}cue", f"{modality}cues"):
            found[name] = ("cue", modality)
    return found


#: Names that laboratories give to tiers (letters and digits only, lower case) → (kind, modality).
_ALIASES = _aliases()


def guess_kind(name: str, named: Mapping[str, str] | None = None) -> tuple[str, str]:
    """(kind, modality) that a tier's name stands for; ``named`` maps names to kinds as in
    :func:`parse_kind`.
    """
    if named and name in named:
        return parse_kind(named[name])
    base = name.rpartition("@")[0] or name
    letters = re.sub(r"[\W_]+", "", base).lower()
    return _ALIASES.get(letters, ("other", ""))
