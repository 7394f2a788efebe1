"""Errors, plug-ins, what is kept on disk, weights, and the engine that maps work over items."""
