"""Models trained on synthetic people: weights, recipes, and how good they are."""
