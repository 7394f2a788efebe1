"""A frame network that its authors' own program exported as ONNX, as a folder that rows are made with.

Depth, width and pooling stand in the graph, so nothing is guessed; and a graph holds operators and
numbers, no code. It is checked before it is taken: standard operators alone, one picture in, one row
out, numbers that depend on the picture and on no other picture beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput, MissingExtra
from twomind.core.files import content_hash, replacing, write_text
from twomind.encoders.exported import FILE, HALF, MODEL_TYPE, Graph, prepared
from twomind.encoders.onnx_session import open_session
from twomind.training.published import Asked

#: Largest difference between rows of the same picture, relative to the largest number, at which they
#: are the same. Measured between batches of several sizes: about 1e-6.
SAME = 1e-4
#: Rows of pictures that are unlike each other differ by more than this.
_UNLIKE = 1e-6
_STANDARD = ("", "ai.onnx")
#: How a file of weights alone begins: a zip, a pickle.
_WEIGHTS_ALONE = (b"PK\x03\x04", b"\x80")
_NEEDED_FOR = "reading an ONNX file"
_FLOAT = "tensor(float)"
#: Width of the published rows.
_PUBLISHED_WIDTH = 512
_EXPORT = 'torch.onnx.export(network.eval(), torch.zeros(1, 3, 112, 112), "apvit.onnx")'


@dataclass(frozen=True)
class OnnxFile:
    """A graph that was checked, to be written as a folder that an encoder is opened from."""

    content: bytes
    config: Mapping[str, Any]
    tensors: tuple[str, ...]
    said: Mapping[str, Any]

    @property
    def weights(self) -> tuple[str, ...]:
        """Names of the graph's tensors."""
        return self.tensors

    @property
    def origin(self) -> Mapping[str, str]:
        """What stands beside the file for people."""
        names = ("imported", "population", "pictures")
        found = {name: str(self.config["card"][name]) for name in names}
        return {**found, "sha256": self.config["sha256"]}

    def save(self, folder: Path) -> Path:
        """``network.onnx`` and ``config.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / FILE
        with replacing(path) as temporary:
            temporary.write_bytes(self.content)
        write_text(folder / "config.json", json.dumps(dict(self.config), indent=1) + "\n")
        return path


def read_apvit(path: Path, asked: Asked) -> OnnxFile:
    """The frame network of an ONNX file, checked.

    Args:
        path: the file; tensors that it keeps in files beside it are taken in.
        asked: source and licence for the card; ``feature`` names the output that is the row.

    Raises:
        BadInput: it is weights alone, or no graph that makes rows of single pictures; the message says
            what is wrong with it.
        MissingExtra: onnx or onnxruntime is not installed.
    """
    model = _parsed(path)
    beside = _taken_in(path, model)
    _refuse_foreign(path, model)
    content = model.SerializeToString(deterministic=True) if beside else path.read_bytes()
    _check_standard(path, model)
    session = _opened(path, content)
    graph, px = _called(path, session, asked.feature)
    config: dict[str, Any] = {"image_size": px}
    config |= {"image_mean": list(HALF), "image_std": list(HALF)}
    graph, width, why = _tried(path, graph, config)
    pictures = f"face crops of {px} × {px}, RGB, 0 … 255 divided by 255, less .5, over .5: -1 … 1"
    card = {
        **asked.card,
        "imported": "as the graph that was exported; the numbers were not changed",
        "population": "not stated in the file",
        "pictures": pictures,
        "files": {path.name: content_hash(path), **beside},
    }
    config |= {"model_type": MODEL_TYPE, "hidden_size": width}
    config |= {"input": graph.input, "output": graph.output, "batch": graph.batch}
    config |= {"sha256": hashlib.sha256(content).hexdigest(), "card": card}
    said: dict[str, Any] = {"pictures": pictures, "row": _told_width(graph.output, width)}
    said["pictures_at_once"] = why or graph.batch or "any number"
    return OnnxFile(content, config, tuple(one.name for one in model.graph.initializer), said)


def no_apvit(path: Path) -> BadInput:
    """Why weights alone are not read, and what to do."""
    return BadInput(
        f"{path}: not an ONNX file. Weights alone (.pth) make no APViT: neither depth nor width nor the "
        "share of patches that is kept is known here, and a network built on guesses would take the "
        "weights and answer wrongly. Whoever has its program exports it once, for a network that "
        f"returns the feature of a face crop: {_EXPORT}; and then: twomind weights import apvit.onnx "
        "--as apvit. Or give a ResNet, ViT or CLIP as `reproduce bah --table supervised --set "
        "cnn=FOLDER`"
    )


# --- the file


def _parsed(path: Path) -> Any:
    """The graph of a file, without what it keeps in other files."""
    with open(path, "rb") as file:
        begins = file.read(4)
    if begins.startswith(_WEIGHTS_ALONE):
        raise no_apvit(path)
    try:
        import onnx
    except ImportError as error:
        raise MissingExtra("clip", _NEEDED_FOR) from error
    try:
        model = onnx.load_model(str(path), format="protobuf", load_external_data=False)
    except Exception as error:  # the classes are those of protobuf, by its version
        raise no_apvit(path) from error
    if not model.graph.node or not model.opset_import:
        raise no_apvit(path)
    return model


def _taken_in(path: Path, model: Any) -> dict[str, str]:
    """Take tensors of files beside the graph into it.

    Returns:
        Checksum by name of each such file.

    Raises:
        BadInput: a file is absent or lies elsewhere, or a tensor is not in it.
    """
    from onnx.external_data_helper import ExternalDataInfo, load_external_data_for_model

    names: dict[str, None] = {}
    for tensor in _tensors(model):
        if tensor.data_location == tensor.EXTERNAL:
            names[ExternalDataInfo(tensor).location] = None
    sums = {}
    for name in names:
        file = path.parent / name
        if Path(name).name != name or file.is_symlink():
            raise BadInput(
                f"{path}: keeps tensors in {name!r}; expected a file in the same folder. Export it as "
                "one file"
            )
        if not file.is_file():
            raise BadInput(f"{path}: keeps tensors in {name!r}, which is not beside it; copy both")
        sums[name] = content_hash(file)
    if not names:
        return {}
    try:
        load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # onnx raises several unrelated classes
        raise BadInput(f"{path}: its tensors cannot be read: {_first_line(error)}") from error
    return sums


def _graphs(model: Any) -> Iterator[Any]:
    """The graph, those inside its nodes, and its functions."""
    waiting = [model.graph, *model.functions]
    while waiting:
        one = waiting.pop()
        yield one
        for node in one.node:
            for attribute in node.attribute:
                waiting += [attribute.g] if attribute.HasField("g") else []
                waiting += attribute.graphs


def _tensors(model: Any) -> Iterator[Any]:
    """Every tensor that the file holds."""
    for graph in _graphs(model):
        yield from getattr(graph, "initializer", ())
        for sparse in getattr(graph, "sparse_initializer", ()):
            yield sparse.values
            yield sparse.indices
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors


def _refuse_foreign(path: Path, model: Any) -> None:
    """Refuse operators that the standard does not define: what they do is in somebody's library."""
    own = {(function.domain, function.name) for function in model.functions}
    foreign: dict[str, int] = {}
    for graph in _graphs(model):
        for node in graph.node:
            if node.domain in _STANDARD or (node.domain, node.op_type) in own:
                continue
            name = f"{node.domain}.{node.op_type}"
            foreign[name] = foreign.get(name, 0) + 1
    if foreign:
        told = ", ".join(f"{name} ({n})" for name, n in sorted(foreign.items()))
        raise BadInput(
            f"{path}: expected operators of the ONNX standard alone, got {told}; export it again "
            "without them"
        )


