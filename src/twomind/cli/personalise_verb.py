"""``twomind score personalise``: adaptation methods on people that the model has never seen, beside
no adaptation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twomind.cli.moved import PERSONALISE
from twomind.cli.settings_options import (
    Command,
    asked_by,
    names,
    schema_at,
    settings_options,
)
from twomind.cli.verb import (
    PATH,
    device_flag,
    engine_option,
    print_json,
    say,
    store_option,
    verb,
)
from twomind.core.synthetic import CONTROLS, LAYOUTS
from twomind.evaluation.orders import ORDERS

if TYPE_CHECKING:
    from twomind.pipeline.personalise import Compared

_SCHEMA = "twomind.pipeline.personalise_settings:SCHEMA"

_DATA = click.option("--data", type=PATH, help="Folder of a data set (see `twomind data list`).")
_DRAWN = click.option(
    "--drawn", type=click.Choice(LAYOUTS), help="A synthetic study, without films."
)
_PEOPLE = click.option(
    "--people", type=click.IntRange(3), help="People of the synthetic study.  [default: 24]"
)
_CONTROL = click.option(
    "--control",
    type=click.Choice(CONTROLS),
    help="A negative control (drawn).  [default: none]",
)
_PROTOCOL = click.option(
    "--protocol", help="Who is held out (`twomind docs datasets`).  [default: targets-10]"
)
_TASK = click.option("--task", help="The task [default: the data set's first].")
_METHODS = click.option(
    "--methods",
    callback=names,
    help="Names with commas, or all that fit model and protocol; NAME:setting=value is one of "
    "them, set differently.  [default: all]",
)
_MODEL = click.option(
    "--model",
    help="What is adapted: `described`, a linear head on measures; `clip-au`, one on frame "
    "embeddings (`twomind docs clip-au`); or a trained model's folder or name, the same for every "
    "fold.  [default: described]",
)
_ALLOW_DRAWN_MODEL = click.option(
    "--allow-drawn-model",
    is_flag=True,
    help="Let a trained model, or clip-au's encoder, that has seen synthetic people only look at real ones.",
)
_SEEDS = click.option(
    "--seeds",
    type=click.IntRange(1),
    help="Seeds 0 … N-1, of methods and order.  [default: 1]",
)
_ORDER = click.option(
    "--order",
    type=click.Choice(ORDERS),
    multiple=True,
    help="Order of a person's test clips, drawn anew for each seed; repeatable.  [default: "
    "shuffled]",
)
_GUARD = click.option(
    "--guard", is_flag=True, help="Also walk each method within the guard, for the harm report."
)
_OUT = click.option(
    "--out",
    type=PATH,
    required=True,
    help="Folder for runs, settings and the leaderboard; goes on where it stopped.",
)
_WORKERS = click.option("--workers", type=int, default=0, help="Processes [default: one per core].")


@click.command("personalise", cls=Command, schema=_SCHEMA, moved=PERSONALISE)
@_DATA
@_DRAWN
@_PEOPLE
@_CONTROL
@_PROTOCOL
@_TASK
@_METHODS
@_MODEL
@_ALLOW_DRAWN_MODEL
@_SEEDS
@_ORDER
@_GUARD
@settings_options
@_OUT
@store_option
@_WORKERS
@engine_option
@verb
@device_flag
def score_personalise_verb(
    *,
    as_json: bool,
    offline: bool,
    out: Path,
    store: Path | None,
    workers: int,
    engine: str,
    **options: Any,
) -> int:
    """Compare adaptation METHODS on held-out people with one model, trained anew on each fold's
    source people.

    `described` is a linear head on window means of what `describe` measures. `clip-au` is a CLIP-AU
    on frame embeddings of films or face crops, or of a synthetic study's faces (made without films);
    it is kept under OUT/models, and the fold's validation people choose its epoch. A trained
    model is compared as it is: whose recordings it was trained on is not checked. Every line of the
    table says what the method saw. All settings are kept in OUT/settings.toml.
    """
    from twomind.core import cluster
    from twomind.core.device import standing
    from twomind.core.store import default_root
    from twomind.pipeline.personalise import Place, Talk, personalise

    settings = asked_by(schema_at(_SCHEMA), options).settings
    place = Place(out, store or default_root(), workers)
    with (
        standing(settings.compare.device, settings.compare.precision),
        cluster.standing(engine, (place.out, place.store)),
    ):
        found = personalise(settings, place, Talk(_tell, _say_trained))
    for method, why in found.left_out.items():
        say(f"left out: {method}: {why}")
    for recording, why in found.unread.items():
        say(f"not read: {recording}: {why}")
    if as_json:
        print_json(_plain(found))
    for board, harm in zip(found.boards, found.harms, strict=True):
        _say_board(board)
        page = Path(board["html"]).resolve()
        who = Path(harm["html"]).resolve()
        say(f"page: {page}")
        say(f"who was harmed, and what was changed: {who}")
    return 0


def _tell(kind: str, what: str, done: float, total: float) -> None:
    say(f"[{done:g}/{total:g}] {kind}: {what}")


def _say_trained(cards: Sequence[Mapping[str, Any]]) -> None:
    """How each CLIP-AU's training went, in a line."""
    for card in cards:
        f1 = card["validation_macro_f1"]
        if f1 is None:
            judged = "no validation people"
        else:
            judged = f"macro-F1 {f1:.3f} on its validation people"
        model = f"CLIP-AU ({card['encoder']}) of fold {card['fold']}"
        source = f"{card['n_windows']} windows of {card['n_people']} source people"
        epoch = f"epoch {card['epoch']} of {card['epochs']}"
        say(f"{model}: {source}, {epoch}, {judged}")


def _plain(found: Compared) -> dict[str, Any]:
    return {
        "n_runs": found.n_runs,
        "left_out": found.left_out,
        "unread": dict(found.unread),
        "models": found.models,
        "boards": [board["html"] for board in found.boards],
        "harm": [harm["html"] for harm in found.harms],
    }


def _say_board(board: Mapping[str, Any]) -> None:
    for one in board["boards"]:
        meaning = f" {one['what_it_means']}" if one["drawn"] else ""
        say(f"{one['dataset']}, {one['protocol']}:{meaning}")
        for sentence in one["findings"]:
            say(f"  {sentence}")
