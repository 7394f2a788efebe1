"""Synthetic people: synthetic persons whose face, head, voice and words are known exactly, filmed as
real media.

They test the machinery. A number measured on synthetic people says nothing about real faces.
"""

__version__ = "0.1.0"
