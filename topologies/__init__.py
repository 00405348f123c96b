"""Topologies: one file each, opened by its drawing."""
