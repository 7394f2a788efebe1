"""Published checkpoints of the BAH baselines: fusions (LFAN, CAN) and VGGish, by kind of module and shape.

How the published modules are called is not known here, so a file is taken for what it is by the order
of its modules: weight-normed convolutions, 1x1 convolutions, normalisations and linear layers, each kind
in the order of its declaration, must have exactly the published widths. Two convolutions of one shape
that were declared in another order cannot be told apart; the card says that it was read so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from twomind.core.errors import BadInput
from twomind.core.store import write_arrays, write_text
from twomind.encoders import vggish
from twomind.models.fusion.input import default_recipe
from twomind.models.fusion.net import FusionNet, published
from twomind.models.fusion.recogniser import FORMAT, FusionRecogniser
from twomind.models.fusion.tcn import TCN, Block
from twomind.training.published import Asked, Fit, read_tensors
from twomind.types import AMBIVALENCE

#: Widths of the published features, by track, in the order in which they are declared.
WIDTHS = {"video_embedding": 512, "audio_embedding": 128, "text_embedding": 768}
KINDS = ("lfan", "can")
_HOP_S = 1 / 24
#: What newer releases of torch call the halves of a weight norm.
_NEW_NAMES = {
    "parametrizations.weight.original0": "weight_g",
    "parametrizations.weight.original1": "weight_v",
}

#: The tensors of a module by their last name.
Module = dict[str, Tensor]


@dataclass(frozen=True)
class _Wanted:
    """A module of ours: the names of its tensors, and how many input columns are of the mask."""

    names: Mapping[str, str]  # their last name → our whole name
    masked: int = 0


def read_bah_fusion(path: Path, asked: Asked) -> FusionRecogniser:
    """A fusion of the BAH baselines.

    Raises:
        BadInput: it fits no kind and no set of modalities; the message says what it lacks of the
            nearest.
    """
    found = _modules(read_tensors(path))
    n = {kind: len(own) for kind, own in found.items()}
    nearest: tuple[int, str, Fit] | None = None
    for kind in KINDS:
        for tracks in _sets():
            net = _new(kind, tracks)
            wanted = _wanted(net, tracks)
            fit = _fit(found, wanted, net)
            if not (fit.missing or fit.unknown or fit.shapes):
                return _filled(net, found, wanted, asked, tracks)
            off = len(fit.missing) + len(fit.unknown) + len(fit.shapes)
            if nearest is None or off < nearest[0]:
                nearest = (off, f"{kind} of {', '.join(tracks)}", fit)
    assert nearest is not None
    _, name, fit = nearest
    fit.check(path, f"a fusion of BAH (nearest: {name}; it has {n})")
    raise AssertionError("unreachable")


def _sets() -> Iterator[tuple[str, ...]]:
    """Which modalities a file may be of, more first."""
    tracks = tuple(WIDTHS)
    yield tracks
    for left_out in tracks:
        yield tuple(track for track in tracks if track != left_out)
    for track in tracks:
        yield (track,)


def _new(kind: str, tracks: Sequence[str]) -> FusionNet:
    widths = {track: WIDTHS[track] for track in tracks}
    recipe = default_recipe(tracks, hop_s=_HOP_S, questions=(), embeddings=widths)
    with torch.random.fork_rng(devices=[]):
        return FusionNet(published(kind, tracks), recipe, len(AMBIVALENCE.classes))


def _modules(tensors: Mapping[str, Tensor]) -> dict[str, list[Module]]:
    """Modules of a file by kind, in the order of their declaration."""
    each: dict[str, Module] = {}
    for name, value in tensors.items():
        for new, old in _NEW_NAMES.items():
            name = name.replace(new, old)
        place, _, last = name.rpartition(".")
        if last != "num_batches_tracked":
            each.setdefault(place, {})[last] = value.float()
    found: dict[str, list[Module]] = {}
    for module in each.values():
        found.setdefault(_kind_of(module), []).append(module)
    return found


def _kind_of(module: Mapping[str, Tensor]) -> str:
    if "weight_v" in module:
        return "convolution"
    if "running_mean" in module:
        return "batch norm"
    weight = module.get("weight")
    if weight is None:
        return "other"
    return {3: "1x1 convolution", 2: "linear", 1: "layer norm"}.get(weight.ndim, "other")


def _wanted(net: FusionNet, tracks: Sequence[str]) -> dict[str, list[_Wanted]]:
    """Our modules by kind, in the order of the published declaration."""
    found: dict[str, list[_Wanted]] = {}
    for track in tracks:
        convolutions = net.tcn[track]
        assert isinstance(convolutions, TCN)
        for n, block in enumerate(convolutions.blocks):
            assert isinstance(block, Block)
            at = f"tcn.{track}.blocks.{n}"
            masked = WIDTHS[track] if n == 0 else 0
            for part, own in (("first", masked), ("second", 0)):
                names = {"weight_g": f"{at}.{part}.g", "weight_v": f"{at}.{part}.v"}
                names["bias"] = f"{at}.{part}.bias"
                found.setdefault("convolution", []).append(_Wanted(names, own))
            skip = block.skip
            # Where the first block is as wide as its input, only ours has weights there.
            if isinstance(skip, torch.nn.Conv1d) and skip.out_channels != masked:
                one = _Wanted(_plain(f"{at}.skip"), masked)
                found.setdefault("1x1 convolution", []).append(one)
        found.setdefault("batch norm", []).append(_Wanted(_normed(f"tcn.{track}.norm")))
    state = net.state_dict()
    for name in state:
        if not name.startswith("head.") or not name.endswith(".weight"):
            continue
        place = name.removesuffix(".weight")
        if f"{place}.running_mean" in state:
            found.setdefault("batch norm", []).append(_Wanted(_normed(place)))
        elif state[name].ndim == 1:
            found.setdefault("layer norm", []).append(_Wanted(_plain(place)))
        else:
            found.setdefault("linear", []).append(_Wanted(_plain(place)))
    found["linear"].append(_Wanted(_plain("frame")))
    return found


def _plain(place: str) -> dict[str, str]:
    return {"weight": f"{place}.weight", "bias": f"{place}.bias"}


def _normed(place: str) -> dict[str, str]:
    moments = {name: f"{place}.{name}" for name in ("running_mean", "running_var")}
    return _plain(place) | moments


def _laid(value: Tensor, like: Tensor, masked: int) -> Tensor | None:
    """A published tensor in our shape; None where it does not fit. Ours also reads whether a column
    was measured: the published network did not, so those columns weigh nothing.
    """
    if masked and value.ndim == 3 and value.shape[1] == masked:
        of_mask = torch.zeros_like(value)
        value = torch.cat([value, of_mask], dim=1)
    if value.ndim == like.ndim and value.shape != like.shape:
        return None
    return value.reshape(like.shape) if value.numel() == like.numel() else None


def _fit(
    found: Mapping[str, Sequence[Module]], wanted: Mapping[str, Sequence[_Wanted]], net: FusionNet
) -> Fit:
    state = net.state_dict()
    missing: list[str] = []
    unknown: list[str] = []
    shapes: list[str] = []
    for kind in dict.fromkeys((*wanted, *found)):
        theirs, ours = found.get(kind, ()), wanted.get(kind, ())
        missing += [f"{kind} for {next(iter(one.names.values()))}" for one in ours[len(theirs) :]]
        unknown += [f"{kind} {n + 1}" for n in range(len(ours), len(theirs))]
        pairs = zip(theirs, ours, strict=False)
        for n, (module, one) in enumerate(pairs, 1):
            for last, name in one.names.items():
                value = module.get(last)
                like = state[name]
                if value is None:
                    missing.append(f"{last} of {kind} {n}")
                elif _laid(value, like, one.masked) is None:
                    got = tuple(value.shape)
                    wanted_shape = tuple(like.shape)
                    shapes.append(f"{kind} {n} {last} is {got}, {name} is {wanted_shape}")
    return Fit(tuple(missing), tuple(unknown), tuple(shapes))


def _filled(
    net: FusionNet,
    found: Mapping[str, Sequence[Module]],
    wanted: Mapping[str, Sequence[_Wanted]],
    asked: Asked,
    tracks: Sequence[str],
) -> FusionRecogniser:
    state = net.state_dict()
    for kind, ours in wanted.items():
        for module, one in zip(found[kind], ours, strict=True):
            for last, name in one.names.items():
                value = _laid(module[last], state[name], one.masked)
                assert value is not None
                state[name] = value
    for track in tracks:
        _pass_through(state, track)
    net.load_state_dict(state)
    net.eval().requires_grad_(False)
    nothing = [0.0] * net.n_classes
    card: dict[str, object] = {"format": FORMAT, **asked.card}
    card["read_by"] = "kind of module, order and shape; the names of the file were not used"
    card["reads"] = {track: WIDTHS[track] for track in tracks}
    card["scales"] = "not in the file: rows have to be on the scale that it was trained on"
    card["training"] = {"settings": "not in the file"}
    card["drawn"] = False
    card["calibration"] = {}
    card["reference"] = {"content": nothing, "question": nothing}
    card["config"] = asdict(net.config)
    return FusionRecogniser(AMBIVALENCE, net, card)


def _pass_through(state: dict[str, Tensor], track: str) -> None:
    """Where the first block is as wide as its input, the published one hands it on as it is; ours,
    which also reads the mask, has weights there.
    """
    name = f"tcn.{track}.blocks.0.skip"
    weight = state[f"{name}.weight"]
    n = WIDTHS[track]
    if weight.shape[0] == n:
        same = torch.eye(n)
        state[f"{name}.weight"] = torch.cat([same, torch.zeros(n, n)], dim=1)[..., None]
        state[f"{name}.bias"] = torch.zeros(n)


# --- VGGish


@dataclass(frozen=True)
class VggishFile:
    """VGGish under its published names, to be written as a folder that an encoder is opened from."""

    weights: Mapping[str, Tensor]

    def save(self, folder: Path) -> Path:
        """``vggish.safetensors`` and ``config.json``."""
        arrays = {name: value.numpy() for name, value in self.weights.items()}
        path = write_arrays(folder / "vggish.safetensors", arrays, {})
        write_text(folder / "config.json", '{"model_type": "vggish"}\n')
        return path


def read_vggish(path: Path) -> VggishFile:
    """VGGish's convolutions and linear layers: ``features.N.*`` and ``embeddings.N.*``.

    Raises:
        BadInput: a tensor is missing, unknown or of a shape that does not follow the one before.
    """
    found = {name: value.float() for name, value in read_tensors(path).items()}
    wanted = vggish.names()
    missing = tuple(name for name in wanted if name not in found)
    unknown = tuple(name for name in found if name not in wanted and not name.startswith("pproc."))
    Fit(missing, unknown, ()).check(path, "VGGish")
    shapes = []
    n_in = 1
    for n in vggish.CONVOLUTIONS:
        name = f"features.{n}.weight"
        shape = tuple(found[name].shape)
        if shape[1:] != (n_in, 3, 3):
            shapes.append(f"{name} is {shape}, wanted (*, {n_in}, 3, 3)")
        n_in = shape[0]
    n_in *= (vggish.PATCH // 16) * (vggish.BANDS // 16)
    for n in vggish.LINEARS:
        name = f"embeddings.{n}.weight"
        shape = tuple(found[name].shape)
        if shape[1:] != (n_in,):
            shapes.append(f"{name} is {shape}, wanted (*, {n_in})")
        n_in = shape[0]
    Fit((), (), tuple(shapes)).check(path, "VGGish")
    return VggishFile({name: found[name] for name in wanted})


def no_apvit(path: Path) -> BadInput:
    """Why an APViT is not imported."""
    return BadInput(
        f"{path}: APViT is not read: its network (pooling by attention inside a vision transformer "
        "behind an IR-50) is not part of twomind, and weights without a network answer nothing. Give "
        "a ResNet, ViT or CLIP as `reproduce bah --table supervised --set cnn=FOLDER`"
    )


__all__ = ["WIDTHS", "VggishFile", "no_apvit", "read_bah_fusion", "read_vggish"]
