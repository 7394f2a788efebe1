"""The checksum that a JSON file of ours carries of its own content: one flipped digit is noticed.

Models, their cards and people's profiles are written and read here. How a file is laid out (blanks,
the order of its names) does not count. Files of 0.1 carry no checksum; they are read, and
:class:`~twomind.core.errors.Unsealed` is warned of.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path

from twomind.core.errors import MissingWeights, TwomindError, Unsealed
from twomind.core.files import read_json, write_text
from twomind.types.plain import Foreign

#: The name under which the checksum stands.
KEY = "sha256_of_the_rest"


def write_sealed(path: Path, entry: Mapping[str, object], *, nan: bool = True) -> Path:
    """Write an object as JSON, with the checksum of it, atomically.

    Args:
        path: The file.
        entry: What goes into it.
        nan: Allow numbers that are none, which JSON of others does not know.

    Raises:
        ValueError: a number is none and may not be.
        OSError: It cannot be written.
    """
    # As it is read back: names are texts, tuples are lists.
    plain = json.loads(json.dumps(dict(entry), allow_nan=nan))
    plain.pop(KEY, None)
    sealed = {**plain, KEY: _sum(plain)}
    text = json.dumps(sealed, indent=1, ensure_ascii=False)
    return write_text(path, text + "\n")


def read_sealed(path: Path, refuse: type[TwomindError] = MissingWeights) -> Foreign:
    """The data of a JSON file, without its checksum. One that has none is read.

    Args:
        path: The file.
        refuse: What is raised where the checksum does not match.

    Raises:
        TwomindError: it is damaged, or was changed by hand.
        OSError: It cannot be read.
        ValueError: it is not JSON, or an object in it has a name twice.
    """
    found = read_json(path, once=True)
    if not isinstance(found, dict) or KEY not in found:
        return found
    wanted = found.pop(KEY)
    if wanted != _sum(found):
        raise refuse(
            f"{path}: damaged or changed by hand: it does not match the checksum that it carries. "
            f"Copy it anew, or make it again. Where you changed it yourself, remove {KEY!r} from it."
        )
    return found


def is_sealed(path: Path) -> bool:
    """Whether a JSON file carries a checksum; not whether it matches."""
    try:
        found = read_json(path)
    except (OSError, ValueError, TwomindError):
        return False
    return isinstance(found, dict) and KEY in found


def tell_unsealed(path: Path) -> None:
    """Warn that a file or folder carries no checksum; in a worker nothing is said, because whoever
    started it has told.
    """
    from multiprocessing import parent_process

    if parent_process() is not None:
        return
    told = f"{path}: it carries no checksum, so damage in it would not be noticed; save it anew"
    warnings.warn(told, Unsealed, stacklevel=1)


def _sum(plain: Foreign) -> str:
    text = json.dumps(plain, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
