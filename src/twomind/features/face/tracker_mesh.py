"""The back end ``mesh``: MediaPipe's bundled FaceMesh.

FaceMesh alone loses faces below about a quarter of the usual size. For those, the full-range
detector finds a box, and FaceMesh reads an enlarged crop of it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import numpy as np

from twomind.core.errors import MissingExtra, MissingWeights
from twomind.features.face.head import N_LANDMARKS

_COUNT_PX = 480  # pictures are thinned to at least this width before faces are counted
_BYTES = 17  # of one landmark with x, y, z on the wire: tag, length, three tagged float32
_CROP_PX = 320
_PARTS = (
    "_graph",
    "_graph_outputs",
    "_input_stream_type_info",
    "_make_packet",
    "_simulated_timestamp",
)
_STEP_US = 33333  # what FaceMesh.process counts per frame


class FaceFinder(Protocol):
    """What the tracker needs of a back end. All faces are landmarks ``(478, 3)`` in pixels of the
    whole picture.
    """

    def one(self, rgb: np.ndarray) -> np.ndarray | None:
        """The face that is being followed, or the clearest one."""

    def prepare(self, rgb: np.ndarray) -> None:
        """Make ready for ``ahead`` with this very picture, while the back end works on another; may
        do nothing.
        """

    def ahead(self, rgb: np.ndarray) -> None:
        """Begin what ``one`` will be asked next, with the picture that was prepared; may do
        nothing.
        """

    def several(self, rgb: np.ndarray) -> list[np.ndarray]:
        """The landmarks of every face in a picture."""

    def small(self, rgb: np.ndarray) -> list[np.ndarray]:
        """Faces too small for the other two; slow."""

    def within(self, rgb: np.ndarray, box: np.ndarray) -> np.ndarray | None:
        """The face in an enlarged crop around ``box`` (x0, y0, x1, y1 in px)."""

    def count(self, rgb: np.ndarray) -> int:
        """About how many faces there are; quick."""

    def score(self, rgb: np.ndarray) -> float:
        """How sure the detector is of the clearest face, 0 to 1; 0 where it finds none."""

    def close(self) -> None: ...


@runtime_checkable
class GivesBlendshapes(Protocol):
    """A back end that knows more of a face than its landmarks."""

    def blendshapes(self, landmarks_px: np.ndarray) -> np.ndarray | None:
        """The blendshapes ``(52,)``, 0 to 1, of a face ``(478, 3)`` that was found lately; None
        where it is not known.
        """


def import_mediapipe() -> ModuleType:
    """MediaPipe without its start-up talk. Raises MissingExtra when it is not installed."""
    os.environ.setdefault("GLOG_minloglevel", "3")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", message="SymbolDatabase.GetPrototype", category=UserWarning)
    try:
        with _not_called_later():
            import mediapipe
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "mediapipe":
            raise MissingExtra("face", "tracking a face") from error
        # Installed, but a system library such as libGL is absent, or a part of the package.
        raise MissingExtra(
            "face",
            f"mediapipe cannot start ({error}; on Debian: libgl1 libglib2.0-0); tracking a face",
        ) from error
    return mediapipe


class _Later(ModuleType):
    """Stands for a module until one of its names is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        for stood_for, module in list(sys.modules.items()):
            if isinstance(module, _Later):
                del sys.modules[stood_for]
        return getattr(import_module(self.__name__), name)


_SOLUTIONS = "mediapipe.python.solutions"
_OTHER_SOLUTIONS = (
    "drawing_styles",
    "hands",
    "holistic",
    "objectron",
    "pose",
    "selfie_segmentation",
)
#: What MediaPipe imports at its start and the face mesh never calls, each module behind its package:
#: pyplot, for a drawing helper, all of its newer interface, and what looks for other things than
#: faces. Together more than a second.
_NOT_CALLED = (
    ("matplotlib", "matplotlib.pyplot"),
    ("mediapipe.tasks", "mediapipe.tasks.python"),
    *((f"{_SOLUTIONS}.{name}",) for name in _OTHER_SOLUTIONS),
)


