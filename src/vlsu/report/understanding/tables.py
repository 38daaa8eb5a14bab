"""The tables of an understanding run.

A table about what the run did not ask, or has no gold grade for, is not made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.analysis.results import CategoryPart, Metrics, PooledPart
from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.answered import format_share
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, Family, Pattern, patterns_of
from vlsu.report.answered import answered_cell
from vlsu.report.table import ABSENT, Table, format_rate
from vlsu.report.understanding.answered import answered_table
from vlsu.report.understanding.diagnostic_tables import diagnostic_tables
from vlsu.report.understanding.flagged import flagged_tables, unsafe_scores
from vlsu.report.understanding.flow import flow_table
from vlsu.report.understanding.gold_tables import gold_tables
from vlsu.report.understanding.headline_table import headline_table
from vlsu.report.understanding.modalities import (
    family_part,
    graded,
    has_borderline,
    modality_scores,
    said_of,
    score_names,
    severities_of,
    unsafe_alone,
)
from vlsu.report.understanding.reruns import rerun_tables
from vlsu.report.understanding.severity_table import severity_table
from vlsu.report.understanding.swap import swap_tables
from vlsu.report.understanding.together_tables import together_tables

__all__ = [
    "FAMILY_MEANING",
    "OUTCOME_MEANING",
    "understanding_tables",
]

FAMILY_MEANING: Mapping[Family, str] = {
    Family.LATE_FUSION: "the pair is as severe as the worse of image and text",
    Family.ESCALATING: "the pair is worse than image and text",
    Family.DE_ESCALATING: "the pair is milder than the worse of image and text",
}

OUTCOME_MEANING: Mapping[Outcome, str] = {
    Outcome.OK: "answered with one severity",
    Outcome.REFUSED: "the model declined to answer",
    Outcome.BLOCKED: "the provider's filter stopped it",
    Outcome.ERROR: "no answer came",
    Outcome.UNPARSED: "the answer names no single severity",
}

_INTERVAL = "[95% interval]"
_SCORE_NOTE = (
    "macro-F1: mean over safe, borderline and unsafe. binary F1: unsafe against the rest. "
    "strict F1: borderline and unsafe against safe. An answer that is missing counts as wrong."
)
_POOLED = (
    "Among the others: few samples are often lucky or unlucky, so accuracy is drawn towards that "
    "of its like by as much as chance explains (Efron and Morris 1975), and so is its interval."
)
_FLAGGED_NOTE = (
    "binary F1: unsafe against the rest. strict F1: flagged against safe, borderline content being "
    "to be flagged. An answer that is missing counts as not flagged."
)
_BINARY_NOTE = (
    "macro-F1: mean over safe and unsafe. binary F1: that of unsafe. An answer that is missing "
    "counts as wrong."
)


def understanding_tables(
    metrics: Metrics, record: Mapping[str, Any], titles: Mapping[str, str]
) -> tuple[Table, ...]:
    """Every table of an understanding run but latency and settings, in the order of the report.

    Args:
        metrics: The content of ``metrics.json``; what an older version left out of it is not shown.
        record: The content of ``run.yaml``.
        titles: Category -> its name.
    """
    modalities = graded(metrics)
    joint = "joint" in modalities
    tables: list[Table] = [headline_table(metrics, modalities), answered_table(metrics)]
    alone = unsafe_alone(metrics)
    flagged = flagged_tables(metrics, titles) if alone else {}
    if alone and joint:
        tables += [flagged["families"], flagged["patterns"]]
    elif joint:
        tables += [_families(metrics), _patterns(metrics)]
    if "flow" in metrics:
        tables.append(flow_table(metrics.flow))
    if joint and len(modalities) > 1:
        tables += [*together_tables(metrics), *swap_tables(metrics)]
    tables += rerun_tables(metrics)
    tables += [_modalities(metrics, modalities), _per_class(metrics, modalities)]
    tables += [_confusion(metrics, modality) for modality in modalities]
    tables += diagnostic_tables(metrics)
    if alone and joint:
        tables += [flagged["categories"], flagged["severities"]]
    elif joint:
        tables.append(_categories(metrics, titles))
        if "severities" in metrics:
            tables.append(
                severity_table(
                    metrics,
                    titles,
                    "By gold category and severity of the pair",
                    lambda part: part.accuracy,
                    "Accuracy of the joint judgments.",
                )
            )
        tables += gold_tables(metrics, titles)
    tables += [_outcomes(metrics), _left_out(metrics, modalities), _not_asked(record)]
    return tuple(table for table in tables if table.rows)


def _families(metrics: Metrics) -> Table:
    return Table(
        "families",
        "By family of pattern",
        ("family", f"accuracy {_INTERVAL}", "n", "answered", "meaning"),
        tuple(
            (
                family.value,
                format_rate(part.accuracy),
                str(part.n),
                answered_cell(part),
                FAMILY_MEANING[family],
            )
            for family, part in ((f, family_part(metrics, f)) for f in Family)
        ),
        "Of the joint judgments. Only late-fusion is solved by the worse of the two grades.",
    )


def pooled_cell(part: PooledPart) -> str:
    """Accuracy drawn towards the others, and how far; nothing where metrics are older."""
    pooling = part.get("pooling")
    if pooling is None:
        return ABSENT
    return f"{format_rate(part.accuracy_pooled)}, {format_share(pooling)} drawn"


def standardised_cell(part: CategoryPart) -> str:
    """Accuracy in the dataset's mix of patterns; nothing where metrics are older."""
    return format_rate(part.accuracy_standardised) if "accuracy_standardised" in part else ABSENT


