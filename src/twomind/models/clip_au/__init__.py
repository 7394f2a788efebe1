"""CLIP-AU (arXiv 2603.27999): which facial movements a clip resembles, and one small head."""