def _carries_the_mesh() -> bool:
    """From 0.10.30 on MediaPipe consists of its newer interface, and imports it at its start."""
    found = find_spec("mediapipe")
    if found is None or found.origin is None:
        return False
    return Path(found.origin).with_name("python").is_dir()


def _put(package: ModuleType, module: ModuleType) -> None:
    """Make a module an attribute of its package."""
    package.__dict__[module.__name__.rpartition(".")[2]] = module


@contextlib.contextmanager
def _not_called_later() -> Iterator[None]:
    """Import what is not called when it is."""
    stands: dict[str, ModuleType] = {}
    for names in _NOT_CALLED if _carries_the_mesh() else ():
        if not any(name in sys.modules for name in names):
            stands |= {name: _Later(name) for name in names}
            for package, module in pairwise(names):
                _put(stands[package], stands[module])
    sys.modules.update(stands)
    try:
        yield
        for name in _OTHER_SOLUTIONS:
            stand = stands.get(f"{_SOLUTIONS}.{name}")
            # Whoever asks for one of them by its package gets it.
            if stand is not None and not hasattr(sys.modules[_SOLUTIONS], name):
                _put(sys.modules[_SOLUTIONS], stand)
    finally:
        for name, stand in stands.items():
            if sys.modules.get(name) is stand:
                del sys.modules[name]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what native code writes to the error stream while a graph starts; Python's own
    messages pass.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def to_pixels(landmarks: Any, width_px: int, height_px: int) -> np.ndarray:
    """A landmark list message in pixels; z has the scale of x.

    Args:
        landmarks: of one face, as MediaPipe gives them.
        width_px: of the picture.
        height_px: of the picture.

    Returns:
        Points ``(478, 3)`` px.
    """
    wire = landmarks.SerializeToString()
    if len(wire) == _BYTES * N_LANDMARKS:  # a hundred times quicker than reading 1434 attributes
        points = np.ndarray((N_LANDMARKS, 3), "<f4", wire, offset=3, strides=(_BYTES, 5))
    else:
        points = points_of(landmarks.landmark)
    scale = np.array([width_px, height_px, width_px], np.float32)
    return points * scale


def points_of(landmarks: Any) -> np.ndarray:
    """Landmarks with x, y and z as an array ``(N, 3)`` float32."""
    points = [(p.x, p.y, p.z) for p in landmarks]
    return np.array(points, np.float32)


def box_of(landmarks_px: np.ndarray) -> np.ndarray:
    """Bounding box x0, y0, x1, y1 in px of one face's landmarks."""
    # Rows of one coordinate each: much quicker to go through.
    flat = np.ascontiguousarray(landmarks_px[:, :2].T)
    low = np.minimum.reduce(flat, axis=1)
    high = np.maximum.reduce(flat, axis=1)
    return np.concatenate([low, high])


def area(landmarks_px: np.ndarray) -> float:
    """Of the bounding box, px²."""
    box = box_of(landmarks_px)
    sides = box[2:] - box[:2]
    return float(np.prod(sides))


def pack(mesh: Any, rgb: np.ndarray) -> Any:
    """A copy of the picture as a FaceMesh takes it: for :func:`send`, now or later.

    ``FaceMesh.process`` waits, and makes a named-tuple class anew for every frame, a tenth of the
    whole cost of tracking. The parts it is made of are private to MediaPipe, whose version is
    pinned; where one is absent, there is no packet, but None.
    """
    if not all(hasattr(mesh, name) for name in _PARTS):
        return None
    (kind, *_) = mesh._input_stream_type_info.values()
    return mesh._make_packet(kind, np.ascontiguousarray(rgb))


def send(mesh: Any, packet: Any) -> None:
    """Let a FaceMesh work on a picture in its own threads; :func:`collect` gives what it found."""
    mesh._graph_outputs.clear()
    mesh._simulated_timestamp += _STEP_US
    (name, *_) = mesh._input_stream_type_info
    mesh._graph.add_packet_to_input_stream(stream=name, packet=packet.at(mesh._simulated_timestamp))


