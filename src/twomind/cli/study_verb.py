"""``twomind people OUT --layout ...``: a whole study of drawn people in the layout of a real data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twomind.core.errors import BadInput
from twomind.types import Progress

if TYPE_CHECKING:
    from twomind_synth.study_world import StudyWorld

#: negative controls that are settings of the world
CONTROLS = ("none", "people-alike", "no-conflict", "nothing-shows")
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
    """Draw the study, and on wish measure it into the store; what a caller may want to know, as plain values.

    Raises:
        BadInput: a setting cannot be used, or the folder holds another study.
        Partial: some clips failed.
    """
    from twomind_synth.studies.features import describe_study, film_and_crop, film_crop_more
    from twomind_synth.study import MEANING, draw_study, film_clip, plan_study

    from twomind.core import engine
    from twomind.core.store import Store, default_root

    if crops not in CROPS:
        raise BadInput(f"expected crops among {', '.join(CROPS)}")
    world = world_of(knobs, control)
    plan = plan_study(out, layout, n_people, seed, world, visits, crop_every=0 if crops == "none" else None)
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
        found["features"] = {"store": kept.root, "clips": len(rows), "seconds": sum(r["duration_s"] for r in rows)}
    return found
