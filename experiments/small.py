"""Makes the small table that is kept of a full result file: the figures that a page shows, and
where the rest is.

    python -m experiments.small experiments/out/2026-11-27-164e672-guard.json [--command "python -m
    ..."] [--out FOLDER]

One row per figure: where it stands in the full file, its value, its interval and, where there is
one, how many people lost or in how many draws it is above zero. ``KEPT`` says which figures of
which study are kept.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"
#: The figure of a mapping that also holds its interval, the first that is there.
MAIN = ("value", "mean", "gain")
#: By the name of the study: patterns of the places that are kept. A star also stands for slashes.
#: Other studies: all.
KEPT: dict[str, tuple[str, ...]] = {
    "fusion-study-draws": (
        *(f"rows/*/{k}" for k in ("video_auc", "frame_auc", "frame_ap")),
        *(
            f"gains/* - {other}/{k}"
            for other in ("face", "voice")
            for k in ("video_auc", "frame_auc")
        ),
        "gains/* - plain/frame_auc",
        "gains/* - question_position/frame_auc",
        "gains/conflict - plain/*",
        "gains/mt - mt without residual/frame_auc",
        "no-conflict/*",
        "shuffled/*",
        "beyond_the_rest/*",
        "absent/*/frame_auc/*",
        "absent/*/video_auc/is",
        "absent/*/video_auc/less_trained",
    ),
    "fusion-study-why": (
        "*/gains/*/frame_auc",
        "*/gains/*/frame_auc_conflict",
        "held_out/*",
        "shown/*",
        "told/*/frame_auc*",
    ),
    "fusion-study-48": (
        "default/gains/conflict - plain/frame_auc*",
        "default/by_seed/*/conflict - plain/frame_auc*",
    ),
    "fusion-study-deletion": (
        "default/held_out/*",
        "default/rows/*/frame_auc",
        "default/gains/* - question_position/frame_auc",
        "default/gains/* - position/frame_auc_inside",
        "default/locates/*",
        "default/deletion/*",
    ),
    "personalise": (
        "studies/*/n_people",
        "*/macro_f1/gain",
        "*/source-only/macro_f1",
        "*/shortcuts/*/macro_f1",
        *(f"*/shuffled/*/{k}" for k in ("war", "uar", "cost/begin_s", "cost/window_ms")),
    ),
    "clip-au-methods": (
        *("people", "windows", "share_present", "*/macro_f1/gain", "*/source-only/macro_f1"),
        *(
            f"orders/shuffled/*/{k}"
            for k in ("war", "uar", "war/gain", "uar/gain", "cost/window_ms")
        ),
    ),
    "guard": (
        "source_macro_f1/*",
        "bound_met",
        *(
            f"curve/*unsure={unsure}/{k}"
            for unsure in ("0.8", "1.01")  # as it is set, and never
            for k in (
                *("mean_gain", "best_gain", "worst_share_of_seeds_harmed"),
                *("cells_over_5_percent", "mean_share_of_people_harmed"),
            )
        ),
        "table/*/shuffled/adapted/gain",
        *(f"table/*/adapted/{k}" for k in ("seeds_harmed", "people_harmed")),
    ),
    "neutral-length": ("studies/*/people", "studies/*/no adaptation", "studies/*/methods/*"),
    "study-gap": ("rows/*_uar", "rows/*/source_auc", "rows/*/oracle_auc"),
    "study-end-to-end": (
        "people",
        "films",
        "films_mb",
        "draw_crop_and_describe/*",
        "score/*",
        "check/complete",
        "boards/*/figures/macro_f1",
        "boards/*/against_no_adaptation",
    ),
    "few-coded": (
        *(f"*/{k}" for k in ("n_people", "within_question_auc", "brier", "per_person_brier")),
        *(f"*/{k}/gain_over_0" for k in ("within_question_auc", "brier")),
        "spread_between_people/*",
        "*/ece_all_draws/*",
    ),
    "fusion-bah-words": (
        "n/*",
        "fusion/*/question",
        *(f"fusion/*/{k}" for k in ("auc", "macro_f1", "ap", "within_question_auc", "brier")),
        "fusion/*/located/auc_inside_answers/*",
        "fusion/*/located/gain/inside_over_position",
        "fusion/*/located/locates",
        "logistic_default/*",
    ),
    "prevalence-coverage": (
        "answers",
        "people_in_all",
        "share",
        "schemes/*/share/coverage*",
        "schemes/*/share/width_over_classical",
        "schemes/*/share/codes_saved",
        "schemes/*/question*/coverage",
        "planned/*",
    ),
    "neutral-words": ("*/n", "*/n_people", "*/within_question_auc", "*/auc"),
    "adaptation-on-people": (
        *(f"*/{k}" for k in ("n_people", "n_rows", "n_orders", "metric")),
        *(f"*/{k}" for k in ("value", "beside", "gain", "n_harmed", "p", "p_holm")),
    ),
    "neutral-check": ("people", "seed", "kinds/*/refused_*", "kinds/*/shift"),
}
#: What is known of a person alone, and tests that no page shows: never kept.
NEVER = (
    "people",
    "per_person",
    "seen_of_one_person",
    "share_harmed",
    "harmed_ci",
    "draws",
    "cpu_s",
    "seconds",
)
#: Of these the pages show no interval.
NO_INTERVAL = ("war", "uar")
LISTS = ("studies", "orders", "lines", "rows", "boards", "figures", "methods", "table", "cost")


@dataclass(frozen=True)
class Figure:
    where: str
    value: object
    low: float | None = None
    high: float | None = None
    note: str = ""


def interval_of(found: Mapping[str, Any], key: str) -> tuple[float | None, float | None]:
    """The interval of one figure of a mapping, by any of the names that the studies give it."""
    ci = found.get("ci")
    if isinstance(ci, Mapping):
        ci = ci.get(key)
    elif key != next((k for k in MAIN if k in found), ""):
        ci = None
    ci = ci or found.get(f"{key}_95") or found.get(f"{key}_interval")
    return (float(ci[0]), float(ci[1])) if isinstance(ci, list) else (None, None)


def note_of(found: Mapping[str, Any]) -> str:
    """How many lost, how many were refused, and in how many draws a figure is above zero."""
    said = []
    if "above" in found:
        said.append(f"above 0: {found['above']}/{found['n']}")
    if "n_harmed" in found:
        said.append(f"worse: {found['n_harmed']}/{found['n_people']}")
    if "harmed" in found:
        said.append(f"worse: {found['harmed']}")
    if found.get("refused"):
        refused = found["refused"]
        said.append(f"refused: {len(refused) if isinstance(refused, list) else refused}")
    return "; ".join(said)


def name_in_list(position: int, item: Mapping[str, Any]) -> str:
    """What tells an item of a list from the others."""
    told = [str(item[k]) for k in ("dataset", "task") if k in item]
    told += [f"{k}={item[k]:g}" for k in ("budget", "unsure", "seed", "question") if k in item]
    return " ".join(told) or str(position)


def figures(found: Mapping[str, Any], where: str = "") -> Iterator[Figure]:
    """Every figure of a result, in its order."""
    main = next((k for k in MAIN if k in found and isinstance(found.get("ci"), list)), None)
    if main is not None:
        yield Figure(where, found[main], *interval_of(found, main), note_of(found))
    for key, value in found.items():
        place = f"{where}/{key}" if where else key
        if isinstance(value, Mapping) and key != "ci" and key not in NEVER:
            yield from figures(value, place)
        elif (
            isinstance(value, list) and value and isinstance(value[0], Mapping) and key not in NEVER
        ):
            for k, item in enumerate(value):
                yield from figures(item, f"{place}/{name_in_list(k, item)}")
        elif main is None and isinstance(value, bool | int | float | str):
            yield Figure(place, value, *interval_of(found, key))
        elif key in ("best_gain", "worst_share_of_seeds_harmed"):
            yield Figure(place, value[0], note=value[1])
        elif key == "cells_over_5_percent":
            yield Figure(place, len(value))


def kept(name: str, found: Mapping[str, Any]) -> list[Figure]:
    """The figures of a study that are kept: by the longest beginning of its name that ``KEPT``
    knows.
    """
    known = [k for k in KEPT if name.startswith(k)]
    patterns = KEPT[max(known, key=len)] if known else ()
    told = [f for f in figures(found) if f.where not in HEAD]
    return [f for f in told if not patterns or any(fnmatchcase(f.where, p) for p in patterns)]


HEAD = ("name", "date", "commit", "machine", "command", "means", "note", "what")


def short(value: object) -> str:
    """A figure as a page shows it: four digits, and of a fraction three places."""
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    if abs(value) >= 1:
        return f"{value:.4g}"
    return f"{round(value, 3):g}" if abs(value) >= 0.0095 else f"{value:.2g}"


def place(where: str) -> str:
    """Where a figure stands, without the names of the lists that it stands in."""
    return "/".join(part for part in where.split("/") if part not in LISTS)


def table(found: Mapping[str, Any], file: str, command: str = "", full: str = "") -> str:
    """The table as text: what was run, when and at which commit, then one line per figure."""
    lines = [f"# {k}: {found[k]}" for k in HEAD if k in found and k != "command"]
    lines.append(f"# command: {command or found.get('command', '')}")
    lines.append(f"# the full file: {full or file}")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("where", "value", "low", "high", "note"))
    for f in kept(found["name"], found):
        bare = f.where.split("/")[-1] in NO_INTERVAL
        low, high = ("", "") if bare else (short(f.low), short(f.high))
        writer.writerow((place(f.where), short(f.value), low, high, f.note))
    return "\n".join(lines) + "\n" + text.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("full", type=Path, nargs="+", help="full result files")
    parser.add_argument(
        "--command", default="", help="what was run, where the file does not say it"
    )
    parser.add_argument(
        "--at", default="", help="commit at which the full file lies in git, where it does"
    )
    parser.add_argument("--out", type=Path, default=FOLDER)
    given = parser.parse_args()
    given.out.mkdir(exist_ok=True)
    for path in given.full:
        found = json.loads(path.read_text(encoding="utf-8"))
        full = f"git show {given.at}:benchmarks/results/{path.name}" if given.at else path.name
        to = given.out / f"{path.stem}.csv"
        to.write_text(table(found, path.name, given.command, full), encoding="utf-8")
        print(f"{to.stat().st_size / 1000:5.1f} kB  {to}")


if __name__ == "__main__":
    main()
