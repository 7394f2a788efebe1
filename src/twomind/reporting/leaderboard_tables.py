"""Tables and sentences of a leaderboard: what stands in them, and no more certain than their
intervals.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from twomind.evaluation import baselines, breakdown, people, timeline
from twomind.evaluation.board import Board, Line, against_each_other
from twomind.reporting.page import Block, Table, Text

TITLES = {
    "macro_f1": "macro-F1",
    "weighted_f1": "weighted F1",
    "war": "WAR",
    "uar": "UAR",
    "ap": "AP",
    "ap_bah": "AP (BAH)",
    "auc": "AUC",
    "within_question_auc": "AUC within question",
    "ece": "ECE",
    "brier": "Brier",
}
LEVELS = {"recording": "recordings", "window": "windows", "frame": "moments"}


def number(value: float, digits: int = 3) -> str:
    """For a table; a dash where there is no number."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "—"


def signed(value: float, digits: int = 3) -> str:
    return f"{value:+.{digits}f}".replace("-", "−") if math.isfinite(value) else "—"


def _with(value: float, ci: Sequence[float]) -> str:
    return number(value) + (f"\n[{ci[0]:.2f}, {ci[1]:.2f}]" if all(map(math.isfinite, ci)) else "")


def _gain(value: float, ci: Sequence[float]) -> str:
    if not math.isfinite(value):
        return "—"
    return signed(value) + (
        f"\n[{signed(ci[0], 2)}, {signed(ci[1], 2)}]" if all(map(math.isfinite, ci)) else ""
    )


def p_value(p: float) -> str:
    return "—" if not math.isfinite(p) else ("< .001" if p < 0.001 else f"{p:.3f}")


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def seconds(value: float) -> str:
    """A duration with two digits that count."""
    if not math.isfinite(value):
        return "—"
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * factor >= 1 or unit == "µs":
            return (
                f"{value * factor:.2g} {unit}"
                if value * factor < 100
                else f"{value * factor:.0f} {unit}"
            )
    return "—"


def about(board: Board) -> str:
    rates = ", ".join(
        f"{percent(r)} {c}" for c, r in zip(board.task.classes, board.rates, strict=True)
    )
    seeds = (
        f"{len(board.seeds)} seeds, figures are their mean"
        if len(board.seeds) > 1
        else f"seed {board.seeds[0]}"
    )
    parts = [
        f"{board.dataset}, protocol {board.protocol}: {board.n_rows} coded {LEVELS[board.level]} "
        "of "
        f"{len(board.subjects)} people in {board.n_folds} fold{'s' if board.n_folds > 1 else ''} "
        f"({rates}); {seeds}.",
    ]
    if board.same_people:
        parts.append(
            "The people of the test are in training as well: this says nothing about people never "
            "seen."
        )
    return " ".join(parts)


def population(board: Board, min_people: int = breakdown.MIN_PEOPLE) -> str:
    """What is known of the people, in one sentence."""
    known = []
    for key in breakdown.GROUPS:
        values = [breakdown.attribute(board.people.get(s, {}), key) for s in board.subjects]
        values = [v for v in values if v not in (None, "")]
        if not values:
            continue
        groups = Counter(breakdown.group_of(key, v) for v in values)
        told = ", ".join(f"{v} {n}" for v, n in sorted(groups.items()) if n >= min_people)
        known.append(f"{key} known of {len(values)}" + (f" ({told})" if told else ""))
    return (
        f"Population: {'; '.join(known)}."
        if known
        else "Population: nothing is known of the people but their number."
    )