def collect(mesh: Any) -> list[Any]:
    """The landmark lists of the picture that was sent; waits for them."""
    from mediapipe.python import packet_getter

    mesh._graph.wait_until_idle()
    found = mesh._graph_outputs.get("multi_face_landmarks")
    return [] if found is None or found.is_empty() else list(packet_getter.get_proto_list(found))


def landmark_lists(mesh: Any, rgb: np.ndarray) -> list[Any]:
    """The landmark lists that ``FaceMesh.process`` would give, without what it does besides."""
    packet = pack(mesh, rgb)
    if packet is None:
        return list(mesh.process(np.ascontiguousarray(rgb)).multi_face_landmarks or ())
    send(mesh, packet)
    return collect(mesh)


@dataclass(frozen=True, eq=False)
class Crop:
    """A part of a picture, enlarged: ``rgb (h, w, 3)``, its corner x, y in px of the whole picture,
    and how many times it was enlarged.
    """

    rgb: np.ndarray
    corner_px: tuple[int, int]
    zoom: float

    def back(self, face: np.ndarray) -> np.ndarray:
        """Landmarks ``(478, 3)`` px of the crop in px of the whole picture."""
        x0, y0 = self.corner_px
        corner = np.array([x0, y0, 0], np.float32)
        whole: np.ndarray = face / np.float32(self.zoom) + corner
        return whole


