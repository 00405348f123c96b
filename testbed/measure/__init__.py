"""Raw files to metrics: outside, pure."""
