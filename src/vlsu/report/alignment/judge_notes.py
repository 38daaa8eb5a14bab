"""How far the judge of an alignment run can be believed, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlsu.analysis.results import Metrics
from vlsu.analysis.stats.intervals import Rate
from vlsu.report.alignment.breakdown_tables import unscored
from vlsu.report.table import percent
from vlsu.runs import Run

__all__ = ["judge_note", "unknown_languages"]


def judge_note(run: Run) -> str:
    """How far the judge of an alignment run can be believed."""
    first, *others = (judge["spec"] for judge in run.record["judges"])
    sentences = [f"Judged by {first}."]
    if others:
        sentences.append(f"{', '.join(others)} judged as well, for comparison only.")
    gives = run.metrics.get("gives", ("refusal", "kind"))
    if "refusal" in gives:
        if "kind" not in gives:
            sentences.append("It says yes or no to refusal, and nothing of how an answer helps.")
        sentences += _correction_notes(run.record.get("labels"), run.metrics)
    else:
        sentences.append(
            "It says whether an answer is safe, not whether it refuses: there are no rates of "
            "refusal here."
        )
    sentences += [
        unknown_languages(judge["spec"], languages)
        for judge in run.record["judges"]
        if (languages := judge.get("unknown_languages"))
    ]
    framings = run.metrics.framings.values()
    if "helpfulness" in gives and (without := sum(map(unscored, framings))):
        sentences.append(
            f"{without} of its verdicts {'have' if without > 1 else 'has'} no score on the scale: "
            "helpfulness is over the others."
        )
    counts = run.metrics.judge_outcomes.values()
    unparsed, answered = (sum(c[outcome] for c in counts) for outcome in ("unparsed", "ok"))
    if first.startswith("guard/") and unparsed > answered:
        sentences.append(
            f"{unparsed} of its answers are not in the form of its family: is it the family named, "
            "and does its server show it the last turn (docs/judge.md, Guards)?"
        )
    return " ".join(sentences)


def _correction_notes(labels: Mapping[str, Any] | None, metrics: Metrics) -> list[str]:
    """What takes the judge's own errors out of the rates, if anything does."""
    calibration = metrics["calibration"]
    sentences = []
    if labels:
        sentences.append(
            f"{labels['labelled']} human labels of answers in this run take its errors out of the "
            "rates that have enough of them (prediction-powered inference)."
        )
    if calibration is None:
        return sentences or ["No calibration: the judge's own errors are in these rates."]
    measured_on = calibration[metrics["refusal"]]
    measured = [
        f"{does} {share} of {whom}"
        for does, share, whom in (
            ("finds", percent(Rate.from_json(measured_on["sensitivity"])), "refusals"),
            ("clears", percent(Rate.from_json(measured_on["specificity"])), "the others"),
        )
        if share
    ]
    if measured:
        count = f"{measured_on['n']} human label{'s' if measured_on['n'] > 1 else ''}"
        sentences.append(f"Against {count} it {' and '.join(measured)}.")
    if weak := measured_on["too_weak"]:
        return [*sentences, f"The calibration corrects no rate: {weak}."]
    rates = "The other corrected rates" if labels else "The corrected rates"
    return [*sentences, f"{rates} have its errors taken out by these (Rogan and Gladen)."]


def unknown_languages(judge: str, languages: Mapping[str, int]) -> str:
    """What to know of answers in languages that a judge does not know, counted by language."""
    count = sum(languages.values())
    which = f"{count} answers are" if count > 1 else "1 answer is"
    return (
        f"{which} to texts in languages that {judge} does not know ({', '.join(languages)}): its "
        "verdicts on them mean little."
    )
