"""Features → rows on one grid, as the fusion models see them: a recipe of columns, values with
their masks, scales.

Row ``k`` of a grid covers ``[k, k + 1) * hop_s`` of the recording's clock and holds nothing from
after it, so it is known at its end. What was not measured is a mask of its own column, never a zero
that means something.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.store import settings_hash
from twomind.features.words.lexicon import lexicon
from twomind.features.words.text import describe_words
from twomind.models.fusion.erased import ERASED, erased_track
from twomind.models.questions import BAH_QUESTIONS, resolve
from twomind.types import Features, Track

AGGREGATES = ("mean", "sum")


@dataclass(frozen=True)
class Source:
    """Which columns of one track make a modality, and what is done to them. All of it causal."""

    track: str
    #: Empty: every column of an embedding track of ``width``.
    columns: tuple[str, ...] = ()
    width: int = 0
    #: Of the valid rows of a hop; "sum" counts (a hop without rows is 0, and measured).
    aggregate: str = "mean"
    #: One more column: how many rows fall into the hop.
    count_rows: bool = False
    #: Hz → semitones before anything else.
    semitones: tuple[str, ...] = ()
    #: Less the mean of this recording so far (this hop included).
    centre: tuple[str, ...] = ()
    #: Columns that also enter as the change from the hop before.
    deltas: tuple[str, ...] = ()
    #: Columns that speak for: anchors of the conflict model.
    approach: tuple[str, ...] = ()
    #: Columns that speak against.
    avoid: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        what = f"Source {self.track!r}"
        if self.aggregate not in AGGREGATES:
            raise ValueError(f"{what}: expected aggregate {' or '.join(AGGREGATES)}")
        if bool(self.columns) == bool(self.width):
            raise ValueError(f"{what}: expected either column names or the width of an embedding")
        listed = {*self.semitones, *self.centre, *self.deltas, *self.approach, *self.avoid}
        unknown = sorted(listed.difference(self.columns))
        if unknown:
            raise ValueError(f"{what}: {', '.join(unknown)} not among its columns")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the grid's columns, ``(D,)``."""
        names = list(self.columns)
        if not names:
            names = [f"e{i}" for i in range(self.width)]
        if self.count_rows:
            names.append("n_rows")
        names += [f"{c}_change" for c in self.deltas]
        return tuple(names)

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
        if name is None:
            return len(self.questions)
        return self.questions.index(name)


def default_recipe(
    modalities: Sequence[str] = ("face", "voice", "words"),
    relative: bool = True,
    hop_s: float = 0.2,
    questions: Sequence[str] = tuple(BAH_QUESTIONS),
    embeddings: Mapping[str, int] | None = None,
) -> Recipe:
    """The recipe that needs no download: the columns in ``default_recipe.toml``.

    Args:
        modalities: Some of face, voice, words and the names in ``embeddings``.
        relative: The face against the person's neutral, else as measured.
        hop_s: Seconds that a row of the grid covers.
        questions: Names of the questions that the model is told apart.
        embeddings: More modalities, of frozen encoders: name of their track → width
            (``encoders.pretrained``).

    Returns:
        What a fusion model reads.

    Raises:
        BadInput: an unknown modality.

    Example:
        >>> from twomind.models.fusion.input import default_recipe
        >>> default_recipe(("voice", "words"), hop_s=0.5).modalities
        ('voice', 'words')
    """
    known = _default_sources()
    if not relative:
        known["face"] = replace(known["face"], track="face")
    for name, width in (embeddings or {}).items():
        known[name] = Source(name, width=width)
    unknown = [m for m in modalities if m not in known]
    if unknown:
        raise BadInput(
            f"unknown modality {', '.join(unknown)}; expected some of {', '.join(known)}"
        )
    sources = {m: known[m] for m in modalities}
    return Recipe(sources, hop_s, tuple(questions))


