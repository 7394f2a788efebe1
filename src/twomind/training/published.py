"""Published checkpoints: state dicts by name and shape. What becomes of them is said in
:mod:`twomind.pipeline.imports`.

Nothing in a file is executed: it is read as weights only. What does not fit is said name by name. A
tensor is taken for what it is by its name below the module that the released programs call it by;
modules of the same kind lie in the order of their declaration.

These readers are proven on files that the tests make in the published layouts. Whether an author's
file is of that layout shows only when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput, MissingExtra
from twomind.encoders.opening import open_encoder
from twomind.models.clip_au.phrases import read_phrases
from twomind.models.clip_au.recogniser import ClipAu
from twomind.models.dsfda import net
from twomind.models.dsfda.recogniser import Dsfda
from twomind.models.sfda_pft import net as resnet
from twomind.training.clip_au_import import import_checkpoint
from twomind.training.foreign import read_foreign
from twomind.types import Task

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtra("torch", "reading published checkpoints") from error

#: Names that a wrapper puts before every tensor, or around the whole.
_WRAPPERS = ("module.", "model.")
_WEIGHTS_KEYS = ("state_dict", "model_state_dict", "model")
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
    encoder: str = "vit-b-32"  # the CLIP that it was trained on
    phrases: Path | None = None  # of CLIP-AU: its very phrases
    #: more files of the same publication, each of another part
    beside: tuple[Path, ...] = ()
    onto: Path | None = None  # of CLIP-AUTT: the imported CLIP-AU that the prompts belong to
    person: str = ""  # of TTA-CaP: whose prototypes
    names: Path | None = None  # of a fusion of BAH: which module of the file is which here
    feature: str = ""  # of an ONNX file: the output that is the row

    @property
    def card(self) -> dict[str, str]:
        """What the card of every imported model says."""
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
    found = read_foreign(path)
    for name in _WEIGHTS_KEYS:
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


def read_dsfda(path: Path, asked: Asked) -> Dsfda:
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
    made_by = "none in the file; `twomind train dsfda --model THIS --data FOLDER` makes them"
    training = {"drawn_anew": drawn, "prototypes": made_by}
    card = {**asked.card, "population": "not stated", "training": training}
    return Dsfda(asked.task, weights, card=card)


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


@dataclass(frozen=True)
class PftParts:
    """What the files of SFDA-PFT hold, each part under its released names."""

    translator: Mapping[str, Tensor]  # under the names of a source summary
    extractor: Mapping[str, Tensor]  # of the translator's own network
    source: Mapping[str, Tensor]  # of the network before it
    bottleneck: Mapping[str, Tensor]
    classifier: Mapping[str, Tensor]


#: Released module → the names of its tensors that are needed.
_BOTTLENECK = tuple(f"bottleneck.{name}" for name in ("weight", "bias")) + tuple(
    f"bn.{name}" for name in ("weight", "bias", "running_mean", "running_var")
)
_CLASSIFIER = ("fc.weight_g", "fc.weight_v", "fc.bias")
#: How newer releases of torch call the two halves of a weight norm.
_NEW_NAMES = {
    "fc.parametrizations.weight.original0": "fc.weight_g",
    "fc.parametrizations.weight.original1": "fc.weight_v",
}
_IGNORED_TENSORS = ("num_batches_tracked",)


def read_pft(paths: Sequence[Path]) -> PftParts:
    """The parts of SFDA-PFT in one file or several: ``net.*`` or ``translator.net.*`` with
    ``feature_extractor.*``; a ResNet-18; ``bottleneck.*`` with ``bn.*``; ``fc.*``.

    Raises:
        BadInput: a tensor belongs to none of them, or has another shape.
    """
    found: dict[str, dict[str, Tensor]] = {name: {} for name in PftParts.__dataclass_fields__}
    for path in paths:
        unknown = []
        for name, value in read_tensors(path).items():
            if name.endswith(_IGNORED_TENSORS):
                continue
            part, own = _part_of_pft(name)
            if part:
                found[part][own] = value.float()
            else:
                unknown.append(name)
        Fit((), tuple(unknown), ()).check(path, "SFDA-PFT")
    parts = PftParts(**found)
    _check_pft(parts, paths[0])
    return parts


def _part_of_pft(name: str) -> tuple[str, str]:
    """The part that a tensor belongs to, and its name there; "": none."""
    own = name.removeprefix("translator.")
    if own.startswith("net."):
        return "translator", own.replace("net.", "layers.")
    if name.startswith("feature_extractor."):
        return "extractor", name.removeprefix("feature_extractor.")
    if name.startswith(("bottleneck.", "bn.")):
        return "bottleneck", name
    if name.startswith("fc."):
        return "classifier", _NEW_NAMES.get(name, name)
    return ("source", name) if name in resnet.shapes() else ("", name)


def _check_pft(parts: PftParts, path: Path) -> None:
    """Each part that is there is there whole."""
    missing: list[str] = []
    unknown: list[str] = []
    shapes: list[str] = []
    for held, wanted in (
        (parts.translator, _translator_shapes(parts.translator)),
        (parts.extractor, resnet.shapes()),
        (parts.source, resnet.shapes()),
    ):
        if held:
            fit = _by_name(held, wanted, ())
            missing += fit.missing
            unknown += fit.unknown
            shapes += fit.shapes
    for held, names in ((parts.bottleneck, _BOTTLENECK), (parts.classifier, _CLASSIFIER)):
        if held:
            missing += [name for name in names if name not in held]
    Fit(tuple(missing), tuple(unknown), tuple(shapes)).check(path, "SFDA-PFT")


def _translator_shapes(layers: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    first = layers.get("layers.0.weight")
    dim = int(first.shape[0]) if first is not None and first.ndim == 2 else resnet.DIM
    wanted: dict[str, tuple[int, ...]] = {}
    for k in range(2 if "layers.4.weight" not in layers else 3):
        wanted[f"layers.{2 * k}.weight"] = (dim, dim)
        wanted[f"layers.{2 * k}.bias"] = (dim,)
    return wanted


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


def read_prototypes(path: Path, task: Task, person: str = "") -> tuple[Tensor, Tensor, list[str]]:
    """TTA-CaP's prototypes: ``personalized`` → target → class → rows ``(N, D)``.

    Args:
        path: the file.
        task: whose classes the names in the file are.
        person: whose prototypes; "": those of all targets, each row once.

    Returns:
        Rows ``(K, D)``, their classes ``(K,)``, and the targets of the file.

    Raises:
        BadInput: there are none, other tensors, rows of several widths, a class that the task does
            not have, or no such target.
    """
    rows = _prototype_rows(path)
    people = sorted({name.rpartition(".")[0] for name in rows})
    if person and person not in people:
        raise BadInput(f"{path}: no prototypes of {person!r}; there is: {', '.join(people)}")
    kept: dict[tuple[int, bytes], Tensor] = {}
    for name, value in rows.items():
        target, _, said = name.rpartition(".")
        known = _class_of(said, task)
        if known is None:
            raise BadInput(f"{path}: prototypes of the class {said!r}; the task has {task.classes}")
        if person and person != target:
            continue
        for row in value:
            # Several targets have the same source people near them.
            content = row.numpy().tobytes()
            kept.setdefault((known, content), row)
    classes = [c for c, _ in kept]
    every = torch.stack(list(kept.values()))
    return every, torch.tensor(classes), people


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


def is_clip(path: Path) -> bool:
    """Whether a file holds the weights of a whole CLIP."""
    return any(name.startswith("visual.") for name in read_tensors(path))


def read_clip(path: Path) -> dict[str, Tensor]:
    """The weights of a CLIP that was fine-tuned as a whole, under the names of the OpenAI release."""
    return {name: value.float() for name, value in read_tensors(path).items()}


# --- CLIP-AU and CLIP-AUTT


def read_clip_au(path: Path, asked: Asked) -> ClipAu:
    """CLIP-AU's adapter, convolution and head, on the CLIP that it was trained on."""
    phrases = None
    if asked.phrases is not None:
        phrases = read_phrases(asked.phrases.read_text(encoding="utf-8").splitlines())
    model = import_checkpoint(path, open_encoder(asked.encoder), phrases, asked.task)
    return replace(model, card={**asked.card, **model.card})


def read_context(path: Path) -> Tensor:
    """CLIP-AUTT's contexts ``ctx (N, M, W)``: one person's prompts.

    Raises:
        BadInput: it holds no such tensor, several, or other ones.
    """
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
    return context.float()


__all__ = [
    "Asked",
    "Fit",
    "PftParts",
    "is_clip",
    "read_clip",
    "read_clip_au",
    "read_context",
    "read_dsfda",
    "read_pft",
    "read_prototypes",
    "read_tensors",
]
