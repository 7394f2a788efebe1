"""What a model's reply says, strictly. What cannot be read is never a class.

The published scripts count everything that is not exactly the one label as the *other* class, in
opposite directions. Here a reply that mentions both labels, neither, or one of them in a sentence
that does not state it, is unparsable.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from twomind.models.llm.prompts import LABELS, timed
from twomind.types import Evidence, Word

#: Hyphen, its typographic relatives, blanks, an underscore, or nothing, between "Non" and
#: "Ambivalent".
_JOIN = r"[\s\-_\u00ad\u2010-\u2015\u2212\ufe58\ufe63\uff0d]*"
_MENTION = re.compile(rf"(?<![^\W_])(?P<no>non{_JOIN})?ambivalent(?![^\W_])", re.IGNORECASE)
_WRAP = r"[\s\"'`*_.,;:!()\[\]{}<>«»“”‘’#>\-]*+"
_LEAD_IN = (
    r"(?:(?:final\s+|my\s+)?(?:answer|label|class|classification|verdict|decision|assistant)\W{0,4}(?:is\b)?)|"
    r"(?:(?:the|this)\s+(?:person|speaker|individual|participant|man|woman|answer)(?:\s+in\s+(?:the|this)\s+video)?\s+"
    r"(?:is|seems|appears|sounds|looks)(?:\s+to\s+be)?)|"
    r"(?:(?:she|he|they|it)\s+(?:is|are|seems?|appears?)(?:\s+to\s+be)?)"
)
_WHOLE_REPLY = re.compile(
    rf"{_WRAP}(?:(?:{_LEAD_IN}){_WRAP})?(?P<label>(?:non{_JOIN})?ambivalent){_WRAP}",
    re.IGNORECASE | re.DOTALL,
)
_THINKING = re.compile(r"\A\s*<think>.*?</think>", re.IGNORECASE | re.DOTALL)
_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(?P<body>.*)\n\s*```\s*\Z", re.IGNORECASE | re.DOTALL)
#: Rounding of times by a model that are still taken as inside the clip.
SLACK_S = 0.1
SIDES = ("towards", "away", "both")


@dataclass(frozen=True)
class Reading:
    """What a reply says: ``label`` 0 (absent) or 1 (present), or None with the reason.

    ``at`` is the place in the reply's text where the label begins. ``dropped`` counts cited moments
    that were left out, by reason.
    """

    label: int | None
    why: str = ""
    at: int = -1
    towards: str = ""
    away: str = ""
    evidence: tuple[Evidence, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)


def _unparsable(why: str) -> Reading:
    return Reading(None, why)


def parse_label(text: str) -> Reading:
    """Read a one-word answer.

    The reply must be one label, apart from case, quotes, mark-up, punctuation and a phrase that
    states it ("Answer:", "The person is"). A closed block of thinking at the start is skipped.

    Args:
        text: the model's reply.

    Returns:
        ``label`` 0 (absent) or 1 (present); None with the reason where it says neither.

    Example:
        >>> from twomind.models.llm.parse import parse_label
        >>> parse_label("**Non-Ambivalent**").label, parse_label("Ambivalent.").label
        (0, 1)
        >>> parse_label("Ambivalent or Non-Ambivalent").why
        'both labels are mentioned'
    """
    start = _thinking(text)
    said = text[start:]
    if not said.strip():
        return _unparsable("the reply is empty")
    kinds = {0 if m["no"] else 1 for m in _MENTION.finditer(said)}
    if len(kinds) > 1:
        return _unparsable("both labels are mentioned")
    if not kinds:
        return _unparsable("neither label is mentioned")
    whole = _WHOLE_REPLY.fullmatch(said)
    if whole is None:
        return _unparsable(
            "a label is mentioned, but the reply does not just state it: expected one word, "
            f"{LABELS}"
        )
    return Reading(kinds.pop(), at=start + whole.start("label"))


#: How a reply to a one-word question is read. ``strict``: what cannot be read is not an answer. The
#: other two are the published scripts, each of which counts everything else as one class.
PARSERS = ("strict", "else-present", "else-absent")


def read_as(parser: str, text: str) -> int | None:
    """The class that a reply says under one of :data:`PARSERS`; None: it cannot be read.

    ``else-present`` is the script of Video-LLaVA: after the last colon, anything but exactly the
    first label is present. ``else-absent`` is that of AffectGPT: anything but exactly the second is
    absent.

    >>> [read_as(name, "I cannot tell.") for name in PARSERS]
    [None, 1, 0]
    """
    if parser == "strict":
        return parse_label(text).label
    said = text.rsplit(":", 1)[-1].strip()
    if parser == "else-present":
        return int(said != LABELS[0])
    return int(said == LABELS[1])


def _thinking(text: str) -> int:
    """Where the answer begins after a closed ``<think>…</think>``."""
    match = _THINKING.match(text)
    return match.end() if match else 0


def parse_json(
    text: str,
    *,
    span_s: tuple[float, float],
    words: Sequence[Word] | None = None,
    pictures: bool = True,
) -> Reading:
    """Read the JSON answer of the strategy ``two_sides``.

    Cited moments are checked against what the model was given. What fails is dropped and counted;
    it does not change the answer.

    Args:
        text: The reply.
        span_s: Start and end of the clip.
        words: That were said; None where the model was given none.
        pictures: Whether the model was given pictures.
    """
    start = _thinking(text)
    body = text[start:]
    fence = _FENCE.match(body)
    if fence:
        body = fence["body"]
        start += fence.start("body")
    if not body.strip():
        return _unparsable("the reply is empty")
    try:
        entry = json.loads(body, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        return _unparsable(f"expected one JSON object and nothing else ({str(error)[:80]})")
    if not isinstance(entry, dict):
        return _unparsable(f"expected a JSON object, got {type(entry).__name__}")
    answer = entry.get("answer")
    if not isinstance(answer, str):
        return _unparsable("the object has no text under 'answer'")
    read = parse_label(answer)
    if read.label is None:
        return read
    cited = entry.get("evidence", [])
    dropped: Counter[str] = Counter()
    evidence = []
    if not isinstance(cited, list):
        dropped["evidence is not a list"] += 1
        cited = []
    for one in cited:
        found, why = _cited(one, span_s, words, pictures)
        if found is None:
            dropped[why] += 1
        else:
            evidence.append(found)
    at = _answer_at(body, start)
    towards = _text(entry.get("towards"))
    away = _text(entry.get("away"))
    return Reading(read.label, "", at, towards, away, tuple(evidence), dict(dropped))


def _text(value: Any) -> str:
    """What stands there, if it is text."""
    if not isinstance(value, str):
        return ""
    return value.strip()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [k for k, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError("a key is there twice")
    return dict(pairs)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _answer_at(body: str, start: int) -> int:
    """Where the label under the last ``"answer":`` begins, or -1 when it is written in escapes."""
    keys = list(re.finditer(r'"answer"\s*:\s*"', body))
    if not keys:
        return -1
    last = keys[-1]
    label = _MENTION.search(body, last.end())
    if label is None:
        return -1
    return start + label.start()


def _number(value: Any) -> float:
    ok = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if ok and math.isfinite(value) else math.nan


def _cited(
    one: Any, span_s: tuple[float, float], words: Sequence[Word] | None, pictures: bool
) -> tuple[Evidence | None, str]:
    """One cited moment as evidence, or why it is dropped."""
    if not isinstance(one, dict):
        return None, "not an object"
    what = one.get("what")
    modality = one.get("modality")
    side = one.get("side")
    if not isinstance(what, str) or not what.strip():
        return None, "does not say what"
    if side not in SIDES:
        return None, f"side is not one of {', '.join(SIDES)}"
    why = _not_given(what, modality, words, pictures)
    if why:
        return None, why
    if modality == "words" and not timed(words or ()):
        # The words have no times, so a time for them is invented; the quotation itself stands.
        start_s = end_s = math.nan
    else:
        start_s = _number(one.get("start_s"))
        end_s = _number(one.get("end_s"))
        why = _untimely(start_s, end_s, span_s)
        if why:
            return None, why
        start_s = _within(start_s, span_s)
        end_s = _within(end_s, span_s)
    said = f"{side}, {modality}: {what.strip()}"
    return Evidence("cited", said, math.nan, "", start_s, end_s), ""


def _not_given(what: str, modality: Any, words: Sequence[Word] | None, pictures: bool) -> str:
    """Why the model cannot know what it cites; "" when it can."""
    if modality in ("face", "body"):
        return "" if pictures else "cites the picture, but none was given"
    if modality != "words":
        return "a modality that the model was not given"
    if words is None:
        return "cites words, but none were given"
    if not _was_said(what, words):
        return "quotes words that were not said"
    return ""


def _untimely(start_s: float, end_s: float, span_s: tuple[float, float]) -> str:
    """Why the times of a moment are of no use; "" when they are."""
    first_s, last_s = span_s
    if math.isnan(start_s) or math.isnan(end_s):
        return "no usable times"
    if not first_s - SLACK_S <= start_s <= end_s <= last_s + SLACK_S:
        return "times outside the clip"
    return ""


def _within(time_s: float, span_s: tuple[float, float]) -> float:
    first_s, last_s = span_s
    return min(max(time_s, first_s), last_s)


def _letters(text: str) -> str:
    """Words of any script in lower case between single blanks, apostrophes ignored."""
    found = re.findall(r"[^\W_]+", re.sub("['’]", "", text.casefold()))
    return f" {' '.join(found)} "


def _was_said(quote: str, words: Sequence[Word]) -> bool:
    """Whether the quotation stands in the transcript; one with an ellipsis, whether each of its
    parts does.
    """
    said = _letters(" ".join(w.text for w in words))
    parts = [_letters(part) for part in re.split(r"…|\.\.\.", quote)]
    parts = [part for part in parts if part.strip()]
    return bool(parts) and all(part in said for part in parts)
