"""Wire formats: pure functions from a request to bytes, and back."""
