"""Tables and sentences of a leaderboard: what stands in them, and no more certain than their
intervals.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from twomind.evaluation import baselines, breakdown, people, timeline
from twomind.evaluation.board import Board, Line, against_each_other
from twomind.evaluation.merging import THIS_LABORATORY
from twomind.reporting.messages import ENGLISH, Texts
from twomind.reporting.page import Block, Table, Text
from twomind.reporting.result import Plain, Values
from twomind.types import Run

#: What stands where there is no number.
DASH = "—"

#: What a level counts, by the key of its name.
LEVELS = {"recording": "recordings", "window": "windows", "frame": "moments"}
#: Parts of a table by the kind of line, by the key of the title.
_PARTS = {"method": "board.methods", "base": "board.base", "shortcut": "board.shortcuts"}
#: With fewer people than this nothing is called above anything.
MIN_TO_JUDGE = 10
#: Columns of the main table.
_MAIN_FIGURES = ("macro_f1", "war", "uar", "auc", "within_question_auc")
_ABOUT_PEOPLE = ("worst", "gain", "p_holm", "effect", "harmed", "time", "memory")


def number(value: float, digits: int = 3) -> str:
    """For a table; a dash where there is no number."""
    return f"{value:.{digits}f}" if math.isfinite(value) else DASH


def signed(value: float, digits: int = 3) -> str:
    if not math.isfinite(value):
        return DASH
    return f"{value:+.{digits}f}".replace("-", "−")


def _known(interval: Sequence[float]) -> bool:
    return all(map(math.isfinite, interval))


def with_interval(value: float, ci: Sequence[float]) -> str:
    """A figure with its interval below."""
    text = number(value)
    if _known(ci):
        low, high = ci
        text += f"\n[{low:.2f}, {high:.2f}]"
    return text


def with_gain(value: float, ci: Sequence[float]) -> str:
    """A difference with its interval below."""
    if not math.isfinite(value):
        return DASH
    text = signed(value)
    if _known(ci):
        low, high = ci
        text += f"\n[{signed(low, 2)}, {signed(high, 2)}]"
    return text


def p_value(p: float) -> str:
    if not math.isfinite(p):
        return DASH
    return "< .001" if p < 0.001 else f"{p:.3f}"


def seconds(value: float) -> str:
    """A duration with two digits that count."""
    if not math.isfinite(value):
        return DASH
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        scaled = value * factor
        if scaled >= 1 or unit == "µs":
            digits = f"{scaled:.2g}" if scaled < 100 else f"{scaled:.0f}"
            return f"{digits} {unit}"
    return DASH


def metric_name(metric: str, t: Texts = ENGLISH) -> str:
    """What a metric is called."""
    return t.name("metric", metric)


def counted_as(level: str, t: Texts = ENGLISH) -> str:
    """What a level counts: recordings, windows or moments."""
    return t.name("level", LEVELS[level])


def shown_name(name: str, t: Texts = ENGLISH) -> str:
    """A line's name as a page shows it: methods as they are, shortcuts in words."""
    return t.said(name)


def about(board: Board, t: Texts = ENGLISH) -> str:
    """What was judged: how many rows of how many people, at which rates."""
    classes = zip(board.task.classes, board.rates, strict=True)
    shares = [f"{t.percent(rate)} {name}" for name, rate in classes]
    n_seeds = len(board.seeds)
    seeds = t("board.seeds", n=n_seeds)
    if n_seeds <= 1:
        seeds = t("board.seed", seed=board.seeds[0])
    told = {"dataset": board.dataset, "protocol": board.protocol, "rates": ", ".join(shares)}
    told["rows"] = t("board.coded", n=board.n_rows, what=counted_as(board.level, t))
    told["folds"] = t("board.folds", n=board.n_folds)
    said = t("board.about", n=len(board.subjects), seeds=seeds, **told)
    if board.same_people:
        said += f" {t('board.same_people')}"
    return said


