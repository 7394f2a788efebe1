"""Change talk: which side of a change each clause speaks for."""
