"""The main job: media files in; tables, cues, summaries and a report out. Resumable; one bad file
stops nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from twomind import __version__
from twomind.core import engine
from twomind.core.errors import BadInput
from twomind.core.store import Ledger, Store, content_hash
from twomind.media.recording import MEDIA_SUFFIXES
from twomind.pipeline import adapt as adaptation
from twomind.pipeline.adapt import People
from twomind.pipeline.answer import predict_one
from twomind.pipeline.jobs import Job, Options, fingerprint
from twomind.reporting import tables
from twomind.reporting.result import Result
from twomind.reporting.summary import summary_of
from twomind.types import Access, Given, Progress


@dataclass(frozen=True)
class Done:
    """What became of one job; ``state``: done, already done, skipped or failed (the last two have
    no ``result``).
    """

    job: Job
    state: str
    result: Result | None = None
    error: str = ""
    error_kind: str = ""
    exit_code: int = 0


def write_result(result: Result, folder: Path, mark: str) -> None:
    """All files of one answer. The summary is written last: where it lies, the rest is whole."""
    from twomind.reporting.report import write_report

    folder.mkdir(parents=True, exist_ok=True)
    _clear(folder)
    tables.write_measures_csv(result, folder / "measures.csv")
    tables.write_measures_parquet(result, folder / "measures.parquet")
    tables.write_cues_csv(result, folder / "cues.csv")
    tables.write_vtt(result.cues, folder / "cues.vtt")
    tables.write_words_csv(result, folder / "words.csv")
    tables.write_evidence_csv(result, folder / "evidence.csv")
    if result.located:
        tables.write_segments_csv(result, folder / "segments.csv")
        tables.write_vtt(result.segments, folder / "segments.vtt")
        tables.write_frame_score_csv(result, folder / "frame_score.csv")
    write_report([result], folder / "report.html")
    tables.write_json(summary_of(result, mark), folder / "summary.json")


def _clear(folder: Path) -> None:
    """Remove what a killed run left half-written, and files that only another model's answer would
    have.
    """
    for name in (".*.part", "segments.csv", "segments.vtt", "frame_score.csv", "evidence.csv"):
        for path in folder.glob(name):
            path.unlink(missing_ok=True)


def _work(
    job: Job,
    options: Options,
    store: Store,
    out: Path,
    redo: bool,
    progress: Progress | None = None,
    recogniser: Any = None,
    people: People | None = None,
) -> Done:
    """One job from file to files; what was done before with the same fingerprint is read, not made
    again.
    """
    learnt = () if people is None else people.before(job.subject, content_hash(job.media))
    mark = fingerprint(job, options, learnt)
    folder = out / job.id
    before = _read_mark(folder / "summary.json")
    result = predict_one(job, options, store, progress, recogniser, people)
    if before == mark and not redo:
        return Done(job, "already done", result)
    write_result(result, folder, mark)
    return Done(job, "done", result)


def _read_mark(path: Path) -> str | None:
    import json

    try:
        return json.loads(path.read_text(encoding="utf-8")).get("fingerprint")
    except (OSError, ValueError):
        return None


def predict_all(
    jobs: Sequence[Job],
    options: Options,
    out: Path,
    *,
    store: Store,
    workers: int = 0,
    redo: bool = False,
    progress: Progress | None = None,
    on_done: Callable[[Done], None] | None = None,
    recogniser: Any = None,
) -> list[Done]:
    """Every job; results, a ledger (``ledger.jsonl``), a table (``answers.csv``) and a report in
    ``out``.

    A ``recogniser`` that is loaded already (it counts requests, say) is used for all jobs, in this
    process. Interrupt it at any time and call it again: files that are whole are kept, the rest is
    made as if undisturbed.
    """
    out.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(out / "ledger.jsonl")
    people = None
    if options.adapt is not None:
        recogniser = _ready_to_adapt(jobs, options, recogniser)
        people = People(options.adapt, store.study)
    n = 1 if recogniser is not None else engine.n_workers(workers, len(jobs))
    shared = {"progress": progress if n == 1 else None, "recogniser": recogniser, "people": people}
    work = partial(_work, options=options, store=store, out=out, redo=redo, **shared)
    finished: list[Done] = []
    for done, seconds in _timed(_until_spent(_outcomes(work, jobs, n), jobs)):
        if len(jobs) > 1 and _is_bystander(done):
            done = replace(done, state="skipped", exit_code=0)
        finished.append(done)
        ledger.append(
            done.job.id,
            path=str(done.job.media),
            state=done.state,
            error_kind=done.error_kind,
            error=done.error,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            since_last_s=round(seconds, 3),
            version=__version__,
        )
        if on_done is not None:
            on_done(done)
    order = {job.id: i for i, job in enumerate(jobs)}
    finished.sort(key=lambda d: order[d.job.id])
    write_overview(finished, out)
    return finished


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
            "--prevalence and --max-risk go with a model's own calibration, which --adapt leaves "
            "behind"
        )
    recogniser = recogniser if recogniser is not None else load(options.model or "words")
    given = Given(
        how.seed, summary=adaptation.summary_of(recogniser), neutral=() if options.neutral else None
    )
    adaptation.check(recogniser, how, given)
    subjects = sorted({job.subject for job in jobs})
    if Access.NEUTRAL in how.adapter().needs and len(subjects) > 1:
        raise BadInput(
            f"--adapt {how.method} needs a neutral clip of the person, and --neutral is one clip "
            f"for {len(subjects)} "
            f"people ({', '.join(subjects[:3])} …): run it once per person"
        )
    return recogniser


def _is_bystander(done: Done) -> bool:
    """A transcript, a table or a licence among recordings (``predict study/*``) is left out, and
    that is no failure.
    """
    return done.error_kind == BadInput.kind and done.job.media.suffix.lower() not in MEDIA_SUFFIXES


def _outcomes(work: Callable[[Job], Done], jobs: Sequence[Job], n: int) -> Iterator[Done]:
    for outcome in engine.run(work, jobs, n):
        if outcome.ok and outcome.result is not None:
            yield outcome.result
        else:
            yield Done(
                outcome.item, "failed", None, outcome.error, outcome.error_kind, outcome.exit_code
            )


def _until_spent(items: Iterator[Done], jobs: Sequence[Job]) -> Iterator[Done]:
    """The same items; once a budget is spent (one worker, so in order), the rest is not begun."""
    for n, done in enumerate(items, 1):
        yield done
        if done.error_kind == "budget":
            yield from (replace(done, job=job) for job in jobs[n:])
            return


def _timed(items: Iterator[Done]) -> Iterator[tuple[Done, float]]:
    before = time.perf_counter()
    for item in items:
        now = time.perf_counter()
        yield item, now - before
        before = now


def write_overview(finished: Sequence[Done], out: Path) -> None:
    """``answers.csv`` (one row per file, failed ones too) and the report over all answers."""
    from twomind.reporting.report import write_report

    adapted = any(d.result is not None and d.result.adaptation for d in finished)
    columns = (
        "recording",
        "subject",
        "question",
        "state",
        "status",
        "probability",
        "band_low",
        "band_high",
        "part_question",
        "part_length",
        "part_content",
        "n_words",
        "n_cues",
        "reason",
        "path",
        *(("probability_unadapted",) if adapted else ()),
    )
    tables.write_rows(out / "answers.csv", columns, [_overview_row(d, adapted) for d in finished])
    results = [d.result for d in finished if d.result is not None]
    if results:
        write_report(results, out / "report.html")


def _overview_row(done: Done, adapted: bool = False) -> list[Any]:
    row = _plain_row(done)
    if not adapted:
        return row
    plain = None if done.result is None else done.result.unadapted
    return [*row, None if plain is None else float(plain.probs[1])]


def _plain_row(done: Done) -> list[Any]:
    job, result = done.job, done.result
    if result is None:
        blank: list[Any] = [None] * 8
        return [
            job.id,
            job.subject,
            job.question,
            done.state,
            done.state,
            *blank,
            done.error,
            job.media,
        ]
    prediction = result.prediction
    parts: Mapping[str, float] = {e.name: e.value for e in prediction.evidence if e.kind == "part"}
    band: Mapping[str, float] = {e.name: e.value for e in prediction.evidence if e.kind == "band"}
    return [
        job.id,
        job.subject,
        job.question,
        done.state,
        str(prediction.status),
        float(prediction.probs[1]),
        band.get("low"),
        band.get("high"),
        parts.get("question"),
        parts.get("length"),
        parts.get("content"),
        None if result.features.words is None else len(result.features.words),
        len(result.cues),
        prediction.reason,
        job.media,
    ]


def exit_code(finished: Sequence[Done]) -> int:
    """0 when all went well, 7 when some failed, the failure's own code when nothing was done."""
    failed = [d for d in finished if d.state == "failed"]
    if any(d.result is not None for d in finished):
        return 7 if failed else 0
    return failed[0].exit_code or 1 if failed else BadInput.exit_code
