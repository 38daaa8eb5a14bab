"""Metrics, intervals, attribution, agreement, correction: frames in, numbers out."""

from vlsu.analysis.agreement.agreement import grader_agreement
from vlsu.analysis.alignment.calibration import BinaryCounts, Calibration, too_weak
from vlsu.analysis.alignment.judge_agreement import judge_agreement
from vlsu.analysis.alignment.judge_validation import calibrate, judge_validation
from vlsu.analysis.alignment.metrics import alignment_metrics
from vlsu.analysis.deployment.projection import project
from vlsu.analysis.deployment.traffic import read_traffic
from vlsu.analysis.sampling.stratified import StratifiedSample
from vlsu.analysis.shortcuts.audit import shortcut_audit
from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.tabulation import Tabulation
from vlsu.analysis.understanding.borderline import borderline
from vlsu.analysis.understanding.diagnosis import diagnosis
from vlsu.analysis.understanding.metrics import (
    cell_metrics,
    stratified_metrics,
    understanding_metrics,
)
from vlsu.analysis.understanding.minimal_pairs import minimal_pairs
from vlsu.analysis.understanding.over_sensitivity import over_sensitivity
from vlsu.analysis.understanding.probabilities import probability_metrics
from vlsu.analysis.understanding.weighted_harm import HarmWeights

__all__ = [
    "BinaryCounts",
    "Calibration",
    "HarmWeights",
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
    "shortcut_audit",
    "stratified_metrics",
    "too_weak",
    "understanding_metrics",
]
