"""One run of ``predict`` or ``describe``: from what was asked to the folder of results.

:func:`prepare` refuses what can be refused before a file is read; :meth:`Prepared.go` does the
work; :class:`Finished` says what came of it, read from the folder.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from twomind.core.errors import BadInput
from twomind.core.settings import FILE as SETTINGS_FILE
from twomind.core.settings import Asked
from twomind.core.store import Store, default_root, default_study
from twomind.media.recording import media_and_second_names
from twomind.models import load, tell_if_unsealed
from twomind.models.base import complete
from twomind.models.questions import BAH_QUESTIONS, is_number, refuse_unknown, resolve
from twomind.pipeline import asking, jobs, predict, telling
from twomind.pipeline.adapt import Adaptation, read_settings
from twomind.pipeline.following import followed
from twomind.pipeline.profiles import of_study
from twomind.pipeline.rows import Row, summary_in
from twomind.pipeline.settings import DescribeRun, PredictRun, as_toml
from twomind.reporting.sheets import refuse_without_library
from twomind.transcripts.speech_models import require

#: What ``--json`` says of each answer, from its summary.
_OF_MEASURES = ("words", "cues", "not_measured", "media", "drawn_person", "adaptation")
_OF_SCORE = ("prediction", "located")


@dataclass(frozen=True)
class Finished:
    """A run that has ended. ``llm`` is what a language model's recogniser counted, if one was
    asked. ``second_names`` are links that were left out: their file has another name that was read.
    """

    rows: list[Row]
    out: Path
    predicting: bool
    llm: dict[str, Any] | None = None
    llm_said: tuple[str, ...] = ()
    second_names: Mapping[Path, Path] = field(default_factory=dict)

    @property
    def report(self) -> Path:
        return self.out / "report.html"

    @property
    def ledger(self) -> Path:
        return self.out / "ledger.jsonl"

    def in_state(self, *states: str) -> list[Row]:
        return [row for row in self.rows if row.state in states]

    @property
    def exit_code(self) -> int:
        return predict.exit_code(self.rows)

    def answers(self) -> Iterator[dict[str, Any]]:
        """Each answer as plain values, one after another, read from its folder."""
        keep = _OF_MEASURES + (_OF_SCORE if self.predicting else ())
        for row in self.rows:
            base = {"recording": row.job.id, "path": row.job.media, "state": row.state}
            if not row.has_result:
                yield {**base, "error": {"kind": row.error_kind, "message": row.error}}
                continue
            summary = summary_in(self.out, row)
            yield {**base, **{name: summary[name] for name in keep if name in summary}}

    def counts(self) -> dict[str, Any]:
        """What there is to say over all answers, as plain values."""
        n_failed = len(self.in_state("failed"))
        n_skipped = len(self.in_state("skipped"))
        n_done = len(self.rows) - n_failed - n_skipped
        found: dict[str, Any] = {
            "n": len(self.rows),
            "n_failed": n_failed,
            "n_skipped": n_skipped,
            "report": self.report if n_done else None,
            "ledger": self.ledger,
        }
        if self.llm is not None:
            found["llm"] = self.llm
        return found

    def results(self) -> list[str]:
        """Each answer's result in words, or counts where they are many; nothing of ``describe``."""
        return telling.results(self.rows) if self.predicting else []

    def remarks(self) -> list[str]:
        """What people are told besides the results: failures, what adaptation did, where to look."""
        lines = list(self.llm_said)
        lines += telling.transcripts(self.rows)
        lines += telling.overlays(self.rows)
        lines += telling.adapted(self.rows, self.out)
        lines += telling.not_done(self.rows)
        lines += telling.second_names(self.second_names)
        n_done = len(self.in_state("done", "already done"))
        n = len(self.rows) - len(self.in_state("skipped"))
        lines.append(f"{n_done} of {n} answers done; ledger: {self.ledger}")
        if self.predicting:
            lines += telling.advice(self.rows)
        if n_done:
            lines.append(f"report: {self.report.resolve()}")
        return lines


@dataclass(frozen=True)
class Prepared:
    """A run that can begin."""

    jobs: list[jobs.Job]
    batch: predict.Batch
    recogniser: Any = None
    second_names: Mapping[Path, Path] = field(default_factory=dict)

    def go(self, watch: predict.Watch | None = None) -> Finished:
        """Do the work; see :func:`twomind.pipeline.predict.predict_all`."""
        rows = predict.predict_all(self.jobs, self.batch, self.recogniser, watch)
        out, predicting = self.batch.out, self.batch.options.model is not None
        finished = Finished(rows, out, predicting, second_names=self.second_names)
        if not isinstance(self.recogniser, asking.LlmRecogniser):
            return finished
        said = asking.write_summary(self.recogniser, out)
        return replace(finished, llm=self.recogniser.summary(), llm_said=tuple(said))


