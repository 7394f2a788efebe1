"""Has a similarity earned the name of its phrase? Correlate it with the movement that the face
track measures.

Between a phrase and its similarity stands a trained adapter, which is free to make anything of the
words. So a name is shown only where, on recordings with both tracks, the similarity of phrase k
rises and falls with measured action k.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import numbers
from twomind.core.errors import BadInput
from twomind.core.store import write_text
from twomind.models.clip_au.recogniser import ClipAu
from twomind.types import Features

FACE = "face"


@dataclass(frozen=True)
class CheckSettings:
    """When a name counts as earned."""

    min_r: float = 0.3  # correlation within people, at least
    min_clips: int = 50
    min_people: int = 5
    n_resamples: int = 1000  # of people, for the interval, whose lower end must be above 0
    min_valid: float = 0.5  # share of a clip's face rows in which the movement was measured
    seed: int = 0


def check_names(
    model: ClipAu, xs: Sequence[Features], settings: CheckSettings | None = None
) -> ClipAu:
    """The model with a record, per phrase, of how its similarity correlates with the measured
    movement.

    Every person's own mean is taken off both, since people differ at rest. ``best`` names the
    measured movement that the similarity follows most closely; it need not be its own.

    Raises:
        BadInput: no recording has both tracks.
    """
    settings = settings or CheckSettings()
    names = tuple(dict.fromkeys(p.measure for p in model.phrases if p.measure))
    sims, measured, people = _pairs(model, xs, names, settings.min_valid)
    if not len(sims):
        raise BadInput(
            f"names of movements: expected recordings with the tracks {model.track!r} and {FACE!r}"
        )
    rows = []
    for position, phrase in enumerate(model.phrases):
        row: dict[str, Any] = {
            "position": position,
            "name": phrase.name,
            "measure": phrase.measure,
            "earned": False,
        }
        if not phrase.measure:
            rows.append(row | {"why": "landmarks cannot measure it"})
            continue
        truth = phrase.sign * measured[:, names.index(phrase.measure)]
        r, low, high, n, n_people = _correlation(sims[:, position], truth, people, settings)
        others = {
            m: _correlation(sims[:, position], measured[:, k], people, None)[0]
            for k, m in enumerate(names)
        }
        known = {m: abs(v) for m, v in others.items() if np.isfinite(v)}
        row |= {"r": r, "low": low, "high": high, "n_clips": n, "n_people": n_people}
        row["best"] = max(known, key=lambda m: known[m]) if known else ""
        why = _lacking(r, low, n, n_people, settings)
        rows.append(row | {"earned": not why, "why": why})
    drawn = all(x.drawn for x in xs)
    record = {
        "rows": rows,
        "n_recordings": len(xs),
        "drawn": drawn,
        "rule": f"r >= {settings.min_r}, interval above 0",
    }
    return replace(model, card={**model.card, "aus": record})


def _lacking(r: float, low: float, n: int, n_people: int, settings: CheckSettings) -> str:
    if n < settings.min_clips or n_people < settings.min_people:
        return f"too little to tell: {n} clips of {n_people} people"
    if not r >= settings.min_r:
        return f"r = {r:.2f} is below {settings.min_r}"
    return "" if low > 0 else "the interval of r includes 0"


def _pairs(
    model: ClipAu, xs: Sequence[Features], names: tuple[str, ...], min_valid: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cosines ``(n, N)``, measured means ``(n, M)`` (nan where not measured) and people ``(n,)`` of
    every clip.
    """
    sims, measured, people = [], [], []
    for x in xs:
        face = x.tracks.get(FACE)
        if model.absent(x) or face is None:
            continue
        columns = np.stack(
            [face.column(n) if n in face.names else np.full(len(face), np.nan) for n in names],
            axis=1,
        )
        for start_s, end_s, cosines in model.timeline(x):
            at = (face.times_s >= start_s - 1e-6) & (face.times_s <= end_s + 1e-6)
            rows = columns[at]
            there = np.isfinite(rows)
            mean = np.where(there, rows, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
            enough = there.mean(axis=0) >= min_valid if len(rows) else np.zeros(len(names), bool)
            sims.append(cosines)
            measured.append(np.where(enough, mean, np.nan))
            people.append(x.subject)
    return np.array(sims), np.array(measured), np.array(people)


def _centred(values: np.ndarray, people: np.ndarray) -> np.ndarray:
    _, who = np.unique(people, return_inverse=True)
    return values - (np.bincount(who, values) / np.bincount(who))[who]


def _correlation(
    a: np.ndarray, b: np.ndarray, people: np.ndarray, settings: CheckSettings | None
) -> tuple[float, float, float, int, int]:
    """r within people, its 95 % interval over resampled people (nan without settings), clips and
    people.
    """
    ok = np.isfinite(a) & np.isfinite(b)
    a, b, people = a[ok], b[ok], people[ok]
    names, who = np.unique(people, return_inverse=True)
    if len(a) < 3 or not len(names):
        return np.nan, np.nan, np.nan, len(a), len(names)
    a, b = _centred(a, people), _centred(b, people)
    # Sums per person are all that r needs, so a resample of people is a weighted sum.
    sums = np.stack([np.bincount(who, v) for v in (a * b, a * a, b * b)])

    def r_of(s: np.ndarray) -> np.ndarray:
        size = np.sqrt(s[1] * s[2])
        return np.where(size > 1e-12, s[0] / np.where(size > 1e-12, size, 1), np.nan)

    r = float(r_of(sums.sum(axis=1)))
    if settings is None or len(names) < 2:
        return r, np.nan, np.nan, len(a), len(names)
    weights = numbers.resamples(len(names), settings.n_resamples, settings.seed)
    low, high = numbers.interval(r_of(sums @ weights.T))
    return r, low, high, len(a), len(names)


def figure(model: ClipAu, path: Path) -> Path:
    """An SVG with one bar of r, and its interval, per phrase that can be measured; earned names are
    dark.

    Raises:
        BadInput: the model has no record.
    """
    record = model.card.get("aus")
    if not record:
        raise BadInput("figure: expected a model with a record; make one with check_names")
    rows = [row for row in record["rows"] if np.isfinite(row.get("r", np.nan))]
    left, width, height = 330, 360, 20
    lines = []
    for k, row in enumerate(rows):
        y = 54 + height * k
        middle = left + width / 2
        at = [
            middle + width / 2 * float(np.clip(row[name], -1, 1)) for name in ("r", "low", "high")
        ]
        colour = "#1f4e79" if row["earned"] else "#b8bec6"
        x0, x1 = min(middle, at[0]), max(middle, at[0])
        lines += [
            f'<text x="{left - 8}" y="{y + 12}" '
            f'text-anchor="end">{html.escape(row["name"])}</text>',
            f'<rect x="{x0:.1f}" y="{y + 3}" width="{x1 - x0:.1f}" height="11" fill="{colour}"/>',
            f'<text x="{left + width + 10}" y="{y + 12}">{row["r"]:+.2f}, follows {row["best"]} '
            "most</text>",
        ]
        if np.isfinite(at[1]):
            lines.append(f'<path d="M{at[1]:.1f} {y + 8.5}H{at[2]:.1f}" stroke="#333"/>')
    whose = "drawn people: says nothing about real faces" if record["drawn"] else "recordings"
    title = (
        f"Correlation of each similarity with the measured movement ({record['n_recordings']} "
        f"{whose})"
    )
    box = f"0 0 {left + width + 190} {70 + height * len(rows)}"
    axis = f'<path d="M{left + width / 2} 48V{60 + height * len(rows)}" stroke="#888"/>'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" font-family="sans-serif" '
        'font-size="12">'
    )
    words = f'<text x="12" y="20" font-size="14">{html.escape(title)}</text>'
    hint = (
        f'<text x="12" y="38" fill="#555">dark: name earned ({html.escape(record["rule"])})</text>'
    )
    return write_text(path, "\n".join([head, words, hint, axis, *lines, "</svg>"]))
