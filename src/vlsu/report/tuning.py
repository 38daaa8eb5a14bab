"""The tables of a framing search, and ``tuning.md``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlsu.analysis.alignment.refusal_errors import RefusalErrors
from vlsu.analysis.stats.intervals import UNDEFINED, Rate
from vlsu.analysis.table.answered import ENOUGH, format_share
from vlsu.report.alignment.rates import RATE_NAMES, rate_names
from vlsu.report.table import ABSENT, Table, format_change, format_rate
from vlsu.report.table_formats import markdown
from vlsu.runs import Run

__all__ = ["tuning_markdown", "tuning_notes", "tuning_tables"]

_UNDER = RATE_NAMES["under_refusal"]
_ANSWERED = ("answered", "judged")
_CHOSEN = (
    "The front was chosen by the selection figures, which are too good for that; the "
    "held-out figures are on pairs that share no image, text or group with those, and were never "
    "chosen by."
)


def _errors(result: Mapping[str, Any]) -> RefusalErrors:
    """Those of the severities that the pairs were split by."""
    return RefusalErrors.of(result["split"]["selection"])


def _over(result: Mapping[str, Any]) -> str:
    """What the error that is traded for under-refusal is called."""
    return RATE_NAMES[_errors(result).over]


def _meaning(result: Mapping[str, Any]) -> str:
    errors = _errors(result)
    words = (
        f"{RATE_NAMES[key]}: {severity} pairs {'not refused' if rest else 'refused'}."
        for key in errors.names
        for severity, rest in [errors.named[key]]
    )
    return " ".join((*words, _CHOSEN))


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
            chosen = result["framings"][constraint["chosen"]]["held_out"]["under_refusal"]
            held_out = format_rate(Rate.from_json(chosen))
            notes.append(
                f"Least {_over(result)} with {bound} on the selection split: "
                f"{constraint['chosen']}; its held-out {_UNDER} is {held_out}."
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
    errors = _errors(result)
    rates = [(part, key) for key in errors.traded for part in ("selection", "held_out")]
    rates += [("held_out", key) for key in errors.names if key not in errors.traded]
    chosen = (result["constraint"] or {}).get("chosen")
    rows = {name: f"{name} *" if name == chosen else name for name in result["front"]}
    note = f"Each with its 95% interval. {_meaning(result)}"
    if chosen is not None:
        bound = result["constraint"]["max_under_refusal"]
        note += (
            f" *: the least {RATE_NAMES[errors.over]} with {_UNDER} at most {bound:g}, by the "
            "selection figures."
        )
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
    baseline, names = result["baseline"], rate_names(_errors(result))
    rows = tuple(
        (name, *(format_change(_whatever_is_missing(framing["change"][key])) for key in names))
        for name in result["front"]
        if (framing := result["framings"][name])["change"] is not None
    )
    return Table(
        "changes",
        f"Against {baseline}, held out",
        ("instruction", *names.values()),
        rows,
        f"The instruction's rate less that of {baseline}, paired by sample. All intervals hold at "
        "once with 95% confidence (Bonferroni), whatever the missing verdicts are.",
    )


def _whatever_is_missing(change: Mapping[str, Any]) -> Rate:
    """A change with the interval that holds what missing verdicts leave open, where some are."""
    return Rate.from_json(change.get("worst_case") or change)


def _candidates(result: Mapping[str, Any]) -> Table:
    rows, traded = [], _errors(result).traded
    over = _over(result)
    for name, framing in result["framings"].items():
        dropped, seen = framing["dropped"], framing["selection"]
        out: tuple[str, ...] = ("on the front", "", "")
        if dropped is not None:
            change = (f"{dropped[key]:+.2f}" for key in traded)
            out = (dropped["instead"], *change)
        rows.append(
            (
                name,
                framing["source"],
                str(seen["samples"]),
                *(format_rate(Rate.from_json(seen[key])) for key in traded),
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
            over,
            _UNDER,
            *_ANSWERED,
            "dropped for",
            f"its {over}",
            f"its {_UNDER}",
        ),
        tuple(rows),
        "Over the samples that each was asked about before it was dropped. The last columns say by "
        "how much the one it was dropped for was above (+) or below (-) it then.",
    )


def _rungs(result: Mapping[str, Any]) -> Table:
    raced = [severity.label for severity in _errors(result).raced]
    return Table(
        "rungs",
        "The race",
        ("rung", "candidates", *(f"{severity} pairs" for severity in raced)),
        tuple(
            (str(n), *(str(rung[key]) for key in ("candidates", *raced)))
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
        for key in _errors(result).named
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