def enlarged(rgb: np.ndarray, box: np.ndarray) -> Crop | None:
    """The picture around a box (x0, y0, x1, y1 in px), enlarged; None where nothing of it is left
    in the picture.
    """
    import cv2

    height, width = rgb.shape[:2]
    middle = (box[:2] + box[2:]) / 2
    longest = max(box[2] - box[0], box[3] - box[1])
    half = 0.9 * float(longest)
    left, top = middle - half
    right, bottom = middle + half
    x0 = int(max(left, 0))
    y0 = int(max(top, 0))
    x1 = int(min(right, width))
    y1 = int(min(bottom, height))
    if x1 - x0 < 8 or y1 - y0 < 8:
        return None
    crop = rgb[y0:y1, x0:x1]
    zoom = _CROP_PX / max(x1 - x0, y1 - y0)
    large = cv2.resize(crop, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    return Crop(large, (x0, y0), zoom)


#: What a graph is shown before it is asked anything.
_BLACK = np.zeros((64, 64, 3), np.uint8)


def _follows_nobody(graph: Any) -> bool:
    """Whether a graph that has seen a recording is as good as new. Of earlier pictures it knows only
    where faces were, and nothing once it has seen a picture without any.
    """
    try:
        told = graph.process(_BLACK)
    except (RuntimeError, ValueError):  # it broke over a picture
        return False
    found = getattr(told, "multi_face_landmarks", None) or getattr(told, "detections", None)
    return not found


class _Spare:
    """Graphs of recordings that ended, for the next one: to start them takes as long as to follow a
    face for ten pictures. None are kept unless somebody says that more recordings will come.
    """

    def __init__(self) -> None:
        self._n_holders = 0
        self._graphs: dict[tuple[str, int], Any] = {}
        self._lock = Lock()

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        with self._lock:
            self._n_holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._n_holders -= 1
                left = [] if self._n_holders else list(self._graphs.values())
                if left:
                    self._graphs = {}
            for graph in left:
                graph.close()

    def take(self, kind: tuple[str, int]) -> Any:
        """A graph of this kind; None where none is there."""
        with self._lock:
            return self._graphs.pop(kind, None)

    def give(self, kind: tuple[str, int], graph: Any) -> None:
        """Keep a graph that is no longer needed, one of each kind, or close it."""
        if self._n_holders and _follows_nobody(graph):
            with self._lock:
                if self._n_holders and kind not in self._graphs:
                    self._graphs[kind] = graph
                    return
        graph.close()


_SPARE = _Spare()


def graphs_for_many() -> contextlib.AbstractContextManager[None]:
    """While the block runs, a recording goes on with the graphs of the one before it in this process;
    what is found is the same.
    """
    return _SPARE.kept()


class MeshFinder:
    """FaceMesh with irises, and the detectors, all from MediaPipe's wheel."""

    def __init__(self, max_people: int = 4) -> None:
        self._mediapipe = import_mediapipe()
        if not hasattr(self._mediapipe, "solutions"):
            raise MissingWeights(
                f"MediaPipe {self._mediapipe.__version__} carries no face mesh. On Python 3.11 or "
                "3.12 install 'twomind[face]'; elsewhere use the back end 'landmarker' "
                "(--set features.face=landmarker), whose file `twomind weights add "
                "face-landmarker` brings"
            )
        self._max_people = max_people
        self._graphs: dict[str, Any] = {}
        # The pictures that the graph "one" will be given, and is working on.
        self._packed: tuple[np.ndarray, Any] | None = None
        self._sent: np.ndarray | None = None

    def _graph(self, name: str) -> Any:
        """Graphs start when first needed: most recordings need only one."""
        if name not in self._graphs:
            graph = _SPARE.take(self._kind(name))
            self._graphs[name] = self._started(name) if graph is None else graph
        return self._graphs[name]

    def _kind(self, name: str) -> tuple[str, int]:
        """Graphs of one kind do the same."""
        return name, self._max_people

    def _started(self, name: str) -> Any:
        with quiet():
            graph = self._detector(name) if name in ("near", "far") else self._mesh(name)
            graph.process(_BLACK)
        return graph

    def _detector(self, name: str) -> Any:
        far = name == "far"
        confidence = 0.5 if far else 0.65
        return self._mediapipe.solutions.face_detection.FaceDetection(
            min_detection_confidence=confidence, model_selection=int(far)
        )

    def _mesh(self, name: str) -> Any:
        n_faces = self._max_people if name == "several" else 1
        return self._mediapipe.solutions.face_mesh.FaceMesh(
            static_image_mode=name == "crop", max_num_faces=n_faces, refine_landmarks=True
        )

    def _faces(self, name: str, rgb: np.ndarray) -> list[np.ndarray]:
        height, width = rgb.shape[:2]
        found = landmark_lists(self._graph(name), rgb)
        return [to_pixels(face, width, height) for face in found]

    def prepare(self, rgb: np.ndarray) -> None:
        packet = pack(self._graph("one"), rgb)
        self._packed = None if packet is None else (rgb, packet)

    def ahead(self, rgb: np.ndarray) -> None:
        packed, self._packed = self._packed, None
        if packed is not None and packed[0] is rgb and self._sent is None:
            send(self._graph("one"), packed[1])
            self._sent = rgb

    def one(self, rgb: np.ndarray) -> np.ndarray | None:
        if self._sent is None:
            faces = self._faces("one", rgb)
        elif self._sent is rgb:
            self._sent = None
            height, width = rgb.shape[:2]
            found = collect(self._graph("one"))
            faces = [to_pixels(face, width, height) for face in found]
        else:
            raise RuntimeError("the picture that was sent ahead is not the one that is asked for")
        return faces[0] if faces else None

    def several(self, rgb: np.ndarray) -> list[np.ndarray]:
        return self._faces("several", rgb)

    def within(self, rgb: np.ndarray, box: np.ndarray) -> np.ndarray | None:
        crop = enlarged(rgb, box)
        if crop is None:
            return None
        faces = self._faces("crop", crop.rgb)
        return crop.back(faces[0]) if faces else None

    def _detections(self, name: str, rgb: np.ndarray) -> list[Any]:
        picture = np.ascontiguousarray(rgb)
        return list(self._graph(name).process(picture).detections or ())

    def _boxes(self, name: str, rgb: np.ndarray) -> list[np.ndarray]:
        """Boxes x0, y0, x1, y1 in px of what a detector finds."""
        height, width = rgb.shape[:2]
        boxes = []
        for detection in self._detections(name, rgb):
            share = detection.location_data.relative_bounding_box
            right = share.xmin + share.width
            bottom = share.ymin + share.height
            box = [share.xmin * width, share.ymin * height, right * width, bottom * height]
            boxes.append(np.array(box))
        return boxes

    def small(self, rgb: np.ndarray) -> list[np.ndarray]:
        faces = []
        for box in self._boxes("far", rgb)[: self._max_people]:
            face = self.within(rgb, box)
            if face is not None:
                faces.append(face)
        return faces

    def count(self, rgb: np.ndarray) -> int:
        # The detector looks at 128 pixels: handing over more only costs the copy.
        step = max(1, rgb.shape[1] // _COUNT_PX)
        return len(self._boxes("near", rgb[::step, ::step]))

    def score(self, rgb: np.ndarray) -> float:
        scores = [float(found.score[0]) for found in self._detections("near", rgb)]
        return max(scores, default=0.0)

    def close(self) -> None:
        if self._sent is not None:
            with contextlib.suppress(RuntimeError):  # it broke over the picture
                collect(self._graphs["one"])
        self._packed = self._sent = None
        for name, graph in self._graphs.items():
            _SPARE.give(self._kind(name), graph)
        self._graphs.clear()


class TurnedFinder:
    """A back end that looks at pictures turned by half, for faces that are upside down; what it
    finds lies in the picture as it is.
    """

    def __init__(self, finder: FaceFinder) -> None:
        self._finder = finder
        self._shape = (0, 0)  # height and width of the last picture

    def one(self, rgb: np.ndarray) -> np.ndarray | None:
        return self._back(self._finder.one(_half_turn(rgb)), rgb)

    def prepare(self, rgb: np.ndarray) -> None:
        pass  # nothing is done ahead: the turned picture is a new one every time

    def ahead(self, rgb: np.ndarray) -> None:
        pass

    def several(self, rgb: np.ndarray) -> list[np.ndarray]:
        return self._all_back(self._finder.several(_half_turn(rgb)), rgb)

    def small(self, rgb: np.ndarray) -> list[np.ndarray]:
        return self._all_back(self._finder.small(_half_turn(rgb)), rgb)

    def within(self, rgb: np.ndarray, box: np.ndarray) -> np.ndarray | None:
        height, width = rgb.shape[:2]
        x0, y0, x1, y1 = box
        turned = np.array([width - x1, height - y1, width - x0, height - y0])
        return self._back(self._finder.within(_half_turn(rgb), turned), rgb)

    def count(self, rgb: np.ndarray) -> int:
        return self._finder.count(_half_turn(rgb))

    def score(self, rgb: np.ndarray) -> float:
        return self._finder.score(_half_turn(rgb))

    def close(self) -> None:
        self._finder.close()

    def blendshapes(self, landmarks_px: np.ndarray) -> np.ndarray | None:
        if not isinstance(self._finder, GivesBlendshapes):
            return None
        height, width = self._shape
        turned = _turned_back(landmarks_px, height, width)
        return self._finder.blendshapes(turned)

    def _all_back(self, faces: list[np.ndarray], rgb: np.ndarray) -> list[np.ndarray]:
        height, width = rgb.shape[:2]
        self._shape = (height, width)
        return [_turned_back(face, height, width) for face in faces]

    def _back(self, face: np.ndarray | None, rgb: np.ndarray) -> np.ndarray | None:
        if face is None:
            return None
        (back,) = self._all_back([face], rgb)
        return back


def _turned_back(landmarks_px: np.ndarray, height: int, width: int) -> np.ndarray:
    """Landmarks of a picture turned by half, in the picture as it is; and the other way round."""
    corner = np.array([width, height, 0], np.float32)
    sign = np.array([-1, -1, 1], np.float32)
    return corner + sign * landmarks_px


def _half_turn(rgb: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rgb[::-1, ::-1])
