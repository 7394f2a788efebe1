"""Models of speech: Whisper as CTranslate2 has it, in a folder, an installed package, or from the
Hugging Face hub.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twomind.core import weights
from twomind.core.errors import BadInput, MissingExtra, MissingWeights, Offline
from twomind.core.hub_cache import snapshots
from twomind.core.source_mark import weights_mark

#: What a folder must hold; checked here because the libraries' own errors mislead.
_NEEDED = (
    ("model.bin",),
    ("config.json",),
    ("tokenizer.json",),
    ("vocabulary.json", "vocabulary.txt"),
)
_MODEL_SUFFIXES = (".bin", ".json", ".txt")
_MAKE = (
    "make one with: ct2-transformers-converter --model <whisper folder> --output_dir <folder> "
    "--quantization int8"
)
#: Before the name of an installed package that carries a model as data.
PACKAGE = "package:"


def require(model: str | Path, offline: bool) -> Path:
    """The folder of a model that was asked for, before anything is read for it.

    Raises:
        MissingExtra, MissingWeights, Offline: as in :func:`recognise_words`.
    """
    faster_whisper()
    with no_network(offline):
        return find_model(model, offline)


def find_model(model: str | Path, offline: bool) -> Path:
    """The folder of a model: itself, a package's, that of weights added under that name, or where
    the hub's cache keeps it. ``package:NAME`` is an installed package that carries a model; it is
    not imported.

    A name that is in neither is fetched from the hub, unless ``offline``.

    Raises:
        MissingWeights, Offline: as in :func:`recognise_words`.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return _checked(folder)
    name = str(model)
    if folder.exists():
        raise MissingWeights(
            f"speech model {name!r}: expected a folder with {_needed_text()}, got a file"
        )
    if name.startswith(PACKAGE):
        return _in_package(name.removeprefix(PACKAGE))
    if weights.is_addable(name):
        return _checked(weights.locate(name))
    faster_whisper()
    from faster_whisper.utils import available_models, download_model

    is_name = name in available_models() or re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name)
    if not is_name:
        raise MissingWeights(
            f"speech model {name!r}: there is no such folder, and it is not a model's name (like "
            "'small' or "
            f"'owner/model'); expected a folder with {_needed_text()}; {_MAKE}"
        )
    try:
        return _checked(Path(download_model(name, local_files_only=True)))
    except MissingWeights:
        raise
    except Exception as error:  # the hub's library raises a dozen unrelated classes
        if offline:
            raise Offline(
                f"speech model {name!r} is neither a folder nor in this machine's cache, and "
                "fetching it is forbidden; "
                "give a folder, or run once without --offline"
            ) from error
    try:
        return _checked(Path(download_model(name)))
    except MissingWeights:
        raise
    except Exception as error:
        why = str(error).partition("\n")[0]
        raise MissingWeights(
            f"speech model {name!r} could not be fetched: {type(error).__name__}: {why}. Without "
            "the hub: name a folder or package:NAME, or run `twomind weights add whisper-base "
            "FOLDER` once and name whisper-base"
        ) from error


def model_origin(model: str | Path) -> str:
    """Where a model comes from, for a reader: a folder, a package, added weights, or the hub.

    Args:
        model: A folder or a name, as :func:`find_model` takes it.
    """
    name = str(model)
    if Path(model).expanduser().is_dir():
        return f"a folder ({name})"
    if name.startswith(PACKAGE):
        return f"the installed package {name.removeprefix(PACKAGE)}"
    if weights.is_addable(name):
        return f"weights added as {name}"
    return f"the Hugging Face hub ({name})"


def cached_models() -> list[str]:
    """Names of the converted Whisper models that lie in the hub's cache on this machine."""
    found = []
    for name, folder in snapshots().items():
        names = {file.name for file in folder.iterdir()}
        is_whole = all(any(one in names for one in ones) for ones in _NEEDED)
        if is_whole:
            found.append(name)
    return sorted(found)


def _in_package(name: str) -> Path:
    """The folder of a model within an installed package."""
    found = importlib.util.find_spec(name) if name.isidentifier() else None
    roots = list(found.submodule_search_locations or ()) if found else []
    for root in roots:
        for file in sorted(Path(root).rglob("model.bin")):
            return _checked(file.parent)
    there = "there is no model.bin in it" if roots else "there is no such package"
    raise MissingWeights(
        f"speech model '{PACKAGE}{name}': expected an installed package with "
        f"{_needed_text()}; {there}"
    )


def model_mark(model: str | Path | None) -> str:
    """What tells the weights of one model from another's: the content of its files, or the name of
    one that lies in the hub's cache; empty without a model.
    """
    if model is None:
        return ""
    files = weights.files_of(str(model))
    folder = Path(model).expanduser()
    if str(model).startswith(PACKAGE):
        folder = _in_package(str(model).removeprefix(PACKAGE))
    if folder.is_dir():
        files = tuple(sorted(p for p in folder.iterdir() if p.suffix in _MODEL_SUFFIXES))
    return weights_mark(files) if files else str(model)


