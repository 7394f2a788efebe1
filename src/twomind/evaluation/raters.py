"""Who said what of which recording: annotations of several coders, and of models, lined up for
comparison.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from twomind.annotations import PROGRAM, Annotations, Tier, parse_kind
from twomind.core.errors import BadInput
from twomind.evaluation.agreement_time import Spans

T = TypeVar("T")


@dataclass(frozen=True)
class Rated:
    """What raters marked on one recording. A rater that is not in ``spans`` did not look at it.

    ``answers`` holds what each said of the recording as a whole. ``extent_known`` is False when the
    recording's length was not known and the end of the last mark stands in for it. ``models`` names
    the raters that are no people. ``units`` are the utterances of the transcript, empty when there
    is none.
    """

    recording: str
    subject: str
    extent_s: float
    extent_known: bool
    spans: Mapping[str, Spans]
    answers: Mapping[str, bool] = field(default_factory=dict)
    models: frozenset[str] = frozenset()
    units: Spans = ()


@dataclass(frozen=True)
class Said:
    """One file's annotations, with where they are from; ``who`` names coders that the file leaves
    nameless.
    """

    annotations: Annotations
    path: Path
    who: str


def collect(
    files: Sequence[Said], what: str = "ah", label: str | None = None, least: int = 2
) -> tuple[list[Rated], list[str]]:
    """Raters by recording, and remarks.

    Model tiers take part where ``ah`` is compared. A coder who marked one recording twice,
    differently, appears twice, with the files' names: agreement with oneself.

    Args:
        files: annotations of any number of recordings.
        what: the kind of tier that is compared (``ah``, ``cue:facial`` …).
        label: keep marks of one label; None: of any.
        least: raters that are needed of a recording (1 when a model joins them).

    Raises:
        BadInput: nothing to compare, or no recording that two raters looked at.
    """
    kind, modality = parse_kind(what)
    wanted = _Wanted(kind, modality or None, label)
    by_recording: dict[str, list[Said]] = {}
    for said in files:
        by_recording.setdefault(said.annotations.recording, []).append(said)
    remarks: list[str] = []
    rated = []
    for name, group in by_recording.items():
        lined_up = _LineUp(name, wanted)
        for said in group:
            lined_up.add(said)
        rated.append(lined_up.rated(group))
        remarks += lined_up.remarks
    lone = [one.recording for one in rated if max(len(one.spans), len(one.answers)) < least]
    if len(lone) == len(rated):
        raise BadInput(_nothing_shared(rated, what))
    if lone:
        remarks.append(
            f"{len(lone)} of {len(rated)} recordings have one rater only and are left out: "
            f"{_some(lone)}"
        )
    shared = [one for one in rated if one.recording not in lone]
    return shared, list(dict.fromkeys(remarks))


def _nothing_shared(rated: Sequence[Rated], what: str) -> str:
    if not any(one.spans or one.answers for one in rated):
        return (
            f"no tier of the kind {what!r} in these files; if yours has another name, give "
            f"--name 'TIER={what}'"
        )
    seen = []
    for one in rated[:6]:
        who = ", ".join(one.spans) or "nobody"
        seen.append(f"{one.recording} ({who})")
    return (
        f"no recording was rated by two raters: {'; '.join(seen)}. If the files are about one "
        "recording under different names, "
        "give --recording NAME; if two files name the same coder and hold the same marks, they "
        "count once"
    )


def _some(names: Sequence[str], n: int = 5) -> str:
    shown = ", ".join(names[:n])
    return shown + " …" if len(names) > n else shown


@dataclass(frozen=True)
class _Wanted:
    """Which tiers are compared, and marks of which label (None: of any)."""

    kind: str
    modality: str | None
    label: str | None

    @property
    def is_ah(self) -> bool:
        return self.kind == "ah"

    def tiers(self, annotations: Annotations, coder: str | None = None) -> Sequence[Tier]:
        """The tiers of this kind, of one coder or of all."""
        return annotations.of(self.kind, self.modality, coder)

    def spans(self, tier: Tier) -> Spans:
        """The marked spans of a tier, in whole milliseconds."""
        found = []
        for mark in tier.marks:
            if mark.present and self.label in (None, mark.label):
                exact = mark.at_ms()
                found.append((exact.start_s, exact.end_s))
        return tuple(found)


@dataclass
class _LineUp:
    """What several files say of one recording, by rater."""

    name: str
    wanted: _Wanted
    spans: dict[str, list[tuple[Said, Spans]]] = field(default_factory=dict)
    answers: dict[str, list[tuple[Said, bool]]] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)

    def add(self, said: Said) -> None:
        """Take in one file."""
        coded = self.wanted.tiers(said.annotations)
        for tier in coded:
            who = tier.coder or said.who
            if who == PROGRAM:
                self.models.add(who)
            self._mark(who, said, tier)
        shown: list[Tier] = []
        if self.wanted.is_ah:
            shown += said.annotations.of("model")
        for tier in shown:
            who = tier.coder or "model"
            self.models.add(who)
            self._mark(who, said, tier)
        shown += self.wanted.tiers(said.annotations, PROGRAM)
        if shown and any(tier.coder != PROGRAM for tier in coded):
            self.remarks.append(
                f"{said.path.name} shows the coder what {shown[0].coder or 'a model'} marked: not "
                "coded unseen"
            )
        if self.wanted.is_ah:
            self._answer(said)

    def _mark(self, who: str, said: Said, tier: Tier) -> None:
        marked = (said, self.wanted.spans(tier))
        self.spans.setdefault(who, []).append(marked)

    def _answer(self, said: Said) -> None:
        for tier in said.annotations.of("answer"):
            if tier.marks:
                who = tier.coder or said.who
                present = any(mark.present for mark in tier.marks)
                self.answers.setdefault(who, []).append((said, present))

    def rated(self, group: Sequence[Said]) -> Rated:
        """The raters of the recording, of the files that were taken in."""
        spans = _one_each(self.spans)
        answers = _one_each(self.answers)
        if self.wanted.is_ah and self.wanted.label is None:
            self._answers_of_marks(spans, answers)
        known = []
        last_s = 0.0
        for said in group:
            last_s = max(last_s, said.annotations.extent_s)
            if math.isfinite(said.annotations.duration_s):
                known.append(said.annotations.duration_s)
        return Rated(
            recording=self.name,
            subject=_subject(group) or self.name,
            extent_s=max([*known, last_s]),
            extent_known=bool(known),
            spans=spans,
            answers=answers,
            models=self._machines(spans),
            units=_units(group),
        )

    def _answers_of_marks(self, spans: Mapping[str, Spans], answers: dict[str, bool]) -> None:
        """Who marked a segment says that there is A/H; say where the answer contradicts that."""
        for who, marked in spans.items():
            answers.setdefault(who, bool(marked))
        clash = []
        for who, present in answers.items():
            if who in spans and present != bool(spans[who]):
                clash.append(who)
        if clash:
            self.remarks.append(
                f"{self.name}: the answer and the segments of {', '.join(clash)} contradict "
                "each other"
            )

    def _machines(self, raters: Iterable[str]) -> frozenset[str]:
        """The raters that are no people, also where two files differ about one."""
        found = set()
        for who in raters:
            plain = who.partition(" (")[0]
            if who in self.models or plain in self.models:
                found.add(who)
        return frozenset(found)


def _subject(group: Sequence[Said]) -> str:
    """Whose recording it is, "" where no file says so."""
    for said in group:
        if said.annotations.subject:
            return said.annotations.subject
    return ""


def _units(group: Sequence[Said]) -> Spans:
    """The utterances of the first file that has a tier of them."""
    for said in group:
        for tier in said.annotations.of("utterance"):
            return tuple((m.start_s, m.end_s) for m in tier.marks if m.end_s > m.start_s)
    return ()


def _one_each(found: Mapping[str, Sequence[tuple[Said, T]]]) -> dict[str, T]:
    """One entry per rater; where two files differ about one rater's, both, with the file's name."""
    result: dict[str, T] = {}
    for who, entries in found.items():
        first = entries[0][1]
        if all(value == first for _, value in entries):
            result[who] = first
            continue
        for said, value in entries:
            result[f"{who} ({said.path.name})"] = value
    return result


def with_model(
    rated: Iterable[Rated], name: str, spans: Mapping[str, Spans], answers: Mapping[str, bool]
) -> list[Rated]:
    """The same with a model as one more rater, of the recordings that it looked at.

    Args:
        rated: what coders marked, by recording.
        name: of the model.
        spans: what it marked, by recording.
        answers: what it said of whole recordings.

    Raises:
        BadInput: a coder has that name, or the model looked at none of the recordings.
    """
    found = []
    n_looked = 0
    for one in rated:
        recording = one.recording
        if name in one.spans or name in one.answers:
            raise BadInput(f"{recording}: there is a rater {name!r} already; rename the model")
        if recording in spans or recording in answers:
            n_looked += 1
            one = replace(one, models=one.models | {name})
        if recording in spans:
            one = replace(one, spans={**one.spans, name: spans[recording]})
        if recording in answers:
            one = replace(one, answers={**one.answers, name: answers[recording]})
        found.append(one)
    if not n_looked:
        asked = _some([one.recording for one in found])
        have = _some(sorted({*spans, *answers})) or "none"
        raise BadInput(f"the model has no result for these recordings ({asked}); it has: {have}")
    return found
