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
from twomind.evaluation.merging import THIS_LABORATORY
from twomind.reporting.page import Block, Table, Text
from twomind.reporting.result import Plain, Values
from twomind.types import Run

#: What stands where there is no number.
DASH = "—"

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
#: Parts of a table by the kind of line.
_PARTS = {
    "method": "Methods",
    "base": "Without adaptation",
    "shortcut": "Shortcuts, fitted on training people: what can be had without looking at the "
    "person",
}
#: With fewer people than this nothing is called above anything.
MIN_TO_JUDGE = 10
#: Columns of the main table.
_MAIN_FIGURES = ("macro_f1", "war", "uar", "auc", "within_question_auc")
_ABOUT_LINE = ("", "saw before the stream", *(TITLES[m] for m in _MAIN_FIGURES))
_ABOUT_PEOPLE = (
    "sd of people (worst decile)",
    "gain per person",
    "p (Holm)",
    "effect d_z",
    "harmed",
    "time to begin (per window)",
    "memory",
)


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


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


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


def about(board: Board) -> str:
    classes = zip(board.task.classes, board.rates, strict=True)
    shares = [f"{percent(rate)} {name}" for name, rate in classes]
    rates = ", ".join(shares)
    n_seeds = len(board.seeds)
    seeds = f"{n_seeds} seeds, figures are their mean"
    if n_seeds <= 1:
        seeds = f"seed {board.seeds[0]}"
    n_people = len(board.subjects)
    rows = f"{board.n_rows} coded {LEVELS[board.level]} of {n_people} people"
    plural = "s" if board.n_folds > 1 else ""
    folds = f"{board.n_folds} fold{plural}"
    what = f"{board.dataset}, protocol {board.protocol}"
    said = f"{what}: {rows} in {folds} ({rates}); {seeds}."
    if board.same_people:
        said += (
            " The people of the test are in training as well: this says nothing about people never "
            "seen."
        )
    return said


def population(board: Board, min_people: int = breakdown.MIN_PEOPLE) -> str:
    """What is known of the people, in one sentence."""
    known = []
    for key in breakdown.GROUPS:
        values = []
        for subject in board.subjects:
            value = breakdown.attribute(board.people.get(subject, {}), key)
            if value not in (None, ""):
                values.append(value)
        if not values:
            continue
        sizes = Counter(breakdown.group_of(key, v) for v in values)
        large = []
        for group, n in sorted(sizes.items()):
            if n >= min_people:
                large.append(f"{group} {n}")
        said = f"{key} known of {len(values)}"
        if large:
            said += f" ({', '.join(large)})"
        known.append(said)
    if not known:
        return "Population: nothing is known of the people but their number."
    return f"Population: {'; '.join(known)}."


def findings(board: Board) -> list[str]:
    """What the table says, in sentences that cannot be more certain than its intervals."""
    found = []
    for line in board.lines:
        if line.paired is not None:
            judged = len(board.subjects) >= MIN_TO_JUDGE
            found.append(_against_none(line, line.paired, TITLES[board.metric], judged))
    found += _against_shortcuts(board)
    for one in board.refused:
        found.append(f"{one.name}: {one.words().rstrip('.')}.")
    flagged = [x.name for x in board.lines if x.constant and x.kind != "shortcut"]
    if flagged:
        found.append(
            "On the curve of constant predictors, so no sign of telling the classes apart: "
            f"{', '.join(flagged)}."
        )
    n = len(board.subjects)
    if n < 8:
        smallest = 2 ** (1 - n)
        found.append(f"{n} people cannot give a p under {smallest:.3g}, whatever a method does.")
    return found


def _against_none(line: Line, paired: people.Paired, figure: str, judged: bool) -> str:
    """What a method changes against no adaptation; ``judged``: there are people enough to say
    which is better.
    """
    low, high = paired.ci
    if not judged:
        direction = "with too few people to judge, against"
    elif low > 0:
        direction = "above"
    elif high < 0:
        direction = "below"
    else:
        direction = "not told apart from"
    interval = f"[{signed(low, 2)}, {signed(high, 2)}]"
    gain = f"{signed(paired.mean)} {figure} per person {interval}"
    own_p = _equals(paired.p_sign_flip)
    p = f"p {own_p}, after Holm {p_value(line.p_holm)}"
    n_harmed = f"{paired.n_harmed} of {paired.n_people} people are harmed"
    least, most = paired.harmed_ci
    interval_of_share = f"interval {percent(least)} to {percent(most)}"
    share = f"{percent(paired.share_harmed)}, {interval_of_share}"
    return f"{line.name}: {gain}, {direction} no adaptation ({p}); {n_harmed} ({share})."


