"""The drawn BAH study again and again: every draw is other people, other training, other held-out
people.

    OMP_NUM_THREADS=1 python -m experiments.fusion_study_draws --out /tmp/fusion-draws [--draws 12]
    [--save]

An interval over people knows nothing of the luck of a training or of who was there to learn from.
Here every draw gives one number, and the interval is over draws (Student's t), so it knows all
three. ``--people`` learn (a quarter of them stop and calibrate), ``--test`` others are held out.
Draws that are done are read from ``--out``. What the figures mean: ``experiments/reports/fusion-synthetic.md``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import engine
from twomind.core.errors import TwomindError
from twomind.core.store import write_text
from twomind_synth.studies.features import study_features
from twomind_synth.study_world import StudyWorld

from .fusion_study import (
    ALL,
    CONTROL_ROWS,
    EPOCHS,
    ROWS,
    WORLDS,
    Row,
    World,
    first_held_out,
    ready,
    shuffled,
    trained,
)
from .fusion_study_score import GONE, Held, Said, predictions, shortcut_of, shortcut_rows, spreads
from .record import save

#: Draws begin here: none is of the people of another page, or of the development of a model (seeds
#: 7 to 18, and 100 to 107, on whom early stopping was found to fail).
FIRST_SEED = 200
PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "fusion-study.svg"
#: Beside the rows of ``fusion_study.py``: what the corrected attention was before.
DRAW_ROWS = (*ROWS, Row("mt", residual=False))
#: What further draws are for: the conflict terms are worth less than one training differs from the
#: next.
PAIR_ROWS = ("conflict", "plain", "face")
KEYS = (
    "frame_auc",
    "frame_auc_conflict",
    "frame_auc_within",
    "frame_auc_rest",
    "frame_ap",
    "video_auc",
)


@dataclass(frozen=True)
class Plan:
    """What one draw does."""

    people: int
    test: int
    epochs: int
    rows: tuple[Row, ...]
    worlds: tuple[str, ...]
    out: Path


def world_of_draw(name: str, seed: int, people: int, test: int) -> World:
    """``test`` people held out, ``people`` others to learn from; worlds as in
    ``fusion_study.py``.
    """
    study = study_features(
        "bah", test + people, seed, StudyWorld(conflict=0.0) if name == "no-conflict" else None
    )
    if name == "shuffled":
        study = replace(study, features=shuffled(study.features, study.truths, seed))
    return ready(f"{name}-{seed}", study, first_held_out(study, test, (people,), seed))


def figures(held: Held, said: Said) -> dict[str, float]:
    return {k: v for k, (v, _) in spreads(held, said, 2).items() if k in KEYS}


def narrowed_plan(plan: Plan, n: int, draws: int, slow: int) -> Plan:
    """What the ``n``-th draw does: everything; all but MT and JMT; or conflict, plain and face in
    the default world.
    """
    if n >= draws:
        rows = tuple(r for r in plan.rows if r.name in PAIR_ROWS)
        return replace(plan, rows=rows, worlds=("default",))
    return (
        plan
        if n < slow
        else replace(plan, rows=tuple(r for r in plan.rows if r.model not in ("mt", "jmt")))
    )


def one_draw(plan: Plan, first: int, draws: int, slow: int, seed: int) -> dict[str, Any]:
    """All figures of one draw; each row is read where it was done before with the same settings and
    sources.
    """
    plan = narrowed_plan(plan, seed - first, draws, slow)
    same = (plan.people, plan.test, plan.epochs, seed, _sources())
    place = plan.out / f"draw-{seed}-{hashlib.sha256(repr(same).encode()).hexdigest()[:12]}"
    found: dict[str, Any] = {"seed": seed}
    for name in plan.worlds:
        wanted = plan.rows if name == "default" else [r for r in plan.rows if r in CONTROL_ROWS]
        entry = found[name] = {"rows": {}, "absent": {}}
        todo = [r for r in wanted if not _file(place, name, r.name).is_file()]
        if todo or not _file(place, name, "shortcuts").is_file():
            world = world_of_draw(name, seed, plan.people, plan.test)
            held = Held.of(world)
            _keep(
                place,
                name,
                "shortcuts",
                {k: figures(held, s) for k, s in shortcut_rows(world, held)},
            )
            for row in todo:
                _keep(place, name, row.name, _row(world, held, row, seed, plan.epochs, place))
        entry["rows"] |= json.loads(_file(place, name, "shortcuts").read_text())
        for row in wanted:
            done = json.loads(_file(place, name, row.name).read_text())
            entry["rows"][row.name] = done["is"]
            if "absent" in done:
                entry["absent"][row.name] = done["absent"]
    return found


def _row(world: World, held: Held, row: Row, seed: int, epochs: int, place: Path) -> dict[str, Any]:
    models = [[trained(world, world.folds[0], row, seed, epochs, place)]]
    done: dict[str, Any] = {"is": figures(held, predictions(world, held, models, row.modalities))}
    if row.modalities == ALL and world.name.startswith("default"):
        done["absent"] = {
            " + ".join(gone): figures(held, predictions(world, held, models, without=gone))
            for gone in GONE
        }
    return done


def _file(place: Path, world: str, row: str) -> Path:
    return place / f"{world}-{row.replace(' ', '')}.json"


def _keep(place: Path, world: str, row: str, found: Mapping[str, Any]) -> None:
    write_text(_file(place, world, row), json.dumps(found, default=float))


def _sources() -> str:
    """Of the code that trains: figures of other code are not the same figures."""
    import twomind

    folder = Path(twomind.__file__).parent
    fitting = ("fusion.py", "fusion_data.py", "loop.py")
    files = [
        *sorted((folder / "models" / "fusion").glob("*.py")),
        *(folder / "training" / name for name in fitting),
    ]
    return hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()


# --- over the draws
# --------------------------------------------------------------------------------------------------


def over(values: Sequence[float]) -> dict[str, Any]:
    """Mean over draws, its 95 % interval (Student's t), and in how many draws it is above zero."""
    from scipy.stats import t

    v = np.asarray(values, float)
    v = v[np.isfinite(v)]
    half = (
        float(t.ppf(0.975, len(v) - 1) * v.std(ddof=1) / len(v) ** 0.5)
        if len(v) > 1
        else float("nan")
    )
    mean = float(v.mean())
    return {
        "value": mean,
        "ci": [mean - half, mean + half],
        "above": int((v > 0).sum()),
        "n": len(v),
    }


def gathered(draws: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows, and every gain of the page, over the draws that have both sides of it."""
    rows = [d["default"]["rows"] for d in draws]
    names = list(max(rows, key=len))

    def gain(a: str, b: str, of: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        both = [r for r in of if a in r and b in r]
        return {
            k: over([r[a][k] - r[b][k] for r in both])
            for k in KEYS
            if both and k in both[0][a] and k in both[0][b]
        }

    def row(n: str) -> dict[str, Any]:
        having = [r[n] for r in rows if n in r]
        return {k: over([r[k] for r in having]) for k in KEYS if k in having[0]}

    found: dict[str, Any] = {
        "rows": {n: row(n) for n in names},
        "gains": {
            f"{a} - {b}": gain(a, b, rows)
            for b in (
                "face",
                "voice",
                "plain",
                "question_position",
                "question",
                "mt without residual",
            )
            for a in names
            if a != b
            and b in names
            and a not in ("prevalence", "question", "length_question", "position")
        },
    }
    for world in (w for w in WORLDS if w != "default" and w in draws[0]):
        found[world] = gain("conflict", "plain", [d[world]["rows"] for d in draws if world in d])
    found["beyond_the_rest"] = {
        w: beyond_the_rest([d[w]["rows"] for d in draws if w in d]) for w in WORLDS if w in draws[0]
    }
    full = [n for n in names if any(n in d["default"]["absent"] for d in draws)]
    found["absent"] = {n: _absences(draws, n) for n in full}
    return found


def beyond_the_rest(of: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How much more ``conflict`` has over ``plain`` on a kind of moments than on moments without a
    conflict.

    What more numbers in a network give, they give on both; what this leaves is of the conflict.
    """
    both = [(r["conflict"], r["plain"]) for r in of if "conflict" in r and "plain" in r]
    kinds = [k for k in ("conflict", "within") if both and f"frame_auc_{k}" in both[0][0]]
    return {
        kind: over(
            [
                a[f"frame_auc_{kind}"]
                - b[f"frame_auc_{kind}"]
                - a["frame_auc_rest"]
                + b["frame_auc_rest"]
                for a, b in both
            ]
        )
        for kind in kinds
    }


def _absences(draws: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Against the same model with everything, ``plain`` trained on what is left, and question and
    position.
    """
    mine = [d["default"] for d in draws if name in d["default"]["absent"]]
    found: dict[str, Any] = {}
    for gone in mine[0]["absent"][name]:
        left = " + ".join(m for m in ALL if m not in gone.split(" + "))
        found[gone] = {}
        for k in ("frame_auc", "video_auc"):
            f = {"is": over([d["absent"][name][gone][k] for d in mine])}
            for label, other in (
                ("change", name),
                ("less_trained", left),
                ("less_shortcut", shortcut_of(k)),
            ):
                both = [d for d in mine if other in d["rows"]]
                if both:
                    f[label] = over(
                        [d["absent"][name][gone][k] - d["rows"][other][k] for d in both]
                    )
            found[gone][k] = f
    return found


def table(found: Mapping[str, Any]) -> str:
    """The Markdown tables of the page; beside a gain, in how many draws it is above zero."""
    from .fusion_study_page import cell, head, line

    def signed(f: Mapping[str, Any] | None) -> str:
        return f"{cell(f, True)} {f['above']}/{f['n']}" if f else ""

    gains = found["gains"]
    singles = [(k, s) for k in ("video_auc", "frame_auc") for s in ("face", "voice")]
    less = (f"{'answers' if k == 'video_auc' else 'moments'}, less {s}" for k, s in singles)
    lines = [head(("", "answers: AUC", "moments: AUC", "moments: AP", *less))]
    for n, r in found["rows"].items():
        rows = [cell(r.get(k)) for k in ("video_auc", "frame_auc", "frame_ap")]
        lines.append(
            line((n, *rows, *(signed(gains.get(f"{n} - {s}", {}).get(k)) for k, s in singles)))
        )
    lines += ["", head(("moments: AUC", "less plain", "less question + position"))]
    for n in found["rows"]:
        against = [
            gains.get(f"{n} - {o}", {}).get("frame_auc") for o in ("plain", "question_position")
        ]
        if any(against):
            lines.append(line((n, *map(signed, against))))
    lines += ["", head(("conflict less plain", *KEYS))]
    worlds = {"default": gains.get("conflict - plain", {})} | {
        w: found[w] for w in WORLDS if w in found
    }
    lines += [line((w, *(signed(f.get(k)) for k in KEYS))) for w, f in worlds.items()]
    for w, f in found["beyond_the_rest"].items():
        lines += [f"beyond the rest, {w}, {kind}: {signed(gain)}" for kind, gain in f.items()]
    lines += [
        "mt less mt without residual: "
        f"{signed(gains.get('mt - mt without residual', {}).get('frame_auc'))}"
    ]
    columns = ("moments: AUC", "change", "less `plain` trained so", "less question + position")
    lines += ["", head(("model", "without", *columns, "answers: AUC", "less `plain` trained so"))]
    for n, each in found.get("absent", {}).items():
        for gone, f in each.items():
            more = [
                signed(f["frame_auc"].get(k)) for k in ("change", "less_trained", "less_shortcut")
            ]
            answers = cell(f["video_auc"]["is"]), signed(f["video_auc"].get("less_trained"))
            lines.append(line((n, gone, cell(f["frame_auc"]["is"]), *more, *answers)))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument(
        "--slow", type=int, default=5, help="of these, how many with MT and JMT, which take long"
    )
    parser.add_argument(
        "--pairs", type=int, default=20, help="further draws of conflict, plain and face alone"
    )
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="seed of the first draw")
    parser.add_argument(
        "--people", type=int, default=16, help="to learn from, a quarter of whom stop"
    )
    parser.add_argument("--test", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--rows", default=",".join(r.name for r in DRAW_ROWS))
    parser.add_argument("--worlds", default=",".join(WORLDS))
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument(
        "--save", action="store_true", help="write the result file, and with all worlds the figure"
    )
    parser.add_argument("--name", default="fusion-study-draws", help="of the result file")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the workers, which import torch after this
    rows = tuple(r for r in DRAW_ROWS if r.name in given.rows.split(","))
    plan = Plan(
        *(given.people, given.test, given.epochs, rows),
        *(tuple(given.worlds.split(",")), given.out),
    )
    seeds = range(given.first, given.first + given.draws + given.pairs)
    draws = []
    work = partial(one_draw, plan, seeds[0], given.draws, given.slow)
    for outcome in engine.run(work, seeds, engine.n_workers(given.workers, len(seeds))):
        if not outcome.ok or outcome.result is None:
            raise TwomindError(f"draw {outcome.item}: {outcome.error}\n{outcome.trace}")
        draws.append(outcome.result)
        print(
            f"draw {outcome.item} done, {len(draws)} of {len(seeds)}", file=sys.stderr, flush=True
        )
    draws.sort(key=lambda d: d["seed"])
    about = {
        "drawn": True,
        "people": given.people,
        "test_people": given.test,
        "epochs": given.epochs,
    }
    found = about | {"seeds": list(seeds), **gathered(draws), "draws": draws}
    print(table(found))
    if given.save:
        from .fusion_study_page import draw

        save(given.name, found, show=False)
        if set(WORLDS) <= set(found) | {"default"}:
            worlds = {w: {"gains": {"conflict - plain": found[w]}} for w in WORLDS if w in found}
            draw({"default": found, **worlds}, PICTURE, "draws of people")


if __name__ == "__main__":
    main()
