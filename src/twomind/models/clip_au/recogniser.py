"""CLIP-AU (arXiv 2603.27999): which facial movements a clip resembles, in CLIP's words, and one
small head on that.

Frozen CLIP frame embeddings → one convolution over time → a unit vector; 46 short phrases of facial
movements → frozen CLIP text features → a small adapter → unit rows; the 46 cosines are the only
input of a small classifier.

Against the released code, on purpose: 46 phrases of one movement each (``released_phrases`` has the
fused last one); clips sampled by time, in order, without wrap-around, several per window; text
encoded once. Its dead modules are gone.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from twomind.core.errors import BadInput, MissingExtra, MissingWeights
from twomind.core.store import read_arrays, write_arrays
from twomind.core.weights import inside as weights_inside
from twomind.encoders.encoder import Encoder, Name
from twomind.encoders.frames import FrameSettings, embed, with_embeddings
from twomind.encoders.opening import EMBEDDED, open_encoder
from twomind.models.base import CARD, task_from, write_card
from twomind.models.clip_au import parts
from twomind.models.clip_au.clips import ClipSettings, clips_of, padded
from twomind.models.clip_au.phrases import PHRASES, Phrase
from twomind.models.one_track import OneTrack
from twomind.types import AMBIVALENCE, Evidence, Features, Prediction, Recording, Status, Task

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtra("torch", "CLIP-AU") from error

if TYPE_CHECKING:
    from twomind.core.store import Store
    from twomind.encoders.clip_towers import Tower

FORMAT = "twomind.clip-au/1"
FILE = "clip_au.safetensors"
#: Prototypes of the source people, beside the weights; see
#: :mod:`twomind.adaptation.clip_au_summary`.
SUMMARY_FILE = "clip_au_summary.safetensors"
MEANING = (
    "mean over short clips of how strongly the face's movements look like those of windows that "
    "were marked in "
    "training; not the probability that a coder would mark this answer"
)
#: Fields that are saved as they are.
_PLAIN = ("track", "encoder", "mark", "drawn")
#: The weight that is not trained: CLIP's text features of the phrases ``(N, D)``.
PHRASE_FEATURES = "phrases.features"


@dataclass(frozen=True)
class PhraseText:
    """What prompt tuning needs of the phrases: the text tower, ids ``(N, L)``, and where each is
    read ``(N,)``.

    ``released_ids`` and ``released_read_at`` are those of the phrase with spaces and a final
    period, the way the released prompt learner tokenises; None: the same as the others.
    """

    tower: Tower
    ids: Tensor
    read_at: Tensor
    released_ids: Tensor | None = None
    released_read_at: Tensor | None = None


def phrase_text(encoder: Encoder, phrases: Sequence[Phrase]) -> PhraseText:
    """Tokenise phrases for an encoder."""
    tokens = encoder.tokenise([p.text for p in phrases])
    learner = encoder.tokenise([p.text.replace("_", " ") + "." for p in phrases])
    return PhraseText(encoder.text, tokens.ids, tokens.read_at, learner.ids, learner.read_at)


@dataclass(frozen=True)
class ClipAu(OneTrack):
    """The recogniser. ``weights`` are those of :mod:`.clip_au_parts` and the phrases' text
    features.

    ``encoder`` names what made the track; ``mark`` is its fingerprint. ``drawn`` says that it was
    trained on synthetic people only: then real recordings are not measured unless ``allow_real``.
    ``card`` carries how it was trained and, under ``aus``, the record that a similarity follows the
    movement of its name (:mod:`.clip_au_check`).
    """

    instead: ClassVar[str] = "Train a CLIP-AU on a CLIP and real people"
    #: What makes the summary of source people, where the model has none.
    summary_by: ClassVar[str] = "twomind train sfda-pft --model THIS --data FOLDER --out OTHER"

    task: Task
    weights: Mapping[str, Tensor]
    phrases: tuple[Phrase, ...] = PHRASES
    track: str = "clip"
    encoder: str = "vit-b-32"
    mark: str = ""
    clips: ClipSettings = field(default_factory=ClipSettings)
    drawn: bool = False
    allow_real: bool = False
    card: Mapping[str, Any] = field(default_factory=dict)
    text: PhraseText | None = field(default=None, compare=False, repr=False)
    home: Path | None = field(
        default=None, compare=False, repr=False
    )  # folder that it was read from

    def __post_init__(self) -> None:
        missing = [name for name in (*parts.TRAINED, PHRASE_FEATURES) if name not in self.weights]
        if missing:
            raise ValueError(f"CLIP-AU: expected the weights {', '.join(missing)}")
        n_phrases, n_classes = len(self.phrases), len(self.task.classes)
        self._check_shape(PHRASE_FEATURES, (n_phrases, self.dim))
        self._check_shape("temporal_classifier.0.weight", (256, n_phrases))
        self._check_shape("temporal_classifier.2.weight", (n_classes, 256))
        self._check_shape("temporal.weight", (self.dim, self.dim, 3))

    def _check_shape(self, name: str, wanted: tuple[int, ...]) -> None:
        shape = tuple(self.weights[name].shape)
        if shape != wanted:
            raise ValueError(f"CLIP-AU, {name}: expected {wanted}, got {shape}")

    @property
    def dim(self) -> int:
        return int(self.weights["text_adapter.0.weight"].shape[1])

    def params(self) -> Mapping[str, Tensor]:
        return self.weights

    def run(
        self, xs: Sequence[Features], params: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """What the last layer reads ``(B, 256)``, and logits ``(B, C)``, both means over each
        window's clips.

        The mean over clips and the last layer commute, so the mean of the clips' logits is the
        logits of the mean.
        """
        w = self._with(params)
        rows, owner = self.rows(xs, w)
        return self.answer(rows, owner, len(xs), self.phrase_rows(w), w)

    def _with(self, params: Mapping[str, Tensor] | None) -> Mapping[str, Tensor]:
        return {**self.weights, **(params or {})}

    def answer(
        self,
        rows: Tensor,
        owner: Tensor,
        n_windows: int,
        phrases: Tensor,
        params: Mapping[str, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """What :meth:`run` gives, from embedded clips and phrases.

        Args:
            rows: unit rows of clips ``(n, D)``.
            owner: whose each is ``(n,)``.
            n_windows: how many windows there are.
            phrases: rows of phrases ``(N, D)``.
            params: all weights; None: the model's own.
        """
        w = params or self.weights
        h = parts.hidden(w, parts.similarities(rows, phrases))
        n_clips = torch.bincount(owner, minlength=n_windows)
        total = h.new_zeros(n_windows, h.shape[1]).index_add(0, owner, h)
        z = total / n_clips[:, None]
        weight, bias = self.head(w)
        return z, z @ weight.T + bias

    def head(self, params: Mapping[str, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        w = self._with(params)
        return w["temporal_classifier.2.weight"], w["temporal_classifier.2.bias"]

    def frames(self, xs: Sequence[Features]) -> tuple[Tensor, Tensor, Tensor]:
        """Clips ``(n, T, D)`` of all windows, padded with zeros, their lengths ``(n,)``, and whose
        each is ``(n,)``.
        """
        found: list[np.ndarray] = []
        owner: list[int] = []
        for k, x in enumerate(xs):
            clips = self._clips(x)
            if not clips:
                raise ValueError(
                    f"run: window {k} has no valid row in the track {self.track!r}; ask predict "
                    "instead"
                )
            found += clips
            owner += [k] * len(clips)
        values, lengths = padded(found, self.dim)
        return torch.from_numpy(values), torch.from_numpy(lengths), torch.tensor(owner)

    def _clips(self, x: Features) -> list[np.ndarray]:
        """Rows ``(t, D)`` of each clip of a window."""
        track = x.tracks.get(self.track)
        if track is None:
            return []
        clips = clips_of(track, self.clips)
        shape = track.values.shape[1:]
        if clips and shape != (self.dim,):
            raise ValueError(f"track {self.track!r}: expected rows ({self.dim},), got {shape}")
        return [track.values[rows] for rows in clips]

    def rows(
        self, xs: Sequence[Features], params: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Unit rows ``(n, D)`` of the windows' clips, and whose each is ``(n,)``."""
        values, lengths, owner = self.frames(xs)
        return parts.clip_rows(params or self.weights, values, lengths), owner

    def phrase_rows(self, params: Mapping[str, Tensor] | None = None) -> Tensor:
        """Adapted unit rows ``(N, D)`` of the phrases."""
        w = params or self.weights
        return parts.phrase_rows(w, w[PHRASE_FEATURES])

    def predict(self, x: Features) -> Prediction:
        found = super().predict(x)
        if found.status is Status.NOT_MEASURED:
            return found
        return replace(found, evidence=self.evidence(x))

    def earned(self) -> tuple[int, ...]:
        """Positions of the phrases whose similarity was shown to follow the movement they name."""
        return tuple(
            int(row["position"])
            for row in self.card.get("aus", {}).get("rows", ())
            if row["earned"]
        )

    def evidence(self, x: Features) -> tuple[Evidence, ...]:
        """Cosines of each clip with the phrases whose names are earned; nothing without the record
        of the check.
        """
        names = self.earned()
        if not names:
            return ()
        found = []
        for start_s, end_s, cosines in self.clip_cosines(x):
            for k in names:
                name = self.phrases[k].name
                found.append(
                    Evidence("au_similarity", name, float(cosines[k]), "cosine", start_s, end_s)
                )
        return tuple(found)

    def clip_cosines(self, x: Features) -> list[tuple[float, float, np.ndarray]]:
        """Start, end and cosines ``(N,)`` of every clip of a window, in order. The names may not be
        earned.
        """
        track = x.tracks[self.track]
        with torch.no_grad():
            rows, _ = self.rows([x])
            cosines = parts.similarities(rows, self.phrase_rows(), scale=1.0).numpy()
        found = []
        for clip, row in zip(clips_of(track, self.clips), cosines, strict=True):
            start_s, end_s = track.times_s[clip[0]], track.times_s[clip[-1]]
            found.append((float(start_s), float(end_s), row))
        return found

    # --- what it reads

    @property
    def window_s(self) -> float:
        """Length of the windows that a stream is cut into: that of a clip."""
        return self.clips.n_frames * self.clips.hop_s

    def frame_settings(self) -> FrameSettings:
        """How the frames of a recording are sampled and cropped for this model."""
        return FrameSettings(hop_s=self.clips.hop_s)

    def open_encoder(self, offline: bool | None = None) -> Encoder:
        """The encoder of the frames.

        Raises:
            MissingWeights: the one found here is another than the model was trained on.
        """
        encoder = _encoder(self.encoder, offline)
        if self.mark and encoder.fingerprint.split("-")[0] != self.mark.split("-")[0]:
            raise MissingWeights(
                f"encoder {self.encoder!r}: expected the weights {self.mark[:12]}… that this model "
                "was trained on, "
                f"found {encoder.fingerprint[:12]}…"
            )
        return encoder

    def prepare(
        self, x: Features, recording: Recording, store: Store | None = None, offline: bool = False
    ) -> Features:
        """The features with the track of frame embeddings, made from the recording or read from the
        store.

        Raises:
            BadInput: the model learnt from synthetic people and this is a real one.
        """
        self.refuse(x)
        settings = self.frame_settings()
        encoder = self.open_encoder(offline or None)
        tracks = embed(
            recording, [encoder], settings=settings, store=store, allow_real=self.allow_real
        )
        return with_embeddings(x, tracks)

    def describe(self) -> dict[str, Any]:
        """What there is to say of the model, as plain values."""
        return {
            "name": "clip-au",
            "encoder": self.encoder,
            "drawn": self.drawn,
            "questions": [],
            "window_s": self.window_s,
            "meaning": MEANING,
            "card": dict(self.card),
            "skill": {},
        }

    def skill(self, question: str | None) -> Mapping[str, Any]:
        """Nothing was measured on whole answers; figures on held-out windows are in the card."""
        return {}

    def source_summary(self) -> dict[str, np.ndarray] | None:
        """Prototypes of the source people (for TTA-CaP) that lie beside the weights; None when
        there are none.

        Raises:
            BadInput: they were made with other weights.
        """
        path = self.home / SUMMARY_FILE if self.home is not None else None
        if path is None or not path.is_file():
            return None
        arrays, meta = read_arrays(path)
        if meta.get("weights") != self.weights_mark():
            raise BadInput(
                f"{path}: these prototypes were made with other weights; make them again "
                "(twomind.adaptation.clip_au_summary) or remove the file"
            )
        return dict(arrays)

    def weights_mark(self) -> str:
        """Hash of the weights: two models with the same one give the same numbers."""
        digest = hashlib.sha256()
        for name in sorted(self.weights):
            digest.update(
                name.encode() + np.ascontiguousarray(self.weights[name].numpy()).tobytes()
            )
        return digest.hexdigest()

    def phrase_text(self) -> PhraseText:
        """Text tower and tokens of the phrases, opened by name when they were not attached.

        Raises:
            MissingWeights: the encoder found here is another one than the model was trained on.
        """
        if self.text is not None:
            return self.text
        return phrase_text(self.open_encoder(), self.phrases)

    def save(self, folder: Path) -> Path:
        """Write one safetensors file with the weights, and everything else as its JSON meta.

        Into a folder, ``card.json`` comes beside it, by which ``twomind.models.load`` knows whose
        model this is.
        """
        meta = {
            "format": FORMAT,
            "task": asdict(self.task),
            "phrases": [asdict(p) for p in self.phrases],
            "clips": asdict(self.clips),
            "card": dict(self.card),
            **{name: getattr(self, name) for name in _PLAIN},
        }
        arrays = {name: value.numpy() for name, value in self.weights.items()}
        if folder.suffix == ".safetensors":
            return write_arrays(folder, arrays, meta)
        path = write_arrays(folder / FILE, arrays, meta)
        write_card(folder, "clip-au", self.card, [FILE], self.drawn)
        return path

    @classmethod
    def load(cls, path: Path | None = None, /) -> ClipAu:
        """A model from a file or folder written by :meth:`save`; by default the one of
        twomind-synth (synthetic people only).

        Raises:
            MissingExtra: no folder was given, and twomind-synth is not installed.
            BadInput: there is none, or it is damaged.
        """
        path = path or weights_inside("clip-au")
        if path is None:
            raise MissingExtra(
                "synth", "the CLIP-AU that is asked for by name, which knows synthetic people only,"
            )
        path = path.parent if path.name == CARD else path
        path = path / FILE if path.is_dir() else path
        if not path.is_file():
            raise BadInput(
                f"{path}: expected a CLIP-AU model ({FILE}); train one with "
                "twomind.training.clip_au"
            )
        arrays, meta = read_arrays(path)
        if meta.get("format") != FORMAT:
            raise BadInput(
                f"{path}: expected a CLIP-AU model ({FORMAT}), got {meta.get('format')!r}"
            )
        weights = {}
        for name, value in arrays.items():
            weights[name] = torch.from_numpy(value.astype(np.float32))
        phrases = tuple(_phrase_from(entry) for entry in meta["phrases"])
        settings = {name: meta[name] for name in _PLAIN}
        return cls(
            task_from(meta["task"]),
            weights,
            phrases,
            clips=ClipSettings(**meta["clips"]),
            card=meta["card"],
            home=path.parent,
            **settings,
        )


