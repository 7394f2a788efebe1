"""Many answers: media files in; tables, cues, summaries and a report out. Resumable; one bad file
stops nothing.

A worker writes the folder of its answer and hands back one small row
(:class:`~twomind.pipeline.rows.Row`), so memory does not grow with the number of answers. Whether
an answer is done already is decided before a model runs.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import platform
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

from twomind.core import engine, names
from twomind.core.errors import BadInput, TwomindError
from twomind.core.files import alone_in, content_hash, write_text
from twomind.core.settings import FILE
from twomind.core.store import Ledger, Store
from twomind.core.version import __version__
from twomind.features.face.tracker_mesh import graphs_for_many
from twomind.media.recording import MEDIA_SUFFIXES, SOUND_SUFFIXES
from twomind.pipeline import adapt as adaptation
from twomind.pipeline import asking
from twomind.pipeline.adapt import People
from twomind.pipeline.answer import Loaded, predict_one
from twomind.pipeline.enrolled_start import missing
from twomind.pipeline.jobs import Job, Options, fingerprint, start_path
from twomind.pipeline.rows import (
    Row,
    folder_of,
    row_of,
    summary_with,
    write_overviews,
    write_result,
)
from twomind.types import Access, Given, Progress

#: On a cluster, each item's own entry lies here.
ENTRIES = "ledger"


@dataclass(frozen=True)
class Batch:
    """How a batch is worked: the same for all its answers.

    ``workers`` 0 is one per core. ``redo`` makes again what is done already. ``settings`` is the
    text of ``settings.toml``; empty: none is written. ``run`` tells the entries of one run on a
    cluster from those of others.
    """

    options: Options
    out: Path
    store: Store
    workers: int = 0
    redo: bool = False
    settings: str = ""
    run: str = ""


@dataclass(frozen=True)
class Watch:
    """Who is told: ``progress`` within an answer (one worker only), ``on_done`` after each, ``say``
    a sentence that people should see at once.
    """

    progress: Progress | None = None
    on_done: Callable[[Row], None] | None = None
    say: Callable[[str], None] | None = None


def predict_all(
    jobs: Sequence[Job], batch: Batch, recogniser: Any = None, watch: Watch | None = None
) -> list[Row]:
    """Every job; results, a ledger (``ledger.jsonl``), tables and a report.

    Interrupt it at any time and call it again: files that are whole are kept, the rest is made as
    if undisturbed. Another process that works in the same folder is waited for.

    Args:
        jobs: the answers.
        batch: how they are worked, and the folder that takes the results.
        recogniser: a model that is loaded already (it counts requests, say); it is used for all
            jobs, in this process.
        watch: who is told of progress.

    Returns:
        A row per job, in their order.

    Raises:
        BadInput: the method of adaptation does not go with the model or with what is given.
        OSError: the folder cannot be written to. What could be written is there.
    """
    watch = watch or Watch()
    with alone_in(batch.out, watch.say):
        return _all_rows(jobs, batch, recogniser, watch)


def _all_rows(jobs: Sequence[Job], batch: Batch, recogniser: Any, watch: Watch) -> list[Row]:
    ledger = Ledger(batch.out / "ledger.jsonl")
    finished: list[Row] = []
    not_entered: list[OSError] = []
    for row, seconds in _timed(_rows(jobs, batch, recogniser, watch)):
        if len(jobs) > 1 and _is_bystander(row):
            row = replace(row, state="skipped", exit_code=0)
        finished.append(row)
        try:
            _enter(ledger, row, seconds)
        except OSError as error:
            # A disk that is full now may have room for the next answer.
            not_entered.append(error)
        if watch.on_done is not None:
            watch.on_done(row)
    order = {job: i for i, job in enumerate(jobs)}
    finished.sort(key=lambda row: order[row.job])
    write_overviews(finished, batch.out, batch.options)
    if not_entered:
        raise not_entered[0]
    return finished


def _rows(jobs: Sequence[Job], batch: Batch, recogniser: Any, watch: Watch) -> Iterator[Row]:
    """A row per job as each is done; nothing is loaded where all were done before."""
    loaded = Loaded(recogniser)
    if batch.options.adapt is not None:
        done_before = _all_done(jobs, batch)
        if done_before:
            _write_settings(batch)
            yield from done_before
            return
        model = _ready_to_adapt(jobs, batch.options, recogniser)
        loaded = Loaded(model, People(batch.options.adapt, batch.store.study))
    _write_settings(batch)
    in_this_process = loaded.recogniser is not None
    elsewhere = engine.is_elsewhere()
    if in_this_process and elsewhere:
        raise BadInput(
            "--engine ray: adaptation and language models go from one answer to the next in one "
            "process; leave --engine out, or run once per person"
        )
    n = 1 if in_this_process else engine.n_workers(batch.workers, len(jobs))
    progress = watch.progress if n == 1 and not elsewhere else None
    if elsewhere:
        batch = replace(batch, run=secrets.token_hex(4))
    how = _entered if elsewhere else _work
    work = partial(how, batch=batch, loaded=loaded, progress=progress)
    with graphs_for_many():
        yield from _until_spent(_outcomes(work, jobs, n), jobs)


def _write_settings(batch: Batch) -> None:
    if batch.settings:
        write_text(batch.out / FILE, batch.settings)


def _entered(job: Job, batch: Batch, loaded: Loaded, progress: Progress | None = None) -> Row:
    """One job on some node of a cluster; what became of it lies in a file of its own, which nobody
    changes: it is known also where the process that began the run is gone.
    """
    started = time.perf_counter()
    _graphs_of_worker()
    entries = batch.out / ENTRIES
    name = f"{names.safe(job.id)}.{batch.run}"
    told: dict[str, Any] = {"node": platform.node(), "process": os.getpid()}
    begun_before = (entries / f"{name}.begun.json").exists()
    if not begun_before:
        _enter_alone(entries / f"{name}.begun.json", job, {**told, "state": "begun"})
    try:
        model = batch.options.model
        if model is not None:
            # One process works on many answers of a cluster, and loads the model once.
            loaded = replace(loaded, recogniser=_loaded_once(model, _stamps(Path(model))))
        row = _work(job, batch, loaded, progress)
    except BaseException as error:
        kind = error.kind if isinstance(error, TwomindError) else "defect"
        told |= {"state": "failed", "error_kind": kind, "error": str(error)}
        raise
    else:
        if begun_before and row.state == "already done":
            # By a node that died before it could tell.
            row = replace(row, state="done")
        told |= {"state": row.state, "error_kind": "", "error": ""}
        return row
    finally:
        told["seconds"] = round(time.perf_counter() - started, 3)
        _enter_alone(entries / f"{name}.{secrets.token_hex(4)}.json", job, told)


@cache
def _graphs_of_worker() -> contextlib.AbstractContextManager[None]:
    """A process of workers goes from one recording to the next until it ends."""
    kept = graphs_for_many()
    kept.__enter__()
    return kept


@lru_cache(maxsize=1)
def _loaded_once(name: str, stamps: tuple[tuple[str, int, int], ...]) -> Any:
    """A model; loaded again where its files are others."""
    from twomind.models import load

    return load(name)


def _stamps(model: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of the files of a model; nothing of one that ships."""
    files = sorted(model.rglob("*")) if model.is_dir() else [model]
    found = []
    for path in files:
        if path.is_file():
            known = path.stat()
            found.append((str(path), known.st_size, known.st_mtime_ns))
    return tuple(found)


