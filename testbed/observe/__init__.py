"""What is recorded inside while a trial runs."""
