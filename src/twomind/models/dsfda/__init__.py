"""DSFDA's source model (arXiv 2503.20771)."""
