"""Words: the lexicon that models count, and the cue lexicon that coders are shown."""
