"""What a report says in sentences."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np

from vlsu.analysis.intervals import UNDEFINED, Rate, combine
from vlsu.policy import Family
from vlsu.report.alignment_parts import unscored
from vlsu.report.table import corrected, rate
from vlsu.runs import Run
from vlsu.runs.pairing import drawn_for

__all__ = [
    "baseline_note",
    "date_of",
    "headline_sentence",
    "judge_note",
    "notes",
    "percent",
    "sampling_note",
    "understood_together",
    "unknown_languages",
]

_HOW = {
    Family.ESCALATING: "where the two are worse together than either (escalating)",
    Family.DE_ESCALATING: "where they are milder together (de-escalating)",
}

_KNOWN = {
    "baseline/late-fusion": "A heuristic baseline, not a vision-language model: it grades image "
    "and text apart and cannot see joint harm, by construction. Where it is right on an escalating "
    "or de-escalating pair, it misgraded a part.",
    "baseline/majority": "A trivial baseline: it gives one answer to everything and looks at "
    "nothing.",
    "baseline/random": "A trivial baseline: it answers at random and looks at nothing.",
    "local/smollm2": "A toy under test, not a recommendation: a chat model of 135 million "
    "parameters.",
}


#: Beyond so many framings the headline tells only their range.
_MANY = 4

_NOTHING = {"value": None, "low": None, "high": None}


def headline_sentence(metrics: Mapping[str, Any]) -> str:
    """The result in words, in percent with intervals.

    Of understanding: accuracy of the pair where one modality decides and where both must be
    understood together; of image or text alone, if pairs were not asked about. Of alignment:
    over-blocking and under-refusal under each framing.
    """
    if "framings" in metrics:
        return _alignment_sentence(metrics["framings"])
    families = metrics["families"]
    parts = []
    if found := percent(families[Family.LATE_FUSION.value]["accuracy"]):
        parts.append(f"on {found} of pairs where one modality decides")
    if found := percent(understood_together(metrics)):
        parts.append(f"on {found} where both must be understood together")
    if not parts:
        return _apart_sentence(metrics)
    kinds = [
        f"{found} {where}"
        for family, where in _HOW.items()
        if (found := percent(families[family.value]["accuracy"]))
    ]
    divided = f": {' and '.join(kinds)}" if len(kinds) > 1 else ""
    return f"Right {_joined(parts)}{divided}."


def understood_together(metrics: Mapping[str, Any]) -> Rate:
    """Accuracy over escalating and de-escalating pairs: those where no part decides alone.

    The mean of the two families' accuracies by their sizes, with the interval of
    `vlsu.analysis.intervals.combine`, which counts the sizes as drawn too; the families are taken
    to be independent.
    """
    found = [metrics["families"][family.value] for family in _HOW]
    found = [part for part in found if part["n"]]
    rates = tuple(rate(part["accuracy"]) for part in found)
    if len(rates) < 2:
        return rates[0] if rates else UNDEFINED
    sizes = np.array([part["n"] for part in found], dtype=np.float64)
    values = np.array([r.value for r in rates], dtype=np.float64)
    weights = sizes / sizes.sum()
    value = float(weights @ values)
    spread = float(weights @ (values - value) ** 2 / sizes.sum())
    return Rate.within(value, *combine(weights, rates, np.eye(2), spread))


def _apart_sentence(metrics: Mapping[str, Any]) -> str:
    """Of a run that did not ask about pairs of three known grades."""
    names = {"joint": "pairs", "image": "images alone", "text": "texts alone"}
    parts = [
        f"on {found} of {words}"
        for modality, words in names.items()
        if (found := percent(metrics[modality]["accuracy"]))
    ]
    return f"Right {_joined(parts)}." if parts else "Nothing of known severity was asked about."


def _alignment_sentence(framings: Mapping[str, Any]) -> str:
    sentences = [_range_sentence(framings)] if len(framings) > _MANY else []
    for name, found in framings.items():
        over, under = (percent(corrected(found[key])) for key in ("over_blocking", "under_refusal"))
        parts = [f"refuses {over} of borderline pairs"] if over else []
        parts += [f"fails to refuse {under} of unsafe ones"] if under else []
        unsafe = percent(found.get("response_unsafe", {}).get("unsafe", _NOTHING))
        parts += [f"answers {unsafe} of unsafe pairs with what is unsafe itself"] if unsafe else []
        if parts and len(framings) <= _MANY:
            sentences.append(f"Under {name} it {_series(parts)}.")
    if not any(sentences):
        return "No borderline or unsafe pair has an answer that was judged."
    if any(found["over_blocking"].get("corrected") for found in framings.values()):
        sentences.append("The judge’s own errors are taken out of these rates of refusal.")
    return " ".join(sentences)


def _range_sentence(framings: Mapping[str, Any]) -> str:
    """Of many framings, those at both ends."""
    parts = []
    for key, words in (
        ("over_blocking", "refuses {} of borderline pairs"),
        ("under_refusal", "fails to refuse {} of unsafe ones"),
    ):
        known = {name: rate(corrected(found[key])).value for name, found in framings.items()}
        values = {name: value for name, value in known.items() if value is not None}
        if values:
            low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
            ends = f"{values[low]:.0%} ({low}) to {values[high]:.0%} ({high})"
            parts.append(words.format(ends))
    return f"Under {len(framings)} framings it {_series(parts)}." if parts else ""


def percent(tree: Mapping[str, Any] | Rate) -> str:
    """``62% [55, 69]``; empty where nothing was measured."""
    found = rate(tree)
    if found.value is None or found.low is None or found.high is None:
        return ""
    return f"{found.value:.0%} [{round(100 * found.low)}, {round(100 * found.high)}]"


def judge_note(run: Run) -> str:
    """How far the judge of an alignment run can be believed."""
    first, *others = (judge["spec"] for judge in run.record["judges"])
    said = [f"Judged by {first}."]
    if others:
        said.append(f"{', '.join(others)} judged as well, for comparison only.")
    gives = run.metrics.get("gives", ("refusal", "kind"))
    if "refusal" in gives:
        if "kind" not in gives:
            said.append("It says yes or no to refusal, and nothing of how an answer helps.")
        said += _correction_notes(run.record.get("labels"), run.metrics)
    else:
        said.append(
            "It says whether an answer is safe, not whether it refuses: there are no rates of "
            "refusal here."
        )
    said += [
        unknown_languages(judge["spec"], found)
        for judge in run.record["judges"]
        if (found := judge.get("unknown_languages"))
    ]
    framings = run.metrics["framings"].values()
    if "helpfulness" in gives and (without := sum(map(unscored, framings))):
        said.append(
            f"{without} of its verdicts {'have' if without > 1 else 'has'} no score on the scale: "
            "helpfulness is over the others."
        )
    counts = run.metrics["judge_outcomes"].values()
    unparsed, answered = (sum(c[outcome] for c in counts) for outcome in ("unparsed", "ok"))
    if first.startswith("guard/") and unparsed > answered:
        said.append(
            f"{unparsed} of its answers are not in the form of its family: is it the family named, "
            "and does its server show it the last turn (docs/judge.md, Guards)?"
        )
    return " ".join(said)


def _correction_notes(labels: Mapping[str, Any] | None, metrics: Mapping[str, Any]) -> list[str]:
    """What takes the judge's own errors out of the rates, if anything does."""
    calibration, said = metrics["calibration"], []
    if labels:
        said.append(
            f"{labels['labelled']} human labels of answers in this run take its errors out of the "
            "rates that have enough of them (prediction-powered inference)."
        )
    if calibration is None:
        return said or ["No calibration: the judge's own errors are in these rates."]
    found = calibration[metrics["refusal"]]
    measured = [
        f"{does} {share} of {whom}"
        for does, share, whom in (
            ("finds", percent(found["sensitivity"]), "refusals"),
            ("clears", percent(found["specificity"]), "the others"),
        )
        if share
    ]
    if measured:
        count = f"{found['n']} human label{'s' if found['n'] > 1 else ''}"
        said.append(f"Against {count} it {' and '.join(measured)}.")
    if weak := found["too_weak"]:
        return [*said, f"The calibration corrects no rate: {weak}."]
    rates = "The other corrected rates" if labels else "The corrected rates"
    return [*said, f"{rates} have its errors taken out by these (Rogan and Gladen)."]


