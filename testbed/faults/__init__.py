"""What can go wrong and when, as values."""
