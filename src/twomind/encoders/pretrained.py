"""Frozen pretrained encoders as tracks: HuBERT/wav2vec2 for sound, BERT-family for words,
VideoMAE-family for films, ResNet, ViT and CLIP for single pictures; networks that were exported as
ONNX (:mod:`.exported`) for pictures of faces.

All optional, by hub id or local folder, through ``transformers``; never trained here, and their
rows are cached. Which folder is complete is checked before ``transformers`` sees it, because its
own messages mislead; weights must be safetensors. Encoders look at whole blocks (see each
function), so rows know up to a block of what comes after them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput, MissingExtra, MissingWeights, Offline
from twomind.core.files import read_json, unchanged
from twomind.core.source_mark import source_mark
from twomind.core.store import Store, content_hash, settings_hash
from twomind.encoders import exported, still
from twomind.media.audio import AudioSpool
from twomind.media.probe import probe
from twomind.media.stream import Frame, Samples, stream
from twomind.types import Features, Recording, Track, Word

KINDS = ("audio", "text", "video")
#: Seconds of sound, words, and pictures with their rate, that are encoded together.
AUDIO_BLOCK_S, TEXT_BLOCK, VIDEO_HZ = 5.0, 64, 8.0
SAMPLE_RATE_HZ = 16000
_NEEDED = {
    "audio": (("config.json",),),
    "text": (
        ("config.json",),
        ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "tokenizer.model"),
    ),
    "video": (("config.json",),),
}
_FETCH = ["*.json", "*.safetensors", "*.txt", "*.model"]


@dataclass(frozen=True)
class Encoder:
    """One frozen encoder. ``model`` is a folder or a hub id; ``offline`` forbids fetching."""

    kind: str
    model: str
    offline: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadInput(f"encoder {self.kind!r}: expected one of {', '.join(KINDS)}")

    @property
    def track(self) -> str:
        """Name of the track that it makes, and of the modality."""
        return f"{self.kind}_embedding"

    @cached_property
    def folder(self) -> Path:
        """Where its files lie; fetched from the hub when they are not here yet.

        Raises:
            MissingWeights, Offline: see :func:`find`.
        """
        return find(self.kind, self.model, self.offline)

    @cached_property
    def config(self) -> Mapping[str, Any]:
        return dict(read_json(self.folder / "config.json"))

    @property
    def width(self) -> int:
        """Length of one row."""
        width = still.width_of(self.config)
        if width is None:
            raise MissingWeights(
                f"{self.folder}/config.json: expected a hidden_size; is this an encoder of "
                f"{self.kind}?"
            )
        return width

    @cached_property
    def mark(self) -> str:
        """A hash of the weights and settings: another file is another encoder."""
        if exported.is_exported(self.config):
            return exported.Exported(self.folder).mark
        weights = sorted(self.folder.glob("*.safetensors"))
        hashes = {}
        for path in (*weights, self.folder / "config.json"):
            hashes[path.name] = content_hash(path)
        return settings_hash(hashes)

    def card(self) -> dict[str, Any]:
        """For a model's card: what to load again."""
        return {"kind": self.kind, "model": self.model, "mark": self.mark, "width": self.width}


def from_card(entry: Mapping[str, Any], offline: bool) -> Encoder:
    """The encoder that a model was trained with.

    Raises:
        BadInput: the files under that name are others now.
    """
    found = Encoder(entry["kind"], entry["model"], offline)
    if found.mark != entry["mark"]:
        raise BadInput(
            f"{entry['kind']} encoder {entry['model']!r}: its files are not those that the model "
            "was trained with"
        )
    return found


