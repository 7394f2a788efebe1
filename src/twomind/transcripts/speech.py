"""Words from sound, by faster-whisper (the extra ``speech``), with fillers and repeats kept as far
as it can.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import weights
from twomind.core.errors import BadInput, MissingExtra, MissingWeights, Offline
from twomind.core.source_mark import weights_mark
from twomind.transcripts.marks import apart
from twomind.transcripts.spans import Span
from twomind.transcripts.words import Words, finish
from twomind.types import Timing, Word

SAMPLE_RATE_HZ = 16000
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


@dataclass(frozen=True)
class SpeechSettings:
    """How to recognise. Every default leans towards keeping what hesitant speech is made of."""

    #: Hypotheses kept by the search.
    beam_size: int = 5
    #: Text in the style wanted, shown to the model before every window: Whisper writes fillers when
    #: its context does.
    style: str = "Um, well, uh, I... I mean, hmm, like, you know, er, I- I don't know."
    #: Speech probability above which sound is transcribed. Below the usual .5, so that a quiet "um"
    #: is heard.
    vad_threshold: float = 0.35
    #: Silence in seconds that separates stretches of speech; shorter silences are transcribed with
    #: them.
    vad_min_silence_s: float = 2.0
    #: Sound in seconds kept on both sides of speech, for fillers that start or trail off softly.
    vad_pad_s: float = 0.4
    #: Arithmetic of CTranslate2 on the CPU.
    compute_type: str = "int8"
    #: Threads of CTranslate2; 0 leaves it to the library.
    n_threads: int = 0


def recognise_words(
    values: np.ndarray,
    sample_rate_hz: int,
    start_s: float,
    model: str | Path,
    offline: bool,
    language: str | None = None,
    settings: SpeechSettings | None = None,
) -> Words:
    """Words of ``values (n,)`` float mono at 16 kHz whose first sample lies at ``start_s`` on the
    recording's clock.

    ``model`` is a folder with a converted Whisper, or a name on the Hugging Face hub (fetched
    unless ``offline``). ``confidence`` is the model's probability of the word. The sound is decoded
    in one piece: about 0.5 MB a second.

    Raises:
        MissingExtra: faster-whisper is not installed.
        MissingWeights: the folder is absent or incomplete, or the model cannot be fetched.
        Offline: a hub name that is not on this machine, with ``offline``.
        BadInput: another sample rate, or a language that Whisper does not know.
    """
    settings = settings or SpeechSettings()
    if sample_rate_hz != SAMPLE_RATE_HZ:
        raise BadInput(
            f"speech recognition: expected sound at {SAMPLE_RATE_HZ} Hz, got {sample_rate_hz} Hz"
        )
    version = _faster_whisper().__version__
    with _no_network(offline):
        whisper = _load(find_model(model, offline), settings)
        source = f"faster-whisper {version}, model {Path(str(model)).name or model}"
        sound = np.ascontiguousarray(values, np.float32)
        # Whisper invents words ("Thank you.") where there is nothing, and fails when its filter
        # leaves nothing.
        if not len(sound) or not _has_speech(sound, settings):
            return Words(
                (), source, Timing.RECOGNISED, ("no speech was found in the sound",), language
            )
        words, problems, language = _transcribe(whisper, sound, start_s, language, settings)
    words, marks, on_marks = _without_marks(words)
    said = finish(words, source, [*problems, *on_marks], language)
    # Also when there is no word to tell it.
    return replace(said, marks=tuple(marks), timing=Timing.RECOGNISED)


def _without_marks(words: list[Word]) -> tuple[list[Word], list[Word], tuple[str, ...]]:
    """The words, and what Whisper writes of other sounds (``[Music]``, ``(laughs)``)."""
    spans = [Span(word.text, word.start_s, word.end_s, word.confidence) for word in words]
    found = apart(spans, "faster-whisper")
    return _recognised(found.speech), _recognised(found.marks), found.problems


def _recognised(spans: Iterable[Span]) -> list[Word]:
    return [
        Word(span.text.strip(), span.start_s, span.end_s, span.confidence, Timing.RECOGNISED)
        for span in spans
    ]


def require(model: str | Path, offline: bool) -> Path:
    """The folder of a model that was asked for, before anything is read for it.

    Raises:
        MissingExtra, MissingWeights, Offline: as in :func:`recognise_words`.
    """
    _faster_whisper()
    with _no_network(offline):
        return find_model(model, offline)


def find_model(model: str | Path, offline: bool) -> Path:
    """The folder of a model: itself, weights added under that name, or where the hub's cache keeps
    it.

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
    if weights.is_addable(name):
        return _checked(weights.locate(name))
    _faster_whisper()
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
        raise MissingWeights(
            f"speech model {name!r} could not be fetched: {type(error).__name__}: {error}"
        ) from error


