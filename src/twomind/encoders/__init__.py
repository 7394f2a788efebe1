"""Frozen networks: CLIP towers, face-text, speech and text encoders; how their outputs are kept."""