def findings(board: Board) -> list[str]:
    """What the table says, in sentences that cannot be more certain than its intervals."""
    found = []
    name = TITLES[board.metric]
    for line in board.lines:
        if line.paired is None:
            continue
        p = line.paired
        direction = "above" if p.ci[0] > 0 else "below" if p.ci[1] < 0 else "not told apart from"
        found.append(
            f"{line.name}: {signed(p.mean)} {name} per person [{signed(p.ci[0], 2)}, "
            f"{signed(p.ci[1], 2)}], "
            f"{direction} no adaptation (p {_equals(p.p_sign_flip)}, after Holm "
            f"{p_value(line.p_holm)}); "
            f"{p.n_harmed} of {p.n_people} people are harmed ({percent(p.share_harmed)}, "
            f"interval {percent(p.harmed_ci[0])} to {percent(p.harmed_ci[1])})."
        )
    shortcuts = [line for line in board.lines if line.kind == "shortcut"]
    if shortcuts:
        best = max(shortcuts, key=lambda line: line.figures["macro_f1"])
        above = [x for x in board.lines if x.above and x.above[best.name]["macro_f1"][1] > 0]
        # Two classes called at random have a higher macro-F1 than one class called always; an AUC
        # has no such gift.
        guess = [x for x in above if not _orders_better(x)]
        skilled = [x.name for x in above if x not in guess]
        found.append(
            f"Strongest shortcut: {best.name}, macro-F1 {number(best.figures['macro_f1'])}. "
            "Clearly "
            "above it, and "
            f"above every shortcut in AUC: {', '.join(skilled) if skilled else 'nothing'}."
        )
        if guess:
            found.append(
                f"Above it in macro-F1 alone, which calling both classes at random may also give: "
                f"{', '.join(x.name for x in guess)}."
            )
    else:
        found.append(
            "No shortcut row could be made; without one, no figure here can be called skill."
        )
    found += [f"{one.name}: {one.words().rstrip('.')}." for one in board.refused]
    flagged = [x.name for x in board.lines if x.constant and x.kind != "shortcut"]
    if flagged:
        found.append(
            "On the curve of constant predictors, so no sign of telling the classes apart: "
            f"{', '.join(flagged)}."
        )
    n = len(board.subjects)
    if n < 8:
        found.append(
            f"{n} people cannot give a p under {2 ** (1 - n):.3g}, whatever a method does."
        )
    return found


def _orders_better(line: Line) -> bool:
    """Whether its AUC is above that of every shortcut (lower bound over resampled people), where
    there is an AUC.
    """
    return all(not found["auc"][1] <= 0 for found in (line.above or {}).values())


def _equals(p: float) -> str:
    return p_value(p) if p < 0.001 else f"= {p_value(p)}"


def ordered(board: Board) -> list[tuple[str, list[Line]]]:
    def value(line: Line) -> float:
        return -line.figures["macro_f1"]

    parts = {
        "Methods": sorted((x for x in board.lines if x.kind == "method"), key=value),
        "Without adaptation": sorted((x for x in board.lines if x.kind == "base"), key=value),
        "Shortcuts, fitted on training people: what can be had without looking at the person": [
            x for x in board.lines if x.kind == "shortcut"
        ],
    }
    return [(title, lines) for title, lines in parts.items() if lines]


def _remarks(line: Line) -> str:
    found = [line.constant] if line.constant else []
    if line.n_one_class and not line.constant:
        found.append(f"{line.n_one_class} of {len(line.per_person)} people are told one class only")
    if line.coverage < 1:
        found.append(f"{percent(1 - line.coverage)} not measured")
    return ("\n" + ("!" if line.constant else "") + "; ".join(found)) if found else ""


def main_table(board: Board) -> Table:
    """The leaderboard itself."""
    name = TITLES[board.metric]
    head = (
        "",
        "saw before the stream",
        "macro-F1",
        "WAR",
        "UAR",
        "AUC",
        "AUC within question",
        f"{name} per person",
        "sd of people (worst decile)",
        "gain per person",
        "p (Holm)",
        "effect d_z",
        "harmed",
        "time to begin (per window)",
        "memory",
    )
    rows: list[tuple[str, ...]] = []
    for title, lines in ordered(board):
        rows.append((title,))
        for x in lines:
            p, step = x.paired, x.seconds.get("step", math.nan)
            rows.append(
                (
                    x.name + _remarks(x),
                    x.saw,
                    *(
                        _with(x.figures[m], x.intervals[m])
                        for m in ("macro_f1", "war", "uar", "auc", "within_question_auc")
                    ),
                    _with(x.person_mean, x.person_ci),
                    f"{number(x.person_sd)}\n({number(x.worst)})",
                    _gain(p.mean, p.ci) if p else "—",
                    f"{p_value(p.p_sign_flip)}\n({p_value(x.p_holm)})" if p else "—",
                    signed(p.d_z, 2) if p else "—",
                    f"{percent(p.share_harmed)}\n[{percent(p.harmed_ci[0])}, "
                    f"{percent(p.harmed_ci[1])}]"
                    if p
                    else "—",
                    f"{seconds(x.seconds.get('begin', math.nan))}\n({seconds(step)})"
                    if math.isfinite(step)
                    else "—",
                    f"{x.peak_mb:.0f} MB" if math.isfinite(x.peak_mb) else "—",
                )
            )
    if board.refused:
        rows.append(("Asked for, and refused",))
        for one in board.refused:
            rows.append((f"{one.name}\n!{one.words()}", *("—" for _ in head[1:])))
    there = [k for k in range(len(head)) if k < 9 or any(len(r) > 1 and r[k] != "—" for r in rows)]
    return Table(
        tuple(head[k] for k in there),
        tuple(tuple(r[k] for k in there) if len(r) > 1 else r for r in rows),
        f"Level: {LEVELS[board.level]}. Square brackets: 95 % interval over people. Gain: person "
        "by "
        "person against no "
        "adaptation with the same model; p by sign flips, in round brackets adjusted for the "
        "number "
        "of methods.",
        ("saw before the stream",),
    )


