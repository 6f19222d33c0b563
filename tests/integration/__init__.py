"""Tests against real programs and the corpus of real images."""
