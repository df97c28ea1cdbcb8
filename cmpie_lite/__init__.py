"""cmpie_lite: the finished pieces of the book "CM-PIE, one equation at a time"."""

__version__ = "0.1.0"