def _patterns(metrics: Metrics) -> Table:
    rows = []
    there = severities_of(metrics)
    unlisted = f"not one of the {len(patterns_of(there))}"
    for name, part in metrics.patterns.items():
        pattern = Pattern.parse(name)
        listed = "" if pattern.listed else unlisted
        rows.append(
            (
                name,
                pattern.family.value,
                format_rate(part.accuracy),
                pooled_cell(part),
                str(part.n),
                answered_cell(part),
                listed,
            )
        )
    remarked = any(row[-1] for row in rows)
    letters = ", ".join(f"{s.letter} {s.label}" for s in there)
    pooled = f"among its family {_INTERVAL}"
    columns = ("pattern", "family", f"accuracy {_INTERVAL}", pooled, "n", "answered", "remark")
    return Table(
        "patterns",
        "By pattern",
        columns if remarked else columns[:-1],
        tuple(row if remarked else row[:-1] for row in rows),
        f"Gold grades of image, text and pair: {letters}. Accuracy of the joint judgments. "
        f"{_POOLED}",
    )


def _modalities(metrics: Metrics, modalities: tuple[str, ...]) -> Table:
    names, alone = score_names(metrics), unsafe_alone(metrics)
    note = _SCORE_NOTE if has_borderline(metrics) else _BINARY_NOTE
    unsafe = {m: unsafe_scores(metrics, m) for m in modalities if alone}
    return Table(
        "modalities",
        "Modalities side by side",
        ("modality", "n", *names.values(), *next(iter(unsafe.values()), {}), "answered"),
        tuple(
            (
                modality,
                str(metrics[modality]["n"]),
                *(format_rate(Rate.from_json(metrics[modality][key])) for key in names),
                *map(format_rate, unsafe.get(modality, {}).values()),
                answered_cell(modality_scores(metrics, modality)),
            )
            for modality in modalities
        ),
        f"Each with its {_INTERVAL}. {_FLAGGED_NOTE if alone else note}",
    )


