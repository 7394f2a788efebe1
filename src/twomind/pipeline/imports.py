"""``twomind weights import``: a published checkpoint becomes a model like any other.

Each is written so that ``predict --model``, ``score personalise --model`` and, where the
publication adapts, ``predict --adapt`` take it. A file that holds a part of a model alone (a
translator, prototypes, a person's prompts) is put onto what it belongs to; where that is not given,
the message says what is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twomind.core.errors import BadInput
from twomind.core.store import write_text
from twomind.training.pft import PREFIX as PFT
from twomind.training.published import (
    Asked,
    Fit,
    is_clip,
    read_clip,
    read_clip_au,
    read_context,
    read_dsfda,
    read_pft,
    read_prototypes,
)
from twomind.training.published_bah import read_bah_fusion, read_vggish
from twomind.training.published_onnx import read_apvit
from twomind.types.plain import Plain

if TYPE_CHECKING:
    from twomind.models.clip_text.recogniser import ClipText
    from twomind.models.fusion.recogniser import FusionRecogniser

#: A map of names as a file was read, beside the model.
NAMES = "modules.tsv"


def import_weights(path: Path, kind: str, asked: Asked, out: Path) -> Plain:
    """Read a published checkpoint and write the model that it makes, with a card.

    Args:
        path: the file.
        kind: one of :data:`READERS`.
        asked: what the file does not say itself.
        out: folder of the model.

    Returns:
        What became of it, as plain values.

    Raises:
        BadInput: no such kind or file, it does not fit (the message names every tensor that does
            not), or it is a part of a model and the rest was not given.
    """
    reader = READERS.get(kind)
    if reader is None:
        raise BadInput(f"--as: expected one of {', '.join(READERS)}, got {kind!r}")
    given = () if asked.names is None else (asked.names,)
    for file in (path, *asked.beside, *given):
        if not file.is_file():
            raise BadInput(f"{file}: expected a file, there is none")
    if asked.names is not None and kind != "bah-fusion":
        raise BadInput(f"--map goes with --as bah-fusion, not with {kind}")
    if asked.feature and kind != "apvit":
        raise BadInput(f"--feature goes with --as apvit, not with {kind}")
    model, said = reader(path, asked)
    model.save(out)
    origin = {**asked.card, **getattr(model, "origin", {})}
    write_text(out / "ORIGIN.txt", "\n".join(f"{k}: {v}" for k, v in origin.items()) + "\n")
    weights = getattr(model, "weights", None)
    n = len(model.params() if weights is None else weights)
    return {"as": kind, "model": str(out), "n": n, **said}


#: A model, and what is said of it beside.
_Made = tuple[Any, Plain]


def _dsfda(path: Path, asked: Asked) -> _Made:
    model = read_dsfda(path, asked)
    training: Mapping[str, Any] = model.card["training"]
    return model, {"drawn_anew": training["drawn_anew"], "prototypes": training["prototypes"]}


def _clip_au(path: Path, asked: Asked) -> _Made:
    model = read_clip_au(path, asked)
    return model, {"phrases": str(model.card["phrases"])}


def _clip_autt(path: Path, asked: Asked) -> _Made:
    """One person's prompts on the CLIP-AU that they were tuned on: a CLIP-AU whose phrases are read
    from them.
    """
    import torch

    from twomind.adaptation.clip_autt_parts import released_prompts
    from twomind.models.clip_au.recogniser import PHRASE_FEATURES, ClipAu

    context = read_context(path)
    if asked.onto is None:
        raise BadInput(
            f"{path}: prompts of one person alone answer nothing; give --onto FOLDER, the CLIP-AU "
            "that they were tuned on (twomind weights import FILE --as clip-au)"
        )
    model = ClipAu.load(asked.onto)
    text = model.phrase_text()
    wanted = (len(model.phrases), context.shape[1], text.tower.width)
    if tuple(context.shape) != wanted:
        shape = f"ctx is {tuple(context.shape)}, {asked.onto} has room for {wanted}"
        Fit((), (), (shape,)).check(path, "CLIP-AUTT")
    prompts = released_prompts(text, context.shape[1])
    with torch.no_grad():
        features = prompts.features(context)
        features = torch.nn.functional.normalize(features, dim=-1)
    weights = {**model.weights, PHRASE_FEATURES: features}
    how = "prompts of one person, read from whole clips (the release takes each clip's surest part)"
    card = {**model.card, **asked.card, "prompts": how}
    return replace(model, weights=weights, card=card), {"shape": list(context.shape)}


def _tta_cap(path: Path, asked: Asked) -> _Made:
    """Prototypes on CLIP as it is, or on the fine-tuned one; or that one alone."""
    files = (path, *asked.beside)
    clips = [file for file in files if is_clip(file)]
    banks = [file for file in files if file not in clips]
    if len(clips) > 1 or len(banks) > 1:
        raise BadInput(
            f"{path}: expected at most one file of prototypes and one fine-tuned CLIP, got "
            f"{len(banks)} and {len(clips)}"
        )
    model = _fine_tuned(clips[0], asked) if clips else _as_released(asked)
    said: Plain = {"clip": "fine-tuned" if clips else f"{asked.encoder}, as released"}
    if banks:
        rows, classes, people = read_prototypes(banks[0], asked.task, asked.person)
        if rows.shape[1] != model.dim:
            shape = f"prototypes of {rows.shape[1]} dimensions, {asked.encoder} has {model.dim}"
            Fit((), (), (shape,)).check(banks[0], "TTA-CaP")
        summary = {"prototypes": rows.numpy(), "prototype_class": classes.numpy()}
        model = replace(model, summary=summary)
        said |= {"people": people, "prototypes": len(rows)}
    return replace(model, card={**model.card, **asked.card}), said


def _as_released(asked: Asked) -> ClipText:
    from twomind.encoders.opening import open_encoder
    from twomind.models.clip_text.recogniser import new_model

    return new_model(open_encoder(asked.encoder), asked.task)


def _fine_tuned(path: Path, asked: Asked) -> ClipText:
    """A CLIP that was fine-tuned as a whole, of the size of the encoder."""
    from twomind.encoders.clip import open_towers
    from twomind.encoders.clip_towers import encode_ids
    from twomind.models.clip_text.image import ImageTower
    from twomind.models.clip_text.recogniser import CROPS, TEMPLATE, TEXT, ClipText

    found = read_clip(path)
    start = open_towers(asked.encoder)
    wanted = {**start.image.weights, **start.text.weights}
    missing = tuple(name for name in wanted if name not in found)
    shapes = []
    for name, value in wanted.items():
        if name in found and found[name].shape != value.shape:
            shapes.append(f"{name} is {tuple(found[name].shape)}, wanted {tuple(value.shape)}")
    Fit(missing, (), tuple(shapes)).check(path, f"a CLIP of the size of {asked.encoder}")
    text = replace(start.text, weights={name: found[name] for name in start.text.weights})
    image = replace(start.image, weights={name: found[name] for name in start.image.weights})
    sentences = [TEMPLATE.format(word) for word in asked.task.classes]
    tokens = start.tokenise(sentences)
    rows = encode_ids(text, tokens.ids, tokens.read_at)
    return ClipText(
        asked.task,
        {TEXT: rows},
        CROPS,
        asked.encoder,
        frames=1,
        card={"class_text": sentences},
        image=ImageTower(image, start.prepare),
    )


def _sfda_pft(path: Path, asked: Asked) -> _Made:
    """The network, bottleneck and classifier of the source, and the translator in the summary."""
    from twomind.models.sfda_pft.net import one_linear
    from twomind.models.sfda_pft.recogniser import PftRecogniser

    parts = read_pft((path, *asked.beside))
    network = parts.source or parts.extractor
    absent = []
    if not network:
        absent.append("the network (source_F.pt)")
    if not parts.bottleneck:
        absent.append("the bottleneck (source_B.pt)")
    if not parts.classifier:
        absent.append("the classifier (source_C.pt)")
    if absent:
        raise BadInput(
            f"{path}: a part of SFDA-PFT alone answers nothing; give with --beside FILE also: "
            f"{', '.join(absent)}"
        )
    weight, bias = one_linear(parts.bottleneck, parts.classifier)
    weights = {f"f.{name}": value for name, value in network.items()}
    weights |= {"head.weight": weight, "head.bias": bias}
    summary = {}
    for name, value in parts.translator.items():
        summary[f"{PFT}.released.{name}"] = value.numpy()
    if len(weight) != len(asked.task.classes):
        shape = f"fc.weight_v has {len(weight)} classes, wanted {len(asked.task.classes)}"
        Fit((), (), (shape,)).check(path, "SFDA-PFT")
    model = PftRecogniser(asked.task, weights, summary, card=asked.card)
    return model, {"translator": len(summary)}


def _bah_fusion(path: Path, asked: Asked) -> _Made:
    """A fusion that reads rows of a frame network, of VGGish and of BERT at native frames; beside it
    ``modules.tsv``, a map of names as it was read.
    """
    model = read_bah_fusion(path, asked)
    modules: Mapping[str, str] = model.card["modules"]
    said: Plain = {"kind": model.net.config.model, "reads": list(model.recipe.modalities)}
    said["read_by"] = f"{model.card['read_by']}: {NAMES} beside the model says which is which"
    return _WithNames(model, modules), said


@dataclass(frozen=True)
class _WithNames:
    """A fusion, and which module of the file each of its modules was."""

    model: FusionRecogniser
    modules: Mapping[str, str]

    def params(self) -> Mapping[str, Any]:
        return self.model.params()

    def save(self, folder: Path) -> Path:
        saved = self.model.save(folder)
        lines = [f"{ours}\t{theirs}" for ours, theirs in self.modules.items()]
        about = "# a module here, a tab, its name in the file; to change it: --map FILE"
        write_text(folder / NAMES, "\n".join([about, *lines]) + "\n")
        return saved


def _vggish(path: Path, asked: Asked) -> _Made:
    """A folder that `reproduce bah --set sound=FOLDER` reads."""
    made = read_vggish(path)
    return made, {"use": "reproduce bah --table supervised --set sound=FOLDER"}


def _apvit(path: Path, asked: Asked) -> _Made:
    """A folder that `reproduce bah --set cnn=FOLDER` and `train fusion` read."""
    made = read_apvit(path, asked)
    use = "reproduce bah --table supervised --set cnn=FOLDER"
    return made, {**made.said, "use": f"{use}, or train fusion --set encoders.video=FOLDER"}


READERS: Mapping[str, Callable[[Path, Asked], _Made]] = {
    "clip-au": _clip_au,
    "clip-autt": _clip_autt,
    "tta-cap": _tta_cap,
    "dsfda": _dsfda,
    "sfda-pft": _sfda_pft,
    "bah-fusion": _bah_fusion,
    "vggish": _vggish,
    "apvit": _apvit,
}


__all__ = ["READERS", "import_weights"]
