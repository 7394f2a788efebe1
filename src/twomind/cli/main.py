"""The command line: one verb per room. ``twomind VERB --help`` says what each does.

Every verb has ``--json`` (one JSON object on standard output; talk goes to standard error), ``--offline``, and exits
with a code by class of failure (:mod:`twomind.core.errors`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from twomind import __version__
from twomind.cli.adapt_options import adapt_options, adaptation_from, tell_adapted
from twomind.cli.annotate_verbs import agree_verb, annotate
from twomind.cli.data_verbs import data_group
from twomind.cli.fusion_verbs import submit_verb, train_fusion_verb
from twomind.cli.llm_options import llm_options, ready, settings_from, tell
from twomind.cli.personalise_verb import score_personalise_verb
from twomind.cli.profile_verbs import enrol_verb, profile_group
from twomind.cli.score_verbs import score_report_verb
from twomind.cli.verb import PATH, print_json, say, study_option, verb
from twomind.cli.words_verbs import score_words_verb, train_words_verb
from twomind.core.errors import BadInput


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="twomind")
def main() -> None:
    """Recognise ambivalence and hesitancy in videos of people speaking.

    One answer in, one honest timeline out: how likely, which words, voice and face cues, and what was not measured.
    """


def _store_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--store", type=PATH, default=None, help="Folder for computed features [default: the user's cache]."
    )(function)


def _describe_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options of the two verbs that read media."""
    options = (
        click.argument("media", nargs=-1, type=PATH),
        click.option("--out", type=PATH, default=Path("results"), show_default=True, help="Folder for the results."),
        click.option("--transcript", type=PATH, help="SRT, WebVTT, Whisper JSON, BAH YAML or plain text."),
        click.option(
            "--manifest", type=PATH, help="CSV with columns path, and any of id, subject, question, transcript."
        ),
        click.option("--subject", help="Who speaks [default: the file's name]."),
        click.option(
            "--neutral", type=PATH, help="A neutral clip of the same person; values are given relative to it."
        ),
        click.option("--profile", type=PATH, help="The person's profile (a file); values are given relative to it."),
        click.option("--person", help="An enrolled person whose profile to use, with --profiles; also who speaks."),
        click.option(
            "--profiles", type=PATH, help="Folder of enrolled people; without --person, each subject's own is used."
        ),
        click.option(
            "--speech-model", help="Recognise words where no transcript is given: a folder, or a model's name."
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
    return study_option(_store_option(function))


@main.command()
@_describe_options
@click.option(
    "--question",
    help="The question that was asked: its BAH number 1-7, its type (e.g. hesitant), its text, or from-name to read "
    "the number from the file's name [default: unknown].",
)
@click.option(
    "--model", default="words", show_default=True, help="A recogniser's name, or a file or folder trained here."
)
@click.option(
    "--prevalence", type=click.FloatRange(0, 1, min_open=True, max_open=True), help="Rate of A/H where you work."
)
@click.option("--prevalence-source", default="", help="Where that rate comes from (needed with --prevalence).")
@click.option(
    "--max-risk",
    type=click.FloatRange(0, 0.5, min_open=True),
    help="Abstain on answers near the border, so that at most this share of the decided ones is wrong.",
)
@llm_options
@adapt_options
@click.option(
    "--allow-drawn-model", is_flag=True, help="Let a model that learnt from drawn people score real ones, as a test."
)
@verb
def predict(**options: Any) -> int:
    """Describe answers and estimate ambivalence/hesitancy: files, or folders of files.

    Writes a tidy table, cues, words, a JSON summary and a report per answer, and an overview. Run it again after an
    interruption: finished files are kept.
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
        list(media), manifest=manifest, question=question, transcript=transcript, subject=subject or person
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
    with _progress(len(jobs)) as (progress, on_done):
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


class _progress:
    """A bar on a terminal, a line per finished file otherwise."""

    def __init__(self, n_items: int) -> None:
        self._n = n_items
        self._done = 0

    def __enter__(self) -> tuple[Any, Any]:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
        )
        self._bar = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._bar.start()
        self._all = self._bar.add_task("answers", total=self._n, detail=f"0/{self._n}")
        self._one = self._bar.add_task("", total=None, detail="", visible=self._n == 1)
        return self._progress, self._on_done

    def _progress(self, what: str, done: float, total: float) -> None:
        known = total == total and total > 0
        self._bar.update(
            self._one,
            description=what[:40],
            completed=done,
            total=total if known else None,
            detail=f"{done:.0f} s" + (f" of {total:.0f} s" if known else ""),
            visible=True,
        )

    def _on_done(self, done: Any) -> None:
        self._done += 1
        self._bar.update(self._all, completed=self._done, detail=f"{self._done}/{self._n}")
        if not self._console.is_terminal:
            say(f"[{self._done}/{self._n}] {done.job.id}: {done.state}" + (f": {done.error}" if done.error else ""))

    def __exit__(self, *_: Any) -> None:
        self._bar.stop()


@main.command()
@verb
def doctor(as_json: bool, offline: bool) -> int:
    """Say what is installed, which weights are present, and what works offline."""
    from twomind.pipeline.doctor import examine, print_report

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
    bad = [row["name"] for row in rows if row["state"] == "damaged" or (name and row["state"] == "absent")]
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
    name: str, source: str, sha256: str, licence: str, allowed_use: str, as_json: bool, offline: bool
) -> int:
    """Copy or download model files: SOURCE is a file, a folder or an http(s) address."""
    from dataclasses import asdict

    from twomind.core import weights as shelf

    found = shelf.add(name, source, sha256=sha256, licence=licence, allowed_use=allowed_use, offline=offline)
    _print_weights([asdict(found)], as_json)
    return 0


def _print_weights(rows: list[dict[str, str]], as_json: bool) -> None:
    if as_json:
        print_json({"weights": rows})
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "state", "licence", "allowed use", "what, and its state", box=None, pad_edge=False)
    for row in rows:
        texts = (row["name"], row["state"], row["licence"], row["allowed_use"], f"{row['what']}: {row['detail']}")
        table.add_row(*texts)
    # Wide enough that names are never cut, whatever the terminal.
    Console(width=160).print(table, highlight=False, markup=False)


@main.command()
@click.argument("out", type=PATH)
@click.option("--people", "n_people", type=click.IntRange(1), default=1, show_default=True, help="How many people.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed draws the same people.")
@click.option("--voice", type=click.Choice(["auto", "espeak", "builtin"]), default="auto", show_default=True)
@click.option("--workers", type=int, default=0, help="Processes [default: one per core].")
@click.option(
    "--layout",
    type=click.Choice(["bah", "biovid", "stressid"]),
    help="Write a whole study in the folders and files of this data set (docs/study.md).",
)
@click.option("--visits", type=click.IntRange(1, 5), default=1, show_default=True, help="Study: days per person.")
@click.option(
    "--knob", "knobs", multiple=True, metavar="NAME=NUMBER", help="Study: a setting of the world; repeatable."
)
@click.option(
    "--control",
    type=click.Choice(["none", "people-alike", "no-conflict", "nothing-shows"]),
    default="none",
    show_default=True,
    help="Study: a negative control.",
)
@click.option(
    "--crops",
    type=click.Choice(["none", "layout", "all"]),
    default="layout",
    show_default=True,
    help="Study: aligned face crops; all = 112 and 256 px in both geometries.",
)
@click.option("--features", is_flag=True, help="Study: also measure every film into the store.")
@_store_option
@verb
def people(
    out: Path, n_people: int, seed: int, voice: str, workers: int, layout: str | None, visits: int,
    knobs: tuple[str, ...], control: str, crops: str, features: bool, store: Path | None, as_json: bool, offline: bool,
) -> int:  # fmt: skip
    """Draw synthetic people who answer the seven questions: real MP4 files with sound, transcript and known truth.

    They show that the machinery works; they say nothing about real faces.
    """
    if layout is not None:
        from twomind.cli.study_verb import draw_layout

        if voice == "espeak":
            raise BadInput("a study speaks with the built-in voice, whose times are the same on every machine")
        with _progress(n_people) as (progress, _):
            made = draw_layout(
                out, layout, n_people, seed, visits, knobs, control, crops, features, store, workers, progress
            )  # fmt: skip
        if as_json:
            print_json(made)
        say(f"drawn study ({layout}): {made['clips']} clips in {out}; {made['means']}")
        return 0
    given = {"--visits": visits != 1, "--knob": bool(knobs), "--control": control != "none", "--features": features}
    if any(given.values()):
        raise BadInput(f"{', '.join(k for k, v in given.items() if v)}: expected together with --layout")
    from twomind_synth.people import draw_people

    with _progress(n_people * 7) as (progress, _):
        manifest = draw_people(out, n_people=n_people, seed=seed, voice=voice, workers=workers, progress=progress)
    found = {"folder": out, "manifest": manifest, "labels": out / "labels.csv", "people": n_people}
    if as_json:
        print_json(found)
    say(f"drawn people: {out}; read them with: twomind predict --manifest {manifest}")
    return 0


@main.group()
def train() -> None:
    """Train a recogniser on labelled answers."""


@main.group()
def score() -> None:
    """Where labels meet predictions: how good a recogniser is, beside its shortcuts."""


train.add_command(train_words_verb)
train.add_command(train_fusion_verb)
score.add_command(score_words_verb)
main.add_command(data_group)
main.add_command(enrol_verb)
main.add_command(profile_group)
score.add_command(score_report_verb)
score.add_command(score_personalise_verb)
main.add_command(agree_verb)
main.add_command(annotate)
score.add_command(submit_verb)

if __name__ == "__main__":
    main()
