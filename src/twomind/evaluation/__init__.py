"""Protocol × model × method → a run; the only place where labels meet predictions."""
