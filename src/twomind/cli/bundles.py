"""Options and words about bundles, the same for every command that makes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from twomind.cli.verb import PATH, print_json, say

if TYPE_CHECKING:
    from twomind.pipeline.bundle import Asked


def bundle_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options ``--bundle``, ``--windows`` and ``--groups`` to a verb."""
    windows = click.option(
        "--windows",
        is_flag=True,
        help="The bundle keeps every row with its time and question, not each person's scores "
        "alone.",
    )
    groups = click.option(
        "--groups",
        is_flag=True,
        help="The bundle has figures of groups by sex and age band too; beside each person's "
        "scores, they can tell who is in which group.",
    )
    bundle = click.option(
        "--bundle",
        type=PATH,
        metavar="FILE.tar",
        help="Write scores, settings and versions without names, media or words, to leave the "
        "laboratory.",
    )
    return bundle(windows(groups(function)))


class _Options(Protocol):
    """The options of a verb that can make a bundle."""

    @property
    def bundle(self) -> Path | None: ...

    @property
    def windows(self) -> bool: ...

    @property
    def groups(self) -> bool: ...


def bundle_asked(options: _Options) -> Asked | None:
    """The bundle that a command asks for; None: none. To be called before anything is made.

    Raises:
        BadInput: what is there is not written over.
        click.UsageError: something is said of a bundle, and none is asked for.
    """
    if options.bundle is not None:
        from twomind.pipeline.bundle import Asked, refuse_others

        refuse_others(options.bundle)
        return Asked(options.bundle, options.windows, options.groups)
    for name, given in (("--windows", options.windows), ("--groups", options.groups)):
        if given:
            raise click.UsageError(f"{name} is about a bundle: give --bundle FILE.tar as well.")
    return None


def tell_bundle(about: Mapping[str, Any]) -> None:
    """What was written, and what to keep."""
    say(
        f"bundle: {about['bundle']}: {about['n_runs']} runs of {about['n_people']} people, scores "
        f"{about['scores']}, laboratory {about['laboratory']}; content {about['content_sha256']}"
    )
    made = ", which was made now" if about["key_is_new"] else ""
    say(f"names are hidden under the key {about['key']}{made}: it must stay here")
    if about["shared_out_by_name"]:
        say(
            "which recordings of a person are tested goes by their name in this protocol: somebody with "
            "a list of your people may tell some of them apart"
        )


def tell_verified(path: Path, as_json: bool) -> int:
    """Check a bundle and say what is in it."""
    from twomind.pipeline.bundle import verify

    about = verify(path)
    if as_json:
        print_json(about)
        return 0
    seal = {
        None: "there is no key here to say who made it",
        True: "made under this laboratory's key",
        False: "made under another laboratory's key",
    }
    say(
        f"{path}: whole; {about['n_runs']} runs of {about['n_people']} people, scores "
        f"{about['scores']}, laboratory {about['laboratory']}; {seal[about['sealed']]}"
    )
    for group in about["groups"]:
        say(_group_line(group))
    say(f"content {about['content_sha256']}: compare it with what the laboratory says")
    return 0


def _group_line(group: Mapping[str, Any]) -> str:
    """Which group a bundle has figures of, and how many people it has."""
    of_all = f"group: {group['dataset']}, {group['protocol']}, {group['group']}"
    if group["n_people"] is None:
        return f"{of_all}, others: not told"
    return f"{of_all}, {group['value']}: {group['n_people']} people"
