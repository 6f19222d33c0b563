"""What `scripts/build_corpus` builds the corpus from, and where the corpus lies."""
