"""``twomind enrol`` and ``twomind profile``: a person's neutral, kept, shown, moved, erased."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twomind.cli.verb import (
    PATH,
    Common,
    print_json,
    say,
    store_option,
    study_option,
    taking,
    verb,
)
from twomind.core.errors import BadInput

if TYPE_CHECKING:
    from twomind.core.store import Store
    from twomind.pipeline.adapt import Adaptation
    from twomind.pipeline.profiles import Checked

_PROFILES = click.option(
    "--profiles",
    type=PATH,
    default=Path("profiles"),
    show_default=True,
    help="Folder of enrolled people.",
)


@dataclass(frozen=True, kw_only=True)
class _Person(Common):
    """Whose profile: a person, and the folder and study in which they are enrolled."""

    person: str
    profiles: Path
    study: str | None
    store: Path | None = None

    @property
    def place(self) -> Store:
        from twomind.core.store import Store, default_root, default_study

        study = default_study() if self.study is None else self.study
        return Store(self.store or default_root(), study)

    @property
    def people(self) -> Path:
        """Folder of the people of the study."""
        from twomind.pipeline.profiles import of_study

        return of_study(self.profiles, self.place.study)


@dataclass(frozen=True, kw_only=True)
class _Enrol(_Person):
    clips: tuple[Path, ...]
    spoken: bool
    force: bool
    min_seconds: float
    speaker: str | None
    model: str | None
    adapt: str | None
    sets: tuple[str, ...]


@click.command("enrol")
@click.argument("person")
@click.argument("clips", nargs=-1, type=PATH, required=True)
@_PROFILES
@study_option
@store_option
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
@click.option(
    "--speaker",
    metavar="NAME",
    help="Who in the clips' transcripts is the person: a name in them, or longest for whoever says "
    "most.",
)
@click.option("--model", help="With --adapt: the trained model that is adapted.")
@click.option(
    "--adapt",
    metavar="METHOD",
    help="Also keep what this method needs of the clips (dsfda …); a profile alone holds no face.",
)
@click.option(
    "--set", "sets", multiple=True, metavar="adapt.NAME=VALUE", help="A setting of the method."
)
@verb
@taking(_Enrol)
def enrol_verb(asked: _Enrol) -> int:
    """Make or extend PERSON's profile from neutral CLIPS (each is one visit); refuses a clip that
    is not neutral.

    With --model and --adapt the method begins with the clips, and its state is kept beside the
    profile: `predict --adapt METHOD --profiles DIR` then needs no clip.

    Whether the person agreed is for you to know; here is only what is stored of them.
    """
    from twomind.features.neutral_check import NeutralLimits
    from twomind.pipeline.profiles import Clips, enrol, stored

    limits = NeutralLimits(min_seconds=asked.min_seconds)
    how = Clips(asked.spoken, asked.force, limits, speaker=asked.speaker)
    method = _method(asked)
    profile, checked = enrol(asked.people, asked.person, asked.clips, asked.place, how)
    found = stored(profile, asked.people, asked.place.study)
    found["clips"] = [_clip(c) for c in checked]
    if asked.as_json:
        print_json(found)
    for c in checked:
        for reason in c.doubts:
            say(f"not neutral, kept by --force: {c.clip}: {reason}")
        for remark in c.remarks:
            say(f"no reason to refuse a spoken clip: {c.clip}: {remark}")
    _tell(found)
    if method is not None and asked.model is not None:
        from twomind.pipeline.enrolled_start import begin

        people, person = asked.people, asked.person
        path = begin(people, person, asked.clips, asked.model, method, asked.place)
        say(f"what {method.method} learnt of the clips: {path}")
    return 0


def _method(asked: _Enrol) -> Adaptation | None:
    """The method of ``--adapt`` with its settings.

    Raises:
        BadInput: no such method or setting, or one of ``--model`` and ``--adapt`` alone.
    """
    from twomind.pipeline.adapt import Adaptation, read_settings

    if asked.adapt is None or asked.model is None:
        if asked.adapt or asked.model or asked.sets:
            raise BadInput("--model, --adapt and --set: expected --model and --adapt together")
        return None
    pairs = [text.removeprefix("adapt.") for text in asked.sets]
    return Adaptation(asked.adapt, read_settings(asked.adapt, pairs, "--set"))


def _clip(checked: Checked) -> dict[str, Any]:
    return {
        "clip": checked.clip,
        "not_neutral": list(checked.doubts),
        "remarks": list(checked.remarks),
        "measured": checked.measured,
    }


@click.group("profile")
def profile_group() -> None:
    """People's profiles: show, export, import, erase."""


@dataclass(frozen=True, kw_only=True)
class _Show(_Person):
    person: str | None  # type: ignore[assignment]


@profile_group.command("show")
@click.argument("person", required=False)
@_PROFILES
@study_option
@verb
@taking(_Show)
def show_verb(asked: _Show) -> int:
    """What is stored of PERSON; without PERSON, who is enrolled."""
    from twomind.pipeline.profiles import load, stored

    if asked.person is None:
        _show_people(asked.people, asked.as_json)
        return 0
    profile = load(asked.people, asked.person)
    found = stored(profile, asked.people, asked.place.study)
    if asked.as_json:
        print_json(found)
        return 0
    _tell(found)
    for modality, rows in found["neutral"].items():
        say(f"\n{modality}")
        for name, row in rows.items():
            say(_measure(name, row))
    return 0


def _show_people(folder: Path, as_json: bool) -> None:
    from twomind.pipeline.profiles import people, studies

    names, others = people(folder), studies(folder)
    if as_json:
        print_json({"people": names, "folder": folder, "studies": others})
    say("\n".join(names) or f"nobody is enrolled in {folder}")
    for other in others:
        say(f"people of the study {other}: twomind profile show --study {other}")


