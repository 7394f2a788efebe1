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

    ``what`` is the kind of tier that is compared (``ah``, ``cue:facial`` …); ``label`` keeps marks
    of one label. Model tiers take part where ``ah`` is compared. ``least`` raters are needed of a
    recording (1 when a model joins them). A coder who marked one recording twice, differently,
    appears twice, with the files' names: agreement with oneself.

    Raises:
        BadInput: nothing to compare, or no recording that two raters looked at.
    """
    kind, modality = parse_kind(what)
    by_recording: dict[str, list[Said]] = {}
    for said in files:
        by_recording.setdefault(said.annotations.recording, []).append(said)
    remarks: list[str] = []
    rated = [
        _rated(name, group, kind, modality, label, remarks) for name, group in by_recording.items()
    ]
    lone = [r.recording for r in rated if max(len(r.spans), len(r.answers)) < least]
    if len(lone) == len(rated):
        raise BadInput(_nothing_shared(rated, what))
    if lone:
        remarks.append(
            f"{len(lone)} of {len(rated)} recordings have one rater only and are left out: "
            f"{_some(lone)}"
        )
    return [r for r in rated if r.recording not in lone], list(dict.fromkeys(remarks))


def _nothing_shared(rated: Sequence[Rated], what: str) -> str:
    if not any(r.spans or r.answers for r in rated):
        return (
            f"no tier of the kind {what!r} in these files; if yours has another name, give "
            f"--name 'TIER={what}'"
        )
    seen = "; ".join(f"{r.recording} ({', '.join(r.spans) or 'nobody'})" for r in rated[:6])
    return (
        f"no recording was rated by two raters: {seen}. If the files are about one recording under "
        "different names, "
        "give --recording NAME; if two files name the same coder and hold the same marks, they "
        "count once"
    )


def _some(names: Sequence[str], n: int = 5) -> str:
    return ", ".join(names[:n]) + (" …" if len(names) > n else "")


def _rated(
    name: str,
    group: Sequence[Said],
    kind: str,
    modality: str,
    label: str | None,
    remarks: list[str],
) -> Rated:
    found: dict[str, list[tuple[Said, Spans]]] = {}
    answers: dict[str, list[tuple[Said, bool]]] = {}
    models: set[str] = set()
    for said in group:
        for tier in said.annotations.of(kind, modality or None):
            who = tier.coder or said.who
            models |= {who} & {PROGRAM}
            found.setdefault(who, []).append((said, _spans(tier, label)))
        seen = list(said.annotations.of("model")) if kind == "ah" else []
        for tier in seen:
            who = tier.coder or "model"
            models.add(who)
            found.setdefault(who, []).append((said, _spans(tier, label)))
        seen += said.annotations.of(kind, modality or None, PROGRAM)
        if seen and any(t.coder != PROGRAM for t in said.annotations.of(kind, modality or None)):
            remarks.append(
                f"{said.path.name} shows the coder what {seen[0].coder or 'a model'} marked: not "
                "coded unseen"
            )
        if kind == "ah":
            for tier in said.annotations.of("answer"):
                if tier.marks:
                    answers.setdefault(tier.coder or said.who, []).append(
                        (said, any(m.present for m in tier.marks))
                    )
    spans = _one_each(found)
    whole = _one_each(answers)
    if kind == "ah" and label is None:  # who marked a segment says that there is A/H
        whole |= {who: bool(marked) for who, marked in spans.items() if who not in whole}
        clash = [w for w in whole if w in spans and whole[w] != bool(spans[w])]
        if clash:
            remarks.append(
                f"{name}: the answer and the segments of {', '.join(clash)} contradict each other"
            )
    known = [s.annotations.duration_s for s in group if math.isfinite(s.annotations.duration_s)]
    last_s = max((s.annotations.extent_s for s in group), default=0.0)
    subject = next((s.annotations.subject for s in group if s.annotations.subject), "") or name
    utterances = next((t.marks for s in group for t in s.annotations.of("utterance")), ())
    units = tuple((m.start_s, m.end_s) for m in utterances if m.end_s > m.start_s)
    machines = frozenset(w for w in spans if w in models or w.partition(" (")[0] in models)
    return Rated(name, subject, max([*known, last_s]), bool(known), spans, whole, machines, units)


def _one_each(found: Mapping[str, Sequence[tuple[Said, T]]]) -> dict[str, T]:
    """One entry per rater; where two files differ about one rater's, both, with the file's name."""
    result: dict[str, T] = {}
    for who, entries in found.items():
        if all(value == entries[0][1] for _, value in entries):
            result[who] = entries[0][1]
        else:
            result |= {f"{who} ({said.path.name})": value for said, value in entries}
    return result


def _spans(tier: Tier, label: str | None) -> Spans:
    marks = [m.at_ms() for m in tier.marks if m.present and (label is None or m.label == label)]
    return tuple((m.start_s, m.end_s) for m in marks)


def with_model(
    rated: Iterable[Rated], name: str, spans: Mapping[str, Spans], answers: Mapping[str, bool]
) -> list[Rated]:
    """The same with a model as one more rater, of the recordings that it looked at.

    Raises:
        BadInput: a coder has that name, or the model looked at none of the recordings.
    """
    out = []
    n = 0
    for one in rated:
        if name in one.spans or name in one.answers:
            raise BadInput(f"{one.recording}: there is a rater {name!r} already; rename the model")
        more = {name: spans[one.recording]} if one.recording in spans else {}
        whole = {name: answers[one.recording]} if one.recording in answers else {}
        n += bool(more or whole)
        models = one.models | ({name} if more or whole else set())
        out.append(
            replace(
                one, spans={**one.spans, **more}, answers={**one.answers, **whole}, models=models
            )
        )
    if not n:
        asked = _some([r.recording for r in out])
        have = _some(sorted({*spans, *answers})) or "none"
        raise BadInput(f"the model has no result for these recordings ({asked}); it has: {have}")
    return out
