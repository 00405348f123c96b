"""Experiments: one file each, read as a methods section."""
