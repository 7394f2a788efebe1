"""The harm report of runs: per person the source, the adapted and the guarded answers, what was
changed and when.

``harm.json`` has everything, ``harm.html`` and ``harm.md`` the figures. A method's guarded partner
is the run of ``guarded`` around it, where there is one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.store import write_text
from twomind.evaluation.harm import HarmReport, PersonHarm, harmed, report_of
from twomind.evaluation.harm_of_runs import by_method, people_of_runs, walked_level
from twomind.reporting.leaderboard import json_values
from twomind.reporting.leaderboard_tables import counted_as
from twomind.reporting.messages import Language, Texts
from twomind.reporting.page import Block, Link, Links, Table, Text, write_page
from twomind.reporting.result import Plain, Values
from twomind.types import Run

#: Method → what :func:`harm_of` found of it.
_Found = Mapping[str, Values]
#: Columns of the summary, and of the table of a method's people, by the keys of their titles.
_SUMMARY = (
    "method",
    "saw",
    "people",
    "source",
    "adapted",
    "guarded",
    "harmed_adapted",
    "harmed_guarded",
)
_PEOPLE = (
    "person",
    "judged",
    "source",
    "adapted",
    "guarded",
    "walked",
    "changed_adapted",
    "changed_guarded",
    "first_change",
    "alarms",
)


@dataclass(frozen=True)
class HarmSettings:
    """What stands on a harm page.

    Args:
        title: what the runs are of.
        tolerance: points of macro-F1 from which on somebody is harmed.
        board: address of the leaderboard beside it; empty where there is none.
        language: of the page and its Markdown; JSON stays English.
    """

    title: str = ""
    tolerance: float = 1.0
    board: str = ""
    language: Language = "en"


def harm_of(runs: Sequence[Run], tolerance: float = 1.0) -> dict[str, Plain]:
    """Method → what it saw, per what it is judged and walked, the people of every seed, each
    person's means over the seeds, and who is harmed by them.

    A person's figures are those of the leaderboard: at its level, of the same rows. What was changed
    is told of the answers that a method gives one by one.

    Args:
        runs: of all methods, without adaptation and guarded ones too.
        tolerance: points of macro-F1 from which on somebody is harmed.

    Returns:
        By method: ``saw`` (in words), ``level`` (what is judged), ``walked`` (what it answers one by
        one), ``means`` (:class:`twomind.evaluation.harm.HarmReport`) and ``seeds`` (person → seed →
        :class:`twomind.evaluation.harm.PersonHarm`).
    """
    found: dict[str, Plain] = {}
    for method, (mine, partners) in by_method(runs).items():
        people = people_of_runs(mine, partners)
        means = []
        for seeds in people.values():
            means.append(_mean(list(seeds.values())))
        one: Plain = {"saw": mine[0].saw.words()}
        one["level"] = mine[0].level
        one["walked"] = walked_level(mine[0])
        one["means"] = report_of(means, tolerance)
        one["seeds"] = people
        found[method] = one
    return found


def _mean(seeds: Sequence[PersonHarm]) -> PersonHarm:
    """One person over the seeds: figures are means, counts and changes are sums."""
    known = [p.changed_guarded for p in seeds if p.changed_guarded is not None]
    events: list[Any] = []
    changes: list[Any] = []
    for p in seeds:
        events += p.events
        changes += p.changes
    changed_adapted = sum(p.changed_adapted for p in seeds)
    changed_guarded = sum(known) if len(known) == len(seeds) else None
    source = _mean_of([p.source for p in seeds])
    adapted = _mean_of([p.adapted for p in seeds])
    guarded = _mean_of([p.guarded for p in seeds])
    return replace(
        seeds[0],
        source=source,
        adapted=adapted,
        guarded=guarded,
        changed_adapted=changed_adapted,
        changed_guarded=changed_guarded,
        events=tuple(events),
        changes=tuple(changes),
        n_walked=sum(p.n_walked for p in seeds),
    )


def write_harm(runs: Sequence[Run], out: Path, settings: HarmSettings | None = None) -> Plain:
    """Write ``harm.json``, ``harm.html`` and ``harm.md``.

    Args:
        runs: of one data set and task (as :func:`twomind.evaluation.compare.compare` gives them).
        out: folder of the files.
        settings: what stands on the page.

    Returns:
        The paths: ``html``, ``markdown`` and ``json``.
    """
    s = settings or HarmSettings()
    t, tolerance = Texts(s.language), s.tolerance
    found = harm_of(runs, tolerance)
    drawn = any(r.drawn for r in runs)
    blocks = _blocks(found, s, drawn, t)
    folder = Path(out)
    title = s.title or t("harm.title")
    html, markdown = write_page(blocks, folder, "harm", title, t)
    plain: Plain = {"schema": "twomind.harm/2"}
    plain["classes"] = list(runs[0].task.classes) if runs else []
    plain["drawn"] = drawn
    plain["tolerance"] = tolerance
    methods = {}
    for method, one in found.items():
        methods[method] = _plain(one, tolerance)
    plain["methods"] = methods
    text = json.dumps(json_values(plain), indent=1, ensure_ascii=False)
    data = write_text(folder / "harm.json", text + "\n")
    return {"html": str(html), "markdown": str(markdown), "json": str(data)}


def _blocks(found: _Found, s: HarmSettings, drawn: bool, t: Texts) -> list[Block]:
    """The page."""
    heading = t("harm.title_of", title=s.title) if s.title else t("harm.title")
    blocks: list[Block] = [Text(heading, "h1")]
    if drawn:
        blocks.append(Text(t("board.drawn"), "banner"))
    if found:
        blocks.append(Text(_verdict(found, s.tolerance, t), "verdict"))
    blocks.append(_summary(found, t))
    shares = [one["means"].harmed_guarded for one in found.values()]
    if not any(map(math.isfinite, shares)):
        blocks.append(Text(t("harm.no_guard"), "sub"))
    links = [Link("harm.json", "harm.json")]
    if s.board:
        links.insert(0, Link(t("harm.board"), s.board))
    blocks.append(Links(tuple(links)))
    if found:
        told = _units(next(iter(found.values())), t)
        blocks.append(Text(t("harm.how_to_read", tolerance=f"{s.tolerance:g}", **told)))
    for method, one in found.items():
        blocks.append(Text(method, "h2"))
        blocks.append(_people(one, s.tolerance, t))
    return blocks


def _units(one: Values, t: Texts) -> dict[str, str]:
    """What is judged and what is walked, as it is counted."""
    return {"judged": counted_as(one["level"], t), "walked": counted_as(one["walked"], t)}


def _verdict(found: _Found, tolerance: float, t: Texts) -> str:
    """One sentence: which method harms the most people, and how many of them within the guard."""
    counts = {}
    for method, one in found.items():
        people = one["means"].people
        losses = [p.source - p.adapted for p in people]
        counts[method] = sum(harmed(loss, tolerance) for loss in losses)
    worst = max(counts, key=lambda method: counts[method])
    if not counts[worst]:
        return t("harm.verdict_none", tolerance=f"{tolerance:g}")
    people = found[worst]["means"].people
    guarded = ""
    if all(math.isfinite(p.guarded) for p in people):
        losses = [p.source - p.guarded for p in people]
        n = sum(harmed(loss, tolerance) for loss in losses)
        guarded = t("harm.verdict_guarded", n=n)
    methods = t.count(len(counts), "method")
    told = {"method": worst, "all": len(people), "methods": methods, "guarded": guarded}
    return t("harm.verdict", n=counts[worst], **told).rstrip()


def _plain(one: Values, tolerance: float) -> Plain:
    means: HarmReport = one["means"]
    found: Plain = {"saw": one["saw"], "level": one["level"], "walked": one["walked"]}
    found["harmed_adapted"] = means.harmed_adapted
    found["harmed_guarded"] = means.harmed_guarded
    found["harmed_adapted_interval"] = means.harmed_adapted_interval
    found["harmed_guarded_interval"] = means.harmed_guarded_interval
    people = {}
    for p in means.people:
        seeds = one["seeds"][p.subject]
        people[p.subject] = _plain_person(p, seeds, tolerance)
    found["people"] = people
    return found


def _plain_person(p: PersonHarm, seeds: Mapping[int, PersonHarm], tolerance: float) -> Plain:
    plain = asdict(p)
    for name in ("subject", "events", "changes", "n"):
        del plain[name]
    plain["harmed_adapted"] = harmed(p.source - p.adapted, tolerance)
    plain["harmed_guarded"] = harmed(p.source - p.guarded, tolerance)
    each = {}
    for seed, own in seeds.items():
        each[str(seed)] = asdict(own)
    plain["seeds"] = each
    return plain


def _summary(found: _Found, t: Texts) -> Table:
    rows = []
    for method, one in found.items():
        means: HarmReport = one["means"]
        people = means.people
        row = [method, t.said(one["saw"]), str(len(people))]
        source = _mean_of([p.source for p in people])
        adapted = _mean_of([p.adapted for p in people])
        guarded = _mean_of([p.guarded for p in people])
        row += [_number(source), _number(adapted), _number(guarded)]
        row.append(_share(means.harmed_adapted, means.harmed_adapted_interval, t))
        row.append(_share(means.harmed_guarded, means.harmed_guarded_interval, t))
        rows.append(tuple(row))
    head = tuple(t(f"harm.{key}") for key in _SUMMARY)
    return Table(head, tuple(rows), words=(t("harm.saw"),))


def _people(one: Values, tolerance: float, t: Texts) -> Table:
    means: HarmReport = one["means"]
    rows = []
    for p in means.people:
        row = [p.subject, str(p.n), _number(p.source)]
        for value in (p.adapted, p.guarded):
            is_harmed = harmed(p.source - value, tolerance)
            flag = f"\n!{t('harm.harmed')}" if is_harmed else ""
            row.append(_number(value) + flag)
        row.append(str(p.n_walked))
        row.append(_changed(p, "adapted", p.changed_adapted, t))
        row.append(_changed(p, "guarded", p.changed_guarded, t))
        row.append(_first(p))
        alarms = [e for e in p.events if e["what"] == "alarms"]
        row.append(str(len(alarms)))
        rows.append(tuple(row))
    head = tuple(t(f"harm.{key}", **_units(one, t)) for key in _PEOPLE)
    return Table(head, tuple(rows), words=(t("harm.first_change"),))


def _changed(p: PersonHarm, by: str, count: int | None, t: Texts) -> str:
    if count is None:
        return "—"
    if not count:
        return "0"
    did = [c["did"] for c in p.changes if c["by"] == by]
    mended = did.count("mended")
    spoilt = did.count("spoilt")
    return f"{count}\n{t('harm.mended', mended=mended, spoilt=spoilt)}"


def _first(p: PersonHarm) -> str:
    """The first answer of the first seed that was changed."""
    if not p.changes:
        return "—"
    change = p.changes[0]
    return f"{change['recording']}, {change['start_s']:.1f} s"


def _mean_of(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _number(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else "—"


def _share(value: float, interval: tuple[float, float], t: Texts) -> str:
    if not math.isfinite(value):
        return "—"
    low, high = interval
    ends = f"[{t.percent(low)}, {t.percent(high)}]"
    return f"{t.percent(value)}\n{ends}"


__all__ = ["HarmSettings", "harm_of", "write_harm"]
