"""What fits the models: one loop, and the losses and importers of each kind."""
