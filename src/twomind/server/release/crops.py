"""Aligned faces of a film, by the number of the frame; kept sealed with their person, so that a later
release has the same bytes without looking again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from twomind.core.source_mark import source_mark
from twomind.core.store import content_hash
from twomind.datasets.checking import film_stamps_s
from twomind.pipeline.export_crops import CropSettings, faces_of
from twomind.server.place import Place
from twomind.server.sealed_store import SealedStore

_FOLDER = "crops"
_KIND = "crops"
_MAKER = "twomind.pipeline.export_crops"


@dataclass(frozen=True)
class Crops:
    """Pictures by number of frame, and the time of every frame of the film in seconds."""

    pictures: Mapping[int, bytes]
    times_s: tuple[float, ...]

    def write(self, folder: Path) -> None:
        """Write ``frame-N.jpg`` for each."""
        folder.mkdir(parents=True, exist_ok=True)
        for number, picture in self.pictures.items():
            (folder / f"frame-{number}.jpg").write_bytes(picture)


def crops_of(place: Place, person: str, film: Path, settings: CropSettings) -> Crops:
    """The faces of a film.

    Args:
        place: The study.
        person: Whose film it is.
        film: In clear.
        settings: What a crop is.

    Raises:
        BadInput: The film cannot be read.
        MissingExtra: MediaPipe is not installed.
    """
    times_s = tuple(film_stamps_s(film).tolist())
    store = SealedStore(place.folder_of(person, _FOLDER), secret=place.keys.of(person))
    how = {"settings": asdict(settings), "recipe": source_mark(_MAKER)}
    key = store.key(content_hash(film), how)
    kept = store.get(_KIND, key)
    if kept is not None:
        return Crops(_unpacked(kept[0]), times_s)
    pictures = {}
    stamps = np.asarray(times_s)
    for face in faces_of(film, settings):
        if face.picture is not None and len(stamps):
            nearest = int(np.abs(stamps - face.time_s).argmin())
            pictures[nearest] = face.picture
    store.put(_KIND, key, _packed(pictures), {})
    return Crops(pictures, times_s)


def _packed(pictures: Mapping[int, bytes]) -> dict[str, np.ndarray]:
    sizes = [len(picture) for picture in pictures.values()]
    return {
        "numbers": np.array(list(pictures), np.int64),
        "ends": np.cumsum(np.array(sizes, np.int64)),
        "bytes": np.frombuffer(b"".join(pictures.values()), np.uint8),
    }


def _unpacked(arrays: Mapping[str, np.ndarray]) -> dict[int, bytes]:
    whole = arrays["bytes"].tobytes()
    found = {}
    start = 0
    for number, end in zip(arrays["numbers"].tolist(), arrays["ends"].tolist(), strict=True):
        found[number] = whole[start:end]
        start = end
    return found
