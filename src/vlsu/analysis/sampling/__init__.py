"""Metrics of a whole dataset from a part of it."""
