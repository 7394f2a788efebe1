"""Adaptation methods on drawn studies, by stream order, from the runs of `twomind score
personalise`.

    for l in biovid stressid bah; do
      twomind score personalise --drawn $l --people 24 --protocol targets-10 --seeds 3 \
        --order shuffled --order class_blocked --workers 1 --out personal/$l
    done
    python -m experiments.personalise personal/*

and with `--model clip-au` in the first command and `--by-study` in the second, one table per study
(docs/test-time.md).

The unit is the person: a person's figure is the mean over the seeds, paired to the same person
without adaptation, and intervals resample people. Prints the tables of experiments/reports/adaptation-synthetic.md and
writes one dated result file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twomind.evaluation import people
from twomind.evaluation.baselines import WORDS
from twomind.evaluation.metrics import auc, interval
from twomind.evaluation.runs import filled, find_runs, load_run
from twomind.types import Run

from .record import save

#: Groups of the table, by what was seen before the stream, in this order.
GROUPS = ("nothing", "summary", "neutral", "target", "source", "few")
METRICS = ("macro_f1", "war", "uar")
BASE, PLAIN, NO_ADAPTATION = "source-only", "no adaptation", "no_adaptation"


def group_of(saw: str) -> str:
    """The most telling part of what a method saw."""
    return next(
        (
            name
            for name in ("few", "source", "target", "neutral", "summary")
            if name in saw.split("+")
        ),
        "nothing",
    )


def per_person(runs: Sequence[Run], metric: str, of: str = "") -> dict[str, float]:
    """Each person's figure, mean over the seeds; of a row beside the runs (``no_adaptation``, a
    shortcut), if named.
    """
    each: dict[str, list[float]] = {}
    for run in runs:
        rows = run.rows[run.level]
        rows = rows.take(rows.y >= 0)
        probs = rows.beside[of] if of else filled(rows, run.fill)
        for person, value in people.per_person(rows.y, probs, rows.subject, metric).items():
            each.setdefault(person, []).append(value)
    return {person: float(np.mean(values)) for person, values in each.items()}


def cost(runs: Sequence[Run]) -> dict[str, float]:
    """Processor time: medians over the runs (each of one person), of the adapting alone, features
    ready.
    """
    videos = [len(r.fold.test) for r in runs]
    return {
        "begin_s": float(np.median([r.seconds["begin_cpu"] for r in runs])),
        "window_ms": float(np.median([1e3 * r.seconds["step_cpu"] for r in runs])),
        "video_ms": float(
            np.median([1e3 * r.seconds["total_cpu"] / n for r, n in zip(runs, videos, strict=True)])
        ),
        "process_peak_mb": float(max(r.peak_mb for r in runs)),
    }


def spread(values: Sequence[float]) -> list[float]:
    """95 % interval of the mean of people's figures, resampling people."""
    values = np.array(values)
    picks = np.random.default_rng(0).integers(0, len(values), (2000, len(values)))
    return list(interval(values[picks].mean(axis=1)))


def line(runs: Sequence[Run]) -> dict[str, Any]:
    """One method in one order: figures, gains over no adaptation, cost, and what it saw."""
    seeds = sorted({r.seed for r in runs})
    found: dict[str, Any] = {
        "saw": runs[0].saw.words(),
        "seeds": seeds,
        "seen_of_one_person": dict(runs[0].seen),
        "cost": cost(runs),
    }
    for metric in METRICS:
        own, base = per_person(runs, metric), per_person(runs, metric, NO_ADAPTATION)
        found[metric] = {
            "mean": float(np.mean(list(own.values()))),
            "ci": spread(list(own.values())),
            "people": own,
        }
        if runs[0].method != BASE:
            found[metric]["gain"] = people.paired(own, base).plain()
    return found


def shortcuts(runs: Sequence[Run]) -> dict[str, Any]:
    """What can be had without looking at a face: the rows that stand beside every run."""
    found: dict[str, Any] = {}
    for name in runs[0].rows[runs[0].level].beside:
        if name != NO_ADAPTATION:
            each = {metric: list(per_person(runs, metric, name).values()) for metric in METRICS}
            found[name] = {m: {"mean": float(np.mean(v)), "ci": spread(v)} for m, v in each.items()}
    return found


