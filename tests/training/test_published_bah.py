"""Checkpoints of the BAH baselines, on files that are made here in their layout: this proves the reader,
not that an author's file is of that layout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests import bah_tiny  # noqa: E402

from twomind.core.errors import BadInput  # noqa: E402
from twomind.models.fusion import recogniser as fusion  # noqa: E402
from twomind.pipeline.imports import import_weights  # noqa: E402
from twomind.training.published import Asked  # noqa: E402
from twomind.types import Features, Track  # noqa: E402

CHANNELS = {
    "lfan": {512: (256, 256, 128, 128), 128: (64, 64, 32, 32), 768: (256, 256, 128, 128)},
    "can": {512: (256, 256, 128, 128, 128), 128: (128, 128, 64, 64), 768: (256, 256, 128, 128)},
}
CHANNELS |= dict.fromkeys(("mt", "jmt"), CHANNELS["can"])


class Published:
    """The published network, written plainly from its description, with modules of made-up names."""

    def __init__(self, kind: str, widths: tuple[int, ...], seed: int = 0) -> None:
        torch.manual_seed(seed)
        nn, normed = torch.nn, torch.nn.utils.weight_norm
        self.kind, self.widths = kind, widths
        self.temporal = nn.ModuleList()
        self.norm = nn.ModuleList()
        last = []
        for width in widths:
            blocks = nn.ModuleList()
            n_in = width
            for n_out in CHANNELS[kind][width]:
                parts = [normed(nn.Conv1d(n_in, n_out, 5)), normed(nn.Conv1d(n_out, n_out, 5))]
                if n_in != n_out:
                    parts.append(nn.Conv1d(n_in, n_out, 1))
                blocks.append(nn.ModuleList(parts))
                n_in = n_out
            self.temporal.append(blocks)
            self.norm.append(nn.BatchNorm1d(n_in))
            last.append(n_in)
        for norm in self.norm:
            norm.running_mean += 0.1 * torch.randn_like(norm.running_mean)
        m = len(widths)
        if kind == "lfan":
            self.project = nn.ModuleList(nn.Linear(d, 96) for d in last)
            self.mix = nn.Sequential(nn.Linear(32 * m, 32 * m), nn.LayerNorm(32 * m))
            self.out = nn.Linear(last[0] + 32 * m, 2)
        elif kind in ("mt", "jmt"):
            self.project = nn.ModuleList([nn.Linear(64, 128)])
            if kind == "jmt":
                self.project.append(nn.Linear(256, 128))
            n_streams = m + (kind == "jmt")
            layers = [self.layer() for _ in range(n_streams + 1)]
            n_crossings = 2 if kind == "mt" else 6
            attentions = [nn.MultiheadAttention(128, 1) for _ in range(n_crossings + 1)]
            self.mix = nn.ModuleList([*layers, *attentions])
            self.mix.append(nn.Linear(128, 128))
            self.mix.append(nn.BatchNorm1d(128))
            self.out = nn.Linear(128, 2)
        else:
            self.project = nn.ModuleList(nn.Linear(d, 128) for d in last)
            self.mix = nn.Sequential(
                nn.Linear(128 * m, 128 * m), nn.Linear(128 * m, 128 * m), nn.BatchNorm1d(128 * m)
            )
            self.out = nn.Linear(128 * m, 2)
        parts = {"a": self.temporal, "b": self.norm, "c": self.project, "d": self.mix}
        self.whole = nn.ModuleDict({**parts, "e": self.out}).eval()

    @staticmethod
    def layer() -> Any:
        return torch.nn.TransformerEncoderLayer(128, 1, 128)

    def streams(self, video: Any, sound: Any) -> Any:
        """MT and JMT: what goes on of streams ``(T, 128)`` and ``(T, 64)``, as the published code has
        it: the last slot, attended to over all rows.
        """
        every = [video, self.project[0](sound)]
        pairs = [(0, 1), (1, 0)]
        if self.kind == "jmt":
            every.append(self.project[1](torch.cat(every, dim=-1)))
            pairs += [(2, 0), (0, 2), (2, 1), (1, 2)]
        n = len(every)
        every = [self.mix[k](x[:, None]) for k, x in enumerate(every)]
        crossed = [
            self.mix[n + 1 + k](every[q], every[kv], every[kv])[0]
            for k, (q, kv) in enumerate(pairs)
        ]
        slots = self.mix[n](torch.cat(crossed, dim=1))  # T S 128, read as (sequence, batch, width)
        last = self.mix[n + 1 + len(pairs)]
        return last(slots, slots, slots)[0][:, -1]

    def __call__(self, xs: list[Any]) -> Any:
        """Logits ``(T, 2)`` of rows ``(T, D)`` per modality."""
        functional = torch.nn.functional
        hs = []
        for blocks, norm, x in zip(self.temporal, self.norm, xs, strict=True):
            h = x.T[None]
            for n, parts in enumerate(blocks):
                y = h
                for conv in parts[:2]:
                    conv.dilation = (2**n,)
                    y = functional.leaky_relu(conv(functional.pad(y, (4 * 2**n, 0))))
                h = y + (parts[2](h) if len(parts) > 2 else h)
            hs.append(norm(h)[0].T)
        if self.kind in ("mt", "jmt"):
            z = self.mix[-1](self.mix[-2](self.streams(*hs)))
            return self.out(functional.leaky_relu(z))
        projected = [p(h) for p, h in zip(self.project, hs, strict=True)]
        if self.kind == "can":
            c = torch.cat(projected, dim=-1)
            z = self.mix[0](c).softmax(-1) * c
            return self.out(functional.leaky_relu(self.mix[2](self.mix[1](z))))
        t = len(xs[0])
        split = torch.stack(projected, dim=1).reshape(t, len(xs), 3, 2, 16)
        q, k, v = split.permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-1, -2) / 4).softmax(-1)
        follower = (weights @ v + v).transpose(1, 2).reshape(t, -1)
        return self.out(torch.cat([hs[0], self.mix(follower)], dim=-1))


TRACKS = {512: "video_embedding", 128: "audio_embedding", 768: "text_embedding"}


LAID_OUT = [(k, w) for k in ("lfan", "can") for w in ((512, 128, 768), (512, 128), (768,))]
LAID_OUT += [("mt", (512, 128)), ("jmt", (512, 128))]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "widths"), LAID_OUT)
def test_a_fusion_answers_as_the_network_of_the_file(
    tmp_path: Path, kind: str, widths: tuple[int, ...]
) -> None:
    theirs = Published(kind, widths)
    torch.save({"state_dict": theirs.whole.state_dict()}, tmp_path / "best.pth")
    said = import_weights(tmp_path / "best.pth", "bah-fusion", Asked("here", "MIT"), tmp_path / "m")
    assert said["kind"] == kind
    assert said["reads"] == [TRACKS[width] for width in widths]
    model = fusion.load(tmp_path / "m")
    same_answers(model, theirs, widths)


def same_answers(model: Any, theirs: Published, widths: tuple[int, ...]) -> None:
    """A model gives the rows of a network of the file."""
    rng = np.random.default_rng(0)
    n = 40
    rows = [rng.normal(size=(n, width)).astype(np.float32) for width in widths]
    times_s = (np.arange(n) + 0.5) / 24
    tracks = {}
    for width, values in zip(widths, rows, strict=True):
        tracks[TRACKS[width]] = Track(values, times_s, np.ones(n, bool))
    from twomind.models.fusion.input import grid_of
    from twomind.models.fusion.run import rows_of

    x = Features("r", "p", tracks, (0.0, n / 24))
    got, _ = rows_of(model.net, grid_of(x, model.recipe))
    with torch.no_grad():
        wanted = theirs([torch.from_numpy(values) for values in rows]).numpy()
    np.testing.assert_allclose(got.logits, wanted, atol=1e-4)
    assert np.isfinite(model.predict(x).probs).all()


@pytest.mark.slow
def test_a_map_of_names_says_what_order_cannot(tmp_path: Path) -> None:
    """Two attentions of one shape were declared the other way round, and only the map knows."""
    theirs = Published("mt", (512, 128))
    state = dict(theirs.whole.state_dict())
    turned = {}
    for name, value in state.items():
        one, other = "d.3.", "d.4."
        swapped = name.replace(one, "?").replace(other, one).replace("?", other)
        turned[swapped] = value
    turned = {name: turned[name] for name in state}
    torch.save(turned, tmp_path / "mt.pth")
    names = tmp_path / "names.tsv"
    names.write_text("# by hand\nhead.cross.0\td.4\nhead.cross.1\td.3\n", encoding="utf-8")
    asked = Asked(names=names)
    import_weights(tmp_path / "mt.pth", "bah-fusion", asked, tmp_path / "named")
    same_answers(fusion.load(tmp_path / "named"), theirs, (512, 128))
    by_order = import_weights(tmp_path / "mt.pth", "bah-fusion", Asked(), tmp_path / "order")
    assert by_order["kind"] == "mt"
    assert "modules.tsv" in by_order["read_by"]
    with pytest.raises(AssertionError):
        same_answers(fusion.load(tmp_path / "order"), theirs, (512, 128))
    written = tmp_path / "named" / "modules.tsv"
    assert "head.cross.0\td.4\n" in written.read_text(encoding="utf-8")
    again = import_weights(
        tmp_path / "mt.pth", "bah-fusion", Asked(names=written), tmp_path / "again"
    )
    assert again["n"] == by_order["n"]
    same_answers(fusion.load(tmp_path / "again"), theirs, (512, 128))


@pytest.mark.slow
def test_a_map_of_other_modules_is_refused(tmp_path: Path) -> None:
    torch.save(Published("lfan", (128,)).whole.state_dict(), tmp_path / "lfan.pth")
    names = tmp_path / "names.tsv"
    for line, why in (
        ("head.out", "line 1: expected the name of a module here, a tab"),
        ("head.out\td.0\nhead.norm\td.0", "line 2: a module is named twice"),
        ("head.nothing\td.0", r"head\.nothing \(no module here\)"),
        ("head.out\td.9", r"d\.9 \(not in the file\)"),
        ("head.out\td.1", r"d\.1 \(no linear, as head\.out is\)"),
    ):
        names.write_text(line, encoding="utf-8")
        with pytest.raises(BadInput, match=why):
            import_weights(tmp_path / "lfan.pth", "bah-fusion", Asked(names=names), tmp_path / "m")
    with pytest.raises(BadInput, match="--map goes with"):
        import_weights(tmp_path / "lfan.pth", "vggish", Asked(names=names), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    theirs = Published("lfan", (128,))
    state = dict(theirs.whole.state_dict())
    state["e.weight"] = torch.zeros(3, 64)
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(BadInput, match=r"frame\.weight is") as error:
        import_weights(tmp_path / "odd.pth", "bah-fusion", Asked(), tmp_path / "m")
    assert "nearest: lfan of audio_embedding" in str(error.value)
    with pytest.raises(BadInput, match="ResNet, ViT or CLIP"):
        import_weights(tmp_path / "odd.pth", "apvit", Asked(), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_vggish_becomes_a_folder_that_an_encoder_is_opened_from(tmp_path: Path) -> None:
    from twomind.encoders.vggish import Vggish, encode_vggish

    tensors = bah_tiny.vggish_tensors()
    torch.save(tensors, tmp_path / "vggish.pth")
    said = import_weights(tmp_path / "vggish.pth", "vggish", Asked(), tmp_path / "v")
    assert said["n"] == 18
    encoder = Vggish(str(tmp_path / "v"))
    wave = np.random.default_rng(0).normal(size=16000)
    track = encode_vggish(encoder, wave, 0.0, np.array([0.2, 0.5]))
    assert track.values.shape == (2, 8)
    torch.save({**tensors, "embeddings.2.weight": torch.zeros(16, 15)}, tmp_path / "odd.pth")
    with pytest.raises(BadInput, match=r"embeddings\.2\.weight is"):
        import_weights(tmp_path / "odd.pth", "vggish", Asked(), tmp_path / "w")