def population(board: Board, min_people: int = breakdown.MIN_PEOPLE, t: Texts = ENGLISH) -> str:
    """What is known of the people, in one sentence.

    Args:
        board: whose people.
        min_people: smaller groups are not named.
        t: texts of the page's language.
    """
    known = []
    for key in breakdown.GROUPS:
        people = [
            subject
            for subject in board.subjects
            if breakdown.attribute(board.people.get(subject, {}), key) not in (None, "")
        ]
        if not people:
            continue
        large = []
        for group, own in breakdown.members(key, people, board.people).items():
            if len(own) >= min_people:
                large.append(f"{group} {len(own)}")
        said = t("board.known_of", key=t.name("attribute", key), n=len(people))
        if large:
            said += f" ({', '.join(large)})"
        known.append(said)
    if not known:
        return t("board.population_none")
    joint = t("page.joint")
    return t("board.population", known=joint.join(known))


def findings(board: Board, t: Texts = ENGLISH) -> list[str]:
    """What the table says, in sentences that cannot be more certain than its intervals."""
    found = []
    for line in board.lines:
        if line.paired is not None:
            judged = len(board.subjects) >= MIN_TO_JUDGE
            direction = _direction(line.paired, judged)
            found.append(_against_none(board, line, line.paired, direction, t))
    found += _against_shortcuts(board, t)
    for one in board.refused:
        why = t.said(one.words()).rstrip(".")
        refused = t("page.labelled", name=one.name, text=why)
        found.append(f"{refused}.")
    tried = [line for line in board.lines if line.kind != "shortcut"]
    flagged = [line.name for line in tried if line.constant]
    if flagged:
        found.append(t("board.constants", names=", ".join(flagged)))
    n = len(board.subjects)
    if n < 8:
        smallest = 2 ** (1 - n)
        found.append(t("board.smallest_p", n=n, p=f"{smallest:.3g}"))
    return found


def _direction(paired: people.Paired, judged: bool) -> str:
    """Which way a gain goes; ``judged``: there are people enough to say which is better."""
    low, high = paired.ci
    if not judged:
        return "too_few"
    if low > 0:
        return "above"
    return "below" if high < 0 else "not_apart"


def _against_none(board: Board, line: Line, paired: people.Paired, direction: str, t: Texts) -> str:
    """What a method changes against no adaptation."""
    low, high = paired.ci
    interval = f"[{signed(low, 2)}, {signed(high, 2)}]"
    figure = t("board.per_person", metric=metric_name(board.metric, t))
    least, most = paired.harmed_ci
    told: dict[str, str] = {"name": line.name}
    told["direction"] = t(f"board.{direction}")
    told["gain"] = f"{signed(paired.mean)} {figure} {interval}"
    told["p"] = _equals(paired.p_sign_flip)
    told["holm"] = p_value(line.p_holm)
    told["all"] = str(paired.n_people)
    told["share"] = t.percent(paired.share_harmed)
    told["least"] = t.percent(least)
    told["most"] = t.percent(most)
    return t("board.against_none", n=paired.n_harmed, **told)


def _against_shortcuts(board: Board, t: Texts) -> list[str]:
    """What is clearly better than the strongest shortcut."""
    shortcuts = [line for line in board.lines if line.kind == "shortcut"]
    if not shortcuts:
        return [t("board.no_shortcut")]
    best = max(shortcuts, key=lambda line: line.figures["macro_f1"])
    about_best = {"name": shown_name(best.name, t), "height": number(best.figures["macro_f1"])}
    n_people = len(board.subjects)
    if n_people < MIN_TO_JUDGE:
        return [t("board.shortcut_few", n=n_people, **about_best)]
    # Two classes called at random have a higher macro-F1 than one class called always; an AUC has
    # no such gift.
    skilled = []
    guess = []
    for line in board.lines:
        if not _is_above(line, best):
            continue
        if _orders_better(line):
            skilled.append(line.name)
        else:
            guess.append(line.name)
    skilled_names = ", ".join(skilled) or t("board.nothing")
    found = [t("board.shortcut_above", names=skilled_names, **about_best)]
    if guess:
        found.append(t("board.shortcut_guess", names=", ".join(guess)))
    return found


def _is_above(line: Line, shortcut: Line) -> bool:
    """Is its macro-F1 clearly above that of a shortcut?"""
    if not line.above:
        return False
    _, low, *_ = line.above[shortcut.name]["macro_f1"]
    return bool(low > 0)


def _orders_better(line: Line) -> bool:
    """Whether its AUC is above that of every shortcut (lower bound over resampled people), where
    there is an AUC.
    """
    above = line.above or {}
    return all(not found["auc"][1] <= 0 for found in above.values())


