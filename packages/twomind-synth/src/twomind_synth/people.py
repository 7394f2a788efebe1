"""A folder of synthetic people: every person answers the questions; a manifest lists the answers
without their labels.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from twomind.core import engine
from twomind.core.errors import BadInput, MissingExtra, Partial
from twomind.core.store import write_text
from twomind.types import Progress
from twomind_synth.csv_text import table
from twomind_synth.film import Film, FilmSettings, film_answer
from twomind_synth.voice import resolve_engine
from twomind_synth.world import World, person_factors

MANIFEST = "answers.csv"
LABELS = "labels.csv"


@dataclass(frozen=True)
class _Job:
    """One answer to film; plain values only, so that it travels to a worker process."""

    out: Path
    world: World
    seed: int
    index: int
    question: int
    settings: FilmSettings


def _film(job: _Job) -> Film:
    folder = job.out / person_factors(job.seed, job.index).name
    return film_answer(folder, job.world, job.seed, job.index, job.question, job.settings)


def draw_people(
    out: Path,
    n_people: int = 1,
    seed: int = 0,
    workers: int = 0,
    questions: Sequence[int] = (1, 2, 3, 4, 5, 6, 7),
    size: tuple[int, int] = (640, 480),
    fps: int = 25,
    voice: str = "auto",
    progress: Progress | None = None,
    world: World | None = None,
) -> Path:
    """Film ``n_people`` under ``out/<person>/`` and return the manifest ``out/answers.csv``.

    The manifest has the columns ``path,subject,question,transcript`` (paths relative to ``out``);
    labels and times of A/H are in ``labels.csv`` and in the truth file beside each film. Complete
    films are kept. ``size`` is (width, height) in px; ``workers`` 0 means one process per core.

    Raises:
        BadInput: a setting cannot be used.
        MissingExtra: OpenCV, which draws, is not installed.
        Partial: some films failed; the manifest lists the others.
    """
    out = Path(out)
    _check(n_people, questions, size, fps)
    if importlib.util.find_spec("cv2") is None:
        raise MissingExtra("face", "drawing people")
    # "auto" is settled here, once, so that all films of a folder speak with the same engine.
    settings = FilmSettings(size[0], size[1], fps, resolve_engine(voice))
    world = world or World()
    jobs = [
        _Job(out, world, seed, index, q, settings)
        for index in range(n_people)
        for q in sorted(set(questions))
    ]
    films, failures = [], []
    for done, outcome in enumerate(
        engine.run(_film, jobs, engine.n_workers(workers, len(jobs))), start=1
    ):
        if outcome.result is not None:
            films.append(outcome.result)
        else:
            name = (
                f"{person_factors(seed, outcome.item.index).name} question {outcome.item.question}"
            )
            failures.append(f"{name}: {outcome.error}")
        if progress:
            progress("drawing people", done, len(jobs))
    films.sort(key=lambda film: (film.subject, film.question))
    manifest = _write_manifest(out, films)
    if failures:
        raise Partial(f"{len(failures)} of {len(jobs)} films failed: {'; '.join(failures[:5])}")
    return manifest


def _check(n_people: int, questions: Sequence[int], size: tuple[int, int], fps: int) -> None:
    if n_people < 1:
        raise BadInput(f"n_people: expected at least 1, got {n_people}")
    if not questions or any(q not in range(1, 8) for q in questions):
        raise BadInput(f"questions: expected numbers 1..7, got {list(questions)}")
    if any(side % 2 or side < 128 for side in size):
        raise BadInput(
            f"size: expected even numbers of at least 128 px (h264 needs even), got {size[0]} x "
            f"{size[1]}"
        )
    if not 5 <= fps <= 60:
        raise BadInput(f"fps: expected 5..60, got {fps}")


def _write_manifest(out: Path, films: list[Film]) -> Path:
    def relative(path: Path) -> str:
        return path.relative_to(out).as_posix()

    answers = [(relative(f.media), f.subject, f.question, relative(f.transcript)) for f in films]
    labels = [
        (
            relative(f.media),
            f.subject,
            f.question,
            f.label,
            ";".join(f"{a:.3f}-{b:.3f}" for a, b in f.segments),
        )
        for f in films
    ]
    write_text(out / LABELS, table(("path", "subject", "question", "label", "segments_s"), labels))
    return write_text(out / MANIFEST, table(("path", "subject", "question", "transcript"), answers))
