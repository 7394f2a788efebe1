"""The harm report of runs: per person the source, the adapted and the guarded answers, what was
changed and when.

``harm.json`` has everything, ``harm.html`` and ``harm.md`` the figures. A method's guarded partner
is the run of ``guarded`` around it, where there is one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.store import write_text
from twomind.evaluation.harm import Answers, HarmReport, PersonHarm, harmed, people_of, report_of
from twomind.evaluation.runs import filled
from twomind.reporting.leaderboard import DRAWN, json_values
from twomind.reporting.page import Block, Table, Text, write_page
from twomind.types import Rows, Run

BASE = "source-only"
HOW_TO_READ = (
    "Macro-F1 in percent over the classes that a person shows or is told, mean over the seeds. "
    "Harmed: worse than the "
    "source by more than {tolerance:g} point; share of the people, with Wilson's 95 % interval. "
    "Changed: answers that "
    "differ from the source's, over all seeds; mended ones were wrong, spoilt ones right before. "
    "Each change with its "
    "recording and time, and the guard's own log, are in harm.json."
)


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


def person_harm(adapted: Run, guarded: Run | None) -> list[PersonHarm]:
    """The people of one fold and seed. Windows without a label, or that the source did not measure,
    do not count.
    """
    rows = _rows(adapted)
    plain = rows.beside["no_adaptation"]
    keep = (rows.y >= 0) & np.isfinite(plain).all(axis=1)
    said = {
        "source": filled(replace(rows, probs=plain), adapted.fill),
        "adapted": filled(rows, adapted.fill),
    }
    if guarded is not None:
        other = _rows(guarded)
        at = {
            key: i
            for i, key in enumerate(zip(other.recording, map(tuple, other.span_s), strict=True))
        }
        index = [at[key] for key in zip(rows.recording, map(tuple, rows.span_s), strict=True)]
        said["guarded"] = filled(other, guarded.fill)[index]
    return people_of(
        Answers(
            [str(s) for s in rows.subject[keep]],
            [str(r) for r in rows.recording[keep]],
            rows.span_s[keep, 0].tolist(),
            rows.y[keep],
            {name: probs[keep].argmax(axis=1) for name, probs in said.items()},
            len(adapted.task.classes),
            guarded.events if guarded is not None else (),
        )
    )


def harm_of(runs: Sequence[Run], tolerance: float = 1.0) -> dict[str, dict[str, Any]]:
    """Method → what it saw, the people of every seed, each person's means over the seeds, and who
    is harmed by them.
    """
    partners = {(_around(r), r.fold.name, r.seed): r for r in runs if _around(r) is not None}
    found: dict[str, dict[str, Any]] = {}
    for method in dict.fromkeys(r.method for r in runs if r.method != BASE and _around(r) is None):
        each: dict[str, list[tuple[int, PersonHarm]]] = {}
        mine = [r for r in runs if r.method == method]
        for run in mine:
            for person in person_harm(run, partners.get((method, run.fold.name, run.seed))):
                each.setdefault(person.subject, []).append((run.seed, person))
        means = report_of([_mean([p for _, p in seeds]) for seeds in each.values()], tolerance)
        found[method] = {
            "saw": mine[0].saw.words(),
            "means": means,
            "seeds": {s: dict(seeds) for s, seeds in each.items()},
        }
    return found


def _mean(seeds: Sequence[PersonHarm]) -> PersonHarm:
    """One person over the seeds: figures are means, counts and changes are sums."""
    guarded = [p.changed_guarded for p in seeds]
    return replace(
        seeds[0],
        source=_mean_of([p.source for p in seeds]),
        adapted=_mean_of([p.adapted for p in seeds]),
        guarded=_mean_of([p.guarded for p in seeds]),
        changed_adapted=sum(p.changed_adapted for p in seeds),
        changed_guarded=None if None in guarded else sum(g or 0 for g in guarded),
        events=tuple(e for p in seeds for e in p.events),
        changes=tuple(c for p in seeds for c in p.changes),
    )


def write_harm(
    runs: Sequence[Run], out: Path, *, title: str = "", tolerance: float = 1.0
) -> dict[str, Any]:
    """Write ``harm.json``, ``harm.html`` and ``harm.md`` into ``out``; return their paths.

    All runs are of one data set and task (as :func:`twomind.evaluation.compare.compare` gives
    them).
    """
    found = harm_of(runs, tolerance)
    blocks: list[Block] = [Text(f"Who was harmed: {title}".rstrip(": "), "h1")]
    if any(r.drawn for r in runs):
        blocks.append(Text(DRAWN, "banner"))
    blocks += [Text(HOW_TO_READ.format(tolerance=tolerance)), _summary(found)]
    if not any(math.isfinite(one["means"].harmed_guarded) for one in found.values()):
        blocks.append(
            Text("No guarded stream was walked (`--guard` walks one beside every method).", "sub")
        )
    for method, one in found.items():
        blocks += [Text(method, "h2"), _people(one["means"], tolerance)]
    html, markdown = write_page(blocks, Path(out), "harm", title or "Who was harmed")
    plain = {
        "schema": "twomind.harm/1",
        "classes": list(runs[0].task.classes) if runs else [],
        "drawn": any(r.drawn for r in runs),
        "tolerance": tolerance,
        "methods": {method: _plain(one, tolerance) for method, one in found.items()},
    }
    data = write_text(
        Path(out) / "harm.json", json.dumps(json_values(plain), indent=1, ensure_ascii=False) + "\n"
    )
    return {"html": str(html), "markdown": str(markdown), "json": str(data)}


def _plain(one: Mapping[str, Any], tolerance: float) -> dict[str, Any]:
    means: HarmReport = one["means"]
    shares = {k: getattr(means, k) for k in ("harmed_adapted", "harmed_guarded")}
    shares |= {f"{k}_interval": getattr(means, f"{k}_interval") for k in tuple(shares)}
    people = {}
    for p in means.people:
        kept = {
            k: v for k, v in asdict(p).items() if k not in ("subject", "events", "changes", "n")
        }
        worse = {
            f"harmed_{k}": harmed(p.source - getattr(p, k), tolerance)
            for k in ("adapted", "guarded")
        }
        seeds = {str(seed): asdict(own) for seed, own in one["seeds"][p.subject].items()}
        people[p.subject] = {**kept, **worse, "seeds": seeds}
    return {"saw": one["saw"], **shares, "people": people}


def _summary(found: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = []
    for method, one in found.items():
        means: HarmReport = one["means"]
        figures = [
            _mean_of([getattr(p, k) for p in means.people])
            for k in ("source", "adapted", "guarded")
        ]
        harmed = [
            _share(getattr(means, f"harmed_{k}"), getattr(means, f"harmed_{k}_interval"))
            for k in ("adapted", "guarded")
        ]
        rows.append((method, one["saw"], str(len(means.people)), *map(_number, figures), *harmed))
    head = (
        "method",
        "saw before",
        "people",
        "source",
        "adapted",
        "guarded",
        "harmed, adapted",
        "harmed, guarded",
    )
    return Table(head, tuple(rows), words=("saw before",))


def _people(means: HarmReport, tolerance: float) -> Table:
    rows = []
    for p in means.people:
        streams = []
        for k in ("adapted", "guarded"):
            value = getattr(p, k)
            streams.append(
                _number(value) + ("\n!harmed" if harmed(p.source - value, tolerance) else "")
            )
        changed = [_changed(p, by) for by in ("adapted", "guarded")]
        alarms = sum(e["what"] == "alarms" for e in p.events)
        rows.append(
            (p.subject, str(p.n), _number(p.source), *streams, *changed, _first(p), str(alarms))
        )
    head = (
        "person",
        "answers",
        "source",
        "adapted",
        "guarded",
        "changed, adapted",
        "changed, guarded",
    )
    return Table((*head, "first change", "guard's alarms"), tuple(rows), words=("first change",))


def _changed(p: PersonHarm, by: str) -> str:
    count = getattr(p, f"changed_{by}")
    if not count:
        return "—" if count is None else "0"
    did = [c["did"] for c in p.changes if c["by"] == by]
    return f"{count}\n({did.count('mended')} mended, {did.count('spoilt')} spoilt)"


def _first(p: PersonHarm) -> str:
    """The first answer of the first seed that was changed."""
    return f"{p.changes[0]['recording']}, {p.changes[0]['start_s']:.1f} s" if p.changes else "—"


def _mean_of(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _number(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else "—"


def _share(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.0%}\n[{interval[0]:.0%}, {interval[1]:.0%}]" if math.isfinite(value) else "—"


__all__ = ["harm_of", "person_harm", "write_harm"]
