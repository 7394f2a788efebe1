"""Synthetic people who take part in a study: as camera and microphone of a real Chromium."""
