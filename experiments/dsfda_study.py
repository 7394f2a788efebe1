"""DSFDA on the drawn studies of experiments/reports/adaptation-synthetic.md: the same people, folds and test clips, the
same score room.

    OMP_NUM_THREADS=1 python -m experiments.dsfda_study FOLDER                      # three layouts,
    two seeds OMP_NUM_THREADS=1 python -m experiments.dsfda_study FOLDER --layouts biovid --curve

Drawn people: proves machinery only. FOLDER keeps crops, source models and runs; an interrupted run
goes on. Per layout one source model (`tiny`, 64 px) is trained on face crops of the source people,
whom all ten folds of ``targets-10`` share (else one per fold). It is another model than that of the
page's other rows: compare with its own row without adaptation. The neutral clip is handed as
densely as the layout lists frames; the method takes at most 75 of them.

``--curve``: how long the neutral clip must be (1, 3, 10, 30 s), for the same source model and its
ten held-out people. Pieces are cut as in ``experiments/neutral_length.py`` (same clips kept for
handing over, same moments), frames are 8.3 a second, and the same clips are tested. Prints rows of
the page's tables, and writes one result file.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from twomind import adaptation as personalise
from twomind.core.store import write_text
from twomind.evaluation import machine, people
from twomind.evaluation.compare import Comparison, compare
from twomind.evaluation.orders import Order
from twomind.evaluation.run import Windows
from twomind.evaluation.windows import Labels, opaque
from twomind.pipeline.personalise import WINDOW_S
from twomind.types import Example, Fold, Given
from twomind_synth.models.dsfda_study import SourceRecipe, StudyCrops, fit_dsfda, own_prototypes
from twomind_synth.studies.dataset import DrawnSet
from twomind_synth.studies.features import study_features

from . import neutral_length as length
from . import personalise as page
from .record import save

PEOPLE, SEED, PROTOCOL = 24, 0, "targets-10"
LAYOUTS = ("biovid", "stressid", "bah")


def tell(what: str, done: float, total: float) -> None:
    print(f"{time.process_time():.0f} s: {what} [{done:g}/{total:g}]", flush=True)


@dataclass(frozen=True)
class Study:
    """One layout: its data set, crops, windows, and the source model of a fold."""

    folder: Path
    layout: str
    data: DrawnSet
    crops: StudyCrops
    windows: Windows

    def model(self, fold: Fold) -> Any:
        labels = Labels(self.data, self.data.task, self.windows)
        source = []
        for recording in (*fold.train, *fold.val):
            for x in self.windows.cut(self.crops(recording)):
                y = labels.of_window(recording, x.span_s)
                if y >= 0 and x.tracks["face_crop"].valid.any():
                    source.append(Example(x, y))
        return fit_dsfda(source, self.data.task, SourceRecipe(), self.folder / "models", tell)


def study_of(folder: Path, layout: str) -> Study:
    data = DrawnSet(study_features(layout, PEOPLE, SEED))
    handed = frozenset(i for fold in data.folds(PROTOCOL, 0) for i in fold.neutral)
    crops = StudyCrops(folder, layout, PEOPLE, SEED, handed=handed)
    return Study(folder, layout, data, crops, Windows(WINDOW_S.get(data.task.grain)))


def table(study: Study, seeds: int) -> dict[str, Any]:
    """The row of one layout, as ``experiments/personalise.py`` makes it of the other
    methods' runs.
    """
    data, out = study.data, study.folder / "runs" / study.layout
    asked = Comparison(
        data,
        PROTOCOL,
        study.model,
        study.crops,
        data.task,
        seeds=range(seeds),
        windows=study.windows,
        summary_for=own_prototypes,
        model_name="dsfda (tiny)",
        order=Order("shuffled", data.label, data.task),
    )
    runs = compare(asked, ["dsfda"], out, tell)
    refused = page.refusals(out / "ledger.jsonl")
    names = dict.fromkeys(r.method for r in runs)
    lines = {
        n: {**page.line([r for r in runs if r.method == n]), "refused": refused.get(n, [])}
        for n in names
    }
    return {
        "dataset": data.name,
        "n_people": len({r.fold.name for r in runs}),
        "lines": lines,
        **answered(runs),
    }


def answered(runs: Sequence[Any]) -> dict[str, Any]:
    """Share of answers that are not neutral: in truth, without adaptation, adapted; and answers
    that changed.
    """
    y, plain, adapted = [], [], []
    for run in runs:
        if run.method != page.BASE:
            rows = run.rows[run.level]
            rows = rows.take(rows.y >= 0)
            y += rows.y.tolist()
            plain += rows.beside["no_adaptation"].argmax(axis=1).tolist()
            adapted += page.filled(rows, run.fill).argmax(axis=1).tolist()
    shares = {
        name: float(np.mean(np.array(v) > 0))
        for name, v in (("truth", y), ("plain", plain), ("adapted", adapted))
    }
    return {
        "share_not_neutral": shares,
        "changed": float(np.mean(np.array(plain) != np.array(adapted))),
    }


def curve(study: Study, lengths_s: Sequence[float]) -> dict[str, Any]:
    """Macro-F1 per person by seconds of the neutral clip, one draw. What is measured is kept, and
    read back.
    """
    data, layout = study.data, study.layout
    fold = data.folds(PROTOCOL, 0)[0]
    model = study.model(fold)
    truths = {t.recording: t for t in data.study.truths}
    names = sorted({t.subject for t in data.study.truths})
    whole = replace(study.crops, handed=frozenset(), whole=True)
    tested = sorted({f.name for f in data.folds(PROTOCOL, 0)})
    plain: dict[str, float] = {}
    found: dict[str, dict[str, float]] = {}
    kept_at = study.folder / f"curve-{layout}-{machine.model_digest(model)[:12]}.json"
    kept_values = json.loads(kept_at.read_text(encoding="utf-8")) if kept_at.is_file() else {}
    method = personalise.load_method("dsfda")
    for number, name in enumerate(tested, 1):
        own = [t.recording for t in data.study.truths if t.subject == name]
        kept: dict[str, list[str]] = {}
        for use, (tasks, n) in (
            ("neutral", length.NEUTRAL[layout]),
            ("expression", length.OTHER_CLASS[layout]),
        ):
            kept[use] = [i for i in own if truths[i].task in tasks.split()][:n]
        away = {*kept["neutral"], *kept["expression"]}
        units = [
            length.Unit(i, truths[i].label, [opaque(study.crops(i))]) for i in own if i not in away
        ]
        xs = [w for u in units for w in u.windows]
        plain[name] = length.figure([model.predict(x) for x in xs], units)
        clips = [whole(i) for i in kept["neutral"]]
        for seconds in lengths_s:
            done = f"{name} {seconds:g}"
            if done in kept_values:
                found.setdefault(f"{seconds:g}", {})[name] = kept_values[done]
                continue
            rng = np.random.default_rng([length.SEED, names.index(name), 0])
            clip = tuple(opaque(x) for x in length.piece(clips, seconds, rng))
            state = method.begin(
                model, Given(seed=0, neutral=clip, summary=own_prototypes(model)(()))
            )
            value = length.figure([method.step(model, state, x)[0] for x in xs], units)
            kept_values[done] = value
            write_text(kept_at, json.dumps(kept_values, indent=1))
            found.setdefault(f"{seconds:g}", {})[name] = value
        tell(f"{layout}: curve of {name}", number, len(tested))
    rows = {s: people.paired(per, plain).plain() for s, per in found.items()}
    for s, row in rows.items():
        low, high = row["ci"]
        print(
            f"| neutral {s} s | {row['mean']:+.3f} [{low:+.2f}, {high:+.2f}]; {row['n_harmed']} |",
            flush=True,
        )
    base = float(np.mean(list(plain.values())))
    return {
        "people": len(tested),
        "no_adaptation": {"mean": base, "ci": page.spread(list(plain.values())), "people": plain},
        "by_seconds": rows,
        "per_person": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layouts", nargs="+", default=list(LAYOUTS), choices=LAYOUTS)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--curve", action="store_true")
    parser.add_argument(
        "--lengths", nargs="+", type=float, default=list(length.LENGTHS_S), help="s, for --curve"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for layout in args.layouts:
        study = study_of(args.folder, layout)
        if args.curve:
            found[layout] = curve(study, args.lengths)
            continue
        found[layout] = table(study, args.seeds)
        for name, x in found[layout]["lines"].items():
            war_uar = " / ".join(f"{x[m]['mean']:.3f}" for m in ("war", "uar"))
            print(
                f"| {name} | {x['saw']} | {page.gain(x)} | {war_uar} | {page.spent(x)} |",
                flush=True,
            )
        print(layout, found[layout]["share_not_neutral"], found[layout]["changed"], flush=True)
    head = {
        "drawn": True,
        "protocol": PROTOCOL,
        "seeds": args.seeds,
        "recipe": SourceRecipe().__dict__,
    }
    save("dsfda-curve" if args.curve else "dsfda-study", {**head, "studies": found}, show=False)


if __name__ == "__main__":
    main()
