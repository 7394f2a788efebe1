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

Importing this package imports nothing heavy.
"""

__version__ = "0.2.0"
