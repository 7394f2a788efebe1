"""``twomind people``: synthetic people as films, or a whole synthetic data set in the layout of a
real one.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twomind.cli.progress import Bars
from twomind.cli.verb import PATH, print_json, say, store_option, verb
from twomind.core.errors import BadInput
from twomind.core.synthetic import CONTROLS, LAYOUTS

if TYPE_CHECKING:
    from twomind.types import Progress
    from twomind_synth.study_world import StudyWorld

CROPS = ("none", "layout", "all")


def world_of(knobs: tuple[str, ...] = (), control: str = "none") -> StudyWorld:
    """The world with these knobs and this negative control.

    Raises:
        BadInput: no such knob or control.
    """
    from twomind_synth.study_world import StudyWorld, with_knobs

    if control not in CONTROLS:
        raise BadInput(f"expected a control among {', '.join(CONTROLS)}")
    world = with_knobs(StudyWorld(), knobs)
    if control == "people-alike":
        return world.alike()
    if control == "no-conflict":
        return replace(world, conflict=0.0)
    if control == "nothing-shows":
        return replace(world, subtlety=1.0, conflict=0.0)
    return world


def draw_layout(
    out: Path,
    layout: str,
    n_people: int,
    seed: int,
    visits: int = 1,
    knobs: tuple[str, ...] = (),
    control: str = "none",
    crops: str = "layout",
    features: bool = False,
    store: Path | None = None,
    workers: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Draw the study, and on wish measure it into the store; what a caller may want to know, as
    plain values.

    Raises:
        BadInput: a setting cannot be used, or the folder holds another study.
        Partial: some clips failed.
    """
    from twomind.core import engine
    from twomind.core.store import Store, default_root
    from twomind_synth.studies.features import describe_study, film_and_crop, film_crop_more
    from twomind_synth.study import MEANING, draw_study, film_clip, plan_study

    if crops not in CROPS:
        raise BadInput(f"expected crops among {', '.join(CROPS)}")
    world = world_of(knobs, control)
    plan = plan_study(
        out, layout, n_people, seed, world, visits, crop_every=0 if crops == "none" else None
    )
    work = {"none": film_clip, "layout": film_and_crop, "all": film_crop_more}[crops]
    draw_study(plan, workers, progress, work)
    clips = plan.clips()
    found: dict[str, Any] = {
        "folder": out,
        "layout": layout,
        "people": n_people,
        "visits": visits,
        "clips": len(clips),
        "drawn": True,
        "means": MEANING,
    }
    if features:
        kept = Store(store or default_root())
        rows = describe_study(plan, engine.n_workers(workers, len(clips)), kept, progress)
        found["features"] = {
            "store": kept.root,
            "clips": len(rows),
            "seconds": sum(r["duration_s"] for r in rows),
        }
    return found


@click.command()
@click.argument("out", type=PATH)
@click.option(
    "--people",
    "n_people",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many people.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="The same seed draws the same people."
)
@click.option(
    "--voice", type=click.Choice(["auto", "espeak", "builtin"]), default="auto", show_default=True
)
@click.option("--workers", type=int, default=0, help="Processes [default: one per core].")
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    help="Write a whole study in the folders and files of this data set (`twomind docs synthetic-data`).",
)
@click.option(
    "--visits",
    type=click.IntRange(1, 5),
    default=1,
    show_default=True,
    help="Study: days per person.",
)
@click.option(
    "--knob",
    "knobs",
    multiple=True,
    metavar="NAME=NUMBER",
    help="Study: a setting of the world; repeatable.",
)
@click.option(
    "--control",
    type=click.Choice(CONTROLS),
    default="none",
    show_default=True,
    help="Study: a negative control.",
)
@click.option(
    "--crops",
    type=click.Choice(CROPS),
    default="layout",
    show_default=True,
    help="Study: aligned face crops; all = 112 and 256 px in both geometries.",
)
@click.option("--features", is_flag=True, help="Study: also measure every film into the store.")
@store_option
@verb
def people(
    out: Path,
    n_people: int,
    seed: int,
    voice: str,
    workers: int,
    layout: str | None,
    visits: int,
    knobs: tuple[str, ...],
    control: str,
    crops: str,
    features: bool,
    store: Path | None,
    as_json: bool,
    offline: bool,
) -> int:
    """Draw synthetic people who answer the seven questions: real MP4 files with sound, transcript
    and known truth.

    They show that the machinery works; they say nothing about real faces.
    """
    if layout is not None:
        if voice == "espeak":
            raise BadInput(
                "a study speaks with the built-in voice, whose times are the same on every machine"
            )
        with Bars(n_people) as (progress, _):
            made = draw_layout(
                out,
                layout,
                n_people,
                seed,
                visits,
                knobs,
                control,
                crops,
                features,
                store,
                workers,
                progress,
            )
        if as_json:
            print_json(made)
        say(f"synthetic study ({layout}): {made['clips']} clips in {out}; {made['means']}")
        return 0
    given = {
        "--visits": visits != 1,
        "--knob": bool(knobs),
        "--control": control != "none",
        "--features": features,
    }
    if any(given.values()):
        raise BadInput(
            f"{', '.join(k for k, v in given.items() if v)}: expected together with --layout"
        )
    from twomind_synth.people import draw_people

    with Bars(n_people * 7) as (progress, _):
        manifest = draw_people(
            out, n_people=n_people, seed=seed, voice=voice, workers=workers, progress=progress
        )
    found = {"folder": out, "manifest": manifest, "labels": out / "labels.csv", "people": n_people}
    if as_json:
        print_json(found)
    say(f"synthetic people: {out}; read them with: twomind predict --manifest {manifest}")
    return 0
