"""Published checkpoints of the BAH baselines: fusions (LFAN, CAN, MT, JMT) and VGGish, by kind of
module and shape.

How the published modules are called is not known here, so a file is taken for what it is by the order
of its modules: weight-normed convolutions, 1x1 convolutions, normalisations, linear layers and
attentions, each kind in the order of its declaration, must have exactly the published widths. Two
modules of one kind and shape that were declared in another order cannot be told apart: a map of names
(``Asked.names``) says which is which, and the card says how each was found.
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
KINDS = ("lfan", "can", "mt", "jmt")
#: The modalities of MT and JMT.
_OF_STREAMS = ("video_embedding", "audio_embedding")
#: Ends the name of a kind of module inside a transformer layer.
_OF_ENCODER = " of an encoder"
_HOP_S = 1 / 24
#: What newer releases of torch call the halves of a weight norm.
_NEW_NAMES = {
    "parametrizations.weight.original0": "weight_g",
    "parametrizations.weight.original1": "weight_v",
}

#: The tensors of a module by their last name.
Module = dict[str, Tensor]


@dataclass(frozen=True)
class _Found:
    """A module of a file, under its name there."""

    place: str
    tensors: Module


@dataclass(frozen=True)
class _Wanted:
    """A module of ours, the names of its tensors, and how many input columns are of the mask."""

    place: str
    names: Mapping[str, str]  # their last name → our whole name
    masked: int = 0


#: Modules by kind, in the order of their declaration.
_Modules = Mapping[str, Sequence[_Found]]
_Ours = Mapping[str, Sequence[_Wanted]]


def read_bah_fusion(path: Path, asked: Asked) -> FusionRecogniser:
    """A fusion of the BAH baselines.

    Raises:
        BadInput: it fits no kind and no set of modalities; the message says what it lacks of the
            nearest. Or the map of names is of other modules.
    """
    found = _modules(read_tensors(path))
    named = {} if asked.names is None else read_names(asked.names)
    n = {kind: len(own) for kind, own in found.items()}
    nearest: tuple[int, str, Fit] | None = None
    for kind in KINDS:
        for tracks in _sets(kind):
            net = _new(kind, tracks)
            wanted = _wanted(net, tracks)
            placed, unplaced = _placed(found, wanted, named)
            fit = _fit(placed, wanted, net)
            fit = Fit(fit.missing, (*fit.unknown, *unplaced), fit.shapes)
            if not (fit.missing or fit.unknown or fit.shapes):
                return _filled(net, placed, wanted, asked, tracks)
            off = len(fit.missing) + len(fit.unknown) + len(fit.shapes)
            if nearest is None or off < nearest[0]:
                nearest = (off, f"{kind} of {', '.join(tracks)}", fit)
    assert nearest is not None
    _, name, fit = nearest
    fit.check(path, f"a fusion of BAH (nearest: {name}; it has {n})")
    raise AssertionError("unreachable")


def read_names(path: Path) -> dict[str, str]:
    """Names of modules here → names in a file, from lines of the two with a tab between them; a line
    that begins with ``#`` says nothing.

    Raises:
        BadInput: a line holds something else, or a module is named twice.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        ours, _, theirs = (part.strip() for part in line.partition("\t"))
        if not ours or not theirs:
            raise BadInput(
                f"{path}, line {number}: expected the name of a module here, a tab, and its name in "
                f"the file, got {line!r}"
            )
        if ours in found or theirs in found.values():
            raise BadInput(f"{path}, line {number}: a module is named twice")
        found[ours] = theirs
    return found


def _sets(kind: str) -> Iterator[tuple[str, ...]]:
    """Which modalities a file may be of, more first."""
    if kind in ("mt", "jmt"):
        yield _OF_STREAMS
        return
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
        # The weights of MT and JMT were trained by the published code, and mean what it does.
        released = kind in ("mt", "jmt")
        return FusionNet(published(kind, tracks, released), recipe, len(AMBIVALENCE.classes))


def _modules(tensors: Mapping[str, Tensor]) -> dict[str, list[_Found]]:
    """Modules of a file by kind, in the order of their declaration."""
    each: dict[str, Module] = {}
    for name, value in tensors.items():
        for new, old in _NEW_NAMES.items():
            name = name.replace(new, old)
        place, _, last = name.rpartition(".")
        if last != "num_batches_tracked":
            each.setdefault(place, {})[last] = value.float()
    whole = _with_attentions(each)
    encoders = _encoders(whole)
    found: dict[str, list[_Found]] = {}
    for place, module in whole.items():
        kind = _kind_of(module)
        if _parent(place) in encoders:
            kind += _OF_ENCODER
        found.setdefault(kind, []).append(_Found(place, module))
    return found


