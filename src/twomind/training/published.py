"""Published checkpoints: state dicts by name and shape, written again as safetensors with a card.

Nothing in a file is executed: it is read as weights only. What does not fit is said name by name. A
tensor is taken for what it is by its name below the module that the released programs call it by;
modules of the same kind lie in the order of their declaration.

These readers are proven on files that the tests make in the published layouts. Whether an author's
file is of that layout shows only when it is read.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput, MissingExtra
from twomind.core.store import write_arrays, write_text
from twomind.models.base import write_card
from twomind.models.dsfda import net
from twomind.models.dsfda.recogniser import Dsfda
from twomind.types import Task
from twomind.types.plain import Plain

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtra("torch", "reading published checkpoints") from error

#: Names that a wrapper puts before every tensor, or around the whole.
_WRAPPERS = ("module.", "model.")
_WHOLE = ("state_dict", "model_state_dict", "model")
_UNREADABLE = (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError)
#: How many names a message shows of each kind.
_SHOWN = 8
#: Released module of DSFDA → our part.
_DSFDA_PARTS = {
    "enc_FR": "identity",
    "enc_ER": "expression",
    "fc_ER": "head",
    "dec": "decoder",
    "Dis_FR": "identity_critic",
    "Dis_ER": "expression_critic",
}


@dataclass(frozen=True)
class Asked:
    """What is said of a checkpoint that it does not say itself."""

    source: str = ""  # where the file came from
    licence: str = ""
    task: Task = field(default_factory=lambda: Task("pain", ("neutral", "pain"), "clip"))
    encoder: str = "vit-b-32"  # of CLIP-AU: the CLIP that it was trained on
    phrases: Path | None = None  # of CLIP-AU: its very phrases

    @property
    def card(self) -> dict[str, str]:
        """What every card says."""
        return {
            "source": self.source or "not stated",
            "licence": self.licence or "not stated",
            "imported": "by name and shape; the numbers were not changed",
        }


@dataclass(frozen=True)
class Fit:
    """How the tensors of a file lie on those that are wanted."""

    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()

    def check(self, path: Path, kind: str) -> None:
        """Refuse a file that does not fit, saying exactly where.

        Raises:
            BadInput: something is missing, unknown or of another shape.
        """
        parts = []
        for what in ("missing", "unknown", "shapes"):
            names: tuple[str, ...] = getattr(self, what)
            if names:
                more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
                parts.append(f"{what}: {', '.join(names[:_SHOWN])}{more}")
        if parts:
            raise BadInput(f"{path}: not the layout of {kind}; {'; '.join(parts)}")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a checkpoint by its dotted name, without the names of wrappers.

    Raises:
        BadInput: no such file, not weights alone, or no tensor in it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            found: Any = load_file(str(path))
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (*_UNREADABLE, SafetensorError) as error:
        first = str(error).strip().splitlines()[:1]
        raise BadInput(
            f"{path}: expected a checkpoint that holds only weights (.pth, .pt or .safetensors); it "
            f"cannot be read: {''.join(first)}"
        ) from error
    if not isinstance(found, Mapping):
        raise BadInput(f"{path}: expected a dict of state dicts, got {type(found).__name__}")
    for name in _WHOLE:
        if isinstance(found.get(name), Mapping):
            found = found[name]
            break
    tensors = {}
    for name, value in _flat(found, ""):
        for wrapper in _WRAPPERS:
            name = name.removeprefix(wrapper)
        tensors[name] = value
    if not tensors:
        raise BadInput(f"{path}: expected tensors by name, found none")
    return tensors


def _flat(tree: Mapping[str, Any], prefix: str) -> list[tuple[str, Tensor]]:
    found: list[tuple[str, Tensor]] = []
    for name, value in tree.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{name}.")
        elif isinstance(value, Tensor):
            found.append((f"{prefix}{name}", value))
    return found


def _in_order(found: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]]) -> Fit:
    """How tensors in order of declaration lie on wanted shapes in the same order."""
    shapes = []
    for (name, value), (ours, shape) in zip(found.items(), wanted.items(), strict=False):
        if tuple(value.shape) != shape:
            shapes.append(f"{name} is {tuple(value.shape)}, {ours} is {shape}")
    names = tuple(found)[len(wanted) :]
    missing = tuple(wanted)[len(found) :]
    return Fit(missing, names, tuple(shapes))


# --- DSFDA


def import_dsfda(path: Path, asked: Asked, out: Path) -> Plain:
    """DSFDA's networks: ``enc_FR``, ``enc_ER``, ``fc_ER``, ``dec`` and, where they are, ``Dis_FR``
    and ``Dis_ER``. What is not in the file is drawn anew, and the card says so.
    """
    by_part, unknown = _parts_of_dsfda(read_tensors(path))
    n_classes = len(asked.task.classes)
    n_people = _n_people(by_part)
    wanted = net.shapes(net.FULL, n_classes, n_people)
    weights = net.new_weights(net.FULL, n_classes, n_people)
    drawn = []
    missing: list[str] = []
    shapes: list[str] = []
    for released, part in _DSFDA_PARTS.items():
        own = {name: shape for name, shape in wanted.items() if net.part(name) == part}
        found = by_part.get(part, {})
        if not found and part.endswith("critic"):
            drawn.append(released)
            continue
        fit = _in_order(found, own)
        missing += fit.missing
        unknown += fit.unknown
        shapes += fit.shapes
        for ours, value in zip(own, found.values(), strict=False):
            weights[ours] = value.float()
    Fit(tuple(missing), tuple(unknown), tuple(shapes)).check(path, "DSFDA")
    training = {"drawn_anew": drawn, "prototypes": "none in the file: make them from source people"}
    card = {**asked.card, "population": "not stated", "training": training}
    Dsfda(asked.task, weights, card=card).save(out)
    return {"as": "dsfda", "model": str(out), "n": len(weights), "drawn_anew": drawn}


def _parts_of_dsfda(
    tensors: Mapping[str, Tensor],
) -> tuple[dict[str, dict[str, Tensor]], list[str]]:
    """Tensors by our part, and the names that belong to none."""
    by_part: dict[str, dict[str, Tensor]] = {}
    unknown = []
    for name, value in tensors.items():
        steps = name.removeprefix("Gen.").split(".")
        part = _DSFDA_PARTS.get(steps[0])
        if part is None:
            unknown.append(name)
        else:
            by_part.setdefault(part, {})[name] = value
    return by_part, unknown


def _n_people(by_part: Mapping[str, Mapping[str, Tensor]]) -> int:
    """How many identities the identity critic tells, without the class "generated"."""
    critic = list(by_part.get("identity_critic", {}).values())
    return max(int(critic[-1].shape[0]) - 1, 1) if critic else 1


# --- SFDA-PFT


def import_pft(path: Path, asked: Asked, out: Path) -> Plain:
    """SFDA-PFT's translator: ``net.0`` and ``net.2`` (``net.4``), alone or below ``translator``.

    It is written under the names of a source summary. The ResNet-18 before it is kept beside it.
    """
    tensors = read_tensors(path)
    layers: dict[str, Tensor] = {}
    extractor: dict[str, Tensor] = {}
    unknown = []
    for name, value in tensors.items():
        own = name.removeprefix("translator.")
        if own.startswith("net."):
            layers[own.replace("net.", "layers.")] = value.float()
        elif name.startswith("feature_extractor."):
            extractor[name] = value
        else:
            unknown.append(name)
    first = layers.get("layers.0.weight")
    dim = int(first.shape[0]) if first is not None and first.ndim == 2 else 512
    wanted: dict[str, tuple[int, ...]] = {}
    for k in range(2 if "layers.4.weight" not in layers else 3):
        wanted[f"layers.{2 * k}.weight"] = (dim, dim)
        wanted[f"layers.{2 * k}.bias"] = (dim,)
    _by_name(layers, wanted, unknown).check(path, "SFDA-PFT")
    arrays = {f"pft.released.{name}": value.numpy() for name, value in layers.items()}
    arrays |= {name: value.numpy() for name, value in extractor.items()}
    written = write_arrays(
        out / "sfda_pft.safetensors", arrays, {"format": "sfda-pft", **asked.card}
    )
    write_card(out, "sfda-pft", asked.card, [written.name])
    fits = f"features of {dim} dimensions"
    return {"as": "sfda-pft", "model": str(out), "n": len(arrays), "fits": fits}


def _by_name(
    found: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]], unknown: Sequence[str]
) -> Fit:
    """How named tensors lie on wanted names."""
    missing = tuple(name for name in wanted if name not in found)
    more = tuple(name for name in found if name not in wanted)
    shapes = []
    for name, shape in wanted.items():
        if name in found and tuple(found[name].shape) != shape:
            shapes.append(f"{name} is {tuple(found[name].shape)}, wanted {shape}")
    return Fit(missing, (*unknown, *more), tuple(shapes))


# --- TTA-CaP


def import_tta_cap(path: Path, asked: Asked, out: Path) -> Plain:
    """TTA-CaP's prototypes: ``personalized`` → target → class → rows ``(N, D)``."""
    rows = _prototype_rows(path)
    people: dict[str, list[tuple[int, Tensor]]] = {}
    for name, value in rows.items():
        person, _, said = name.rpartition(".")
        known = _class_of(said, asked.task)
        if known is None:
            raise BadInput(
                f"{path}: prototypes of the class {said!r}; the task has {asked.task.classes}"
            )
        people.setdefault(person, []).append((known, value))
    arrays = {}
    for person, own in people.items():
        arrays[f"{person}/prototypes"] = torch.cat([value for _, value in own]).numpy()
        of_rows = [torch.full((len(value),), known) for known, value in own]
        arrays[f"{person}/prototype_class"] = torch.cat(of_rows).numpy()
    meta = {"format": "tta-cap", "classes": list(asked.task.classes), **asked.card}
    written = write_arrays(out / "prototypes.safetensors", arrays, meta)
    write_card(out, "tta-cap", asked.card, [written.name])
    return {"as": "tta-cap", "model": str(out), "n": len(rows), "people": sorted(people)}


