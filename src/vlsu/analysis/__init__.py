"""Metrics, intervals, attribution, agreement: frames in, numbers out."""
