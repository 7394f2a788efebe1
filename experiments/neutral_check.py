"""How often the check at enrolment refuses neutral clips and lets contaminated ones through; and
what those cost.

    python -m experiments.neutral_check [--people 16] [--films FOLDER] [--faces
    ../shared/data/faces]

Drawn people, one film of four seconds per person and kind. The first half of the people was looked
at when the limits were set (``ranges`` shows what they were set from); the rates are given for both
halves. ``shift`` is what enrolling a contaminated clip does to the neutral: the mean over action
units of |its median - the neutral clip's median|, in standard deviations between people of the
neutral medians.

Drawn people say nothing about real faces. ``--faces`` runs the check on real clips: what it said,
not whether it is right.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.store import Store
from twomind.features.profile import face_neutral
from twomind.pipeline.profiles import check_clip
from twomind_synth.enrol import KINDS, draw_clip

from .record import save

SEED = 11


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=16)
    parser.add_argument("--films", type=Path)
    parser.add_argument("--faces", type=Path)
    given = parser.parse_args()
    folder = given.films or Path(tempfile.mkdtemp(prefix="twomind-neutral-"))
    store = Store(folder / "store")
    rows: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for index in range(given.people):
        for kind in KINDS:
            path = folder / f"{index}-{kind}.mp4"
            if not path.exists():
                draw_clip(path, kind, SEED, index)
            checked = check_clip(path, store)
            face = checked.made.features.tracks["face"]
            centres = {n: v.centre for n, v in face_neutral(face).items() if n.startswith("AU")}
            rows[kind].append(
                {"measured": checked.measured, "doubts": checked.doubts, "centres": centres}
            )
        print(f"person {index + 1} of {given.people}", file=sys.stderr, flush=True)
    half = given.people // 2
    result: dict[str, Any] = {"people": given.people, "seed": SEED, "drawn": True, "kinds": {}}
    for kind, found in rows.items():
        refused = [bool(r["doubts"]) for r in found]
        result["kinds"][kind] = {
            "refused_limits_set_on": f"{sum(refused[:half])} of {half}",
            "refused_held_out": f"{sum(refused[half:])} of {given.people - half}",
            "reasons": _counted(found),
            "shift": _shift(found, rows["neutral"]),
            "ranges": {
                name: [float(np.nanmin(v)), float(np.nanmax(v))]
                for name in found[0]["measured"]
                if np.isfinite(v := [r["measured"][name] for r in found[:half]]).any()
            },
        }
    if given.faces:
        clips = sorted(p for p in given.faces.iterdir() if p.suffix in (".mp4", ".mov"))
        real = {p.name: check_clip(p, store) for p in clips}
        result["real_clips_not_validated"] = {
            name: {"doubts": c.doubts, "measured": c.measured} for name, c in real.items()
        }
    save("neutral-check", result)


def _counted(found: list[dict[str, Any]]) -> dict[str, int]:
    """How many clips got each kind of reason."""
    counts: dict[str, int] = {}
    for row in found:
        for kind in {reason.split(":")[0] for reason in row["doubts"]}:
            counts[kind] = counts.get(kind, 0) + 1
    return counts


def _shift(found: list[dict[str, Any]], neutral: list[dict[str, Any]]) -> float | None:
    names = sorted(set.intersection(*(set(r["centres"]) for r in neutral)))
    spread = np.array([[r["centres"][n] for n in names] for r in neutral]).std(axis=0, ddof=1)
    shifts = [
        np.mean(
            np.abs([r["centres"][n] - base["centres"][n] for n in names if n in r["centres"]])
            / spread
        )
        for r, base in zip(found, neutral, strict=True)
        if set(names) <= set(r["centres"])
    ]
    return float(np.mean(shifts)) if shifts else None


if __name__ == "__main__":
    main()
