"""Slow, obvious references: written from the definitions, never from the package."""
