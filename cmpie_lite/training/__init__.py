"""From a system and a store to a trained model: the loop (the specification), seeds, checkpoints, scores."""