def _check_standard(path: Path, model: Any) -> None:
    import onnx

    newest = onnx.defs.onnx_opset_version()
    for entry in model.opset_import:
        if entry.domain in _STANDARD and entry.version > newest:
            raise BadInput(
                f"{path}: is of opset {entry.version}, and {newest} is the newest that is read here; "
                f"export it with opset_version={min(newest, 17)}"
            )
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # onnx raises several unrelated classes
        raise BadInput(f"{path}: is no valid ONNX graph: {_first_line(error)}") from error


def _opened(path: Path, content: bytes) -> Any:
    try:
        return open_session(content, _NEEDED_FOR)
    except MissingExtra:
        raise
    except Exception as error:  # ONNX Runtime raises a class for each kind of failure
        raise BadInput(f"{path}: ONNX Runtime cannot run it: {_first_line(error)}") from error


# --- what goes in and out


def _called(path: Path, session: Any, feature: str) -> tuple[Graph, int]:
    """How the graph is called, and the side of a picture."""
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(_told(one) for one in inputs)
        raise BadInput(f"{path}: expected one input, a picture, got {len(inputs)}: {names}")
    (picture,) = inputs
    shape = list(picture.shape)
    is_picture = len(shape) == 4 and shape[1] == 3 and picture.type == _FLOAT
    if not is_picture or not all(isinstance(side, int) for side in shape[2:]):
        raise BadInput(
            f"{path}: expected an input (N, 3, side, side) of float32 numbers, sides fixed, got "
            f"{_told(picture)}; export it with a picture of 1 × 3 × 112 × 112"
        )
    if shape[2] != shape[3]:
        raise BadInput(f"{path}: expected pictures as high as wide, got {_told(picture)}")
    batch = shape[0] if isinstance(shape[0], int) else None
    output = _feature(path, session.get_outputs(), feature)
    return Graph(session, picture.name, output.name, batch), int(shape[2])


