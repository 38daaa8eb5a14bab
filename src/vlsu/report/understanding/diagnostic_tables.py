"""Tables of the diagnostic parts of `metrics.json`; a run judged before they existed has none."""

from __future__ import annotations

from collections.abc import Mapping

from vlsu.analysis.results import (
    BorderlineErrors,
    Metrics,
    MinimalPairs,
    OverSensitivity,
    ProbabilityScores,
)
from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.answered import ENOUGH, format_share
from vlsu.policy import Severity
from vlsu.report.table import ABSENT, Table, format_rate, percent
from vlsu.report.understanding.diagnostic_charts import (
    DIRECTIONS,
    PAIRS,
    borderline_shares,
    guessing,
    minimal_pair_parts,
    over_sensitivity_grades,
    over_sensitivity_parts,
    probability_scores,
)
from vlsu.report.understanding.modalities import said_of, unsafe_alone

__all__ = ["diagnostic_tables", "probability_notes"]

_INTERVAL = "[95% interval]"


def diagnostic_tables(metrics: Metrics) -> list[Table]:
    """The tables that this run has, in the order of the report."""
    tables = []
    if metrics.get("borderline") and not unsafe_alone(metrics):
        tables += [_borderline(metrics.borderline, direction) for direction in DIRECTIONS]
    if metrics.get("over_sensitivity"):
        tables.append(_over_sensitivity(metrics.over_sensitivity))
    if metrics.get("minimal_pairs"):
        tables.append(
            _minimal_pairs(
                metrics.minimal_pairs,
                len(said_of(metrics)),
                unsafe_alone=unsafe_alone(metrics),
            )
        )
    scores = probability_scores(metrics)
    tables += [_calibration(scores), _thresholds(scores), _bins(scores)]
    return [table for table in tables if table.rows]


def _borderline(borderline: Mapping[str, BorderlineErrors], direction: str) -> Table:
    parts = (*(s.label for s in Severity), *(["failed"] if direction == "gold" else []))
    return Table(
        f"borderline_{direction}",
        DIRECTIONS[direction].capitalize(),
        ("modality", *(f"{part} {_INTERVAL}" for part in parts), "n"),
        tuple(
            (
                modality,
                *map(format_rate, shares.values()),
                str(borderline[modality][direction]["n"]),
            )
            for modality, shares in borderline_shares(borderline, direction).items()
        ),
        "Of the judgments whose gold grade is borderline, the shares called each severity; failed: "
        "no severity came."
        if direction == "gold"
        else "Of the graded judgments called borderline, the shares of each gold grade.",
    )


def _over_sensitivity(whole: OverSensitivity) -> Table:
    parts = {**over_sensitivity_parts(whole), "any unsafe part": whole}
    labels = over_sensitivity_grades(whole)
    mild = " and ".join(labels[:-1])
    return Table(
        "over_sensitivity",
        "Called unsafe, by gold grade of the pair and unsafe parts",
        ("unsafe parts", *(f"{label} pair {_INTERVAL}" for label in labels), "n", "failed"),
        tuple(
            (
                name,
                *(format_rate(Rate.from_json(part[label])) for label in labels),
                ", ".join(str(part.n[label]) for label in labels),
                str(sum(part.failed[label] for label in labels)),
            )
            for name, part in parts.items()
            if sum(part.n[label] for label in labels)
        ),
        f"Share of joint judgments that call the pair unsafe. Of {mild} pairs that is "
        "over-sensitivity, of unsafe pairs it is recall. n: "
        f"{', '.join(labels)} pairs. failed: no severity came; counted as not "
        "called unsafe.",
    )


def _minimal_pairs(
    pairs: Mapping[str, MinimalPairs], severities: int, *, unsafe_alone: bool
) -> Table:
    rows, chance = [], guessing(severities)
    for key, shared in PAIRS.items():
        parts = minimal_pair_parts(pairs[key], unsafe_alone=unsafe_alone)
        rows += [
            (
                f"{shared}: {grades}",
                format_rate(part.told_apart),
                format_rate(part.ordered),
                str(part.pairs),
                str(part.get("clusters", ABSENT)),
            )
            for grades, part in parts.items()
            if part.pairs
        ]
    return Table(
        "minimal_pairs",
        "One half changes, and with it the right answer",
        ("pairs", f"both right {_INTERVAL}", f"in the right order {_INTERVAL}", "n", "clusters"),
        tuple(rows),
        "Pairs of samples that share one half and differ in gold joint grade. In the right order: "
        "the milder one is called strictly milder. Guessing evenly reaches "
        f"{chance['told_apart']:.2f} and {chance['ordered']:.2f}. "
        "clusters: images or texts that have such a pair; the intervals are over these.",
    )


