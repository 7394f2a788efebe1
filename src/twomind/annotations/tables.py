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
from collections.abc import Iterable, Mapping
from dataclasses import replace
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
from twomind.core.errors import BadInput
from twomind.core.store import write_text

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
            head, tail = [one.recording, one.subject, kind, tier.modality], tier.coder
            for m in tier.marks:
                writer.writerow(
                    [*head, m.label, f"{m.start_s:.3f}", f"{m.end_s:.3f}", m.certainty, tail]
                )
            if not tier.marks:
                writer.writerow([*head, "", "", "", "", tail])
    return text.getvalue()


def write_csv(many: Iterable[Annotations], path: Path | str) -> Path:
    """Write :func:`to_csv` atomically."""
    return write_text(Path(path), to_csv(many))


def read_csv(path: Path | str) -> tuple[Annotations, ...]:
    """Annotations per recording, in order of first appearance. ``tier`` and ``recording`` must be
    filled in every row.

    Raises: BadInput: no such file, a missing column, or a row that cannot be used; the message
        names the row.
    """
    path = Path(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [c for c in _NEEDED if c not in (reader.fieldnames or ())]
            if missing:
                raise BadInput(
                    f"{path}: expected a CSV with the columns {', '.join(COLUMNS)}; missing: "
                    f"{', '.join(missing)}"
                )
            rows = list(enumerate(reader, start=2))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: expected a CSV file of annotations: {error}") from error
    tiers: dict[str, list[Tier]] = {}
    subjects: dict[str, str] = {}
    for number, row in rows:
        try:
            name, tier = _row(row)
        except ValueError as error:
            raise BadInput(f"{path}, row {number}: {error}") from error
        tiers.setdefault(name, []).append(tier)
        subject = row.get("subject") or ""
        if subjects.setdefault(name, subject) != subject:
            raise BadInput(
                f"{path}, row {number}: {name!r} is a recording of {subjects[name]!r} further up, "
                f"here of {subject!r}"
            )
    return tuple(
        Annotations(name, merge_tiers(found), subjects[name]) for name, found in tiers.items()
    )


def _row(row: Mapping[str, str | None]) -> tuple[str, Tier]:
    cell = {c: row.get(c) or "" for c in COLUMNS}
    name, kind, modality = cell["recording"], cell["tier"].strip(), cell["modality"].strip()
    if not name or not kind:
        raise ValueError("expected a recording and a tier")
    if kind not in KINDS:
        own_name = cell["tier"].removeprefix("other:")
        kind, found = ("other", "") if kind.startswith("other:") else guess_kind(kind)
        modality, own_name = modality or found, own_name if kind == "other" else ""
    else:
        own_name = kind if kind == "other" else ""
    if kind != "cue":
        modality = ""
    elif modality not in MODALITIES:
        raise ValueError(
            f"expected for a cue the modality {', '.join(MODALITIES)}; got {modality!r}"
        )
    tier = Tier(kind, (), modality, cell["coder"], own_name)
    if not (cell["start_s"].strip() or cell["end_s"].strip() or cell["label"]):
        return name, tier
    try:
        start_s, end_s = float(cell["start_s"]), float(cell["end_s"])
    except ValueError:
        raise ValueError(
            f"expected start_s and end_s in seconds, got {cell['start_s']!r} and {cell['end_s']!r}"
        ) from None
    return name, replace(tier, marks=(Mark(start_s, end_s, cell["label"], cell["certainty"]),))


def to_vtt(annotations: Annotations) -> str:
    """WebVTT: one cue per mark, whose identifier names the tier, so that any player shows them over
    the video.

    A mark without length becomes 1 ms long, as WebVTT has no cues without.
    """
    blocks = ["WEBVTT", f"NOTE twomind\n{_head(annotations)}"]
    blocks += [f"NOTE twomind tier\n{_tier_id(t)}" for t in annotations.tiers]
    spots = [(m, t) for t in annotations.tiers for m in t.marks]
    for mark, tier in sorted(spots, key=lambda s: (s[0], s[1].key)):
        start_ms = round(mark.start_s * 1000)
        end_ms = max(round(mark.end_s * 1000), start_ms + 1)
        certainty = f"<c.certainty>{_escape(mark.certainty)}</c>" if mark.certainty else ""
        blocks.append(
            f"{_tier_id(tier)}\n{_stamp(start_ms)} --> "
            f"{_stamp(end_ms)}\n{_escape(mark.label)}{certainty}"
        )
    return "\n\n".join(b.rstrip("\n") if b.endswith("\n") else b for b in blocks) + "\n"


def write_vtt(annotations: Annotations, path: Path | str) -> Path:
    """Write :func:`to_vtt` atomically."""
    return write_text(Path(path), to_vtt(annotations))


def _head(one: Annotations) -> str:
    facts = {"recording": one.recording, "subject": one.subject, "media": one.media}
    if math.isfinite(one.duration_s):
        facts["duration_s"] = f"{one.duration_s:.3f}"
    return "; ".join(f"{k}={_escape(v, True)}" for k, v in facts.items() if v)


def _tier_id(tier: Tier) -> str:
    facts = {"tier": tier.kind, "modality": tier.modality, "name": tier.name, "coder": tier.coder}
    return "; ".join(f"{k}={_escape(v, True)}" for k, v in facts.items() if v)


def _facts(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split("; ") if "=" in part)
    return {key.strip(): html.unescape(value) for key, _, value in pairs}


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
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ms:03d}"


