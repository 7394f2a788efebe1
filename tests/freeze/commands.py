"""The twelve commands, one table a side.

A command is a list of steps that run one after another in a folder of their own, with a feature
store of their own. ``{inputs}`` is the folder of films that the frozen wheel drew, ``{fusion}`` a
fusion model that it trained (``tests/fixtures/v0_1``), ``{shared}`` the team's folder of public
data. Words are split as a shell splits them. A step that begins with ``@`` is done by the freeze
itself:

- ``@copy FROM TO`` keeps a copy of a folder as it is now, before a later step removes it;
- ``@search FILE NEEDLE... -- FOLDER...`` lists what is in folders and where the needles occur, in
  bytes or in names; a needle that is an existing file stands for the SHA-256 of its bytes.

:data:`OLD` is what the frozen wheel understands and never changes. Where a later version renames a
command or an option, its line goes into :data:`CHANGED`, under the name of the command.
"""

from __future__ import annotations

# ruff: noqa: E501 - a command is easier to read in one line
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """``needs``: a folder below the shared one without which the command is left out."""

    name: str
    steps: tuple[str, ...]
    needs: str = ""


_EAGER = "--adapt-setting gates= --adapt-setting empty_class=released"
_CLIP = "--model clip-au --store store --json"
_TALK = "{inputs}/clip-talking.mp4"