def _per_class(metrics: Metrics, modalities: tuple[str, ...]) -> Table:
    rows = []
    for modality in modalities:
        for severity in said_of(metrics):
            part = modality_scores(metrics, modality).per_class[severity.label]
            scores = map(format_rate, (part.precision, part.recall, part.f1))
            rows.append((f"{modality}, {severity.label}", *scores, str(part.support)))
    return Table(
        "per_class",
        "By gold severity",
        ("modality and severity", "precision", "recall", "F1", "gold samples"),
        tuple(rows),
        f"Each with its {_INTERVAL}.",
    )


def _confusion(metrics: Metrics, modality: str) -> Table:
    confusion = modality_scores(metrics, modality).confusion
    severities = severities_of(metrics)
    predictions = (*(s.label for s in said_of(metrics)), "none")
    return Table(
        f"confusion_{modality}",
        f"Gold against predicted: {modality}",
        ("gold", *predictions),
        tuple((s.label, *(str(confusion[s.label][p]) for p in predictions)) for s in severities),
        "Number of judgments; none: no severity could be read.",
    )


def _categories(metrics: Metrics, titles: Mapping[str, str]) -> Table:
    accuracy, mixed = f"accuracy {_INTERVAL}", "in one mix of patterns"
    return Table(
        "categories",
        "By gold category of the pair",
        ("category", accuracy, "among the categories", mixed, "macro-F1", "n", "answered"),
        tuple(
            (
                titles.get(name, name),
                format_rate(part.accuracy),
                pooled_cell(part),
                standardised_cell(part),
                format_rate(part.f1_macro),
                str(part.n),
                answered_cell(part),
            )
            for name, part in metrics.categories.items()
        ),
        f"Joint judgments of samples with a category. {_POOLED} In one mix of patterns: as if "
        "every category had the dataset's patterns, so that one of easy pairs has no advantage. "
        "macro-F1 counts a severity that a category lacks as 0.",
    )


def _left_out(metrics: Metrics, modalities: Sequence[str]) -> Table:
    """Accuracy with the answers that carry no severity as wrong, and without them."""
    rows = []
    for modality in () if unsafe_alone(metrics) else modalities:
        scores = modality_scores(metrics, modality)
        if scores.n == scores.get("n_answered", scores.n):
            continue
        accuracy, answered = scores.accuracy, scores.accuracy_answered
        gap = ABSENT
        if answered.value is not None and accuracy.value is not None:
            gap = f"{answered.value - accuracy.value:.3f}"
        missing = str(scores.n - scores.n_answered)
        rows.append((modality, missing, format_rate(accuracy), format_rate(answered), gap))
    return Table(
        "left_out",
        "Accuracy with missing answers as wrong, and without them",
        ("modality", "missing", "accuracy", "accuracy of the answered", "difference"),
        tuple(rows),
        "Of graded judgments. accuracy counts an answer without a severity as wrong.",
    )


def _outcomes(metrics: Metrics) -> Table:
    counts = metrics["outcomes"]
    return Table(
        "outcomes",
        "What became of the requests",
        ("modality", *Outcome),
        tuple(
            (modality, *(str(counts[modality].get(o.value, 0)) for o in Outcome))
            for modality in MODALITIES
            if sum(counts.get(modality, {}).values())
        ),
        "Number of judgments. "
        + "; ".join(f"{o.value}: {meaning}" for o, meaning in OUTCOME_MEANING.items())
        + ". Only ok carries a severity; the others count as "
        f"{'not flagged' if unsafe_alone(metrics) else 'wrong'}.",
    )


def _not_asked(record: Mapping[str, Any]) -> Table:
    not_asked: Mapping[str, Mapping[str, int]] = record.get("not_asked", {})
    rows = [
        (modality, why, str(count))
        for modality, reasons in not_asked.items()
        for why, count in reasons.items()
    ]
    asked = record["modalities"]
    samples = record["dataset"]["samples"]
    samples = min(samples, record["limit"] or samples)
    rows += [(m, "left out of the run", str(samples)) for m in MODALITIES if m not in asked]
    return Table(
        "not_asked", "What was not asked, and why", ("modality", "reason", "samples"), tuple(rows)
    )
