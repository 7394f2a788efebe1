"""A whole study of synthetic people in the folder layout of BAH, BioVid or StressID: films,
annotations, truth.

``study.json`` at the root (and in ``visit-<n>/``) says that everybody is drawn and by which factors
they differ; the truth of every clip lies under ``truth/``, apart from the layout's own files.
"""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twomind.core import engine
from twomind.core.errors import BadInput, MissingExtra, Partial
from twomind.core.store import write_text
from twomind.types import Progress
from twomind_synth import study_files
from twomind_synth.film import TAG
from twomind_synth.study_film import FPS, SIZE, film_settings, make_film
from twomind_synth.study_layout import Clip, check_layout, clips_of, person_of, take_of
from twomind_synth.study_people import factors_plain
from twomind_synth.study_world import StudyWorld

#: What a number on synthetic people means; printed wherever there is one.
MEANING = "synthetic people: consistency of the machinery, not validity on people"
#: One crop for so many frames of a film. Every frame, as in the release, would be some 10 GB for 24
#: people.
CROP_EVERY = {"bah": 5, "biovid": 5, "stressid": 1}


@dataclass(frozen=True)
class StudyPlan:
    """What to draw; plain values, so that it travels to worker processes."""

    out: Path
    layout: str
    n_people: int
    seed: int
    world: StudyWorld
    visits: int = 1
    fps: int = 15
    size: tuple[int, int] = SIZE
    crop_every: int = 0

    def clips(self) -> tuple[Clip, ...]:
        return clips_of(self.layout, self.n_people, self.seed, self.world, self.visits)


@dataclass(frozen=True)
class ClipJob:
    """One clip of a plan."""

    plan: StudyPlan
    clip: Clip


def film_clip(job: ClipJob) -> bool:
    """Film one clip if it is not complete; True when it was drawn now."""
    plan, clip = job.plan, job.clip
    take = take_of(clip, plan.world, plan.seed, plan.fps, plan.size)
    settings = film_settings(plan.fps, plan.size)
    return make_film(
        plan.out / clip.media, plan.out / clip.truth, take, plan.world, plan.seed, settings
    )


def plan_study(
    out: Path,
    layout: str,
    n_people: int = 24,
    seed: int = 0,
    world: StudyWorld | None = None,
    visits: int = 1,
    fps: int | None = None,
    size: tuple[int, int] = SIZE,
    crop_every: int | None = None,
) -> StudyPlan:
    """A checked plan. ``crop_every`` 0 leaves crops out; None is the layout's usual.

    Raises:
        BadInput: a setting cannot be used, or the folder holds another study.
    """
    check_layout(layout, n_people, visits)
    fps = FPS[layout] if fps is None else fps
    every = CROP_EVERY[layout] if crop_every is None else crop_every
    if not 5 <= fps <= 60:
        raise BadInput(f"fps: expected 5..60, got {fps}")
    if any(side % 2 or side < 128 for side in size):
        raise BadInput(
            f"size: expected even numbers of at least 128 px (h264 needs even), got {size[0]} x "
            f"{size[1]}"
        )
    if every < 0:
        raise BadInput(f"crop_every: expected 0 (no crops) or a number of frames, got {every}")
    plan = StudyPlan(
        Path(out), layout, n_people, seed, world or StudyWorld(), visits, fps, size, every
    )
    _same_study(plan)
    return plan


def _same_study(plan: StudyPlan) -> None:
    """A folder holds one study: another one would leave its films between the new ones."""
    path = plan.out / "study.json"
    if not path.exists():
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(
            f"{path}: not JSON; is this folder a study? Choose another folder"
        ) from error
    wanted = _identity(plan)
    other = [k for k, v in wanted.items() if found.get(k) != json.loads(json.dumps(v))]
    if other:
        raise BadInput(
            f"{plan.out}: holds another study (differs in {', '.join(other)}); choose another "
            "folder"
        )


def _identity(plan: StudyPlan) -> dict[str, Any]:
    return {
        "drawn": True,
        "layout": plan.layout,
        "seed": plan.seed,
        "n_people": plan.n_people,
        "visits": plan.visits,
        "world": plan.world.plain(),
        "film": {"fps": plan.fps, "size": list(plan.size)},
    }


def draw_study(
    plan: StudyPlan,
    workers: int = 0,
    progress: Progress | None = None,
    work: Callable[[ClipJob], Any] = film_clip,
) -> Path:
    """Film all clips of a plan and write the annotation files; returns the root. Complete films are
    kept.

    ``work`` is what is done per clip, by default :func:`film_clip`; what replaces it must call it.

    Raises: MissingExtra: OpenCV, which draws, is not installed. Partial: some clips failed; no
        annotation files are written, since they would name films that are not there.
    """
    if importlib.util.find_spec("cv2") is None:
        raise MissingExtra("face", "drawing people")
    clips, began = plan.clips(), time.time()
    write_text(plan.out / "study.json", _study_json(plan, clips))
    jobs = [ClipJob(plan, clip) for clip in clips]
    failures = []
    for done, outcome in enumerate(
        engine.run(work, jobs, engine.n_workers(workers, len(jobs))), start=1
    ):
        if not outcome.ok:
            failures.append(f"{outcome.item.clip.recording}: {outcome.error}")
        if progress:
            progress(f"drawing a {plan.layout} study", done, len(jobs))
    if failures:
        raise Partial(f"{len(failures)} of {len(jobs)} clips failed: {'; '.join(failures[:5])}")
    write_annotations(plan, clips)
    _sweep(plan.out, began)
    return plan.out


def _sweep(root: Path, began: float) -> None:
    """Remove the unfinished files of runs that were killed, which a check of the data set would
    call extra.

    What was written to since this run ``began`` may be another run's, at work in the same folder:
    it stays.
    """
    for part in root.rglob(".*.part"):
        if part.stat().st_mtime < began:
            part.unlink(missing_ok=True)


def write_annotations(plan: StudyPlan, clips: Iterable[Clip]) -> None:
    """Every annotation file of the layout, from the truth files."""
    clips = tuple(clips)
    truths = [study_files.read_truth(plan.out / c.truth) for c in clips]
    if plan.layout == "bah":
        study_files.write_bah(plan.out, clips, truths, plan.seed, plan.n_people, plan.crop_every)
        return
    for base in dict.fromkeys(c.base for c in clips):
        here = [(c, t) for c, t in zip(clips, truths, strict=True) if c.base == base]
        some, known = [c for c, _ in here], [t for _, t in here]
        if plan.layout == "biovid":
            study_files.write_biovid(plan.out / base, some, known, plan.crop_every)
        else:
            study_files.write_stressid(plan.out / base, some, known)
        if base != ".":
            write_text(plan.out / base / "study.json", _study_json(plan, some))


def _study_json(plan: StudyPlan, clips: Iterable[Clip]) -> str:
    people = {(c.index, c.visit): person_of(c, plan.world, plan.seed, plan.size) for c in clips}
    found = {
        "what": TAG,
        "means": MEANING,
        **_identity(plan),
        "people": factors_plain(list(people.values())),
    }
    return json.dumps(found, indent=1, allow_nan=False) + "\n"
