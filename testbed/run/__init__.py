"""A request to finished trials, on this machine or on many."""
