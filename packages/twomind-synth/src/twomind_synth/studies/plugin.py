"""Synthetic data sets as a plug-in of twomind: see :class:`twomind.core.synthetic.Studies`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from twomind_synth.command import world_of
from twomind_synth.studies.dataset import DrawnSet
from twomind_synth.studies.features import study_features

if TYPE_CHECKING:
    from twomind_synth.studies.rows import Drawn


def dataset(
    layout: str, people: int, seed: int, visits: int, knobs: tuple[str, ...], control: str
) -> DrawnSet:
    """A synthetic data set as features; its name says what differs from the defaults."""
    study = study_features(layout, people, seed, world_of(knobs, control), visits=visits)
    notes = [
        *([control] if control != "none" else []),
        *([f"{visits} visits"] if visits > 1 else []),
        *knobs,
    ]
    return DrawnSet(study, note=", ".join(notes))


def hop_s(dataset: DrawnSet, length_s: float | None, n_faces: int) -> float:
    """Seconds between ``n_faces`` faces over a window of ``length_s``, or over a usual clip of the
    layout.
    """
    from twomind_synth.studies.rows import drawn_hop_s

    return drawn_hop_s(dataset.study.layout, dataset.study.world, length_s, n_faces)


def rows(dataset: DrawnSet, visits: int, encoder: str, hop_s: float, store: Path) -> Drawn:
    """recording id → frame embeddings of its faces, kept in ``store``."""
    from twomind_synth.studies.rows import drawn_reading

    return drawn_reading(dataset.study, visits, encoder, hop_s, store)
