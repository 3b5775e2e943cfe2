"""A model is trained: settings, batches, engines, the loop, checkpoints and what a run leaves on disk."""
