"""Measuring: what runs inside and collects, and the parsers outside that turn raw files into metrics."""
