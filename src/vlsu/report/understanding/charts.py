"""Charts of an understanding run: pure functions from its numbers to Vega-Lite.

What was not measured keeps its row and has no dot.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlsu.analysis.results import LateFusion, Metrics, Part, SeverityPart, Share
from vlsu.analysis.stats.intervals import Rate
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, PATTERNS, Family, Pattern, Severity
from vlsu.report.answered import answered_tooltip, answered_value
from vlsu.report.charts.bars import shares_chart
from vlsu.report.charts.colours import colour
from vlsu.report.charts.dots import IntervalMark, Spec, interval_chart
from vlsu.report.charts.heat import HeatCell, heat_map
from vlsu.report.table import format_rate
from vlsu.report.understanding.diagnostic_charts import diagnostic_charts
from vlsu.report.understanding.flagged import unsafe_scores
from vlsu.report.understanding.flow import flow_chart, flow_parts
from vlsu.report.understanding.modalities import (
    SCORE_NAMES,
    graded,
    modality_scores,
    said_of,
    score_names,
    severities_of,
    unsafe_alone,
)
from vlsu.report.understanding.reruns import rerun_charts
from vlsu.report.understanding.swap import swap_charts
from vlsu.report.understanding.together_tables import CAUSES, KAPPAS

__all__ = [
    "attribution_chart",
    "confusion_chart",
    "dominance_chart",
    "late_fusion_chart",
    "modalities_chart",
    "outcomes_chart",
    "pattern_map",
    "patterns_chart",
    "severities_chart",
    "understanding_charts",
]

#: What a map of patterns shows: accuracy, or what is flagged.
_MEASURE = {False: "Accuracy on", True: "Flagged share of"}
#: How the pair stands to the worse of its parts.
_SIGNS = {Family.LATE_FUSION: "=", Family.ESCALATING: "▲", Family.DE_ESCALATING: "▼"}


def understanding_charts(metrics: Metrics, titles: Mapping[str, str]) -> dict[str, Spec]:
    """Every chart of a run that has something to show, by name, in the order of the page.

    Args:
        metrics: As `vlsu.report.understanding.completed.completed_metrics` gives them.
        titles: Category -> its name.
    """
    modalities = graded(metrics)
    charts: dict[str, Spec] = {}
    if metrics.patterns:
        charts |= {f"map-{s.label}": pattern_map(metrics, s) for s in severities_of(metrics)}
        charts["patterns"] = patterns_chart(metrics)
    if flow_parts(metrics.flow):
        charts["flow"] = flow_chart(metrics.flow)
    alone = unsafe_alone(metrics)
    if metrics.attribution.joint_errors:
        charts["attribution"] = attribution_chart(metrics)
    if "joint" in modalities and len(modalities) > 1:
        if not alone:
            charts["late-fusion"] = late_fusion_chart(metrics)
        if any(mark.rate.value is not None for mark in _kappas(metrics)):
            charts["dominance"] = dominance_chart(metrics)
    charts |= swap_charts(metrics) | rerun_charts(metrics)
    if modalities:
        charts["modalities"] = modalities_chart(metrics)
    charts |= {f"confusion-{m}": confusion_chart(metrics, m) for m in modalities}
    charts |= diagnostic_charts(metrics)
    if metrics.severities:
        charts["severities"] = severities_chart(metrics, titles)
    charts["outcomes"] = outcomes_chart(metrics)
    return charts


def pattern_map(metrics: Metrics, joint: Severity) -> Spec:
    """Accuracy, or the share flagged, of pairs of a gold grade by those of image and text.

    A slice of the map of patterns; all three make the whole. Patterns that the 17 leave out and the
    data lacks stay empty.
    """
    cells, severities, alone = [], severities_of(metrics), unsafe_alone(metrics)
    measure = "flagged" if alone else "accuracy"
    for image in severities:
        for text in severities:
            pattern = Pattern(image, text, joint)
            part = metrics.patterns.get(str(pattern))
            if part is None and pattern not in PATTERNS:
                continue
            rate = None if part is None else part.flagged if alone else part.accuracy
            value = None if rate is None else rate.value
            unanswered = part is not None and answered_value(part) == 0
            family = pattern.family.value
            cells.append(
                HeatCell(
                    text.label,
                    image.label,
                    share=value,
                    colour=family,
                    title=f"{_SIGNS[pattern.family]} {pattern}",
                    number="–" if value is None or unanswered else f"{value:.2f}",
                    detail="no answer" if unanswered else f"n {part.n:,}" if part else "no sample",
                    tooltip={
                        "pattern": str(pattern),
                        "family": family,
                        measure: "–" if rate is None else format_rate(rate),
                        "n": f"{part.n:,}" if part else "0",
                        **(answered_tooltip(part) if part else {}),
                    },
                    chosen={"pattern": str(pattern)} if part else {},
                )
            )
    return heat_map(
        cells,
        description=f"{_MEASURE[alone]} {joint.label} pairs by the gold grades of image and text",
        columns=[s.label for s in severities],
        rows=[s.label for s in severities],
        x_title="text",
        y_title="image",
        row_px=72,
    )


def patterns_chart(metrics: Metrics) -> Spec:
    """Accuracy of the pair in each pattern, or the share flagged, family by family."""
    alone = unsafe_alone(metrics)
    return interval_chart(
        [
            IntervalMark(
                name,
                part.flagged if alone else part.accuracy,
                part.n,
                Pattern.parse(name).family.value,
                answered=answered_value(part),
                chosen={"pattern": name},
            )
            for name, part in metrics.patterns.items()
        ],
        description=f"{'Flagged share' if alone else 'Accuracy'} of the joint judgments by "
        "pattern, coloured by family",
        axis="share flagged" if alone else "accuracy",
        colours={family.value: colour(family.value) for family in Family},
    )


def modalities_chart(metrics: Metrics) -> Spec:
    """Each score for image, text and pair, as far as they were asked."""
    modalities, alone = graded(metrics), unsafe_alone(metrics)
    rates = {
        m: {key: Rate.from_json(metrics[m][key]) for key in score_names(metrics)}
        | (unsafe_scores(metrics, m) if alone else {})
        for m in modalities
    }
    return interval_chart(
        [
            IntervalMark(
                SCORE_NAMES.get(key, key),
                rates[m][key],
                scores.n,
                m,
                answered=answered_value(scores),
            )
            for key in next(iter(rates.values()), {})
            for m, scores in ((m, modality_scores(metrics, m)) for m in modalities)
        ],
        description=f"{'F1 scores and shares flagged' if alone else 'Accuracy and F1 scores'} of "
        f"{', '.join(modalities)} judgments",
        axis="value",
        colours={m: colour(m) for m in modalities},
    )


def confusion_chart(metrics: Metrics, modality: str) -> Spec:
    """Gold against predicted severity; shade is the share within a gold severity."""
    names = [severity.label for severity in severities_of(metrics)]
    predictions = (*(severity.label for severity in said_of(metrics)), "none")
    cells = []
    for gold, counts in modality_scores(metrics, modality).confusion.items():
        total = sum(counts.values())
        for predicted in predictions:
            share = counts[predicted] / total if total else 0.0
            cells.append(
                HeatCell(
                    predicted,
                    gold,
                    share=share,
                    colour=modality,
                    number=f"{counts[predicted]:,}",
                    tooltip={
                        "gold": gold,
                        "predicted": predicted,
                        "judgments": f"{counts[predicted]:,}",
                        "share": f"{share:.3f} of gold {gold}" if total else "–",
                    },
                    chosen={"gold-joint": gold, "said-joint": predicted}
                    if modality == "joint"
                    else {},
                )
            )
    return heat_map(
        cells,
        description=f"Confusion of gold and predicted severity, {modality}",
        columns=predictions,
        rows=names,
        x_title="predicted",
        y_title="gold",
    )


def attribution_chart(metrics: Metrics) -> Spec:
    """What the model got right alone where it got the pair wrong."""
    total = metrics.attribution.joint_errors
    causes = {key: Share(metrics.attribution[key]) for key in CAUSES if key in metrics.attribution}
    return interval_chart(
        [
            IntervalMark(
                key.replace("_", " "),
                cause.share,
                total,
                remark=f"{cause.count:,} of {total:,}",
            )
            for key, cause in causes.items()
        ],
        description="Shares of joint errors by whether image and text were right alone, and of "
        "those without an answer",
        axis="share of joint errors",
        colours={"": colour("joint")},
    )


def late_fusion_chart(metrics: Metrics) -> Spec:
    """The model against taking the worse of two grades."""
    late_fusion = metrics.late_fusion
    accuracy, agreement = "accuracy", "agreement"
    return interval_chart(
        [
            IntervalMark("the joint answer", metrics.joint.accuracy, group=accuracy),
            IntervalMark("worse of its own two", late_fusion.of_predictions, group=accuracy),
            *_lookup("best rule from its own two", late_fusion, "predictions_lookup"),
            IntervalMark("worse of the gold two", late_fusion.gold_ceiling, group=accuracy),
            *_lookup("best rule from the gold two", late_fusion, "gold_lookup"),
            IntervalMark("answer is that of its own", late_fusion.agreement, group=agreement),
        ],
        description="Accuracy of late fusion and of the model's joint answers, and how often the "
        "two agree",
        axis="accuracy or agreement",
        colours={accuracy: colour("joint"), agreement: colour("text")},
    )


def _lookup(name: str, late_fusion: LateFusion, key: str) -> list[IntervalMark]:
    """A best rule's accuracy, unless the run was judged before there was one."""
    if key not in late_fusion:
        return []
    return [IntervalMark(name, Rate.from_json(late_fusion[key]), group="accuracy")]


