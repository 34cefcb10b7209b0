"""marginbot: graded margin warnings before the venue liquidates."""

__version__ = "0.1.0"