def _enter_alone(path: Path, job: Job, told: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    entry = {"item": job.id, "path": str(job.media), **told, "version": __version__}
    entry["time"] = now.isoformat(timespec="seconds")
    write_text(path, json.dumps(entry, default=str) + "\n")


def _work(job: Job, batch: Batch, loaded: Loaded, progress: Progress | None = None) -> Row:
    """One job from file to files; what was done before with the same fingerprint is not made
    again.
    """
    started = time.perf_counter()
    if multiprocessing.parent_process() is not None:
        _graphs_of_worker()
    if job.refused:
        raise BadInput(job.refused)
    people, folder = loaded.people, folder_of(batch.out, job.id)
    content = content_hash(job.media)
    learnt = () if people is None else people.before(job.subject, content)
    mark = fingerprint(job, batch.options, learnt)
    before = None if batch.redo else summary_with(folder, mark)
    # A state that is not kept has to be learnt again for the answers that come after.
    state_is_there = people is None or people.has(job.subject, content)
    if before is not None and state_is_there:
        asking.remember(loaded.recogniser, before)
        return row_of(job, "already done", before, time.perf_counter() - started)
    result = predict_one(job, batch.options, batch.store, progress, loaded)
    if before is not None:
        return row_of(job, "already done", before, time.perf_counter() - started)
    if fingerprint(job, batch.options, learnt) != mark:
        raise BadInput(
            f"{job.media}: the file, or one that belongs to it, changed while it was read. Nothing "
            "was kept of this answer; wait until it is written whole, and run again."
        )
    options = batch.options
    summary = write_result(result, folder, mark, options)
    return row_of(job, "done", summary, time.perf_counter() - started)


def _all_done(jobs: Sequence[Job], batch: Batch) -> list[Row]:
    """Rows of all jobs with adaptation, where each was done before; else none.

    The chain of a person's recordings is followed as it was then: with no folder of states, each
    answer says how many recordings came before it.
    """
    how = batch.options.adapt
    assert how is not None
    if batch.redo:
        return []
    people = People(how, batch.store.study)
    rows = []
    for job in jobs:
        try:
            summary = _done_in_order(job, batch, people)
        except (TwomindError, OSError):
            return []
        if summary is None:
            return []
        rows.append(row_of(job, "already done", summary))
    return rows


def _done_in_order(job: Job, batch: Batch, people: People) -> dict[str, Any] | None:
    """The summary of a job that was done before, after those of its person that ``people`` knows;
    ``people`` then knows this one too.
    """
    if job.refused:
        raise BadInput(job.refused)
    content = content_hash(job.media)
    before = people.before(job.subject, content)
    found = summary_with(folder_of(batch.out, job.id), fingerprint(job, batch.options, before))
    if found is None:
        return None
    if batch.options.adapt is not None and batch.options.adapt.state is None:
        people.imagine(job.subject, content)
        return found
    return found if people.has(job.subject, content) else None


def _ready_to_adapt(jobs: Sequence[Job], options: Options, recogniser: Any) -> Any:
    """The model, once for all, after everything was refused that can be before a file is read.

    Raises:
        BadInput: the method does not go with the model or with what is given.
    """
    from twomind.models import load

    how = options.adapt
    assert how is not None
    if options.prevalence is not None or options.max_risk is not None:
        raise BadInput(
            "model.prevalence and model.max_risk go with a model's own calibration, which --adapt "
            "leaves behind"
        )
    recogniser = recogniser if recogniser is not None else load(options.model or "words")
    without = [job.subject for job in jobs if start_path(job, options) is None]
    _check_neutral(jobs, options, without)
    neutral = () if options.neutral or not without else None
    given = Given(how.seed, summary=adaptation.summary_of(recogniser), neutral=neutral)
    adaptation.check(recogniser, how, given)
    return recogniser


def _check_neutral(jobs: Sequence[Job], options: Options, without: Sequence[str]) -> None:
    """A method that begins with a neutral clip has one of each person, or what was kept of one.

    Args:
        jobs: what is predicted.
        options: with a method.
        without: people for whom nothing was kept at enrolment.

    Raises:
        BadInput: it has not.
    """
    how = options.adapt
    assert how is not None
    if Access.NEUTRAL not in how.adapter().needs or not without:
        return
    if options.neutral is None and options.profiles is not None:
        person = options.person or without[0]
        raise BadInput(f"--adapt {how.method}: {missing(options.profiles, person, how.method)}")
    subjects = sorted({job.subject for job in jobs})
    if options.neutral is not None and len(subjects) > 1:
        raise BadInput(
            f"--adapt {how.method} needs a neutral clip of the person, and --neutral is one clip "
            f"for {len(subjects)} people ({', '.join(subjects[:3])} …): run it once per person"
        )


def _is_bystander(row: Row) -> bool:
    """A transcript, a table or a licence among recordings (``predict study/*``) is left out, and
    that is not a failure.
    """
    ending = row.job.media.suffix.lower()
    if row.job.refused or not row.job.media.is_file():
        return False
    return row.error_kind == BadInput.kind and ending not in (*MEDIA_SUFFIXES, *SOUND_SUFFIXES)


def _outcomes(work: Callable[[Job], Row], jobs: Sequence[Job], n: int) -> Iterator[Row]:
    for outcome in engine.run(work, jobs, n):
        if outcome.ok and outcome.result is not None:
            yield outcome.result
            continue
        yield Row(
            outcome.item,
            "failed",
            error=outcome.error,
            error_kind=outcome.error_kind,
            exit_code=outcome.exit_code,
        )


def _until_spent(items: Iterator[Row], jobs: Sequence[Job]) -> Iterator[Row]:
    """The same items; once a budget is spent (one worker, so in order), the rest is not begun."""
    for n, row in enumerate(items, 1):
        yield row
        if row.error_kind == "budget":
            yield from (replace(row, job=job) for job in jobs[n:])
            return


def _timed(items: Iterator[Row]) -> Iterator[tuple[Row, float]]:
    before = time.perf_counter()
    for item in items:
        now = time.perf_counter()
        yield item, now - before
        before = now


def _enter(ledger: Ledger, row: Row, seconds: float) -> None:
    ledger.append(
        row.job.id,
        path=str(row.job.media),
        state=row.state,
        error_kind=row.error_kind,
        error=row.error,
        words_reason=row.words_reason,
        words_remarks=list(row.words_remarks),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        since_last_s=round(seconds, 3),
        version=__version__,
    )


def exit_code(finished: Sequence[Row]) -> int:
    """0 when all went well, 7 when some failed, the failure's own code when nothing was done."""
    failed = [row for row in finished if row.state == "failed"]
    if any(row.has_result for row in finished):
        return 7 if failed else 0
    if failed:
        return failed[0].exit_code or 1
    return BadInput.exit_code
