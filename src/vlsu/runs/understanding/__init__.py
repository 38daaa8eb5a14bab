"""Understanding runs, of a whole dataset or of a sample of it."""
