"""Errors that a reader meets. Each message names what was received, what was expected, what to do next."""

from __future__ import annotations


class ConfigError(ValueError):
    """A configuration value is unknown, of the wrong type or impossible."""


class DataError(ValueError):
    """A file or array of a data set is missing, malformed or inconsistent."""


class CheckpointError(ValueError):
    """A checkpoint is corrupt, or does not belong to the run that asks for it."""


class ReadError(ValueError):
    """A file is there and the system does not let it be read: nothing is known of its content."""


class WriteError(ValueError):
    """A file cannot be written; what stood in its place before is untouched."""
