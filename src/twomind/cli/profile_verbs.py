"""``twomind enrol`` and ``twomind profile``: a person's neutral, kept, shown, moved, erased."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from twomind.cli.verb import PATH, print_json, say, study_option, verb
from twomind.core.errors import BadInput

_PROFILES = click.option(
    "--profiles",
    type=PATH,
    default=Path("profiles"),
    show_default=True,
    help="Folder of enrolled people.",
)
_STORE = click.option(
    "--store", type=PATH, default=None, help="Folder for computed features [default: user's cache]."
)


def _store(path: Path | None, study: str | None = None) -> Any:
    from twomind.core.store import Store, default_root, default_study

    return Store(path or default_root(), default_study() if study is None else study)


def _of(profiles: Path, study: str | None) -> tuple[Path, str]:
    """Folder of the people of a study, and the study's name."""
    from twomind.pipeline.profiles import of_study

    name = _store(None, study).study
    return of_study(profiles, name), name


@click.command("enrol")
@click.argument("person")
@click.argument("clips", nargs=-1, type=PATH, required=True)
@_PROFILES
@study_option
@_STORE
@click.option(
    "--spoken",
    is_flag=True,
    help="The person talks in it (a neutral question): voice and words count too.",
)
@click.option(
    "--force", is_flag=True, help="Keep a clip that does not look neutral; it is marked as such."
)
@click.option(
    "--min-seconds",
    type=click.FloatRange(0, min_open=True),
    default=3.0,
    show_default=True,
    help="Measurable length.",
)
@verb
def enrol_verb(
    person: str,
    clips: tuple[Path, ...],
    profiles: Path,
    study: str | None,
    store: Path | None,
    spoken: bool,
    force: bool,
    min_seconds: float,
    as_json: bool,
    offline: bool,
) -> int:
    """Make or extend PERSON's profile from neutral CLIPS (each is one visit); refuses a clip that
    is not neutral.

    Whether the person agreed is for you to know; here is only what is stored of them.
    """
    from twomind.features.neutral_check import NeutralLimits
    from twomind.pipeline import profiles as room

    limits = NeutralLimits(min_seconds=min_seconds)
    profiles, name = _of(profiles, study)
    how: dict[str, Any] = {"spoken": spoken, "force": force, "limits": limits}
    profile, checked = room.enrol(profiles, person, clips, _store(store, study), **how)
    found = room.stored(profile, profiles, name)
    found["clips"] = [
        {"clip": c.clip, "not_neutral": list(c.doubts), "measured": c.measured} for c in checked
    ]
    if as_json:
        print_json(found)
    for c in checked:
        for reason in c.doubts:
            say(f"not neutral, kept by --force: {c.clip}: {reason}")
    _tell(found)
    return 0


@click.group("profile")
def profile_group() -> None:
    """People's profiles: show, export, import, erase."""


@profile_group.command("show")
@click.argument("person", required=False)
@_PROFILES
@study_option
@verb
def show_verb(
    person: str | None, profiles: Path, study: str | None, as_json: bool, offline: bool
) -> int:
    """What is stored of PERSON; without PERSON, who is enrolled."""
    from twomind.pipeline import profiles as room

    profiles, name = _of(profiles, study)
    if person is None:
        names = room.people(profiles)
        if as_json:
            print_json({"people": names, "folder": profiles, "studies": room.studies(profiles)})
        say("\n".join(names) or f"nobody is enrolled in {profiles}")
        for other in room.studies(profiles):
            say(f"people of the study {other}: twomind profile show --study {other}")
        return 0
    found = room.stored(room.load(profiles, person), profiles, name)
    if as_json:
        print_json(found)
        return 0
    _tell(found)
    for modality, rows in found["neutral"].items():
        say(f"\n{modality}")
        for name, row in rows.items():
            spread = "" if math.isnan(row["spread"]) else f" ± {row['spread']:.4g}"
            say(
                f"  {name:26} {row['centre']:10.4g}{spread}  ({row['n']} rows, "
                f"{row['seconds']:.1f} "
                "s)"
            )
    return 0


@profile_group.command("export")
@click.argument("person")
@click.argument("file", type=PATH)
@_PROFILES
@study_option
@verb
def export_verb(
    person: str, file: Path, profiles: Path, study: str | None, as_json: bool, offline: bool
) -> int:
    """Write PERSON's profile to FILE, to be imported elsewhere."""
    from twomind.features.profile import write_profile
    from twomind.pipeline import profiles as room

    if file.exists():
        raise BadInput(f"{file}: exists already; name another file")
    write_profile(room.load(_of(profiles, study)[0], person), file)
    if as_json:
        print_json({"person": person, "file": file})
    say(f"{file}: erasing {person} here does not reach this copy")
    return 0


