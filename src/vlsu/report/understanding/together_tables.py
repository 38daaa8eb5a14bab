"""Tables of how the answer to the pair stands to those to its image and text alone."""

from __future__ import annotations

from collections.abc import Mapping

from vlsu.analysis.results import Attribution, LateFusion, Metrics, Share
from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.answered import format_share
from vlsu.report.table import Table, format_rate
from vlsu.report.understanding.modalities import unsafe_alone

__all__ = ["CAUSES", "KAPPAS", "together_tables"]

#: Key in `metrics.json`'s attribution -> what the model got wrong beside the pair, or that it gave
#: no answer to the pair.
CAUSES: Mapping[str, str] = {
    "both_correct": "image and text both right",
    "image_wrong": "image wrong, text right",
    "text_wrong": "text wrong, image right",
    "both_wrong": "image and text both wrong",
    "no_answer": "no answer to the pair",
}

#: Key of a kappa in `metrics.json` -> the pairs it is over.
KAPPAS: Mapping[str, str] = {
    "within_pattern": "within gold patterns",
    "all": "all pairs",
    "joint_correct": "pair right",
    "joint_wrong": "pair wrong",
}

_INTERVAL = "[95% interval]"
#: What the kappas over all pairs, and over those answered rightly or wrongly, are worth.
_SELECTED = {
    True: "Over all pairs it is in there; and among pairs answered rightly kappa is above, among "
    "those answered wrongly below 0 even if the answers are independent.",
    False: "Over all pairs it is in there.",
}


def together_tables(metrics: Metrics) -> list[Table]:
    """The tables of a run that asked about pairs and about image or text alone."""
    if unsafe_alone(metrics):
        return [_flags_as_its_parts(metrics), _dominance(metrics)]
    return [_attribution(metrics), _late_fusion(metrics), _dominance(metrics)]


def _flags_as_its_parts(metrics: Metrics) -> Table:
    """The only figure of late fusion of a model that tells safe from unsafe only."""
    agreement = metrics.late_fusion.agreement
    row = ("how often it flags the pair just when it flags a part", format_rate(agreement))
    return Table(
        "late_fusion",
        "The model against late fusion",
        ("answer for the pair", f"value {_INTERVAL}"),
        (row,),
        "Over the samples of which all three were asked; a missing answer counts against it. "
        "Accuracy of late fusion is of three severities, which the model cannot give.",
    )


def _attribution(metrics: Metrics) -> Table:
    attribution = metrics.attribution
    return Table(
        "attribution",
        "Where the joint errors come from",
        ("asked alone", f"share {_INTERVAL}", "errors"),
        tuple(
            (name, format_rate(cause.share), str(cause.count))
            for name, cause in (
                (name, Share(attribution[key]))
                for key, name in CAUSES.items()
                if key in attribution
            )
        ),
        _attribution_note(attribution),
    )


def _attribution_note(attribution: Attribution) -> str:
    note = (
        f"Of {attribution.joint_errors} wrong joint judgments of samples whose three modalities "
        "were all asked and graded; the shares sum to 1. No answer: the joint request was refused, "
        "blocked, failed or could not be read; in the other rows the pair was answered, wrongly, "
        "and an image or text without an answer is wrong."
    )
    if attribution.get("no_answer", {}).get("count"):
        share = format_rate(attribution.both_correct_answered)
        note += f" Of the pairs answered wrongly, image and text were both right in {share}."
    return note


def _late_fusion(metrics: Metrics) -> Table:
    late_fusion = metrics.late_fusion
    answers = {
        "gold_ceiling": "worse of the gold image and text grades: accuracy",
        "gold_lookup": "best rule from the gold image and text grades: accuracy",
        "of_predictions": "worse of the model's own image and text answers: accuracy",
        "predictions_lookup": "best rule from the model's own image and text answers: accuracy",
    }
    rows = [
        (words, format_rate(Rate.from_json(late_fusion[key])))
        for key, words in answers.items()
        if key in late_fusion
    ]
    rows += [
        ("the model's joint answer: accuracy", format_rate(metrics.joint.accuracy)),
        (
            "how often the joint answer is the worse of the model's own two",
            format_rate(late_fusion.agreement),
        ),
    ]
    return Table(
        "late_fusion",
        "The model against late fusion",
        ("answer for the pair", f"value {_INTERVAL}"),
        tuple(rows),
        "Best rule: for each two grades the joint grade that is most frequent with them. Nothing "
        "that knows the two grades alone is right more often on these samples, and the worse of "
        f"the two is one such rule.{_on_others(late_fusion)}",
    )


def _on_others(late_fusion: LateFusion) -> str:
    """What the best rules reach on samples that they were not made on."""
    reached = [
        f"{format_share(late_fusion[key]['cross_fitted'])} from {whose}"
        for key, whose in (("gold_lookup", "the gold two"), ("predictions_lookup", "its own two"))
        if late_fusion.get(key, {}).get("cross_fitted") is not None
    ]
    if not reached:
        return ""
    return f" Made on other samples than it is used on, it reaches {', '.join(reached)}."


def _dominance(metrics: Metrics) -> Table:
    kappas = {"image": metrics.dominance.kappa_image, "text": metrics.dominance.kappa_text}
    there = {
        key: name
        for key, name in KAPPAS.items()
        if key in kappas["text"] and "reason" not in kappas["text"][key]
    }
    return Table(
        "dominance",
        "Agreement of the joint answer with those to the parts",
        ("joint answer against", *there.values()),
        tuple(
            (
                f"{modality} alone",
                *(format_rate(Rate.from_json(kappa[key])) for key in there),
            )
            for modality, kappa in kappas.items()
        ),
        f"Kappa {_INTERVAL} of the two predictions, where both are there: 1 is full agreement, 0 "
        "is chance. Within gold patterns, chance is that of pairs with the same gold grades: what "
        f"is left is not due to both answers following the gold grade. {_SELECTED[len(there) > 2]}",
    )