def find(kind: str, model: str, offline: bool) -> Path:
    """The folder of an encoder.

    Args:
        kind: one of :data:`KINDS`.
        model: a folder, or a hub id (``owner/model``).
        offline: whether fetching it is forbidden.

    Raises:
        MissingWeights: the folder lacks a file, the name is none, or it cannot be fetched.
        Offline: it is not on this machine and may not be fetched.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return _checked(kind, folder)
    is_hub_id = re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", model)
    if folder.exists() or not is_hub_id:
        raise MissingWeights(
            f"{kind} encoder {model!r}: there is no such folder, and it is not a hub id "
            f"(owner/model); expected a folder with {_needed_text(kind)}"
        )
    return _from_hub(kind, model, offline)


def _from_hub(kind: str, model: str, offline: bool) -> Path:
    """The folder of an encoder of the hub: what was fetched before, or what is fetched now."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingExtra("clip", "pretrained encoders") from error
    name = f"{kind} encoder {model!r}"
    try:
        kept = snapshot_download(model, allow_patterns=_FETCH, local_files_only=True)
        return _checked(kind, Path(kept))
    except MissingWeights:
        raise
    except Exception as error:  # the hub's library raises a dozen unrelated classes
        if offline:
            raise Offline(
                f"{name} is neither a folder nor in this machine's cache, and fetching it is "
                "forbidden; give a folder, or run once without --offline"
            ) from error
    try:
        fetched = snapshot_download(model, allow_patterns=_FETCH)
        return _checked(kind, Path(fetched))
    except MissingWeights:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise MissingWeights(f"{name} could not be fetched: {why}") from error


def _needed_text(kind: str) -> str:
    names = [_either(files) for files in _NEEDED[kind]]
    return ", ".join([*names, "*.safetensors"])


def _either(files: Sequence[str]) -> str:
    return " or ".join(files)


def _checked(kind: str, folder: Path) -> Path:
    if exported.holds_exported(folder):
        return _checked_exported(kind, folder)
    absent = []
    for files in _NEEDED[kind]:
        if not any((folder / file).is_file() for file in files):
            absent.append(_either(files))
    if not any(folder.glob("*.safetensors")):
        is_pickled = any(folder.glob("*.bin"))
        hint = " (there are *.bin files: pickle, which is not loaded; convert them)"
        absent.append("*.safetensors" + (hint if is_pickled else ""))
    if absent:
        raise MissingWeights(
            f"{kind} encoder {folder}: expected {_needed_text(kind)}; absent: {', '.join(absent)}"
        )
    return folder


def _checked_exported(kind: str, folder: Path) -> Path:
    if kind != "video":
        raise MissingWeights(
            f"{kind} encoder {folder}: it is a network of pictures that was exported as ONNX; give it "
            "as the encoder of video"
        )
    if not (folder / exported.FILE).is_file():
        raise MissingWeights(f"{kind} encoder {folder}: {exported.FILE} is absent")
    return folder


def _model(encoder: Encoder) -> Any:
    if exported.is_exported(encoder.config):
        return exported.Exported(encoder.folder)
    try:
        from safetensors import SafetensorError
        from transformers import AutoModel
    except ImportError as error:
        raise MissingExtra("clip", "pretrained encoders") from error
    try:
        model = AutoModel.from_pretrained(
            str(encoder.folder), local_files_only=True, use_safetensors=True
        )
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise MissingWeights(
            f"{encoder.kind} encoder {encoder.folder}: cannot be loaded: {error}"
        ) from error
    model = getattr(model, "encoder_only", model)
    return model.eval().requires_grad_(False)


# --- one function per kind: arrays in, rows and their times out
# ------------------------------------------------------


