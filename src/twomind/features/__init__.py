"""Recording → tracks and cues: face, voice, words; values relative to a person's neutral."""