def _equals(p: float) -> str:
    return p_value(p) if p < 0.001 else f"= {p_value(p)}"


def ordered(board: Board, t: Texts = ENGLISH) -> list[tuple[str, list[Line]]]:
    """The lines of a table in its parts, the best first; shortcuts as they come."""
    by_kind: dict[str, list[Line]] = {kind: [] for kind in _PARTS}
    for line in board.lines:
        by_kind.setdefault(line.kind, []).append(line)
    for kind in ("method", "base"):
        by_kind[kind].sort(key=lambda line: -line.figures["macro_f1"])
    parts = [(t(title), by_kind[kind]) for kind, title in _PARTS.items()]
    return [(title, lines) for title, lines in parts if lines]


def in_order(board: Board) -> list[Line]:
    """The lines of :func:`ordered` without its parts."""
    return [line for _, lines in ordered(board) for line in lines]


def _remarks(line: Line, t: Texts) -> str:
    found = []
    if line.constant:
        found.append(t.said(line.constant))
    elif line.n_one_class:
        n_people = len(line.per_person)
        found.append(t("board.one_class", n=line.n_one_class, all=n_people))
    if line.coverage < 1:
        share = t.percent(1 - line.coverage)
        found.append(t("board.share_not_measured", share=share))
    if not found:
        return ""
    flag = "!" if line.constant else ""
    joint = t("page.joint")
    remarks = joint.join(found)
    return f"\n{flag}{remarks}"


def line_name(line: Line, t: Texts = ENGLISH) -> str:
    """The name of a line with what is to be said of it below."""
    return shown_name(line.name, t) + _remarks(line, t)


def refused_rows(board: Board, width: int, t: Texts = ENGLISH) -> list[tuple[str, ...]]:
    """The rows of methods that were asked for and refused, under their heading.

    Args:
        board: of the page.
        width: columns of the table.
        t: texts of the page's language.
    """
    rows: list[tuple[str, ...]] = []
    if board.refused:
        rows.append((t("board.refused"),))
    for one in board.refused:
        dashes = [DASH] * (width - 1)
        why = t.said(one.words())
        rows.append((f"{one.name}\n!{why}", *dashes))
    return rows


def main_table(board: Board, t: Texts = ENGLISH) -> Table:
    """The leaderboard with every column."""
    saw = t("board.saw")
    per_person = t("board.per_person", metric=metric_name(board.metric, t))
    figures = [metric_name(metric, t) for metric in _MAIN_FIGURES]
    about_people = [t(f"board.{key}") for key in _ABOUT_PEOPLE]
    about_line = ("", saw, *figures)
    head = (*about_line, per_person, *about_people)
    rows: list[tuple[str, ...]] = []
    for title, lines in ordered(board, t):
        rows.append((title,))
        rows += [_main_row(line, t) for line in lines]
    rows += refused_rows(board, len(head), t)
    head, rows = _without_empty(head, rows, n_kept=len(about_line) + 2)
    note = t("board.level", level=counted_as(board.level, t))
    return Table(head, tuple(rows), note, (saw,))


def _main_row(line: Line, t: Texts) -> tuple[str, ...]:
    figures = _figures(line, _MAIN_FIGURES)
    mean = with_interval(line.person_mean, line.person_ci)
    spread = f"{number(line.person_sd)}\n({number(line.worst)})"
    gain = [DASH] * 4
    if line.paired:
        gain = _gain_cells(line.paired, line.p_holm, t)
    memory = f"{line.peak_mb:.0f} MB" if math.isfinite(line.peak_mb) else DASH
    name = line_name(line, t)
    cells = [name, t.said(line.saw), *figures]
    cells += [mean, spread, *gain]
    cells += [_times(line), memory]
    return tuple(cells)


def _figures(line: Line, metrics: Sequence[str]) -> list[str]:
    """Figures of a line with their intervals."""
    cells = []
    for metric in metrics:
        cells.append(with_interval(line.figures[metric], line.intervals[metric]))
    return cells


