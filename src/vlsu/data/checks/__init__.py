"""What a dataset holds beside its files: duplicates, conflicting labels, leaks, personal data."""