def telling(runs: Sequence[Run]) -> dict[str, Any]:
    """How well a person's answers are ordered, whatever the threshold (AUC within a person, two
    classes), and what share of them is called the second class; the first seed's, for a method that
    learns nothing."""
    found: dict[str, Any] = {"people": {}}
    for run in runs:
        rows = run.rows[run.level]
        rows = rows.take((rows.y >= 0) & np.isfinite(rows.probs).all(axis=1))
        if run.seed == runs[0].seed and len(rows.y) and rows.probs.shape[1] == 2:
            p = rows.probs[:, 1]
            own = {
                "auc": float(auc(rows.y, p)),
                "said": float((p > 0.5).mean()),
                "true": float(rows.y.mean()),
            }
            found["people"][run.fold.name] = own
    values = [x["auc"] for x in found["people"].values() if np.isfinite(x["auc"])]
    if values:
        found |= {"auc": float(np.mean(values)), "ci": spread(values), "n_people": len(values)}
    return found


def refusals(ledger: Path) -> dict[str, list[str]]:
    """Method → people whom it would not adapt to."""
    found: dict[str, list[str]] = {}
    for text in ledger.read_text(encoding="utf-8").splitlines():
        entry = json.loads(text)
        if entry.get("state") == "refused":
            person, method = entry["item"].split(" / ")
            found.setdefault(method, [])
            found[method] += [person] if person not in found[method] else []
    return found


def read(folder: Path) -> dict[str, Any]:
    """All orders of one study."""
    orders: dict[str, Any] = {}
    first: Run | None = None
    for place in sorted((folder / "runs").iterdir(), reverse=True):
        runs = [load_run(p) for p in find_runs([place])]
        first = first or runs[0]
        refused = refusals(place / "ledger.jsonl")
        names = dict.fromkeys(r.method for r in runs)
        lines = {
            n: {**line([r for r in runs if r.method == n]), "refused": refused.get(n, [])}
            for n in names
        }
        adjusted = people.holm(
            {n: x["macro_f1"]["gain"]["p_sign_flip"] for n, x in lines.items() if n != BASE}
        )
        for n, p in adjusted.items():
            lines[n]["macro_f1"]["p_holm"] = p
        plain = [r for r in runs if r.method == BASE]
        orders[place.name] = {
            "lines": lines,
            "shortcuts": shortcuts(plain),
            "no_adaptation": telling(plain),
        }
    assert first is not None, folder
    return {
        "dataset": first.dataset,
        "model": first.model,
        "drawn": first.drawn,
        "level": first.level,
        "n_people": len(next(iter(orders.values()))["lines"][BASE]["macro_f1"]["people"]),
        "orders": orders,
    }


def gain(x: dict[str, Any] | None, metric: str = "macro_f1", harm: bool = True) -> str:
    """Gain per person with its interval; how many were harmed, and refused."""
    if x is None:
        return "–"
    if "gain" not in x[metric]:
        return f"{x[metric]['mean']:.3f} [{x[metric]['ci'][0]:.2f}, {x[metric]['ci'][1]:.2f}]"
    one = x[metric]["gain"]
    low, high = one["ci"]
    text = f"{one['mean']:+.3f} [{low:+.2f}, {high:+.2f}]"
    if not harm:
        return text
    a, b = one["harmed_ci"]
    text += f"; {one['n_harmed']} of {one['n_people']} ({100 * a:.0f}–{100 * b:.0f} %)"
    return text + (f", {len(x['refused'])} refused" if x["refused"] else "")