_TIMES = re.compile(
    r"(?:(\d+):)?(\d{2}):(\d{2})[.,](\d{3})\s+-->\s+(?:(\d+):)?(\d{2}):(\d{2})[.,](\d{3})(?:\s.*)?$"
)


def read_vtt(path: Path | str) -> Annotations:
    """A WebVTT file. Cues that do not name a tier of ours become utterances, or words where all
    hold one word.

    Raises:
        BadInput: no such file, not WebVTT, or a cue whose times cannot be used.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: expected a WebVTT file: {error}") from error
    if not text.startswith("WEBVTT"):
        raise BadInput(
            f"{path}: expected a WebVTT file, which begins with WEBVTT; got {text[:20]!r}"
        )
    head: dict[str, str] = {}
    tiers: list[Tier] = []
    loose: list[Mark] = []
    for block in re.split(r"\n[ \t]*\n+", text.replace("\r\n", "\n").replace("\r", "\n")):
        lines = [line for line in block.split("\n") if line]
        if not lines or lines[0].startswith(("WEBVTT", "STYLE", "REGION")):
            continue
        try:
            if lines[0] == "NOTE twomind" and len(lines) > 1:
                head = _facts(lines[1])
            elif lines[0] == "NOTE twomind tier" and len(lines) > 1:
                tiers.append(_tier_of(lines[1]))
            elif not lines[0].startswith("NOTE"):
                tier, mark = _cue(lines)
                if tier is None:
                    loose.append(mark)
                else:
                    tiers.append(replace(tier, marks=(mark,)))
        except ValueError as error:
            raise BadInput(f"{path}: {error}") from error
    if loose:
        single = all(len(m.label.split()) == 1 for m in loose)
        tiers.append(Tier("word" if single else "utterance", tuple(loose)))
    duration_s = float(head.get("duration_s", "nan"))
    name, subject, media = (
        head.get("recording") or path.stem,
        head.get("subject", ""),
        head.get("media", ""),
    )
    return Annotations(name, merge_tiers(tiers), subject, media, duration_s)


def _tier_of(text: str) -> Tier:
    facts = _facts(text)
    return Tier(
        facts.get("tier", ""),
        (),
        facts.get("modality", ""),
        facts.get("coder", ""),
        facts.get("name", ""),
    )


def _cue(lines: list[str]) -> tuple[Tier | None, Mark]:
    at = next((i for i, line in enumerate(lines[:2]) if "-->" in line), None)
    times = _TIMES.match(lines[at].strip()) if at is not None else None
    if at is None or times is None:
        raise ValueError(
            "expected a cue with times like 00:01.000 --> 00:02.000, got "
            f"{' / '.join(lines)[:80]!r}"
        )
    start_ms, end_ms = (_ms(times.group(*g)) for g in ((1, 2, 3, 4), (5, 6, 7, 8)))
    payload = "\n".join(lines[at + 1 :])
    certainty = re.search(r"<c\.certainty>(.*?)</c>$", payload)
    label = payload[: certainty.start()] if certainty else payload
    label = html.unescape(re.sub(r"<[^>]*>", "", label))
    sure = html.unescape(certainty.group(1)) if certainty else ""
    tier = _tier_of(lines[0]) if at and lines[0].startswith("tier=") else None
    return tier, Mark(start_ms / 1000, end_ms / 1000, label, sure)


def _ms(groups: tuple[str | None, ...]) -> int:
    hours, minutes, seconds, ms = (int(g or 0) for g in groups)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms
