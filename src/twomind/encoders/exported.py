"""A frame network that its authors' own program exported as an ONNX graph: a picture of a face in, a
row out, as it is. It runs in ONNX Runtime, on the processor or, where ``onnxruntime-gpu`` is installed,
on the chosen GPU, and is never trained here.

A folder holds the graph and a ``config.json`` that says what goes into it; ``twomind weights import
FILE.onnx --as apvit`` writes one. What a picture has to look like stands there too: RGB, divided by
255, less ``image_mean``, over ``image_std``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import device
from twomind.core.errors import BadInput, MissingWeights
from twomind.core.files import read_json
from twomind.core.store import content_hash, settings_hash
from twomind.encoders.onnx_session import open_session
from twomind.encoders.still import TOGETHER, centre, kept_px
from twomind.media.stream import Frame

#: What the ``config.json`` of such a folder says it is.
MODEL_TYPE = "exported-frame-network"
#: The graph in the folder.
FILE = "network.onnx"
#: What a table says of rows of such a network.
FROZEN = "frozen as it was exported"
#: Pictures of the published frame networks of BAH: mean and deviation of each colour.
HALF = (0.5, 0.5, 0.5)
#: What of the ``config.json`` decides the numbers of a row.
_DECIDES = ("input", "output", "batch", "image_size", "image_mean", "image_std")
_NEEDED_FOR = "a frame network that was exported as ONNX"


@dataclass(frozen=True)
class Graph:
    """A session with the names that it is called by.

    ``batch`` is how many pictures go into it at once; None: any number.
    """

    session: Any
    input: str
    output: str
    batch: int | None = None

    def rows(self, pixels: np.ndarray) -> np.ndarray:
        """Rows ``(N, D)`` of prepared pictures ``(N, 3, H, W)`` float32, N at least 1."""
        n_together = self.batch or TOGETHER
        found = []
        for at in range(0, len(pixels), n_together):
            part = pixels[at : at + n_together]
            # A graph of a fixed number of pictures is given the last one again.
            n_wanted = self.batch or len(part)
            filled = np.concatenate([part, np.repeat(part[-1:], n_wanted - len(part), axis=0)])
            found.append(self.run(filled)[: len(part)])
        return np.concatenate(found)

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """What the graph makes of pictures, all at once.

        Raises:
            BadInput: it is not one row per picture.
        """
        given = {self.input: np.ascontiguousarray(pixels, np.float32)}
        (made,) = self.session.run([self.output], given)
        rows = np.asarray(made)
        if rows.ndim != 2 or len(rows) != len(pixels):
            raise BadInput(
                f"expected {self.output} to be one row per picture ({len(pixels)}, D), got "
                f"{rows.shape}"
            )
        return rows


@dataclass(frozen=True)
class Exported:
    """The network of a folder.

    Args:
        folder: holds ``network.onnx`` and ``config.json``.

    Example:
        >>> from pathlib import Path
        >>> from twomind.encoders.exported import Exported
        >>> Exported(Path("apvit")).folder.name
        'apvit'
    """

    folder: Path

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """What was written of the graph when it was imported.

        Raises:
            MissingWeights: something is absent from it.
        """
        found = dict(read_json(self.folder / "config.json"))
        absent = [
            name for name in (*_DECIDES, "hidden_size", "sha256", "card") if name not in found
        ]
        if absent:
            raise MissingWeights(
                f"{self.folder}/config.json: {', '.join(absent)} absent; import the file again "
                "(twomind weights import FILE.onnx --as apvit)"
            )
        return found

    @property
    def width(self) -> int:
        """Length of a row."""
        return int(self.config["hidden_size"])

    @property
    def px(self) -> int:
        """Side of a picture."""
        return int(self.config["image_size"])

    @cached_property
    def graph(self) -> Graph:
        """The graph, opened.

        Raises:
            MissingWeights: the file is not the one that was imported.
            MissingExtra: onnxruntime is not installed.
        """
        self.refuse_damaged()
        session = open_session(self.folder / FILE, _NEEDED_FOR, device.name_of())
        return Graph(session, self.config["input"], self.config["output"], self.config["batch"])

    @cached_property
    def mark(self) -> str:
        """A hash of what decides the numbers: another graph, or other pictures, make other rows.

        Raises:
            MissingWeights: the file is not the one that was imported.
        """
        self.refuse_damaged()
        own = {name: self.config[name] for name in _DECIDES}
        return settings_hash({"sha256": self.config["sha256"], **own})

    def refuse_damaged(self) -> None:
        """Compare the graph with the checksum that was written when it was imported.

        Raises:
            MissingWeights: they differ.
        """
        if content_hash(self.folder / FILE) != self.config["sha256"]:
            raise MissingWeights(
                f"{self.folder / FILE}: does not match the checksum in config.json; it is damaged or "
                "was exchanged: import it again (twomind weights import FILE.onnx --as apvit)"
            )

    def rows_of(self, crops: np.ndarray) -> np.ndarray:
        """Rows ``(N, D)`` of face crops ``(N, H, W, 3)`` uint8, of each the middle."""
        found = [np.zeros((0, self.width), np.float32)]
        for at in range(0, len(crops), TOGETHER):
            some = centre(crops[at : at + TOGETHER], self.px)
            found.append(self.graph.rows(prepared(some, self.config)))
        return np.concatenate(found)

    def told(self) -> dict[str, Any]:
        """What a table says of the network, as plain values."""
        card = self.config["card"]
        names = ("source", "licence", "population", "pictures")
        return {"width": self.width, "sha256": self.config["sha256"]} | {n: card[n] for n in names}


def is_exported(config: Mapping[str, Any]) -> bool:
    """Whether a folder of this ``config.json`` holds an exported network."""
    return config.get("model_type") == MODEL_TYPE


def holds_exported(model: str | Path) -> bool:
    """Whether this is a folder on this machine that holds one; a hub id is none."""
    path = Path(model).expanduser() / "config.json"
    return path.is_file() and is_exported(read_json(path))


def prepared(pictures: np.ndarray, config: Mapping[str, Any]) -> np.ndarray:
    """What goes into the graph ``(N, 3, H, W)`` float32, of RGB pictures ``(N, H, W, 3)`` uint8."""
    mean = np.array(config["image_mean"], np.float32)
    sd = np.array(config["image_std"], np.float32)
    normed = (np.asarray(pictures, np.float32) / 255 - mean) / sd
    return np.ascontiguousarray(normed.transpose(0, 3, 1, 2))


def face_rows(network: Exported, frames: Iterable[Frame]) -> tuple[np.ndarray, np.ndarray]:
    """A row of the target person's face in each frame, nan where none is found, and its time.

    Args:
        network: what looks at the faces.
        frames: in order of time.

    Returns:
        Rows ``(T, D)`` and times ``(T,)`` in seconds.

    Raises:
        MissingExtra: MediaPipe is not installed.
    """
    from twomind.features.face.align import aligned
    from twomind.features.face.tracker import Tracker
    from twomind.features.face.tracker_mesh import MeshFinder

    finder = MeshFinder()
    tracker = Tracker(finder)
    side = kept_px(network.config)
    rows: list[np.ndarray] = []
    waiting: list[np.ndarray | None] = []
    times_s = []
    try:
        for frame in frames:
            seen = tracker.update(frame.rgb, frame.time_s)
            crop = None
            if seen.landmarks_px is not None:
                crop = aligned(frame.rgb, seen.landmarks_px, side, "mesh")
            waiting.append(crop)
            times_s.append(frame.time_s)
            if len(waiting) == TOGETHER:
                rows.append(_rows_where(network, waiting))
                waiting = []
    finally:
        finder.close()
    rows.append(_rows_where(network, waiting))
    return np.concatenate(rows), np.array(times_s)


def _rows_where(network: Exported, crops: Sequence[np.ndarray | None]) -> np.ndarray:
    """Rows of the crops that are there, nan of the others."""
    found = np.full((len(crops), network.width), np.nan, np.float32)
    there = [i for i, crop in enumerate(crops) if crop is not None]
    if there:
        found[there] = network.rows_of(np.stack([c for c in crops if c is not None]))
    return found


__all__ = [
    "FILE",
    "FROZEN",
    "HALF",
    "MODEL_TYPE",
    "Exported",
    "Graph",
    "face_rows",
    "holds_exported",
    "is_exported",
    "prepared",
]
