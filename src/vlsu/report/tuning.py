"""The tables of a framing search, and ``tuning.md``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlsu.analysis.stats.intervals import UNDEFINED, Rate
from vlsu.analysis.table.answered import ENOUGH, format_share
from vlsu.report.alignment.rates import RATE_NAMES
from vlsu.report.table import ABSENT, Table, format_change, format_rate
from vlsu.report.table_formats import markdown
from vlsu.runs import Run

__all__ = ["tuning_markdown", "tuning_notes", "tuning_tables"]

_OVER, _SAFE, _UNDER = (
    RATE_NAMES["over_blocking"],
    RATE_NAMES["over_refusal_safe"],
    RATE_NAMES["under_refusal"],
)
_ANSWERED = ("answered", "judged")
_MEANING = (
    f"{_OVER}: borderline pairs refused. {_UNDER}: unsafe pairs not refused. {_SAFE}: safe pairs "
    "refused. The front was chosen by the selection figures, which are too good for that; the "
    "held-out figures are on pairs that share no image, text or group with those, and were never "
    "chosen by."
)


def tuning_tables(result: Mapping[str, Any]) -> tuple[Table, ...]:
    """The front, its changes against the baseline, every candidate, and the rungs.

    Args:
        result: The content of ``tuning.json``.
    """
    tables = [_front(result), _changes(result), _candidates(result), _rungs(result)]
    return tuple(table for table in tables if table.rows)


def tuning_notes(result: Mapping[str, Any]) -> list[str]:
    """What must be known beside the tables."""
    calls, constraint = result["calls"], result["constraint"]
    notes = [
        f"Answers asked for: {calls['answers']}, of {calls['answers_of_all_on_everything']} that "
        f"all instructions on all pairs would take ({calls['share']:.0%})."
    ]
    if constraint is not None:
        bound = f"{_UNDER} at most {constraint['max_under_refusal']:g}"
        if constraint["chosen"] is None:
            notes.append(f"No instruction has {bound} on the selection split.")
        else:
            held_out = result["framings"][constraint["chosen"]]["held_out"]["under_refusal"]
            notes.append(
                f"Least {_OVER} with {bound} on the selection split: {constraint['chosen']}; its "
                f"held-out {_UNDER} is {format_rate(Rate.from_json(held_out))}."
            )
    if proposals := result["proposals"]:
        notes.append(_proposed(proposals))
    if missing := _missing(result):
        notes.append(missing)
    if little := _little(result):
        notes.append(little)
    if shown := result["held_out_shown_before"]:
        notes.append(
            f"The held-out pairs have confirmed {shown} other "
            f"{'choice' if shown == 1 else 'choices'} of instructions before; the more often they "
            "are looked at, the less nothing was chosen by them."
        )
    return notes


def tuning_markdown(run: Run, result: Mapping[str, Any]) -> str:
    """The tables and notes as a document, with the instructions on the front."""
    record = run.record
    dataset = record["dataset"]
    about = Table(
        "about",
        "What was searched",
        ("what", "which"),
        (
            ("model", record["model"]["spec"]),
            ("judge", record["judges"][0]["spec"]),
            ("dataset", f"{dataset['name']} {dataset['version']}"),
            ("refusal counted", result["refusal"]),
            *(("note", note) for note in tuning_notes(result)),
        ),
    )
    words = Table(
        "instructions",
        "Instructions on the front",
        ("instruction", "text"),
        tuple((name, _text(result, name)) for name in result["front"]),
        "White space is folded; candidates.yaml has the instructions as they are.",
    )
    tables = (about, *tuning_tables(result), words)
    return "\n\n".join(["# Framing search", *map(markdown, tables)]) + "\n"


def _front(result: Mapping[str, Any]) -> Table:
    rates = (
        ("selection", "over_blocking"),
        ("held_out", "over_blocking"),
        ("selection", "under_refusal"),
        ("held_out", "under_refusal"),
        ("held_out", "over_refusal_safe"),
    )
    chosen = (result["constraint"] or {}).get("chosen")
    rows = {name: f"{name} *" if name == chosen else name for name in result["front"]}
    note = f"Each with its 95% interval. {_MEANING}"
    if chosen is not None:
        bound = result["constraint"]["max_under_refusal"]
        note += f" *: the least {_OVER} with {_UNDER} at most {bound:g}, by the selection figures."
    if (baseline := result["baseline"]) not in (None, *rows):
        rows[baseline] = f"({baseline})"
        note += " In brackets: the baseline, not on the front."
    return Table(
        "front",
        "The Pareto front, as chosen and as confirmed",
        (
            "instruction",
            *(f"{RATE_NAMES[key]}, {part.replace('_', ' ')}" for part, key in rates),
            *(f"{word}, held out" for word in _ANSWERED),
        ),
        tuple(
            (
                shown,
                *(
                    format_rate(Rate.from_json(result["framings"][name][part][key]))
                    for part, key in rates
                ),
                *_answered(result["framings"][name]["held_out"]),
            )
            for name, shown in rows.items()
        ),
        note,
    )


def _answered(part: Mapping[str, Any]) -> tuple[str, ...]:
    """The share of an instruction's answers that came from the model, and that was judged."""
    return tuple(
        format_rate(Rate.from_json(part[key]) if key in part else UNDEFINED) for key in _ANSWERED
    )


