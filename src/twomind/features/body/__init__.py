"""Shoulders, posture and hands of the person, from MediaPipe's pose and hand models."""
