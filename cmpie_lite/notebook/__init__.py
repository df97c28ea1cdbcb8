"""What cells need beside the model: checks, figures, explorers."""
