"""What is varied, and what one trial is."""