def _feature(path: Path, outputs: Sequence[Any], feature: str) -> Any:
    """The output that is the row."""
    told = ", ".join(_told(one) for one in outputs)
    by_name = {one.name: one for one in outputs}
    if feature and feature not in by_name:
        raise BadInput(f"{path}: --feature: expected one of its outputs, {told}; got {feature!r}")
    if not feature and len(outputs) > 1:
        raise BadInput(f"{path}: has several outputs: {told}; say which is the row: --feature NAME")
    chosen = by_name[feature] if feature else outputs[0]
    if chosen.type != _FLOAT:
        raise BadInput(f"{path}: expected a row of float32 numbers, got {_told(chosen)}")
    return chosen


def _told(one: Any) -> str:
    """An input or output with its type and shape."""
    return f"{one.name} {one.type} {one.shape}"


def _told_width(name: str, width: int) -> str:
    told = f"{width} numbers, the output {name}"
    if width == _PUBLISHED_WIDTH:
        return told
    return f"{told}; the published rows have {_PUBLISHED_WIDTH}: is it the feature?"


# --- a trial


def _tried(path: Path, graph: Graph, config: Mapping[str, Any]) -> tuple[Graph, int, str]:
    """Run made pictures through the graph.

    Returns:
        The graph, with the number of pictures that it takes at once; the width of a row; and why it
        takes one at a time, "" where it was not the trial that showed it.

    Raises:
        BadInput: it fails, gives no row of numbers per picture, or rows that say nothing of it.
    """
    px = config["image_size"]
    draw = np.random.default_rng(0)
    noise = draw.integers(0, 256, (3, px, px, 3))
    noise[1] //= 4  # dark
    noise[2, : px // 2] = 255  # half white
    pixels = prepared(noise.astype(np.uint8), config)
    alone = [_run(path, graph, pixels[i : i + 1]) for i in range(len(pixels))]
    rows = np.concatenate(alone)
    if not np.isfinite(rows).all():
        raise BadInput(
            f"{path}: {graph.output} of a made picture holds numbers that are not finite"
        )
    again = _run(path, graph, pixels[:1])
    if not _same(again, alone[0]):
        raise BadInput(
            f"{path}: two rows of one picture differ; was it exported while it was training? Export "
            "network.eval()"
        )
    if _difference(rows, np.roll(rows, 1, axis=0)) <= _UNLIKE:
        raise BadInput(f"{path}: {graph.output} is the same for every picture")
    why = _why_one_by_one(graph, pixels, rows)
    if not why:
        return graph, rows.shape[1], ""
    if graph.batch is not None:
        raise BadInput(
            f"{path}: takes {graph.batch} pictures at once, and {why}; export it for one"
        )
    return Graph(graph.session, graph.input, graph.output, 1), rows.shape[1], f"1: {why}"


def _run(path: Path, graph: Graph, pixels: np.ndarray) -> np.ndarray:
    """The row of one picture ``(1, D)``."""
    try:
        return graph.rows(pixels)
    except Exception as error:  # ONNX Runtime raises a class for each kind of failure
        raise BadInput(f"{path}: cannot be run on a picture: {_first_line(error)}") from error


def _why_one_by_one(graph: Graph, pixels: np.ndarray, alone: np.ndarray) -> str:
    """Why pictures cannot go together; "" where they can."""
    if graph.batch == 1:
        return ""
    try:
        together = graph.rows(pixels)
    except Exception:  # ONNX Runtime raises a class for each kind of failure
        return "several at once do not go through"
    if together.shape != alone.shape or not _same(together, alone):
        return "rows of several at once differ from those of each alone"
    return ""


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return _difference(a, b) <= SAME


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference, relative to the largest number."""
    largest = float(np.abs(b).max()) or 1.0
    return float(np.abs(a - b).max()) / largest


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


__all__ = ["SAME", "OnnxFile", "no_apvit", "read_apvit"]
