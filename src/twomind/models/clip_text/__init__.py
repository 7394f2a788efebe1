"""CLIP's image rows against the text of the classes: zero-shot, or with a trained temporal part."""
