"""Metrics, intervals, attribution, agreement: frames in, numbers out."""

from vlsu.analysis.understanding import understanding_metrics

__all__ = ["understanding_metrics"]
