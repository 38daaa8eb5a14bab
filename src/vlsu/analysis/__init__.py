"""Metrics, intervals, attribution, agreement: frames in, numbers out."""

from vlsu.analysis.intervals import Rate
from vlsu.analysis.understanding import understanding_metrics

__all__ = ["Rate", "understanding_metrics"]