def dominance_chart(metrics: Metrics) -> Spec:
    """Kappa of the joint answer with each modality's own."""
    colours = (colour("joint"), colour("muted"), colour("right"), colour("wrong"))
    named = dict(zip(KAPPAS.values(), colours, strict=True))
    marks = _kappas(metrics)
    return interval_chart(
        marks,
        description="Kappa of the joint prediction with the prediction for one modality",
        axis="kappa",
        colours={group: named[group] for group in dict.fromkeys(mark.group for mark in marks)},
        domain=None,
    )


def _kappas(metrics: Metrics) -> list[IntervalMark]:
    dominance = {"image": metrics.dominance.kappa_image, "text": metrics.dominance.kappa_text}
    return [
        IntervalMark(f"with {modality} alone", Rate.from_json(kappas[key]), group=group)
        for modality, kappas in dominance.items()
        for key, group in KAPPAS.items()
        if key in kappas and "reason" not in kappas[key]
    ]


def severities_chart(metrics: Metrics, titles: Mapping[str, str]) -> Spec:
    """Accuracy of the pair, or the share flagged, by gold category and gold severity."""
    cells, alone = [], unsafe_alone(metrics)
    for category, severities in metrics.severities.items():
        title = titles.get(category, category)
        parts: dict[str, Part | SeverityPart] = dict(severities)
        if category in metrics.categories:
            parts["all"] = metrics.categories[category]
        for severity, part in parts.items():
            answered = answered_value(part)
            rate = part.flagged if alone else part.accuracy
            value = None if answered == 0 else rate.value
            chosen = {"category": category}
            cells.append(
                HeatCell(
                    severity,
                    title,
                    share=value,
                    colour="joint",
                    number="–" if value is None else f"{value:.2f}",
                    detail="no answer" if answered == 0 else f"n {part.n:,}",
                    tooltip={
                        "category": title,
                        "gold severity": severity,
                        "flagged" if alone else "accuracy": format_rate(rate),
                        "n": f"{part.n:,}",
                        **answered_tooltip(part),
                    },
                    chosen=chosen if severity == "all" else {**chosen, "gold-joint": severity},
                )
            )
    return heat_map(
        cells,
        description=f"{'Flagged share' if alone else 'Accuracy'} of the joint judgments by gold "
        "category and gold severity",
        columns=(*(severity.label for severity in severities_of(metrics)), "all"),
        rows=[titles.get(category, category) for category in metrics.severities],
        x_title="gold severity of the pair",
        row_px=36,
    )


def outcomes_chart(metrics: Metrics) -> Spec:
    """What became of the requests, as shares within each modality."""
    counts = metrics.outcomes
    return shares_chart(
        {m: counts[m] for m in MODALITIES if sum(counts.get(m, {}).values())},
        of="modality",
        what="outcome",
        colours={outcome.value: colour(outcome.value) for outcome in Outcome},
        axis="share of judgments",
    )
