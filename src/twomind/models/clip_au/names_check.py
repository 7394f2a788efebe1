"""Has a similarity earned the name of its phrase? Correlate it with the movement that the face
track measures.

Between a phrase and its similarity stands a trained adapter, which is free to make anything of the
words. So a name is shown only where, on recordings with both tracks, the similarity of phrase k
rises and falls with measured action k.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import numbers
from twomind.core.errors import BadInput
from twomind.core.store import write_text
from twomind.models.clip_au.phrases import Phrase
from twomind.models.clip_au.recogniser import ClipAu
from twomind.types import Features, Track

FACE = "face"


@dataclass(frozen=True)
class CheckSettings:
    """When a name counts as earned."""

    #: Correlation within people, at least.
    min_r: float = 0.3
    min_clips: int = 50
    min_people: int = 5
    #: Of people, for the interval, whose lower end must be above 0.
    n_resamples: int = 1000
    #: Share of a clip's face rows in which the movement was measured.
    min_valid: float = 0.5
    seed: int = 0


@dataclass(frozen=True)
class _Clips:
    """Every clip of some recordings, one row each."""

    #: Cosines with the phrases ``(n, N)``.
    cosines: np.ndarray
    #: Means of the measured movements ``(n, M)``, nan where not measured.
    measured: np.ndarray
    #: Whose clip it is, ``(n,)``.
    people: np.ndarray


@dataclass(frozen=True)
class _Correlation:
    """r within people, its 95 % interval over resampled people, and what it rests on."""

    r: float
    low: float
    high: float
    n_clips: int
    n_people: int


def check_names(
    model: ClipAu, xs: Sequence[Features], settings: CheckSettings | None = None
) -> ClipAu:
    """The model with a record, per phrase, of how its similarity correlates with the measured
    movement.

    Every person's own mean is taken off both, since people differ at rest. ``best`` names the
    measured movement that the similarity follows most closely; it need not be its own.

    Args:
        model: The model.
        xs: Recordings with the model's track and the face track.
        settings: When a name counts as earned.

    Raises:
        BadInput: no recording has both tracks.
    """
    settings = settings or CheckSettings()
    measures = [phrase.measure for phrase in model.phrases if phrase.measure]
    names = tuple(dict.fromkeys(measures))
    clips = _clips(model, xs, names, settings.min_valid)
    if not len(clips.cosines):
        raise BadInput(
            f"names of movements: expected recordings with the tracks {model.track!r} and {FACE!r}"
        )
    rows = []
    for position, phrase in enumerate(model.phrases):
        row: dict[str, Any] = {"position": position, "name": phrase.name}
        row["measure"] = phrase.measure
        row["earned"] = False
        if phrase.measure:
            row |= _checked(position, phrase, clips, names, settings)
        else:
            row["why"] = "landmarks cannot measure it"
        rows.append(row)
    record = {
        "rows": rows,
        "n_recordings": len(xs),
        "drawn": all(x.drawn for x in xs),
        "rule": f"r >= {settings.min_r}, interval above 0",
    }
    card = dict(model.card)
    card["aus"] = record
    return replace(model, card=card)


def _checked(
    position: int, phrase: Phrase, clips: _Clips, names: tuple[str, ...], settings: CheckSettings
) -> dict[str, Any]:
    """What the record says of a phrase that can be measured."""
    cosines = clips.cosines[:, position]
    column = names.index(phrase.measure)
    truth = phrase.sign * clips.measured[:, column]
    own = _correlation(cosines, truth, clips.people, settings)
    row = asdict(own)
    row["best"] = _best(cosines, clips, names)
    why = _lacking(own, settings)
    row["why"] = why
    row["earned"] = not why
    return row


def _best(cosines: np.ndarray, clips: _Clips, names: tuple[str, ...]) -> str:
    """The measured movement that a similarity follows most closely; "" when none is known."""
    best, highest = "", -1.0
    for k, name in enumerate(names):
        truth = clips.measured[:, k]
        found = _correlation(cosines, truth, clips.people, None)
        strength = abs(found.r)
        if strength > highest:
            best, highest = name, strength
    return best


def _lacking(found: _Correlation, settings: CheckSettings) -> str:
    """What a name lacks to be earned; "" when nothing."""
    n, n_people = found.n_clips, found.n_people
    if n < settings.min_clips or n_people < settings.min_people:
        return f"too little to tell: {n} clips of {n_people} people"
    if not found.r >= settings.min_r:
        return f"r = {found.r:.2f} is below {settings.min_r}"
    if not found.low > 0:
        return "the interval of r includes 0"
    return ""


def _clips(
    model: ClipAu, xs: Sequence[Features], names: tuple[str, ...], min_valid: float
) -> _Clips:
    """Every clip of the recordings that have both tracks."""
    all_cosines, measured, people = [], [], []
    for x in xs:
        face = x.tracks.get(FACE)
        if model.absent(x) or face is None:
            continue
        columns = _columns(face, names)
        for start_s, end_s, cosines in model.clip_cosines(x):
            started = face.times_s >= start_s - 1e-6
            not_ended = face.times_s <= end_s + 1e-6
            rows = columns[started & not_ended]
            all_cosines.append(cosines)
            measured.append(_means(rows, min_valid))
            people.append(x.subject)
    means = np.array(measured)
    return _Clips(np.array(all_cosines), means, np.array(people))


def _columns(face: Track, names: tuple[str, ...]) -> np.ndarray:
    """Measured movements ``(T, M)``; nan where the track has no such column."""
    found = []
    for name in names:
        if name in face.names:
            column = face.column(name)
        else:
            column = np.full(len(face), np.nan)
        found.append(column)
    return np.stack(found, axis=1)


def _means(rows: np.ndarray, min_valid: float) -> np.ndarray:
    """Mean of every column ``(M,)``; nan where too few rows were measured."""
    n, n_columns = rows.shape
    if not n:
        return np.full(n_columns, np.nan)
    there = np.isfinite(rows)
    total = np.where(there, rows, 0).sum(axis=0)
    n_there = np.maximum(there.sum(axis=0), 1)
    mean = total / n_there
    enough = there.mean(axis=0) >= min_valid
    return np.where(enough, mean, np.nan)


def _centred(values: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Values less the mean of their person."""
    _, who = np.unique(people, return_inverse=True)
    total = np.bincount(who, values)
    mean = total / np.bincount(who)
    return values - mean[who]


