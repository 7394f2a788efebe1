"""Recognise ambivalence and hesitancy (A/H) in videos of people speaking.

Six rooms, in the order data walks through them (``ls`` prints the pipeline):

- ``capture``    media file → :class:`~twomind.types.Recording`, frames, sound and words on one true clock
- ``describe``   recording → :class:`~twomind.types.Features`: face, voice and word measures, and cues with times
- ``estimate``   features → :class:`~twomind.types.Prediction`
- ``personalise`` (to come) a recogniser and what a protocol gives → this person's predictions
- ``score``      where labels meet predictions, and nowhere else
- ``serve``      command line and report

Importing this package imports nothing heavy.
"""

__version__ = "0.1.0"
