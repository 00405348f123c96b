"""What a procedure holds in its hands: the live network, the clock, chance, faults, the raw files."""
