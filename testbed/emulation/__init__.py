"""From a spec to a live network."""
