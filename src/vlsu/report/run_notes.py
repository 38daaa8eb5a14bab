"""What must be known of a run beside its numbers, whatever its task."""

from __future__ import annotations

import datetime

from vlsu.runs import Run
from vlsu.runs.setups import drawn_for

__all__ = ["baseline_note", "clusters_note", "date_of", "sampling_note"]

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


def baseline_note(run: Run) -> str:
    """What must be known of an embedded model, and of what a model was shown; may be empty."""
    notes = [_KNOWN.get(run.record["model"]["spec"], ""), _ensemble_note(run)]
    if run.record.get("captions"):
        notes.append("It saw no image: it read a caption in place of each.")
    return " ".join(filter(None, notes))


def _ensemble_note(run: Run) -> str:
    """How the verdicts of an ensemble were made; empty for a model."""
    ensemble = run.record.get("ensemble")
    if ensemble is None:
        return ""
    how = {
        "max": "each verdict is the worst of its members'",
        "vote": "each verdict is the one that most members give, of several the worst",
        "stack": "each verdict is a logistic regression's on those of its members",
    }
    members = ", ".join(
        each["name"]
        if each["name"].split("@")[0] == each["spec"]
        else f"{each['name']} ({each['spec']})"
        for each in ensemble["members"]
    )
    found = f"An ensemble of {members}: {how.get(ensemble['rule'], ensemble['rule'])}."
    if without := sum(ensemble.get("decided_without_all", {}).values()):
        found += f" {without} verdicts were reached though a member had no answer."
    if seen := ensemble.get("gold_seen"):
        found += f" It has seen gold grades, {seen}."
    return found


def sampling_note(run: Run) -> str:
    """What part of the dataset the numbers come from, where it was drawn by pattern; else empty."""
    drawn = run.record.get("sampling")
    if drawn is None:
        return ""
    estimate = run.metrics.get("sampling")
    if estimate is None:
        return (
            f"The draw ({drawn_for(drawn)}) came to the whole dataset: its own values are known, "
            "and the intervals are a full run's, about pairs like these."
        )
    requests = estimate["requests"]
    until = ""
    if estimate["until"] is not None:
        until = f" {estimate['until']}: {'reached' if estimate['reached'] else 'not reached'}."
    pilots = len(estimate.get("pilots", ()))
    earlier = f" and by the answers of {pilots} earlier run{'s'[: pilots > 1]}" if pilots else ""
    return (
        f"Estimated for all {estimate['population']:,} samples of the dataset from "
        f"{estimate['sampled']:,} of them, drawn by pattern{earlier} ({requests['sample']:,} of "
        f"{requests['dataset']:,} requests).{until} An interval says where the value of this whole "
        "dataset lies. n, the map of samples and the counts of the flow from parts to pair are of "
        "those asked; all shares, confusions and counts of errors are estimated for the dataset."
    )


def clusters_note(run: Run) -> str:
    """Which samples are not independent, where that leaves few clusters; else empty."""
    clusters = run.metrics.get("intervals", {}).get("clusters")
    if not clusters or not clusters["few"]:
        return ""
    fewest = min(clusters["units"].values())
    shared = " and ".join(f"{what}s" for what in clusters["by"])
    return (
        f"Samples share {shared}: they are worth as few as {fewest:g} independent clusters. Below "
        "30 the intervals, which allow for that, are approximate, and nearly the whole range where "
        f"there are only two or three. More {shared} would make the result surer, more samples of "
        "the same hardly."
    )


def date_of(run: Run) -> str:
    """The day the run ended, such as ``2 March 2026``, in its own time zone."""
    record = run.record
    day = datetime.datetime.fromisoformat(record.get("ended") or record["started"])
    return f"{day.day} {day:%B %Y}"
