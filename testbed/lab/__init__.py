"""What a procedure works with: the live network, the clock, chance, faults, the raw files."""
