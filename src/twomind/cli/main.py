"""The command line. ``twomind VERB --help`` says what each verb does.

Every verb has ``--json`` (one JSON object on standard output; talk goes to standard error),
``--offline``, and exits with a code by class of failure (:mod:`twomind.core.errors`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from twomind.cli.lazy import Later, LazyGroup
from twomind.cli.moved import RUN
from twomind.cli.progress import Bars
from twomind.cli.run_options import describe_options, predict_options
from twomind.cli.settings_options import Command, asked_by, schema_at
from twomind.cli.verb import print_json_list, say, tell, verb
from twomind.core.version import __version__

if TYPE_CHECKING:
    from twomind.core.settings import Asked

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
    "doctor": Later(
        "twomind.cli.doctor_verb:doctor_verb",
        "Say what is installed, which weights are present, and what works offline.",
    ),
    "docs": Later(
        "twomind.cli.docs_verb:docs_verb",
        "List the pages of the manual, or show one with its address on the web.",
    ),
    "enrol": Later(
        "twomind.cli.profile_verbs:enrol_verb",
        "Make or extend PERSON's profile from neutral CLIPS (each is one visit); refuses a clip that is not neutral.",
    ),
    "export": Later(
        "twomind.cli.export_verbs:export_group",
        "What other programs read: face crops of films.",
    ),
    "prevalence": Later(
        "twomind.cli.prevalence_verbs:prevalence_group",
        "How common A/H is: from codes of a random part and a model's scores of all answers.",
    ),
    "profile": Later(
        "twomind.cli.profile_verbs:profile_group", "People's profiles: show, export, import, erase."
    ),
    "release": Later(
        "twomind.cli.release_verbs:release_group",
        "Releases of a study: build one in the layout of BAH, list them, know whom to recall.",
    ),
    "reproduce": Later(
        "twomind.cli.reproduce_verb:reproduce_verb",
        "Make a published TABLE again: DATASET is biovid, stressid, unbc or bah, FOLDER your copy of it.",
    ),
    "serve": Later(
        "twomind.cli.study_verbs:serve_verb",
        "Serve the study in FOLDER until Ctrl-C; prints the researcher's address.",
    ),
    "study": Later(
        "twomind.cli.study_verbs:study_group",
        "A study of one's own: write one, look at it, keep it.",
    ),
    "weights": Later(
        "twomind.cli.weights_verbs:weights_group", "Model files: list them, check them, add them."
    ),
}
#: Where the settings of these two are.
_PREDICT = "twomind.pipeline.settings:PREDICT"
_DESCRIBE = "twomind.pipeline.settings:DESCRIBE"
_TRAIN = {
    "change-talk": Later(
        "twomind.cli.change_talk_verbs:train_change_talk_verb",
        "Train the change-talk model on coded conversations; people or videos are kept together in cross-validation.",
    ),
    "clip-au": Later(
        "twomind.cli.train_verbs:train_clip_au_verb",
        "Train CLIP-AU on films or face crops; what stands for its source people lies beside it.",
    ),
    "dsfda": Later(
        "twomind.cli.train_verbs:train_dsfda_verb",
        "Train DSFDA's source model on face crops or films, with prototypes of the source people.",
    ),
    "sfda-pft": Later(
        "twomind.cli.train_verbs:train_pft_verb",
        "Train SFDA-PFT's translator of features between source people, beside a CLIP-AU's weights.",
    ),
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
    "faces": Later(
        "twomind.cli.people_verbs:score_faces_verb",
        "Score face measures on posed expressions: pictures or clips called PERSON_EXPRESSION, one of them neutral.",
    ),
    "change-talk": Later(
        "twomind.cli.change_talk_verbs:score_change_talk_verb",
        "Score a change-talk model on coded conversations, beside length, position, and one human against another.",
    ),
    "personalise": Later(
        "twomind.cli.personalise_verb:score_personalise_verb",
        "Compare adaptation METHODS on held-out people with one model, trained anew on each fold's source people.",
    ),
    "report": Later(
        "twomind.cli.score_verbs:score_report_verb",
        "One page from RUNS (folders of runs, folders with runs below them, or bundles of laboratories).",
    ),
    "results": Later(
        "twomind.cli.results_verb:score_results_verb",
        "Lay labels beside RESULTS of any predictor: a folder that twomind wrote, or a CSV with id,score.",
    ),
    "submit": Later(
        "twomind.cli.fusion_verbs:submit_verb",
        "Write the A/H challenge file (video_id,p0,p1,label) from the results folder of `twomind predict`.",
    ),
    "transcripts": Later(
        "twomind.cli.transcripts_verb:score_transcripts_verb",
        "Recognise recordings whose words are known: word errors, fillers, word times, each with its interval.",
    ),
    "voice": Later(
        "twomind.cli.people_verbs:score_voice_verb",
        "Score relative values of the voice on acted emotions, one speaker left out at a time.",
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


@main.command(cls=Command, schema=_PREDICT, moved=RUN)
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
    return _run(_PREDICT, **options)


@main.command(cls=Command, schema=_DESCRIBE, moved=RUN)
@describe_options
@verb
def describe(**options: Any) -> int:
    """Measure face, voice and words alone; no probability.

    Other settings go with --set KEY=VALUE or in one TOML file; `twomind describe --set help` lists
    every key.
    """
    return _run(_DESCRIBE, **options)


def _run(schema: str, *, redo: bool, as_json: bool, offline: bool, **options: Any) -> int:
    from twomind.core import device

    asked = asked_by(schema_at(schema), options)
    with device.standing(asked.settings.device, asked.settings.precision):
        return _ran(asked, redo=redo, as_json=as_json, offline=offline)


def _ran(asked: Asked[Any], *, redo: bool, as_json: bool, offline: bool) -> int:
    from twomind.core.cluster import standing
    from twomind.core.files import alone_in
    from twomind.pipeline.predict import Watch
    from twomind.pipeline.run import prepare

    prepared = prepare(asked, offline=offline, redo=redo, warn=say)
    batch = prepared.batch
    # Held until all is told: what is told is read from the folder.
    with alone_in(batch.out, say):
        shared = (batch.out, batch.store.root)
        with (
            standing(asked.settings.engine, shared),
            Bars(len(prepared.jobs)) as (progress, on_done),
        ):
            finished = prepared.go(Watch(progress, on_done, say))
        if as_json:
            print_json_list("answers", finished.answers(), finished.counts())
        else:
            for line in finished.results():
                tell(line)
        for line in finished.remarks():
            say(line)
    return finished.exit_code


@main.group(cls=LazyGroup, later=_TRAIN)
def train() -> None:
    """Train a recogniser on labelled answers."""


@main.group(cls=LazyGroup, later=_SCORE)
def score() -> None:
    """Where labels meet predictions: how good a recogniser is, beside its shortcuts."""


if __name__ == "__main__":
    main()
