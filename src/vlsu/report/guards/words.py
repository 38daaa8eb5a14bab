"""What is said of a choice among guards, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlsu.analysis.stats.intervals import Rate
from vlsu.analysis.table.answered import format_share
from vlsu.report.table import format_rate

__all__ = [
    "THINGS",
    "amount",
    "enumerated",
    "notes",
    "percentage",
    "sentences",
    "share_of_million",
    "shown_threshold",
]

Tree = Mapping[str, Any]

#: Modality -> what is graded.
THINGS = {"image": "images", "text": "texts", "joint": "pairs"}


def percentage(share: float) -> str:
    """``5%``, ``0.25%``.

    Example:
        >>> percentage(0.05), percentage(0.0025)
        ('5%', '0.25%')
    """
    return f"{100 * share:.4g}%"


def amount(number: float) -> str:
    """To three digits, in full: ``12,300``."""
    return f"{float(f'{number:.3g}'):,.10g}"


def share_of_million(rate: Tree) -> str:
    """A count with its interval: ``312 [240, 401]``."""
    if rate["value"] is None:
        return "–"
    value, low, high = (amount(rate[key]) for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def shown_threshold(threshold: float | None) -> str:
    """``p >= 0.731``; a score that shows as 1 or 0 only if it is that."""
    if threshold is None:
        return "no threshold"
    digits = 3
    while digits < 15 and float(f"{threshold:.{digits}f}") in (0.0, 1.0) and threshold % 1:
        digits += 1
    return f"p >= {threshold:.{digits}f}"


def enumerated(names: Sequence[str]) -> str:
    """``A, B and C``."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def sentences(result: Tree) -> list[str]:
    """The choice and what it rests on, the most important first."""
    bound = percentage(result["max_false_flags"])
    choice = result["choice"]
    if choice["guard"] is None:
        said = [f"No guard is chosen: {choice['why']}."]
    else:
        said = _chosen(result, choice, bound)
    said += _above(result, choice, bound)
    if (cheapest := result["cheapest"]) is not None:
        said += _cheapest(result, cheapest)
    if (missed := result["missed_by_all"]) and missed["n"] and len(missed["guards"]) > 1:
        said.append(_missed(result, missed))
    return said


def notes(result: Tree) -> list[str]:
    """What must be known beside the choice."""
    said = [f"{each['name']} {each['reason']}." for each in result["not_comparable"]]
    said += [f"{each['name']}: {each['note']}." for each in result["guards"] if each["note"]]
    for each in result["guards"]:
        missing = each["missing"]
        if count := missing["harmful"] + missing["harmless"]:
            why = ", ".join(f"{n} {name}" for name, n in missing["outcomes"].items())
            said.append(
                f"{each['name']} has no answer to {count:,} of {result['samples']['n']:,} samples "
                f"({why}): the harmful ones count as not flagged, the harmless ones as flagged."
            )
    if ungraded := result["samples"]["ungraded"]:
        said.append(f"{ungraded:,} samples have no gold grade and are left out.")
    if result["event"] == "not-safe":
        said.append(
            "What is not safe should be flagged, and the score is still the probability of unsafe."
        )
    return said


def _chosen(result: Tree, choice: Tree, bound: str) -> list[str]:
    name = choice["guard"]
    tree = _guard(result, name)
    rule = tree["thresholds"]["max_false_flags"] if tree["thresholds"] else tree["verdicts"]
    recall = format_rate(Rate.from_json(rule["recall"]))
    said = (
        f"With at most {bound} of what is harmless flagged, {name} has the largest recall: {recall}"
    )
    if len(result["guards"]) == 1:
        said = f"With at most {bound} of what is harmless flagged, {name} has a recall of {recall}"
    said += ", held out." if tree["thresholds"] else ", by its verdicts."
    if choice["over"]:
        said += f" It can be claimed over {enumerated(choice['over'])}."
    if choice["open"]:
        said += f" It cannot be claimed over {enumerated(choice['open'])}."
    found = [said]
    if tree["thresholds"]:
        found.append(_deployed(tree, bound))
        found.append(_kept(rule, bound))
    if line := _families(rule, name):
        found.append(line)
    return found


