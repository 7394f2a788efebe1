"""Aligned faces of films as folders of pictures, one per decoded frame, with true times.

The layout is the one in which laboratories hold BioVid's crops: a folder per film, the number in a
picture's name is its time in milliseconds. ``crops.json`` beside the pictures holds the exact times,
what the faces were cut by, and the frames in which none was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from twomind.core import engine
from twomind.core.errors import BadInput, MissingExtra
from twomind.core.settings import Bounds, check_bounds
from twomind.core.store import content_hash, replacing, write_text
from twomind.core.version import __version__
from twomind.datasets.images import encode_picture
from twomind.types.plain import Plain

RECORD = "crops.json"


@dataclass(frozen=True)
class CropSettings:
    """Size, framing and file format of face crops."""

    px: Annotated[int, Bounds(16, 1024)] = 224  # side; even
    template: Literal["mesh"] = "mesh"  # forehead to chin
    format: Literal["jpg", "png"] = "jpg"

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.px % 2:
            raise BadInput(f"crops: expected an even number of pixels, got {self.px}")


def export_crops(
    films: list[Path],
    out: Path,
    settings: CropSettings,
    tell: Callable[[str, float, float], None],
    workers: int = 1,
) -> Plain:
    """Write the faces of films; one that cannot be read costs only itself.

    Args:
        films: media files.
        out: gets a folder per film, named as the film.
        settings: what a crop is.
        tell: is told how far it is.
        workers: processes; 0: one per core.

    Returns:
        What each film gave, and why others gave nothing.

    Raises:
        BadInput: no film could be read, or two have one name.
        MissingExtra: MediaPipe is not installed.
    """
    names = [film.stem for film in films]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput(f"crops: two films are called {twice[0]!r}; their folders would be one")
    done: list[Plain] = []
    failed: dict[str, str] = {}
    work = partial(_one, out=out, settings=settings)
    n_workers = engine.n_workers(workers, len(films))
    for n, outcome in enumerate(engine.run(work, films, n_workers), 1):
        if outcome.result is not None:
            done.append(outcome.result)
        elif outcome.error_kind == MissingExtra.kind:
            raise MissingExtra("face", "finding faces")
        else:
            failed[str(outcome.item)] = outcome.error
        tell(outcome.item.name, n, len(films))
    if not done:
        first, why = next(iter(failed.items()))
        raise BadInput(f"no film could be read; first: {first}: {why}")
    order = [str(out / name) for name in names]
    done.sort(key=lambda one: order.index(one["folder"]))
    return {"films": done, "failed": failed}


def _one(film: Path, out: Path, settings: CropSettings) -> Plain:
    if not film.is_file():
        raise BadInput("no such file")
    folder = out / film.stem
    return _kept(film, folder, settings) or _made(film, folder, settings)


def _kept(film: Path, folder: Path, settings: CropSettings) -> Plain | None:
    """What an earlier run wrote of this very film with these settings; None: nothing whole."""
    from twomind.core.files import read_json

    try:
        record: Plain = read_json(folder / RECORD)
    except (OSError, ValueError):
        return None
    same = record.get("settings") == asdict(settings) and record.get("version") == __version__
    if not same or record.get("sha256") != content_hash(film):
        return None
    return _said(folder, record)


@dataclass(frozen=True)
class Face:
    """One frame of a film: its time, and its face as a picture file, or why there is none."""

    time_s: float
    picture: bytes | None
    reason: str = ""


def faces_of(film: Path, settings: CropSettings) -> Iterator[Face]:
    """The aligned face of every decoded frame, in order.

    Args:
        film: a media file.
        settings: what a crop is.

    Raises:
        BadInput: the film cannot be read.
        MissingExtra: MediaPipe is not installed.
    """
    from twomind.features.face.align import aligned
    from twomind.features.face.tracker import Tracker
    from twomind.features.face.tracker_mesh import MeshFinder
    from twomind.media import stream as media

    finder = MeshFinder()
    try:
        tracker = Tracker(finder)
        for frame in media.stream(film, video=True, audio=False):
            if not isinstance(frame, media.Frame):
                continue
            seen = tracker.update(frame.rgb, frame.time_s)
            if seen.landmarks_px is None:
                yield Face(frame.time_s, None, seen.reason)
                continue
            crop = aligned(frame.rgb, seen.landmarks_px, settings.px, settings.template)
            yield Face(frame.time_s, encode_picture(crop, f".{settings.format}"))
    finally:
        finder.close()


def _made(film: Path, folder: Path, settings: CropSettings) -> Plain:
    """The crops of one film; the record is written last."""
    times: dict[str, float] = {}
    absent: list[Plain] = []
    for face in faces_of(film, settings):
        if face.picture is None:
            absent.append({"time_s": face.time_s, "reason": face.reason})
            continue
        name = f"image{round(1000 * face.time_s)}.{settings.format}"
        with replacing(folder / name) as temporary:
            temporary.write_bytes(face.picture)
        times[name] = face.time_s
    if not times and not absent:
        raise BadInput("no frame could be decoded; the file is damaged, or has no video")
    record: Plain = {
        "film": film.name,
        "sha256": content_hash(film),
        "version": __version__,
        "settings": asdict(settings),
        "times_s": times,
        "absent": absent,
    }
    from twomind.reporting.tables import to_json

    write_text(folder / RECORD, to_json(record) + "\n")
    return _said(folder, record)


def _said(folder: Path, record: Plain) -> Plain:
    return {
        "folder": str(folder),
        "crops": len(record["times_s"]),
        "without_face": len(record["absent"]),
    }


__all__ = ["CropSettings", "Face", "export_crops", "faces_of"]
