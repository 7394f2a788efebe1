"""Features → rows on one grid, as the fusion models see them: a recipe of columns, values with
their masks, scales.

Row ``k`` of a grid covers ``[k, k + 1) * hop_s`` of the recording's clock and holds nothing from
after it, so it is known at its end. What was not measured is a mask of its own column, never a zero
that means something.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.store import settings_hash
from twomind.features.words.lexicon import lexicon
from twomind.features.words.text import describe_words
from twomind.models.questions import BAH_QUESTIONS, resolve
from twomind.types import Features, Track

AGGREGATES = ("mean", "sum")


@dataclass(frozen=True)
class Source:
    """Which columns of one track make a modality, and what is done to them. All of it causal."""

    track: str
    columns: tuple[str, ...] = ()  # empty: every column of an embedding track of ``width``
    width: int = 0
    aggregate: str = (
        "mean"  # of the valid rows of a hop; "sum" counts (a hop without rows is 0, and measured)
    )
    count_rows: bool = False  # one more column: how many rows fall into the hop
    semitones: tuple[str, ...] = ()  # Hz → semitones before anything else
    centre: tuple[str, ...] = ()  # less the mean of this recording so far (this hop included)
    deltas: tuple[str, ...] = ()  # columns that also enter as the change from the hop before
    approach: tuple[str, ...] = ()  # columns that speak for: anchors of the conflict model
    avoid: tuple[str, ...] = ()  # columns that speak against

    def __post_init__(self) -> None:
        if self.aggregate not in AGGREGATES:
            raise ValueError(f"Source {self.track!r}: expected aggregate {' or '.join(AGGREGATES)}")
        if bool(self.columns) == bool(self.width):
            raise ValueError(
                f"Source {self.track!r}: expected either column names or the width of an embedding"
            )
        listed = {*self.semitones, *self.centre, *self.deltas, *self.approach, *self.avoid}
        if unknown := sorted(listed - set(self.columns)):
            raise ValueError(f"Source {self.track!r}: {', '.join(unknown)} not among its columns")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the grid's columns, ``(D,)``."""
        own = self.columns or tuple(f"e{i}" for i in range(self.width))
        return (
            *own,
            *(("n_rows",) if self.count_rows else ()),
            *(f"{c}_change" for c in self.deltas),
        )

    def at(self, columns: Sequence[str]) -> list[int]:
        return [self.names.index(c) for c in columns]


@dataclass(frozen=True)
class Recipe:
    """What a fusion model reads. Saved with it, with its hash; another recipe is another model."""

    sources: Mapping[str, Source]
    hop_s: float = 0.2
    questions: tuple[str, ...] = tuple(BAH_QUESTIONS)
    lexicon_sha256: str = field(default_factory=lambda: lexicon().sha256)

    def __post_init__(self) -> None:
        if not self.sources:
            raise BadInput("recipe: expected at least one modality")
        if not self.hop_s > 0:
            raise BadInput(f"recipe: expected hop_s > 0, got {self.hop_s}")

    @property
    def modalities(self) -> tuple[str, ...]:
        return tuple(self.sources)

    @property
    def sha256(self) -> str:
        return settings_hash(asdict(self))

    def question(self, asked: str | None) -> int:
        """Index of a question; ``len(questions)`` means unknown."""
        name = resolve(asked, self.questions)
        return len(self.questions) if name is None else self.questions.index(name)


_FACE = (
    "AU01",
    "AU02",
    "AU04",
    "AU07",
    "AU09",
    "AU12",
    "AU15",
    "AU17",
    "AU20",
    "AU23",
    "AU24",
    "AU25",
    "AU26",
    "AU43",
    "pose_yaw",
    "pose_pitch",
    "pose_roll",
    "gaze_yaw",
    "gaze_pitch",
    "blink",
    "mouth_motion",
)
_APPROACH = ("positive", "desire", "motivation", "capability", "opportunity", "change_talk")
_AVOID = ("negative", "fear", "no_motivation", "no_capability", "no_opportunity", "sustain_talk")


def default_recipe(
    modalities: Sequence[str] = ("face", "voice", "words"),
    relative: bool = True,
    hop_s: float = 0.2,
    questions: Sequence[str] = tuple(BAH_QUESTIONS),
    embeddings: Mapping[str, int] | None = None,
) -> Recipe:
    """The recipe that needs no download. ``relative``: the face against the person's neutral, else
    as measured.

    ``embeddings`` adds modalities of frozen encoders: name of their track → width
    (``encoders.pretrained``).

    Raises:
        BadInput: an unknown modality.
    """
    known = {
        "face": Source(
            "face_relative" if relative else "face",
            _FACE,
            deltas=("AU04", "AU12", "pose_yaw", "gaze_yaw"),
            approach=("AU12",),
            avoid=("AU04", "AU09", "AU15"),
        ),
        "voice": Source(
            "voice",
            ("speech", "pitch", "energy", "syllable"),
            semitones=("pitch",),
            centre=("pitch", "energy"),
            deltas=("pitch", "energy"),
        ),
        "words": Source(
            "words",
            lexicon().names,
            aggregate="sum",
            count_rows=True,
            approach=_APPROACH,
            avoid=_AVOID,
        ),
        **{name: Source(name, width=width) for name, width in (embeddings or {}).items()},
    }
    if unknown := [m for m in modalities if m not in known]:
        raise BadInput(
            f"unknown modality {', '.join(unknown)}; expected some of {', '.join(known)}"
        )
    return Recipe({m: known[m] for m in modalities}, hop_s, tuple(questions))