def _parent(place: str) -> str:
    return place.rpartition(".")[0]


def _with_attentions(each: Mapping[str, Module]) -> dict[str, Module]:
    """The modules, where those of an attention (three matrices in one, and what follows) are one."""
    found = {}
    for place, module in each.items():
        if place.endswith(".out_proj") and "in_proj_weight" in each.get(_parent(place), {}):
            continue
        found[place] = module
        if "in_proj_weight" not in module:
            continue
        parts = {}
        for last in ("weight", "bias"):
            stacked = module.get(f"in_proj_{last}")
            if stacked is not None and len(stacked) % 3 == 0:
                for name, part in zip("qkv", stacked.chunk(3), strict=True):
                    parts[f"{name}.{last}"] = part
        for last, value in each.get(f"{place}.out_proj", {}).items():
            parts[f"out.{last}"] = value
        found[place] = parts
    return found


def _encoders(modules: Mapping[str, Module]) -> set[str]:
    """Names of transformer layers: what holds an attention and normalises."""
    attentions = {_parent(place) for place, one in modules.items() if _kind_of(one) == "attention"}
    normed = {_parent(place) for place, one in modules.items() if _kind_of(one) == "layer norm"}
    return attentions & normed


def _kind_of(module: Mapping[str, Tensor]) -> str:
    if "weight_v" in module:
        return "convolution"
    if "running_mean" in module:
        return "batch norm"
    if "q.weight" in module:
        return "attention"
    weight = module.get("weight")
    if weight is None:
        return "other"
    return {3: "1x1 convolution", 2: "linear", 1: "layer norm"}.get(weight.ndim, "other")


def _wanted(net: FusionNet, tracks: Sequence[str]) -> dict[str, list[_Wanted]]:
    """Our modules by kind, in the order of the published declaration."""
    found: dict[str, list[_Wanted]] = {}
    for track in tracks:
        for kind, one in _of_convolutions(net, track):
            found.setdefault(kind, []).append(one)
    for kind, one in _of_head(net.state_dict()):
        found.setdefault(kind, []).append(one)
    found["linear"].append(_Wanted("frame", _plain("frame")))
    return found


def _of_convolutions(net: FusionNet, track: str) -> Iterator[tuple[str, _Wanted]]:
    """The modules of a modality's own convolutions, with their kinds."""
    convolutions = net.tcn[track]
    assert isinstance(convolutions, TCN)
    for n, block in enumerate(convolutions.blocks):
        assert isinstance(block, Block)
        at = f"tcn.{track}.blocks.{n}"
        masked = WIDTHS[track] if n == 0 else 0
        for part, own in (("first", masked), ("second", 0)):
            place = f"{at}.{part}"
            names = {"weight_g": f"{place}.g", "weight_v": f"{place}.v", "bias": f"{place}.bias"}
            yield "convolution", _Wanted(place, names, own)
        skip = block.skip
        # Where the first block is as wide as its input, only ours has weights there.
        if isinstance(skip, torch.nn.Conv1d) and skip.out_channels != masked:
            yield "1x1 convolution", _Wanted(f"{at}.skip", _plain(f"{at}.skip"), masked)
    yield "batch norm", _Wanted(f"tcn.{track}.norm", _normed(f"tcn.{track}.norm"))


def _of_head(state: Mapping[str, Tensor]) -> Iterator[tuple[str, _Wanted]]:
    """The modules of the head, with their kinds."""
    named = [name.removesuffix(".weight") for name in state if name.endswith(".weight")]
    head = [place for place in named if place.startswith("head.")]
    attentions = [_parent(place) for place in head if place.endswith(".q")]
    for place in head:
        if place == _SAME and attentions:
            continue  # the video of the published MT and JMT is as wide as a stream
        ending = _OF_ENCODER if ".encode." in place or ".slot_encoder." in place else ""
        whole = _parent(place)
        if whole not in attentions:
            yield _of_one(place, state, ending)
        elif place.endswith(".q"):
            yield "attention" + ending, _Wanted(whole, _of_attention(whole))