def _against_shortcuts(board: Board) -> list[str]:
    """What is clearly better than the strongest shortcut."""
    shortcuts = [line for line in board.lines if line.kind == "shortcut"]
    if not shortcuts:
        return ["No shortcut row could be made; without one, no figure here can be called skill."]
    best = max(shortcuts, key=lambda line: line.figures["macro_f1"])
    n_people = len(board.subjects)
    if n_people < MIN_TO_JUDGE:
        height = number(best.figures["macro_f1"])
        return [
            f"Strongest shortcut: {best.name}, macro-F1 {height}. With {n_people} people nothing is "
            "called above it."
        ]
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
    height = number(best.figures["macro_f1"])
    skilled_names = ", ".join(skilled) or "nothing"
    found = [
        f"Strongest shortcut: {best.name}, macro-F1 {height}. Clearly above it, and above every "
        f"shortcut in AUC: {skilled_names}."
    ]
    if guess:
        found.append(
            "Above it in macro-F1 alone, which calling both classes at random may also give: "
            f"{', '.join(guess)}."
        )
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


def ordered(board: Board) -> list[tuple[str, list[Line]]]:
    """The lines of a table in its parts, the best first; shortcuts as they come."""
    by_kind: dict[str, list[Line]] = {"method": [], "base": [], "shortcut": []}
    for line in board.lines:
        by_kind.setdefault(line.kind, []).append(line)
    for kind in ("method", "base"):
        by_kind[kind].sort(key=lambda line: -line.figures["macro_f1"])
    parts = [(title, by_kind[kind]) for kind, title in _PARTS.items()]
    return [(title, lines) for title, lines in parts if lines]


def in_order(board: Board) -> list[Line]:
    """The lines of :func:`ordered` without its parts."""
    return [line for _, lines in ordered(board) for line in lines]


def _remarks(line: Line) -> str:
    found = []
    if line.constant:
        found.append(line.constant)
    elif line.n_one_class:
        found.append(f"{line.n_one_class} of {len(line.per_person)} people are told one class only")
    if line.coverage < 1:
        found.append(f"{percent(1 - line.coverage)} not measured")
    if not found:
        return ""
    flag = "!" if line.constant else ""
    return f"\n{flag}{'; '.join(found)}"


def line_name(line: Line) -> str:
    """The name of a line with what is to be said of it below."""
    return line.name + _remarks(line)


def main_table(board: Board) -> Table:
    """The leaderboard with every column."""
    head = (*_ABOUT_LINE, f"{TITLES[board.metric]} per person", *_ABOUT_PEOPLE)
    rows: list[tuple[str, ...]] = []
    for title, lines in ordered(board):
        rows.append((title,))
        rows += [_main_row(line) for line in lines]
    if board.refused:
        rows.append(("Asked for, and refused",))
    for one in board.refused:
        name = f"{one.name}\n!{one.words()}"
        dashes = [DASH] * (len(head) - 1)
        rows.append((name, *dashes))
    head, rows = _without_empty(head, rows, n_kept=len(_ABOUT_LINE) + 2)
    note = (
        f"Level: {LEVELS[board.level]}. Square brackets: 95 % interval over people. Gain: person "
        "by person against no adaptation with the same model; p by sign flips, in round brackets "
        "adjusted for the number of methods."
    )
    return Table(head, tuple(rows), note, ("saw before the stream",))


def _main_row(line: Line) -> tuple[str, ...]:
    figures = _figures(line, _MAIN_FIGURES)
    mean = with_interval(line.person_mean, line.person_ci)
    spread = f"{number(line.person_sd)}\n({number(line.worst)})"
    gain = [DASH] * 4
    if line.paired:
        gain = _gain_cells(line.paired, line.p_holm)
    memory = f"{line.peak_mb:.0f} MB" if math.isfinite(line.peak_mb) else DASH
    name = line_name(line)
    cells = [name, line.saw, *figures]
    cells += [mean, spread, *gain]
    cells += [_times(line), memory]
    return tuple(cells)