OLD: tuple[Command, ...] = (
    Command(
        "01-demo",
        (
            "twomind people people --seed 7 --voice builtin --workers 2",
            "@copy people/answers.csv answers.csv",
            "twomind predict people/drawn7-000/drawn7-000_Question_2.mp4 people/drawn7-000/drawn7-000_Question_7.mp4 "
            "--question from-name --out some --store store --purpose demonstration --workers 1",
            "twomind predict --manifest {inputs}/answer/answers.csv --out results --store store --workers 1 "
            "--purpose demonstration",
            # The same command again finds everything done.
            "twomind predict --manifest {inputs}/answer/answers.csv --out results --store store --workers 1 "
            "--purpose demonstration --json",
        ),
    ),
    Command(
        "02-words",
        (
            "twomind score words --data {shared}/data/bah_v1 --split val --out run --json",
            "twomind train words --data {inputs}/words.csv --out model --bootstrap 100 --json",
            "twomind predict "
            + _TALK
            + " --model model --question 7 --out results --store store --json",
        ),
        needs="data/bah_v1",
    ),
    Command(
        "03-personalise",
        (
            "twomind score personalise --drawn biovid --people 5 --protocol targets-2 --workers 1 --guard "
            "--methods tent,t3a,coral,neutral-alignment,neutral-threshold,few-shot,class-aware --out out --json",
        ),
    ),
    Command(
        "04-board",
        (
            "twomind score personalise --drawn stressid --people 5 --protocol targets-2 --workers 1 "
            "--methods neutral-alignment,t3a --out out --json",
            "twomind score report out/runs --out board --metric war --min-people 2 --bootstrap 200 --json",
        ),
    ),
    Command(
        "05-agree",
        (
            "twomind predict " + _TALK + " --question 7 --out results --store store --json",
            "twomind agree {inputs}/coders/a.eaf {inputs}/coders/b.eaf --bootstrap 200 "
            "--disagreements differ.csv --json",
            "twomind agree {inputs}/coders/a.eaf {inputs}/coders/b.eaf --tier cue:facial --bootstrap 200",
            "twomind agree {inputs}/coders/a.eaf {inputs}/coders/b.eaf --bootstrap 200 --model {inputs}/coders/score.csv",
        ),
    ),
    Command(
        "06-enrol-erase",
        (
            "twomind enrol ana {inputs}/clip-neutral.mp4 --profiles profiles --store store --json",
            "twomind enrol ana {inputs}/clip-smile.mp4 --profiles profiles --store store",
            "twomind enrol ana " + _TALK + " --spoken --force --profiles profiles --store store",
            "twomind enrol ben {inputs}/films/b1.mp4 --force --profiles profiles --store store --study pain",
            "twomind profile show ana --profiles profiles --json",
            "twomind describe {inputs}/films/a2.mp4 --person ana --profiles profiles --store store --out relative --json",
            "twomind predict {inputs}/films/a1.mp4 --adapt tda --subject ana --state states --out adapted "
            + _CLIP,
            "twomind profile export ana ana.json --profiles profiles",
            "@copy profiles kept/profiles",
            "@copy store kept/store",
            "@copy states kept/states",
            "@search before.json ana {inputs}/clip-neutral.mp4 -- profiles store states",
            "twomind profile erase ana --yes --profiles profiles --store store --json",
            "@search left.json ana {inputs}/clip-neutral.mp4 {inputs}/films/a1.mp4 -- profiles store states",
            "twomind profile erase ana --yes --profiles profiles --store store --json",
        ),
    ),
    Command(
        "07-fusion",
        (
            "twomind train fusion --data {inputs}/study --protocol people-3 --model conflict --epochs 3 --bootstrap 100 "
            "--fold 'group 1' --store store --out model --json",
            "twomind train fusion --data {inputs}/study --protocol people-3 --model jmt --modalities voice,words "
            "--epochs 2 --bootstrap 100 --fold 'group 2' --store store --out jmt --json",
        ),
    ),
    Command(
        "08-predict-model",
        (
            "twomind predict "
            + _TALK
            + " --model {fusion} --question 7 --out fusion --store store --json",
            "twomind predict {inputs}/films/a1.mp4 --out clip-au " + _CLIP,
            "twomind score submit fusion --out submission.csv --json",
        ),
    ),
    Command(
        "09-adapt",
        (
            f"twomind predict {{inputs}}/films/a1.mp4 --adapt tta-cap {_EAGER} --subject ana --state s1 --out o1 {_CLIP}",
            f"twomind predict {{inputs}}/films/a2.mp4 --adapt tta-cap {_EAGER} --subject ana --state s1 --out o2 {_CLIP}",
            "twomind predict {inputs}/films/a1.mp4 --adapt clip-autt --subject ana --state s2 --out o3 "
            + _CLIP,
            "twomind predict {inputs}/films/a1.mp4 --adapt sfda-pft --neutral {inputs}/films/a2.mp4 --subject ana "
            "--adapt-setting learning_rate=0.01 --state s3 --out o4 " + _CLIP,
            "twomind predict {inputs}/films/b1.mp4 --adapt sfda-pft --neutral {inputs}/films/a2.mp4 --subject ana "
            "--adapt-setting learning_rate=0.01 --state s3 --out o5 " + _CLIP,
        ),
    ),
    Command(
        "10-annotate",
        (
            "twomind predict " + _TALK + " --question 7 --out results --store store",
            "twomind annotate export results --to eaf --out eaf --coder one --json",
            "twomind annotate export results --to csv --out table.csv --json",
            "twomind annotate export results --to vtt --out vtt --blind --json",
            "twomind annotate import {inputs}/coders/a.eaf {inputs}/coders/b.eaf --out marks.csv --json",
        ),
    ),
    Command(
        "11-data-check",
        (
            "twomind data list --json",
            "twomind data check {inputs}/study --deep --json",
            "twomind data check {inputs}/answer --json",
        ),
    ),
    Command(
        "12-describe",
        (
            "twomind describe {shared}/data/faces/single_face.mp4 {shared}/data/faces/no_face.mp4 --out out --store store "
            "--workers 1 --json",
            "twomind describe {shared}/data/faces/single_face.mp4 --target largest --out again --store store",
        ),
        needs="data/faces",
    ),
)

#: Options that are settings since 0.2: as :data:`OLD` writes them → as they are written now.
_RENAMED = {
    "--adapt-setting ": "--set adapt.",
    "--subject ": "--person ",
    "--state ": "--set states.folder=",
    "--target ": "--set describe.target=",
}


def _renamed(step: str) -> str:
    """A step of ``predict`` or ``describe`` with its options as they are written now."""
    if step.startswith(("twomind predict ", "twomind describe ")):
        for old, new in _RENAMED.items():
            step = step.replace(old, new)
    return step


def _steps_now(name: str) -> tuple[str, ...]:
    return next(tuple(map(_renamed, c.steps)) for c in OLD if c.name == name)


#: Command lines of the working tree where they are no longer those of :data:`OLD`: name → steps.
CHANGED: dict[str, tuple[str, ...]] = {
    name: _steps_now(name) for name in ("06-enrol-erase", "09-adapt", "12-describe")
}

#: Outputs that say more than those of :data:`OLD`, whose lines are all in them: command → texts.
SAYS_MORE = {
    "01-demo": ("step-2.stdout", "step-3.stdout"),  # the result of each answer
    # That nothing was scored, and what to do.
    "08-predict-model": ("step-0.stderr",),  # that a model of 0.1 carries no checksum
    "11-data-check": ("step-0.stdout",),  # two protocols more
    "02-words": ("step-2.stderr",),
    "05-agree": ("step-0.stderr",),
    "10-annotate": ("step-0.stdout", "step-0.stderr"),
}