def metric_table(board: Board) -> Table:
    names = ["weighted_f1", "uar", "ap", "ap_bah", "ece", "brier"]
    f1s = [f"f1_{k}" for k in range(len(board.task.classes))]
    head = ("", *(f"F1 {c}" for c in board.task.classes), *(TITLES[m] for m in names))
    rows: list[tuple[str, ...]] = []
    for title, lines in ordered(board):
        rows.append((title,))
        rows += [
            (x.name, *(_with(x.figures[m], x.intervals[m]) for m in (*f1s, *names))) for x in lines
        ]
    return Table(
        head,
        tuple(rows),
        "ECE and Brier: less is better; resampling inflates ECE, so its interval can lie above its "
        "value. AP as "
        "scikit-learn, and as the BAH code has it (a constant score gets half the prevalence "
        "there, "
        "and 1 gets 0).",
    )


def shortcut_table(board: Board) -> Table | None:
    shortcuts = [
        x for x in board.lines if x.kind == "shortcut" and x.name != baselines.WORDS["constant"]
    ]
    lines = [x for _, part in ordered(board) for x in part if x.above]
    if not shortcuts or not lines:
        return None
    kept = [("macro_f1", s) for s in shortcuts]
    kept += [
        ("within_question_auc", s) for s in shortcuts if s.name != baselines.WORDS["prevalence"]
    ]
    head = ("", *(f"{TITLES[m]} − {s.name.split(' (')[0]}" for m, s in kept))
    rows = tuple(
        (x.name, *(_gain(x.above[s.name][m][0], x.above[s.name][m][1:]) for m, s in kept))
        for x in lines
    )
    return Table(
        head,
        rows,
        "Differences over the same resamples of people. Skill is what is left above zero.",
    )


def pair_table(board: Board) -> Table | None:
    """Every method against every other on the same people."""
    found = against_each_other(board)
    if not found:
        return None
    rows = []
    for e in found:
        p = e["paired"]
        rows.append(
            (
                f"{e['a']} − {e['b']}",
                _gain(p.mean, p.ci),
                p_value(p.p_sign_flip),
                p_value(e["p_holm"]),
                p_value(p.p_wilcoxon),
                signed(p.d_z, 2),
                signed(p.rank_biserial, 2),
                f"{p.n_helped} / {p.n_people - p.n_helped - p.n_harmed} / {p.n_harmed}",
            )
        )
    head = (
        "",
        f"{TITLES[board.metric]} per person",
        "p, sign flips",
        "p, Holm",
        "p, Wilcoxon",
        "d_z",
        "rank-biserial",
        "people better / same / worse",
    )
    note = (
        f"Person by person, mean over seeds first; better and worse by more than {people.HARM:g}."
    )
    return Table(head, tuple(rows), note)


