"""Erasing a person, or some of their recordings: profile, states, and everything computed from the
recordings (R16).

Which recordings are a person's is known from the profile, from the states, and from the store,
where everything that measures a recording notes whose it is. Files that the user wrote elsewhere
(media, exports, results) are not touched.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twomind.core.below import Below
from twomind.core.errors import BadInput
from twomind.core.store import Store, content_hash
from twomind.datasets.bah_files import KIND as ANNOTATIONS
from twomind.features.profile import Profile, Visit, write_profile
from twomind.pipeline import kept_states
from twomind.pipeline.profiles import folder_of, load, of_study, people
from twomind.pipeline.profiles import studies as studies_of


def known(profiles: Path, person: str, store: Store, states: Sequence[Path] = ()) -> bool:
    """Whether anything of the person is found: enrolled, noted in the store, or named by a state.

    Here and below, the person is the one of the study of ``store``; that study's people are below
    ``profiles``.

    Args:
        profiles: folder of enrolled people, of all studies.
        person: their name.
        store: computed features, of one study.
        states: folders of saved states besides ``profiles`` and those that were noted.
    """
    profiles, study = of_study(profiles, store.study), store.study
    own = _own_folder(profiles, person)
    if own is not None and own.is_dir():
        return True
    marks, noted = store.noted(person)
    if marks or noted:
        return True
    folder = kept_states.folder_name(person, study)
    below = kept_states.look_below(_folders(profiles, states, noted), store)
    found = kept_states.kept_in(below)
    return any(kept.names(person, study) or kept.path.parent.name == folder for kept in found)


def studies_with(
    profiles: Path, person: str, store: Store, states: Sequence[Path] = ()
) -> list[str]:
    """Studies that know somebody of this name; the empty name stands for people of no study.

    Args:
        profiles: folder of enrolled people, of all studies.
        person: their name.
        store: computed features.
        states: folders of saved states.
    """
    names = {"", *store.studies(), *studies_of(profiles)}
    noted: list[Path] = []
    for name in names:
        noted += replace(store, study=name).noted(person)[1]
    below = kept_states.look_below(_folders(profiles, states, noted), store)
    names |= {kept.study for kept in kept_states.kept_in(below)}
    by_study = {name: replace(store, study=name) for name in sorted(names)}
    return [name for name, own in by_study.items() if known(profiles, person, own, states)]


def check_study(profiles: Path, person: str, store: Store, states: Sequence[Path] = ()) -> None:
    """Where no study was named, refuse a name that a study knows: nobody can say who is meant.

    Args:
        profiles: folder of enrolled people, of all studies.
        person: their name.
        store: computed features.
        states: folders of saved states.

    Raises:
        BadInput: it does; the message lists the studies.
    """
    found = studies_with(profiles, person, store, states)
    if any(found):
        named = [f"--study {name}" if name else '--study "" (of no study)' for name in found]
        raise BadInput(
            f"which {person!r} is meant? Nothing was erased; known are: {'; '.join(named)}"
        )


@dataclass(frozen=True)
class _Erasing:
    """What is erased: a person of the study of ``store``, or only what is ``chosen`` of them.

    ``profiles`` is the folder of that study's people, ``own`` the person's own in it, ``gone``
    their visits that go. ``contents`` are recordings whose traces go, ``marks`` and ``folders``
    what the store notes of the person: recordings, and folders with saved states.
    """

    person: str
    store: Store
    profiles: Path
    own: Path | None
    profile: Profile | None
    chosen: bool
    gone: tuple[Visit, ...]
    contents: frozenset[str]
    marks: frozenset[str]
    folders: tuple[Path, ...]

    @property
    def everything(self) -> bool:
        """Whether all saved states of the person go, whatever they learnt from."""
        return bool(self.gone) or not self.chosen

    @property
    def rest(self) -> tuple[Visit, ...]:
        """The visits that stay."""
        visits = () if self.profile is None else self.profile.visits
        return tuple(visit for visit in visits if visit not in self.gone)

    def all_contents(self, kept: Sequence[kept_states.Kept]) -> set[str]:
        """The recordings whose traces go, those included that only states tell of."""
        if self.chosen:
            return set(self.contents)
        of_states = kept_states.contents_of(kept, self.person, self.store.study)
        return of_states | self.contents

    def states(self, found: kept_states.Found) -> list[Path]:
        """Every file with a state that goes: what was found, and what lies in the own folder."""
        of_own: list[Path] = []
        if self.own is not None and self.everything:
            of_own = [path.resolve() for path in self.own.rglob("*.safetensors")]
        return sorted({*found.states, *of_own})


def erase(
    profiles: Path,
    person: str,
    store: Store,
    visit: str | None = None,
    *,
    recordings: Sequence[Path] = (),
    states: Sequence[Path] = (),
) -> dict[str, Any]:
    """Remove a person and all that was computed from their recordings.

    With ``visit`` or ``recordings``, only what was computed from these; where an enrolled clip is
    among them, all saved states of the person go, since they may have been learnt relative to its
    neutral.

    Args:
        profiles: folder of enrolled people, of all studies.
        person: their name.
        store: computed features, of one study.
        visit: beginning of a visit's id.
        recordings: media files.
        states: folders of saved states besides ``profiles`` and those that were noted when the
            states were kept.

    Returns:
        What was removed, in plain values.

    Raises:
        BadInput: nothing is known of the person, there is no such visit, or a file or folder does
            not exist.
    """
    refuse(profiles, person, store, visit, recordings, states)
    noted = store.noted(person)[1]
    what = _plan(profiles, person, store, visit, recordings, states)
    below = kept_states.look_below(what.folders, store)
    kept = kept_states.kept_in(below)
    contents = what.all_contents(kept)
    found = kept_states.derived(kept, person, contents, what.everything, store.study)
    all_states = what.states(found)
    # Notes last: killed before that, the same command finds the rest.
    entries = _entries(store, contents, set(what.marks), what.chosen)
    for path in entries:
        path.unlink(missing_ok=True)
    kept_states.remove(below, person, all_states, what.everything, store.study)
    if what.own is not None:
        _rewrite(what.own, what.profile, what.rest, what.chosen)
    # What is remembered of these folders tells of the person no longer either.
    below = kept_states.look_below([*what.folders, *noted], store)
    if what.chosen:
        store.forget(contents, (), None)
    else:
        store.forget(contents, set(what.marks), person)
    for_others = _enrolled(below, what.profiles.resolve(), person)
    shared = [visit.id for visit in what.gone if visit.content in for_others]
    lost = [str(folder) for folder in noted if not folder.is_dir()]
    unreadable = [str(path) for path in found.unreadable if path not in all_states]
    elsewhere = studies_with(profiles, person, store, states)
    return {
        "person": person,
        "study": store.study,
        "visits": [visit.id for visit in what.gone],
        "store_entries": len(entries),
        "states": len(all_states),
        "profile_kept": bool(what.rest),
        "also_enrolled_for_others": sorted(shared),
        "state_folders_not_found": sorted(lost),
        "states_unreadable": sorted(unreadable),
        "store_entries_unclaimed": len(store.unclaimed()),
        "also_known_in": [name for name in elsewhere if name != store.study],
    }


def _plan(
    profiles: Path,
    person: str,
    store: Store,
    visit: str | None,
    recordings: Sequence[Path],
    states: Sequence[Path],
) -> _Erasing:
    """What goes; nothing is removed yet."""
    profiles = of_study(profiles, store.study)
    chosen = visit is not None or bool(recordings)
    profile = _profile(profiles, person, needed=visit is not None)
    own = _own_folder(profiles, person)
    if chosen and profile is None and own is not None and (own / "profile.json").exists():
        # A damaged profile cannot be rewritten less a visit; the error says so.
        load(profiles, person)
    contents = {content_hash(path) for path in recordings}
    gone = _visits(profile, visit, contents, chosen)
    contents |= {one.content for one in gone}
    marks, noted = store.noted(person)
    return _Erasing(
        person,
        store,
        profiles,
        own,
        profile,
        chosen,
        tuple(gone),
        frozenset(contents),
        frozenset(marks),
        tuple(_folders(profiles, states, noted)),
    )


def refuse(
    profiles: Path,
    person: str,
    store: Store,
    visit: str | None,
    recordings: Sequence[Path],
    states: Sequence[Path],
) -> None:
    """Refuse what cannot be erased, before anything is.

    Args:
        profiles: folder of enrolled people, of all studies.
        person: their name.
        store: computed features, of one study.
        visit: beginning of a visit's id.
        recordings: media files.
        states: folders of saved states.

    Raises:
        BadInput: nothing is known of the person, or a file or folder does not exist.
    """
    if visit is not None and recordings:
        raise BadInput("give either a visit or recordings, not both")
    for path in recordings:
        if not path.is_file():
            raise BadInput(
                f"{path}: no such file; the recording itself is needed to find what was computed "
                "from it"
            )
    for folder in states:
        if not folder.is_dir():
            raise BadInput(
                f"{folder}: expected a folder with saved states, as `predict --adapt --set "
                "states.folder=FOLDER` writes it"
            )
    if not recordings and not known(profiles, person, store, states):
        where = of_study(profiles, store.study)
        enrolled = ", ".join(people(where)) or "nobody"
        of = f" in the study {store.study!r}" if store.study else ""
        raise BadInput(
            f"nothing of {person!r} is known{of}: not enrolled in {where} (enrolled: {enrolled}), "
            "in no saved state "
            f"and not noted in the store {store.root}. Are --profiles, --state and --store those "
            "that were used?"
        )


def _own_folder(profiles: Path, person: str) -> Path | None:
    with suppress(BadInput):  # a subject's name need not be one that can be enrolled
        return folder_of(profiles, person)
    return None


def _profile(profiles: Path, person: str, needed: bool) -> Profile | None:
    """The profile; None where there is none. A damaged one must not keep the person from being
    erased.
    """
    if needed:
        return load(profiles, person)
    with suppress(BadInput):
        return load(profiles, person)
    return None


def _visits(
    profile: Profile | None, visit: str | None, contents: set[str], chosen: bool
) -> list[Visit]:
    if profile is None:
        return []
    if visit is not None:
        rest = profile.without(visit).visits
        return [one for one in profile.visits if one not in rest]
    if not chosen:
        return list(profile.visits)
    return [one for one in profile.visits if one.content in contents]


def _folders(profiles: Path, states: Sequence[Path], noted: Sequence[Path]) -> list[Path]:
    there = [folder.resolve() for folder in (profiles, *states, *noted) if folder.is_dir()]
    return list(dict.fromkeys(there))


def _entries(store: Store, contents: set[str], marks: set[str], chosen: bool) -> list[Path]:
    """Entries of the contents; those of files about many people that name the person; and those of
    earlier versions of which cannot be told whose they are, where making them again is cheap."""
    found = store.made_from(contents, () if chosen else marks)
    if chosen:
        of_person = store.made_from((), marks)
        found += [path for path in of_person if path.parent.parent.name == ANNOTATIONS]
    # Text embeddings were filed under no content, and annotations under no person.
    found += [*store.made_from([""]), *store.unclaimed(ANNOTATIONS)]
    return sorted(set(found))


def _rewrite(own: Path, profile: Profile | None, rest: Sequence[Visit], chosen: bool) -> None:
    """The profile less what is gone; nothing of the folder stays when nothing is left."""
    if chosen and (profile is None or len(rest) == len(profile.visits)):
        return
    if rest and profile is not None:
        for part in own.glob(".*.part"):
            part.unlink(missing_ok=True)
        write_profile(Profile(profile.person, tuple(rest), profile.extra), own / "profile.json")
    elif own.is_dir():
        shutil.rmtree(own)


def _enrolled(found: Sequence[Below], profiles: Path, but: str) -> set[str]:
    """Contents of the clips that are enrolled for other people of the study."""
    contents: set[str] = set()
    for below in found:
        for one in below.files(kept_states.PROFILE.__eq__):
            folder = one.path.parent
            if folder.parent == profiles and folder.name != but and one.fact:
                contents.update(one.fact)
    return contents