def _gain_cells(paired: people.Paired, p_holm: float, t: Texts) -> list[str]:
    """Gain, p, effect and harm against no adaptation."""
    gain = with_gain(paired.mean, paired.ci)
    p = f"{p_value(paired.p_sign_flip)}\n({p_value(p_holm)})"
    effect = signed(paired.d_z, 2)
    return [gain, p, effect, share_harmed(paired, t)]


def share_harmed(paired: people.Paired, t: Texts) -> str:
    """The share of the people who are harmed, with its interval below."""
    least, most = paired.harmed_ci
    interval = f"[{t.percent(least)}, {t.percent(most)}]"
    return f"{t.percent(paired.share_harmed)}\n{interval}"


#: Head and rows of a table.
_Rows = list[tuple[str, ...]]


def _times(line: Line) -> str:
    """Time to begin, and of a window."""
    step_s = line.seconds.get("step", math.nan)
    if not math.isfinite(step_s):
        return DASH
    begin_s = line.seconds.get("begin", math.nan)
    return f"{seconds(begin_s)}\n({seconds(step_s)})"


def _without_empty(
    head: tuple[str, ...], rows: _Rows, n_kept: int
) -> tuple[tuple[str, ...], _Rows]:
    """Leave out columns after the first ``n_kept`` that hold only dashes; titles stay as
    they are.
    """
    full = [row for row in rows if len(row) > 1]
    there = list(range(n_kept))
    for k in range(n_kept, len(head)):
        if any(row[k] != DASH for row in full):
            there.append(k)
    kept = []
    for row in rows:
        if len(row) > 1:
            row = tuple(row[k] for k in there)
        kept.append(row)
    return tuple(head[k] for k in there), kept


def metric_table(board: Board, t: Texts = ENGLISH) -> Table:
    """Further metrics of every line."""
    names = ("weighted_f1", "uar", "ap", "ap_bah", "ece", "brier")
    f1s = [f"f1_{k}" for k in range(len(board.task.classes))]
    f1_titles = [f"F1 {c}" for c in board.task.classes]
    titles = [metric_name(m, t) for m in names]
    rows: list[tuple[str, ...]] = []
    for title, lines in ordered(board, t):
        rows.append((title,))
        for x in lines:
            cells = _figures(x, [*f1s, *names])
            rows.append((shown_name(x.name, t), *cells))
    return Table(("", *f1_titles, *titles), tuple(rows), t("board.ece"))


def shortcut_table(board: Board, t: Texts = ENGLISH) -> Table | None:
    """Every line against every shortcut; None where one of the two is absent."""
    shortcuts = [x.name for x in board.lines if x.kind == "shortcut"]
    shortcuts = [name for name in shortcuts if name != baselines.WORDS["constant"]]
    lines = [x for x in in_order(board) if x.above]
    if not shortcuts or not lines:
        return None
    orders = [name for name in shortcuts if name != baselines.WORDS["prevalence"]]
    kept = [("macro_f1", name) for name in shortcuts]
    kept += [("within_question_auc", name) for name in orders]
    head = [""]
    for metric, name in kept:
        brief, _, _ = shown_name(name, t).partition(" (")
        head.append(f"{metric_name(metric, t)} − {brief}")
    rows = []
    for x in lines:
        cells = []
        for metric, name in kept:
            mean, *interval = x.above[name][metric]
            cells.append(with_gain(mean, interval))
        rows.append((shown_name(x.name, t), *cells))
    return Table(tuple(head), tuple(rows), t("board.differences"))


def pair_table(board: Board, t: Texts = ENGLISH) -> Table | None:
    """Every method against every other on the same people."""
    found = against_each_other(board)
    if not found:
        return None
    head = (
        "",
        t("board.per_person", metric=metric_name(board.metric, t)),
        t("board.p_flips"),
        t("board.p_adjusted"),
        t("board.p_wilcoxon"),
        "d_z",
        t("board.rank_biserial"),
        t("board.better_worse"),
    )
    note = t("board.pairs", harm=f"{people.HARM:g}")
    rows = [_pair_row(pair, t) for pair in found]
    return Table(head, tuple(rows), note)


