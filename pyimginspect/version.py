"""The version of this package: here, because asking its metadata takes longer than much else."""

__all__ = ["HOME", "VERSION"]

VERSION = "0.2.0"

HOME = "https://github.com/pyimginspect/pyimginspect"
"""Where the project lives: of its pages, those of this very version are linked to."""
