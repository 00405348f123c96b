"""Topologies: one file each, with a function of the same name that returns a frozen Topology."""