def _pair_row(pair: Values, t: Texts) -> tuple[str, ...]:
    p = pair["paired"]
    n_same = p.n_people - p.n_helped - p.n_harmed
    first = shown_name(pair["a"], t)
    second = shown_name(pair["b"], t)
    cells = [f"{first} − {second}"]
    cells.append(with_gain(p.mean, p.ci))
    cells.append(p_value(p.p_sign_flip))
    cells.append(p_value(pair["p_holm"]))
    cells.append(p_value(p.p_wilcoxon))
    cells.append(signed(p.d_z, 2))
    cells.append(signed(p.rank_biserial, 2))
    cells.append(f"{p.n_helped} / {n_same} / {p.n_harmed}")
    return tuple(cells)


def group_blocks(
    board: Board, entries: Sequence[Values], min_people: int, t: Texts = ENGLISH
) -> list[Block]:
    """Figures by groups of people.

    Args:
        board: whose lines are shown.
        entries: those of :func:`twomind.evaluation.breakdown.subgroups`.
        min_people: below which a group is suppressed.
        t: texts of the page's language.
    """
    title = Text(t("board.groups"), "h3")
    if not entries:
        return [title, Text(t("board.groups_none"))]
    names = [x.name for x in in_order(board)]
    names = [name for name in names if name != baselines.WORDS["constant"]]
    n_people = t("board.people")
    macro_f1 = metric_name("macro_f1", t)
    figures = [f"{macro_f1}, {shown_name(name, t)}" for name in names]
    head = ("", n_people, t("board.rows"), *figures)
    rows = [_group_row(entry, names, t) for entry in entries]
    note = t("board.groups_small", n=min_people)
    return [title, Table(head, tuple(rows), note, (n_people,))]


def _group_row(entry: Values, names: Sequence[str], t: Texts) -> tuple[str, ...]:
    attribute = t.name("attribute", entry["group"])
    group = t("page.labelled", name=attribute, text=entry["value"])
    if "suppressed" in entry:
        hidden = [t("board.suppressed")] * len(names)
        return (group, t.said(entry["suppressed"]), "–", *hidden)
    cells = []
    for name in names:
        mean, *interval = entry["lines"][name]["macro_f1"]
        cells.append(with_interval(mean, interval))
    return (group, str(entry["n_people"]), str(entry["n"]), *cells)


def _frames_of(line: Line, board: Board) -> tuple[Line, str | None]:
    """Whose runs hold a line's moments, and under which name they stand beside the others' there
    (None: its own).
    """
    if line.runs:
        return line, None
    words, _, model = line.name.partition(" · ")
    keys = {said: key for key, said in baselines.WORDS.items()}
    others = [x for x in board.lines if x.runs]
    if model:
        others = [x for x in others if x.runs[0].model == model]
    most = max(others, key=lambda x: len(x.runs), default=line)
    return most, keys[words]


def moment_blocks(board: Board, results: Plain, t: Texts = ENGLISH) -> list[Block]:
    """The table of events and boundaries.

    Args:
        board: of the page.
        results: what the table is made of goes here, by line.
        t: texts of the page's language.
    """
    rows: list[tuple[str, ...]] = []
    for title, lines in ordered(board, t):
        rows.append((title,))
        for x in lines:
            found = breakdown.moments(*_frames_of(x, board))
            if found:
                results[x.name] = found
                rows.append(_moment_row(shown_name(x.name, t), found, t))
    if all(len(r) == 1 for r in rows):
        return []
    head = (
        "",
        t("board.event_f1", s=f"{timeline.TOLERANCE_S:g}"),
        t("board.boundary_error"),
        t("board.boundary_lag"),
        t("board.boundary_missed"),
        t("board.flips"),
        t("board.true_flips"),
        t("board.segment_f1"),
        t("board.segment_auc"),
    )
    note = t("board.moments_how", s=f"{timeline.MAX_LAG_S:g}")
    return [Text(t("board.moments"), "h3"), Table(head, tuple(rows), note)]


def _moment_row(name: str, found: Values, t: Texts) -> tuple[str, ...]:
    missed = found["boundaries_missed"]
    cells = [name]
    cells.append(with_interval(found["event_f1"], found["event_f1_ci"]))
    cells.append(number(found["boundary_error_s"], 2))
    cells.append(signed(found["boundary_lag_s"], 2))
    cells.append(t.percent(missed) if math.isfinite(missed) else DASH)
    cells.append(number(found["flips_per_minute"], 1))
    cells.append(number(found["true_flips_per_minute"], 1))
    cells.append(number(found["segment_macro_f1"]))
    cells.append(number(found["segment_auc"]))
    return tuple(cells)