def _prototype_rows(path: Path) -> dict[str, Tensor]:
    """``target.class`` → rows.

    Raises:
        BadInput: there are none, other tensors, or rows of several widths.
    """
    rows: dict[str, Tensor] = {}
    unknown = []
    for name, value in read_tensors(path).items():
        head, _, rest = name.partition(".")
        if head == "personalized" and "." in rest:
            rows[rest] = value.float()
        elif head != "meta":
            unknown.append(name)
    shapes = []
    for name, value in rows.items():
        if value.ndim != 2:
            shapes.append(f"{name} is {tuple(value.shape)}, wanted (N, D)")
    widths = {int(value.shape[-1]) for value in rows.values()}
    if len(widths) > 1:
        shapes.append(f"rows of several widths: {sorted(widths)}")
    missing = () if rows else ("personalized.<target>.<class>",)
    Fit(missing, tuple(unknown), tuple(shapes)).check(path, "TTA-CaP")
    return rows


def _class_of(said: str, task: Task) -> int | None:
    """The class of a name or a number; None: of the task there is none."""
    names = [name.lower() for name in task.classes]
    if said.lower() in names:
        return names.index(said.lower())
    if said.isdigit() and int(said) < len(names):
        return int(said)
    return None


# --- CLIP-AU and CLIP-AUTT


