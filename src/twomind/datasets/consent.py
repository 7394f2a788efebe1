"""Who refused to be shown: asked of the data set in whose folder a film lies, before a report takes
the film in.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from twomind.core.errors import TwomindError

#: How many folders above a film its data set's own folder is looked for. BAH:
#: data/Videos/<person>/<visit>/<film>.
LEVELS = 6


@lru_cache(maxsize=256)
def _dataset(folder: Path) -> Any:
    from twomind.datasets import open_dataset

    try:
        return open_dataset(folder)
    except (TwomindError, OSError):
        return None  # no data set, or not one alone: nothing is known here


def refused(media: Path, subject: str) -> bool:
    """Whether the data set around ``media`` says of its person anything but a plain yes to
    publication.

    The person is ``subject``, a folder on the way to the film, or the beginning of its name, as the
    layouts have it. Where nothing is stated this is False: whether a person may then be shown is
    for the reader of the report to know.
    """
    file = media.resolve()
    names = {subject, file.stem.split("_")[0]}
    for folder in file.parents[:LEVELS]:
        data = _dataset(folder)
        if data is not None:
            try:
                people = data.people()
            except TwomindError:
                return True  # something is stated and cannot be read
            asked = [
                n for n in names if str(people.get(n, {}).get("consent_publication", "")).strip()
            ]
            return any(not data.may_be_shown(n) for n in asked)
        names.add(folder.name)
    return False
