"""Metrics, intervals, attribution, agreement, correction: frames in, numbers out.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from vlsu._lazy import lazily

if TYPE_CHECKING:
    from vlsu.analysis.agreement.agreement import grader_agreement
    from vlsu.analysis.alignment.calibration import BinaryCounts, Calibration, too_weak
    from vlsu.analysis.alignment.judge_agreement import judge_agreement
    from vlsu.analysis.alignment.judge_validation import calibrate, judge_validation
    from vlsu.analysis.alignment.metrics import alignment_metrics
    from vlsu.analysis.deployment.projection import project
    from vlsu.analysis.deployment.reading import read_traffic
    from vlsu.analysis.sampling.stratified import StratifiedSample
    from vlsu.analysis.shortcuts.audit import shortcut_audit
    from vlsu.analysis.stats.intervals import Rate
    from vlsu.analysis.table.tabulation import Tabulation
    from vlsu.analysis.understanding.borderline import borderline
    from vlsu.analysis.understanding.diagnosis import diagnosis
    from vlsu.analysis.understanding.harm_weights import HarmWeights
    from vlsu.analysis.understanding.metrics import (
        cell_metrics,
        stratified_metrics,
        understanding_metrics,
    )
    from vlsu.analysis.understanding.minimal_pairs import minimal_pairs
    from vlsu.analysis.understanding.over_sensitivity import over_sensitivity
    from vlsu.analysis.understanding.probabilities import probability_metrics

#: Name -> the module that it is imported from.
_HOMES = {
    "BinaryCounts": "vlsu.analysis.alignment.calibration",
    "Calibration": "vlsu.analysis.alignment.calibration",
    "HarmWeights": "vlsu.analysis.understanding.harm_weights",
    "Rate": "vlsu.analysis.stats.intervals",
    "StratifiedSample": "vlsu.analysis.sampling.stratified",
    "Tabulation": "vlsu.analysis.table.tabulation",
    "alignment_metrics": "vlsu.analysis.alignment.metrics",
    "borderline": "vlsu.analysis.understanding.borderline",
    "calibrate": "vlsu.analysis.alignment.judge_validation",
    "cell_metrics": "vlsu.analysis.understanding.metrics",
    "diagnosis": "vlsu.analysis.understanding.diagnosis",
    "grader_agreement": "vlsu.analysis.agreement.agreement",
    "judge_agreement": "vlsu.analysis.alignment.judge_agreement",
    "judge_validation": "vlsu.analysis.alignment.judge_validation",
    "minimal_pairs": "vlsu.analysis.understanding.minimal_pairs",
    "over_sensitivity": "vlsu.analysis.understanding.over_sensitivity",
    "probability_metrics": "vlsu.analysis.understanding.probabilities",
    "project": "vlsu.analysis.deployment.projection",
    "read_traffic": "vlsu.analysis.deployment.reading",
    "shortcut_audit": "vlsu.analysis.shortcuts.audit",
    "stratified_metrics": "vlsu.analysis.understanding.metrics",
    "too_weak": "vlsu.analysis.alignment.calibration",
    "understanding_metrics": "vlsu.analysis.understanding.metrics",
}

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

if not TYPE_CHECKING:  # a type checker would take any misspelt name for an object
    __getattr__, __dir__ = lazily(__name__, _HOMES)
