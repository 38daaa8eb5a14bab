"""What agreement figures mean and do not mean, as sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import polars as pl

from vlsu.analysis.agreement.grades import Grades

__all__ = ["notes"]

#: A label this frequent makes chance-corrected coefficients uninformative.
_SKEWED = 0.8
#: With fewer items than this every interval is wide.
_FEW = 30
#: Krippendorff's (2018, ch. 12) limits for reliable data and for tentative conclusions.
_RELIABLE, _TENTATIVE = 0.8, 0.667
#: Answers of a grader from which on the labels used are informative.
_TELLING = 3
#: Labels that a note names.
_NAMED = 5


def notes(read: Grades, tree: dict[str, Any]) -> list[str]:
    """Sentences on the agreement of graders, the most important first; see `grader_agreement`."""
    return list(_notes(read, tree))


def _notes(read: Grades, tree: dict[str, Any]) -> Iterator[str]:
    counts, overall, oracle = tree["counts"], tree["overall"], tree["oracle"]
    if not counts["paired"]:
        yield "No item has two grades, so nothing can be said about agreement."
        return
    alpha_key = f"krippendorff_alpha_{'ordinal' if read.ordinal else 'nominal'}"
    alpha, agreed = overall[alpha_key], overall["percent_agreement"]["value"]
    label, most = max(counts["grades"].items(), key=lambda each: each[1])
    share = most / sum(counts["grades"].values())
    if share == 1:
        yield (
            f"All grades are {label!r}: alpha and the kappas are undefined, as nothing shows that "
            "the graders could tell labels apart."
        )
    elif alpha["value"] is None:
        yield (
            f"{_items(counts['paired'])} two grades or more, all of one label: alpha is undefined, "
            "as nothing shows that the graders could tell labels apart."
        )
    elif share >= _SKEWED:
        ac = overall["gwet_ac1"]["value"]
        yield (
            f"{share:.0%} of the grades are {label!r}. Alpha and the kappas then count nearly all "
            "agreement as chance and fall low however well graders agree (alpha "
            f"{alpha['value']:.2f} at {agreed:.0%} agreement): read Gwet's AC1 ({ac:.2f}) and the "
            "agreement beside them, and the rare labels by themselves."
        )
    elif alpha["low"] >= _RELIABLE:
        yield f"Alpha is surely above {_RELIABLE}, Krippendorff's limit for reliable data."
    elif alpha["low"] >= _TENTATIVE:
        yield (
            f"Alpha is surely above {_TENTATIVE}, Krippendorff's limit for tentative conclusions, "
            f"but not above {_RELIABLE}, his limit for reliable data."
        )
    elif alpha["high"] < _TENTATIVE:
        yield (
            f"Alpha is below {_TENTATIVE}, Krippendorff's limit for tentative conclusions: the "
            "instructions, or the items, leave too much open."
        )
    else:
        yield (
            f"Alpha may lie below {_TENTATIVE}, Krippendorff's limit for tentative conclusions: "
            "more items would tell."
        )
    if (alone := counts["units"] - counts["paired"]) > 0:
        yield (
            f"Of {counts['units']} items, {alone} with fewer than two grades tell nothing about "
            "agreement."
        )
    if read.spellings:
        alike = [" and ".join(map(repr, each)) for each in read.spellings.values()]
        more = f"; and {len(alike) - _NAMED} more" if len(alike) > _NAMED else ""
        yield f"Read as one label: {'; '.join(alike[:_NAMED])}{more}."
    yield from _apart(read)
    if read.divided:
        tied = f" ({read.undecided} are tied and in none)" if read.undecided else ""
        yield (
            f"Graders do not all name the same category for {_units(read.divided)}, which "
            f"{'counts' if read.divided == 1 else 'count'} towards the one most named{tied}. Where "
            "only harmful items have a category, an item is in one as soon as one grader finds it "
            "harmful: agreement by category is below that over all items."
        )
    if counts["paired"] < _FEW:
        yield f"Only {_items(counts['paired'])} two grades or more: no interval tells much."
    if not read.ordinal and len(read.labels) > 2 and all(map(_is_number, read.labels)):
        numbers = ",".join(sorted(read.labels, key=float))
        yield (
            f"The labels are numbers, taken without an order; if they have one, give --order "
            f"{numbers}."
        )
    if counts["not_sure"]:
        yield (
            f"{counts['not_sure']} of {counts['answers']} answers are not_sure: no severity, left "
            "out of every coefficient, a miss in the human oracle."
        )
    for name, grader in tree["graders"].items():
        bias = grader.get("bias")
        if bias and bias["value"] is not None and (bias["low"] > 0 or bias["high"] < 0):
            kind = "harsher" if bias["value"] > 0 else "milder"
            yield (
                f"{name} is {kind} than the others: above them in "
                f"{grader['harsher']['value']:.0%}, below them in "
                f"{grader['milder']['value']:.0%} of comparisons."
            )
    if "overall" in " ".join(tree["intervals"]["thin"]):
        yield (
            "So few items are in disagreement (or in agreement) that the overall intervals rest on "
            "Wilson's bounds of the agreement, with chance taken as fixed."
        )
    yield from _oracle_notes(oracle)


def _apart(read: Grades) -> Iterator[str]:
    """Graders who have no label in common with any other, which may be for its spelling."""
    if read.ordinal or read.severities:
        return
    labels: dict[int, set[int]] = {}
    for grader, code in read.graded.select("grader", "code").unique().sort("grader").iter_rows():
        labels.setdefault(grader, set()).add(code)
    answers = read.graded["grader"].value_counts()
    often = set(answers.filter(pl.col("count") >= _TELLING)["grader"])
    for grader, own in labels.items():
        if grader not in often:
            continue
        others = set().union(*(codes for other, codes in labels.items() if other != grader))
        if others and not own & others:
            names = ", ".join(read.labels[code] for code in sorted(own)[:_NAMED])
            theirs = ", ".join(read.labels[code] for code in sorted(others)[:_NAMED])
            yield (
                f"{read.graders[grader]} has no label in common with the others ({names}; "
                f"{theirs}): if these are the same labels by other names, say so with --map."
            )


def _units(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"


def _items(count: int) -> str:
    return "1 item has" if count == 1 else f"{count} items have"


def _is_number(label: str) -> bool:
    try:
        return math.isfinite(float(label))
    except ValueError:
        return False


def _oracle_notes(oracle: dict[str, Any]) -> Iterator[str]:
    if oracle["consensus"] == "all":
        yield (
            "The oracle's consensus contains the grader's own grade (as in the paper): it flatters "
            "the grader."
        )
    elif oracle["graders"] == 2:
        yield "With two graders, the consensus of the others is just the other grader."
    ties = sum(oracle[m]["ties"] for m in ("image", "text", "joint") if m in oracle)
    answers = sum(oracle[m]["n"] for m in ("image", "text", "joint") if m in oracle)
    if ties:
        treatment = {
            "random": "resolved by a seeded draw between the tied labels",
            "worse": "resolved to the worse label",
            "drop": "left out, which makes the items that remain easier",
        }[oracle["tie_rule"]]
        yield f"The consensus was tied for {ties} answers of the oracle's {answers}: {treatment}."
