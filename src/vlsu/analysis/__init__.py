"""Metrics, intervals, attribution, agreement: frames in, numbers out."""

from vlsu.analysis.intervals import Rate
from vlsu.analysis.tabulation import Tabulation
from vlsu.analysis.understanding import cell_metrics, understanding_metrics

__all__ = ["Rate", "Tabulation", "cell_metrics", "understanding_metrics"]
