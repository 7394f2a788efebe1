"""What coders mark on a recording, read and written once: ELAN ``.eaf``, tidy CSV, WebVTT, and
BAH's own entries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from twomind.annotations.bah import from_bah
from twomind.annotations.eaf_read import read_eaf
from twomind.annotations.eaf_write import write_eaf
from twomind.annotations.marks import (
    KINDS,
    MODALITIES,
    PROGRAM,
    VOCABULARY,
    Annotations,
    Mark,
    Tier,
    blank_tiers,
    merge_tiers,
    parse_kind,
)
from twomind.annotations.tables import COLUMNS, read_csv, read_vtt, write_csv, write_vtt
from twomind.core.errors import BadInput

__all__ = [
    "COLUMNS",
    "KINDS",
    "MODALITIES",
    "PROGRAM",
    "VOCABULARY",
    "Annotations",
    "Mark",
    "Tier",
    "blank_tiers",
    "from_bah",
    "merge_tiers",
    "parse_kind",
    "read_annotations",
    "read_csv",
    "read_eaf",
    "read_vtt",
    "write_annotations",
    "write_csv",
    "write_eaf",
    "write_vtt",
]

FORMATS = (".eaf", ".csv", ".vtt")


def read_annotations(
    path: Path | str, *, coder: str = "", named: Mapping[str, str] | None = None
) -> tuple[Annotations, ...]:
    """Annotations of a file by its ending; a CSV may hold several recordings.

    Raises:
        BadInput: another ending, or a file that cannot be used.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".eaf":
        return (read_eaf(path, coder=coder, named=named),)
    if suffix == ".csv":
        return read_csv(path)
    if suffix == ".vtt":
        return (read_vtt(path),)
    raise BadInput(
        f"{path}: expected annotations as {', '.join(FORMATS)}, got a file named *{path.suffix}"
    )


def write_annotations(many: Sequence[Annotations], path: Path | str) -> Path:
    """Write by the ending of ``path``; ``.eaf`` and ``.vtt`` hold one recording.

    Raises:
        BadInput: another ending, or several recordings in a format that holds one.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return write_csv(many, path)
    if suffix not in FORMATS:
        raise BadInput(
            f"{path}: expected a name that ends in {', '.join(FORMATS)}, got *{path.suffix}"
        )
    if len(many) != 1:
        raise BadInput(
            f"{path}: a *{suffix} file holds one recording, {len(many)} were given; write a .csv"
        )
    return write_eaf(many[0], path) if suffix == ".eaf" else write_vtt(many[0], path)