def encode_sound(encoder: Encoder, values: np.ndarray, start_s: float, model: Any = None) -> Track:
    """Rows of a mono waveform, one per step of the encoder (20 ms), in blocks of five seconds.

    Args:
        encoder: one of sound.
        values: the waveform ``(n,)`` at 16 kHz.
        start_s: time of its first sample in seconds.
        model: the network, where it is loaded already.
    """
    import torch

    model = model or _model(encoder)
    n_block = int(AUDIO_BLOCK_S * SAMPLE_RATE_HZ)
    normalise = _preprocessor(encoder).get("do_normalize", True)
    rows, times = [], []
    for at in range(0, len(values), n_block):
        piece = np.asarray(values[at : at + n_block], np.float32)
        n = len(piece)
        # Every block has one length, so that it gives the same rows wherever the sound ends.
        if n < n_block:
            piece = np.pad(piece, (0, n_block - n))
        if normalise:
            sd = np.sqrt(piece.var() + 1e-7)
            piece = (piece - piece.mean()) / sd
        with torch.no_grad():
            states = model(torch.from_numpy(piece)[None]).last_hidden_state
        found = states[0].numpy()
        step = n_block / len(found)
        n_kept = max(int(n / step), 1)
        middles = (np.arange(n_kept) + 0.5) * step
        rows.append(found[:n_kept])
        times.append(start_s + (at + middles) / SAMPLE_RATE_HZ)
    return _track(encoder, rows, times)


def encode_words(encoder: Encoder, words: Sequence[Word], model: Any = None) -> Track:
    """One row per word at its start, in blocks of 64 words: the mean of its tokens, each the sum of
    the last four layers.

    Args:
        encoder: one of text.
        words: what was said, with times.
        model: the network, where it is loaded already.
    """
    model = model or _model(encoder)
    tokenizer = tokenizer_of(encoder)
    rows, times = [], []
    for at in range(0, len(words), TEXT_BLOCK):
        block = words[at : at + TEXT_BLOCK]
        tokens, belongs = _token_rows(model, tokenizer, block)
        for i, word in enumerate(block):
            own = belongs == i
            if own.any():
                rows.append(tokens[own].mean(axis=0)[None])
                times.append(np.array([word.start_s]))
    return _track(encoder, rows, times)


def network(encoder: Encoder) -> Any:
    """The network of an encoder, for whoever encodes more than once.

    Raises:
        MissingExtra: transformers is absent.
        MissingWeights: it cannot be loaded.
    """
    return _model(encoder)


def sentence_rows(
    encoder: Encoder, texts: Sequence[str], model: Any = None, n_together: int = 32
) -> np.ndarray:
    """One row of length 1 per text ``(N, D)``: the mean of its tokens of the last layer, as sentence
    encoders give it.

    Args:
        encoder: one of text.
        texts: sentences, whole.
        model: the network, where it is loaded already.
        n_together: texts that are encoded at once.
    """
    import torch

    model = model or _model(encoder)
    tokenizer = tokenizer_of(encoder)
    rows = np.zeros((len(texts), encoder.width), np.float32)
    by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for at in range(0, len(texts), n_together):
        block = by_length[at : at + n_together]
        entry = tokenizer(
            [texts[i] for i in block],
            padding=True,
            truncation=True,
            max_length=256,
            return_tensors="pt",
        )
        with torch.no_grad():
            states = model(**entry).last_hidden_state
        there = entry["attention_mask"][..., None]
        means = (states * there).sum(dim=1) / there.sum(dim=1)
        rows[block] = torch.nn.functional.normalize(means).numpy()
    return rows