def group_blocks(
    board: Board, entries: Sequence[Mapping[str, Any]], min_people: int
) -> list[Block]:
    """``entries`` are those of :func:`twomind.evaluation.breakdown.subgroups`."""
    if not entries:
        return [
            Text("Groups of people", "h3"),
            Text("The data set says nothing about sex, age, ethnicity or language."),
        ]
    lines = [x for _, part in ordered(board) for x in part if x.name != baselines.WORDS["constant"]]
    head = ("", "people", *(f"macro-F1, {x.name}" for x in lines))
    rows: list[tuple[str, ...]] = []
    for e in entries:
        name = f"{e['group']}: {e['value']}"
        if "suppressed" in e:
            rows.append((name, e["suppressed"], *("suppressed" for _ in lines)))
        else:
            rows.append(
                (
                    name,
                    str(e["n_people"]),
                    *(
                        _with(e["lines"][x.name]["macro_f1"][0], e["lines"][x.name]["macro_f1"][1:])
                        for x in lines
                    ),
                )
            )
    note = (
        f"Groups of fewer than {min_people} people are suppressed. With few people, intervals this "
        "wide show no "
        "difference between groups, and no sameness."
    )
    return [Text("Groups of people", "h3"), Table(head, tuple(rows), note, ("people",))]


def _frames_of(line: Line, board: Board) -> tuple[Line, str | None]:
    """Whose runs hold a line's moments, and under which name they stand beside the others' there
    (None: its own).
    """
    if line.runs:
        return line, None
    key = next(k for k, words in baselines.WORDS.items() if line.name.split(" · ")[0] == words)
    model = line.name.partition(" · ")[2]
    others = [x for x in board.lines if x.runs and (not model or x.runs[0].model == model)]
    return max(others, key=lambda x: len(x.runs), default=line), key


def moment_blocks(board: Board, results: dict[str, Any]) -> list[Block]:
    rows: list[tuple[str, ...]] = []
    for title, lines in ordered(board):
        rows.append((title,))
        for x in lines:
            found = breakdown.moments(*_frames_of(x, board))
            if found:
                results[x.name] = found
                rows.append(
                    (
                        x.name,
                        _with(found["event_f1"], found["event_f1_ci"]),
                        number(found["boundary_error_s"], 2),
                        signed(found["boundary_lag_s"], 2),
                        percent(found["boundaries_missed"])
                        if math.isfinite(found["boundaries_missed"])
                        else "—",
                        number(found["flips_per_minute"], 1),
                        number(found["true_flips_per_minute"], 1),
                        number(found["segment_macro_f1"]),
                        number(found["segment_auc"]),
                    )
                )
    if all(len(r) == 1 for r in rows):
        return []
    head = (
        "",
        f"event F1 (±{timeline.TOLERANCE_S:g} s)",
        "boundary error, s",
        "boundary lag, s",
        "boundaries missed",
        "changes / min",
        "coders' changes / min",
        "segment macro-F1",
        "segment AUC",
    )
    note = (
        "Events: stretches of the last class; one is found when onset and offset are both within "
        "the tolerance. "
        "Boundary error: mean absolute, of events that overlap. Lag: median of the nearest same "
        "change within "
        f"{timeline.MAX_LAG_S:g} s, positive is late. Segments: stretches that coders gave one "
        "label."
    )
    return [Text("Moments: events, boundaries, stability", "h3"), Table(head, tuple(rows), note)]


def made_table(board: Board) -> Table:
    rows = []
    for x in board.lines:
        if not x.runs:
            continue
        r = x.runs[0]
        seen = "; ".join(
            f"{k}: {v['recordings']} recording(s), {v['windows']} windows"
            if isinstance(v, Mapping) and "windows" in v
            else f"{k}"
            for k, v in r.seen.items()
        )
        commits = sorted(
            {
                str(y.git.get("commit", ""))[:10] + ("+changes" if y.git.get("changed") else "")
                for y in x.runs
            }
        )
        rows.append(
            (
                x.name,
                r.model,
                json.dumps(dict(r.config)) if r.config else "none",
                seen or "nothing",
                r.reset,
                ", ".join(commits) or "not known",
                f"twomind {r.versions.get('twomind', '?')}, numpy {r.versions.get('numpy', '?')}",
                ", ".join(sorted({y.fingerprint[:10] for y in x.runs})[:3])
                + (" …" if len({y.fingerprint for y in x.runs}) > 3 else ""),
            )
        )
    head = (
        "",
        "model",
        "settings",
        "handed over (first fold)",
        "state starts anew",
        "commit",
        "versions",
        "data",
    )
    return Table(head, tuple(rows), words=head[1:])