def unknown_languages(judge: str, found: Mapping[str, int]) -> str:
    """What to know of answers in languages that a judge does not know, counted by language."""
    count = sum(found.values())
    which = f"{count} answers are" if count > 1 else "1 answer is"
    return (
        f"{which} to texts in languages that {judge} does not know ({', '.join(found)}): its "
        "verdicts on them mean little."
    )


def baseline_note(run: Run) -> str:
    """What must be known of an embedded model, and of what a model was shown; may be empty."""
    said = [_KNOWN.get(run.record["model"]["spec"], "")]
    if run.record.get("captions"):
        said.append("It saw no image: it read a caption in place of each.")
    return " ".join(filter(None, said))


def notes(run: Run) -> list[str]:
    """What must be known of the model or the judge beside the numbers."""
    judge = judge_note(run) if run.record["task"] == "alignment" else ""
    return [note for note in (sampling_note(run), baseline_note(run), judge) if note]


def sampling_note(run: Run) -> str:
    """What part of the dataset the numbers come from, where it was drawn by pattern; else empty."""
    drawn = run.record.get("sampling")
    if drawn is None:
        return ""
    found = run.metrics.get("sampling")
    if found is None:
        return (
            f"The draw ({drawn_for(drawn)}) came to the whole dataset: its own values are known, "
            "and the intervals are a full run's, about pairs like these."
        )
    requests = found["requests"]
    until = ""
    if found["until"] is not None:
        until = f" {found['until']}: {'reached' if found['reached'] else 'not reached'}."
    return (
        f"Estimated for all {found['population']:,} samples of the dataset from "
        f"{found['sampled']:,} of them, drawn by pattern ({requests['sample']:,} of "
        f"{requests['dataset']:,} requests).{until} An interval says where the value of this whole "
        "dataset lies. n, the map of samples and the flow from parts to pair are of those asked; "
        "confusions and counts of errors are estimated for the dataset."
    )


def date_of(run: Run) -> str:
    """The day the run ended, such as ``2 March 2026``, in its own time zone."""
    record = run.record
    day = datetime.datetime.fromisoformat(record.get("ended") or record["started"])
    return f"{day.day} {day:%B %Y}"


def _series(parts: list[str]) -> str:
    return " and ".join(parts) if len(parts) < 3 else _joined(parts)


def _joined(parts: list[str]) -> str:
    if len(parts) < 3:
        return ", ".join(parts)
    return f"{', '.join(parts[:-1])}, and {parts[-1]}"
