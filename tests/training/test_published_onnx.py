"""A frame network that was exported as ONNX: taken as it is, or refused with the reason."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from click.testing import CliRunner  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402
from tests import bah_tiny  # noqa: E402
from torch import nn  # noqa: E402

from twomind.cli.main import main  # noqa: E402
from twomind.core.errors import BadInput, MissingExtra, MissingWeights  # noqa: E402
from twomind.encoders import onnx_session  # noqa: E402
from twomind.encoders.exported import Exported, holds_exported, prepared  # noqa: E402
from twomind.encoders.pretrained import Encoder, encode_pictures  # noqa: E402
from twomind.pipeline.imports import import_weights  # noqa: E402
from twomind.training.published import Asked  # noqa: E402

ASKED = Asked("https://example.org/apvit", "MIT")


@pytest.fixture(scope="module")
def network() -> Any:
    return bah_tiny.pooling_vit()


@pytest.fixture(scope="module")
def file(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bah_tiny.exported(tmp_path_factory.mktemp("onnx") / "apvit.onnx", network)


def imported(path: Path, out: Path, asked: Asked = ASKED) -> Exported:
    import_weights(path, "apvit", asked, out)
    return Exported(out)


def crops(n: int = 5, px: int = 124) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, px, px, 3)).astype(np.uint8)


def rows_in_torch(network: Any, pictures: np.ndarray) -> np.ndarray:
    """The same by hand: the middle 112 of 124, and every colour from -1 to 1."""
    middle = torch.from_numpy(pictures[:, 6:118, 6:118]).permute(0, 3, 1, 2)
    with torch.no_grad():
        rows: np.ndarray = network((middle.float() / 255 - 0.5) / 0.5).numpy()
    return rows


# --- taken


@pytest.mark.parametrize("batch", [None, 1, 2])
def test_rows_are_those_of_the_network_in_torch(
    network: Any, tmp_path: Path, batch: int | None
) -> None:
    path = bah_tiny.exported(tmp_path / "apvit.onnx", network, batch=batch)
    found = imported(path, tmp_path / "m")
    pictures = crops()
    rows = found.rows_of(pictures)
    wanted = rows_in_torch(network, pictures)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
    for i in range(len(pictures)):
        np.testing.assert_allclose(found.rows_of(pictures[i : i + 1])[0], rows[i], atol=1e-5)
    assert found.rows_of(pictures[:0]).shape == (0, 12)
    assert found.config["batch"] == batch


def test_the_command_says_what_it_took_and_where_it_goes(file: Path, tmp_path: Path) -> None:
    words = ["weights", "import", str(file), "--as", "apvit", "--out", str(tmp_path / "m")]
    done = CliRunner().invoke(main, [*words, "--source", "https://example.org", "--json"])
    assert done.exit_code == 0, done.output
    assert "reproduce bah --table supervised --set cnn=FOLDER" in done.stderr
    assert "predict --model" not in done.stderr
    said = json.loads(done.stdout)
    assert "12 numbers" in said["row"]
    assert "published rows have 512" in said["row"]
    card = json.loads((tmp_path / "m" / "config.json").read_text())["card"]
    assert card["source"] == "https://example.org"
    assert card["licence"] == "not stated"
    assert "112 × 112" in card["pictures"]
    assert list(card["files"]) == ["apvit.onnx"]
    origin = (tmp_path / "m" / "ORIGIN.txt").read_text()
    assert "as the graph that was exported" in origin
    assert card["files"]["apvit.onnx"] in origin
    assert (tmp_path / "m" / "network.onnx").read_bytes() == file.read_bytes()


def test_rows_of_512_are_those_of_the_publication(tmp_path: Path) -> None:
    path = bah_tiny.exported(tmp_path / "a.onnx", bah_tiny.pooling_vit(512, 32), 32)
    said = import_weights(path, "apvit", ASKED, tmp_path / "m")
    assert said["row"] == "512 numbers, the output feature"
    assert said["pictures_at_once"] == "any number"
    assert Encoder("video", str(tmp_path / "m")).width == 512


def test_tensors_in_a_file_beside_are_taken_in(network: Any, file: Path, tmp_path: Path) -> None:
    model = onnx.load_model(str(file))
    apart = tmp_path / "apart.onnx"
    onnx.save_model(
        model, str(apart), save_as_external_data=True, location="apart.data", size_threshold=0
    )
    found = imported(apart, tmp_path / "m")
    assert list(found.config["card"]["files"]) == ["apart.onnx", "apart.data"]
    (tmp_path / "apart.data").unlink()
    wanted = rows_in_torch(network, crops())
    np.testing.assert_allclose(found.rows_of(crops()), wanted, atol=1e-4)
    with pytest.raises(BadInput, match="not beside it"):
        imported(apart, tmp_path / "again")


@pytest.mark.parametrize("name", ["../apart.data", "/etc/passwd", "sub/apart.data"])
def test_tensors_that_lie_elsewhere_are_refused(file: Path, tmp_path: Path, name: str) -> None:
    model = onnx.load_model(str(file))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", name
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "apart.data").write_bytes(bytes(10**6))
    with pytest.raises(BadInput, match="in the same folder"):
        imported(tmp_path / "in" / "a.onnx", tmp_path / "m")
    assert not (tmp_path / "m").exists()


class _OfTheBatch(nn.Module):
    """Rows that depend on the pictures beside."""

    def forward(self, pixels: Any) -> Any:
        rows = pixels.mean(dim=(2, 3))
        return rows - 0.5 * rows.mean(dim=0, keepdim=True)


def test_where_pictures_touch_each_other_one_is_looked_at_alone(tmp_path: Path) -> None:
    path = bah_tiny.exported(tmp_path / "a.onnx", _OfTheBatch(), 16)
    said = import_weights(path, "apvit", ASKED, tmp_path / "m")
    assert "rows of several at once differ" in said["pictures_at_once"]
    found = Exported(tmp_path / "m")
    pictures = crops(3, 18)
    together = found.rows_of(pictures)
    for i in range(3):
        np.testing.assert_array_equal(found.rows_of(pictures[i : i + 1])[0], together[i])
    of_two = bah_tiny.exported(tmp_path / "b.onnx", _OfTheBatch(), 16, batch=2)
    with pytest.raises(BadInput, match="takes 2 pictures at once"):
        imported(of_two, tmp_path / "two")


class _ForOne(nn.Module):
    """A number of pictures that was written into the graph by a reshape."""

    def forward(self, pixels: Any) -> Any:
        return pixels.mean(dim=2).reshape(1, -1)


def test_a_graph_that_says_any_number_and_means_one(tmp_path: Path) -> None:
    axes = {"dynamic_axes": {"pixels": {0: "n"}}}
    given = bah_tiny.exported(tmp_path / "a.onnx", _ForOne(), 16, batch=1, **axes)
    said = import_weights(given, "apvit", ASKED, tmp_path / "m")
    assert "several at once do not go through" in said["pictures_at_once"]
    assert Exported(tmp_path / "m").rows_of(crops(3, 18)).shape == (3, 48)


class _Two(nn.Module):
    def forward(self, pixels: Any) -> Any:
        feature = pixels.mean(dim=2).flatten(1)
        return feature, feature[:, :7]


def test_of_several_outputs_one_is_named(tmp_path: Path) -> None:
    names = {"output_names": ["feature", "scores"], "dynamic_axes": {}}
    path = bah_tiny.exported(tmp_path / "a.onnx", _Two(), 16, batch=1, **names)
    with pytest.raises(BadInput, match=r"feature.*scores.*--feature NAME"):
        imported(path, tmp_path / "m")
    with pytest.raises(BadInput, match="expected one of its outputs"):
        imported(path, tmp_path / "m", replace(ASKED, feature="embedding"))
    found = imported(path, tmp_path / "m", replace(ASKED, feature="feature"))
    assert found.width == 48
    other = imported(path, tmp_path / "other", replace(ASKED, feature="scores"))
    assert other.width == 7
    assert other.mark != found.mark
    with pytest.raises(BadInput, match="--as apvit, not with vggish"):
        import_weights(path, "vggish", replace(ASKED, feature="feature"), tmp_path / "v")


# --- refused


def test_weights_alone_are_refused_with_the_command_that_exports(
    network: Any, file: Path, tmp_path: Path
) -> None:
    torch.save(network.state_dict(), tmp_path / "apvit.pth")
    with pytest.raises(BadInput, match=r"torch\.onnx\.export\(.*1, 3, 112, 112"):
        imported(tmp_path / "apvit.pth", tmp_path / "m")
    with pytest.raises(BadInput, match="wrongly"):
        imported(tmp_path / "apvit.pth", tmp_path / "m")
    (tmp_path / "text.onnx").write_text("no graph")
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "cut.onnx").write_bytes(file.read_bytes()[:-100])
    for name in ("text.onnx", "empty.onnx", "cut.onnx"):
        with pytest.raises(BadInput, match="not an ONNX file"):
            imported(tmp_path / name, tmp_path / "m")
    assert not (tmp_path / "m").exists()


class _Said(nn.Module):
    """What a function makes of pictures, for graphs that are wrong in one way."""

    def __init__(self, made: Callable[[Any], Any]) -> None:
        super().__init__()
        self.made = made

    def forward(self, pixels: Any) -> Any:
        return self.made(pixels)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda x: x.mean(dim=(2, 3)) * 0 + 1, "the same for every picture"),
        (lambda x: torch.log(x.mean(dim=(2, 3)) * 0), "not finite"),
        (lambda x: x.mean(dim=2), r"one row per picture \(1, D\), got \(1, 3, 16\)"),
        (lambda x: x.mean(dim=2).squeeze(0), r"one row per picture \(1, D\), got \(3, 16\)"),
        (lambda x: x.mean(dim=2).flatten(), r"one row per picture \(1, D\), got \(48,\)"),
        (lambda x: x.mean(dim=(2, 3)).double(), "float32"),
        (lambda x: x.mean(dim=(2, 3)) + torch.rand(3), "network.eval"),
    ],
)
def test_what_makes_no_row_of_a_picture(
    made: Callable[[Any], Any], why: str, tmp_path: Path
) -> None:
    path = bah_tiny.exported(tmp_path / "a.onnx", _Said(made), 16, batch=1)
    with pytest.raises(BadInput, match=why):
        imported(path, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def _graph(
    shape: list[Any],
    *,
    kind: int = TensorProto.FLOAT,
    op: str = "GlobalAveragePool",
    domain: str = "",
    opset: int = 17,
    more: int = 0,
) -> bytes:
    """A graph by hand: one node, and a flattening."""
    inputs = [helper.make_tensor_value_info("pixels", kind, shape)]
    inputs += [helper.make_tensor_value_info(f"x{i}", kind, [1]) for i in range(more)]
    nodes = [
        helper.make_node(op, ["pixels"], ["pooled"], domain=domain),
        helper.make_node("Flatten", ["pooled"], ["rows"]),
    ]
    outputs = [helper.make_tensor_value_info("rows", kind, [None, None])]
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    made = helper.make_model(
        helper.make_graph(nodes, "g", inputs, outputs), opset_imports=opsets, ir_version=8
    )
    content: bytes = made.SerializeToString()
    return content


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (_graph([1, 3, 16, 16], op="Gelu", domain="com.microsoft"), r"com\.microsoft\.Gelu \(1\)"),
        (_graph([1, 3, 16, 16], op="Mine", domain="lab.example"), r"lab\.example\.Mine \(1\)"),
        (_graph([1, 3, 16, 16], op="NoSuchOperator"), "no valid ONNX graph"),
        (_graph([1, 3, 16, 16], opset=99), "opset 99"),
        (_graph([1, 1, 16, 16]), r"\(N, 3, side, side\)"),
        (_graph([1, 16, 16, 3]), r"\(N, 3, side, side\)"),
        (_graph([1, 3, 16]), r"\(N, 3, side, side\)"),
        (_graph([1, 3, "h", "w"]), "sides fixed"),
        (_graph([1, 3, 16, 24]), "as high as wide"),
        (_graph([1, 3, 16, 16], kind=TensorProto.DOUBLE, op="Relu"), "float32"),
        (_graph([1, 3, 16, 16], more=1), "expected one input, a picture, got 2"),
    ],
)
def test_graphs_that_are_not_of_one_picture(content: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(BadInput, match=why):
        imported(tmp_path / "a.onnx", tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_without_onnx_runtime_the_extra_is_named(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = imported(file, tmp_path / "m")
    monkeypatch.setattr(onnx_session.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"twomind\[clip\]"):
        found.rows_of(crops())
    with pytest.raises(MissingExtra, match=r"twomind\[clip\]"):
        imported(file, tmp_path / "again")
    # Weights alone are refused whatever is installed.
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtra, match="reading an ONNX file"):
        imported(file, tmp_path / "again")
    torch.save({}, tmp_path / "apvit.pth")
    with pytest.raises(BadInput, match="not an ONNX file"):
        imported(tmp_path / "apvit.pth", tmp_path / "again")


@pytest.mark.parametrize("place", ["cpu", "cuda", "cuda:1"])
def test_a_gpu_is_used_where_onnx_runtime_knows_it(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    def opened(graph: Any, options: Any, providers: list[Any]) -> Any:
        return providers

    monkeypatch.setattr(onnxruntime, "InferenceSession", opened)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert onnx_session.runs_on(place) == "cpu"
    assert onnx_session.open_session(b"", "a test", place) == ["CPUExecutionProvider"]
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    assert onnx_session.runs_on(place) == place
    *on_card, last = onnx_session.open_session(b"", "a test", place)
    assert last == "CPUExecutionProvider"
    wanted = {"cpu": [], "cuda": [0], "cuda:1": [1]}[place]
    assert [how["device_id"] for _, how in on_card] == wanted
    assert all(how["use_tf32"] == 0 for _, how in on_card)


# --- as an encoder


def test_another_graph_or_other_pictures_are_another_encoder(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    mark = imported(file, folder).mark
    encoder = Encoder("video", str(folder))
    assert encoder.mark == mark
    assert encoder.width == 12
    assert holds_exported(folder)
    assert not holds_exported("owner/model")
    # Whose it is changes no number.
    import_weights(file, "apvit", Asked("elsewhere", "other"), folder)
    assert Encoder("video", str(folder)).mark == mark
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"image_mean": [0.4, 0.5, 0.5]}))
    assert Encoder("video", str(folder)).mark != mark
    (folder / "network.onnx").write_bytes(file.read_bytes() + b"\x00")
    with pytest.raises(MissingWeights, match="does not match the checksum"):
        Exported(folder).rows_of(crops())
    (folder / "config.json").write_text(json.dumps({"model_type": config["model_type"]}))
    with pytest.raises(MissingWeights, match=r"image_mean.*absent"):
        Exported(folder).rows_of(crops())
    for kind in ("audio", "text"):
        with pytest.raises(MissingWeights, match="encoder of video"):
            Encoder(kind, str(folder)).folder  # noqa: B018
    (folder / "network.onnx").unlink()
    with pytest.raises(MissingWeights, match=r"network\.onnx is absent"):
        Encoder("video", str(folder)).folder  # noqa: B018


def test_it_cannot_be_trained_and_says_so_before_anything_is_read(
    file: Path, tmp_path: Path
) -> None:
    from twomind.models.frame_cnn.net import from_encoder

    imported(file, tmp_path / "m")
    with pytest.raises(BadInput, match="cannot be trained"):
        from_encoder(Encoder("video", str(tmp_path / "m")))
    words = ["reproduce", "bah", str(tmp_path / "none"), "--table", "personalised"]
    words += ["--set", f"models.encoder={tmp_path / 'm'}", "--dry-run"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == BadInput.exit_code
    assert "cannot be trained" in done.output


def test_pictures_are_prepared_as_the_config_says() -> None:
    picture = np.zeros((1, 2, 2, 3), np.uint8)
    picture[0, 0, 1] = (255, 51, 0)
    made = prepared(picture, {"image_mean": [0.5, 0.1, 0.0], "image_std": [0.5, 0.1, 2.0]})
    assert made.shape == (1, 3, 2, 2)
    np.testing.assert_allclose(made[0, :, 0, 1], [1.0, 1.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(made[0, :, 0, 0], [-1.0, -1.0, 0.0], atol=1e-6)


def test_of_a_film_it_is_shown_the_face(file: Path, tmp_path: Path) -> None:
    """A frame without a face has no row; the others have that of the aligned crop of the face."""
    pytest.importorskip("mediapipe")
    pytest.importorskip("twomind_synth")
    import face_films as films
    from twomind.features.face.align import aligned
    from twomind.features.face.tracker import Tracker
    from twomind.features.face.tracker_mesh import MeshFinder
    from twomind.media.stream import Frame

    found = imported(file, tmp_path / "m")
    states = [films.FaceState(roll=2.0 * k, x_cm=0.5 * k) for k in range(4)]
    scenes = [*(films.alone(films.LIGHT, state) for state in states), []]
    frames = [Frame(k, k / 8, one.rgb) for k, one in enumerate(films.shown(scenes))]
    encoder = Encoder("video", str(tmp_path / "m"))
    track = encode_pictures(encoder, frames)
    assert track.valid.tolist() == [True] * 4 + [False]
    np.testing.assert_allclose(track.times_s, np.arange(5) / 8)
    finder = MeshFinder()
    tracker = Tracker(finder)
    for k in range(4):
        landmarks = tracker.update(frames[k].rgb, k / 8).landmarks_px
        assert landmarks is not None
        crop = aligned(frames[k].rgb, landmarks, 124, "mesh")
        np.testing.assert_allclose(track.values[k], found.rows_of(crop[None])[0], atol=1e-5)
    finder.close()
    assert encode_pictures(encoder, []).values.shape == (0, 12)
