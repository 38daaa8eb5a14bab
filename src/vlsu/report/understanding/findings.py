"""What stands out in a run, in sentences: the first two minutes of a reader.

Each sentence is one number of the run with its interval, and claims no more than that.
"""

from __future__ import annotations

from vlsu.analysis.results import Metrics
from vlsu.analysis.table.answered import ENOUGH, format_share
from vlsu.models.base import Outcome
from vlsu.policy import MODALITIES, Pattern
from vlsu.report.answered import too_few
from vlsu.report.table import percent
from vlsu.report.task import Finding
from vlsu.report.understanding.answered import answered_parts
from vlsu.report.understanding.flagged import flagged_findings
from vlsu.report.understanding.modalities import unsafe_alone
from vlsu.report.understanding.reruns import rerun_sentence
from vlsu.report.understanding.swap import swap_sentence

__all__ = ["findings"]


def findings(metrics: Metrics, enough: float = ENOUGH) -> list[Finding]:
    """What stands out in a run of understanding, as far as its figures show it.

    Where too little was answered, figures that count a missing answer as wrong do not, nor do those
    that leave it out.

    Args:
        metrics: The content of ``metrics.json``.
        enough: The share that must be answered.
    """
    little = bool(too_few(answered_parts(metrics), enough))
    if unsafe_alone(metrics):
        flagged = [] if little else flagged_findings(metrics)
        reruns = "" if little else rerun_sentence(metrics)
        return [
            Finding(section, text)
            for section, text in (
                *flagged,
                ("late-fusion", "" if little else _dominance(metrics)),
                ("swap", "" if little else swap_sentence(metrics)),
                ("reruns", reruns),
                ("outcomes", _outcomes(metrics)),
            )
            if text
        ]
    sentences = (
        ("patterns", "" if little else _lowest(metrics)),
        ("modalities", "" if little else _missed(metrics)),
        ("parts", "" if little else _attribution(metrics)),
        ("late-fusion", "" if little else _late_fusion(metrics)),
        ("late-fusion", "" if little else _dominance(metrics)),
        ("swap", "" if little else swap_sentence(metrics)),
        ("reruns", "" if little else rerun_sentence(metrics)),
        ("borderline", "" if little else _over_sensitivity(metrics)),
        ("outcomes", _outcomes(metrics)),
    )
    return [Finding(section, text) for section, text in sentences if text]


def _lowest(metrics: Metrics) -> str:
    lowest = metrics.get("lowest_pattern") and metrics.lowest_pattern
    if not lowest:
        return ""
    pattern, accuracy = Pattern.parse(lowest.pattern), lowest.accuracy
    low, high = (round(100 * (bound or 0.0)) for bound in (accuracy.low, accuracy.high))
    others = len(lowest.may_be_lowest) - 1
    which = "no other pattern can be the lowest"
    if others:
        which = f"{others} other{'s' if others > 1 else ''} may be the lowest"
    pooled = lowest.accuracy_pooled.value
    drawn = ""
    if pooled is not None:
        drawn = (
            f"; drawn towards the other {pattern.family.value} patterns its share is "
            f"{format_share(pooled)}"
        )
    return (
        f"Lowest of {lowest.patterns} patterns as observed: {lowest.pattern} ({pattern.image} "
        f"image, {pattern.text} text, {pattern.joint} together), right on "
        f"{format_share(accuracy.value or 0.0)} of {lowest.n:,}. With intervals that hold for all "
        f"{lowest.patterns} at once ({low} to {high}% for this one) {which}{drawn}."
    )


def _missed(metrics: Metrics) -> str:
    unsafe = metrics.joint.confusion["unsafe"]
    total = sum(unsafe.values())
    if not total:
        return ""
    recall = percent(metrics.joint.per_class["unsafe"].recall)
    first = f"Of {total:,} unsafe pairs it calls {recall} unsafe"
    if "borderline" not in unsafe:
        return f"{first}; {unsafe['safe']:,} it calls safe."
    return f"{first}; {unsafe['borderline']:,} it calls borderline, {unsafe['safe']:,} safe."


def _attribution(metrics: Metrics) -> str:
    attribution = metrics.attribution
    if "no_answer" not in attribution:
        return ""
    both = percent(attribution.both_correct_answered)
    answered = attribution.joint_errors - attribution.no_answer.count
    if not both:
        return ""
    missing = ""
    if attribution.no_answer.count:
        missing = f"; {attribution.no_answer.count:,} more had no answer and are not among them"
    return (
        f"Of {answered:,} pairs answered wrongly {both} had image and text right when asked alone: "
        f"both parts graded as the gold, the pair not{missing}."
    )


def _late_fusion(metrics: Metrics) -> str:
    fused = percent(metrics.late_fusion.of_predictions)
    joint = percent(metrics.joint.accuracy)
    if not (fused and joint):
        return ""
    rule = ""
    if "predictions_lookup" in metrics.late_fusion:
        lookup = percent(metrics.late_fusion.predictions_lookup)
        rule = f", and no rule from these two answers on more than {lookup}" if lookup else ""
    return (
        f"Shown both it is right on {joint} of pairs; the worse of its two answers to image and "
        f"text alone would be right on {fused}{rule}."
    )


def _dominance(metrics: Metrics) -> str:
    text, image = metrics.dominance.kappa_text, metrics.dominance.kappa_image
    if "within_pattern" not in text:
        return ""
    kappas = {"text": text.within_pattern, "image": image.within_pattern}
    if any(kappa.value is None for kappa in kappas.values()):
        return ""
    more, less = sorted(kappas, key=lambda name: -(kappas[name].value or 0.0))
    if (kappas[more].low or 0.0) <= (kappas[less].high or 0.0):
        return ""
    return (
        f"Among pairs of the same gold grades its joint answer goes more with its answer to the "
        f"{more} alone (kappa {kappas[more].value:.2f}) than with that to the {less} "
        f"({kappas[less].value:.2f}). That is association, not what moves the answer."
    )


def _over_sensitivity(metrics: Metrics) -> str:
    if not metrics.get("over_sensitivity") or "borderline" not in metrics.over_sensitivity:
        return ""
    with_part = percent(metrics.over_sensitivity.borderline)
    without = percent(metrics.over_sensitivity.no_unsafe_part.borderline)
    if not (with_part and without):
        return ""
    return (
        f"Borderline pairs with an unsafe image or text it calls unsafe in {with_part}, those "
        f"without one in {without}."
    )


def _outcomes(metrics: Metrics) -> str:
    counts = metrics.outcomes
    total = sum(sum(counts.get(m, {}).values()) for m in MODALITIES)
    lacking = {
        outcome.value: sum(counts.get(m, {}).get(outcome.value, 0) for m in MODALITIES)
        for outcome in Outcome
        if outcome is not Outcome.OK
    }
    shares = ", ".join(f"{count:,} {name}" for name, count in lacking.items() if count)
    if not shares:
        return ""
    count = "count as not flagged" if unsafe_alone(metrics) else "count as wrong"
    return f"Of {total:,} answers some carry no severity and {count}: {shares}."