def _phrase_from(entry: Mapping[str, Any]) -> Phrase:
    return Phrase(tuple(entry["facs"]), entry["text"], entry["measure"], entry["sign"])


@functools.lru_cache(maxsize=2)
def _encoder(name: Name, offline: bool | None = None) -> Encoder:
    return open_encoder(name, offline=offline)


def new_model(
    encoder: Encoder,
    task: Task = AMBIVALENCE,
    phrases: tuple[Phrase, ...] = PHRASES,
    clips: ClipSettings | None = None,
    seed: int = 0,
) -> ClipAu:
    """An untrained model on an encoder.

    Args:
        encoder: makes the rows and reads the phrases.
        task: the question and its classes.
        phrases: what the model describes a face by.
        clips: how a window is cut; None: as released.
        seed: of the first weights.

    Example:
        >>> from twomind.encoders.opening import open_encoder
        >>> from twomind.models.clip_au.recogniser import new_model
        >>> new_model(open_encoder()).task.classes
        ('absent', 'present')
    """
    from twomind.encoders.clip_towers import encode_ids

    text = phrase_text(encoder, phrases)
    weights = parts.new_weights(len(phrases), encoder.dim, len(task.classes), seed)
    weights[PHRASE_FEATURES] = encode_ids(text.tower, text.ids, text.read_at)
    model = ClipAu(
        task,
        weights,
        phrases,
        encoder.track,
        encoder.name,
        encoder.fingerprint,
        clips or ClipSettings(),
    )
    return replace(model, drawn=encoder.drawn_only, text=text)


PLUGIN = ClipAu
__all__ = ["EMBEDDED", "PLUGIN", "ClipAu", "PhraseText", "new_model", "phrase_text"]