def _default_sources() -> dict[str, Source]:
    """Face, voice and words as the data file has them; the words' columns are the lexicon's."""
    path = Path(__file__).with_name("default_recipe.toml")
    entries = tomllib.loads(path.read_text(encoding="utf-8"))
    entries["words"]["columns"] = list(lexicon().names)
    return {name: _source_from(entry) for name, entry in entries.items()}


def recipe_from(entry: Mapping[str, Any]) -> Recipe:
    """Read back what ``dataclasses.asdict`` wrote."""
    sources = {}
    for name, written in entry["sources"].items():
        sources[name] = _source_from(written)
    hop_s = float(entry["hop_s"])
    questions = tuple(entry["questions"])
    return Recipe(sources, hop_s, questions, entry["lexicon_sha256"])


def _source_from(written: Mapping[str, Any]) -> Source:
    fields: dict[str, Any] = dict(written)
    for name, value in written.items():
        if isinstance(value, list):
            fields[name] = tuple(value)
    return Source(**fields)


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
        hops = self.first + np.arange(len(self))
        return hops * self.hop_s

    def without(self, *modalities: str) -> Grid:
        """The same rows with modalities masked out."""
        values = dict(self.values)
        mask = dict(self.mask)
        for m in set(modalities) & set(values):
            values[m] = np.zeros_like(values[m])
            mask[m] = np.zeros_like(mask[m])
        return replace(self, values=values, mask=mask)

    def rows(self, start: int, end: int) -> Grid:
        """Rows ``start … end`` of this grid."""
        cut = slice(start, end)
        values, mask = {}, {}
        for m in self.values:
            values[m] = self.values[m][cut]
            mask[m] = self.mask[m][cut]
        first = self.first + start
        return replace(self, first=first, values=values, mask=mask)


#: What one modality's rows need to know of the rows before: the last row ``value``, ``mask``, and
#: the running sums ``total``, ``count`` of the columns that are centred.
Past = dict[str, np.ndarray]
#: The same per modality.
Memory = dict[str, Past]


def _track(x: Features, source: Source) -> Track | None:
    """The source's track, if the recording has it.

    Raises:
        BadInput: it has not the columns that the model reads.
    """
    track = x.tracks.get(source.track)
    if track is None and source.track == ERASED:
        track = erased_track(x)
    if track is None and source.track == "words" and x.words is not None:
        track = describe_words(x.words)
    if track is None:
        return None
    if source.columns:
        _check_columns(x, source, track)
    else:
        _check_width(x, source, track)
    return track


def _check_columns(x: Features, source: Source, track: Track) -> None:
    missing = [c for c in source.columns if c not in track.names]
    if missing:
        has = ", ".join(track.names) or "no named columns"
        raise BadInput(
            f"{x.recording}: the track {source.track!r} lacks {', '.join(missing)}, which the "
            f"model reads; it has {has}. Describe it with this version of twomind"
        )


def _check_width(x: Features, source: Source, track: Track) -> None:
    row_shape = track.values.shape[1:]
    if row_shape != (source.width,):
        raise BadInput(
            f"{x.recording}: the track {source.track!r} has rows of {row_shape}, the model reads "
            f"({source.width},). Use the encoder that the model was trained with"
        )


def _raw(track: Track, source: Source) -> np.ndarray:
    """Columns of the source ``(rows, C)``, nan where not measured."""
    values = track.values
    if source.columns:
        at = [track.names.index(c) for c in source.columns]
        values = values[:, at]
    raw = np.array(values, float)
    raw[~track.valid] = np.nan
    for column in source.semitones:
        at_column = source.columns.index(column)
        hz = raw[:, at_column]
        audible = np.where(hz > 0, hz, np.nan)
        octaves = np.log2(audible / 100)
        raw[:, at_column] = 12 * octaves
    return raw


@dataclass
class _Rows:
    """Rows of one modality while its grid is made: ``values (n, C)``, ``mask (n, C)``."""

    values: np.ndarray
    mask: np.ndarray

    def add(self, values: np.ndarray, mask: np.ndarray) -> None:
        """More columns behind the others."""
        self.values = np.concatenate([self.values, values], axis=1)
        self.mask = np.concatenate([self.mask, mask], axis=1)


