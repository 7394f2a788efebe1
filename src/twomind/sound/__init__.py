"""The sound itself, below words and features: a waveform in rows of 10 ms, and its pitch."""