def model_mark(model: str | Path | None) -> str:
    """What tells the weights of one model from another's: the content of its files, or the name of
    one that lies in the hub's cache; empty without a model.
    """
    if model is None:
        return ""
    files = weights.files_of(str(model))
    folder = Path(model).expanduser()
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


def _faster_whisper() -> Any:
    try:
        import faster_whisper
    except ImportError as error:
        raise MissingExtra("speech", "speech recognition") from error
    return faster_whisper


@contextlib.contextmanager
def _no_network(offline: bool) -> Iterator[None]:
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


def _load(folder: Path, settings: SpeechSettings) -> Any:
    stamp = (folder / "model.bin").stat().st_mtime_ns
    _check_tokens(folder)
    try:
        return _loaded(str(folder), stamp, settings.compute_type, settings.n_threads)
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
def _loaded(folder: str, stamp: int, compute_type: str, n_threads: int) -> Any:
    whisper = _faster_whisper().WhisperModel
    return whisper(
        folder,
        device="cpu",
        compute_type=compute_type,
        cpu_threads=n_threads,
        local_files_only=True,
    )


def _vad_options(settings: SpeechSettings) -> dict[str, Any]:
    return {
        "threshold": settings.vad_threshold,
        "min_silence_duration_ms": int(settings.vad_min_silence_s * 1000),
        "speech_pad_ms": int(settings.vad_pad_s * 1000),
    }


def _has_speech(sound: np.ndarray, settings: SpeechSettings) -> bool:
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    return bool(get_speech_timestamps(sound, VadOptions(**_vad_options(settings))))


def _transcribe(
    whisper: Any, sound: np.ndarray, start_s: float, language: str | None, settings: SpeechSettings
) -> tuple[list[Word], list[str], str | None]:
    if language is not None and language not in whisper.supported_languages:
        raise BadInput(
            f"language {language!r}: expected a code that the model knows, such as: en, fr, de"
        )
    segments, info = whisper.transcribe(
        sound,
        language=language,
        beam_size=settings.beam_size,
        # No fall-back to random sampling: it would differ from run to run, and what triggers it
        # (text that compresses well) is exactly what repeats and restarts look like.
        temperature=0.0,
        # Off: with it, one tidy window makes all later windows tidy, and one loop carries on for
        # ever.
        condition_on_previous_text=False,
        # The style goes in as hotwords, which stand before every window; an initial_prompt reaches
        # only the first.
        hotwords=settings.style or None,
        # The default list bars brackets, music and speaker tags, which are not speech; no filler is
        # on it.
        suppress_tokens=[-1],
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        word_timestamps=True,
        vad_filter=True,
        vad_parameters=_vad_options(settings),
    )
    words = [
        Word(
            word.word.strip(),
            start_s + float(word.start),
            start_s + max(float(word.start), float(word.end)),
            min(1.0, max(0.0, float(word.probability)))
            if math.isfinite(word.probability)
            else math.nan,
            Timing.RECOGNISED,
        )
        for segment in segments
        for word in segment.words or ()
        if word.word.strip()
    ]
    problems = [
        "recognised speech: Whisper leaves out many fillers and repeats, so their absence shows "
        "nothing"
    ]
    if language is None and info.language_probability < 0.5:
        problems.append(
            f"the language was guessed as {info.language!r} with probability "
            f"{info.language_probability:.2f}"
        )
    return words, problems, info.language