def recipe_from(entry: Mapping[str, Any]) -> Recipe:
    """Read back what ``dataclasses.asdict`` wrote."""

    def tuples(source: Mapping[str, Any]) -> Source:
        fields: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in source.items()
        }
        return Source(**fields)

    sources = {name: tuples(source) for name, source in entry["sources"].items()}
    return Recipe(
        sources, float(entry["hop_s"]), tuple(entry["questions"]), entry["lexicon_sha256"]
    )


@dataclass(frozen=True)
class Grid:
    """Rows ``first … first + T`` of a recording: per modality ``values (T, D)`` (0 where masked),
    ``mask (T, D)``.
    """

    first: int
    hop_s: float
    values: Mapping[str, np.ndarray]
    mask: Mapping[str, np.ndarray]
    question: int

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    @property
    def times_s(self) -> np.ndarray:
        """Start of every row ``(T,)``."""
        return (self.first + np.arange(len(self))) * self.hop_s

    def without(self, *modalities: str) -> Grid:
        """The same rows with modalities masked out."""
        values = {m: np.zeros_like(v) if m in modalities else v for m, v in self.values.items()}
        mask = {m: np.zeros_like(v) if m in modalities else v for m, v in self.mask.items()}
        return replace(self, values=values, mask=mask)

    def rows(self, start: int, end: int) -> Grid:
        """Rows ``start … end`` of this grid."""
        cut = slice(start, end)
        values = {m: v[cut] for m, v in self.values.items()}
        return replace(
            self,
            first=self.first + start,
            values=values,
            mask={m: v[cut] for m, v in self.mask.items()},
        )


#: What a grid needs to know of the rows before: per modality the last row and the running sums.
Memory = dict[str, dict[str, np.ndarray]]


def _track(x: Features, source: Source) -> Track | None:
    track = x.tracks.get(source.track)
    if track is None and source.track == "words" and x.words is not None:
        track = describe_words(x.words)
    if track is None:
        return None
    if source.columns:
        if missing := [c for c in source.columns if c not in track.names]:
            raise BadInput(
                f"{x.recording}: the track {source.track!r} lacks {', '.join(missing)}, which the "
                "model reads; it has "
                f"{', '.join(track.names) or 'no named columns'}. Describe it with this version of "
                "twomind"
            )
    elif track.values.ndim != 2 or track.values.shape[1] != source.width:
        raise BadInput(
            f"{x.recording}: the track {source.track!r} has rows of {track.values.shape[1:]}, the "
            "model reads "
            f"({source.width},). Use the encoder that the model was trained with"
        )
    return track


def _raw(track: Track, source: Source) -> np.ndarray:
    """Columns of the source ``(rows, C)``, nan where not measured."""
    at = [track.names.index(c) for c in source.columns] if source.columns else slice(None)
    raw = np.where(track.valid[:, None], np.asarray(track.values[:, at], float), np.nan)
    for column in source.semitones:
        hz = raw[:, source.columns.index(column)]
        raw[:, source.columns.index(column)] = 12 * np.log2(np.where(hz > 0, hz, np.nan) / 100)
    return raw


