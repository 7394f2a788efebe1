"""Options of ``twomind predict --adapt``: which method, how it is set, and where a person's state
is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from twomind.cli.verb import PATH, say
from twomind.core.errors import BadInput

_OPTIONS = (
    click.option(
        "--adapt",
        metavar="METHOD",
        help="Adapt the model to each person, e.g. tta-cap, guarded, clip-autt.",
    ),
    click.option(
        "--adapt-setting",
        multiple=True,
        metavar="NAME=VALUE",
        help="With --adapt: a setting of it; repeatable.",
    ),
    click.option(
        "--state",
        type=PATH,
        help="With --adapt: folder with people's states, to go on with and to keep.",
    ),
    click.option(
        "--reset",
        type=click.Choice(["recording", "person", "never"]),
        help="With --adapt: when the state starts anew [default: person].",
    ),
)


def adapt_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def adaptation_from(options: dict[str, Any]) -> Any:
    """Take the options of this file out of ``options``: an ``Adaptation``, or None without
    ``--adapt``.

    Raises: BadInput: one was given without ``--adapt``; an unknown method or setting; a model that
        cannot be adapted.
    """
    method, pairs, state, reset = (
        options.pop(n) for n in ("adapt", "adapt_setting", "state", "reset")
    )
    if method is None:
        stray = [
            n for n, v in (("--adapt-setting", pairs), ("--state", state), ("--reset", reset)) if v
        ]
        if stray:
            raise BadInput(f"{', '.join(stray)}: goes with --adapt METHOD")
        return None
    if options["model"] == "llm":
        raise BadInput(
            "--adapt: a language model has no embedding or weights here that a method could work on"
        )
    from twomind.pipeline.adapt import Adaptation, read_settings

    return Adaptation(method, read_settings(method, pairs), reset or "person", state)


def tell_adapted(finished: Sequence[Any]) -> None:
    """Say per answer what adaptation did, and what the guard noted."""
    for done in finished:
        about = {} if done.result is None else done.result.adaptation
        if not about:
            continue
        with_it, without = (
            float(done.result.prediction.probs[1]),
            float(done.result.unadapted.probs[1]),
        )
        say(
            f"{done.job.id}: {with_it:.3f} {about['said'] or 'not adapted'}; without: {without:.3f}"
        )
        guard = about["guard"]
        if guard:
            say(
                "  guard, of this person so far: "
                f"{', '.join(f'{k} {v}' for k, v in guard['counts'].items())}"
            )
            for event in guard["log"]:
                rest = ", ".join(
                    f"{k} {v}"
                    for k, v in event.items()
                    if k not in ("what", "start_s", "recording", "n")
                )
                say(f"  {event['start_s']:.1f} s: {event['what']} ({rest})")
