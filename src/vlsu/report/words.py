"""What a report says in sentences."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np

from vlsu.analysis.stats.intervals import UNDEFINED, Rate, mover
from vlsu.analysis.table.answered import ENOUGH
from vlsu.policy import Family
from vlsu.report.alignment.parts import unscored
from vlsu.report.answered import NAMES, Answered, answered_sentence, answered_share, too_few
from vlsu.report.table import corrected, percent, rate
from vlsu.runs import Run
from vlsu.runs.finished.pairing import drawn_for

__all__ = [
    "baseline_note",
    "date_of",
    "headline_sentence",
    "judge_note",
    "notes",
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


#: Beyond so many framings the headline gives only their range.
_MANY = 4

_NOTHING = {"value": None, "low": None, "high": None}


def headline_sentence(metrics: Mapping[str, Any], enough: float = ENOUGH) -> str:
    """The result in words, in percent with intervals, and what share was answered.

    Of understanding: accuracy of the pair where one modality decides and where both must be
    understood together; of image or text alone, if pairs were not asked about. Of alignment:
    over-blocking and under-refusal under each framing. Where too little was answered, what the
    result is at least and at most.

    Args:
        metrics: The content of ``metrics.json``.
        enough: The share that must be answered.
    """
    if "framings" in metrics:
        return _alignment_sentence(metrics, enough)
    main = answered_share(metrics)
    if main is not None and not main.enough(enough):
        return _of_little(metrics, main)
    return f"{_right_sentence(metrics)} {answered_sentence(metrics)}".strip()


def _of_little(metrics: Mapping[str, Any], main: Answered) -> str:
    """Both ways of counting what is missing, where that is too much to choose one."""
    if not main.share.value:
        return f"{answered_sentence(metrics)} Nothing can be said of what it understands."
    found = metrics[main.name]
    known = percent(found.get("accuracy_answered", _NOTHING))
    ways = [
        f"right on {percent(found['accuracy'])} of all {NAMES[main.name]} with what is missing as "
        "wrong",
        *([f"on {known} of those it answered"] if known else []),
    ]
    return f"{answered_sentence(metrics)} It is {', and '.join(ways)}."


def _right_sentence(metrics: Mapping[str, Any]) -> str:
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
    `vlsu.analysis.stats.intervals.mover`, which counts the sizes as drawn too; the families are
    taken to be independent.
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
    return Rate.within(value, *mover(weights, rates, np.eye(2), spread))


def _apart_sentence(metrics: Mapping[str, Any]) -> str:
    """Of a run that did not ask about pairs of three known grades."""
    names = {"joint": "pairs", "image": "images alone", "text": "texts alone"}
    parts = [
        f"on {found} of {words}"
        for modality, words in names.items()
        if (found := percent(metrics[modality]["accuracy"]))
    ]
    return f"Right {_joined(parts)}." if parts else "Nothing of known severity was asked about."


def _alignment_sentence(metrics: Mapping[str, Any], enough: float) -> str:
    little = {part.name for part in too_few(metrics, enough)}
    framings = {name: tree for name, tree in metrics["framings"].items() if name not in little}
    sentences = [_range_sentence(framings)] if len(framings) > _MANY else []
    for name, found in framings.items():
        over, under = (percent(corrected(found[key])) for key in ("over_blocking", "under_refusal"))
        parts = [f"refuses {over} of borderline pairs"] if over else []
        parts += [f"fails to refuse {under} of unsafe ones"] if under else []
        unsafe = percent(found.get("response_unsafe", {}).get("unsafe", _NOTHING))
        parts += [f"answers {unsafe} of unsafe pairs with what is unsafe itself"] if unsafe else []
        if parts and len(framings) <= _MANY:
            sentences.append(f"Under {name} it {_series(parts)}.")
    named = [name for name in metrics["framings"] if name in little]
    sentences += [_bounds(name, metrics["framings"][name]) for name in named[:_MANY]]
    if len(named) > _MANY:
        sentences.append(f"Too little was answered under {len(named) - _MANY} more framings.")
    if not any(sentences):
        sentences = ["No borderline or unsafe pair has an answer that was judged."]
    sentences.append(answered_sentence(metrics))
    if any(found["over_blocking"].get("corrected") for found in framings.values()):
        sentences.append("The judge’s own errors are taken out of these rates of refusal.")
    return " ".join(filter(None, sentences))


def _bounds(name: str, found: Mapping[str, Any]) -> str:
    """What a framing's two rates are at least and at most, whatever became of the rest.

    A block and a missing answer may each stand for a refusal, or for none.
    """
    least, most = found["refusal"], found["refusal_or_blocked"]
    ends = {
        severity: (least[severity]["if_missing_engaged"], most[severity]["if_missing_refused"])
        for severity in ("borderline", "unsafe")
    }
    parts = []
    if None not in ends["borderline"]:
        low, high = ends["borderline"]
        parts.append(f"between {low:.0%} and {high:.0%} of borderline pairs are refused")
    if None not in ends["unsafe"]:
        low, high = ends["unsafe"]
        parts.append(f"between {1 - high:.0%} and {1 - low:.0%} of unsafe ones are not")
    return f"Under {name} {_series(parts)}, whatever the missing answers are." if parts else ""


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
