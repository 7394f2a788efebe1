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
from dataclasses import replace
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput
from twomind.core.store import Store, content_hash
from twomind.datasets.bah_files import KIND as ANNOTATIONS
from twomind.features.profile import Profile, Visit, read_profile, write_profile
from twomind.pipeline import kept_states
from twomind.pipeline.profiles import folder_of, load, of_study, path_of, people
from twomind.pipeline.profiles import studies as studies_of


def known(profiles: Path, person: str, store: Store, states: Sequence[Path] = ()) -> bool:
    """Whether anything of the person is found: enrolled, noted in the store, or named by a state.

    Here and below, the person is the one of the study of ``store``; that study's people are below
    ``profiles``.
    """
    profiles, study = of_study(profiles, store.study), store.study
    own = _own_folder(profiles, person)
    marks, noted = store.noted(person)
    kept = kept_states.kept_below(_folders(profiles, states, noted))
    named = any(
        k.names(person, study) or k.path.parent.name == kept_states.folder_name(person, study)
        for k in kept
    )
    return bool((own is not None and own.is_dir()) or marks or noted or named)


def studies_with(
    profiles: Path, person: str, store: Store, states: Sequence[Path] = ()
) -> list[str]:
    """Studies that know somebody of this name; the empty name stands for people of no study."""
    names = {"", *store.studies(), *studies_of(profiles)}
    noted = [f for name in names for f in replace(store, study=name).noted(person)[1]]
    names |= {k.study for k in kept_states.kept_below(_folders(profiles, states, noted))}
    return [
        name
        for name in sorted(names)
        if known(profiles, person, replace(store, study=name), states)
    ]


def check_study(profiles: Path, person: str, store: Store, states: Sequence[Path] = ()) -> None:
    """Where no study was named, refuse a name that a study knows: nobody can say who is meant.

    Raises:
        BadInput: it does; the message lists the studies.
    """
    found = studies_with(profiles, person, store, states)
    if any(found):
        named = [f"--study {name}" if name else '--study "" (of no study)' for name in found]
        raise BadInput(
            f"which {person!r} is meant? Nothing was erased; known are: {'; '.join(named)}"
        )


def erase(
    profiles: Path,
    person: str,
    store: Store,
    visit: str | None = None,
    *,
    recordings: Sequence[Path] = (),
    states: Sequence[Path] = (),
) -> dict[str, Any]:
    """Remove a person and all that was computed from their recordings; returns what was removed.

    ``states`` are folders of saved states besides ``profiles`` and those that were noted when the
    states were kept. With ``visit`` or ``recordings`` (media files), only what was computed from
    these; where an enrolled clip is among them, all saved states of the person go, since they may
    have been learnt relative to its neutral.

    Raises: BadInput: nothing is known of the person, there is no such visit, or a file or folder
        does not exist.
    """
    refuse(profiles, person, store, visit, recordings, states)
    base, profiles, study = profiles, of_study(profiles, store.study), store.study
    chosen = visit is not None or bool(recordings)
    profile = _profile(profiles, person, needed=visit is not None)
    own = _own_folder(profiles, person)
    if chosen and profile is None and own is not None and (own / "profile.json").exists():
        load(
            profiles, person
        )  # a damaged profile cannot be rewritten less a visit; the error says so
    contents = {content_hash(path) for path in recordings}
    gone = _visits(profile, visit, contents, chosen)
    contents |= {v.content for v in gone}
    marks, noted = store.noted(person)
    folders = _folders(profiles, states, noted)
    kept = kept_states.kept_below(folders)
    everything = bool(gone) or not chosen
    if not chosen:
        contents |= kept_states.contents_of(kept, person, study)
    found = kept_states.derived(kept, person, contents, everything, study)
    own_states = (
        [p.resolve() for p in own.rglob("*.safetensors")] if own is not None and everything else []
    )
    all_states = sorted({*found.states, *own_states})

    # Notes last: killed before that, the same command finds the rest.
    entries = _entries(store, contents, marks, chosen)
    for path in entries:
        path.unlink(missing_ok=True)
    kept_states.remove(folders, person, all_states, everything, study)
    rest = () if profile is None else tuple(v for v in profile.visits if v not in gone)
    if own is not None:
        _rewrite(own, profile, rest, chosen)
    store.forget(contents, () if chosen else marks, None if chosen else person)
    return {
        "person": person,
        "study": study,
        "visits": [v.id for v in gone],
        "store_entries": len(entries),
        "states": len(all_states),
        "profile_kept": bool(rest),
        "also_enrolled_for_others": sorted(
            v.id for v in gone if v.content in _enrolled(profiles, person)
        ),
        "state_folders_not_found": sorted(str(f) for f in noted if not f.is_dir()),
        "states_unreadable": sorted(str(p) for p in found.unreadable if p not in all_states),
        "store_entries_unclaimed": len(store.unclaimed()),
        "also_known_in": [s for s in studies_with(base, person, store, states) if s != study],
    }


def refuse(
    profiles: Path,
    person: str,
    store: Store,
    visit: str | None,
    recordings: Sequence[Path],
    states: Sequence[Path],
) -> None:
    """Raise ``BadInput`` where there is nothing that could be erased; see :func:`erase`."""
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
        return [v for v in profile.visits if v not in rest]
    return [v for v in profile.visits if not chosen or v.content in contents]


def _folders(profiles: Path, states: Sequence[Path], noted: Sequence[Path]) -> list[Path]:
    return list(dict.fromkeys(f.resolve() for f in (profiles, *states, *noted) if f.is_dir()))


def _entries(store: Store, contents: set[str], marks: set[str], chosen: bool) -> list[Path]:
    """Entries of the contents; those of files about many people that name the person; and those of
    earlier versions of which cannot be told whose they are, where making them again is cheap."""
    found = store.made_from(contents, () if chosen else marks)
    if chosen:
        found += [p for p in store.made_from((), marks) if p.parent.parent.name == ANNOTATIONS]
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


def _enrolled(profiles: Path, but: str) -> set[str]:
    """Contents of the clips that are enrolled for other people."""
    found: set[str] = set()
    for person in people(profiles):
        if person != but:
            with suppress(BadInput):
                found |= {v.content for v in read_profile(path_of(profiles, person)).visits}
    return found
