"""How well graders grade, and how far they agree: pure functions on frames, and a summary."""