def _unmeasured(n: int, width: int) -> _Rows:
    values = np.zeros((n, width))
    return _Rows(values, values.astype(bool))


def _aggregate(track: Track, source: Source, hops: range, hop_s: float) -> _Rows:
    """One row per hop of ``hops``, ``(n, C)``."""
    n = len(hops)
    hop = hop_of(track.times_s, hop_s) - hops.start
    inside = (hop >= 0) & (hop < n)
    hop = hop[inside]
    raw = _raw(track, source)[inside]
    measured = np.isfinite(raw)
    known = np.where(measured, raw, 0.0)
    total = _per_hop(hop, known, n)
    if source.aggregate == "sum":
        mask = np.ones(total.shape, bool)
    else:
        count = _per_hop(hop, measured, n)
        mask = count > 0
        total = np.divide(total, np.maximum(count, 1))
    rows = _Rows(np.where(mask, total, 0.0), mask)
    if source.count_rows:
        n_rows = np.bincount(hop, minlength=n).astype(float)
        always = np.ones((n, 1), bool)
        rows.add(n_rows[:, None], always)
    return rows


def _per_hop(hop: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """Sums ``(n, C)`` of the rows ``values (rows, C)`` that fall into each hop."""
    sums = [np.bincount(hop, column, n) for column in values.T]
    return np.stack(sums, axis=1)


def hop_of(times_s: np.ndarray, hop_s: float) -> np.ndarray:
    """Which hop a time falls into; a stamp that is a rounding error short of a hop
    belongs to it.
    """
    hops = np.asarray(times_s, float) / hop_s
    return np.floor(hops + 1e-6).astype(int)


def _centre(rows: _Rows, at: list[int], memory: Past) -> None:
    """Subtract the running mean of the recording so far from the columns ``at``; in place."""
    for i, c in enumerate(at):
        values = rows.values[:, c]
        mask = rows.mask[:, c]
        known = np.where(mask, values, 0.0)
        totals = memory["total"]
        counts = memory["count"]
        total = totals[i] + np.cumsum(known)
        count = counts[i] + np.cumsum(mask)
        mean = total / np.maximum(count, 1)
        centred = np.where(mask, values - mean, 0.0)
        rows.values[:, c] = centred
        totals[i] = total[-1]
        counts[i] = count[-1]


def _add_changes(rows: _Rows, at: list[int], memory: Past) -> None:
    """Append the change of the columns ``at`` from the hop before, known where both are."""
    values, mask = rows.values, rows.mask
    all_values = np.vstack([memory["value"], values])
    all_masks = np.vstack([memory["mask"], mask])
    earlier = all_values[:-1]
    earlier_mask = all_masks[:-1]
    both = (mask & earlier_mask)[:, at]
    change = (values - earlier)[:, at]
    memory["value"] = values[-1].copy()
    memory["mask"] = mask[-1].copy()
    rows.add(np.where(both, change, 0.0), both)


def _empty_memory(source: Source) -> Past:
    n_base = len(source.names) - len(source.deltas)
    n_centred = len(source.centre)
    memory = {}
    memory["value"] = np.zeros(n_base)
    memory["mask"] = np.zeros(n_base, bool)
    memory["total"] = np.zeros(n_centred)
    memory["count"] = np.zeros(n_centred)
    return memory


def _modality_rows(
    track: Track | None, source: Source, hops: range, hop_s: float, memory: Past
) -> _Rows:
    """Rows of one modality; ``memory`` is brought up to the last of them."""
    n = len(hops)
    width = len(source.names)
    if not n:
        return _unmeasured(0, width)
    if track is None:
        rows = _unmeasured(n, width - len(source.deltas))
    else:
        rows = _aggregate(track, source, hops, hop_s)
    _centre(rows, source.at(source.centre), memory)
    _add_changes(rows, source.at(source.deltas), memory)
    return rows


def grid_rows(
    x: Features, recipe: Recipe, first: int, n: int, memory: Memory | None = None
) -> tuple[Grid, Memory]:
    """The hops ``first … first + n`` of a recording, and what the next ones need to know
    of them.

    Args:
        x: The recording, or the part of it that holds these hops.
        recipe: What the model reads.
        first: The first hop.
        n: How many.
        memory: What the call for the hops before returned; None at the start.

    Raises:
        BadInput: a track has not the columns that the model reads.
    """
    hops = range(first, first + n)
    values: dict[str, np.ndarray] = {}
    mask: dict[str, np.ndarray] = {}
    after: Memory = {}
    for modality, source in recipe.sources.items():
        before = memory.get(modality) if memory else None
        if before is None:
            before = _empty_memory(source)
        state = {k: v.copy() for k, v in before.items()}
        track = _track(x, source)
        rows = _modality_rows(track, source, hops, recipe.hop_s, state)
        values[modality] = rows.values.astype(np.float32)
        mask[modality] = rows.mask
        after[modality] = state
    question = recipe.question(x.question)
    return Grid(first, recipe.hop_s, values, mask, question), after


def grid_of(x: Features, recipe: Recipe) -> Grid:
    """All hops of one window.

    Args:
        x: the window.
        recipe: what the model reads.

    Returns:
        Values and masks ``(T, D)`` by modality, a row per hop.

    Example:
        >>> from twomind.models.fusion.input import default_recipe, grid_of
        >>> from twomind.types import Features
        >>> x = Features("a1", "anna", {}, (0.0, 2.0))
        >>> len(grid_of(x, default_recipe(("voice",), hop_s=0.5)))
        4
    """
    start_s, end_s = x.span_s
    first = hop_at(start_s, recipe.hop_s)
    n_hops = end_s / recipe.hop_s
    end = int(np.ceil(n_hops - 1e-6))
    n = max(end - first, 0)
    grid, _ = grid_rows(x, recipe, first, n)
    return grid


def hop_at(time_s: float, hop_s: float) -> int:
    """Which hop one time falls into."""
    hops = hop_of(np.array([time_s]), hop_s)
    return int(hops[0])


def why_empty(x: Features, grid: Grid, recipe: Recipe) -> str:
    """Why there is nothing to score; "" when a modality was measured somewhere.

    Args:
        x: The recording, whose notes say why a modality is missing.
        grid: Its rows.
        recipe: What the model reads.
    """
    for mask in grid.mask.values():
        if mask.any():
            return ""
    said = []
    for modality in recipe.modalities:
        note = x.notes.get(modality, "not measured")
        said.append(f"{modality}: {note}")
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
        values = np.concatenate([g.values[modality] for g in grids])
        found[modality] = _scale_of(values.astype(float), mask)
    return found


def _scale_of(values: np.ndarray, mask: np.ndarray) -> Scale:
    """Mean and deviation of the measured values of every column."""
    n = np.maximum(mask.sum(axis=0), 1)
    known = np.where(mask, values, 0.0)
    mean = known.sum(axis=0) / n
    deviation = values - mean
    squares = np.where(mask, deviation**2, 0.0)
    sd = np.sqrt(squares.sum(axis=0) / n)
    divisor = np.where(sd > 1e-6, sd, 1.0)
    divisor = divisor.astype(np.float32)
    return Scale(mean.astype(np.float32), divisor)


def without_span(x: Features, start_s: float, end_s: float) -> Features:
    """The window with everything in ``[start_s, end_s)`` taken out: rows not valid, words gone. For
    deletion tests.

    Args:
        x: The window.
        start_s: Where the cut begins, on the recording's clock.
        end_s: Where it ends.
    """
    tracks = {}
    for name, track in x.tracks.items():
        before = track.times_s < start_s
        after = track.times_s >= end_s
        outside = before | after
        if name == "words":
            tracks[name] = track.rows(outside)
        else:
            valid = track.valid & outside
            tracks[name] = replace(track, valid=valid)
    words = x.words
    if words is not None:
        words = tuple(w for w in words if not start_s <= w.start_s < end_s)
    return replace(x, tracks=tracks, words=words)