def _measure(name: str, row: Mapping[str, Any]) -> str:
    spread = "" if math.isnan(row["spread"]) else f" ± {row['spread']:.4g}"
    seen = f"{row['n']} rows, {row['seconds']:.1f} s"
    return f"  {name:26} {row['centre']:10.4g}{spread}  ({seen})"


@dataclass(frozen=True, kw_only=True)
class _File(_Person):
    file: Path


@profile_group.command("export")
@click.argument("person")
@click.argument("file", type=PATH)
@_PROFILES
@study_option
@verb
@taking(_File)
def export_verb(asked: _File) -> int:
    """Write PERSON's profile to FILE, to be imported elsewhere."""
    from twomind.features.profile import write_profile
    from twomind.pipeline.profiles import load

    if asked.file.exists():
        raise BadInput(f"{asked.file}: exists already; name another file")
    write_profile(load(asked.people, asked.person), asked.file)
    if asked.as_json:
        print_json({"person": asked.person, "file": asked.file})
    say(f"{asked.file}: erasing {asked.person} here does not reach this copy")
    return 0


@profile_group.command("import")
@click.argument("person")
@click.argument("file", type=PATH)
@_PROFILES
@study_option
@verb
@taking(_File)
def import_verb(asked: _File) -> int:
    """Take in PERSON's exported profile; visits that are there already are kept."""
    from twomind.pipeline.profiles import import_profile, stored

    profile = import_profile(asked.people, asked.file, asked.person)
    found = stored(profile, asked.people, asked.place.study)
    if asked.as_json:
        print_json(found)
    _tell(found)
    return 0


@dataclass(frozen=True, kw_only=True)
class _Erase(_Person):
    states: tuple[Path, ...]
    visit: str | None
    recordings: tuple[Path, ...]
    yes: bool

    @property
    def whom(self) -> str:
        """The person, with their study where there is one."""
        study = self.place.study
        return f"{self.person} (study {study})" if study else self.person

    def question(self) -> str:
        """What is about to be erased, and where."""
        names = ", ".join(path.name for path in self.recordings)
        what = self.visit or names or "everything"
        noted = self.place.noted(self.person)[1]
        where = ", ".join(map(str, (self.people, *self.states, *noted, self.place.root)))
        return f"Erase {what} of {self.whom} in {where}?"


@profile_group.command("erase")
@click.argument("person")
@_PROFILES
@study_option
@store_option
@click.option(
    "--state",
    "states",
    type=PATH,
    multiple=True,
    help="A folder in which `predict --adapt` kept states; repeatable. Those noted in the store "
    "need no naming.",
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
@taking(_Erase)
def erase_verb(asked: _Erase) -> int:
    """Remove PERSON: profile, saved states, and everything in the store that was computed from
    their recordings.

    The recordings themselves, exported copies, and results that you wrote with --out are yours to
    delete.
    """
    from twomind.pipeline.erasure import check_study, erase, refuse

    person, place, states = asked.person, asked.place, asked.states
    if asked.study is None and not place.study:
        check_study(asked.profiles, person, place, states)
    refuse(asked.profiles, person, place, asked.visit, asked.recordings, states)
    if not asked.yes and not click.confirm(asked.question(), err=True):
        say("nothing was erased")
        return 0
    found = erase(
        asked.profiles,
        person,
        place,
        asked.visit,
        recordings=asked.recordings,
        states=states,
    )
    if asked.as_json:
        print_json(found)
    _tell_erased(found, asked.whom)
    return 0


def _tell_erased(found: Mapping[str, Any], whom: str) -> None:
    visits, states = f"{len(found['visits'])} visit(s)", f"{found['states']} saved state(s)"
    say(f"erased of {whom}: {visits}, {states}, {found['store_entries']} entries in the store")
    say("not touched: the recordings themselves, exported copies, and results written with --out")
    for folder in found["state_folders_not_found"]:
        say(
            f"warning: states were kept in {folder}, which is not there; if it was moved, name it "
            "with --state"
        )
    for path in found["states_unreadable"]:
        say(f"warning: {path} cannot be read, so whose it is cannot be told")
    n = found["store_entries_unclaimed"]
    if n:
        say(
            f"warning: of {n} entries in the store it is not known whose they are (an earlier "
            "version made them); to erase those of this person, run this again with --recording "
            "for each media file"
        )
    person = found["person"]
    for other in found["also_known_in"]:
        if other:
            say(f"not touched: somebody called {person} in the study {other}")
        else:
            say(f"not touched: a {person} of no study")
    for other in found["also_enrolled_for_others"]:
        say(
            f"warning: the clip {other} is also enrolled for somebody else, whose numbers of it "
            "are kept"
        )


def _tell(found: Mapping[str, Any]) -> None:
    """What is stored, for people."""
    of = f" (study {found['study']})" if found["study"] else ""
    say(
        f"stored of {found['person']}{of} in {found['file']}: medians, spreads and counts; no "
        "picture, sound or word"
    )
    for visit in found["visits"]:
        say(_visit(visit))
    for name in found["states"]:
        say(f"  saved state {name}")


def _visit(visit: Mapping[str, Any]) -> str:
    seconds = []
    for modality, length_s in visit["seconds"].items():
        seconds.append(f"{modality} {length_s:.1f} s ({visit['measures'][modality]} measures)")
    kind = "spoken" if visit["spoken"] else "silent"
    mark = ", NOT NEUTRAL" if visit["not_neutral"] else ""
    return f"  visit {visit['id']} ({visit['made'][:10]}, {kind}{mark}): {', '.join(seconds)}"
