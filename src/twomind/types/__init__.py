"""Every noun of the project, as frozen dataclasses checked at construction. numpy only.

Letters in shapes, fixed here for the whole code base: ``B`` windows in a batch, ``T`` rows of a
track (frames, hops or words), ``S`` shape of one row, ``D`` feature dimension, ``C`` classes, ``H``
hidden width. Times are seconds on the recording's clock: zero is the earliest presentation stamp of
the container, as media players, ffmpeg and ELAN show it.
"""

from twomind.types.adaptation import Access, Adapter, Given, State
from twomind.types.evaluation import Fold, Rows, Run
from twomind.types.features import Example, Features, Track
from twomind.types.prediction import (
    AMBIVALENCE,
    Evidence,
    Prediction,
    Recogniser,
    Status,
    Task,
    Trainable,
)
from twomind.types.recording import Cue, Progress, Recording, Segment, Timing, Word

__all__ = [
    "AMBIVALENCE",
    "Access",
    "Adapter",
    "Cue",
    "Evidence",
    "Example",
    "Features",
    "Fold",
    "Given",
    "Prediction",
    "Progress",
    "Recogniser",
    "Recording",
    "Rows",
    "Run",
    "Segment",
    "State",
    "Status",
    "Task",
    "Timing",
    "Track",
    "Trainable",
    "Word",
]
