"""Networks to experiment on: one file each, each a function that returns a frozen Topology."""