def _correlation(
    a: np.ndarray, b: np.ndarray, people: np.ndarray, settings: CheckSettings | None
) -> _Correlation:
    """r within people; without settings its interval is nan."""
    ok = np.isfinite(a) & np.isfinite(b)
    a = a[ok]
    b = b[ok]
    people = people[ok]
    names, who = np.unique(people, return_inverse=True)
    n, n_people = len(a), len(names)
    if n < 3:
        return _Correlation(np.nan, np.nan, np.nan, n, n_people)
    a = _centred(a, people)
    b = _centred(b, people)
    # Sums per person are all that r needs, so a resample of people is a weighted sum.
    products = np.bincount(who, a * b)
    squares_a = np.bincount(who, a * a)
    squares_b = np.bincount(who, b * b)
    sums = np.stack([products, squares_a, squares_b])
    r = float(_r_of(sums.sum(axis=1)))
    low = high = np.nan
    if settings is not None and n_people >= 2:
        low, high = _interval(sums, settings)
    return _Correlation(r, low, high, n, n_people)


def _r_of(sums: np.ndarray) -> np.ndarray:
    """r from the sums of a*b, a*a and b*b, ``(3, ...)``; nan where one of them never varies."""
    products, squares_a, squares_b = sums
    size = np.sqrt(squares_a * squares_b)
    varies = size > 1e-12
    divisor = np.where(varies, size, 1)
    return np.where(varies, products / divisor, np.nan)


def _interval(sums: np.ndarray, settings: CheckSettings) -> tuple[float, float]:
    """95 % interval of r over resampled people; ``sums (3, n_people)``."""
    weights = numbers.resamples(sums.shape[1], settings.n_resamples, settings.seed)
    low, high = numbers.interval(_r_of(sums @ weights.T))
    return low, high


#: Of the figure, in pixels: room for the names, length of the axis, height of a row, and where the
#: first row is.
_NAMES_PX = 330
_AXIS_PX = 360
_ROW_PX = 20
_FIRST_ROW_PX = 54


def figure(model: ClipAu, path: Path) -> Path:
    """An SVG with one bar of r, and its interval, per phrase that can be measured; earned names are
    dark.

    Raises:
        BadInput: the model has no record.
    """
    record = model.card.get("aus")
    if not record:
        raise BadInput("figure: expected a model with a record; make one with check_names")
    rows = [row for row in record["rows"] if _has_r(row)]
    end = 60 + _ROW_PX * len(rows)
    width = _NAMES_PX + _AXIS_PX + 190
    height = end + 10
    box = f"0 0 {width} {height}"
    whose = "synthetic people: says nothing about real faces" if record["drawn"] else "recordings"
    n = record["n_recordings"]
    title = f"Correlation of each similarity with the measured movement ({n} {whose})"
    rule = html.escape(record["rule"])
    middle = _place(0.0)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" font-family="sans-serif" '
        'font-size="12">'
    )
    heading = f'<text x="12" y="20" font-size="14">{html.escape(title)}</text>'
    hint = f'<text x="12" y="38" fill="#555">dark: name earned ({rule})</text>'
    axis = f'<path d="M{middle} 48V{end}" stroke="#888"/>'
    lines = [head, heading, hint, axis]
    for k, row in enumerate(rows):
        y = _FIRST_ROW_PX + _ROW_PX * k
        lines += _bar(row, y)
    lines.append("</svg>")
    return write_text(path, "\n".join(lines))


def _has_r(row: dict[str, Any]) -> bool:
    return "r" in row and bool(np.isfinite(row["r"]))


def _place(r: float) -> float:
    """Where a correlation lies on the axis."""
    half = _AXIS_PX / 2
    inside = float(np.clip(r, -1, 1))
    return _NAMES_PX + half + half * inside


def _bar(row: dict[str, Any], y: int) -> list[str]:
    """Name, bar and interval of one phrase."""
    colour = "#1f4e79" if row["earned"] else "#b8bec6"
    zero = _place(0.0)
    r = _place(row["r"])
    start = min(zero, r)
    length = max(zero, r) - start
    name = html.escape(row["name"])
    said = f"{row['r']:+.2f}, follows {row['best']} most"
    baseline = y + 12
    beside = _NAMES_PX + _AXIS_PX + 10
    label = f'<text x="{_NAMES_PX - 8}" y="{baseline}" text-anchor="end">{name}</text>'
    size = f'width="{length:.1f}" height="11"'
    bar = f'<rect x="{start:.1f}" y="{y + 3}" {size} fill="{colour}"/>'
    lines = [label, bar, f'<text x="{beside}" y="{baseline}">{said}</text>']
    if np.isfinite(row["low"]):
        low = _place(row["low"])
        high = _place(row["high"])
        lines.append(f'<path d="M{low:.1f} {y + 8.5}H{high:.1f}" stroke="#333"/>')
    return lines
