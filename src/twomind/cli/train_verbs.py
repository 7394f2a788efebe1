"""``twomind train clip-au``, ``train dsfda`` and ``train sfda-pft``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from twomind.cli.settings_options import Command, asked_by, schema_at, settings_options
from twomind.cli.verb import PATH, device_options, print_json, say, store_option, verb

_PLACE = "twomind.pipeline.training"

_DATA = click.option("--data", type=PATH, help="A data set's folder, in its own layout.")
_PROTOCOL = click.option(
    "--protocol", help="Whose source people are learnt from  [default: everybody]."
)
_FOLD = click.option("--fold", help="Which fold of the protocol [default: its first].")
_TASK = click.option("--task", help="The task [default: the data set's first].")
_OUT = click.option("--out", type=PATH, required=True, help="Folder for the model.")
_EPOCHS = click.option("--epochs", type=click.IntRange(1), help="How many.")
_SEED = click.option("--seed", type=int, help="Of the weights and of the order.")


def _data_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (_OUT, _TASK, _FOLD, _PROTOCOL, _DATA):
        function = option(function)
    return function


@click.command("clip-au", cls=Command, schema=f"{_PLACE}:CLIP_AU")
@_data_options
@click.option("--encoder", help="A CLIP's name or folder.  [default: vit-b-32]")
@_EPOCHS
@_SEED
@settings_options
@store_option
@verb
@device_options
def train_clip_au_verb(**options: Any) -> int:
    """Train CLIP-AU on films or face crops; what stands for its source people lies beside it.

    `--set train.rules=released` has the released rules, `--set train.frames=16` the published
    models' length of a clip.
    """
    return _train("CLIP_AU", "train_clip_au", options)


@click.command("dsfda", cls=Command, schema=f"{_PLACE}:DSFDA")
@_data_options
@click.option("--model", type=PATH, help="A trained or imported DSFDA: only prototypes are made.")
@click.option(
    "--size", type=click.Choice(["full", "small", "tiny"]), help="Of the networks.  [default: full]"
)
@_EPOCHS
@_SEED
@settings_options
@store_option
@verb
@device_options
def train_dsfda_verb(**options: Any) -> int:
    """Train DSFDA's source model on face crops or films, with prototypes of the source people.

    Interrupt it at any time and run it again: it goes on from its last epoch.
    """
    return _train("DSFDA", "train_dsfda", options)


@click.command("sfda-pft", cls=Command, schema=f"{_PLACE}:PFT")
@_data_options
@click.option("--model", type=PATH, help="The trained CLIP-AU whose features are translated.")
@settings_options
@store_option
@verb
@device_options
def train_pft_verb(**options: Any) -> int:
    """Train SFDA-PFT's translator of features between source people, beside a CLIP-AU's weights."""
    return _train("PFT", "train_pft", options)


def _train(schema: str, function: str, options: dict[str, Any]) -> int:
    """Run one of the functions of :mod:`twomind.pipeline.training`."""
    from twomind.cli.words_verbs import _bar
    from twomind.core.store import default_root
    from twomind.pipeline import training

    out: Path = options.pop("out")
    store: Path | None = options.pop("store")
    as_json: bool = options.pop("as_json")
    options.pop("offline")
    settings = asked_by(schema_at(f"{_PLACE}:{schema}"), options).settings
    with _bar() as progress:
        place = training.Place(out, store or default_root(), progress, say)
        found = getattr(training, function)(settings, place)
    if as_json:
        print_json(found)
    for one in found["skipped"]:
        say(f"not used: {one['recording']}: {one['reason']}")
    say(
        f"{found['n_windows']} windows or pictures of {found['n_people']} people, "
        f"{found['epochs']} epochs, on {found['device']}"
    )
    if found["synthetic"]:
        say("synthetic people only: this model refuses real recordings")
    say(f"model: {found['model']}; use it with: twomind predict --model {found['model']} FILM")
    return 0
