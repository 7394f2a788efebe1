"""An ELAN file as a transcript: each tier of speech is a speaker, each annotation an utterance."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Sequence

from twomind.core.eaf import Entry, Resolver, header_of, media_of, parse_eaf
from twomind.core.errors import shortened
from twomind.transcripts.spans import Parsed, Span

#: Tiers with one of these in their name or type hold what is said; without any, all tiers may.
_SPEECH = ("transcript", "utterance", "speech", "words", "text", "spoken", "verbal", "orthograph")
#: Tiers of codes that are written here.
_CODES = ("answer", "A/H", "inconsistency", "model A/H", "certainty")
#: What stands in tiers of codes alone, as letters and digits.
_STATES = frozenset(
    """
    ah ambivalence ambivalent hesitancy hesitant a h n y none absent absence present presence yes no
    neutral neither unclear unsure 0 1 2 3 4 5 positive negative change sustain ambivalencehesitancy
    """.split()  # noqa: SIM905
)


def eaf_tiers(text: str) -> Parsed:
    """The spans of an ELAN file.

    A tier is named by its participant, where no other tier of speech has the same, else by its own
    name. A tier below another that holds the same words in smaller parts gives their times; other
    tiers below one (translations, codes) are no speech.

    Raises:
        BadInput: no ELAN file, or one whose references or times contradict each other.
    """
    root = parse_eaf(text.encode("utf-8"))
    _media, offset_ms, problems = media_of(header_of(root))
    entries, remarks = Resolver(root).entries()
    by_tier: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_tier[entry.tier].append(entry)
    tiers = {tier.get("TIER_ID", ""): tier for tier in root.findall("TIER")}
    spoken = _speech(tiers, by_tier)
    people = Counter(tiers[name].get("PARTICIPANT", "") for name in spoken)
    spans: list[Span] = []
    for name in spoken:
        who = tiers[name].get("PARTICIPANT", "")
        speaker = who if who and people[who] == 1 else name
        finest = _finest(name, tiers, by_tier)
        spans += [_span(entry, offset_ms, speaker) for entry in by_tier[finest]]
    others = [name for name in tiers if by_tier[name] and name not in spoken]
    if others:
        listed = ", ".join(others)
        problems.append(
            f"tiers that are no speech of their own were left out: {shortened(listed, 200)}"
        )
    said = sorted((span for span in spans if span.text), key=lambda span: span.start_s)
    return Parsed(tuple(said), "ELAN", None, (*problems, *remarks))


def _span(entry: Entry, offset_ms: int, speaker: str) -> Span:
    start_s = (entry.start_ms + offset_ms) / 1000
    end_s = (entry.end_ms + offset_ms) / 1000
    return Span(" ".join(entry.value.split()), start_s, end_s, speaker=speaker)


def _speech(tiers: dict[str, ET.Element], by_tier: dict[str, list[Entry]]) -> list[str]:
    """The tiers that hold what is said, each at the top of its own."""
    top = [
        name
        for name, tier in tiers.items()
        if by_tier[name]
        and not tier.get("PARENT_REF")
        and not _is_code(tier)
        and (_is_named_speech(tier) or not _holds_states(by_tier[name]))
    ]
    named = [name for name in top if _is_named_speech(tiers[name])]
    return named or top


def _is_code(tier: ET.Element) -> bool:
    own = tier.get("LINGUISTIC_TYPE_REF", "")
    return own in _CODES or own.startswith("cue ") or tier.get("TIER_ID", "") in _CODES


def _holds_states(entries: Sequence[Entry]) -> bool:
    """Whether all that stands on a tier are labels of states: "A/H", "none", "absent"."""
    return all(_letters([entry]) in _STATES for entry in entries if entry.value.strip())


def _is_named_speech(tier: ET.Element) -> bool:
    names = f"{tier.get('TIER_ID', '')} {tier.get('LINGUISTIC_TYPE_REF', '')}".casefold()
    return any(word in names for word in _SPEECH)


def _finest(name: str, tiers: dict[str, ET.Element], by_tier: dict[str, list[Entry]]) -> str:
    """The tier below this one, at any depth, that holds the same words in the most parts."""
    letters = _letters(by_tier[name])
    finest = name
    at = [name]
    while at:
        parent = at.pop()
        below = [child for child, tier in tiers.items() if tier.get("PARENT_REF") == parent]
        same = [child for child in below if _letters(by_tier[child]) == letters]
        for child in same:
            if len(by_tier[child]) > len(by_tier[finest]):
                finest = child
        at += same
    return finest


def _letters(entries: Sequence[Entry]) -> str:
    ordered = sorted(entries, key=lambda entry: (entry.start_ms, entry.end_ms))
    text = "".join(entry.value for entry in ordered)
    return "".join(c for c in text.casefold() if c.isalnum())