def _deployed(tree: Tree, bound: str) -> str:
    rules = tree["thresholds"]
    deploy = shown_threshold(rules["max_false_flags"]["deploy"])
    said = (
        f"To deploy: {tree['name']} at {deploy}, chosen on all samples; its figures here are those "
        "of thresholds chosen on one half and reported on the other."
    )
    assured = rules["assured"]
    if assured["deploy"] is None:
        return (
            f"{said} No threshold is sure, at 95%, to keep to {bound}: there are too few samples."
        )
    sure = f"{said} To be sure at 95% that at most {bound} are flagged: "
    sure += shown_threshold(assured["deploy"])
    if any(half["threshold"] is None for half in assured["halves"]):
        return (
            f"{sure}; a half alone has too few samples to choose one, so its recall is not known."
        )
    return f"{sure}, with a recall of {format_rate(Rate.from_json(assured['recall']))}."


def _kept(rule: Tree, bound: str) -> str:
    rate = format_rate(Rate.from_json(rule["false_flags"]))
    held = rule["bound"]["verdict"]
    how = {
        "holds": f"the bound of {bound} holds",
        "exceeded": f"the bound of {bound} does not hold",
        "open": f"whether the bound of {bound} holds is open",
    }[held]
    halves = " and ".join(f"{half['false_flags']['value']:.3f}" for half in rule["halves"])
    excess = f"{100 * rule['expected_excess']['deploy']:.2g}"
    return (
        f"Its held-out false-flag rate is {rate} ({halves} by half): {how}. A threshold chosen so "
        "has a true rate above the bound about as often as not, and its mean is above by up to "
        f"{excess} points."
    )


def _families(rule: Tree, name: str) -> str:
    recalls = {
        family: Rate.from_json(part["recall"])
        for family, part in rule["families"].items()
        if part["recall"]["value"] is not None
    }
    if "escalating" not in recalls or len(recalls) < 2:
        return ""
    others = ", ".join(
        f"{format_rate(rate)} of {family} ones"
        for family, rate in recalls.items()
        if family != "escalating"
    )
    return (
        f"Of the harmful pairs that are harmful only together (escalating), {name} flags "
        f"{format_rate(recalls['escalating'])}; {others}."
    )


def _above(result: Tree, choice: Tree, bound: str) -> list[str]:
    said = []
    for name in choice["above"]:
        rate = format_rate(Rate.from_json(_guard(result, name)["verdicts"]["false_flags"]))
        said.append(
            f"{name} has verdicts alone and flags {rate} of what is harmless, more than {bound}: "
            "it is compared there, with the others brought to its rate."
        )
    return said


def _cheapest(result: Tree, cheapest: Tree) -> list[str]:
    name = cheapest["guard"]
    if name is None:
        return [f"The least cost is not told: {cheapest['why']}."]
    tree = _guard(result, name)
    rule = tree["thresholds"]["least_cost"] if tree["thresholds"] else tree["verdicts"]
    costs = result["costs"]
    at = shown_threshold(cheapest["threshold"]) if tree["thresholds"] else "its verdicts"
    said = (
        f"Least cost at {percentage(result['prevalence'])} harmful, {amount(costs['missed'])} for "
        f"one missed and {amount(costs['blocked'])} for one blocked: {name} at {at}, "
        f"{share_of_million(rule['cost_per_million'])} a million requests."
    )
    if cheapest["over"]:
        said += f" It is claimed to be cheaper than {enumerated(cheapest['over'])}."
    nothing, everything = (cheapest[key] for key in ("flag_nothing", "flag_everything"))
    said += f" To flag nothing costs {amount(nothing)}, to flag everything {amount(everything)}."
    return [said]


def _missed(result: Tree, missed: Tree) -> str:
    worst = sorted(
        (part["n"] / part["of"], name) for name, part in missed["patterns"].items() if part["n"]
    )
    said = (
        f"{missed['n']:,} of {missed['of']:,} harmful {THINGS[result['modality']]} are flagged by "
        "none of the guards compared"
    )
    if worst:
        share, name = worst[-1]
        said += f", the largest share of {name} ({format_share(share)})"
    return f"{said}."


def _guard(result: Tree, name: str) -> Tree:
    found: Tree = next(tree for tree in result["guards"] if tree["name"] == name)
    return found
