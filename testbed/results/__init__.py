"""A run on disk, and what can be read of it."""
