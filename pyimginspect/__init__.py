"""Inspect how Python was packaged in a container image, from its layers alone."""
