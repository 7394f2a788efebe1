"""A new study's folder."""

from __future__ import annotations

import secrets
from importlib.resources import files
from pathlib import Path

import platformdirs

from twomind.core.errors import BadInput
from twomind.core.files import write_text
from twomind.server import codebook, dataflow
from twomind.server.study import FILE, Study, load_study, study_id


def template() -> str:
    """The text of a new ``study.toml``, with ``@ID@`` and ``@KEYS@`` open."""
    place = files("twomind.server") / "templates" / "study.toml"
    return place.read_text(encoding="utf-8")


def new_study(folder: Path, keys: Path | None = None) -> Study:
    """Write ``study.toml``, BAH's codebook and the data-flow sheets into a new folder.

    Args:
        folder: It may exist, without a study.
        keys: Folder for the keys; without it, a new one among the user's own data.

    Raises:
        BadInput: There is a study in the folder; or the keys would lie in it.
    """
    path = folder / FILE
    if path.exists():
        raise BadInput(f"{path}: there is a study already; give another folder")
    name = study_id(folder)
    own = Path(platformdirs.user_data_dir("twomind", appauthor=False))
    place = keys or own / "study-keys" / f"{name}-{secrets.token_hex(4)}"
    refuse_keys_inside(folder, place)
    text = template().replace("@ID@", name)
    quoted = str(place.expanduser().resolve()).replace("\\", "\\\\").replace('"', '\\"')
    write_text(path, text.replace("@KEYS@", quoted))
    study = load_study(folder)
    if not (folder / codebook.FILE).exists():
        write_text(folder / codebook.FILE, codebook.bah_text())
    dataflow.write_sheets(study, folder)
    return study


def refuse_keys_inside(folder: Path, keys: Path) -> None:
    """Keys that lie with the data protect nothing: a copy of the folder would hold both.

    Raises:
        BadInput: ``keys`` is ``folder`` or lies in it.
    """
    if keys.expanduser().resolve().is_relative_to(folder.resolve()):
        raise BadInput(
            f"{keys}: keys may not lie in the study's folder {folder}: a copy or backup of it would "
            "hold data and keys. Give a folder elsewhere."
        )