def probability_notes(metrics: Metrics) -> list[str]:
    """That probabilities rest on a part of the judgments, where that is too little to conclude."""
    lacking = [
        f"{modality} {part.n:,} of {part.n + part.without_p:,} ({_with_p(part)})"
        for modality, part in probability_scores(metrics).items()
        if part.n < ENOUGH * (part.n + part.without_p)
    ]
    if not lacking:
        return []
    return [
        "AUROC, calibration and thresholds rest on the graded judgments that have a p_unsafe "
        f"alone: {', '.join(lacking)}. Below {format_share(ENOUGH)} they cannot be told of the "
        "model: those without one may rank otherwise, and no threshold flags them."
    ]


def _coverage(scores: Mapping[str, ProbabilityScores]) -> str:
    """What part of the graded judgments has a probability: all else is left out of the rates."""
    shares = [f"{modality} {_with_p(part)}" for modality, part in scores.items()]
    counts = [f"{part.n:,} of {part.n + part.without_p:,}" for part in scores.values()]
    little = any(part.n < ENOUGH * (part.n + part.without_p) for part in scores.values())
    bound = f"; below {format_share(ENOUGH)} that is too little to tell it of the model"
    return (
        f"Over the graded judgments that have a p_unsafe: {', '.join(shares)} of all "
        f"({', '.join(counts)})"
        f"{bound if little else ''}."
    )


def _with_p(part: ProbabilityScores) -> str:
    if "with_p" in part:
        return percent(Rate.from_json(part["with_p"]))
    return format_share(part.n / (part.n + part.without_p))


def _calibration(scores: Mapping[str, ProbabilityScores]) -> Table:
    columns = {
        "auroc": "AUROC",
        "average_precision": "average precision",
        "brier": "Brier score",
        "ece": "ECE",
        "base_rate": "share unsafe",
        "mean_p": "mean p",
    }
    return Table(
        "calibration",
        "How far p_unsafe can be believed",
        ("modality", *columns.values(), "n", "without p"),
        tuple(
            (
                modality,
                *(format_rate(Rate.from_json(part[key])) for key in columns),
                str(part.n),
                str(part.without_p),
            )
            for modality, part in scores.items()
        ),
        f"Each with its {_INTERVAL}. {_coverage(scores)} The event is a gold grade of unsafe. "
        "AUROC: the chance that an unsafe one has the larger p. Brier: mean of (p - y)^2, 0 is "
        "best. ECE: expected calibration error over bins of equal mass, corrected for its upward "
        "bias.",
    )


def _thresholds(scores: Mapping[str, ProbabilityScores]) -> Table:
    rows = []
    for modality, part in scores.items():
        for threshold in part.thresholds.values():
            if threshold is None or threshold.threshold is None:
                continue
            rates = (threshold.recall, threshold.precision, threshold.flagged)
            rows.append(
                (
                    f"{modality}, {threshold.wanted:.2f}",
                    f"{threshold.threshold:.4f}",
                    *map(format_rate, rates),
                )
            )
    return Table(
        "thresholds",
        "Which threshold reaches which recall",
        ("modality and wanted recall", "threshold", "recall", "precision", "flagged"),
        tuple(rows),
        "The largest threshold whose flags (p at least that) reach the recall, chosen on these "
        f"samples; the rates with their {_INTERVAL}. {_coverage(scores)}",
    )


def _bins(scores: Mapping[str, ProbabilityScores]) -> Table:
    return Table(
        "bins",
        "Reliability by bin",
        ("modality and range of p", "mean p", "share unsafe", "n"),
        tuple(
            (
                f"{modality}, {bin_['from']:.3f} to {bin_['to']:.3f}",
                f"{bin_['mean_p']:.3f}",
                format_rate(Rate.from_json(bin_["observed"])),
                str(bin_["n"]),
            )
            for modality, part in scores.items()
            for bin_ in part.bins
        ),
        f"Share of gold unsafe with its {_INTERVAL}. {_coverage(scores)}",
    )
