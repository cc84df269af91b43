"""Checkpoints: model folders in diffusers' layout, read strictly and without pickles."""
