"""Options and words about bundles, the same for every command that makes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from twomind.cli.verb import PATH, print_json, say


def bundle_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options ``--bundle`` and ``--windows`` to a verb."""
    windows = click.option(
        "--windows",
        is_flag=True,
        help="The bundle keeps every row with its time and question, not each person's scores "
        "alone.",
    )
    bundle = click.option(
        "--bundle",
        type=PATH,
        metavar="FILE.tar",
        help="Write scores, settings and versions without names, media or words, to leave the "
        "laboratory.",
    )
    return bundle(windows(function))


def tell_bundle(about: Mapping[str, Any]) -> None:
    """What was written, and what to keep."""
    say(
        f"bundle: {about['bundle']}: {about['n_runs']} runs of {about['n_people']} people, scores "
        f"{about['scores']}, laboratory {about['laboratory']}; content {about['content_sha256']}"
    )
    say(f"names are hidden under the key {about['key']}: it must stay here")


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
    say(f"content {about['content_sha256']}: compare it with what the laboratory says")
    return 0
