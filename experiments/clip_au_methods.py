"""CLIP-AU that ships, and what adapting it does, on drawn people whom it never saw, through the
score's own room.

    OMP_NUM_THREADS=1 python -m experiments.clip_au_methods FOLDER [--people 10] [--per-class 8]
    [--seeds 2]

Faces are drawn without films (FOLDER keeps them, and the runs; an interrupted run goes on):
stretches of 1.6 s in and outside of drawn A/H, in the answers to questions 4 and 7. A stretch is a
clip with its own label. The methods get the prototypes that ship with the model, and nothing of the
person in advance. Prints two tables, writes one result file.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.clip_au_video import METHODS
from twomind.adaptation import load_method
from twomind.encoders.opening import open_encoder
from twomind.evaluation.compare import Comparison, compare
from twomind.evaluation.orders import Order
from twomind.evaluation.run import Windows
from twomind.models import load
from twomind.types import AMBIVALENCE, Example, Features, Fold, Recording
from twomind_synth.models.clip_au import Recipe, as_examples, draw_all

from .personalise import gain, line
from .record import save

ORDERS = ("shuffled", "class_blocked")


@dataclass(frozen=True)
class Clips:
    """Drawn stretches in the shape of a data set: one recording each."""

    examples: Mapping[str, Example]
    source: tuple[str, ...]
    name: str = "drawn A/H stretches"
    tasks: tuple[Any, ...] = (AMBIVALENCE,)
    _known: dict[str, Recording] = field(default_factory=dict)

    def recordings(self) -> tuple[Recording, ...]:
        if not self._known:
            for i, e in self.examples.items():
                self._known[i] = Recording(
                    i, e.x.subject, Path(i), duration_s=e.x.span_s[1], drawn=True
                )
        return tuple(self._known.values())

    def features(self, recording: str) -> Features:
        return self.examples[recording].x

    def label(self, task: str, recording: str) -> int:
        return self.examples[recording].y

    def people(self) -> Mapping[str, Mapping[str, Any]]:
        return {e.x.subject: {} for e in self.examples.values()}

    def may_be_shown(self, subject: str) -> bool:
        return True

    def folds(self, protocol: str, seed: int = 0) -> tuple[Fold, ...]:
        source = {self.examples[i].x.subject for i in self.source}
        held: dict[str, list[str]] = {}
        for i, e in self.examples.items():
            if e.x.subject not in source:
                held.setdefault(e.x.subject, []).append(i)
        return tuple(Fold(s, protocol, self.source, tuple(ids)) for s, ids in held.items())


def _tell(what: str, done: float, total: float) -> None:
    print(f"[{done:g}/{total:g}] {what}", flush=True)


def named(examples: list[Example]) -> dict[str, Example]:
    """Every stretch under a name of its own."""
    found: dict[str, Example] = {}
    for e in examples:
        name = f"{e.x.recording}-{e.x.span_s[0]:07.2f}"
        found[name] = replace(e, x=replace(e.x, recording=name))
    return found


def shipped(model: Any) -> Any:
    """The prototypes that lie beside the model, of the people it was trained on."""
    return partial(_same, model.source_summary())


def _same(summary: Any, source: Any) -> Any:
    return summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--per-class", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    model, encoder, own = load("clip-au"), open_encoder(), Recipe()
    trained = named(
        as_examples(draw_all(replace(own, n_held_out=0), args.folder / "windows"), encoder)
    )
    wider = replace(
        own, n_people=0, n_held_out=own.n_people + args.people, n_windows=args.per_class
    )
    answers = draw_all(wider, args.folder / "windows", first=own.n_people)
    tested = named(as_examples(answers, encoder))
    data = Clips({**trained, **tested}, tuple(trained))
    methods = {
        name: load_method(method, **settings) for name, (method, settings) in METHODS.items()
    }
    found: dict[str, Any] = {}
    for kind in ORDERS:
        asked = Comparison(
            data,
            f"targets-{args.people}",
            partial(_model, model),
            data.features,
            AMBIVALENCE,
            seeds=range(args.seeds),
            windows=Windows(None),
            summary_for=shipped,
            model_name="clip-au",
            order=Order(kind, data.label, AMBIVALENCE),
        )
        runs = compare(asked, methods, args.folder / "runs" / kind, _tell)
        names = dict.fromkeys(r.method for r in runs)
        found[kind] = {
            n: {**line([r for r in runs if r.method == n]), "refused": []} for n in names
        }
    labels = [e.y for e in tested.values()]
    print(
        "\n| method | saw before | "
        + " | ".join(ORDERS)
        + " | ms per window |\n|---|---|---|---|---|"
    )
    for n, x in found[ORDERS[0]].items():
        cells = " | ".join(gain(found[kind][n]) for kind in ORDERS)
        print(f"| {n} | {x['saw']} | {cells} | {x['cost']['window_ms']:.1f} |")
    save(
        "clip-au-methods",
        {
            "command": f"python -m experiments.clip_au_methods FOLDER --people {args.people} "
            f"--per-class {args.per_class} --seeds {args.seeds}",
            "drawn": True,
            "people": len({e.x.subject for e in tested.values()}),
            "windows": len(tested),
            "share_present": sum(labels) / len(labels),
            "orders": found,
        },
        show=False,
    )


def _model(model: Any, fold: Fold) -> Any:
    return model


if __name__ == "__main__":
    main()
