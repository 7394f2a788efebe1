"""Annotations as a tidy CSV and as WebVTT; both come back identical at 1 ms.

The CSV has one row per mark and the columns of :data:`COLUMNS`; several recordings share a file.
``tier`` is a kind of :data:`~twomind.annotations.marks.KINDS`, and ``other:NAME`` for tiers of
other kinds. A row with neither times nor label says that this coder looked at the recording and
marked nothing.
"""

from __future__ import annotations

import csv
import html
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from twomind.annotations.marks import (
    KINDS,
    MODALITIES,
    Annotations,
    Mark,
    Tier,
    guess_kind,
    merge_tiers,
)
from twomind.core import csv_text
from twomind.core.errors import UNREADABLE, BadInput, shortened
from twomind.core.files import text_of, write_text

COLUMNS = (
    "recording",
    "subject",
    "tier",
    "modality",
    "label",
    "start_s",
    "end_s",
    "certainty",
    "coder",
)
_NEEDED = ("recording", "tier", "start_s", "end_s")


def to_csv(many: Iterable[Annotations]) -> str:
    """The tidy table of one or more recordings."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in many:
        for tier in one.tiers:
            kind = f"other:{tier.name}" if tier.kind == "other" else tier.kind
            head = (one.recording, one.subject, kind, tier.modality)
            for mark in tier.marks:
                times = (f"{mark.start_s:.3f}", f"{mark.end_s:.3f}")
                row = (*head, mark.label, *times, mark.certainty, tier.coder)
                writer.writerow(map(csv_text.cell, row))
            if not tier.marks:
                row = (*head, "", "", "", "", tier.coder)
                writer.writerow(map(csv_text.cell, row))
    return text.getvalue()


def write_csv(many: Iterable[Annotations], path: Path | str) -> Path:
    """Write :func:`to_csv` atomically."""
    return write_text(Path(path), to_csv(many))


def read_csv(path: Path | str) -> tuple[Annotations, ...]:
    """Annotations per recording, in order of first appearance. ``tier`` and ``recording`` must be
    filled in every row.

    Raises:
        BadInput: no such file, a missing column, or a row that cannot be used; the message names
            the row.
    """
    path = Path(path)
    try:
        rows = _rows(path)
    except OSError as error:
        raise BadInput(f"{path}: expected a CSV file of annotations: {error}") from error
    tiers: dict[str, list[Tier]] = {}
    subjects: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        try:
            name, tier = _row(row)
        except UNREADABLE as error:
            raise BadInput(f"{path}, row {number}: {shortened(error)}") from error
        tiers.setdefault(name, []).append(tier)
        subject = row.get("subject", "")
        before = subjects.setdefault(name, subject)
        if before != subject:
            raise BadInput(
                f"{path}, row {number}: {name!r} is a recording of {before!r} further up, "
                f"here of {subject!r}"
            )
    found = []
    for name, of_recording in tiers.items():
        try:
            found.append(Annotations(name, merge_tiers(of_recording), subjects[name]))
        except UNREADABLE as error:
            raise BadInput(f"{path}: {shortened(error)}") from error
    return tuple(found)


def _rows(path: Path) -> list[dict[str, str]]:
    with csv_text.table(path) as file:
        reader = csv_text.Reader(file, path)
        missing = [column for column in _NEEDED if column not in reader.columns]
        if missing:
            raise BadInput(
                f"{path}: expected a CSV with the columns {', '.join(COLUMNS)}; missing: "
                f"{', '.join(missing)}"
            )
        return list(reader)


def _row(row: Mapping[str, str]) -> tuple[str, Tier]:
    """The recording that a row is about, and its tier with the one mark, or none."""
    cell = {column: row.get(column, "") for column in COLUMNS}
    name = cell["recording"]
    if not name or not cell["tier"].strip():
        raise ValueError("expected a recording and a tier")
    tier = _tier_of_row(cell)
    if not (cell["start_s"].strip() or cell["end_s"].strip() or cell["label"]):
        return name, tier
    try:
        start_s = float(cell["start_s"])
        end_s = float(cell["end_s"])
    except ValueError:
        raise ValueError(
            f"expected start_s and end_s in seconds, got {cell['start_s']!r} and {cell['end_s']!r}"
        ) from None
    mark = Mark(start_s, end_s, cell["label"], cell["certainty"])
    return name, replace(tier, marks=(mark,))


def _tier_of_row(cell: Mapping[str, str]) -> Tier:
    """The tier that a row names, without a mark."""
    kind, own_name, guessed = _kind_of_row(cell["tier"])
    modality = ""
    if kind == "cue":
        modality = cell["modality"].strip() or guessed
        if modality not in MODALITIES:
            raise ValueError(
                f"expected for a cue the modality {', '.join(MODALITIES)}; got {modality!r}"
            )
    return Tier(kind, (), modality, cell["coder"], own_name)


def _kind_of_row(text: str) -> tuple[str, str, str]:
    """Kind, own name (of the kind ``other`` alone), and modality of a tier as a table names it."""
    kind = text.strip()
    if kind in KINDS:
        return kind, kind if kind == "other" else "", ""
    own_name = text.removeprefix("other:")
    if kind.startswith("other:"):
        return "other", own_name, ""
    kind, modality = guess_kind(kind)
    return kind, own_name if kind == "other" else "", modality


def to_vtt(annotations: Annotations) -> str:
    """WebVTT: one cue per mark, whose identifier names the tier, so that any player shows them over
    the video.

    A mark without length becomes 1 ms long, as WebVTT has no cues without.
    """
    blocks = ["WEBVTT", f"NOTE twomind\n{_head(annotations)}"]
    blocks += [f"NOTE twomind tier\n{_tier_id(tier)}" for tier in annotations.tiers]
    spots = []
    for tier in annotations.tiers:
        spots += [(mark, tier.key, tier) for mark in tier.marks]
    for mark, _, tier in sorted(spots, key=lambda spot: spot[:2]):
        blocks.append(_block(mark, tier))
    trimmed = [block.rstrip("\n") for block in blocks]
    return "\n\n".join(trimmed) + "\n"


def _block(mark: Mark, tier: Tier) -> str:
    """One cue of WebVTT."""
    start_ms = round(mark.start_s * 1000)
    end_ms = max(round(mark.end_s * 1000), start_ms + 1)
    payload = _escape(mark.label)
    if mark.certainty:
        payload += f"<c.certainty>{_escape(mark.certainty)}</c>"
    times = f"{_stamp(start_ms)} --> {_stamp(end_ms)}"
    return f"{_tier_id(tier)}\n{times}\n{payload}"


def write_vtt(annotations: Annotations, path: Path | str) -> Path:
    """Write :func:`to_vtt` atomically."""
    return write_text(Path(path), to_vtt(annotations))


def _head(one: Annotations) -> str:
    facts = {"recording": one.recording, "subject": one.subject, "media": one.media}
    if math.isfinite(one.duration_s):
        facts["duration_s"] = f"{one.duration_s:.3f}"
    return _joined(facts)


def _tier_id(tier: Tier) -> str:
    return _joined(
        {"tier": tier.kind, "modality": tier.modality, "name": tier.name, "coder": tier.coder}
    )


def _joined(facts: Mapping[str, str]) -> str:
    """``name=value; name=value``, without those that are empty."""
    pairs = [f"{name}={_escape(value, True)}" for name, value in facts.items() if value]
    return "; ".join(pairs)


def _facts(text: str) -> dict[str, str]:
    """What :func:`_joined` joined."""
    found = {}
    for part in text.split("; "):
        name, equals, value = part.partition("=")
        if equals:
            found[name.strip()] = html.unescape(value)
    return found


def _escape(text: str, in_facts: bool = False) -> str:
    """Text as WebVTT allows it inside a cue; line ends and outer blanks as references, so that they
    survive.
    """
    text = html.escape(text, quote=False).replace("\n", "&#10;")
    text = re.sub(r"^[ \t]|[ \t]$", lambda m: f"&#{ord(m.group())};", text)
    if in_facts:  # "; " separates them, and references end in a semicolon themselves
        text = re.sub(r";( +)", lambda m: ";" + "&#32;" * len(m.group(1)), text)
    return text


def _stamp(time_ms: int) -> str:
    seconds, ms = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{ms:03d}"


_TIME = r"(?:(\d+):)?(\d{2}):(\d{2})[.,](\d{3})"
_TIMES = re.compile(rf"{_TIME}\s+-->\s+{_TIME}(?:\s.*)?$")
_CERTAINTY, _END = "<c.certainty>", "</c>"


def read_vtt(path: Path | str) -> Annotations:
    """A WebVTT file. Cues that do not name a tier of ours become utterances, or words where all
    hold one word.

    Raises:
        BadInput: no such file, not WebVTT, or a cue whose times cannot be used.
    """
    path = Path(path)
    try:
        text = text_of(path, "utf-8-sig")
    except OSError as error:
        raise BadInput(f"{path}: expected a WebVTT file: {error}") from error
    if not text.startswith("WEBVTT"):
        raise BadInput(
            f"{path}: expected a WebVTT file, which begins with WEBVTT; got {text[:20]!r}"
        )
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    found = _Found()
    for block in re.split(r"\n[ \t]*\n+", plain):
        lines = [line for line in block.split("\n") if line]
        try:
            found.add(lines)
        except UNREADABLE as error:
            raise BadInput(f"{path}: {shortened(error)}") from error
    try:
        return found.annotations(path.stem)
    except UNREADABLE as error:
        raise BadInput(f"{path}: {shortened(error)}") from error


@dataclass
class _Found:
    """What the blocks of a WebVTT file say so far."""

    head: dict[str, str] = field(default_factory=dict)
    tiers: list[Tier] = field(default_factory=list)
    #: Of cues that name no tier.
    loose: list[Mark] = field(default_factory=list)

    def add(self, lines: list[str]) -> None:
        """Take in the lines of one block.

        Raises:
            ValueError: a cue whose times cannot be used, or a tier that cannot be.
        """
        if not lines or lines[0].startswith(("WEBVTT", "STYLE", "REGION")):
            return
        first = lines[0]
        if first == "NOTE twomind" and len(lines) > 1:
            self.head = _facts(lines[1])
        elif first == "NOTE twomind tier" and len(lines) > 1:
            self.tiers.append(_tier_of(lines[1]))
        elif not first.startswith("NOTE"):
            tier, mark = _cue(lines)
            if tier is None:
                self.loose.append(mark)
            else:
                self.tiers.append(replace(tier, marks=(mark,)))

    def annotations(self, stem: str) -> Annotations:
        """All together; ``stem`` names the recording where the file does not."""
        tiers = list(self.tiers)
        if self.loose:
            labels = [mark.label for mark in self.loose]
            single = all(len(label.split()) == 1 for label in labels)
            kind = "word" if single else "utterance"
            tiers.append(Tier(kind, tuple(self.loose)))
        recording = self.head.get("recording") or stem
        subject = self.head.get("subject", "")
        media = self.head.get("media", "")
        duration_s = float(self.head.get("duration_s", "nan"))
        return Annotations(recording, merge_tiers(tiers), subject, media, duration_s)


def _tier_of(text: str) -> Tier:
    facts = _facts(text)
    kind = facts.get("tier", "")
    modality = facts.get("modality", "")
    coder = facts.get("coder", "")
    name = facts.get("name", "")
    return Tier(kind, (), modality, coder, name)


def _cue(lines: list[str]) -> tuple[Tier | None, Mark]:
    """The tier that a cue names, and its mark."""
    at = _line_with_times(lines)
    times = None if at is None else _TIMES.match(lines[at].strip())
    if at is None or times is None:
        shown = " / ".join(lines)[:80]
        raise ValueError(f"expected a cue with times like 00:01.000 --> 00:02.000, got {shown!r}")
    start_ms = _ms(times.groups()[:4])
    end_ms = _ms(times.groups()[4:])
    payload = "\n".join(lines[at + 1 :])
    sure = ""
    before, tag, certainty = payload.rpartition(_CERTAINTY)
    if tag and certainty.endswith(_END):
        payload = before
        sure = html.unescape(certainty.removesuffix(_END))
    label = html.unescape(re.sub(r"<[^<>]*>", "", payload))
    mark = Mark(start_ms / 1000, end_ms / 1000, label, sure)
    names_tier = at > 0 and lines[0].startswith("tier=")
    return _tier_of(lines[0]) if names_tier else None, mark


def _line_with_times(lines: list[str]) -> int | None:
    """The first or the second line; None where neither has times."""
    for at, line in enumerate(lines[:2]):
        if "-->" in line:
            return at
    return None


def _ms(groups: Sequence[str | None]) -> int:
    hours, minutes, seconds, ms = (int(group or 0) for group in groups)
    all_minutes = hours * 60 + minutes
    return (all_minutes * 60 + seconds) * 1000 + ms