def _of_one(place: str, state: Mapping[str, Tensor], ending: str) -> tuple[str, _Wanted]:
    if f"{place}.running_mean" in state:
        return "batch norm", _Wanted(place, _normed(place))
    is_norm = state[f"{place}.weight"].ndim == 1
    kind = "layer norm" if is_norm else "linear"
    return kind + ending, _Wanted(place, _plain(place))


def _of_attention(place: str) -> dict[str, str]:
    """The tensors of an attention of ours."""
    found = {}
    for part in ("q", "k", "v", "out"):
        for last in ("weight", "bias"):
            name = f"{part}.{last}"
            found[name] = f"{place}.{name}"
    return found


#: Where MT and JMT would project the video.
_SAME = "head.project.0"


def _placed(
    found: _Modules, wanted: _Ours, named: Mapping[str, str]
) -> tuple[dict[str, list[_Found]], list[str]]:
    """The modules of a file, those that are named each at the place of ours, the others in their
    order around them; and what cannot be placed so.
    """
    of_file = _places(found)
    of_ours = _places(wanted)
    unplaced = [f"{name} (no module here)" for name in named if name not in of_ours]
    unplaced += [f"{name} (not in the file)" for name in named.values() if name not in of_file]
    placed = {}
    for kind, theirs in found.items():
        by_name = {one.place: one for one in theirs}
        others = [one for one in theirs if one.place not in named.values()]
        rest = iter(others)
        order: list[_Found] = []
        for one in wanted.get(kind, ()):
            name = named.get(one.place)
            chosen = next(rest, None) if name is None else by_name.get(name)
            if chosen is not None:
                order.append(chosen)
            elif name in of_file:
                unplaced.append(f"{name} (no {kind}, as {one.place} is)")
        placed[kind] = [*order, *rest]
    return placed, unplaced


def _places(modules: _Modules | _Ours) -> set[str]:
    found: set[str] = set()
    for some in modules.values():
        found.update(one.place for one in some)
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


def _fit(found: _Modules, wanted: _Ours, net: FusionNet) -> Fit:
    state = net.state_dict()
    missing: list[str] = []
    unknown: list[str] = []
    shapes: list[str] = []
    for kind in dict.fromkeys((*wanted, *found)):
        theirs, ours = found.get(kind, ()), wanted.get(kind, ())
        missing += [f"{kind} for {one.place}" for one in ours[len(theirs) :]]
        unknown += [f"{kind} {one.place}" for one in theirs[len(ours) :]]
        for module, one in zip(theirs, ours, strict=False):
            for last, name in one.names.items():
                value = module.tensors.get(last)
                like = state[name]
                if value is None:
                    missing.append(f"{last} of {kind} {module.place}")
                elif _laid(value, like, one.masked) is None:
                    got = tuple(value.shape)
                    wanted_shape = tuple(like.shape)
                    at = f"{module.place}.{last}"
                    shapes.append(f"{kind} {at} is {got}, {name} is {wanted_shape}")
    return Fit(tuple(missing), tuple(unknown), tuple(shapes))


def _filled(
    net: FusionNet,
    found: _Modules,
    wanted: _Ours,
    asked: Asked,
    tracks: Sequence[str],
) -> FusionRecogniser:
    state = net.state_dict()
    for kind, ours in wanted.items():
        for module, one in zip(found[kind], ours, strict=True):
            for last, name in one.names.items():
                value = _laid(module.tensors[last], state[name], one.masked)
                assert value is not None
                state[name] = value
    for track in tracks:
        _pass_through(state, track)
    if net.config.released:
        width = net.config.width
        state[f"{_SAME}.weight"] = torch.eye(width)
        state[f"{_SAME}.bias"] = torch.zeros(width)
    net.load_state_dict(state)
    net.eval().requires_grad_(False)
    nothing = [0.0] * net.n_classes
    card: dict[str, object] = {"format": FORMAT, **asked.card}
    some_named = "" if asked.names is None else "; some by a map of names"
    card["read_by"] = f"kind of module, order and shape{some_named}"
    modules = {}
    for kind, ours in wanted.items():
        for module, one in zip(found[kind], ours, strict=True):
            modules[one.place] = module.place
    card["modules"] = modules
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


__all__ = ["WIDTHS", "VggishFile", "read_bah_fusion", "read_vggish"]
