"""Images from public bug reports, what is true of them, and what the report must say."""
