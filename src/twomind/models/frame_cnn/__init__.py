"""A network of single face crops: the visual baseline of BAH, fine-tuned on frames."""
