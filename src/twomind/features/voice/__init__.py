"""Voice: speech activity, pauses, pitch, energy, speech rate."""
