"""The command line. ``twomind VERB --help`` says what each verb does.

Every verb has ``--json`` (one JSON object on standard output; talk goes to standard error),
``--offline``, and exits with a code by class of failure (:mod:`twomind.core.errors`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from twomind import __version__
from twomind.cli.adapt_options import adapt_options, adaptation_from, tell_adapted
from twomind.cli.lazy import Later, LazyGroup
from twomind.cli.llm_options import llm_options, ready, settings_from, tell
from twomind.cli.progress import Bars
from twomind.cli.screen import screen
from twomind.cli.verb import PATH, print_json, say, store_option, study_option, verb
from twomind.core.errors import BadInput

#: Verbs whose modules import what reads and measures: none of it is needed to list their names.
_VERBS = {
    "agree": Later(
        "twomind.cli.annotate_verbs:agree_verb",
        "How far coders agree, and coders with the model: kappa, alpha, events with a time "
        "tolerance, where they differ.",
    ),
    "annotate": Later(
        "twomind.cli.annotate_verbs:annotate",
        "Annotations: export a recording for coders (ELAN, CSV, WebVTT), import what they marked.",
    ),
    "data": Later(
        "twomind.cli.data_verbs:data_group",
        "Data sets in their own folder layouts: list them, check a download.",
    ),
    "docs": Later(
        "twomind.cli.docs_verb:docs_verb",
        "List the pages of the manual, or show one with its address on the web.",
    ),
    "enrol": Later(
        "twomind.cli.profile_verbs:enrol_verb",
        "Make or extend PERSON's profile from neutral CLIPS (each is one visit); refuses a clip that is not neutral.",
    ),
    "profile": Later(
        "twomind.cli.profile_verbs:profile_group", "People's profiles: show, export, import, erase."
    ),
}
_TRAIN = {
    "fusion": Later(
        "twomind.cli.fusion_verbs:train_fusion_verb",
        "Train a fusion of face, voice and words; people are kept apart between training, stopping and figures.",
    ),
    "words": Later(
        "twomind.cli.words_verbs:train_words_verb",
        "Train the words recogniser on labelled answers; participants are kept together in cross-validation.",
    ),
}
_SCORE = {
    "personalise": Later(
        "twomind.cli.personalise_verb:score_personalise_verb",
        "Compare adaptation METHODS on held-out people with one model, trained anew on each fold's source people.",
    ),
    "report": Later(
        "twomind.cli.score_verbs:score_report_verb",
        "One page from RUNS (folders of runs, or folders with runs below them): table, shortcuts, figures, limits.",
    ),
    "submit": Later(
        "twomind.cli.fusion_verbs:submit_verb",
        "Write the A/H challenge file (video_id,p0,p1,label) from the results folder of `twomind predict`.",
    ),
    "words": Later(
        "twomind.cli.words_verbs:score_words_verb",
        "Score the words recogniser on labelled answers, beside its shortcuts, with participant-bootstrap intervals.",
    ),
}


@click.group(
    cls=LazyGroup,
    later=_VERBS,
    plugins="commands",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="twomind")
def main() -> None:
    """Recognise ambivalence and hesitancy in videos of people speaking.

    One answer in, one honest timeline out: how likely, which words, voice and face cues, and what
    was not measured.
    """


def _describe_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options of the two verbs that read media."""
    options = (
        click.argument("media", nargs=-1, type=PATH),
        click.option(
            "--out",
            type=PATH,
            default=Path("results"),
            show_default=True,
            help="Folder for the results.",
        ),
        click.option(
            "--transcript", type=PATH, help="SRT, WebVTT, Whisper JSON, BAH YAML or plain text."
        ),
        click.option(
            "--manifest",
            type=PATH,
            help="CSV with columns path, and any of id, subject, question, transcript.",
        ),
        click.option("--subject", help="Who speaks [default: the file's name]."),
        click.option(
            "--neutral",
            type=PATH,
            help="A neutral clip of the same person; values are given relative to it.",
        ),
        click.option(
            "--profile",
            type=PATH,
            help="The person's profile (a file); values are given relative to it.",
        ),
        click.option(
            "--person",
            help="An enrolled person whose profile to use, with --profiles; also who speaks.",
        ),
        click.option(
            "--profiles",
            type=PATH,
            help="Folder of enrolled people; without --person, each subject's own is used.",
        ),
        click.option(
            "--speech-model",
            help="Recognise words where no transcript is given: a folder, or a model's name.",
        ),
        click.option("--language", help="Language of the speech, e.g. en [default: detected]."),
        click.option(
            "--target",
            type=click.Choice(["continuity", "largest", "central"]),
            default="continuity",
            show_default=True,
            help="Which face to follow where there are several.",
        ),
        click.option("--workers", type=int, default=0, help="Processes [default: one per core]."),
        click.option("--redo", is_flag=True, help="Write results again that are already there."),
        click.option(
            "--purpose",
            type=click.Choice(["research", "medical", "quality", "demonstration"]),
            default="research",
            show_default=True,
            help="What the results are for; stamped on them.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return study_option(store_option(function))


@main.command()
@_describe_options
@click.option(
    "--question",
    help="The question that was asked: its BAH number 1-7, its type (e.g. hesitant), its text, or "
    "from-name to read "
    "the number from the file's name [default: unknown].",
)
@click.option(
    "--model",
    default="words",
    show_default=True,
    help="A recogniser's name, or a file or folder trained here.",
)
@click.option(
    "--prevalence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Rate of A/H where you work.",
)
@click.option(
    "--prevalence-source", default="", help="Where that rate comes from (needed with --prevalence)."
)
@click.option(
    "--max-risk",
    type=click.FloatRange(0, 0.5, min_open=True),
    help="Abstain on answers near the border, so that at most this share of the decided ones is "
    "wrong.",
)
@llm_options
@adapt_options
@click.option(
    "--allow-drawn-model",
    is_flag=True,
    help="Let a model that learnt from drawn people score real ones, as a test.",
)
@verb
def predict(**options: Any) -> int:
    """Describe answers and estimate ambivalence/hesitancy: files, or folders of files.

    Writes a tidy table, cues, words, a JSON summary and a report per answer, and an overview. Run
    it again after an interruption: finished files are kept.
    """
    llm = settings_from(options)
    adapt = adaptation_from(options)
    return _read_media(predicting=True, llm=llm, adapt=adapt, **options)


@main.command()
@_describe_options
@verb
def describe(**options: Any) -> int:
    """Measure face, voice and words alone; no probability."""
    return _read_media(
        predicting=False,
        question=None,
        model=None,
        prevalence=None,
        prevalence_source="",
        max_risk=None,
        allow_drawn_model=False,
        **options,
    )


def _read_media(
    *,
    predicting: bool,
    media: tuple[Path, ...],
    out: Path,
    transcript: Path | None,
    manifest: Path | None,
    subject: str | None,
    neutral: Path | None,
    profile: Path | None,
    person: str | None,
    profiles: Path | None,
    speech_model: str | None,
    language: str | None,
    target: str,
    workers: int,
    redo: bool,
    purpose: str,
    store: Path | None,
    study: str | None,
    question: str | None,
    model: str | None,
    prevalence: float | None,
    prevalence_source: str,
    max_risk: float | None,
    allow_drawn_model: bool,
    as_json: bool,
    offline: bool,
    llm: Any = None,
    adapt: Any = None,
) -> int:
    if not media and manifest is None:
        raise BadInput("give media files, a folder, or --manifest FILE.csv")
    from twomind.core.store import Store, default_root, default_study
    from twomind.features.describe import Settings
    from twomind.features.face.reader import FaceSettings
    from twomind.pipeline import jobs as asked
    from twomind.pipeline import predict as room
    from twomind.pipeline.profiles import of_study

    place = Store(store or default_root(), default_study() if study is None else study)
    jobs = asked.plan(
        list(media),
        manifest=manifest,
        question=question,
        transcript=transcript,
        subject=subject or person,
    )
    settings = Settings(
        face=FaceSettings(target=target),
        speech_model=speech_model,
        language=language,
        offline=offline,
    )
    options = asked.Options(
        model=model,
        describe=settings,
        neutral=neutral,
        profile=profile,
        person=person,
        profiles=None if profiles is None else of_study(profiles, place.study),
        prevalence=prevalence,
        prevalence_source=prevalence_source,
        max_risk=max_risk,
        allow_drawn_model=allow_drawn_model,
        purpose=purpose,
        llm=llm,
        adapt=adapt,
    )
    recogniser = None if llm is None else ready(llm)
    with Bars(len(jobs)) as (progress, on_done):
        finished = room.predict_all(
            jobs,
            options,
            out,
            store=place,
            workers=workers,
            redo=redo,
            progress=progress,
            on_done=on_done,
            recogniser=recogniser,
        )
    failed = [d for d in finished if d.state == "failed"]
    skipped = [d for d in finished if d.state == "skipped"]
    n_done = len(finished) - len(failed) - len(skipped)
    report = out / "report.html"
    if as_json:
        print_json(
            {
                "answers": [_answer_json(d, predicting) for d in finished],
                "n": len(finished),
                "n_failed": len(failed),
                "n_skipped": len(skipped),
                "report": report if n_done else None,
                "ledger": out / "ledger.jsonl",
                **({} if recogniser is None else {"llm": recogniser.summary()}),
            }
        )
    if recogniser is not None:
        tell(recogniser, out)
    if adapt is not None:
        tell_adapted(finished)
    for done in failed:
        say(f"failed: {done.job.media}: {done.error}")
    for done in skipped:
        say(f"not a recording, left out: {done.job.media}")
    say(f"{n_done} of {len(finished) - len(skipped)} answers done; ledger: {out / 'ledger.jsonl'}")
    if n_done:
        say(f"report: {report.resolve()}")
    return room.exit_code(finished)


def _answer_json(done: Any, predicting: bool) -> dict[str, Any]:
    from twomind.reporting.summary import summary_of

    base = {"recording": done.job.id, "path": done.job.media, "state": done.state}
    if done.result is None:
        return {**base, "error": {"kind": done.error_kind, "message": done.error}}
    summary = summary_of(done.result, "")
    keep = [
        "cues",
        "not_measured",
        "media",
        "drawn_person",
        "adaptation",
        *(["prediction", "located"] if predicting else []),
    ]
    return {**base, **{k: summary[k] for k in keep if k in summary}}


@main.command()
@verb
def doctor(as_json: bool, offline: bool) -> int:
    """Say what is installed, which weights are present, and what works offline."""
    from twomind.cli.doctor_report import print_report
    from twomind.pipeline.doctor import examine

    found = examine()
    if as_json:
        print_json(found)
    else:
        print_report(found)
    return 0


@main.group()
def weights() -> None:
    """Model files: list them, check them, add them."""


@weights.command("list")
@verb
def weights_list(as_json: bool, offline: bool) -> int:
    """Every set of model files, with its state, licence and allowed use."""
    from twomind.core import weights as shelf

    _print_weights(shelf.as_rows(), as_json)
    return 0


@weights.command("verify")
@click.argument("name", required=False)
@verb
def weights_verify(name: str | None, as_json: bool, offline: bool) -> int:
    """Recompute the checksums; exit code 5 when one is damaged."""
    from twomind.core import weights as shelf

    rows = [row for row in shelf.as_rows() if name in (None, row["name"])]
    if not rows:
        raise BadInput(f"no weights named {name!r}; `twomind weights list` shows what there is")
    _print_weights(rows, as_json)
    bad = [
        row["name"]
        for row in rows
        if row["state"] == "damaged" or (name and row["state"] == "absent")
    ]
    if bad:
        say(f"twomind: damaged or absent: {', '.join(bad)}")
        return 5
    return 0


@weights.command("add")
@click.argument("name")
@click.argument("source")
@click.option("--sha256", default="", help="Expected checksum of a single file.")
@click.option("--licence", default="", help="Licence of the weights, kept beside them.")
@click.option("--allowed-use", default="", help="What they may be used for, kept beside them.")
@verb
def weights_add(
    name: str,
    source: str,
    sha256: str,
    licence: str,
    allowed_use: str,
    as_json: bool,
    offline: bool,
) -> int:
    """Copy or download model files: SOURCE is a file, a folder or an http(s) address."""
    from dataclasses import asdict

    from twomind.core import weights as shelf

    found = shelf.add(
        name, source, sha256=sha256, licence=licence, allowed_use=allowed_use, offline=offline
    )
    _print_weights([asdict(found)], as_json)
    return 0


def _print_weights(rows: list[dict[str, str]], as_json: bool) -> None:
    if as_json:
        print_json({"weights": rows})
        return
    from rich.table import Table

    table = Table(
        "name", "state", "licence", "allowed use", "what, and its state", box=None, pad_edge=False
    )
    for row in rows:
        texts = (
            row["name"],
            row["state"],
            row["licence"],
            row["allowed_use"],
            f"{row['what']}: {row['detail']}",
        )
        table.add_row(*texts)
    screen(width=160).print(table)


@main.group(cls=LazyGroup, later=_TRAIN)
def train() -> None:
    """Train a recogniser on labelled answers."""


@main.group(cls=LazyGroup, later=_SCORE)
def score() -> None:
    """Where labels meet predictions: how good a recogniser is, beside its shortcuts."""


if __name__ == "__main__":
    main()
