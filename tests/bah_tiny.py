"""Tiny networks with random weights in the layouts of those that the tables of BAH read, made on the
spot: a ResNet, a
VGGish, a BERT, a Video-LLaVA, and a frame network that is exported as ONNX. They know nothing of people.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,.!?'"


def resnet(folder: Path) -> Path:
    """A ResNet of two stages, 12 wide."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.ResNetConfig(
        embedding_size=4, hidden_sizes=[4, 12], depths=[1, 1], layer_type="basic"
    )
    transformers.ResNetModel(config).save_pretrained(folder)
    return folder


def pooling_vit(width: int = 12, px: int = 112) -> Any:
    """In the manner of APViT: convolutions, the patches that weigh most, attention among them, and the
    row of the first token. Pictures ``(N, 3, px, px)`` → rows ``(N, width)``.
    """
    import torch
    from torch import nn

    class PoolingViT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(
                nn.Conv2d(3, 8, 7, stride=4, padding=3), nn.BatchNorm2d(8), nn.PReLU(8)
            )
            self.patches = nn.Conv2d(8, 16, 4, stride=4)
            self.first = nn.Parameter(torch.randn(1, 1, 16))
            self.block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True)
            self.row = nn.Linear(16, width)
            self.n_kept = (px // 16) ** 2 // 2

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            patches = self.patches(self.stem(pixels)).flatten(2).transpose(1, 2)
            kept = patches.square().sum(dim=2).topk(self.n_kept, dim=1).indices
            index = kept.unsqueeze(2).expand(-1, -1, 16)
            first = self.first.expand(patches.shape[0], -1, -1)
            tokens = torch.cat([first, patches.gather(1, index)], dim=1)
            rows: torch.Tensor = self.row(self.block(tokens)[:, 0])
            return rows

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return PoolingViT().eval()


def exported(path: Path, network: Any, px: int = 112, batch: int | None = None, **how: Any) -> Path:
    """A network as an ONNX file: of any number of pictures at once, or of ``batch``."""
    import warnings

    import torch

    names: dict[str, Any] = {"input_names": ["pixels"], "output_names": ["feature"]}
    if batch is None:
        names["dynamic_axes"] = {"pixels": {0: "n"}, "feature": {0: "n"}}
    given = torch.zeros(batch or 2, 3, px, px)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (given,), str(path), dynamo=False, **(names | how))
    return path


def vggish_tensors(width: int = 4, rows: int = 8, seed: int = 1) -> dict[str, Any]:
    """The published state dict with few channels."""
    import torch

    made = torch.Generator().manual_seed(seed)
    found = {}
    n_in = 1
    for n in (0, 3, 6, 8, 11, 13):
        found[f"features.{n}.weight"] = 0.3 * torch.randn(width, n_in, 3, 3, generator=made)
        found[f"features.{n}.bias"] = torch.zeros(width)
        n_in = width
    for n, (a, b) in {0: (24 * width, 16), 2: (16, 16), 4: (16, rows)}.items():
        found[f"embeddings.{n}.weight"] = 0.3 * torch.randn(b, a, generator=made)
        found[f"embeddings.{n}.bias"] = torch.zeros(b)
    return found


def vggish(folder: Path) -> Path:
    """A folder in the layout that `twomind weights import --as vggish` writes."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(vggish_tensors(), folder / "vggish.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "vggish"}))
    return folder


def bert(folder: Path) -> Path:
    """A BERT whose tokens are letters."""
    import torch
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_LETTERS]
    vocabulary += [f"##{letter}" for letter in _LETTERS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        max_position_embeddings=256,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
    )
    transformers.BertModel(config).save_pretrained(folder)
    return folder


def video_llava(folder: Path) -> Path:
    """A Video-LLaVA of two small layers."""
    sys.path.insert(0, str(TESTS))
    spec = importlib.util.spec_from_file_location("llm_local", TESTS / "models/test_llm_local.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module._video_llava(folder)
    return folder


def sounding_film(path: Path, n_frames: int = 12, fps: int = 24, seed: int = 0) -> Path:
    """A film of noise in picture and sound, in place of a silent one."""
    import av
    import numpy as np

    draw = np.random.default_rng(seed)
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["comment"] = "drawn"
        pictures = container.add_stream("mpeg4", rate=fps)
        pictures.width = pictures.height = 32
        pictures.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=16000, layout="mono")
        for i in range(n_frames):
            rgb = draw.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts = i
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
        n = 16000 * n_frames // fps
        for at in range(0, n, 1024):
            values = 0.1 * draw.normal(size=(1, min(1024, n - at))).astype(np.float32)
            block = av.AudioFrame.from_ndarray(values, format="fltp", layout="mono")
            block.sample_rate = 16000
            block.pts = at
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))
    return path