def import_clip_au(path: Path, asked: Asked, out: Path) -> Plain:
    """CLIP-AU's adapter, convolution and head, on the CLIP that it was trained on."""
    from twomind.encoders.opening import open_encoder
    from twomind.models.clip_au.phrases import read_phrases
    from twomind.training.clip_au_import import import_checkpoint

    phrases = None
    if asked.phrases is not None:
        phrases = read_phrases(asked.phrases.read_text(encoding="utf-8").splitlines())
    model = import_checkpoint(path, open_encoder(asked.encoder), phrases, asked.task)
    model = replace(model, card={**asked.card, **model.card})
    model.save(out)
    said = str(model.card["phrases"])
    return {"as": "clip-au", "model": str(out), "n": len(model.weights), "phrases": said}


def import_clip_autt(path: Path, asked: Asked, out: Path) -> Plain:
    """CLIP-AUTT's contexts ``ctx (N, M, W)``: one person's prompts."""
    found = read_tensors(path)
    contexts = {name: value for name, value in found.items() if name.split(".")[-1] == "ctx"}
    unknown = [name for name in found if name not in contexts]
    missing = () if contexts else ("ctx",)
    shapes = []
    for name, value in contexts.items():
        if value.ndim != 3:
            shapes.append(f"{name} is {tuple(value.shape)}, wanted (phrases, tokens, width)")
    if len(contexts) > 1:
        unknown += list(contexts)[1:]
    Fit(missing, tuple(unknown), tuple(shapes)).check(path, "CLIP-AUTT")
    (context,) = contexts.values()
    arrays = {"context": context.float().numpy()}
    meta = {"format": "clip-autt", **asked.card}
    written = write_arrays(out / "context.safetensors", arrays, meta)
    write_card(out, "clip-autt", asked.card, [written.name])
    return {"as": "clip-autt", "model": str(out), "n": 1, "shape": list(context.shape)}


READERS: Mapping[str, Callable[[Path, Asked, Path], Plain]] = {
    "clip-au": import_clip_au,
    "clip-autt": import_clip_autt,
    "tta-cap": import_tta_cap,
    "dsfda": import_dsfda,
    "sfda-pft": import_pft,
}


def import_weights(path: Path, kind: str, asked: Asked, out: Path) -> Plain:
    """Read a published checkpoint and write it as safetensors with a card.

    Args:
        path: the file.
        kind: one of :data:`READERS`.
        asked: what the file does not say itself.
        out: folder to write into.

    Returns:
        What became of it, as plain values.

    Raises:
        BadInput: no such kind or file, or it does not fit; the message names every tensor that does
            not.
    """
    reader = READERS.get(kind)
    if reader is None:
        raise BadInput(f"--as: expected one of {', '.join(READERS)}, got {kind!r}")
    if not path.is_file():
        raise BadInput(f"{path}: expected a checkpoint file, there is none")
    found = reader(path, asked, out)
    write_text(out / "ORIGIN.txt", "\n".join(f"{k}: {v}" for k, v in asked.card.items()) + "\n")
    return found


__all__ = ["READERS", "Asked", "Fit", "import_weights", "read_tensors"]
