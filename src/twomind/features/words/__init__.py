"""Words: the lexicon of hesitation and ambivalence, and where it occurs."""
