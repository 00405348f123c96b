"""A laboratory for link redundancy: real bonds, real switches, real faults, measured."""

__version__ = "0.1.0"