def _aggregate(
    track: Track, source: Source, first: int, n: int, hop_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Values and mask ``(n, C)`` of the hops ``first … first + n``."""
    hop = hop_of(track.times_s, hop_s) - first
    inside = (hop >= 0) & (hop < n)
    raw, hop = _raw(track, source)[inside], hop[inside]
    measured = np.isfinite(raw)
    columns = range(raw.shape[1])
    total = np.stack(
        [np.bincount(hop, np.where(measured[:, c], raw[:, c], 0.0), n) for c in columns], axis=1
    )
    count = np.stack([np.bincount(hop, measured[:, c], n) for c in columns], axis=1)
    if source.aggregate == "sum":
        mask = np.ones((n, raw.shape[1]), bool)
    else:
        mask = count > 0
        total = np.divide(total, np.maximum(count, 1))
    if source.count_rows:
        total = np.concatenate(
            [total, np.bincount(hop, minlength=n)[:, None].astype(float)], axis=1
        )
        mask = np.concatenate([mask, np.ones((n, 1), bool)], axis=1)
    return np.where(mask, total, 0.0), mask


def hop_of(times_s: np.ndarray, hop_s: float) -> np.ndarray:
    """Which hop a time falls into; a stamp that is a rounding error short of a hop
    belongs to it.
    """
    return np.floor(np.asarray(times_s, float) / hop_s + 1e-6).astype(int)


def _centre(
    values: np.ndarray, mask: np.ndarray, at: list[int], memory: dict[str, np.ndarray]
) -> None:
    """Subtract the running mean of the recording so far from the columns ``at``; in place."""
    for i, c in enumerate(at):
        total = memory["total"][i] + np.cumsum(np.where(mask[:, c], values[:, c], 0.0))
        count = memory["count"][i] + np.cumsum(mask[:, c])
        values[:, c] = np.where(mask[:, c], values[:, c] - total / np.maximum(count, 1), 0.0)
        memory["total"][i], memory["count"][i] = total[-1], count[-1]


def grid_rows(
    x: Features, recipe: Recipe, first: int, n: int, memory: Memory | None = None
) -> tuple[Grid, Memory]:
    """The hops ``first … first + n`` of a recording, and what the next ones need to know
    of them.
    """
    values: dict[str, np.ndarray] = {}
    mask: dict[str, np.ndarray] = {}
    after: Memory = {}
    for modality, source in recipe.sources.items():
        width, base = len(source.names), len(source.names) - len(source.deltas)
        before = (memory or {}).get(modality) or {
            "value": np.zeros(base),
            "mask": np.zeros(base, bool),
            "total": np.zeros(len(source.centre)),
            "count": np.zeros(len(source.centre)),
        }
        state = {k: v.copy() for k, v in before.items()}
        track = _track(x, source)
        if track is None or not n:
            v, m = np.zeros((n, base)), np.zeros((n, base), bool)
        else:
            v, m = _aggregate(track, source, first, n, recipe.hop_s)
        if n:
            _centre(v, m, source.at(source.centre), state)
            at = source.at(source.deltas)
            earlier, known = (
                np.vstack([before["value"], v[:-1]]),
                np.vstack([before["mask"], m[:-1]]),
            )
            both = (m & known)[:, at]
            state["value"], state["mask"] = v[-1].copy(), m[-1].copy()
            v = np.concatenate([v, np.where(both, (v - earlier)[:, at], 0.0)], axis=1)
            m = np.concatenate([m, both], axis=1)
        else:
            v, m = np.zeros((0, width)), np.zeros((0, width), bool)
        values[modality], mask[modality], after[modality] = v.astype(np.float32), m, state
    return Grid(first, recipe.hop_s, values, mask, recipe.question(x.question)), after


def grid_of(x: Features, recipe: Recipe) -> Grid:
    """All hops of one window."""
    first = int(hop_of(np.array([x.span_s[0]]), recipe.hop_s)[0])
    end = int(np.ceil(x.span_s[1] / recipe.hop_s - 1e-6))
    return grid_rows(x, recipe, first, max(end - first, 0))[0]


def why_empty(x: Features, grid: Grid, recipe: Recipe) -> str:
    """Why there is nothing to score; "" when a modality was measured somewhere."""
    if len(grid) and any(m.any() for m in grid.mask.values()):
        return ""
    said = [f"{m}: {x.notes.get(m, 'not measured')}" for m in recipe.modalities]
    return f"nothing that the model reads was measured ({'; '.join(said)})"


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of every column over the training people's measured hops,
    ``(D,)`` each.
    """

    mean: np.ndarray
    sd: np.ndarray


def fit_scales(grids: Iterable[Grid], recipe: Recipe) -> dict[str, Scale]:
    """Scales from the grids of training people. A column that never varies is left as it is."""
    grids = list(grids)
    found = {}
    for modality in recipe.modalities:
        mask = np.concatenate([g.mask[modality] for g in grids])
        values = np.concatenate([g.values[modality] for g in grids]).astype(float)
        n = np.maximum(mask.sum(axis=0), 1)
        mean = np.where(mask, values, 0.0).sum(axis=0) / n
        sd = np.sqrt(np.where(mask, (values - mean) ** 2, 0.0).sum(axis=0) / n)
        found[modality] = Scale(
            mean.astype(np.float32), np.where(sd > 1e-6, sd, 1.0).astype(np.float32)
        )
    return found


def without_span(x: Features, start_s: float, end_s: float) -> Features:
    """The window with everything in ``[start_s, end_s)`` taken out: rows not valid, words gone. For
    deletion tests.
    """

    def cut(name: str, track: Track) -> Track:
        inside = (track.times_s >= start_s) & (track.times_s < end_s)
        if name != "words":
            return replace(track, valid=track.valid & ~inside)
        assert track.reason_code is not None
        keep = ~inside
        return replace(
            track,
            values=track.values[keep],
            times_s=track.times_s[keep],
            valid=track.valid[keep],
            reason_code=track.reason_code[keep],
        )

    words = (
        None if x.words is None else tuple(w for w in x.words if not start_s <= w.start_s < end_s)
    )
    return replace(x, tracks={n: cut(n, t) for n, t in x.tracks.items()}, words=words)
