"""Wire formats: pure functions from a request to bytes, and from a response's bytes back."""
