"""Recognise ambivalence and hesitancy (A/H) in videos of people speaking.

Packages, each of which imports only those before it:

- ``types``        every value that passes between packages
- ``core``         errors, plug-ins, the store, weights, the engine
- ``transcripts``  text formats → words with times
- ``media``        media file → :class:`~twomind.types.Recording`, frames and sound on one true
  clock
- ``annotations``  what coders marked
- ``datasets``     data sets, protocols, folds
- ``features``     recording → :class:`~twomind.types.Features`: face, voice and word measures, and
  cues with times
- ``encoders``     frozen networks
- ``models``       features → :class:`~twomind.types.Prediction`
- ``training``     what fits models
- ``adaptation``   a model and what a protocol gives → this person's predictions
- ``evaluation``   where labels meet predictions, and nowhere else
- ``reporting``    pages and tables
- ``pipeline``     one answer from file to result folder
- ``cli``          the command line

Importing this package imports nothing heavy: what is named here is imported when it is first used.

>>> import twomind as tm
>>> tm.Prediction.not_measured((0.0, 1.0), 2, "no face").to_dict()["status"]
'not_measured'
"""

from twomind.core import telemetry
from twomind.core.version import __version__

telemetry.off()

# As in typing, which is not imported before the program can answer Ctrl-C.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from twomind.core.errors import TwomindError
    from twomind.features.describe import Description
    from twomind.pipeline.adapt import Adapted
    from twomind.pipeline.live import LiveSession, LiveSettings, replay
    from twomind.pipeline.python import adapt, describe, load, open_recording, predict, score
    from twomind.types import (
        Cue,
        Evidence,
        Features,
        Prediction,
        Recording,
        Segment,
        Status,
        Task,
        Track,
        Word,
    )

_OF_PYTHON = ("adapt", "describe", "load", "open_recording", "predict", "score")
_OF_TYPES = (
    *("Cue", "Evidence", "Features", "Prediction", "Recording", "Segment", "Status", "Task"),
    *("Track", "Word"),
)
#: Public name → the module that has it.
_PLACES = {
    **dict.fromkeys(_OF_PYTHON, "twomind.pipeline.python"),
    **dict.fromkeys(_OF_TYPES, "twomind.types"),
    "Adapted": "twomind.pipeline.adapt",
    "Description": "twomind.features.describe",
    **dict.fromkeys(("LiveSession", "LiveSettings", "replay"), "twomind.pipeline.live"),
    "TwomindError": "twomind.core.errors",
}

__all__ = [
    "Adapted",
    "Cue",
    "Description",
    "Evidence",
    "Features",
    "LiveSession",
    "LiveSettings",
    "Prediction",
    "Recording",
    "Segment",
    "Status",
    "Task",
    "Track",
    "TwomindError",
    "Word",
    "__version__",
    "adapt",
    "describe",
    "load",
    "open_recording",
    "predict",
    "replay",
    "score",
]


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(_PLACES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