#: Columns of the table of how runs were made.
_MADE = ("model", "settings", "handed_over", "reset", "commit", "versions", "data")


def made_table(board: Board, t: Texts = ENGLISH) -> Table:
    """How each line's runs were made."""
    rows = [_made_row(line, t) for line in board.lines if line.runs]
    head = ("", *(t(f"board.{key}") for key in _MADE))
    return Table(head, tuple(rows), words=head[1:])


def _made_row(line: Line, t: Texts) -> tuple[str, ...]:
    first = line.runs[0]
    seen = [_handed_over(what, given, t) for what, given in first.seen.items()]
    settings = json.dumps(dict(first.config)) if first.config else t("board.none")
    commits = sorted({_commit(run) for run in line.runs})
    twomind = first.versions.get("twomind", "?")
    numpy = first.versions.get("numpy", "?")
    cells = [shown_name(line.name, t), first.model, settings]
    joint = t("page.joint")
    cells.append(joint.join(seen) or t("board.nothing"))
    cells.append(t.said(first.reset))
    cells.append(", ".join(commits) or t("board.not_known"))
    cells.append(f"twomind {twomind}, numpy {numpy}")
    cells.append(_data(line))
    return tuple(cells)


def ran_where(board: Board) -> list[Plain]:
    """Which line ran in which laboratory, with how many people; empty where all ran here."""
    found: list[Plain] = []
    for line in board.lines:
        by_place: dict[str, list[Run]] = {}
        for run in line.runs:
            by_place.setdefault(run.place, []).append(run)
        for place, runs in sorted(by_place.items()):
            rows = [run.rows[board.level] for run in runs]
            people_there = {str(name) for one in rows for name in one.subject}
            entry: Plain = {"line": line.name}
            entry["laboratory"] = place or THIS_LABORATORY
            entry["n_people"] = len(people_there)
            coded = [one.y >= 0 for one in rows]
            entry["n_rows"] = sum(int(known.sum()) for known in coded)
            entry["seeds"] = sorted({run.seed for run in runs})
            entry["twomind"] = runs[0].versions.get("twomind", "?")
            entry["device"] = runs[0].versions.get("device", "?")
            entry["data"] = sorted({run.fingerprint[:10] for run in runs})
            found.append(entry)
    places = {entry["laboratory"] for entry in found}
    elsewhere = places - {THIS_LABORATORY}
    return found if elsewhere else []


def place_blocks(entries: Sequence[Plain], t: Texts = ENGLISH) -> list[Block]:
    """The table of :func:`ran_where`."""
    if not entries:
        return []
    counted = (t("board.people"), t("board.rows"))
    made_of = (t("board.seeds_head"), "twomind", t("board.device"), t("board.data"))
    head = ("", t("board.laboratory"), *counted, *made_of)
    rows = []
    for entry in entries:
        seeds = ", ".join(str(seed) for seed in entry["seeds"])
        counts = (str(entry["n_people"]), str(entry["n_rows"]), seeds)
        data = ", ".join(entry["data"][:3])
        made = (entry["twomind"], entry["device"], data)
        where = t.said(entry["laboratory"])
        name = shown_name(entry["line"], t)
        rows.append((name, where, *counts, *made))
    table = Table(head, tuple(rows), t("board.places_how"), words=head[4:])
    return [Text(t("board.places"), "h3"), table]


def _data(line: Line) -> str:
    """The beginnings of the fingerprints of the data, three at most."""
    fingerprints = {run.fingerprint for run in line.runs}
    brief = sorted({fingerprint[:10] for fingerprint in fingerprints})
    more = " …" if len(fingerprints) > 3 else ""
    return ", ".join(brief[:3]) + more


def _handed_over(what: str, seen: Any, t: Texts) -> str:
    if isinstance(seen, Mapping) and "windows" in seen:
        n = seen["windows"]
        recordings = t.count(seen["recordings"], "recording")
        return t("board.windows", what=t.said(what), recordings=recordings, n=n)
    return t.said(what)


def _commit(run: Run) -> str:
    changes = "+changes" if run.git.get("changed") else ""
    return str(run.git.get("commit", ""))[:10] + changes