def _changes(result: Mapping[str, Any]) -> Table:
    baseline = result["baseline"]
    rows = tuple(
        (name, *(format_change(_whatever_is_missing(framing["change"][key])) for key in RATE_NAMES))
        for name in result["front"]
        if (framing := result["framings"][name])["change"] is not None
    )
    return Table(
        "changes",
        f"Against {baseline}, held out",
        ("instruction", *RATE_NAMES.values()),
        rows,
        f"The instruction's rate less that of {baseline}, paired by sample. All intervals hold at "
        "once with 95% confidence (Bonferroni), whatever the missing verdicts are.",
    )


def _whatever_is_missing(change: Mapping[str, Any]) -> Rate:
    """A change with the interval that holds what missing verdicts leave open, where some are."""
    return Rate.from_json(change.get("worst_case") or change)


def _candidates(result: Mapping[str, Any]) -> Table:
    rows = []
    for name, framing in result["framings"].items():
        dropped, seen = framing["dropped"], framing["selection"]
        out: tuple[str, ...] = ("on the front", "", "")
        if dropped is not None:
            change = (f"{dropped[key]:+.2f}" for key in ("over_blocking", "under_refusal"))
            out = (dropped["instead"], *change)
        rows.append(
            (
                name,
                framing["source"],
                str(seen["samples"]),
                format_rate(Rate.from_json(seen["over_blocking"])),
                format_rate(Rate.from_json(seen["under_refusal"])),
                *_answered(seen),
                *out,
            )
        )
    return Table(
        "candidates",
        "Every candidate on the selection split",
        (
            "instruction",
            "source",
            "samples",
            _OVER,
            _UNDER,
            *_ANSWERED,
            "dropped for",
            f"its {_OVER}",
            f"its {_UNDER}",
        ),
        tuple(rows),
        "Over the samples that each was asked about before it was dropped. The last columns say by "
        "how much the one it was dropped for was above (+) or below (-) it then.",
    )


def _rungs(result: Mapping[str, Any]) -> Table:
    return Table(
        "rungs",
        "The race",
        ("rung", "candidates", "borderline pairs", "unsafe pairs"),
        tuple(
            (str(n), *(str(rung[key]) for key in ("candidates", "borderline", "unsafe")))
            for n, rung in enumerate(result["rungs"], 1)
        ),
        "Every candidate of a rung answers the same pairs, those of the earlier rungs included.",
    )


def _proposed(about: Mapping[str, Any]) -> str:
    sentence = f"{about['model']} was asked for {about['asked']} instructions: "
    if about["outcome"] != "ok":
        return (
            f"{sentence}its answer was no list of them ({about['outcome']}), so none was raced; "
            "another number of proposals asks again."
        )
    sentence += f"{about['new']} new"
    extras = ("duplicates", "surplus")
    return sentence + "".join(f", {about[key]} {key}" for key in extras if about[key]) + "."


def _missing(result: Mapping[str, Any]) -> str:
    """How many answers of those confirmed are in no rate."""
    count = sum(
        framing["held_out"][key]["missing"]
        for framing in result["framings"].values()
        if framing["held_out"] is not None
        for key in RATE_NAMES
    )
    if not count:
        return ""
    return (
        f"{count} held-out answers are in no rate: no answer came, or no verdict of the judge. In "
        "the race a missing answer counts against its instruction."
    )


def _little(result: Mapping[str, Any]) -> str:
    """Instructions on the front of which too little was answered, or judged, to choose by."""
    lacking = []
    for name in result["front"]:
        part = result["framings"][name]["held_out"] or {}
        shares = [part[key]["value"] for key in _ANSWERED if key in part]
        if any(share is not None and share < ENOUGH for share in shares):
            lacking.append(name)
    if not lacking:
        return ""
    return (
        f"Less than {format_share(ENOUGH)} was answered, or of that judged, under "
        f"{', '.join(lacking)}: what is missing is in no rate, and what the provider blocked "
        "counts as not refused."
    )


def _text(result: Mapping[str, Any], name: str) -> str:
    text: str = result["framings"][name]["instruction"]
    return text or ABSENT
