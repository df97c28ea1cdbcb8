"""Clips made here: scenes with known events, drawn and played."""
