"""Frames and sound of any container on one clock."""
