"""Tables of the diagnostic parts of `metrics.json`; a run judged before they existed has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlsu.analysis.table.answered import format_share
from vlsu.policy import MODALITIES, Severity
from vlsu.report.table import ABSENT, Table, format_rate, percent
from vlsu.report.understanding.diagnostic_charts import DIRECTIONS, PAIRS, PARTS

__all__ = ["diagnostic_tables", "rests_on"]

_INTERVAL = "[95% interval]"


def diagnostic_tables(metrics: Mapping[str, Any]) -> list[Table]:
    """The tables that this run has, in the order of the report."""
    tables = []
    if found := metrics.get("borderline"):
        tables += [_borderline(found, direction) for direction in DIRECTIONS]
    if found := metrics.get("over_sensitivity"):
        tables.append(_over_sensitivity(found))
    if found := metrics.get("minimal_pairs"):
        tables.append(_minimal_pairs(found))
    if found := metrics.get("calibration"):
        tables += [_calibration(found), _thresholds(found), _bins(found)]
    return [table for table in tables if table.rows]


def _borderline(found: Mapping[str, Any], direction: str) -> Table:
    parts = (*(s.label for s in Severity), *(["failed"] if direction == "gold" else []))
    return Table(
        f"borderline_{direction}",
        DIRECTIONS[direction].capitalize(),
        ("modality", *(f"{part} {_INTERVAL}" for part in parts), "n"),
        tuple(
            (modality, *(format_rate(shares[part]) for part in parts), str(shares["n"]))
            for modality in MODALITIES
            if (shares := found.get(modality, {}).get(direction)) and shares["n"]
        ),
        "Of the judgments whose gold grade is borderline, the shares called each severity; failed: "
        "no severity came."
        if direction == "gold"
        else "Of the graded judgments called borderline, the shares of each gold grade.",
    )


def _over_sensitivity(found: Mapping[str, Any]) -> Table:
    return Table(
        "over_sensitivity",
        "Called unsafe, by gold grade of the pair and unsafe parts",
        ("unsafe parts", *(f"{s.label} pair {_INTERVAL}" for s in Severity), "n", "failed"),
        tuple(
            (
                words,
                *(format_rate(part[s.label]) for s in Severity),
                ", ".join(str(part["n"][s.label]) for s in Severity),
                str(sum(part["failed"].values())),
            )
            for words, part in (
                *((words, found[key]) for key, words in PARTS.items()),
                ("any unsafe part", found),
            )
            if sum(part["n"].values())
        ),
        "Share of joint judgments that call the pair unsafe. Of safe and borderline pairs that is "
        "over-sensitivity, of unsafe pairs it is recall. n: "
        f"{', '.join(s.label for s in Severity)} pairs. failed: no severity came; counted as not "
        "called unsafe.",
    )


def _minimal_pairs(found: Mapping[str, Any]) -> Table:
    rows = []
    for key, words in PAIRS.items():
        whole = found[key]
        parts = {"all": whole, **whole["by_grades"]}
        rows += [
            (
                f"{words}: {grades}",
                format_rate(part["told_apart"]),
                format_rate(part["ordered"]),
                str(part["pairs"]),
                str(part.get("clusters", ABSENT)),
            )
            for grades, part in parts.items()
            if part["pairs"]
        ]
    return Table(
        "minimal_pairs",
        "One half changes, and with it the right answer",
        ("pairs", f"both right {_INTERVAL}", f"in the right order {_INTERVAL}", "n", "clusters"),
        tuple(rows),
        "Pairs of samples that share one half and differ in gold joint grade. In the right order: "
        "the milder one is called strictly milder. Guessing evenly reaches 0.11 and 0.33. "
        "clusters: images or texts that have such a pair; the intervals are over these.",
    )


def rests_on(found: Mapping[str, Any]) -> str:
    """What part of the graded judgments has a probability: all else is left out of the rates.

    Args:
        found: The part ``calibration`` of the metrics.
    """
    shares = [
        f"{modality} {share}" for modality in MODALITIES if (share := _with_p(found, modality))
    ]
    return f"Over the graded judgments that have a p_unsafe: {', '.join(shares)} of all."


def _with_p(found: Mapping[str, Any], modality: str) -> str:
    part = found.get(modality)
    if not part or not part["n"]:
        return ""
    if "with_p" in part:
        return percent(part["with_p"])
    return format_share(part["n"] / (part["n"] + part["without_p"]))


def _calibration(found: Mapping[str, Any]) -> Table:
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
                *(format_rate(part[key]) for key in columns),
                str(part["n"]),
                str(part["without_p"]),
            )
            for modality in MODALITIES
            if (part := found.get(modality)) and part["n"]
        ),
        f"Each with its {_INTERVAL}. {rests_on(found)} The event is a gold grade of unsafe. "
        "AUROC: the chance that an unsafe one has the larger p. Brier: mean of (p - y)^2, 0 is "
        "best. ECE: expected calibration error over bins of equal mass, corrected for its upward "
        "bias.",
    )


def _thresholds(found: Mapping[str, Any]) -> Table:
    rows = []
    for modality in MODALITIES:
        for part in found.get(modality, {}).get("thresholds", {}).values():
            if part is None or part["threshold"] is None:
                continue
            rates = (format_rate(part[key]) for key in ("recall", "precision", "flagged"))
            rows.append((f"{modality}, {part['wanted']:.2f}", f"{part['threshold']:.4f}", *rates))
    return Table(
        "thresholds",
        "Which threshold reaches which recall",
        ("modality and wanted recall", "threshold", "recall", "precision", "flagged"),
        tuple(rows),
        "The largest threshold whose flags (p at least that) reach the recall, chosen on these "
        f"samples; the rates with their {_INTERVAL}. {rests_on(found)}",
    )


def _bins(found: Mapping[str, Any]) -> Table:
    return Table(
        "bins",
        "Reliability by bin",
        ("modality and range of p", "mean p", "share unsafe", "n"),
        tuple(
            (
                f"{modality}, {bin_['from']:.3f} to {bin_['to']:.3f}",
                f"{bin_['mean_p']:.3f}",
                format_rate(bin_["observed"]),
                str(bin_["n"]),
            )
            for modality in MODALITIES
            for bin_ in found.get(modality, {}).get("bins", ())
        ),
        f"Share of gold unsafe with its {_INTERVAL}. {rests_on(found)}",
    )
