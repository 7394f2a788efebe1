"""The one gate for names that become names of files and folders: ids of recordings, people,
studies, models.

A name that passes is one step of a path on every system: it cannot lead out of its folder, is not
hidden, and is not another name written otherwise.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from pathlib import Path

from twomind.core.errors import BadInput, quoted

#: A file's name may have 255 bytes; some are left for endings.
MOST_BYTES = 200
#: What stands for a name of which nothing is left.
NAMELESS = "recording"
ALLOWED = (
    f"1 to {MOST_BYTES} bytes, no '.' or space at an end, none of < > : \" / \\ | ? * and no "
    "control character, as in P017_q7"
)
_NOT_IN_NAMES = frozenset('<>:"/\\|?*')
#: Controls, formats (they reverse or hide text), halves of characters, line and paragraph ends.
_NOT_SHOWN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
#: Devices of Windows, with any ending.
_DEVICES = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])", re.IGNORECASE)


def problem(name: str) -> str:
    """Why ``name`` cannot be the name of a file or folder; empty where it can."""
    if not name:
        return "it is empty"
    if name[0] in ". " or name[-1] in ". ":
        return "it begins or ends with '.' or a space"
    for character in name:
        if character in _NOT_IN_NAMES:
            return f"it holds {character!r}"
        if unicodedata.category(character) in _NOT_SHOWN:
            return f"it holds the control character {character!r}"
    size = len(name.encode())
    if size > MOST_BYTES:
        return f"it has {size} bytes"
    if _is_device(name):
        return "it is the name of a device on Windows"
    return ""


def refuse(name: str, what: str) -> None:
    """Let nothing pass that cannot be a name.

    Raises:
        BadInput: it cannot; the message quotes it after ``what`` and says what is allowed.
    """
    why = problem(name)
    if why:
        raise BadInput(f"{what} {quoted(name)}: {why}; a name has {ALLOWED}")


def same(name: str) -> str:
    """Equal for two names that some system takes for one: written with composed or separate
    accents, in capitals or not.

    >>> same("CAFÉ") == same("cafe\\u0301")
    True
    """
    composed = unicodedata.normalize("NFC", name)
    return unicodedata.normalize("NFC", composed.casefold())


def spoken(name: str) -> str:
    """Equal for two names that people read as one: as :func:`same`, and whatever is between their words,
    or cannot be seen.

    >>> spoken(" Anna\u00a0 Bo") == spoken("ANNA B\u200bo")
    True
    """
    seen = "".join(one for one in name if unicodedata.category(one) != "Cf")
    return same(" ".join(seen.split()))


def safe(text: str) -> str:
    """A name made of any text: what is not a letter, digit, ``_``, ``-`` or ``.`` becomes ``_``; too
    long a one is cut and ends with a hash of the whole.

    >>> safe("my film (2)"), safe(".."), safe("con.old")
    ('my_film_2_', 'recording', 'con_.old')
    """
    name = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", text))
    name = re.sub(r"^\.+|\.+$", "_", name)
    if not name.strip("_."):
        # Of nothing but signs nothing can be read; a name that was only "_" stays.
        return name if name and name == text else NAMELESS
    if _is_device(name):
        base, dot, ending = name.partition(".")
        name = f"{base}_{dot}{ending}"
    if len(name.encode()) > MOST_BYTES:
        digest = hashlib.sha256(os.fsencode(text)).hexdigest()[:8]
        name = f"{cut(name, MOST_BYTES - 9).rstrip('.')}-{digest}"
    return name


def of_model(model: str) -> str:
    """What a model is called where results of several machines stand together: a hub id as it is, of
    a folder or an address the last part alone.

    >>> of_model("org/model"), of_model("/data/models/mine/"), of_model("C:\\\\models\\\\mine"), of_model("m")
    ('org/model', 'mine', 'mine', 'm')
    """
    folder = Path(model).expanduser()
    if model and folder.is_dir():
        return Path(os.path.abspath(folder)).name or "model"
    if _HUB_ID.fullmatch(model):
        return model
    parts = [part for part in re.split(r"[/\\]", model) if part]
    return parts[-1] if parts else ""


def cut(name: str, most_bytes: int) -> str:
    """The beginning of a name in so many bytes, without half a character at its end."""
    kept = os.fsencode(name)[:most_bytes]
    return kept.decode("utf-8", "ignore")


def inside(root: Path, *names: str) -> Path:
    """The path of names below a folder, proved to lie in it: no name may be a path, and no link on
    the way may lead out.

    Args:
        root: The folder.
        *names: One step each.

    Raises:
        BadInput: it would lie elsewhere.
    """
    for name in names:
        refuse(name, "name")
    path = root.joinpath(*names)
    if not path.resolve().is_relative_to(root.resolve()):
        raise BadInput(f"{path}: it leads out of {root}; remove the link, or give another folder")
    return path


def _is_device(name: str) -> bool:
    return _DEVICES.fullmatch(name.partition(".")[0].rstrip(" ")) is not None
