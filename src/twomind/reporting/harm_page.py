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
from twomind.evaluation.harm import Answers, HarmReport, PersonHarm, harmed, people_of, report_of
from twomind.evaluation.runs import filled
from twomind.reporting.leaderboard import json_values
from twomind.reporting.messages import Language, Texts
from twomind.reporting.page import Block, Link, Links, Table, Text, write_page
from twomind.reporting.result import Plain, Values
from twomind.types import Rows, Run

BASE = "source-only"
#: Method, fold and seed of a run.
_Place = tuple[str, str, int]
#: Person → seed and how the person fared.
_Seeds = dict[str, list[tuple[int, PersonHarm]]]
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
    "answers",
    "source",
    "adapted",
    "guarded",
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


def _rows(run: Run) -> Rows:
    """The rows that a method answers one by one."""
    return run.rows["window" if "window" in run.rows else run.level]


def _around(run: Run) -> str | None:
    """Which method a guarded run is around; None: it is not guarded, or the method within has other
    settings.
    """
    if not run.method.startswith("guarded") or run.config.get("settings"):
        return None
    return run.config.get("method")


def _windows(rows: Rows) -> list[tuple[str, tuple[float, ...]]]:
    """Recording and span of each row."""
    pairs = zip(rows.recording, rows.span_s, strict=True)
    return [(i, tuple(span)) for i, span in pairs]


def _matched(guarded: Run, rows: Rows) -> np.ndarray:
    """The guarded run's probabilities ``(N, C)`` for the windows of ``rows``."""
    other = _rows(guarded)
    place = {window: i for i, window in enumerate(_windows(other))}
    index = [place[window] for window in _windows(rows)]
    return filled(other, guarded.fill)[index]


def person_harm(adapted: Run, guarded: Run | None) -> list[PersonHarm]:
    """The people of one fold and seed. Windows without a label, or that the source did not measure,
    do not count.
    """
    rows = _rows(adapted)
    source = rows.beside["no_adaptation"]
    keep = (rows.y >= 0) & np.isfinite(source).all(axis=1)
    probs = {"source": filled(replace(rows, probs=source), adapted.fill)}
    probs["adapted"] = filled(rows, adapted.fill)
    events: Sequence[Values] = ()
    if guarded is not None:
        probs["guarded"] = _matched(guarded, rows)
        events = guarded.events
    said = {}
    for name, p in probs.items():
        said[name] = p[keep].argmax(axis=1)
    subjects = [str(s) for s in rows.subject[keep]]
    recordings = [str(r) for r in rows.recording[keep]]
    starts_s = rows.span_s[keep, 0].tolist()
    n_classes = len(adapted.task.classes)
    answers = Answers(subjects, recordings, starts_s, rows.y[keep], said, n_classes, events)
    return people_of(answers)


def harm_of(runs: Sequence[Run], tolerance: float = 1.0) -> dict[str, Plain]:
    """Method → what it saw, the people of every seed, each person's means over the seeds, and who
    is harmed by them.
    """
    partners: dict[_Place, Run] = {}
    plain: dict[str, list[Run]] = {}
    for run in runs:
        within = _around(run)
        if within is not None:
            partners[within, run.fold.name, run.seed] = run
        elif run.method != BASE:
            plain.setdefault(run.method, []).append(run)
    found: dict[str, Plain] = {}
    for method, mine in plain.items():
        people = _people_of(method, mine, partners)
        means = []
        for seeds in people.values():
            persons = [person for _, person in seeds]
            means.append(_mean(persons))
        one: Plain = {"saw": mine[0].saw.words()}
        one["means"] = report_of(means, tolerance)
        one["seeds"] = {subject: dict(seeds) for subject, seeds in people.items()}
        found[method] = one
    return found


def _people_of(method: str, runs: Sequence[Run], partners: Mapping[_Place, Run]) -> _Seeds:
    """Person → (seed, how the person fared)."""
    found: _Seeds = {}
    for run in runs:
        partner = partners.get((method, run.fold.name, run.seed))
        for person in person_harm(run, partner):
            found.setdefault(person.subject, []).append((run.seed, person))
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
    plain: Plain = {"schema": "twomind.harm/1"}
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
    blocks.append(Text(t("harm.how_to_read", tolerance=f"{s.tolerance:g}")))
    for method, one in found.items():
        blocks.append(Text(method, "h2"))
        blocks.append(_people(one["means"], s.tolerance, t))
    return blocks


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
    found: Plain = {"saw": one["saw"]}
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


def _people(means: HarmReport, tolerance: float, t: Texts) -> Table:
    rows = []
    for p in means.people:
        row = [p.subject, str(p.n), _number(p.source)]
        for value in (p.adapted, p.guarded):
            is_harmed = harmed(p.source - value, tolerance)
            flag = f"\n!{t('harm.harmed')}" if is_harmed else ""
            row.append(_number(value) + flag)
        row.append(_changed(p, "adapted", p.changed_adapted, t))
        row.append(_changed(p, "guarded", p.changed_guarded, t))
        row.append(_first(p))
        alarms = [e for e in p.events if e["what"] == "alarms"]
        row.append(str(len(alarms)))
        rows.append(tuple(row))
    head = tuple(t(f"harm.{key}") for key in _PEOPLE)
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


__all__ = ["HarmSettings", "harm_of", "person_harm", "write_harm"]
