"""What an experiment is, its plan, and where it is found."""