def table(studies: Sequence[dict[str, Any]], order: str, cell: Any) -> None:
    """One table: a line per method, a column per study."""
    boards = [s["orders"][order]["lines"] for s in studies if order in s["orders"]]
    names = {n for b in boards for n in b}
    saw = {n: next(b[n]["saw"] for b in boards if n in b) for n in names}
    print(
        f"\n{order}\n\n| method | saw before | " + " | ".join(s["dataset"] for s in studies) + " |"
    )
    print("|---|---|" + "---|" * len(studies))
    for n in sorted(names, key=lambda n: (n != BASE, GROUPS.index(group_of(saw[n])), n)):
        print(
            f"| {PLAIN if n == BASE else n} | {saw[n]} | "
            + " | ".join(cell(b.get(n)) for b in boards)
            + " |"
        )


def spent(x: dict[str, Any] | None) -> str:
    """Cost in one cell."""
    if x is None:
        return "–"
    c = x["cost"]
    return (
        f"{c['begin_s']:.2f} s; {c['window_ms']:.2f} ms; {c['video_ms'] / 1e3:.3f} s; "
        f"{c['process_peak_mb']:.0f} MB"
    )


def others(x: dict[str, Any] | None) -> str:
    """Gains in WAR and UAR."""
    return (
        "–" if x is None else " / ".join(gain(x, metric, harm=False) for metric in ("war", "uar"))
    )


def cost_cell(x: dict[str, Any]) -> str:
    """Processor time once per person, where it is .05 s or more, and per window."""
    c = x["cost"]
    once = f"{c['begin_s']:.2f} s + " if c["begin_s"] >= 0.05 else ""
    return f"{once}{c['window_ms']:.0f} ms"


def by_study(study: dict[str, Any]) -> None:
    """One table of one study: a line per shortcut and method, a column per order."""
    orders = sorted(study["orders"], reverse=True)
    first = study["orders"][orders[0]]
    lines, labels = first["lines"], [o.replace("_", "-") for o in orders]
    gains = " | ".join(f"macro-F1, {o}" for o in labels)
    print(f"\n| {study['dataset']} | saw before | {gains} | WAR / UAR, {labels[0]} | cost |")
    print("|---|---|" + "---|" * (len(labels) + 2))
    both = "{:.3f} / {:.3f}".format
    for name, x in first["shortcuts"].items():
        figure = (
            f"{x['macro_f1']['mean']:.3f} [{x['macro_f1']['ci'][0]:.2f}, "
            f"{x['macro_f1']['ci'][1]:.2f}]"
        )
        rest = " | –" * (len(labels) - 1)
        print(
            f"| {WORDS[name]} | labels of others | {figure}{rest} | "
            f"{both(x['war']['mean'], x['uar']['mean'])} | |"
        )
    for n in sorted(lines, key=lambda n: (n != BASE, GROUPS.index(group_of(lines[n]["saw"])), n)):
        x = lines[n]
        cells = " | ".join(gain(study["orders"][o]["lines"].get(n)) for o in orders)
        levels = both(x["war"]["mean"], x["uar"]["mean"])
        print(
            f"| {PLAIN if n == BASE else f'`{n}`'} | {x['saw']} | {cells} | {levels} | "
            f"{cost_cell(x)} |"
        )
    told = first["no_adaptation"]
    if "auc" in told:
        said = [x["said"] for x in told["people"].values()]
        low, high = told["ci"]
        print(
            f"\nNo adaptation: AUC within a person {told['auc']:.2f} [{low:.2f}, {high:.2f}], "
            f"{told['n_people']} people"
        )
        print(f"called the second class: {min(said):.0%} to {max(said):.0%} of a person's answers")


def main() -> None:
    folders = [Path(a) for a in sys.argv[1:] if not a.startswith("--")]
    studies = [read(folder) for folder in folders]
    kind = studies[0]["model"].split()[0]
    save(
        "personalise" if kind == "described" else f"personalise-{kind}",
        {"studies": studies},
        show=False,
    )
    if "--by-study" in sys.argv:
        for study in studies:
            by_study(study)
        return
    for order in dict.fromkeys(o for s in studies for o in s["orders"]):
        table(studies, order, gain)
        table(
            studies,
            order,
            lambda x: " / ".join(
                "–" if x is None else gain(x, m, harm=False) for m in ("war", "uar")
            ),
        )
    table(studies, "shuffled", spent)


if __name__ == "__main__":
    main()