@profile_group.command("import")
@click.argument("person")
@click.argument("file", type=PATH)
@_PROFILES
@study_option
@verb
def import_verb(
    person: str, file: Path, profiles: Path, study: str | None, as_json: bool, offline: bool
) -> int:
    """Take in PERSON's exported profile; visits that are there already are kept."""
    from twomind.pipeline import profiles as room

    profiles, name = _of(profiles, study)
    found = room.stored(room.import_profile(profiles, file, person), profiles, name)
    if as_json:
        print_json(found)
    _tell(found)
    return 0


@profile_group.command("erase")
@click.argument("person")
@_PROFILES
@study_option
@_STORE
@click.option(
    "--state",
    "states",
    type=PATH,
    multiple=True,
    help="A folder that `predict --adapt --state` kept states in; repeatable. Those noted in the "
    "store need no naming.",
)
@click.option(
    "--visit", help="Only this visit, by the beginning of its id; saved states go as well."
)
@click.option(
    "--recording",
    "recordings",
    type=PATH,
    multiple=True,
    help="Only what was computed from this media file; repeatable.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@verb
def erase_verb(
    person: str, profiles: Path, study: str | None, store: Path | None, states: tuple[Path, ...],
    visit: str | None, recordings: tuple[Path, ...], yes: bool, as_json: bool, offline: bool,
) -> int:  # fmt: skip
    """Remove PERSON: profile, saved states, and everything in the store that was computed from
    their recordings.

    The recordings themselves, exported copies, and results that you wrote with --out are yours to
    delete.
    """
    from twomind.pipeline.erasure import check_study, erase, refuse

    place = _store(store, study)
    if study is None and not place.study:
        check_study(profiles, person, place, states)
    refuse(profiles, person, place, visit, recordings, states)
    what = visit or ", ".join(p.name for p in recordings) or "everything"
    of = f" (study {place.study})" if place.study else ""
    where = ", ".join(
        map(str, (_of(profiles, place.study)[0], *states, *place.noted(person)[1], place.root))
    )
    if not yes and not click.confirm(f"Erase {what} of {person}{of} in {where}?", err=True):
        say("nothing was erased")
        return 0
    found = erase(profiles, person, place, visit, recordings=recordings, states=states)
    if as_json:
        print_json(found)
    say(
        f"erased of {person}{of}: {len(found['visits'])} visit(s), {found['states']} saved "
        "state(s), "
        f"{found['store_entries']} entries in the store"
    )
    say("not touched: the recordings themselves, exported copies, and results written with --out")
    for folder in found["state_folders_not_found"]:
        say(
            f"warning: states were kept in {folder}, which is not there; if it was moved, name it "
            "with --state"
        )
    for path in found["states_unreadable"]:
        say(f"warning: {path} cannot be read, so whose it is cannot be told")
    if n := found["store_entries_unclaimed"]:
        say(
            f"warning: of {n} entries in the store it is not known whose they are (an earlier "
            "version made them); to "
            "erase those of this person, run this again with --recording for each media file"
        )
    for other in found["also_known_in"]:
        say(
            f"not touched: somebody called {person} in the study {other}"
            if other
            else f"not touched: a {person} of no study"
        )
    for other in found["also_enrolled_for_others"]:
        say(
            f"warning: the clip {other} is also enrolled for somebody else, whose numbers of it "
            "are "
            "kept"
        )
    return 0


def _tell(found: dict[str, Any]) -> None:
    """What is stored, for people."""
    of = f" (study {found['study']})" if found["study"] else ""
    say(
        f"stored of {found['person']}{of} in {found['file']}: medians, spreads and counts; no "
        "picture, sound or word"
    )
    for v in found["visits"]:
        seconds = ", ".join(
            f"{m} {s:.1f} s ({v['measures'][m]} measures)" for m, s in v["seconds"].items()
        )
        kind = "spoken" if v["spoken"] else "silent"
        mark = ", NOT NEUTRAL" if v["not_neutral"] else ""
        say(f"  visit {v['id']} ({v['made'][:10]}, {kind}{mark}): {seconds}")
    for name in found["states"]:
        say(f"  saved state {name}")
