"""Metrics, intervals, attribution, agreement, correction: frames in, numbers out."""

from vlsu.analysis.agreement import grader_agreement
from vlsu.analysis.alignment import alignment_metrics
from vlsu.analysis.borderline import borderline
from vlsu.analysis.calibration import BinaryCounts, Calibration, too_weak
from vlsu.analysis.diagnosis import diagnosis
from vlsu.analysis.intervals import Rate
from vlsu.analysis.judge_agreement import judge_agreement
from vlsu.analysis.judge_validation import calibrate, judge_validation
from vlsu.analysis.minimal_pairs import minimal_pairs
from vlsu.analysis.over_sensitivity import over_sensitivity
from vlsu.analysis.probabilities import probability_metrics
from vlsu.analysis.projection import project
from vlsu.analysis.stratified import StratifiedSample
from vlsu.analysis.tabulation import Tabulation
from vlsu.analysis.traffic import read_traffic
from vlsu.analysis.understanding import cell_metrics, stratified_metrics, understanding_metrics

__all__ = [
    "BinaryCounts",
    "Calibration",
    "Rate",
    "StratifiedSample",
    "Tabulation",
    "alignment_metrics",
    "borderline",
    "calibrate",
    "cell_metrics",
    "diagnosis",
    "grader_agreement",
    "judge_agreement",
    "judge_validation",
    "minimal_pairs",
    "over_sensitivity",
    "probability_metrics",
    "project",
    "read_traffic",
    "stratified_metrics",
    "too_weak",
    "understanding_metrics",
]
