"""The version of this package: here, because asking its metadata takes longer than much else."""

__all__ = ["VERSION"]

VERSION = "0.1.0"