def prepare(
    asked: Asked[Any],
    *,
    offline: bool = False,
    redo: bool = False,
    warn: Callable[[str], None] | None = None,
) -> Prepared:
    """What a run will do.

    Args:
        asked: the settings.
        offline: the network is not used.
        redo: make again what is done already.
        warn: takes a sentence that people should see at once.

    Raises:
        TwomindError: something that was asked cannot be done; nothing was read or written.
    """
    run: DescribeRun = asked.settings
    _refuse(run)
    _refuse_second_back_end(run)
    refuse_without_library(run.tables)
    if run.describe.speech_model is not None:
        require(run.describe.speech_model, offline)
    store = Store(run.store or default_root(), _study(run))
    media, second_names = media_and_second_names(list(run.media))
    planned = jobs.plan(
        media,
        manifest=run.manifest,
        question=run.question if isinstance(run, PredictRun) else None,
        transcript=run.transcript,
        subject=run.person,
        speaker=run.speaker,
    )
    if run.follow_tables:
        planned = followed(planned, warn or (lambda text: None))
    options = _describe_options(run, store.study, offline)
    method, recogniser = None, None
    if isinstance(run, PredictRun):
        how = adaptation_of(asked)
        llm = asking.llm_settings(asked, offline)
        options = _predict_options(run, options, how, llm)
        if llm is not None:
            recogniser = asking.ready(llm, warn or (lambda text: None))
        if how is not None:
            method = how.adapter()
        _refuse_questions(planned, run.model.name, recogniser)
        tell_if_unsealed(run.model.name)
    batch = predict.Batch(options, run.out, store, run.workers, redo, as_toml(run, method))
    return Prepared(planned, batch, recogniser, second_names)


def _refuse(run: DescribeRun) -> None:
    if not run.media and run.manifest is None:
        raise BadInput("give media files, a folder, or --manifest FILE.csv")
    if run.manifest is not None and run.person is not None and run.profiles is None:
        raise BadInput(
            "--person: with --manifest its column 'subject' says who speaks; --person then names "
            "an enrolled person, in the folder of --profiles"
        )


def _refuse_second_back_end(run: DescribeRun) -> None:
    """Face columns of two back ends are not comparable: one folder holds those of one."""
    written = run.out / SETTINGS_FILE
    if not written.is_file():
        return
    try:
        before = tomllib.loads(written.read_text(encoding="utf-8"))
        other = before.get("describe", {}).get("face", {}).get("backend", "mesh")
    except (OSError, ValueError, AttributeError):
        return  # not ours, or damaged: it is written anew
    asked = run.describe.face.backend
    if other != asked:
        raise BadInput(
            f"{run.out}: its answers were measured with the face back end {other!r}, and "
            f"{asked!r} was asked for; their columns are not comparable. Use another folder "
            f"(--out), or --set features.face={other}"
        )


def _refuse_questions(planned: list[jobs.Job], model: str, recogniser: Any) -> None:
    """Refuse numbers of questions that do not exist. A model may know more than BAH's seven, and is
    loaded only where one is asked for.
    """
    bah = tuple(BAH_QUESTIONS)
    others = []
    for job in planned:
        if is_number(job.question) and resolve(job.question, bah) is None:
            others.append(job)
    if not others:
        return
    asked = load(model) if recogniser is None else recogniser
    known = cast(Iterable[str], complete(asked).describe().get("questions", ()))
    for job in others:
        try:
            refuse_unknown(job.question, known)
        except BadInput as error:
            raise BadInput(f"{job.id}: {error}") from error


def _study(run: DescribeRun) -> str:
    return default_study() if run.study is None else run.study


def _describe_options(run: DescribeRun, study: str, offline: bool) -> jobs.Options:
    """``--profiles`` is one person's profile where it is a file; ``--person`` is an enrolled one
    where it is a folder.
    """
    found = jobs.Options(
        model=None,
        describe=replace(run.describe, offline=offline),
        neutral=run.neutral,
        stream=run.stream,
        purpose=run.purpose,
        report=run.report,
        tables=run.tables,
    )
    if run.profiles is None:
        return found
    if run.profiles.is_file() or run.profiles.suffix == ".json":
        return replace(found, profile=run.profiles)
    return replace(found, profiles=of_study(run.profiles, study), person=run.person)


def _predict_options(
    run: PredictRun, options: jobs.Options, adapt: Adaptation | None, llm: Any
) -> jobs.Options:
    model = run.model
    return replace(
        options,
        model=model.name,
        prevalence=model.prevalence,
        prevalence_source=model.prevalence_source,
        max_risk=model.max_risk,
        allow_drawn_model=model.allow_drawn,
        change_talk=run.change_talk.model,
        adapt=adapt,
        llm=llm,
    )


def adaptation_of(asked: Asked[PredictRun]) -> Adaptation | None:
    """The method of ``--adapt`` with its settings; None where none is asked for.

    Raises:
        BadInput: settings of one without it; an unknown method or setting.
    """
    run = asked.settings
    if run.method is None:
        stray = [*asked.given_below("adapt"), *asked.given_below("states")]
        if stray:
            raise BadInput(f"{', '.join(stray)}: goes with --adapt METHOD")
        return None
    if run.model.name == asking.MODEL:
        return None  # the language model says why it has none
    pairs = [f"{name}={text}" for name, text in run.adapt.items()]
    settings = read_settings(run.method, pairs)
    return Adaptation(run.method, settings, run.states.reset, run.states.folder)


__all__ = ["Finished", "Prepared", "adaptation_of", "prepare"]