def _token_rows(model: Any, tokenizer: Any, block: Sequence[Word]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a block's tokens ``(n, D)``, and the word of each ``(n,)``, -1 where it has none."""
    import torch

    entry = tokenizer(
        [word.text for word in block],
        is_split_into_words=True,
        return_tensors="pt",
        truncation=True,
        max_length=512,
    )
    with torch.no_grad():
        layers = model(**entry, output_hidden_states=True).hidden_states
    last = layers[-4:] if len(layers) > 4 else layers[1:]
    tokens = torch.stack(last).sum(dim=0)[0].numpy()
    belongs = [-1 if word is None else word for word in entry.word_ids(0)]
    return tokens, np.array(belongs)


def encode_pictures(encoder: Encoder, frames: Iterable[Frame], model: Any = None) -> Track:
    """One row per clip (mean of its tokens) at the time of the clip's last picture, or where the
    network looks at single pictures one row per picture; pictures at about 8 per second. One that was
    exported for pictures of faces is shown the target person's face.

    Args:
        encoder: one of video.
        frames: the pictures, in order of time.
        model: the network, where it is loaded already.
    """
    model = model or _model(encoder)
    if isinstance(model, exported.Exported):
        found, at_s = exported.face_rows(model, _at_rate(frames))
        return _track(encoder, [found], [at_s])
    preprocessor = _preprocessor(encoder)
    side = still.side_of(encoder.config, preprocessor)
    mean, sd = still.scale_of(preprocessor)
    one_by_one = still.looks_at_single_pictures(encoder.config)
    n = still.TOGETHER if one_by_one else pictures_of_a_clip(encoder)
    clip: list[np.ndarray] = []
    stamps: list[float] = []
    rows, times = [], []
    for frame in _at_rate(frames):
        clip.append(_picture(frame.rgb, side, mean, sd))
        stamps.append(frame.time_s)
        if len(clip) < n:
            continue
        found, at_s = _encoded(encoder, model, clip, stamps)
        rows.append(found)
        times.append(at_s)
        clip, stamps = [], []
    if one_by_one and clip:
        found, at_s = _encoded(encoder, model, clip, stamps)
        rows.append(found)
        times.append(at_s)
    return _track(encoder, rows, times)


def pictures_of_a_clip(encoder: Encoder) -> int:
    """How many pictures an encoder of films looks at together."""
    return int(encoder.config.get("num_frames", 16))


def _at_rate(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Pictures at about :data:`VIDEO_HZ` per second."""
    step_s = 1 / VIDEO_HZ
    due_s = -np.inf
    for frame in frames:
        if frame.time_s < due_s:
            continue
        if np.isfinite(due_s):
            due_s = max(due_s + step_s, frame.time_s)
        else:
            due_s = frame.time_s + step_s
        yield frame


def _encoded(
    encoder: Encoder, model: Any, clip: Sequence[np.ndarray], stamps: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of some pictures and their times: one each, or of a clip one at its last picture."""
    import torch

    pixels = np.stack(clip)
    if still.looks_at_single_pictures(encoder.config):
        return still.rows_of(model, pixels, encoder.width), np.array(stamps)
    with torch.no_grad():
        states = model(pixel_values=torch.from_numpy(pixels)[None]).last_hidden_state
    row = states[0].mean(dim=0).numpy()
    return row[None], np.array(stamps[-1:])


def _picture(rgb: np.ndarray, side: int, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Centre square, resized, less the mean and over the deviation, ``(3, side, side)``."""
    from PIL import Image

    h, w = rgb.shape[:2]
    edge = min(h, w)
    top, left = (h - edge) // 2, (w - edge) // 2
    crop = rgb[top : top + edge, left : left + edge]
    square = Image.fromarray(np.ascontiguousarray(crop))
    small = square.resize((side, side), Image.Resampling.BILINEAR)
    values = np.asarray(small, np.float32) / 255
    normed = (values - mean) / sd
    return np.ascontiguousarray(normed.transpose(2, 0, 1))


def _track(encoder: Encoder, rows: list[np.ndarray], times: list[np.ndarray]) -> Track:
    if not rows:
        return Track(np.empty((0, encoder.width), np.float32), np.empty(0), np.empty(0, bool))
    values = np.concatenate(rows).astype(np.float32)
    valid = np.asarray(np.isfinite(values).all(axis=1))
    return Track(values, np.concatenate(times), valid)


def _preprocessor(encoder: Encoder) -> Mapping[str, Any]:
    path = encoder.folder / "preprocessor_config.json"
    if not path.is_file():
        return {}
    return dict(read_json(path))


@lru_cache(maxsize=2)
def tokenizer_of(encoder: Encoder) -> Any:
    """Read once: reading it takes longer than encoding an answer."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(
        str(encoder.folder), local_files_only=True, use_fast=True
    )
    # Without its vocabulary, transformers returns an empty tokenizer and no error.
    n = int(encoder.config.get("vocab_size", 0))
    is_whole = 0.9 * n <= len(tokenizer) <= n
    if not is_whole or not getattr(tokenizer, "is_fast", False):
        raise MissingWeights(
            f"text encoder {encoder.folder}: expected a fast tokenizer of {n} tokens, got one of "
            f"{len(tokenizer)}; is its vocabulary complete?"
        )
    return tokenizer


# --- recordings → features with embeddings, cached
# -------------------------------------------------------------------


def with_embeddings(
    x: Features, recording: Recording, encoders: Sequence[Encoder], store: Store
) -> Features:
    """The features with a track per encoder; one that cannot be made is absent with a note.

    Args:
        x: the features of the recording, with its words.
        recording: where its film and sound lie.
        encoders: whose tracks are added.
        store: keeps the rows.
    """
    if not encoders:
        return x
    tracks, notes = dict(x.tracks), dict(x.notes)
    content = content_hash(recording.media)
    store.note(recording.subject, content)
    for encoder in encoders:
        if encoder.kind == "text" and x.words is None:
            why = notes.get("words", "not measured")
            notes[encoder.track] = f"words: {why}"
            continue
        track = _cached(encoder, recording, content, x.words, store)
        if len(track):
            tracks[encoder.track] = track
        else:
            notes[encoder.track] = _why_no_rows(encoder)
    return replace(x, tracks=tracks, notes=notes)


def _why_no_rows(encoder: Encoder) -> str:
    """Why an encoder gave no row of a recording."""
    if encoder.kind != "video":
        return {"audio": "no sound", "text": "no words"}[encoder.kind]
    if still.looks_at_single_pictures(encoder.config):
        return "no pictures"
    n = pictures_of_a_clip(encoder)
    return (
        f"too few pictures: the film is shorter than one clip of {n} pictures at {VIDEO_HZ:g} per "
        f"second ({n / VIDEO_HZ:.1f} s)"
    )


def _cached(
    encoder: Encoder,
    recording: Recording,
    content: str,
    words: tuple[Word, ...] | None,
    store: Store,
) -> Track:
    said = None
    if encoder.kind == "text":
        said = [[word.text, word.start_s] for word in words or ()]
    settings = {
        "encoder": encoder.mark,
        "blocks": [AUDIO_BLOCK_S, TEXT_BLOCK, VIDEO_HZ],
        "words": said,
        "recipe": [source_mark(__name__), source_mark(still.__name__)],
    }
    # Words, too, are filed under the recording in which they were said, or erasing it would leave
    # them.
    key = store.key(content, settings)
    entry = store.get(encoder.track, key)
    if entry is None:
        with unchanged(recording.media, content):
            track = _encode(encoder, recording, words)
        rows = {"values": track.values, "times_s": track.times_s, "valid": track.valid}
        store.put(encoder.track, key, rows, {})
        return track
    arrays, _ = entry
    return Track(arrays["values"], arrays["times_s"], arrays["valid"])


def _encode(encoder: Encoder, recording: Recording, words: tuple[Word, ...] | None) -> Track:
    if encoder.kind == "text":
        return encode_words(encoder, words or ())
    if encoder.kind == "video":
        with stream(recording.media, audio=False) as items:
            pictures = (item for item in items if isinstance(item, Frame))
            return encode_pictures(encoder, pictures)
    if not probe(recording.media).has_audio:
        return _track(encoder, [], [])  # silent: it loses its sound, and keeps everything else
    spool = AudioSpool(SAMPLE_RATE_HZ)
    try:
        with stream(recording.media, video=False) as sound:
            for item in sound:
                if isinstance(item, Samples):
                    spool.push(item)
        waveform = spool.waveform()
        return encode_sound(encoder, waveform.values, waveform.start_s)
    finally:
        spool.close()