def _figures(line: Line, metrics: Sequence[str]) -> list[str]:
    """Figures of a line with their intervals."""
    cells = []
    for metric in metrics:
        cells.append(with_interval(line.figures[metric], line.intervals[metric]))
    return cells


def _gain_cells(paired: people.Paired, p_holm: float) -> list[str]:
    """Gain, p, effect and harm against no adaptation."""
    least, most = paired.harmed_ci
    gain = with_gain(paired.mean, paired.ci)
    p = f"{p_value(paired.p_sign_flip)}\n({p_value(p_holm)})"
    effect = signed(paired.d_z, 2)
    harmed = f"{percent(paired.share_harmed)}\n[{percent(least)}, {percent(most)}]"
    return [gain, p, effect, harmed]


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


def metric_table(board: Board) -> Table:
    names = ("weighted_f1", "uar", "ap", "ap_bah", "ece", "brier")
    f1s = [f"f1_{k}" for k in range(len(board.task.classes))]
    f1_titles = [f"F1 {c}" for c in board.task.classes]
    titles = [TITLES[m] for m in names]
    rows: list[tuple[str, ...]] = []
    for title, lines in ordered(board):
        rows.append((title,))
        for x in lines:
            cells = _figures(x, [*f1s, *names])
            rows.append((x.name, *cells))
    note = (
        "ECE and Brier: less is better; resampling inflates ECE, so its interval can lie above its "
        "value. AP as scikit-learn, and as the BAH code has it (a constant score gets half the "
        "prevalence there, and 1 gets 0)."
    )
    return Table(("", *f1_titles, *titles), tuple(rows), note)


def shortcut_table(board: Board) -> Table | None:
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
        brief, _, _ = name.partition(" (")
        head.append(f"{TITLES[metric]} − {brief}")
    rows = []
    for x in lines:
        cells = []
        for metric, name in kept:
            mean, *interval = x.above[name][metric]
            cells.append(with_gain(mean, interval))
        rows.append((x.name, *cells))
    note = "Differences over the same resamples of people. Skill is what is left above zero."
    return Table(tuple(head), tuple(rows), note)


def pair_table(board: Board) -> Table | None:
    """Every method against every other on the same people."""
    found = against_each_other(board)
    if not found:
        return None
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
    return Table(head, tuple(_pair_row(pair) for pair in found), note)


def _pair_row(pair: Values) -> tuple[str, ...]:
    p = pair["paired"]
    n_same = p.n_people - p.n_helped - p.n_harmed
    cells = [f"{pair['a']} − {pair['b']}"]
    cells.append(with_gain(p.mean, p.ci))
    cells.append(p_value(p.p_sign_flip))
    cells.append(p_value(pair["p_holm"]))
    cells.append(p_value(p.p_wilcoxon))
    cells.append(signed(p.d_z, 2))
    cells.append(signed(p.rank_biserial, 2))
    cells.append(f"{p.n_helped} / {n_same} / {p.n_harmed}")
    return tuple(cells)


def group_blocks(board: Board, entries: Sequence[Values], min_people: int) -> list[Block]:
    """Figures by groups of people.

    Args:
        board: whose lines are shown.
        entries: those of :func:`twomind.evaluation.breakdown.subgroups`.
        min_people: below which a group is suppressed.
    """
    title = Text("Groups of people", "h3")
    if not entries:
        return [title, Text("The data set says nothing about sex, age, ethnicity or language.")]
    names = [x.name for x in in_order(board)]
    names = [name for name in names if name != baselines.WORDS["constant"]]
    head = ("", "people", "rows", *(f"macro-F1, {name}" for name in names))
    rows = [_group_row(entry, names) for entry in entries]
    note = (
        f"Groups of fewer than {min_people} people are suppressed. With few people, intervals this "
        "wide show no difference between groups, and no sameness."
    )
    return [title, Table(head, tuple(rows), note, ("people",))]


def _group_row(entry: Values, names: Sequence[str]) -> tuple[str, ...]:
    group = f"{entry['group']}: {entry['value']}"
    if "suppressed" in entry:
        return (group, entry["suppressed"], "–", *["suppressed"] * len(names))
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


