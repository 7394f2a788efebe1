"""The command line. ``twomind VERB --help`` says what each verb does.

Every verb has ``--json`` (one JSON object on standard output; talk goes to standard error),
``--offline``, and exits with a code by class of failure (:mod:`twomind.core.errors`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twomind import __version__
from twomind.cli.annotate_verbs import agree_verb, annotate
from twomind.cli.data_verbs import data_group
from twomind.cli.doctor_verb import doctor_verb
from twomind.cli.fusion_verbs import submit_verb, train_fusion_verb
from twomind.cli.moved import Command
from twomind.cli.personalise_verb import score_personalise_verb
from twomind.cli.profile_verbs import enrol_verb, profile_group
from twomind.cli.progress import Bars
from twomind.cli.run_options import describe_options, predict_options, print_settings
from twomind.cli.score_verbs import score_report_verb
from twomind.cli.verb import print_json_list, say, verb
from twomind.cli.weights_verbs import weights_group
from twomind.cli.words_verbs import score_words_verb, train_words_verb
from twomind.core import registry

if TYPE_CHECKING:
    from twomind.pipeline.settings import DescribeRun


class _Verbs(click.Group):
    """The verbs of this package, and those that other distributions bring (plug-in group
    ``commands``).
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *registry.names("commands")})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = super().get_command(ctx, cmd_name)
        if found is None and cmd_name in registry.names("commands"):
            found = registry.load("commands", cmd_name)
        return found


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="twomind")
def main() -> None:
    """Recognise ambivalence and hesitancy in videos of people speaking.

    One answer in, one honest timeline out: how likely, which words, voice and face cues, and what
    was not measured.
    """


@main.command(cls=Command)
@predict_options
@verb
def predict(**options: Any) -> int:
    """Describe answers and estimate ambivalence/hesitancy: files, or folders of files.

    Writes a tidy table, cues, words, a JSON summary and a report per answer, and an overview. Run
    it again after an interruption: finished files are kept.

    Settings of the model, of adaptation and of the measures go with --set KEY=VALUE or in one TOML
    file; `twomind predict --set help` lists every key. What a run used is written beside its
    results as settings.toml, which --config takes.
    """
    from twomind.pipeline.settings import PredictRun

    return _run(PredictRun(), **options)


@main.command(cls=Command)
@describe_options
@verb
def describe(**options: Any) -> int:
    """Measure face, voice and words alone; no probability.

    Other settings go with --set KEY=VALUE or in one TOML file; `twomind describe --set help` lists
    every key.
    """
    from twomind.pipeline.settings import DescribeRun

    return _run(DescribeRun(), **options)


def _run(
    start: DescribeRun,
    *,
    config: Path | None,
    sets: tuple[str, ...],
    redo: bool,
    as_json: bool,
    offline: bool,
    **options: Any,
) -> int:
    from twomind.pipeline.predict import Watch
    from twomind.pipeline.run import prepare
    from twomind.pipeline.settings import ask

    if "help" in sets:
        print_settings(start, as_json)
        return 0
    given = options | {"media": options["media"] or None}
    asked = ask(start, config=config, sets=sets, options=given)
    prepared = prepare(asked, offline=offline, redo=redo, warn=say)
    with Bars(len(prepared.jobs)) as (progress, on_done):
        finished = prepared.go(Watch(progress, on_done))
    if as_json:
        print_json_list("answers", finished.answers(), finished.counts())
    else:
        for line in finished.results():
            click.echo(line)
    for line in finished.remarks():
        say(line)
    return finished.exit_code


@main.group()
def train() -> None:
    """Train a recogniser on labelled answers."""


@main.group()
def score() -> None:
    """Where labels meet predictions: how good a recogniser is, beside its shortcuts."""


train.add_command(train_words_verb)
train.add_command(train_fusion_verb)
score.add_command(score_words_verb)
main.add_command(doctor_verb)
main.add_command(weights_group)
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