#: Files that only the working tree writes, by pattern → since when and why. They are not compared.
ADDED: dict[str, str] = {
    "files/*settings.toml": "0.2: the settings of a run, a comparison or a training",
    "files/*page.jsonl": "0.2: what the pages show of an answer",
    "files/*answers_wide.csv": "0.2: a row per answer",
    "files/*codebook.csv": "0.2: every column of the tables",
    "files/*codebook.html": "0.2: the same as a page",
    "files/*change_talk.csv": "0.2: which side of a change each clause speaks for",
    "files/*held-out.csv": "0.2: what a training said of its held-out people",
    "files/*store/index/*.json": "0.2: where a person's entries are, so that erasing finds them",
    "files/*store/marks.json": "0.2: marks of source files, kept for the next start",
    "files/*store/features/words/*": "0.2: words that were put where they are heard",
}

#: Files that are laid out anew, by pattern → since when and why. Their figures are compared in the
#: tables, summaries and JSON beside them.
REBUILT: dict[str, str] = {
    "files/*report.html": "0.2: a comparison on top, cues to judge, two languages",
    "files/*leaderboard.html": "0.2: a verdict and a forest plot first",
    "files/*leaderboard.md": "0.2: the same as text",
    "files/*harm.html": "0.2: the style of the leaderboard",
    "files/*harm.md": "0.2: the same as text",
    "files/*figures/*-gains.svg": "0.2: the forest plot stands in its place",
    "files/*figures/*-forest.svg": "0.2: gain per person",
}

_CUES = "0.2: as the field cues of tests.freeze.clean"
_FEW = "0.2: under 10 people nothing is called above anything"
_CLIP = "0.2: what a clip is refused for is told with a digit more, and what to change"
_WORN = (
    "0.2: word cues are others, and in a folder without the mark of synthetic people Silero tells "
    "speech; so a fusion learns from other features"
)
_TAGGED = (
    "0.2: films that say that their people are synthetic are told, also without the folder's mark"
)
_OPEN = "0.2: only an eye that was seen open can blink, which changes one clip of 990002"
_CHANNELS = "0.2: channels of noise are left out, two others are averaged; Silero tells speech"
_WHOLE = "0.2: the sound of a film is told where it came from the store, too"
_INDEX = "0.2: erasing reads an index of the store, which is listed too"

#: Texts that both sides write and whose content is another since 0.2, by command: pattern → why. That
#: they are there is compared.
OTHER: dict[str, dict[str, str]] = {
    "01-demo": {"files/*/cues.csv": _CUES, "files/*/cues.vtt": _CUES},
    "03-personalise": {
        "files/out/runs/shuffled/*-990002_*/predictions.safetensors": _OPEN,
        "files/out/runs/shuffled/*-990002_*/run.json": _OPEN,
        "files/out/shuffled/figures/board1-*.svg": _OPEN,
        "files/out/shuffled/harm.json": _OPEN,
        "files/out/shuffled/leaderboard.json": _OPEN,
        "step-0.stderr": _FEW,
    },
    "04-board": {"step-?.stderr": _FEW},
    "06-enrol-erase": {
        "step-1.stderr": _CLIP,
        "step-2.stderr": _CLIP,
        "step-3.stderr": _CLIP,
        "files/before.json": _INDEX,
        "files/left.json": _INDEX,
    },
    "07-fusion": {
        "files/model/*": _WORN,
        "files/jmt/*": _WORN,
        "files/store/features/voice/*": _WORN,
        "step-0.stdout": _WORN,
        "step-1.stdout": _WORN,
        "step-0.stderr": _TAGGED,
        "step-1.stderr": _TAGGED,
    },
    "12-describe": {
        "files/*/cues.csv": _CUES,
        "files/*/cues.vtt": _CUES,
        "files/out/no_face/summary.json": _CHANNELS,
        "files/again/single_face/summary.json": _WHOLE,
        "files/store/features/face/*.2": _WHOLE,
        "files/store/features/voice/*": _CHANNELS,
    },
}

NEW: tuple[Command, ...] = tuple(
    Command(c.name, CHANGED.get(c.name, c.steps), c.needs) for c in OLD
)
