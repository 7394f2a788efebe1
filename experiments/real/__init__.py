"""Adaptation on people: posed faces, acted voices, answered questions."""
