"""The tables of a choice among guards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vlsu.analysis.stats.intervals import Rate
from vlsu.report.guards.words import (
    THINGS,
    fine,
    notes,
    percentage,
    sentences,
    share_of_million,
    shown_deployed,
    shown_threshold,
)
from vlsu.report.table import ABSENT, Table, format_change, format_rate
from vlsu.report.table_formats import escape_markdown, markdown

__all__ = ["TERMINAL", "guards_markdown", "guards_tables"]

#: Tables that a terminal shows, where there are such.
TERMINAL = ("guards", "families", "pairs", "million")
#: Missed samples that are listed in a document.
_LISTED = 200

#: Of samples, as results name them.
_KINDS = ("harmful", "harmless")

Tree = Mapping[str, Any]


def guards_tables(result: Tree, *, brief: bool = False) -> dict[str, Table]:
    """By name, those that have rows.

    Args:
        result: As `vlsu.runs.finished.guards.choose` makes it.
        brief: For a terminal: without the assured thresholds, the differences by family, and those
            between guards of which neither is chosen.
    """
    tables = (
        _guards(result),
        _families(result, brief=brief),
        _pairs(result, brief=brief),
        _million(result, brief=brief),
        _halves(result),
        _patterns(result),
        _missed_patterns(result),
        _missed_samples(result),
        _setup(result),
    )
    return {table.name: table for table in tables if table.rows}


def guards_markdown(result: Tree) -> str:
    """Sentences, notes and tables as a document."""
    dataset = result["dataset"]
    title = f"Guards on {THINGS[result['modality']]} of {dataset['name']} {dataset['version']}"
    parts = [f"# {escape_markdown(title)}"]
    parts.append("\n".join(f"- {escape_markdown(said)}" for said in sentences(result)))
    if said := notes(result):
        parts.append("\n".join(f"- *{escape_markdown(each)}*" for each in said))
    parts += map(markdown, guards_tables(result).values())
    return "\n\n".join(parts) + "\n"


def _rule(tree: Tree) -> Tree | None:
    """What a guard is judged by: its threshold within the bound, or its verdicts."""
    if tree["withheld"] is not None:
        return None
    rule: Tree = tree["thresholds"]["max_false_flags"] if tree["thresholds"] else tree["verdicts"]
    return rule


def _cell(rate: Tree) -> str:
    return format_rate(Rate.from_json(rate))


def _fine(rate: Tree, result: Tree) -> str:
    return fine(rate, result["max_false_flags"])


def _guards(result: Tree) -> Table:
    bound = percentage(result["max_false_flags"])
    rows = []
    for tree in result["guards"]:
        rule = _rule(tree)
        area = ABSENT if tree["auroc"] is None else _cell(tree["auroc"]["all"])
        cells: tuple[str, ...] = ("cannot be told", ABSENT, ABSENT)
        if rule is not None:
            at = shown_deployed(rule) if tree["thresholds"] else "its verdicts"
            cells = (at, _cell(rule["recall"]), _fine(rule["false_flags"], result))
        rows.append((tree["name"], *cells, area, _cell(tree["answered"])))
    kinds = {tree["kind"] for tree in result["guards"] if tree["withheld"] is None}
    scored = (
        "Thresholds to deploy are chosen on all samples; recall and false flags are of thresholds "
        "chosen on one half and reported on the other. "
    )
    still = "A guard with verdicts alone stays where these put it. "
    return Table(
        "guards",
        f"Guards at a bound of {bound} on false flags",
        ("guard", "flags at", "recall", "false flags", "AUROC", "answered"),
        tuple(rows),
        f"{scored if 'scores' in kinds else ''}{still if 'verdicts' in kinds else ''}"
        "95% intervals; missing answers at their worst.",
    )


def _families(result: Tree, *, brief: bool) -> Table:
    counts = result["samples"]["families"]
    wanted = [
        (key, kind, name)
        for key, kind in (("recall", "harmful"), ("false_flags", "harmless"))
        for name, part in counts.items()
        if part[kind]
    ]
    titles = {"recall": "recall", "false_flags": "false flags"}
    rows = tuple(
        (
            tree["name"],
            *(
                (_cell(part) if brief or key == "recall" else _fine(part, result))
                for key, _, name in wanted
                for part in [rule["families"][name][key]]
            ),
        )
        for tree in result["guards"]
        if (rule := _rule(tree)) is not None
    )
    return Table(
        "families",
        "By family of pattern",
        ("guard", *(f"{titles[key]}, {name}" for key, _, name in wanted)),
        rows if wanted else (),
        "At the same thresholds. Only late-fusion pairs can be graded from image and text apart.",
    )


def _pairs(result: Tree, *, brief: bool) -> Table:
    rows = []
    best = result["choice"]["guard"]
    shown = [
        pair
        for pair in result["pairs"]
        if not brief or best is None or best in (pair["first"], pair["second"])
    ]
    more = len(result["pairs"]) - len(shown)
    for pair in shown:
        at = ABSENT if pair["at"] is None else f"{pair['at']['false_flags']:.3f}"
        parts = {"all": pair["recall"], **({} if brief else pair["families"])}
        for name, part in parts.items():
            rows.append(
                (
                    f"{pair['second']} − {pair['first']}",
                    name,
                    at,
                    format_change(Rate.from_json(part["difference"])),
                    ABSENT if part["p_adjusted"] is None else _p(part["p_adjusted"]),
                    part["higher"] or "",
                )
            )
    return Table(
        "pairs",
        "Recall at the same false-flag rate, paired",
        ("guards", "family", "false flags", "difference in recall", "adjusted p", "claimed higher"),
        tuple(rows),
        "At the bound, or at the rate of a guard that has verdicts alone; equal scores are flagged "
        "with a chance where that takes it. Holm over all pairs of guards, and over all pairs and "
        "families; claimed whatever the missing answers are."
        + (f" {more:,} more with --out or --json." if more else ""),
    )


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.0005 else "<0.001"


_RULES = {
    "max_false_flags": "within the bound",
    "assured": "sure of the bound",
    "least_cost": "least cost",
}


def _rules(result: Tree) -> Iterator[tuple[str, str, Tree]]:
    """Guard, rule in words and what it comes to."""
    for tree in result["guards"]:
        if tree["withheld"] is not None:
            continue
        for key, words in _RULES.items():
            if tree["thresholds"] and key in tree["thresholds"]:
                yield tree["name"], words, tree["thresholds"][key]
        if not tree["thresholds"]:
            yield tree["name"], "its verdicts", tree["verdicts"]


def _million(result: Tree, *, brief: bool) -> Table:
    priced = result["costs"] is not None
    lacking = any(sum(tree["missing"][kind] for kind in _KINDS) for tree in result["guards"])
    rows = tuple(
        (
            name,
            words,
            shown_deployed(rule) if "deploy" in rule else "",
            share_of_million(rule["per_million"]["missed_harm"]),
            share_of_million(rule["per_million"]["wrong_blocks"]),
            fine(rule["precision"], result["prevalence"]),
            *([share_of_million(rule["cost_per_million"])] if priced else []),
        )
        for name, words, rule in (_rules(result) if result["prevalence"] is not None else ())
        if not (brief and words == _RULES["assured"])
    )
    harmful = percentage(result["prevalence"] or 0.0)
    milder = result["event"] == "unsafe" and "borderline" in result["samples"]["by_severity"]
    mixed = (
        " Harmless requests divide into safe and borderline as the samples do; vlsu project takes "
        "another mix."
    )
    missing = " Those without an answer are among the missed, or the flagged."
    return Table(
        "million",
        f"Of a million requests, {harmful} harmful",
        (
            *("guard", "rule", "flags at", "harmful, missed", "harmless, flagged"),
            "precision",
            *(["cost"] if priced else []),
        ),
        rows,
        "Held out, with 95% intervals; flags at: the threshold to deploy, chosen on all samples."
        f"{mixed if milder else ''}{missing if lacking else ''}",
    )


def _halves(result: Tree) -> Table:
    rows = tuple(
        (
            name,
            words,
            f"{half['chosen_on']} on {half['reported_on']}",
            shown_threshold(half["threshold"]),
            _cell(half["recall"]),
            _fine(half["false_flags"], result),
        )
        for name, words, rule in _rules(result)
        for half in rule.get("halves", ())
    )
    sizes = " and ".join(
        f"{half['harmful']:,} harmful, {half['harmless']:,} harmless"
        for half in result["samples"]["halves"]
    )
    return Table(
        "halves",
        "Thresholds by half",
        ("guard", "rule", "half chosen on, reported on", "threshold", "recall", "false flags"),
        rows,
        f"The halves share no image, text or group: {sizes}.",
    )


def _patterns(result: Tree) -> Table:
    scored = [tree for tree in result["guards"] if tree["auroc"] is not None]
    areas = [tree["auroc"]["patterns"] for tree in scored]
    names = list(areas[0]) if areas else []
    return Table(
        "patterns",
        "AUROC by pattern",
        ("pattern", "harmful", *(tree["name"] for tree in scored)),
        tuple(
            (name, str(areas[0][name]["n"]), *(_cell(each[name]) for each in areas))
            for name in names
        ),
        "Harmful samples of the pattern against all harmless ones, with 95% intervals.",
    )


def _missed_patterns(result: Tree) -> Table:
    missed = result["missed_by_all"] or {"patterns": {}, "guards": []}
    rows = tuple(
        (name, str(part["n"]), str(part["of"])) for name, part in missed["patterns"].items()
    )
    return Table(
        "missed",
        "Missed by every guard, by pattern",
        ("pattern", "missed by all", "harmful"),
        rows,
        "At the thresholds within the bound, held out, or by verdicts where there are no others; "
        "without an answer is not flagged.",
    )


def _missed_samples(result: Tree) -> Table:
    missed = result["missed_by_all"] or {"samples": []}
    listed = missed["samples"][:_LISTED]
    more = len(missed["samples"]) - len(listed)
    return Table(
        "missed-samples",
        "Samples that every guard misses",
        ("sample", "pattern", "guards without an answer"),
        tuple((each["id"], each["pattern"] or ABSENT, str(each["unanswered"])) for each in listed),
        f"{more:,} more with --json." if more else "",
    )


def _setup(result: Tree) -> Table:
    names = [tree["name"] for tree in result["guards"]]
    rows = tuple(
        (each["what"], *(str(each["values"].get(name, ABSENT)) for name in names), each["note"])
        for each in result["differences_in_setup"]
    )
    return Table("setup", "What the runs do not share", ("what", *names, "note"), rows)
