"""Fusion of face, voice and words: per answer and over time."""
