"""``twomind release``: give a study's data to others, and know who has which."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from twomind.cli.study_verbs import need_server
from twomind.cli.verb import PATH, Common, print_json, say, taking, tell, verb

_CUTS = ("consented", "challenges")


@click.group("release")
def release_group() -> None:
    """Releases of a study: build one in the layout of BAH, list them, know whom to recall."""


@dataclass(frozen=True, kw_only=True)
class _Built(Common):
    folder: Path
    cut: str
    out: Path
    marks: Path | None
    require: tuple[str, ...]
    since_version: int
    undecided: bool
    leave_out: tuple[str, ...]
    seed: int | None


@release_group.command("build")
@click.argument("folder", type=PATH)
@click.option("--out", type=PATH, required=True, help="New folder, outside FOLDER.")
@click.option(
    "--cut",
    type=click.Choice(_CUTS),
    default="consented",
    show_default=True,
    help="Who said yes to `research`; or to `challenges` too.",
)
@click.option(
    "--marks",
    type=PATH,
    help="Folder of ELAN files or coded CSV, named by recording [default: the study's own coding].",
)
@click.option("--require", multiple=True, help="Consent item that needs a yes besides; repeat it.")
@click.option(
    "--since-version", type=click.IntRange(min=1), default=1, help="Of the consent's text."
)
@click.option(
    "--undecided",
    is_flag=True,
    help="Take what quality control finds usable and nobody decided on.",
)
@click.option("--leave-out", multiple=True, help="Question of the form that stays here; repeat it.")
@click.option(
    "--seed", type=int, help="Of the splits of people who come new [default: as before, or 0]."
)
@verb
@taking(_Built)
def release_build(asked: _Built) -> int:
    """Write what people agreed to give to others: films, aligned faces, transcripts, marks, splits.

    Who refused, tried the study or did not finish is not in it, and is counted. The folder is opened
    by `twomind data check --deep`, `train`, `score` and `reproduce bah`.
    """
    need_server()
    from twomind.server.place import open_place
    from twomind.server.release.build import Wanted, build
    from twomind.server.release.who import Cut

    place = open_place(asked.folder)
    cut = Cut(asked.cut, asked.require, asked.since_version, asked.undecided)
    wanted = Wanted(asked.out, cut, asked.seed, frozenset(asked.leave_out))
    built = build(place, wanted, _marks(place, asked.marks), _progress)
    release = built.release
    told: dict[str, Any] = {
        "version": release.version,
        "out": str(asked.out),
        "people": len(release.people),
        "answers": release.answers,
        "absent_people": dict(built.chosen.absent_people),
        "absent_recordings": dict(built.chosen.absent_recordings),
        "recalls": {f"{number}.0.0": gone for number, gone in built.recalls.items()},
        "remarks": list(built.remarks),
    }
    if asked.as_json:
        print_json(told)
    else:
        tell(f"{asked.out}: version {release.version}, {told['people']} people, "
             f"{told['answers']} answers")  # fmt: skip
    for kind in ("people", "recordings"):
        for why, number in told[f"absent_{kind}"].items():
            say(f"not in it: {number} {kind}: {why}")
    for remark in built.remarks:
        say(remark.removeprefix("- "))
    _say_recalls(told["recalls"])
    return 0


def _marks(place: Any, folder: Path | None) -> Any:
    from twomind.server import coding
    from twomind.server.release import marks

    if folder is None:
        return coding.by_recording(place)
    return marks.of_files(folder, marks.known(place))


def _progress(what: str, done: float, total: float) -> None:
    say(f"[{done:g}/{total:g}] {what}")


def _say_recalls(recalls: dict[str, list[str]]) -> None:
    for version, gone in recalls.items():
        if gone:
            say(f"recall version {version}: {', '.join(gone)} withdrew or no longer agree")


@release_group.command("list")
@click.argument("folder", type=PATH)
@verb
def release_list(folder: Path, as_json: bool, offline: bool) -> int:
    """All releases that were built, and who in each of them has withdrawn since."""
    need_server()
    from twomind.server.place import open_place
    from twomind.server.release import ledger

    place = open_place(folder)
    recalls = ledger.recalls(place)
    rows: list[dict[str, Any]] = []
    for one in ledger.earlier(place):
        row: dict[str, Any] = {
            "version": one.version,
            "at": one.at,
            "cut": one.cut,
            "out": one.out,
            "people": len(one.people),
            "answers": one.answers,
            "recall": recalls[one.number],
        }
        rows.append(row)
    if as_json:
        print_json({"releases": rows})
        return 0
    for row in rows:
        tell(
            f"{row['version']}  {row['at'][:10]}  {row['cut']}  {row['people']} people  {row['out']}"
        )
    _say_recalls({row["version"]: row["recall"] for row in rows})
    return 0