def moment_blocks(board: Board, results: Plain) -> list[Block]:
    """The table of events and boundaries; what it is made of goes into ``results`` by line."""
    rows: list[tuple[str, ...]] = []
    for title, lines in ordered(board):
        rows.append((title,))
        for x in lines:
            found = breakdown.moments(*_frames_of(x, board))
            if found:
                results[x.name] = found
                rows.append(_moment_row(x.name, found))
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
        "the tolerance. Boundary error: mean absolute, of events that overlap. Lag: median of the "
        f"nearest same change within {timeline.MAX_LAG_S:g} s, positive is late. Segments: "
        "stretches that coders gave one label."
    )
    return [Text("Moments: events, boundaries, stability", "h3"), Table(head, tuple(rows), note)]


def _moment_row(name: str, found: Values) -> tuple[str, ...]:
    missed = found["boundaries_missed"]
    cells = [name]
    cells.append(with_interval(found["event_f1"], found["event_f1_ci"]))
    cells.append(number(found["boundary_error_s"], 2))
    cells.append(signed(found["boundary_lag_s"], 2))
    cells.append(percent(missed) if math.isfinite(missed) else DASH)
    cells.append(number(found["flips_per_minute"], 1))
    cells.append(number(found["true_flips_per_minute"], 1))
    cells.append(number(found["segment_macro_f1"]))
    cells.append(number(found["segment_auc"]))
    return tuple(cells)


def made_table(board: Board) -> Table:
    """How each line's runs were made."""
    rows = [_made_row(line) for line in board.lines if line.runs]
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


def _made_row(line: Line) -> tuple[str, ...]:
    first = line.runs[0]
    seen = [_handed_over(what, given) for what, given in first.seen.items()]
    settings = json.dumps(dict(first.config)) if first.config else "none"
    commits = sorted({_commit(run) for run in line.runs})
    twomind = first.versions.get("twomind", "?")
    numpy = first.versions.get("numpy", "?")
    cells = [line.name, first.model, settings]
    cells.append("; ".join(seen) or "nothing")
    cells.append(first.reset)
    cells.append(", ".join(commits) or "not known")
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
            entry: Plain = {"line": line.name, "laboratory": place or THIS_LABORATORY}
            entry["n_people"] = len(people_there)
            entry["n_rows"] = sum(int((one.y >= 0).sum()) for one in rows)
            entry["seeds"] = sorted({run.seed for run in runs})
            entry["twomind"] = runs[0].versions.get("twomind", "?")
            entry["device"] = runs[0].versions.get("device", "?")
            entry["data"] = sorted({run.fingerprint[:10] for run in runs})
            found.append(entry)
    return found if any(one["laboratory"] != THIS_LABORATORY for one in found) else []


def place_blocks(entries: Sequence[Plain]) -> list[Block]:
    """The table of :func:`ran_where`."""
    if not entries:
        return []
    head = ("", "laboratory", "people", "rows", "seeds", "twomind", "device", "data")
    rows = []
    for entry in entries:
        seeds = ", ".join(str(seed) for seed in entry["seeds"])
        counts = (str(entry["n_people"]), str(entry["n_rows"]), seeds)
        made = (entry["twomind"], entry["device"], ", ".join(entry["data"][:3]))
        rows.append((entry["line"], entry["laboratory"], *counts, *made))
    note = (
        "A laboratory is called by a pseudonym under its own key. People of a bundle have "
        "pseudonyms, and no attributes: they are in no table of groups."
    )
    return [Text("Which ran where", "h3"), Table(head, tuple(rows), note, words=head[4:])]


def _data(line: Line) -> str:
    """The beginnings of the fingerprints of the data, three at most."""
    fingerprints = {run.fingerprint for run in line.runs}
    brief = sorted({fingerprint[:10] for fingerprint in fingerprints})
    more = " …" if len(fingerprints) > 3 else ""
    return ", ".join(brief[:3]) + more


def _handed_over(what: str, seen: Any) -> str:
    if isinstance(seen, Mapping) and "windows" in seen:
        return f"{what}: {seen['recordings']} recording(s), {seen['windows']} windows"
    return what


def _commit(run: Run) -> str:
    changes = "+changes" if run.git.get("changed") else ""
    return str(run.git.get("commit", ""))[:10] + changes
