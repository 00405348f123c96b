"""What a procedure holds in its hands."""
