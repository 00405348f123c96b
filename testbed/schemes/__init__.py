"""What makes two ways redundant, one file each behind one contract."""
