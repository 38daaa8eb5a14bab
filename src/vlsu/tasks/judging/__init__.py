"""Judges of answers: what they are asked, and how their verdicts are read."""
