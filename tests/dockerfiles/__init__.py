"""Dockerfiles in the shapes that people write, and the proof that plans for them hold."""
