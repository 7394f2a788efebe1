"""The overview of many answers: its one sentence, its groups, short names, and the way out where
nothing was scored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from twomind.reporting.messages import Texts
from twomind.reporting.result import Plain, Values

#: From this score on a coder would more likely than not mark an answer.
LIKELY = 0.5
#: A name that is longer loses what all names begin with.
_LONGEST_NAME = 16
#: So many letters of it stay.
_SHORTEST_NAME = 5


@dataclass(frozen=True)
class Banner:
    """What stands over an overview in which nothing was scored: why, and the way out."""

    why: str
    way_out: str


def sentence(rows: Sequence[Values], t: Texts) -> str:
    """The one sentence on top.

    Args:
        rows: of :func:`twomind.reporting.report_data.overview_row`.
        t: texts of the page's language.
    """
    scored = [row for row in rows if row["score"]["p"] is not None]
    if not scored:
        return t("overview.nothing")
    own = next((row["meaning"] for row in rows if row.get("meaning")), "")
    if own:
        counts = {"scored": len(scored), "all": len(rows)}
        return t("overview.own_meaning", meaning=t.said(own), **counts)
    likely = [row for row in scored if row["score"]["p"] > LIKELY]
    said = _said(likely, len(scored), t)
    n = len(rows) - len(scored)
    return t("overview.unscored", sentence=said, n=n, all=len(rows)) if n else said


def _said(likely: Sequence[Values], n_scored: int, t: Texts) -> str:
    """How many are likely, and of how many of these the question alone says so."""
    found = t("overview.one", likely=len(likely), scored=n_scored)
    alone = [row.get("alone") for row in likely]
    if not likely or None in alone:
        return t("overview.full_stop", sentence=found)
    by_question = sum(p > LIKELY for p in alone if p is not None)
    if not by_question:
        return t("overview.not_by_question", sentence=found)
    return t("overview.by_question", sentence=found, n=by_question)


def banner(rows: Sequence[Values], t: Texts) -> Banner | None:
    """The way out; None where something was scored."""
    if not rows or any(row["score"]["p"] is not None for row in rows):
        return None
    reasons = Counter(str(row["score"]["reason"]) for row in rows)
    [(commonest, _)] = reasons.most_common(1)
    missing = sum(row["counts"].get("words") is None for row in rows)
    way = "way_words" if missing > len(rows) / 2 else "way_other"
    why = t("overview.nothing_why", why=t.said(commonest)) if commonest else ""
    return Banner(why, t(f"overview.{way}"))


def _same_begin(one: str, other: str) -> str:
    """What both begin with; of the first and the last of many in order, what all begin with."""
    n = 0
    while n < min(len(one), len(other)) and one[n] == other[n]:
        n += 1
    return one[:n]


def short_names(names: Sequence[str]) -> list[str]:
    """Names without what all of them begin with, where they are long and stay different.

    Args:
        names: of all answers of a page.
    """
    if len(names) < 2 or max(map(len, names)) <= _LONGEST_NAME:
        return list(names)
    common = _same_begin(min(names), max(names))
    shortest = min(map(len, names))
    marks = [at + 1 for at, letter in enumerate(common) if letter in "_- "]
    far_enough = [at for at in marks if shortest - at >= _SHORTEST_NAME]
    cut = max(far_enough, default=0)
    short = [name[cut:].replace("_", " ") for name in names]
    is_plain = all(short) and len(set(short)) == len(names)
    return short if is_plain else list(names)


def _id(row: Values) -> str:
    return str(row["id"])


def grouped(rows: Sequence[Values]) -> list[Plain]:
    """The rows by person, people and answers in their order, each with its short name; the first
    row of a person says so (``first``) where several people have several answers.
    """
    people: dict[str, list[Values]] = {}
    for row in rows:
        people.setdefault(str(row["subject"]), []).append(row)
    several = len(people) < len(rows)
    ids = [_id(row) for row in rows]
    of_all = dict(zip(ids, short_names(ids), strict=True))
    found: list[Plain] = []
    for own in people.values():
        names = [of_all[_id(row)] for row in own]
        if len(own) > 1:
            names = short_names([_id(row) for row in own])
        for number, (row, name) in enumerate(zip(own, names, strict=True)):
            is_first = several and number == 0
            found.append({**row, "short": name, "first": is_first, "of_person": len(own)})
    return found


__all__ = ["Banner", "banner", "grouped", "sentence", "short_names"]
