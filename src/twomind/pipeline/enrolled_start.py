"""What a method learns of an enrolled person's neutral clips, kept beside their profile.

A profile holds numbers and no picture, so a method that begins with a neutral clip (DSFDA tunes its
networks on the face in it) cannot begin with a profile. `twomind enrol --model M --adapt METHOD`
therefore begins once, and keeps the state: no picture of the person, but the tuned weights. `predict
--profiles` goes on from there without the clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twomind.adaptation.state import load_state, save_state
from twomind.core.errors import BadInput
from twomind.core.store import Store, content_hash
from twomind.features.describe import Settings, describe
from twomind.media.recording import open_recording
from twomind.models.base import bare, complete
from twomind.pipeline.adapt import Adaptation, check, mark_of, summary_of, windows_for
from twomind.pipeline.profiles import folder_of, state_path
from twomind.types import Access, Features, Given, State

_START_PREFIX = "start-"


def path_of(profiles: Path, person: str, method: str) -> Path:
    """Where what a method learnt of a person's neutral clips lies."""
    return state_path(profiles, person, f"{_START_PREFIX}{method}")


def begin(
    profiles: Path, person: str, clips: Sequence[Path], model: str, how: Adaptation, store: Store
) -> Path:
    """Let a method begin with a person's neutral clips, and keep its state beside their profile.

    Args:
        profiles: folder of enrolled people.
        person: who is enrolled.
        clips: their neutral clips.
        model: a trained model's name or folder.
        how: the method.
        store: computed features.

    Returns:
        The state's file.

    Raises:
        BadInput: the method needs no neutral clip, does not go with the model, or finds nothing in
            the clips.
    """
    from twomind.models import load

    adapter = how.adapter()
    if Access.NEUTRAL not in adapter.needs:
        raise BadInput(
            f"--adapt {how.method}: begins without a neutral clip, so there is nothing to enrol for "
            "it"
        )
    recogniser = load(model)
    windows: list[Features] = []
    for clip in clips:
        windows += _windows(recogniser, clip, person, store)
    given = Given(how.seed, neutral=tuple(windows), summary=summary_of(bare(recogniser)))
    check(bare(recogniser), how, given)
    try:
        state = adapter.begin(bare(recogniser), given.only(adapter.needs))
    except ValueError as error:
        raise BadInput(f"--adapt {how.method}: {error}") from error
    meta: dict[str, Any] = {
        "subject": person,
        "recording": clips[0].stem,
        "content": content_hash(clips[0]),
        "model": mark_of(bare(recogniser)),
        **how.lasting(),
    }
    if store.study:
        meta["study"] = store.study
    path = path_of(profiles, person, how.method)
    store.note_states(person, folder_of(profiles, person))
    return save_state(path, state, meta)


def _windows(recogniser: Any, clip: Path, person: str, store: Store) -> list[Features]:
    """What the model reads of a clip, in its windows."""
    recording = open_recording(clip, subject=person)
    x = describe(recording, store=store, settings=Settings()).features
    model = complete(recogniser)
    model.refuse(x)
    return windows_for(bare(recogniser), model.prepare(x, recording, store))


def start_of(path: Path, recogniser: Any, how: Adaptation) -> State:
    """The state that was kept at enrolment.

    Args:
        path: as :func:`path_of` says.
        recogniser: the model that will go on from it.
        how: the method.

    Raises:
        BadInput: it was made with another model, method or settings.
    """
    state, meta = load_state(path)
    wanted = {"model": mark_of(recogniser), **how.lasting()}
    other = [name for name in ("model", "method", "settings") if meta.get(name) != wanted[name]]
    if other:
        raise BadInput(
            f"{path}: was enrolled with another {', '.join(other)}; enrol the clip again with this "
            "one, or give --neutral CLIP"
        )
    return state


def missing(profiles: Path | None, person: str, method: str) -> str:
    """What to say where a person is to be adapted to and nothing was enrolled for the method."""
    if profiles is None:
        return ""
    return (
        f"the profile of {person!r} in {profiles} holds numbers and no faces, so {method} cannot "
        f"begin with it: `twomind enrol {person} CLIP --profiles {profiles} --model MODEL --adapt "
        f"{method}` keeps what it needs, or give --neutral CLIP"
    )


__all__ = ["begin", "missing", "path_of", "start_of"]