def _needed_text() -> str:
    return ", ".join(" or ".join(names) for names in _NEEDED)


def _checked(folder: Path) -> Path:
    absent = [
        " or ".join(names)
        for names in _NEEDED
        if not any((folder / name).is_file() for name in names)
    ]
    if absent:
        raise MissingWeights(
            f"speech model {folder}: expected {_needed_text()}; absent: {', '.join(absent)}; "
            f"{_MAKE}"
        )
    return folder


def faster_whisper() -> Any:
    try:
        import faster_whisper
    except ImportError as error:
        raise MissingExtra("speech", "speech recognition") from error
    return faster_whisper


@contextlib.contextmanager
def alike_everywhere() -> Iterator[None]:
    """The same sound gives the same words, however many processors there are and whatever else
    runs: the last digits of numpy's matrix products, of which Whisper's spectra are made, depend on
    the number of its threads, and where a recogniser is unsure, its words depend on these digits.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise MissingExtra("speech", "speech recognition") from error
    with threadpool_limits(limits=1, user_api="blas"):
        yield


@contextlib.contextmanager
def no_network(offline: bool) -> Iterator[None]:
    """Forbid the hub's library any request, also from code of others that we call."""
    before = os.environ.get("HF_HUB_OFFLINE")
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        yield
    finally:
        if offline and before is None:
            del os.environ["HF_HUB_OFFLINE"]
        elif offline and before is not None:
            os.environ["HF_HUB_OFFLINE"] = before


@dataclass(frozen=True)
class Arithmetic:
    """Where and how CTranslate2 computes."""

    #: ``cpu``, ``cuda``, or ``auto``: a GPU where there is one.
    device: str = "auto"
    #: Type of the numbers; ``auto`` is int8 on the CPU and float16 on a GPU.
    compute_type: str = "auto"
    #: Threads on the CPU; 0 leaves it to the library.
    n_threads: int = 0


def chosen_device(wish: str) -> str:
    """``cpu`` or ``cuda`` for a wish of ``auto``, ``cpu`` or ``cuda``.

    Raises:
        BadInput: another wish, or cuda where CTranslate2 sees no GPU.
    """
    if wish not in ("auto", "cpu", "cuda"):
        raise BadInput(f"speech recognition: expected device 'auto', 'cpu' or 'cuda', got {wish!r}")
    if wish == "cpu":
        return wish
    import ctranslate2

    n_gpus = int(ctranslate2.get_cuda_device_count())
    if wish == "cuda" and not n_gpus:
        raise BadInput("speech recognition: device 'cuda' was asked for, and no GPU is seen")
    return "cuda" if n_gpus else "cpu"


def load_whisper(folder: Path, how: Arithmetic) -> Any:
    """A Whisper of faster-whisper; the last one is kept.

    Args:
        folder: As :func:`find_model` gives it.
        how: Where and how to compute.

    Raises:
        MissingWeights: the folder is damaged or holds no converted Whisper.
    """
    device = chosen_device(how.device)
    compute_type = how.compute_type
    if compute_type == "auto":
        compute_type = "float16" if device == "cuda" else "int8"
    stamp = (folder / "model.bin").stat().st_mtime_ns
    _check_tokens(folder)
    try:
        return _loaded(str(folder), stamp, device, compute_type, how.n_threads)
    except Exception as error:  # tokenizers raises plain Exception for a damaged file
        raise MissingWeights(
            f"speech model {folder}: damaged, or not a converted Whisper: {error}"
        ) from error


def _check_tokens(folder: Path) -> None:
    """CTranslate2 writes beyond its memory for a suppressed token that the vocabulary does not
    have.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        vocabulary = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return  # older conversions have neither; what is damaged is found by those who read it
    named = [*(config.get("suppress_ids") or ()), *(config.get("suppress_ids_begin") or ())]
    if beyond := [i for i in named if i >= len(vocabulary)]:
        raise MissingWeights(
            f"speech model {folder}: config.json suppresses the token {beyond[0]}, and the "
            "vocabulary has "
            f"{len(vocabulary)}; convert the model again with a generation_config.json of its own"
        )


@functools.lru_cache(maxsize=1)  # a batch loads it once; it is only read
def _loaded(folder: str, stamp: int, device: str, compute_type: str, n_threads: int) -> Any:
    whisper = faster_whisper().WhisperModel
    return whisper(
        folder,
        device=device,
        compute_type=compute_type,
        cpu_threads=n_threads,
        local_files_only=True,
    )
